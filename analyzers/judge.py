"""The seam behind which every judge stands, and what goes through it. It knows no judge in particular."""

from dataclasses import dataclass
from typing import Protocol

from analyzers.judgement import Judgement
from analyzers.policy import Policy
from sensors.window import ViewId, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One view of one window, and the policies that ask about it."""

    window: Window
    view: ViewId
    policies: tuple[Policy, ...]


class Judge(Protocol):
    """Answers a batch of questions: exactly one judgement for each policy of each question, in their order.

    It raises nothing for a window that it cannot answer: that is a judgement with the verdict FAILED.
    """

    def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        """The judgements of `batch`."""
        ...
