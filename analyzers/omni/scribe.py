"""Who writes descriptions in the judge process, between batches: one at a time, word by word, within its share of the judge's time.

It runs in the one thread that touches the model. A batch that has come is answered before the next word; a wish that is not wanted any
more, or that nobody would read any more, ends where it stands. Every wish ends in one `WishEnded`, and nothing of it ends a batch.
"""

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass

from analyzers.description import Description, Undescribed
from analyzers.desk import Desk, Waiting
from analyzers.interview import Batch, Forgo, Perceived, Wish, WishEnded
from analyzers.judge import Question
from analyzers.omni.second_step import Describer, Step, Steps, perceive
from analyzers.omni.sight import Pairs
from analyzers.omni.weights import Loaded
from analyzers.share import Share
from sensors.moment import NANOSECONDS
from sensors.slots import Slots

log = logging.getLogger("omniwatch.judge")


@dataclass(slots=True, kw_only=True)
class _Work:
    """A wish that is under way."""

    wish: Wish
    steps: Steps
    perceived: bool = False
    found: Description | None = None
    """What is told if nothing more can be done."""
    took_s: float = 0.0
    first_word_ns: int | None = None


class Scribe:
    """Hands out batches, and writes while there is none."""

    def __init__(
        self,
        loaded: Loaded,
        pairs: Pairs,
        say: Callable[[Perceived | WishEnded], None],
        describer: Describer | None,
        *,
        share: Share | None = None,
    ) -> None:
        """`pairs`: what is known of pictures, which the judge shares. Without a `describer` nothing is described."""
        self.loaded = loaded
        self.pairs = pairs
        self._say = say
        self._share = share or Share()
        self._describer = describer
        self._work: _Work | None = None

    def next_batch(self, waiting: Waiting) -> tuple[Batch, Desk]:
        """The next batch. Until there is one, wishes are heard and written."""
        while True:
            try:
                order, desk = waiting.get(timeout=self._patience_s())
            except queue.Empty:
                self._go_on()
                continue
            match order:
                case Batch():
                    return order, desk
                case Wish():
                    self._begin(order, desk)
                case Forgo():
                    if self._work and self._work.wish.id == order.id:
                        self._end(why=Undescribed.WITHDRAWN)

    def _patience_s(self) -> float | None:
        """How long to wait for somebody to come before going on; None: for ever, as there is nothing to go on with."""
        work = self._work
        if work is None:
            return None
        if not work.perceived:  # slots are held for it: it is looked at at once, and that is counted
            return 0.0
        left_s = (work.wish.until_ns - _now_ns()) / NANOSECONDS
        return max(0.0, min(self._share.wait_s(_now_ns() / NANOSECONDS), left_s))

    def _begin(self, wish: Wish, desk: Desk) -> None:
        if self._work or self._describer is None:
            self._say(WishEnded(id=wish.id, why=Undescribed.CROWDED if self._work else Undescribed.WITHDRAWN))
            return
        asked = desk.question(wish.ask)
        self._work = _Work(wish=wish, steps=self._steps(self._describer, asked, desk.slots.get(asked.window.sensor), wish))

    def _go_on(self) -> None:
        """One piece of work."""
        work = self._work
        if work is None:
            return
        if _now_ns() >= work.wish.until_ns:
            self._stop(Undescribed.STALE)
            return
        began = time.perf_counter()
        try:
            step = next(work.steps)
        except StopIteration as end:
            found: Description | None = end.value
            work.took_s += self._spent(began)
            self._end(found, None if found else Undescribed.UNREADABLE)
        except (KeyError, ValueError) as error:  # a policy or slots that are gone, or that are not what the window says
            log.warning("a hit cannot be described: %s", error)
            self._stop(Undescribed.GONE)
        except RuntimeError as error:  # what torch raises, out of memory included
            log.error("a hit could not be described: %s", str(error)[:300])  # noqa: TRY400 - no trace
            work.took_s += self._spent(began)
            self._stop(Undescribed.FAULT)
        else:
            work.perceived, work.found = True, step.found
            if step.word and work.first_word_ns is None:
                work.first_word_ns = _now_ns()
            work.took_s += self._spent(began)

    def _steps(self, describer: Describer, asked: Question, memory: Slots | None, wish: Wish) -> Steps:
        """All that is to be done for a wish: perceive, then write. KeyError where its policy or its sensor is not known any more."""
        if memory is None or not asked.policies:
            raise KeyError(wish.ask.view)
        hit = perceive(asked, self.loaded, memory, self.pairs)
        del memory  # that of a sensor that has gone would stay
        self._say(Perceived(id=wish.id))
        yield Step()
        return (yield from describer.describe(hit, wish.language))

    def _spent(self, began: float) -> float:
        took_s = time.perf_counter() - began
        self._share.spend(_now_ns() / NANOSECONDS, took_s)
        return took_s

    def _stop(self, why: Undescribed) -> None:
        """No more can be done for it: it ends with what there is, or for this reason with nothing."""
        found = self._work.found if self._work else None
        self._end(found, None if found else why)

    def _end(self, description: Description | None = None, why: Undescribed | None = None) -> None:
        work, self._work = self._work, None
        if work:
            self._say(WishEnded(id=work.wish.id, description=description, why=why, took_s=work.took_s, first_word_ns=work.first_word_ns))


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
