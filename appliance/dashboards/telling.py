"""Of one box's dashboard: whether it is heard, and whether it can keep what it knows."""

from appliance.dashboards.panel import Colour, Kind, Panel, Query, Row, Unit

GOOD, LOOK, BAD = Colour.GOOD, Colour.LOOK, Colour.BAD

TELLING = Row(
    title="Telling and keeping",
    panels=(
        Panel(
            title="Outbox",
            shows="Notifications that wait, were refused and are tried again now and then, live in memory alone, or were lost. Good: 0.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.NUMBER,
            queries=(
                *(
                    Query(expr=f"sum by (channel) (omniwatch_outbox_{name}{{@}})", legend=f"{{{{channel}}}} {words}")
                    for name, words in (("depth", "waiting"), ("parked", "refused"), ("undurable", "in memory"))
                ),
                Query(expr="sum(omniwatch_store_owed{@})", legend="changes that the store has not taken"),
                Query(expr="sum by (channel) (increase(omniwatch_outbox_lost_total{@}[1h]))", legend="{{channel}} lost, an hour"),
                Query(expr="sum(increase(omniwatch_outbox_expired_total{@}[1h]))", legend="too old, an hour"),
            ),
        ),
        Panel(
            title="Oldest that waits",
            shows="How long the oldest of them has waited. Good: under some seconds.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SECONDS,
            lines_at_steps=True,
            steps=((None, GOOD), (300, BAD)),
            queries=(Query(expr="max by (channel) (omniwatch_outbox_oldest_seconds{@})", legend="{{channel}}"),),
        ),
        Panel(
            title="Attempts to tell, an hour",
            shows="What became of notifications, by channel: delivered, or to be tried again, or refused.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.NUMBER,
            stacked=True,
            queries=(
                Query(
                    expr="sum by (channel, outcome) (increase(omniwatch_deliveries_total{@}[1h]))",
                    legend="{{channel}} {{outcome}}",
                ),
            ),
        ),
        Panel(
            title="Refused by the broker, an hour",
            shows="Publishes that the broker refused, by its reason. Good: none; its access rules are the usual cause.",
            kind=Kind.LINES,
            width=8,
            queries=(
                Query(
                    expr="sum by (reason) (increase(omniwatch_mqtt_puback_failures_total{@}[1h]))",
                    legend="{{reason}}",
                    empty="the broker has refused nothing",
                ),
            ),
        ),
        Panel(
            title="Broker, store, configuration",
            shows="When the broker was connected, the store could write, and the newest configuration was taken.",
            kind=Kind.STATES,
            width=8,
            queries=(
                Query(expr="min(omniwatch_mqtt_connected{@})", legend="broker"),
                Query(expr="min(omniwatch_store_up{@})", legend="store"),
                Query(expr="min(omniwatch_config_last_reload_successful{@})", legend="configuration"),
            ),
            states={0: ("no", BAD), 1: ("yes", GOOD)},
        ),
        Panel(
            title="Disk, over time",
            shows="Free share of the disk that holds the state, and where it leads.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SHARE,
            lines_at_steps=True,
            steps=((None, BAD), (0.05, LOOK), (0.1, GOOD)),
            queries=(Query(expr="min(omniwatch_disk_free_ratio{@})", legend="free"),),
        ),
        Panel(
            title="Configuration taken",
            shows="How long ago a configuration was last taken.",
            kind=Kind.STAT,
            width=8,
            unit=Unit.AGE,
            queries=(Query(expr="time() - max(omniwatch_config_last_reload_success_timestamp_seconds{@})"),),
        ),
        Panel(
            title="Pictures for the broker, an hour",
            shows="What became of cameras' pictures: on a slow or busy line a newer one takes the place of one that waits. Good: sent.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.NUMBER,
            stacked=True,
            queries=(
                Query(
                    expr="sum by (outcome) (increase(omniwatch_mqtt_pictures_total{@}[1h]))",
                    legend="{{outcome}}",
                    empty="no pictures go to the broker",
                ),
            ),
        ),
        Panel(
            title="How late the box's loop is",
            shows="It should turn every second: 99 turns in 100 are late by less than this. Over a second, the machine is too busy, or its disk"
            " hangs.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SECONDS,
            queries=(Query(expr="histogram_quantile(0.99, sum by (le) (rate(omniwatch_loop_lag_seconds_bucket{@}[10m])))", legend="late by"),),
        ),
    ),
)
