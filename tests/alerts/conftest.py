"""A story: judgements written as letters, one a window, told to one policy on one view by the real rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.decision import Context, Decision
from alerts.event import Commanded, Event, Judged, Ticked, Verb
from alerts.rules import decide
from alerts.track import Track
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.policy import Policy, PolicyId, Trigger
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId, WindowId

SECOND = timedelta(seconds=1)
VERDICTS = {
    "y": Verdict.YES,
    "n": Verdict.NO,
    "?": Verdict.UNSURE,
    "f": Verdict.FAILED,
    "-": Verdict.NOT_ASKED,
    "0": Verdict.NO_DATA,
}
START = Moment(utc=datetime(2026, 3, 2, 12, 0, tzinfo=UTC), boot_ns=0, boot_id=BootId("first"))


class Story:
    """Windows of 8 s, one every 4 s, ending at 8, 12, 16 … seconds. Lower case: the model says so; upper case: the cues do."""

    def __init__(self, policy: Policy | None = None, **wants: Any) -> None:  # noqa: ANN401 - fields of Policy
        """Told to `policy`, or to one that opens on the first yes and clears on the first no, with what it `wants` besides."""
        basis = policy or Policy(
            id=PolicyId("smoke"), title="Smoke", ask="Is there smoke?", sensors=(SensorId("hall"),), trigger=Trigger(count=1, of=1)
        )
        self.policy = replace(basis, **{"clear_after": 0 * SECOND, **wants})
        self.context = Context(stride=4 * SECOND)
        sensor = self.policy.sensors[0]
        self.track = Track(policy=self.policy.id, sensor=sensor, view=self.policy.views()[0])
        self.decisions: list[Decision] = []
        self.windows = 0

    def at(self, seconds: float) -> Moment:
        return START.plus(seconds * SECOND)

    def fold(self, event: Event) -> Decision:
        decision = decide(self.track, event, self.policy, self.context)
        self.track = decision.track
        self.decisions.append(decision)
        return decision

    def judged(self, letter: str, number: int, *, seconds: float | None = None, note: str = "") -> Decision:
        """Window `number` is judged, at its end or at `seconds`."""
        end = self.at(8 + 4 * number)
        verdict = VERDICTS[letter.lower()]
        judgement = Judgement(
            policy=self.policy.id,
            sensor=self.track.sensor,
            view=self.track.view,
            window=WindowId(f"hall/0/{number}"),
            start=self.at(4 * number),
            end=end,
            verdict=verdict,
            log_odds={Verdict.YES: 2.0, Verdict.NO: -4.0}.get(verdict),
            by=JudgeKind.CUES if letter.isupper() else JudgeKind.OMNI,
        )
        return self.fold(Judged(judgement=judgement, at=end if seconds is None else self.at(seconds), note=note))

    def tell(self, letters: str) -> list[str]:
        """The next windows, one a letter; what became of each, by its reason."""
        reasons = []
        for letter in letters:
            reasons.append(self.judged(letter, self.windows).reason.value)
            self.windows += 1
        return reasons

    def tick(self, seconds: float) -> Decision:
        return self.fold(Ticked(at=self.at(seconds)))

    def ticks(self, start: float, end: float) -> list[Decision]:
        """A tick a second, and only what was not idle."""
        told = [self.tick(second) for second in range(int(start), int(end) + 1)]
        return [decision for decision in told if decision.reason != "idle"]

    def say(self, verb: str, seconds: float, span: timedelta | None = None) -> Decision:
        return self.fold(Commanded(verb=Verb(verb), who="anna", why="maintenance", span=span, at=self.at(seconds)))

    def during(self, *active: tuple[str, str]) -> None:
        """From now on these other alarms are open and have been told."""
        self.context = replace(self.context, active=frozenset((PolicyId(policy), ViewId(view)) for policy, view in active))

    @property
    def told(self) -> list[str]:
        return [decision.change.value for decision in self.decisions if decision.told and decision.change]

    @property
    def transitions(self) -> list[int]:
        return [decision.alert.transition for decision in self.decisions if decision.alert]
