"""What each order does, whatever way it came. Every order that is no question leaves a row in the audit trail, done or refused.

It knows no socket and no broker. What is about alarms goes through the data path, so that a person's word is an event like any other.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import assert_never

from alerts.channels.cloudevents import plain
from alerts.channels.speech import SpeechFault
from alerts.event import MAX_WHO, MAX_WHY
from alerts.facts import listed
from appliance.config.problems import did_you_mean
from appliance.control.arming import Armed, Arming
from appliance.control.audit import AuditTrail, Entry
from appliance.control.orders import (
    MAX_NAME,
    Acknowledge,
    Answer,
    Arm,
    AskAudit,
    AskStatus,
    AuditAnswer,
    Clear,
    Deed,
    Disarm,
    Drill,
    Forget,
    Origin,
    Question,
    Request,
    Say,
    Shelve,
    StatusAnswer,
    Test,
    Unshelve,
    done,
    refused,
)
from appliance.control.status import Status
from appliance.control.track_orders import Reach, command
from appliance.store.store import StoreFailed
from sensors.window import SensorId

Speak = Callable[[str], Awaitable[str]]
"""Says something aloud: where it was kept, if nothing could play it. SpeechFault where it cannot be said."""
Remove = Callable[[SensorId, datetime, datetime], Awaitable[Sequence[str]]]
"""Removes the evidence of a sensor between two times, and says of each thing what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What orders work with."""

    reach: Reach
    arming: Arming
    trail: AuditTrail
    status: Callable[[], Awaitable[Status]]
    sensors: Callable[[], Sequence[SensorId]]
    remove: Remove | None
    """None: the box keeps no evidence."""
    drill: Callable[[], Awaitable[Answer]]
    speak: Speak | None
    """None: the box has no loudspeaker."""
    name: str
    """`<site>/<box>`."""


class Verbs:
    """Takes orders."""

    def __init__(self, means: Means) -> None:
        """Ready at once."""
        self._means = means

    async def execute(self, request: Request, who: str, origin: Origin) -> Answer | StatusAnswer | AuditAnswer:
        """Do what `who` says, and leave a trail of it."""
        order, name = request.order, self._means.name
        if request.box not in (None, name):
            return refused(f"this is the box {name}, not {plain(str(request.box), MAX_NAME)}")
        if isinstance(order, AskStatus | AskAudit):
            return await self._answer(order)
        order = replace(order, why=plain(order.why, MAX_WHY))
        trail, entry = self._means.trail, self._entry(order, who, origin)
        intended = await trail.intend(entry)
        answer = await self._do(order, who[:MAX_WHO])
        await trail.add(self._over(entry, order, answer), intended)
        return answer

    async def refuse(self, deed: Deed, who: str, origin: Origin, problem: str) -> None:
        """Leave a trail of an order that is refused for the way it came."""
        entry = self._entry(replace(deed, why=plain(deed.why, MAX_WHY)), who[:MAX_WHO], origin)
        await self._means.trail.add(self._over(entry, deed, refused(problem)))

    def _entry(self, order: Deed, who: str, origin: Origin) -> Entry:
        left_out = ("verb", "why")
        about = {each.name: getattr(order, each.name) for each in fields(order) if each.name not in left_out}
        about = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in about.items() if value is not None}
        return Entry(
            at=self._means.reach.clock.now(),
            origin=origin,
            who=who,
            verb=order.verb,
            about=json.dumps(about),
            why=order.why,
            outcome="",
        )

    def _over(self, entry: Entry, order: Deed, answer: Answer) -> Entry:
        outcome = f"{'done' if answer.done else 'refused'}: {'; '.join(_shortest(order, answer.says))}"
        return replace(entry, at=self._means.reach.clock.now(), outcome=outcome)

    async def _answer(self, question: Question) -> Answer | StatusAnswer | AuditAnswer:
        if isinstance(question, AskStatus):
            return StatusAnswer(status=await self._means.status())
        try:
            return await self._means.trail.read(question.last)
        except StoreFailed as error:
            return refused(f"the audit trail cannot be read: {error}")

    async def _do(self, order: Deed, who: str) -> Answer:
        match order:
            case Acknowledge() | Shelve() | Unshelve() | Clear() | Test():
                return await command(order, who, self._means.reach)
            case Arm():
                return await self._arm(order, who)
            case Disarm():
                return await self._set(Armed(mode=self._means.arming.now.mode, on=False), who)
            case Say():
                return await self._say(order)
            case Forget():
                return await self._forget(order)
            case Drill():
                return await self._means.drill()
            case _:
                assert_never(order)

    async def _arm(self, order: Arm, who: str) -> Answer:
        arming = self._means.arming
        mode = arming.now.mode if order.mode is None else plain(order.mode, MAX_NAME)
        if mode not in arming.modes:
            hint = did_you_mean(mode, arming.modes) or f"there is {', '.join(arming.modes)}"
            return refused(f'there is no arm mode "{mode}"; {hint}')
        return await self._set(Armed(mode=mode), who)

    async def _set(self, armed: Armed, who: str) -> Answer:
        remembered = await self._means.arming.set(replace(armed, since=self._means.reach.clock.now(), who=who))
        off = sorted({policy.id for policy in self._means.reach.policies().values() if not policy.watches_in(armed.in_force)})
        rest = f"; not watching now: {listed(off)}; what is open of them is asked on until it clears" if off else ""
        said = f"armed: {armed.mode}" if armed.on else "disarmed"
        return done(said + rest, *(() if remembered else ("the store has failed: this will be forgotten at the next start",)))

    async def _say(self, order: Say) -> Answer:
        if self._means.speak is None:
            return refused("this box does not speak: `notify.speech` in its configuration has it do so")
        try:
            kept = await self._means.speak(order.text)
        except SpeechFault as fault:
            return refused(str(fault))
        return done(f"kept as {kept}: there is nothing here to play it on" if kept else "said")

    async def _forget(self, order: Forget) -> Answer:
        sensors = self._means.sensors()
        if order.end <= order.start:
            return refused("the end must come after the start")
        if self._means.remove is None:
            return refused("this box keeps no evidence")
        try:
            removed = await self._means.remove(SensorId(plain(order.sensor, MAX_NAME)), order.start, order.end)
        except (StoreFailed, OSError) as error:
            return refused(f"not all of it could be removed ({error}); what has gone so far is on record: say it again when that is mended")
        if not removed and order.sensor not in sensors:  # a sensor that was taken out of the file may still have evidence
            hint = did_you_mean(order.sensor, sensors) or f"there is {', '.join(sensors)}"
            return refused(f'no evidence of "{plain(order.sensor, MAX_NAME)}", and no such sensor; {hint}')
        kept = "what was judged and alarmed stays on record; it holds neither picture nor sound, nor what the model said of them"
        return done(*(f"removed {each}" for each in removed[:50]), f"removed {len(removed)} in all; {kept}")


def _shortest(order: Deed, says: tuple[str, ...]) -> tuple[str, ...]:
    """What a row has room for: what many lines come to stands in the last of them."""
    match order:
        case Drill():
            return says[-1:]
        case Forget():
            return (*says[-1:], *says[:-1])
        case _:
            return says
