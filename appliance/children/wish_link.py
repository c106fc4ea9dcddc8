"""Descriptions, as the supervisor asks the judge process for them: one at a time, each with an end, whatever becomes of the judge.

It decides nothing about what is described.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from analyzers.description import Description, Undescribed, is_plain
from analyzers.interview import Ask, Forgo, Perceived, Wish, WishEnded
from analyzers.judge import Question
from analyzers.transcript import MAX_SPOKEN, Transcript
from sensors.window import Window
from sensors.wire import WireError


def ask_of(question: Question) -> Ask:
    """A question as it travels, with no more of its window than it is about."""
    window = replace(question.window, views=(question.window.view(question.view),))
    return Ask(window=window, view=question.view, policies=tuple(policy.id for policy in question.policies))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # a future is only ever itself
class UnderWay:
    """A wish that was sent."""

    id: int
    window: Window
    transcribes: bool
    """Whether its policy wants to know what was said."""
    ended: "asyncio.Future[WishEnded]"
    perceived: Callable[[], None]


class WishLink:
    """The wishes of one judge."""

    def __init__(self, send: Callable[[Wish | Forgo], None], hangs: Callable[[], None]) -> None:
        """`hangs` is told where the judge says nothing of the end of a wish."""
        self._send = send
        self._hangs = hangs
        self._number = 0
        self._under_way: UnderWay | None = None

    def send(self, question: Question, language: str, until_ns: int, perceived: Callable[[], None]) -> UnderWay:
        """Ask at once for a hit's description. `perceived` is called, once at most, when its window's slots are no longer needed."""
        self._number += 1
        ended: asyncio.Future[WishEnded] = asyncio.get_running_loop().create_future()
        transcribes = any(policy.transcript for policy in question.policies)
        wish = UnderWay(id=self._number, window=question.window, transcribes=transcribes, ended=ended, perceived=perceived)
        self._under_way = wish
        self._send(Wish(id=wish.id, ask=ask_of(question), language=language, until_ns=until_ns))
        return wish

    async def end_of(self, wish: UnderWay, within_s: float) -> WishEnded:
        """What becomes of it. A judge that says nothing for so long hangs."""
        await asyncio.wait((wish.ended,), timeout=within_s)
        if not wish.ended.done():
            self._hangs()
            self.lost()
        return wish.ended.result()

    def forgo(self) -> None:
        """What is under way is not wanted any more."""
        if self._under_way:
            self._send(Forgo(id=self._under_way.id))

    def hear(self, message: Perceived | WishEnded) -> None:
        """The judge says how far it is. WireError where nobody has asked."""
        wish = self._under_way
        if wish is None or wish.id != message.id:
            raise WireError(f"news of wish {message.id}, under way is {wish.id if wish else 'none'}")
        match message:
            case Perceived():
                wish.perceived()
            case WishEnded():
                self._finish(wish, _believed(message, wish))

    def lost(self) -> None:
        """The judge has gone, and what it was asked with it."""
        if self._under_way:
            self._finish(self._under_way, WishEnded(id=self._under_way.id, why=Undescribed.JUDGE))

    def _finish(self, wish: UnderWay, end: WishEnded) -> None:
        self._under_way = None
        with suppress(asyncio.InvalidStateError):  # whoever waited has been cancelled
            wish.ended.set_result(end)


def _believed(end: WishEnded, wish: UnderWay) -> WishEnded:
    """What the judge said, where that is a description of this window or a reason for none. All else comes from one that is broken or taken over."""
    said = end.description
    if end.why is not None or (said is not None and _is_of(said, wish.window) and (said.transcript is None or _is_wanted(said.transcript, wish))):
        return end
    return replace(end, description=None, why=Undescribed.UNREADABLE)


def _is_of(said: Description, window: Window) -> bool:
    since = said.since or window.start
    is_within = since.boot_id == window.start.boot_id and window.start.boot_ns <= since.boot_ns <= window.end.boot_ns
    return is_within and is_plain(said.what) and is_plain(said.first)


def _is_wanted(said: Transcript, wish: UnderWay) -> bool:
    """Whether they are words that somebody wants to have: no judge writes down what was said where nobody has asked for it."""
    return wish.transcribes and is_plain(said.text, MAX_SPOKEN)
