"""The gates of a box: what the gate remembers of each policy on each view. Who is asked it decides nowhere; that is `gate.py`.

It reads no clock and keeps nothing over a restart: a patrol is then due, and what was owed is asked again when it stirs.
"""

from collections.abc import Callable, Container
from dataclasses import replace

from analyzers.gate import GateState, Refusal, ask, unanswered
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from analyzers.policy import Policy, PolicyId
from sensors.window import ViewId

Key = tuple[PolicyId, ViewId]


class Gates:
    """All of them."""

    def __init__(self) -> None:
        """Nobody was asked yet."""
        self._states: dict[Key, GateState] = {}

    def keep(self, keys: Container[Key]) -> None:
        """There are only these any more."""
        self._states = {key: state for key, state in self._states.items() if key in keys}

    def through(
        self, question: Question, *, normal: Callable[[Policy], bool], mode: str | None, free: bool, stirs: bool | None = None
    ) -> tuple[Question, list[Judgement]]:
        """The question with those policies that are asked, and the judgements of the others. `free` and `stirs` as in `gate.ask`."""
        passed: list[Policy] = []
        refused: list[Judgement] = []
        window, view = question.window, question.window.view(question.view)
        for policy in question.policies:
            key = (policy.id, question.view)
            armed = policy.watches_in(mode)
            passage = ask(policy, view, window, self._states.get(key, GateState()), normal=normal(policy), armed=armed, free=free, stirs=stirs)
            if not free:  # cues that stand in are no look by the judge: a patrol stays due, and what was dropped stays owed
                self._states[key] = passage.state
            if passage.refusal:
                refused.append(unanswered(policy, window, question.view, passage.refusal))
            else:
                passed.append(policy)
        return replace(question, policies=tuple(passed)), refused

    def dropped(self, question: Question, cause: Cause) -> list[Judgement]:
        """The judgements of a question that left the queue unasked; its policies are asked next time."""
        refusal = Refusal(verdict=Verdict.NOT_ASKED, cause=cause)
        for policy in question.policies:
            key = (policy.id, question.view)
            self._states[key] = self._states.get(key, GateState()).dropped()
        return [unanswered(policy, question.window, question.view, refusal, by=JudgeKind.SUPERVISOR) for policy in question.policies]
