"""Orders that come over MQTT: decoded into the same orders as those of the socket, done by the same hands, and answered.

Who may give them the broker has decided: it does not say who did, so the name that an order bears is only what its sender calls
itself. Everything here is bounded; what comes too fast is dropped, counted, and said once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from alerts.channels.cloudevents import plain
from alerts.channels.listening import MAX_PAYLOAD, Heard
from alerts.channels.mqtt import MqttChannel
from alerts.channels.packet import Message
from alerts.notification import Outcome
from appliance.allowance import Allowance
from appliance.config.problems import did_you_mean
from appliance.config.site_form import DISARMED
from appliance.control.orders import Acknowledge, Answer, Arm, Clear, Deed, Disarm, Origin, Request, Say, Shelve, Test, Unshelve, refused
from appliance.control.verbs import Verbs

VERBS: Mapping[str, tuple[type[Deed], str]] = {
    "acknowledge": (Acknowledge, '{"what": "press-cell-entry", "who": "anna"}'),
    "shelve": (Shelve, '{"what": "press-cell-entry", "span_s": 3600, "why": "maintenance", "who": "anna"}'),
    "unshelve": (Unshelve, '{"what": "press-cell-entry", "who": "anna"}'),
    "clear": (Clear, '{"what": "press-cell-entry", "who": "anna"}'),
    "arm": (Arm, '{"mode": "night", "who": "anna"}'),
    "disarm": (Disarm, '{"who": "anna"}'),
    "mode": (Arm, '{"mode": "disarmed", "who": "anna"}'),
    "say": (Say, '{"text": "The gate will be closed in five minutes.", "who": "anna"}'),
    "test-alarm": (Test, '{"what": "press-cell-entry", "who": "anna"}'),
}
"""The orders and how one looks, by the last level of their topics. `mode` arms and disarms, for whoever has one topic for both."""
MODE = "mode"
UNKNOWN = "unknown"
WORKERS = 4
"""Orders that are done at a time: a test waits for its delivery, what is to be said for its end."""
WAITING = 16
RATE_HZ, BURST = 2.0, 10.0
ANSWER_S = 60
MAX_ID = 64
MAX_REPORTED = 64
NOBODY = "somebody over MQTT"

log = logging.getLogger("omniwatch.mqtt")


class Fate(StrEnum):
    """What became of an order. Metrics use it as a label."""

    DONE = "done"
    REFUSED = "refused"
    MALFORMED = "malformed"
    RETAINED = "retained"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What every order may say besides itself."""

    who: Annotated[str, Field(min_length=1, max_length=MAX_ID)] = NOBODY
    """What its sender calls itself. It is on record as that."""
    id: Annotated[str, Field(max_length=MAX_ID)] | None = None
    """Comes back with the answer, for those whose protocol has no correlation data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerData:
    """What became of an order."""

    id: str | None
    """The order's own."""
    verb: str
    done: bool
    says: tuple[str, ...]
    """Lines for people."""


SENDER = TypeAdapter(Sender)
ANSWER = TypeAdapter(AnswerData)
ORDERS: Mapping[str, TypeAdapter[Deed]] = {verb: TypeAdapter(kind) for verb, (kind, _) in VERBS.items()}
BODY = TypeAdapter(dict[str, JsonValue])
ABOUT_THE_SENDER = frozenset(each.name for each in fields(Sender))


class NoOrderError(ValueError):
    """What came is no order; its text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An order, and who gave it."""

    order: Deed
    sender: Sender


def keys(verb: str) -> tuple[str, ...]:
    """What an order may say."""
    return tuple(each.name for kind in (VERBS[verb][0], Sender) for each in fields(kind) if each.name != "verb")


def decode(verb: str, payload: bytes) -> Given:
    """The order in a message. NoOrderError where there is none."""
    if verb not in ORDERS:
        raise NoOrderError(f'there is no order "{plain(verb, MAX_ID)}"; {did_you_mean(verb, ORDERS) or "there is " + ", ".join(ORDERS)}')
    if len(payload) > MAX_PAYLOAD:
        raise NoOrderError(f"an order has at most {MAX_PAYLOAD} bytes")
    known = keys(verb)
    try:
        body = BODY.validate_json(payload)
        if unknown := body.keys() - known:  # a key that is written wrongly must not be left out in silence
            word = plain(min(unknown), MAX_ID)
            raise NoOrderError(f'"{word}" means nothing here; {did_you_mean(word, known) or "known are " + ", ".join(known)}')
        sender = SENDER.validate_python({name: value for name, value in body.items() if name in ABOUT_THE_SENDER})
        order = ORDERS[verb].validate_python({name: value for name, value in body.items() if name not in ABOUT_THE_SENDER})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = plain(".".join(str(each) for each in first["loc"]), MAX_ID)
        raise NoOrderError(f"{where or 'the message'}: {first['msg']}; it has to be JSON like {VERBS[verb][1]}") from None
    if verb == MODE and isinstance(order, Arm) and order.mode == DISARMED:
        order = Disarm(why=order.why)
    return Given(order=order, sender=replace(sender, who=plain(sender.who, MAX_ID).strip() or NOBODY))


class MqttOrders:
    """Listens for orders while the box runs."""

    def __init__(self, channel: MqttChannel, verbs: Verbs, counted: Callable[[Fate, int], None]) -> None:
        """Listens from the channel's next connection on. `counted` is told what became of so many orders."""
        self._channel = channel
        self._verbs = verbs
        self._counted = counted
        self._waiting: asyncio.Queue[Heard] = asyncio.Queue(maxsize=WAITING)
        self._allowance = Allowance(BURST, RATE_HZ)
        self._flooded = False
        self._missed = 0
        self._reported: deque[tuple[str, bytes]] = deque(maxlen=MAX_REPORTED)
        channel.listen(channel.topics.commands, self.hear)

    def hear(self, heard: Heard) -> None:
        """One has come. It waits for its turn, or is dropped: who sends more than can be done is not answered."""
        if heard.retained and not heard.payload:  # somebody clears a topic
            return
        now = asyncio.get_running_loop().time()
        self._flooded = self._flooded and not self._allowance.is_whole(now)  # it is over when there has been peace for a while
        if self._allowance.takes(1, now) and not self._waiting.full():
            self._waiting.put_nowait(heard)
            return
        missed = self._channel.statistics().missed
        self._counted(Fate.TOO_MANY, 1 + missed - self._missed)
        self._missed = missed
        if not self._flooded:
            log.warning("mqtt: more than %g orders a second: the rest are dropped", RATE_HZ)
        self._flooded = True

    async def run(self) -> None:
        """Do what comes, some at a time."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(WORKERS):
                tasks.create_task(self._work(), name=f"orders {number}")

    async def _work(self) -> None:
        while True:
            heard = await self._waiting.get()
            verb = heard.topic.rpartition("/")[2]
            fate, answer = await self._do(verb, heard)
            self._counted(fate, 1)
            await self._answer(heard, answer)

    async def _do(self, verb: str, heard: Heard) -> tuple[Fate, AnswerData]:
        known = verb if verb in ORDERS else UNKNOWN
        try:
            given = decode(verb, heard.payload)
        except NoOrderError as error:
            self._once(heard, f"it is no order: {error}")
            return Fate.RETAINED if heard.retained else Fate.MALFORMED, AnswerData(id=None, verb=known, done=False, says=(str(error),))
        if problem := self._problem(heard):
            if self._once(heard, problem):
                await self._verbs.refuse(given.order, given.sender.who, Origin.MQTT, problem)
            return Fate.RETAINED if heard.retained else Fate.MALFORMED, AnswerData(id=given.sender.id, verb=known, done=False, says=(problem,))
        answer = await self._verbs.execute(Request(order=given.order), given.sender.who, Origin.MQTT)
        said = answer if isinstance(answer, Answer) else refused("that is no order")
        return Fate.DONE if said.done else Fate.REFUSED, AnswerData(id=given.sender.id, verb=known, done=said.done, says=said.says)

    def _problem(self, heard: Heard) -> str:
        """Why an order is not even looked at."""
        if heard.retained:
            return "it was sent to be retained, and would be given again with every connection: send it without retain, and clear the topic"
        if heard.response_topic and not self._channel.topics.is_response(heard.response_topic):
            return f"its response topic has to begin with {self._channel.topics.responses}"
        return ""

    def _once(self, heard: Heard, problem: str) -> bool:
        """Say what is wrong with a message, but not again of the same one: whether it was said."""
        if (heard.topic, heard.payload) in self._reported:
            return False
        self._reported.append((heard.topic, heard.payload))
        log.warning("mqtt: refused what came on %s: %s", plain(heard.topic, 200), problem)
        return True

    async def _answer(self, heard: Heard, answer: AnswerData) -> None:
        topics = self._channel.topics
        asked = heard.response_topic if topics.is_response(heard.response_topic) else ""
        message = Message(
            topic=asked or topics.response(answer.verb), payload=ANSWER.dump_json(answer), expiry_s=ANSWER_S, correlation=heard.correlation
        )
        if await self._channel.publish(message) is Outcome.REFUSED:
            log.error("mqtt: we may not answer on %s: give the box write access to it", message.topic)
