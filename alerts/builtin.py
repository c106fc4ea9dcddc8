"""The policies that watch the watcher: ordinary policies, made from the names of the sensors. The answers come from elsewhere.

Those of `CUES_ONLY` are answered by the cue judge from each window and by no other; all the rest by the supervisor, from facts
(`facts.py`), once a second. Figures are in the units of `sensors.cues`. They have not been measured on a site: they are set so
that a wrong alarm about the camera is rarer than a late one, because people mute what cries wolf.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from alerts import names
from analyzers.policy import Acknowledge, CueRule, Policy, PolicyId, Severity, Trigger
from sensors.cues import CueName
from sensors.window import Sense, SensorId

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

CUES_ONLY = frozenset({names.PICTURE_DARK, names.PICTURE_COVERED, names.PICTURE_FROZEN, names.CAMERA_MOVED, names.MICROPHONE_DEAD})
"""Built-in policies that the cue judge answers, whichever judge the box has."""

EXPLAINED_BY = {
    names.SELF_TEST_FAILED: frozenset(
        {names.JUDGE_DOWN, names.WINDOWS_SHED, names.STORE_FAILED, names.BROKER_UNREACHABLE, names.PUBLISH_REFUSED}
    )
}
"""What is not told of the box while one of these is: it says the same less well."""

FEED = timedelta(seconds=1)
"""The supervisor gives its judgements so often: the `stride` of its policies' tracks."""


def builtin(*, sight: Iterable[SensorId], sound: Iterable[SensorId]) -> tuple[Policy, ...]:
    """All built-in policies of a box: `sight` are its sensors that have a picture, `sound` those that should be heard."""
    seen, heard = tuple(sight), tuple(sound)
    everyone = tuple(dict.fromkeys((*seen, *heard)))
    return (*_of_sensors(everyone), *_of_pictures(seen), *_of_sounds(heard), *_of_the_box())


def _of_sensors(sensors: tuple[SensorId, ...]) -> tuple[Policy, ...]:
    """The sensor waits for its own stall time before it says that it is lost, so one word is enough."""
    lost = Policy(
        id=names.SENSOR_LOST,
        title="Sensor lost",
        ask="Has the sensor given nothing for longer than it may?",
        sensors=sensors,
        severity=Severity.HIGH,
        clear_after=5 * SECOND,  # a stream that opens and breaks at once has not come back
    )
    return (lost,) if sensors else ()


def _of_pictures(sensors: tuple[SensorId, ...]) -> tuple[Policy, ...]:
    """States of the camera: asked in three windows in a row, so that a lamp, a lorry or a knock is none."""
    steady = Trigger(count=3, of=3)
    rows = (
        # Mean luma of 13 of 255 or less: a lens cap, or no light and no infrared. A night scene under street lamps lies above.
        replace(_cued(names.PICTURE_DARK, "Picture dark", CueName.DARK, 0.95), trigger=steady),
        # Four fifths of the detail that this camera usually shows. Covering is tampering: somebody has to have seen it, also
        # because what covers the lens becomes usual after a while and then reads as clear.
        replace(
            _cued(names.PICTURE_COVERED, "Picture covered", CueName.COVERED, 0.8),
            trigger=steady,
            severity=Severity.HIGH,
            acknowledge=Acknowledge.REQUIRED,
        ),
        # The cue counts seconds itself. Thrifty encoders repeat a still picture for some ten seconds; a minute is no thrift.
        replace(_cued(names.PICTURE_FROZEN, "Picture frozen", CueName.FROZEN, 60.0), severity=Severity.HIGH),
        # A twentieth of the picture's width: zones and masks no longer lie where they were drawn. Tampering, as above.
        replace(
            _cued(names.CAMERA_MOVED, "Camera moved", CueName.MOVED, 0.05),
            trigger=steady,
            severity=Severity.HIGH,
            acknowledge=Acknowledge.REQUIRED,
        ),
    )
    return tuple(replace(row, sensors=sensors, senses=frozenset({Sense.SIGHT})) for row in rows) if sensors else ()


def _of_sounds(sensors: tuple[SensorId, ...]) -> tuple[Policy, ...]:
    """Samples that are all the same for a minute: never a quiet room. A minute, because some cameras mute themselves for a while."""
    dead = _cued(names.MICROPHONE_DEAD, "Microphone dead", CueName.DIGITAL_SILENCE, 60.0)
    return (replace(dead, sensors=sensors, senses=frozenset({Sense.SOUND})),) if sensors else ()


def _cued(name: PolicyId, title: str, cue: CueName, figure: float) -> Policy:
    """A policy that one cue wakes and answers. A lost sensor explains it."""
    return Policy(
        id=name,
        title=title,
        ask=f"Is {cue.value} at {figure:g} or more?",
        sensors=(),
        wake=frozenset({cue}),
        clear_after=10 * SECOND,
        inhibited_by=frozenset({names.SENSOR_LOST}),
        fallback=CueRule(at_least={cue: figure}),
    )


def _of_the_box() -> tuple[Policy, ...]:
    """One view, `box`. How long something must be so before it is an alarm is said in `facts.py`; here, for how long it must be gone."""
    rows = (
        (names.SENSORS_LOST, "Sensors lost together", Severity.CRITICAL, 5 * SECOND),
        (names.JUDGE_DOWN, "Judge down", Severity.HIGH, 10 * SECOND),
        (names.UNDECIDED, "Policies undecided", Severity.MEDIUM, MINUTE),
        (names.STORE_FAILED, "Store failed", Severity.CRITICAL, 10 * SECOND),
        (names.DISK_LOW, "Disk low", Severity.HIGH, MINUTE),
        (names.EVIDENCE_FULL, "Evidence is not kept", Severity.HIGH, 10 * SECOND),
        (names.BROKER_UNREACHABLE, "Broker unreachable", Severity.HIGH, 10 * SECOND),
        (names.PUBLISH_REFUSED, "Publish refused", Severity.HIGH, timedelta(0)),
        (names.WINDOWS_SHED, "Windows shed", Severity.MEDIUM, MINUTE),
        (names.SELF_TEST_FAILED, "Self-test failed", Severity.HIGH, timedelta(0)),
        (names.CONFIG_RELOAD_FAILED, "Configuration not reloaded", Severity.MEDIUM, timedelta(0)),
        (names.CLOCK_STEPPED, "Clock stepped", Severity.LOW, timedelta(0)),
        (names.WATCH_GAP, "Gap in the watch", Severity.LOW, timedelta(0)),
        (names.ALARM_FLOOD, "Alarm flood", Severity.HIGH, timedelta(0)),
    )
    return tuple(
        Policy(
            id=name,
            title=title,
            ask=f"{title}?",
            sensors=(names.BOX_SENSOR,),
            severity=severity,
            clear_after=clear_after,
            inhibited_by=EXPLAINED_BY.get(name, frozenset()),
        )
        for name, title, severity, clear_after in rows
    )
