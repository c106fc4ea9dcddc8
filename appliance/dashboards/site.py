"""The dashboard of a site: every box in a line, and which of them deserves a look."""

from appliance.dashboards.panel import Colour, Dashboard, Kind, Panel, Query, Row, Unit, Variable

GOOD, LOOK, BAD, PLAIN, OFF = Colour.GOOD, Colour.LOOK, Colour.BAD, Colour.PLAIN, Colour.OFF
OPENED = '@, change=~"opened|reopened"'
STANDS = 'state=~"active|acknowledged"'
JUDGED, CUED = (
    f'histogram_quantile(0.95, sum by (site, box, le) (rate(omniwatch_window_age_seconds_bucket{{@, stage="{stage}"}}[10m])))'
    for stage in ("judged", "cued")
)
ANSWERED = f"{JUDGED} or {CUED}"
"""By the model where there is one: cues wait for nobody."""

NOW = Row(
    title="Now",
    panels=(
        Panel(
            title="Boxes",
            shows="Boxes that answer Prometheus, of those it knows. Good: all.",
            kind=Kind.STAT,
            width=5,
            height=4,
            unit=Unit.NONE,
            queries=(Query(expr='sum(up{job="omniwatch", @})', legend="answer"), Query(expr='count(up{job="omniwatch", @})', legend="of")),
        ),
        Panel(
            title="Sensors",
            shows="Sensors that deliver, of those configured. Good: all.",
            kind=Kind.STAT,
            width=5,
            height=4,
            unit=Unit.NONE,
            queries=(Query(expr="sum(omniwatch_sensor_up{@})", legend="deliver"), Query(expr="count(omniwatch_sensor_up{@})", legend="of")),
        ),
        Panel(
            title="Alarms standing",
            shows="Alarms whose cause has not gone, of all boxes.",
            kind=Kind.STAT,
            width=3,
            height=4,
            unit=Unit.NONE,
            queries=(Query(expr="sum(omniwatch_alarms_standing{@})"),),
            steps=((None, GOOD), (1, LOOK), (10, BAD)),
        ),
        Panel(
            title="Boxes in a flood",
            shows="Boxes with more alarms than anybody can answer. Good: 0.",
            kind=Kind.STAT,
            width=3,
            height=4,
            unit=Unit.NONE,
            queries=(Query(expr=f'sum(omniwatch_alarm_state{{@, policy="alarm-flood", {STANDS}}})'),),
            steps=((None, GOOD), (1, BAD)),
        ),
        Panel(
            title="Longest wait to be told",
            shows="The oldest notification in any outbox. Good: some seconds at most.",
            kind=Kind.STAT,
            width=4,
            height=4,
            unit=Unit.SECONDS,
            queries=(Query(expr="max(omniwatch_outbox_oldest_seconds{@})"),),
            steps=((None, GOOD), (60, LOOK), (300, BAD)),
        ),
        Panel(
            title="Fullest disk",
            shows="The smallest free share of any box's disk.",
            kind=Kind.STAT,
            width=4,
            height=4,
            unit=Unit.SHARE,
            queries=(Query(expr="min(omniwatch_disk_free_ratio{@})"),),
            steps=((None, BAD), (0.05, LOOK), (0.1, GOOD)),
        ),
        Panel(
            title="Boxes, one a line",
            shows="How each box stands: sensors that deliver, of all; alarms that stand; 19 windows in 20 judged within; notifications that wait."
            " A box's name leads to its own dashboard.",
            kind=Kind.TABLE,
            width=24,
            height=6,
            queries=(
                Query(
                    expr='max by (site, box) (up{job="omniwatch", @})',
                    legend="answers",
                    states={0: ("no", BAD), 1: ("yes", GOOD)},
                ),
                Query(expr="sum by (site, box) (omniwatch_sensor_up{@})", legend="deliver"),
                Query(expr="count by (site, box) (omniwatch_sensor_up{@})", legend="sensors"),
                Query(
                    expr="max by (site, box) (omniwatch_judge_ready{@})",
                    legend="model",
                    states={0: ("cues answer", LOOK), 1: ("ready", GOOD)},
                ),
                Query(expr="sum by (site, box) (omniwatch_alarms_standing{@})", legend="alarms"),
                Query(expr="sum by (site, box) (omniwatch_alarms_stale{@})", legend="stale"),
                Query(expr=ANSWERED, legend="judged within", unit=Unit.SECONDS),
                Query(expr="sum by (site, box) (omniwatch_outbox_depth{@})", legend="waiting"),
                Query(expr="min by (site, box) (omniwatch_disk_free_ratio{@})", legend="disk free", unit=Unit.SHARE),
                Query(expr="time() - max by (site, box) (omniwatch_process_start_time_seconds{@})", legend="running for", unit=Unit.AGE),
            ),
            unit=Unit.NONE,
        ),
    ),
)

ALARMS = Row(
    title="Alarms (figures of EEMUA 191)",
    panels=(
        Panel(
            title="Alarms an hour",
            shows="Alarms that opened in the hour before, by box. For one person up to 6 altogether are fine, and 12 the most that can be managed.",
            kind=Kind.LINES,
            stacked=True,
            lines_at_steps=True,
            steps=((None, GOOD), (6, LOOK), (12, BAD)),
            queries=(Query(expr=f"round(sum by (site, box) (increase(omniwatch_alarm_changes_total{{{OPENED}}}[1h])))", legend="{{site}} {{box}}"),),
        ),
        Panel(
            title="Standing by severity",
            shows="What stood when, over all boxes.",
            kind=Kind.LINES,
            stacked=True,
            queries=(Query(expr="sum by (severity) (omniwatch_alarms_standing{@})", legend="{{severity}}"),),
        ),
        Panel(
            title="Noisiest policies",
            shows="The ten whose alarms opened most in the time shown, with their box. Begin with them.",
            kind=Kind.BARS,
            width=10,
            queries=(
                Query(
                    expr=f"topk(10, round(sum by (site, box, policy) (increase(omniwatch_alarm_changes_total{{{OPENED}}}[$__range]))) > 0)",
                    legend="{{policy}} on {{site}} {{box}}",
                ),
            ),
        ),
        Panel(
            title="Time in flood",
            shows="Share of the time shown in which each box raised more alarms than anybody can answer. Good: under 1 %.",
            kind=Kind.BARS,
            width=5,
            unit=Unit.SHARE,
            queries=(
                Query(
                    expr=f'avg_over_time(sum by (site, box) (omniwatch_alarm_state{{@, policy="alarm-flood", {STANDS}}})[$__range:])',
                    legend="{{site}} {{box}}",
                ),
            ),
            steps=((None, GOOD), (0.01, BAD)),
        ),
        Panel(
            title="Stale alarms",
            shows="Alarms that have stood for more than a day, by box. Good: 0.",
            kind=Kind.BARS,
            width=4,
            unit=Unit.NONE,
            queries=(Query(expr="sum by (site, box) (omniwatch_alarms_stale{@})", legend="{{site}} {{box}}"),),
            steps=((None, GOOD), (1, LOOK)),
        ),
        Panel(
            title="Time to acknowledge",
            shows="From an alarm's opening to somebody's acknowledgement in the time shown: half of them within, by box.",
            kind=Kind.BARS,
            width=5,
            unit=Unit.SECONDS,
            queries=(
                Query(
                    expr="histogram_quantile(0.5, sum by (site, box, le) (increase(omniwatch_alarm_acknowledge_seconds_bucket{@}[$__range])))",
                    legend="{{site}} {{box}}",
                    empty="nobody has acknowledged an alarm in the time shown",
                ),
            ),
        ),
    ),
)

WORK = Row(
    title="Sensors and judging",
    panels=(
        Panel(
            title="Sensors that deliver nothing",
            shows="Each sensor that is lost, with its box. Good: nothing here.",
            kind=Kind.STATES,
            queries=(
                Query(
                    expr="max by (site, box, sensor) (omniwatch_sensor_up{@} == 0)",
                    legend="{{sensor}} of {{site}} {{box}}",
                    empty="every sensor delivers",
                ),
            ),
            states={0: ("lost", BAD)},
        ),
        Panel(
            title="Share of time that sensors delivered",
            shows="Of the time shown, by box, over all of its sensors. Good: 1.",
            kind=Kind.BARS,
            unit=Unit.SHARE,
            queries=(Query(expr="avg by (site, box) (avg_over_time(omniwatch_sensor_up{@}[$__range]))", legend="{{site}} {{box}}"),),
            steps=((None, BAD), (0.95, LOOK), (0.999, GOOD)),
        ),
        Panel(
            title="Judged within",
            shows="Of ten minutes, 19 windows in 20 were judged within, by box. Good: well under half of max_age.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SECONDS,
            queries=(Query(expr=ANSWERED, legend="{{site}} {{box}}"),),
        ),
        Panel(
            title="Dropped before it was asked",
            shows="Share of what should have been asked that was superseded or grew too old. Good: 0; over a fifth for ten minutes is an alert.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SHARE,
            queries=(
                Query(
                    expr='sum by (site, box) (rate(omniwatch_judgements_total{@, cause=~"superseded|too_old"}[10m]))'
                    ' / sum by (site, box) (rate(omniwatch_judgements_total{@, cause=~"superseded|too_old"}[10m])'
                    ' or rate(omniwatch_judgements_total{@, by=~"omni|server"}[10m]))',
                    legend="{{site}} {{box}}",
                    empty="nothing has been dropped",
                ),
            ),
        ),
        Panel(
            title="How busy the models are",
            shows="Share of the time in which each box's model works on something. Over 85 % it begins to drop windows.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SHARE,
            lines_at_steps=True,
            steps=((None, GOOD), (0.85, BAD)),
            queries=(Query(expr="sum by (site, box) (rate(omniwatch_judge_batch_seconds_sum{@}[$__rate_interval]))", legend="{{site}} {{box}}"),),
        ),
    ),
)

MACHINES = Row(
    title="Machines",
    panels=(
        Panel(
            title="Memory",
            shows="Of each box's main process and of its model's. A line that climbs for days is a leak.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.BYTES,
            queries=(
                Query(expr="sum by (site, box) (omniwatch_process_resident_memory_bytes{@})", legend="{{site}} {{box}}"),
                Query(
                    expr="sum by (site, box) (omniwatch_judge_process_resident_memory_bytes{@})",
                    legend="{{site}} {{box}} model",
                    empty="no box has a model",
                ),
            ),
        ),
        Panel(
            title="Disk free",
            shows="Free share of each box's disk, and where it leads.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SHARE,
            lines_at_steps=True,
            steps=((None, BAD), (0.05, LOOK), (0.1, GOOD)),
            queries=(Query(expr="min by (site, box) (omniwatch_disk_free_ratio{@})", legend="{{site}} {{box}}"),),
        ),
        Panel(
            title="Starts",
            shows="How often each box was started again in the time shown. Good: only when somebody wanted it.",
            kind=Kind.BARS,
            width=8,
            unit=Unit.NONE,
            queries=(Query(expr="sum by (site, box) (changes(omniwatch_process_start_time_seconds{@}[$__range]))", legend="{{site}} {{box}}"),),
            steps=((None, GOOD), (1, LOOK)),
        ),
    ),
)

SITE = Dashboard(
    uid="omniwatch-site",
    title="Omniwatch: site",
    about="Many boxes: which of them deserves a look, and how many alarms people get from all together. docs/operations.md explains it.",
    scope='site=~"$site", box=~"$box"',
    variables=(
        Variable(name="site", label="Site", values="label_values(omniwatch_build_info, site)", many=True),
        Variable(name="box", label="Box", values='label_values(omniwatch_build_info{site=~"$site"}, box)', many=True),
    ),
    rows=(NOW, ALARMS, WORK, MACHINES),
)
