"""What clip an alarm wants: which span of which segments, and what is shown of it. Pure; and the orders and clips that come of that."""

from collections.abc import Iterable
from datetime import timedelta

from alerts import names
from alerts.alert import Alert
from alerts.evidence import Clip
from alerts.track import Track
from appliance.config.configuration import SensorConfig
from appliance.config.evidence_form import EvidenceConfig, EvidenceUse
from appliance.evidence.files import POSTER
from appliance.store.clip_rows import Wanted
from sensors.cut import Cut, CutOrder
from sensors.moment import NANOSECONDS, Moment
from sensors.segment import folder_of
from sensors.window import SensorId


def around(alert: Alert, sensor: SensorConfig, config: EvidenceConfig) -> Wanted:
    """From before the window that opened an alert to after it; the poster is of the window's middle."""
    end = alert.window_end or alert.changed
    length = timedelta(seconds=sensor.settings.window.length_s)
    moment = end.plus(-length / 2) if alert.window_end else end
    return _wanted(sensor, config, (end.plus(-length - config.before), end.plus(config.after)), moment)


def last_seconds(lost: Alert, sensor: SensorConfig, config: EvidenceConfig) -> Wanted:
    """The last that came of a sensor, which was lost at least its stall time before that was said."""
    lasted = timedelta(seconds=sensor.settings.stall_after_s) + config.before + config.after
    return _wanted(sensor, config, (lost.changed.plus(-lasted), lost.changed), lost.changed)


def standing(tracks: Iterable[Track], sensor: SensorId) -> Alert | None:
    """The most urgent alarm that stands on a sensor, beside its own loss."""
    open_ones = [track.alert for track in tracks if track.sensor == sensor and track.is_open and track.policy != names.SENSOR_LOST and track.alert]
    return min(open_ones, key=lambda alert: (alert.severity.urgency, alert.opened.utc), default=None)


def _wanted(sensor: SensorConfig, config: EvidenceConfig, span: tuple[Moment, Moment], moment: Moment) -> Wanted:
    return Wanted(
        segments=str(folder_of(config.runtime, moment.boot_id, sensor.settings.sensor)),
        start=span[0],
        end=span[1],
        moment=moment,
        masks=sensor.settings.masks,
        original=sensor.evidence is EvidenceUse.ORIGINAL,
    )


def order_of(wanted: Wanted, target: str) -> CutOrder:
    """What a helper is told; `target`: where to, without an ending."""
    return CutOrder(
        segments=wanted.segments,
        start_ns=wanted.start.boot_ns,
        end_ns=wanted.end.boot_ns,
        moment_ns=wanted.moment.boot_ns,
        masks=wanted.masks,
        original=wanted.original,
        target=target,
    )


def clip_of(cut: Cut, path: str, wanted: Wanted) -> Clip:
    """What a helper has made, on the box's clocks; `path`: where, below the evidence folder, without an ending."""
    start, end = (wanted.moment.plus(timedelta(seconds=(at_ns - wanted.moment.boot_ns) / NANOSECONDS)) for at_ns in (cut.start_ns, cut.end_ns))
    return Clip(
        file=f"{path}{cut.suffix}",
        poster=f"{path}{POSTER}" if cut.poster else None,
        sha256=cut.sha256,
        bytes=cut.bytes,
        start=start,
        end=end,
        masked=cut.masked,
        sound=cut.sound,
    )
