"""Who writes between batches: each wish ends in one word, no batch waits for more than one piece of work, and no more than a share is taken."""

import queue
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from analyzers.description import Undescribed  # noqa: E402
from analyzers.desk import Desk  # noqa: E402
from analyzers.interview import Ask, Batch, Forgo, Perceived, Wish, WishEnded  # noqa: E402
from analyzers.omni.scribe import Scribe  # noqa: E402
from analyzers.omni.second_step import Describer  # noqa: E402
from analyzers.omni.sight import Pairs  # noqa: E402
from analyzers.policy import Policy  # noqa: E402
from analyzers.share import Share  # noqa: E402
from sensors.wire import Codec  # noqa: E402
from tests.analyzers.scene import BOTH, Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model

PERSON = policy("Is there a person?")
NEVER = 2**62
WIRE = Codec(WishEnded)


class Room:
    """A scribe, what waits for it, and what it has said."""

    def __init__(self, loaded: "Loaded", scene: Scene, *, describes: bool = True, share: Share | None = None, asked: Policy = PERSON) -> None:
        self.said: list[Perceived | WishEnded] = []
        self.then: list[Batch | Wish | Forgo] = []
        self.waiting: queue.Queue[tuple[Batch | Wish | Forgo, Desk]] = queue.Queue()
        self.desk = Desk(policies={asked.id: asked}, slots={scene.sensor: scene.slots})
        self.scribe = Scribe(loaded, Pairs(loaded.family), self._hear, Describer(loaded) if describes else None, share=share)
        self.window = scene.window((0, 1, 2))
        self.ask = Ask(window=self.window, view=scene.whole, policies=(asked.id,))

    def _hear(self, news: Perceived | WishEnded) -> None:
        """At its end a batch comes; as it is perceived, whatever is to come then."""
        self.said.append(news)
        for order in [Batch(id=99, asks=())] if isinstance(news, WishEnded) else self.then:
            self.waiting.put((order, self.desk))

    def wish(self, number: int = 1, until_ns: int = NEVER, ask: Ask | None = None) -> None:
        self.waiting.put((Wish(id=number, ask=ask or self.ask, until_ns=until_ns), self.desk))

    def end(self) -> WishEnded:
        """What came of it, when a batch has come out."""
        self.scribe.next_batch(self.waiting)
        (ended,) = [each for each in self.said if isinstance(each, WishEnded)]
        return ended


def test_a_hit_is_perceived_and_then_described(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    room = Room(loaded, make_scene())
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    room.wish()
    ended = room.end()
    assert [each.kind for each in room.said] == ["perceived", "ended"]
    assert (ended.id, ended.why) == (1, None)
    assert ended.description
    assert ended.first_word_ns
    assert before < ended.first_word_ns
    assert ended.took_s > 0


def test_a_batch_that_comes_is_handed_out_before_the_next_word_and_the_words_go_on(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    alone = Room(loaded, scene)
    alone.wish()
    undisturbed = alone.end().description
    room = Room(loaded, scene)
    room.wish()
    room.then = [Batch(id=7, asks=())]  # it comes as the window has been perceived
    batch, _ = room.scribe.next_batch(room.waiting)
    assert (batch.id, [each.kind for each in room.said]) == (7, ["perceived"])
    assert room.end().description == undisturbed


@pytest.mark.parametrize("order", ["nobody would read it", "not wanted", "no policy", "no slots", "not described here"])
def test_whatever_becomes_of_a_wish_it_ends_with_a_reason(loaded: "Loaded", make_scene: Callable[..., Scene], order: str) -> None:
    room = Room(loaded, make_scene(), describes=order != "not described here")
    match order:
        case "nobody would read it":
            room.wish(until_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 1)
        case "not wanted":
            room.wish()
            room.then = [Forgo(id=1)]
        case "no policy":
            room.desk = replace(room.desk, policies={})
            room.wish()
        case "no slots":
            room.desk = replace(room.desk, slots={})
            room.wish()
        case _:
            room.wish()
    why = {
        "nobody would read it": Undescribed.STALE,
        "not wanted": Undescribed.WITHDRAWN,
        "no policy": Undescribed.GONE,
        "no slots": Undescribed.GONE,
        "not described here": Undescribed.WITHDRAWN,
    }[order]
    ended = room.end()
    assert (ended.why, ended.description) == (why, None)


def test_a_second_wish_at_once_is_turned_away_and_the_first_goes_on(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    room = Room(loaded, make_scene())
    room.wish(1)
    room.wish(2)
    room.scribe.next_batch(room.waiting)
    ends = {each.id: each.why for each in room.said if isinstance(each, WishEnded)}
    assert ends[2] is Undescribed.CROWDED
    while 1 not in ends:
        room.scribe.next_batch(room.waiting)
        ends = {each.id: each.why for each in room.said if isinstance(each, WishEnded)}
    assert ends[1] is None


def test_where_its_share_is_spent_it_perceives_and_then_waits_until_nobody_wants_it(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    room = Room(loaded, make_scene(), share=Share(share=1e-9))
    room.wish(until_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 1_500_000_000)
    began = time.monotonic()
    assert room.end().why is Undescribed.STALE
    assert time.monotonic() - began < 10
    assert [each.kind for each in room.said] == ["perceived", "ended"]


def test_a_model_that_fails_on_it_costs_the_text_alone(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    room = Room(loaded, make_scene())
    wider = replace(room.window, views=tuple(replace(view, width=view.width + 8) for view in room.window.views))
    room.wish(ask=replace(room.ask, window=wider))  # no window of patches
    assert room.end().why in (Undescribed.GONE, Undescribed.FAULT)
    room.said.clear()
    room.wish(2)
    assert room.end().description


SPOKEN = replace(policy("Does somebody call for help?", senses=BOTH), transcript=True)


def test_what_was_said_comes_with_the_description(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    room = Room(loaded, make_scene(), asked=SPOKEN)
    room.wish()
    ended = room.end()
    assert ended.description
    assert ended.description.transcript
    assert WIRE.decode(WIRE.encode(ended)) == ended, "as it travels"


def test_a_model_that_fails_on_what_was_said_costs_the_transcript_alone(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    broken = replace(loaded, family=replace(loaded.family, transcribes_as="<|audio_pad|>"))  # one sound more than there is
    room = Room(broken, make_scene(), asked=SPOKEN)
    room.wish()
    ended = room.end()
    assert (ended.why, ended.took_s > 0) == (None, True)
    assert ended.description
    assert ended.description.transcript is None


def test_where_the_time_is_up_in_the_middle_of_it_the_description_is_told(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    room = Room(loaded, make_scene(), asked=SPOKEN)
    room.wish()
    room.then = [Batch(id=7, asks=())]
    room.scribe.next_batch(room.waiting)
    work = room.scribe._work  # noqa: SLF001 - the moment between two words at which its time is up
    assert work
    while work.found is None:
        room.scribe._go_on()  # noqa: SLF001
    work.wish = replace(work.wish, until_ns=0)
    ended = room.end()
    assert (ended.why, ended.description) == (None, work.found)
