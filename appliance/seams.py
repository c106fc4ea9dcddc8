"""The seams in front of which the pipeline stands: who writes, who tells, who says more of a hit, and who looks on."""

from collections.abc import Callable, Sequence
from typing import Protocol

from alerts.decision import Decision
from alerts.notification import Notification
from alerts.track import Track
from analyzers.judge import Question
from analyzers.judgement import Cause, Judgement


class Ledger(Protocol):
    """What is written before anybody is told. The store."""

    @property
    def away(self) -> str:
        """Why what is committed is forgotten at the next start, and is told as such; empty where it is durable."""

    async def commit(self, decisions: Sequence[Decision], notifications: Sequence[Notification] = ()) -> None:
        """All or nothing; StoreFailed if it is not known to be durable."""

    def judged(self, judgement: Judgement) -> None:
        """Keep a judgement."""

    def noted(self, track: Track) -> None:
        """Keep a track that changed without a transition."""


class Teller(Protocol):
    """Where notifications go once they are written. The outbox."""

    def wake(self) -> None:
        """There is something new to tell."""

    def tell_undurable(self, notification: Notification) -> None:
        """Tell it although it could not be written."""


class LowStep(Protocol):
    """What the model is asked beside the windows: hits that are to be described, and blanks.

    It puts its questions into the queue, low, holds their windows itself, and hears alone what becomes of them.
    """

    def owns(self, question: Question) -> bool:
        """Whether the question is one of its own."""
        ...

    @property
    def is_free(self) -> bool:
        """Whether it takes a question now."""
        ...

    async def begin(self, question: Question) -> None:
        """Its question's turn has come. It waits only for the judge, and only where no other question came out beside it."""

    def dropped(self, question: Question, cause: Cause) -> None:
        """Its question left the queue without a turn."""


Observer = Callable[[Judgement | Decision], None]
"""Is shown everything that was decided, after it was: metrics, the timeline of a replay."""
