"""The dashboard of one box: what it is doing, how its alarms do, how its model keeps up, and whether it is heard."""

from appliance.dashboards.judging import JUDGING, SCORES
from appliance.dashboards.keeping import EVIDENCE
from appliance.dashboards.panel import Colour, Dashboard, Kind, Panel, Query, Row, Unit, Variable
from appliance.dashboards.sensing import SENSORS
from appliance.dashboards.telling import TELLING

GOOD, LOOK, BAD, PLAIN, OFF = Colour.GOOD, Colour.LOOK, Colour.BAD, Colour.PLAIN, Colour.OFF
OPENED = '@, change=~"opened|reopened"'
STANDS = 'state=~"active|acknowledged"'
NOBODY = "nobody has acknowledged an alarm in the time shown"

NOW = Row(
    title="Now",
    panels=(
        Panel(
            title="Box",
            shows="Whether the box answers Prometheus.",
            kind=Kind.STAT,
            width=3,
            height=4,
            queries=(Query(expr='max(up{job="omniwatch", @})'),),
            states={0: ("silent", BAD), 1: ("answers", GOOD)},
        ),
        Panel(
            title="Running for",
            shows="Time since it was started, and its version. A short time that nobody intended: see its journal.",
            kind=Kind.STAT,
            width=4,
            height=4,
            unit=Unit.AGE,
            queries=(
                Query(
                    expr="time() - max by (version) (omniwatch_process_start_time_seconds{@} * on (instance) group_right () omniwatch_build_info{@})",
                    legend="{{version}}",
                ),
            ),
        ),
        Panel(
            title="Sensors",
            shows="Sensors that deliver, of those configured. Good: all.",
            kind=Kind.STAT,
            width=3,
            height=4,
            unit=Unit.NONE,
            queries=(Query(expr="sum(omniwatch_sensor_up{@})", legend="deliver"), Query(expr="count(omniwatch_sensor_up{@})", legend="of")),
        ),
        Panel(
            title="Model",
            shows="Whether the model answers. While it does not, cues stand in where a policy has a fallback; without a model they always do.",
            kind=Kind.STAT,
            width=3,
            height=4,
            queries=(Query(expr="max(omniwatch_judge_ready{@})"),),
            states={0: ("cues answer", LOOK), 1: ("ready", GOOD)},
        ),
        Panel(
            title="Self-test",
            shows="Whether two known clips, one with smoke and one without, went the whole way of an alarm the last time.",
            kind=Kind.STAT,
            width=3,
            height=4,
            queries=(Query(expr="max(omniwatch_self_test_passed{@}) + (max(omniwatch_self_test_timestamp_seconds{@}) > bool 0)"),),
            states={0: ("never made", OFF), 1: ("failed", BAD), 2: ("passed", GOOD)},
        ),
        Panel(
            title="Alarms standing",
            shows="Alarms whose cause has not gone, of the box itself as well.",
            kind=Kind.STAT,
            width=3,
            height=4,
            unit=Unit.NONE,
            queries=(Query(expr="sum(omniwatch_alarms_standing{@})"),),
            steps=((None, GOOD), (1, LOOK), (10, BAD)),
        ),
        Panel(
            title="Waiting to be told",
            shows="Notifications in the outbox. Good: 0; a few for some seconds after each alarm.",
            kind=Kind.STAT,
            width=3,
            height=4,
            unit=Unit.NONE,
            queries=(Query(expr="sum(omniwatch_outbox_depth{@})"),),
            steps=((None, GOOD), (10, LOOK), (100, BAD)),
        ),
        Panel(
            title="Disk free",
            shows="Free share of the disk that holds the state. At 5 % the box raises an alarm.",
            kind=Kind.STAT,
            width=2,
            height=4,
            unit=Unit.SHARE,
            queries=(Query(expr="min(omniwatch_disk_free_ratio{@})"),),
            steps=((None, BAD), (0.05, LOOK), (0.1, GOOD)),
        ),
    ),
)

ALARMS = Row(
    title="Alarms (figures of EEMUA 191)",
    panels=(
        Panel(
            title="Alarms by policy",
            shows="When each policy's alarm was pending, stood, was acknowledged, or had cleared without anybody having seen it.",
            kind=Kind.STATES,
            width=16,
            height=9,
            queries=(
                Query(
                    expr='sum by (policy, view) (omniwatch_alarm_state{@, policy=~"$policy", state="pending"}'
                    ' or omniwatch_alarm_state{@, policy=~"$policy", state="cleared_unacknowledged"} * 2'
                    ' or omniwatch_alarm_state{@, policy=~"$policy", state="acknowledged"} * 3'
                    ' or omniwatch_alarm_state{@, policy=~"$policy", state="active"} * 4)',
                    legend="{{policy}} on {{view}}",
                ),
            ),
            states={0: ("normal", OFF), 1: ("pending", PLAIN), 2: ("cleared, unseen", LOOK), 3: ("acknowledged", Colour.SEEN), 4: ("active", BAD)},
        ),
        Panel(
            title="Alarms an hour",
            shows="Alarms that opened in the hour before, by severity. Up to 6 are fine for one person, 12 the most that can be managed.",
            kind=Kind.LINES,
            width=8,
            height=9,
            stacked=True,
            lines_at_steps=True,
            steps=((None, GOOD), (6, LOOK), (12, BAD)),
            queries=(Query(expr=f"round(sum by (severity) (increase(omniwatch_alarm_changes_total{{{OPENED}}}[1h])))", legend="{{severity}}"),),
        ),
        Panel(
            title="Alarms about the box and its sensors",
            shows="When the box raised an alarm about itself or about one of its sensors: lost, dark, covered, no broker. Good: nothing here.",
            kind=Kind.STATES,
            width=24,
            height=5,
            queries=(
                Query(
                    expr=f"max by (policy, view) (omniwatch_alarm_state{{@, {STANDS}}})"
                    f" and on (policy, view) (max by (policy, view) (max_over_time(omniwatch_alarm_state{{@, {STANDS}}}[$__range])) > 0)"
                    " unless on (policy) omniwatch_policy_threshold_log_odds{@}",
                    legend="{{policy}} on {{view}}",
                    empty="the box has raised no alarm about itself",
                ),
            ),
            states={0: ("normal", OFF), 1: ("stands", BAD)},
        ),
        Panel(
            title="Noisiest policies",
            shows="The ten whose alarms opened most in the time shown. Nearly always one or two make most of the noise: begin with them.",
            kind=Kind.BARS,
            width=8,
            unit=Unit.NUMBER,
            queries=(
                Query(
                    expr=f"topk(10, round(sum by (policy) (increase(omniwatch_alarm_changes_total{{{OPENED}}}[$__range]))) > 0)",
                    legend="{{policy}}",
                ),
            ),
        ),
        Panel(
            title="Standing by severity",
            shows="What stands now. Most of it should be of low severity: where everything is critical, nothing is.",
            kind=Kind.BARS,
            width=4,
            unit=Unit.NONE,
            queries=(Query(expr="sum by (severity) (omniwatch_alarms_standing{@})", legend="{{severity}}"),),
            steps=((None, GOOD), (1, LOOK)),
        ),
        Panel(
            title="Stale",
            shows="Alarms that have stood for more than a day. Good: 0.",
            kind=Kind.STAT,
            width=3,
            unit=Unit.NONE,
            queries=(Query(expr="sum(omniwatch_alarms_stale{@})"),),
            steps=((None, GOOD), (1, LOOK)),
        ),
        Panel(
            title="Time in flood",
            shows="Share of the time shown in which there were more alarms than anybody can answer. Good: under 1 %.",
            kind=Kind.STAT,
            width=3,
            unit=Unit.SHARE,
            queries=(Query(expr=f'avg_over_time(sum(omniwatch_alarm_state{{@, policy="alarm-flood", {STANDS}}})[$__range:])'),),
            steps=((None, GOOD), (0.01, BAD)),
        ),
        Panel(
            title="Time to acknowledge",
            shows="From an alarm's opening to somebody's acknowledgement in the time shown: half of them, and nine in ten, within.",
            kind=Kind.STAT,
            width=6,
            unit=Unit.SECONDS,
            queries=tuple(
                Query(
                    expr=f"histogram_quantile({share}, sum by (le) (increase(omniwatch_alarm_acknowledge_seconds_bucket{{@}}[$__range])))",
                    legend=name,
                    empty=NOBODY,
                )
                for share, name in ((0.5, "half"), (0.9, "nine in ten"))
            ),
        ),
    ),
)

OF_BOX = "omniwatch_build_info"
BOX = Dashboard(
    uid="omniwatch-box",
    title="Omniwatch: box",
    about="One box: what it is doing, how its alarms do, how its model keeps up, and whether it is heard. docs/operations.md explains it.",
    scope='site="$site", box="$box"',
    variables=(
        Variable(name="site", label="Site", values=f"label_values({OF_BOX}, site)"),
        Variable(name="box", label="Box", values=f'label_values({OF_BOX}{{site="$site"}}, box)'),
        Variable(
            name="policy",
            label="Policy",
            values='label_values(omniwatch_policy_threshold_log_odds{site="$site", box="$box"}, policy)',
            many=True,
        ),
        Variable(name="stage", label="Stage", values='label_values(omniwatch_window_age_seconds_bucket{site="$site", box="$box"}, stage)'),
    ),
    rows=(NOW, ALARMS, JUDGING, SCORES, SENSORS, TELLING, EVIDENCE),
)
