"""Inputs that nobody would send in good faith, from a seed: good ones that were bent, cut, stretched and mixed. Each is taken or refused, in time.

It knows what decodes each kind of input and which refusal is the right one; whatever else is raised is a crash.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from time import process_time

from alerts.channels.cloudevents import plain
from alerts.channels.current import encoded
from analyzers.interview import Answers, JudgeCondition, JudgeNews, Policies
from analyzers.judgement import JudgeKind, Judgement, Verdict
from appliance.broker import presence
from appliance.children import judge_link, sensor_link
from appliance.children.fleet import SensorStatus
from appliance.clock import BoxClock
from appliance.config.configuration import ConfigError, load
from appliance.control import mqtt_orders
from appliance.control.orders import REPLIES, REQUESTS, Acknowledge, Answer, AskAudit, AskStatus, Request, Shelve
from sensors.cues import Cues
from sensors.jpeg import sides
from sensors.news import Release, SensorCondition, SensorFigures, SensorNews
from sensors.preview import MOST_SIDE, Preview, PreviewShape, Show
from sensors.settings import SensorSettings, WindowShape
from sensors.slots import SlotLayout
from sensors.window import SensorId, View, ViewId, Window, WindowId
from sensors.wire import Codec, WireError
from tests.appliance.children.test_judge_link import questions
from tests.drills.rogue import jpeg

HANG_S = 1.0
"""Of CPU time: what else runs on the machine is no fault of an input's."""
STOP_S = 20
"""An input that takes so long is broken off."""
MAX_SAID = 500
"""Characters of a refusal, however much was refused."""
WORDS = (
    b"null", b"true", b"NaN", b"Infinity", b"-1", b"1e999", b"9223372036854775808", b"\x00", b"\xff\xfe", b'"', b"{", b"}", b"[", b"]", b"[" * 5000,
    b'{"a":' * 2000, b"\\ud800", b"\\u0000", "\N{RIGHT-TO-LEFT OVERRIDE}".encode(), b"x" * 70_000, b"&a [*a,*a]", b"<<: *a",
    b"!!python/object:os.system", b"!secret ../../etc/passwd", b": ", b"\n", b"\t", b"- ", b"0x7fffffff", b"1d", b"999999999h", b"..", b"/dev/zero",
    b"kind", b"window", b"25:99-26:00",
)  # fmt: skip
ROOT = Path(__file__).parents[2]
SHOWN = PreviewShape(every_s=1, longest_side=640, bytes=40_000)


class HangError(AssertionError):
    """An input took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A door through which somebody else's bytes come in."""

    good: Sequence[bytes]
    decode: Callable[[bytes], object]
    refuses: type[Exception] | tuple[type[Exception], ...]


@dataclass
class Tally:
    """What became of the inputs of one kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0


def bent(good: Sequence[bytes], chance: random.Random) -> bytes:
    """A good input, changed in one to six places."""
    data = bytearray(chance.choice(good))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 8, 64, 1024)))
        match chance.randrange(7):
            case 0:
                data[at:end] = b""
            case 1:
                data[at:at] = chance.choice(WORDS)
            case 2:
                data[at:end] = chance.choice(WORDS)
            case 3:
                data[at:at] = data[at:end] * chance.choice((1, 2, 50))
            case 4 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 5:
                other = chance.choice(good)
                begin = chance.randrange(len(other) + 1)
                data[at:end] = other[begin : begin + chance.choice((4, 32, 256))]
            case _:
                data[at:end] = chance.randbytes(end - at)
    return bytes(data[:200_000])


def feed(kind: Kind, count: int, seed: int) -> Tally:
    """Give it `count` bent inputs. HangError where one takes too long; whatever it raises besides its refusal is a crash, and goes on up."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    tally = Tally()
    for number in range(count):
        data = bent(kind.good, chance)
        began = process_time()
        with _limit(f"input {number} of seed {seed}: {data[:200]!r}"):
            try:
                kind.decode(data)
                tally.outcomes["taken"] += 1
            except kind.refuses:
                tally.outcomes["refused"] += 1
        took_s = process_time() - began
        tally.slowest_s = max(tally.slowest_s, took_s)
        if took_s > HANG_S:
            raise HangError(f"input {number} of seed {seed} took {took_s:.1f} s: {data[:200]!r}")
    return tally


@contextmanager
def _limit(what: str) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise HangError(what)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, STOP_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def kinds(folder: Path) -> Mapping[str, Kind]:
    """Every door but those that lead into a sensor process."""
    orders = (AskStatus(), AskAudit(), Acknowledge(what="fire"), Shelve(what="fire", span_s=60.0, why="work"))
    return {
        "what a sensor says": _sensor_says(),
        "what a sensor is told": _of(sensor_link.HEARS, _settings(), Release(windows=("wall/1/2",)), Show(shape=SHOWN)),
        "what a judge says": _judge_says(),
        "what a judge is told": _of(judge_link.HEARS, Policies(first=True, policies=questions(1, 3)[0].policies)),
        "orders to the box": _of(REQUESTS, *(Request(order=each, box="plant-7/hall") for each in orders)),
        "orders over MQTT": _mqtt_orders(),
        "answers of the box": _of(REPLIES, Answer(done=True, says=("seen",))),
        "configurations": _configurations(folder),
    }


def _of(codec: Codec[object], *good: object) -> Kind:
    return Kind(good=[codec.encode(each) for each in good], decode=codec.decode, refuses=WireError)


def _mqtt_orders() -> Kind:
    """The last level of a topic, a line's end, and what was published there; what is answered to it goes out."""
    good = [f"{verb}\n{example}".encode() for verb, (_, example) in mqtt_orders.VERBS.items()]
    good.append(b'shelve\n{"what": "fire", "view": "hall.door", "span_s": 60.5, "why": "work", "who": "anna", "id": "17"}')

    def hear(data: bytes) -> None:
        verb, _, payload = data.partition(b"\n")
        try:
            given = mqtt_orders.decode(verb.decode(errors="replace"), payload)
        except mqtt_orders.NoOrderError as error:
            _answered(None, str(error))
            raise
        REQUESTS.encode(Request(order=given.order))
        _answered(given.sender.id, given.sender.who)

    return Kind(good=good, decode=hear, refuses=mqtt_orders.NoOrderError)


def _answered(identity: str | None, says: str) -> None:
    """AssertionError where what is answered, and stands in the journal, is no line of some hundred characters."""
    assert says == plain(says, MAX_SAID)
    mqtt_orders.ANSWER.dump_json(mqtt_orders.AnswerData(id=identity, verb="arm", done=False, says=(says,)))


def _settings() -> SensorSettings:
    shape = WindowShape(length_s=2, every_s=1, fps=2, longest_side=320)
    return SensorSettings(sensor=SensorId("wall"), source="rtsp://a/b", window=shape, slots=12)


class _Publisher:
    """Reckons with all that a sensor says, as those do who publish it."""

    def __init__(self) -> None:
        now = BoxClock().now()
        self._status = SensorStatus(
            news=SensorNews(sensor=SensorId("wall"), condition=SensorCondition.OPENING), since=now, stall_after=timedelta(seconds=10), waits_since=now
        )

    async def window(self, window: Window) -> None:
        """Its times are compared, and spans are added to them."""
        now = self._status.since
        for moment in (window.start, window.end):
            assert isinstance(now.since(moment), timedelta)
            assert moment.plus(timedelta(days=-400)).since(moment.plus(timedelta(days=400))) < timedelta(0)

    def news(self, news: SensorNews) -> None:
        """To the broker."""
        self._status = replace(self._status, news=news)
        encoded(presence.sensor_data(self._status, self._status.since))

    def figures(self, figures: SensorFigures) -> None:
        """To the broker, and to Prometheus."""
        self._status = replace(self._status, figures=figures)
        encoded(presence.sensor_data(self._status, self._status.since))

    async def slots(self, _layout: SlotLayout, _descriptor: int) -> None:
        """None are handed on."""


def assert_small(picture: bytes) -> None:
    """AssertionError where others would get a picture that is too large for them."""
    assert len(picture) <= SHOWN.bytes
    assert max(sides(picture)) <= MOST_SIDE


def _sensor_says() -> Kind:
    """Decoded, and checked as what it says about its slots is."""
    settings = _settings()
    link = sensor_link.SensorLink(settings, None, _Publisher())
    view, slots = View(id=ViewId(settings.sensor), height=192, width=320, cues=Cues(motion=0.5)), tuple(range(settings.window.pairs))
    window = replace(questions(1, 1)[0].window, id=WindowId("wall/1/7"), sensor=settings.sensor, epoch=1, first_pair=7, slots=slots, views=(view,))
    some = (
        window,
        SensorNews(sensor=settings.sensor, condition=SensorCondition.ONLINE, width=640, codec="h264"),
        SensorFigures(sensor=settings.sensor, level_dbfs=-12.5, last_frame_boot_ns=10**15),
        Preview(sensor=settings.sensor, jpeg=jpeg(320, 192)),
    )
    loop = asyncio.new_event_loop()
    link.show(SHOWN, lambda preview, _next_s: assert_small(preview.jpeg))

    def hear(data: bytes) -> None:
        link._changes._left = link._previews._left = 1.0  # how often is another drill's question  # noqa: SLF001
        loop.run_until_complete(link._hear(sensor_link.SAYS.decode(data)))  # noqa: SLF001

    return Kind(good=[sensor_link.SAYS.encode(each) for each in some], decode=hear, refuses=WireError)


def _judge_says() -> Kind:
    """Decoded, and taken as the answers to a batch that waits for some."""
    question = questions(1, 1)[0]
    said = Judgement(
        policy=question.policies[0].id, sensor=question.window.sensor, view=question.view, window=question.window.id, start=question.window.start,
        end=question.window.end, verdict=Verdict.YES, by=JudgeKind.OMNI, log_odds=1.5,
    )  # fmt: skip
    good = (Answers(id=1, judgements=(said,)), JudgeNews(condition=JudgeCondition.READY, model="m", weight_bytes=10, device="cpu"))
    loop = asyncio.new_event_loop()

    def hear(data: bytes) -> None:
        link = judge_link.JudgeLink(lambda _news: None, lambda _work: None)
        link._batches, link._due, link._answer = 1, 1, loop.create_future()  # noqa: SLF001
        link._hear(judge_link.SAYS.decode(data))  # noqa: SLF001

    return Kind(good=[judge_link.SAYS.encode(each) for each in good], decode=hear, refuses=WireError)


def _configurations(folder: Path) -> Kind:
    file = folder / "appliance.yaml"
    (folder / "policies").mkdir(exist_ok=True)
    for catalogue in (ROOT / "configs" / "policies").glob("*.yaml"):
        (folder / "policies" / catalogue.name).write_bytes(catalogue.read_bytes())

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load(file)

    tests = ROOT / "tests"
    texts = [ROOT / "configs" / "appliance.yaml", tests / "appliance" / "config" / "mistakes.yaml", tests / "recordings" / "entrance.yaml"]
    return Kind(good=[text.read_bytes() for text in texts], decode=read, refuses=ConfigError)


__all__ = ["HangError", "Kind", "Tally", "bent", "feed", "kinds"]
