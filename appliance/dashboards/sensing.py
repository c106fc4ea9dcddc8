"""Of one box's dashboard: what its sensors deliver."""

from appliance.dashboards.panel import Colour, Kind, Panel, Query, Row, Unit

GOOD, BAD = Colour.GOOD, Colour.BAD

SENSORS = Row(
    title="Sensors",
    panels=(
        Panel(
            title="When sensors delivered",
            shows="When each sensor delivered.",
            kind=Kind.STATES,
            queries=(Query(expr="max by (sensor) (omniwatch_sensor_up{@})", legend="{{sensor}}"),),
            states={0: ("lost", BAD), 1: ("delivers", GOOD)},
        ),
        Panel(
            title="Age of the newest frame and sound",
            shows="How old what came last is. Good: under some seconds. Prometheus' clock is compared with the box's: a constant offset is the"
            " clocks'.",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            queries=(
                Query(expr="time() - max by (sensor) (omniwatch_sensor_last_frame_timestamp_seconds{@})", legend="{{sensor}} picture"),
                Query(
                    expr="time() - max by (sensor) (omniwatch_sensor_last_sound_timestamp_seconds{@})",
                    legend="{{sensor}} sound",
                    empty="no sensor has sound",
                ),
            ),
        ),
        Panel(
            title="Frames a second",
            shows="Frames decoded. Steady is good; it is the source's rate, not the window's.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.NUMBER,
            queries=(Query(expr="sum by (sensor) (rate(omniwatch_sensor_process_frames{@}[$__rate_interval]))", legend="{{sensor}}"),),
        ),
        Panel(
            title="Windows a second",
            shows="Windows that ended: one every `every` of the sensor's configuration.",
            kind=Kind.LINES,
            width=8,
            queries=(Query(expr="sum by (sensor) (rate(omniwatch_windows_total{@}[$__rate_interval]))", legend="{{sensor}}"),),
        ),
        Panel(
            title="Sound level",
            shows="Level of each sensor's sound; 0 is the loudest that can be, -100 silence. A line that lies still at the bottom is a dead"
            " microphone.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.DBFS,
            queries=(Query(expr="max by (sensor) (omniwatch_sensor_level_dbfs{@})", legend="{{sensor}}"),),
        ),
        Panel(
            title="Lost and started again",
            shows="Times in an hour that a sensor was lost, by reason, and that its process was started again. Good: none.",
            kind=Kind.LINES,
            unit=Unit.NUMBER,
            queries=(
                Query(
                    expr="sum by (sensor, reason) (increase(omniwatch_sensor_losses_total{@}[1h])) > 0",
                    legend="{{sensor}}: {{reason}}",
                    empty="no sensor has been lost",
                ),
                Query(
                    expr="sum by (sensor) (increase(omniwatch_sensor_restarts_total{@}[1h])) > 0",
                    legend="{{sensor}} started again",
                    empty="no sensor's process had to be started again",
                ),
            ),
        ),
        Panel(
            title="Dropped pairs, jumps, new connections",
            shows="Pairs of frames dropped for want of room, jumps of the source's clock, and times it was opened again, since the sensor's process"
            " started. Good: hardly ever more.",
            kind=Kind.LINES,
            unit=Unit.NUMBER,
            queries=(
                Query(expr="max by (sensor) (omniwatch_sensor_process_dropped_pairs{@})", legend="{{sensor}} dropped"),
                Query(expr="max by (sensor) (omniwatch_sensor_process_jumps{@})", legend="{{sensor}} jumps"),
                Query(expr="max by (sensor) (omniwatch_sensor_process_reconnects{@})", legend="{{sensor}} opened again"),
            ),
        ),
    ),
)
