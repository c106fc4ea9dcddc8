"""A trip: what became of one clip on its way through the box, stage by stage; and what that says. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from analyzers.judgement import JudgeKind, Judgement
from appliance.selftest.clips import RIGHT, Clip

MARGIN = 1.5
"""Natural log-odds by which a score may differ from that of the first test that was passed: as far as a yes lies from a no."""


class Stage(StrEnum):
    """Where a clip comes by, in this order."""

    OPENED = "sensor opened"
    WINDOW = "window"
    JUDGED = "judged"
    RULE = "rule"
    STORED = "stored"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A stage that was reached."""

    stage: Stage
    at_s: float
    """Since the trip began."""
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where a clip's score lay when a test was first passed under a fingerprint."""

    fingerprint: str
    log_odds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One clip's way."""

    clip: Clip
    stages: tuple[Passed, ...] = ()
    judgement: Judgement | None = None
    problem: str = ""
    """What went wrong, in words without figures: they stand in an alarm, which is told again where they change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Both trips. `skipped`: why there was none, or none that says anything."""

    trips: tuple[Trip, ...] = ()
    took_s: float = 0.0
    skipped: str = ""

    @property
    def problem(self) -> str:
        """The first that went wrong; empty where none did."""
        return next((f"the clip that must be {trip.clip}: {trip.problem}" for trip in self.trips if trip.problem), "")

    @property
    def passed(self) -> bool:
        """Whether it was made, and all was right."""
        return not self.skipped and not self.problem


def fingerprint(judgement: Judgement) -> str:
    """What a score depends on, in a line."""
    found = judgement.fingerprint
    return f"{found.model} {found.question} {found.view}" if found else judgement.by.value


def wrong_answer(clip: Clip, judgement: Judgement, band: Band | None) -> str:
    """What is wrong with the answer to a clip; empty where it is right, and as sure as ever under its fingerprint."""
    if judgement.verdict is not RIGHT[clip]:
        cause = f" ({judgement.cause.value.replace('_', ' ')})" if judgement.cause else ""
        return f"the answer was {judgement.verdict.value.replace('_', ' ')}{cause}"
    if band and judgement.log_odds is not None and band.fingerprint == fingerprint(judgement) and abs(judgement.log_odds - band.log_odds) > MARGIN:
        return "the answer was right, but its score is far from what it was when this model first passed"
    return ""


def answered_by_another(judgement: Judgement, *, has_model: bool) -> bool:
    """Whether a stand-in answered: it says nothing about the model, whose absence is an alarm of its own."""
    return has_model and judgement.by is JudgeKind.CUES


def lines(test: Round, bands: dict[Clip, Band]) -> Iterator[str]:
    """A test, stage by stage, for people."""
    if test.skipped:
        yield f"not tested: {test.skipped}"
        return
    for trip in test.trips:
        yield f"the clip that must be {trip.clip}"
        for passed in trip.stages:
            yield f"  {passed.stage:14} {passed.at_s:7.2f} s  {passed.says}".rstrip()
        if band := bands.get(trip.clip):
            yield f"  {'expected':14} {'':9}  score {band.log_odds:+.2f}, give or take {MARGIN:g}"
        if trip.problem:
            yield f"  FAILED: {trip.problem}"
    yield f"{'FAILED' if test.problem else 'passed'} in {test.took_s:.1f} s"
