"""A judgement: what one policy's question got as an answer for one view of one window, and from whom.

Every window ends in exactly one judgement for every policy that watches it. Only a judge, the gate and the supervisor make them.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Literal

from analyzers.policy import Policy, PolicyId
from sensors.moment import Moment
from sensors.window import Sense, SensorId, ViewId, WindowId


class Verdict(StrEnum):
    """The outcomes, kept apart from end to end. Only NO reads as clear."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"
    NOT_ASKED = "not_asked"
    FAILED = "failed"
    NO_DATA = "no_data"


class Cause(StrEnum):
    """Why a verdict is not a plain yes or no. A closed set: metrics use it as a label."""

    QUIET = "quiet"
    """NOT_ASKED: no cue woke it and it was not time for a patrol."""
    SUPERSEDED = "superseded"
    """NOT_ASKED: a newer window of the view came before its turn."""
    TOO_OLD = "too_old"
    """NOT_ASKED: it waited for longer than `max_age`."""
    OFF_SCHEDULE = "off_schedule"
    DISARMED = "disarmed"
    OWN_VOICE = "own_voice"
    """NOT_ASKED: the box spoke over what it needs to hear. UNSURE: a no from a window over a part of which the box spoke."""
    IN_BAND = "in_band"
    """UNSURE: between `clear_below` and `threshold`."""
    HALVED = "halved"
    """UNSURE: a no from a window of whose pictures not all fitted into the judge's memory."""
    LOW_MASS = "low_mass"
    """UNSURE: the answer tokens have too little of the probability."""
    JUDGE_DOWN = "judge_down"
    """FAILED, or NOT_ASKED where there is no fallback."""
    JUDGE_FAULT = "judge_fault"
    """FAILED: the judge broke on it, or ran past its deadline."""
    NOT_FINITE = "not_finite"
    """FAILED: the score is not a number."""
    SENSOR_LOST = "sensor_lost"
    """NO_DATA: no window came."""
    SENSE_MISSING = "sense_missing"
    """NO_DATA: the window lacks a sense that the policy needs."""
    NO_FALLBACK = "no_fallback"
    """NOT_ASKED: only cues answer at present and the policy has no rule for them."""


class JudgeKind(StrEnum):
    """Who said so."""

    OMNI = "omni"
    SERVER = "server"
    CUES = "cues"
    GATE = "gate"
    SUPERVISOR = "supervisor"

    @property
    def rank(self) -> int:
        """A judge may clear only what a judge of its own rank or a lower one has opened."""
        return {"omni": 2, "server": 2, "cues": 1}.get(self.value, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a score depends on. A threshold that was set under another triple is untested."""

    model: str
    question: str
    view: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One policy, one view, one window."""

    kind: Literal["judgement"] = "judgement"
    policy: PolicyId
    sensor: SensorId
    view: ViewId
    window: WindowId | None
    """None only for NO_DATA without any window."""
    start: Moment
    end: Moment
    verdict: Verdict
    cause: Cause | None = None
    log_odds: float | None = None
    """Natural log-odds of yes against no; None where nobody was asked or the answer was unreadable."""
    label_mass: float | None = None
    """0..1: share of the vocabulary's probability that lies on the answer tokens; None where there are none."""
    senses: frozenset[Sense] = frozenset()
    by: JudgeKind
    took_s: float = 0.0
    fingerprint: Fingerprint | None = None


MIN_LABEL_MASS = 0.5
"""Below this share the model wanted to say something other than yes or no."""


def verdict_of(policy: Policy, log_odds: float, label_mass: float) -> tuple[Verdict, Cause | None]:
    """What a score means for a policy. Pure; every judge that reads scores uses it."""
    if not isfinite(log_odds) or not isfinite(label_mass):
        return Verdict.FAILED, Cause.NOT_FINITE
    if label_mass < MIN_LABEL_MASS:
        return Verdict.UNSURE, Cause.LOW_MASS
    if log_odds >= policy.threshold_log_odds:
        return Verdict.YES, None
    if log_odds < policy.clear_log_odds:
        return Verdict.NO, None
    return Verdict.UNSURE, Cause.IN_BAND
