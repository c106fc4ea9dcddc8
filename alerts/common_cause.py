"""A common cause: several sensors lost within half a minute (a switch, a cable, a fuse) are one alarm that lists them. A pure fold.

The first one lost is told at once, under its own name: nobody waits to see whether others follow. Those that do follow are
listed by the alarm `sensors-lost`, and told singly only if that one ends before they are back.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from alerts import names
from alerts.event import Judged
from alerts.facts import answer, listed
from analyzers.judgement import Verdict
from sensors.moment import Moment
from sensors.window import SensorId

TOGETHER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A sensor that is lost, or was and has come back."""

    sensor: SensorId
    at: Moment
    back: Moment | None = None
    together: bool = False
    """It was lost with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Sensors that are lost, or came back a short time ago."""

    losses: tuple[Loss, ...] = ()
    group: tuple[SensorId, ...] = ()
    """Whoever was lost with the others, until all have been back for a while. It only grows, so that a return is not told as news."""

    @property
    def grouped(self) -> frozenset[SensorId]:
        """Sensors that need not be told of singly. One that had been back for a while and is lost again, alone, is not among them."""
        return frozenset(loss.sensor for loss in self.losses if loss.together)


def observed(losses: Losses, lost: frozenset[SensorId], at: Moment) -> Losses:
    """Fold which sensors are lost at `at`. To be done before their own alarms are decided, so that several at once are one."""
    aged = [_aged(loss, lost, at) for loss in losses.losses]
    kept = [loss for loss in aged if loss.back is None or _is_within(loss.back, at)]
    new = sorted(lost - {loss.sensor for loss in kept})
    kept += [Loss(sensor=sensor, at=at) for sensor in new]
    fresh = {loss.sensor for loss in kept if loss.back is None and _is_within(loss.at, at)} if new else set()
    if len(fresh) > 1:
        kept = [replace(loss, together=True) if loss.sensor in fresh else loss for loss in kept]
    members = [loss.sensor for loss in kept if loss.together]
    return Losses(losses=tuple(kept), group=tuple(dict.fromkeys((*losses.group, *members))) if members else ())


def common_answer(losses: Losses, at: Moment, *, opening: bool) -> Judged:
    """The answer to `sensors-lost`. `opening`: a sensor is still opening for the first time, so nobody can say that all are there."""
    away = any(loss.together and loss.back is None for loss in losses.losses)
    absent = Verdict.UNSURE if opening else Verdict.NO
    return answer(names.SENSORS_LOST, Verdict.YES if away else absent, at, note=listed(losses.group))


def _aged(loss: Loss, lost: frozenset[SensorId], at: Moment) -> Loss:
    """A sensor that comes back is remembered for a while: if it is lost again at once, that is still the same loss."""
    if loss.sensor in lost:
        return replace(loss, back=None)
    return loss if loss.back else replace(loss, back=at)


def _is_within(earlier: Moment, at: Moment) -> bool:
    return timedelta(0) <= at.since(earlier) <= TOGETHER
