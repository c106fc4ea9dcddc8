"""One synthesis helper as the supervisor sees it: start it, have it speak one text after another, and end it, whatever comes of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from analyzers.omni.plan import amount
from analyzers.synthesis import Heard, Line, Ready, Refused, Rendered, TalkerSettings, Told, Unrendered
from appliance.children.child import Child, ChildLost, Program
from sensors.wire import Codec, WireError

SAYS: Codec[Told] = Codec(Told)
HEARS: Codec[Heard] = Codec(Heard)

log = logging.getLogger("omniwatch.speech")

HELPER = "analyzers.synthesis_main"
NICENESS = 19
"""Judging comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a helper may take."""

    memory_bytes: int | None = None
    """None: nobody looks."""
    loading: timedelta = timedelta(minutes=30)
    """As the judge's."""
    line: timedelta = timedelta(minutes=30)
    """Five times what the longest announcement takes of a slow core: 30 s of speech in 380 s (measured with the size of the 30B-A3B)."""


class HelperLost(Exception):  # noqa: N818 - a child that ends is an event, not our error
    """The helper did not load, died, hung or talked nonsense; the text says which."""


class TalkerHelper:
    """A helper that has loaded its model. `talker_helper` makes it."""

    def __init__(self, child: Child, limits: Limits) -> None:
        """Wrap a child that has just been started."""
        self._child = child
        self._limits = limits
        self._messages = child.messages(2 * max(limits.loading, limits.line).total_seconds())

    async def load(self, settings: TalkerSettings) -> None:
        """Have it load. HelperLost where it cannot."""
        match await self._answer(settings, self._limits.loading):
            case Ready(weight_bytes=weight_bytes):
                log.info("a voice is loaded: %s of weights", amount(weight_bytes))
            case Refused(problem=problem):
                raise HelperLost(problem)
            case other:
                raise HelperLost(f"the synthesis helper said {other.kind} where it was to load")

    async def speak(self, text: str, file: Path) -> str:
        """Have a text spoken into a file: '' where that was done, or why the model could not. HelperLost where nobody can be asked any more."""
        match await self._answer(Line(text=text, file=str(file)), self._limits.line):
            case Rendered():
                return ""
            case Unrendered(problem=problem):
                return problem
            case other:
                raise HelperLost(f"the synthesis helper said {other.kind} where it was to speak")

    async def _answer(self, order: Heard, limit: timedelta) -> Told:
        try:
            self._child.send(HEARS.encode(order))
            async with asyncio.timeout(limit.total_seconds()):
                return SAYS.decode(await anext(self._messages))
        except TimeoutError:
            raise HelperLost(f"the synthesis helper did not answer within {limit.total_seconds():g} s") from None
        except (ChildLost, WireError, StopAsyncIteration) as error:
            raise HelperLost(str(error) or "the synthesis helper said nothing") from None

    async def aclose(self) -> None:
        """End it."""
        self._child.kill()
        await self._child.close()


@asynccontextmanager
async def talker_helper(settings: TalkerSettings, limits: Limits, module: str = HELPER) -> AsyncIterator[TalkerHelper]:
    """A helper that is ready to speak, and gone in the end. HelperLost where it does not get so far."""
    program = Program(name="synthesis helper", module=module, descriptors={}, memory_bytes=limits.memory_bytes, niceness=NICENESS)
    try:
        child = await Child.start(program)
    except OSError as error:
        raise HelperLost(f"the synthesis helper cannot be started: {error.strerror or error}") from None
    async with aclosing(TalkerHelper(child, limits)) as helper:
        await helper.load(settings)
        yield helper
