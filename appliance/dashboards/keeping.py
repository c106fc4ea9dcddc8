"""Of one box's dashboard: the clips of its alarms, and the room that they take."""

from appliance.dashboards.panel import Colour, Kind, Panel, Query, Row, Unit

GOOD, BAD = Colour.GOOD, Colour.BAD
NONE_KEPT = "no evidence is kept"

EVIDENCE = Row(
    title="Evidence",
    panels=(
        Panel(
            title="Clips, an hour",
            shows="Clips that were kept, failed or were removed, with the reason. Good: one kept for each alarm, and none failed.",
            kind=Kind.LINES,
            width=8,
            queries=(
                Query(
                    expr="sum by (outcome, reason) (increase(omniwatch_evidence_clips_total{@}[1h]))",
                    legend="{{outcome}} {{reason}}",
                    empty="there has been no clip since the start",
                ),
                Query(expr="max(omniwatch_evidence_clips_waiting{@})", legend="still to be made"),
            ),
        ),
        Panel(
            title="Room for evidence",
            shows="What clips and the newest minutes of all sensors take on the disk. Clips end at the limit of the configuration.",
            kind=Kind.LINES,
            width=6,
            unit=Unit.BYTES,
            queries=(
                Query(expr="sum(omniwatch_evidence_bytes{@})", legend="clips"),
                Query(expr="sum(omniwatch_segment_bytes{@})", legend="segments"),
            ),
        ),
        Panel(
            title="Room left",
            shows="Whether there is room to keep more. Where there is none, alarms go on and their clips do not.",
            kind=Kind.STAT,
            width=3,
            queries=(Query(expr="max(omniwatch_evidence_full{@})"),),
            states={0: ("yes", GOOD), 1: ("none", BAD)},
        ),
        Panel(
            title="How far back segments reach",
            shows="What each sensor keeps for clips that are still to be made. It must be longer than the time before an alarm that a clip shows.",
            kind=Kind.LINES,
            width=7,
            unit=Unit.SECONDS,
            queries=(Query(expr="max by (sensor) (omniwatch_segments_oldest_seconds{@})", legend="{{sensor}}", empty=NONE_KEPT),),
        ),
    ),
)
