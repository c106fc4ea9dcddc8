"""What came of the blank control: what the model said to nothing, and which policies are flagged for it. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from pydantic import TypeAdapter

from analyzers.judgement import MIN_LABEL_MASS, Judgement, Verdict, verdict_of
from analyzers.policy import Policy, PolicyId
from analyzers.score import shown
from appliance.blank.blanks import Asking, Blank, worded

NAME = "blank "
"""What names of findings begin with in the store."""
ADVICE = (
    "the model likely agrees with its text whatever it is shown: ask for what can be seen or heard, name what is harmless (`unless`),"
    " or raise `threshold`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the model said to one policy about one blank. The threshold is no part of it: that may be moved without asking anew."""

    model: str
    """The fingerprint that its judgements carry."""
    question: str
    """As `worded` says it."""
    blank: Blank
    log_odds: float | None
    """None: it was no number."""
    label_mass: float | None
    at: datetime

    @classmethod
    def of(cls, asking: Asking, model: str, answer: Judgement) -> Self:
        """From an answer."""
        return cls(
            model=model,
            question=worded(asking.policy),
            blank=asking.blank,
            log_odds=answer.log_odds,
            label_mass=answer.label_mass,
            at=answer.end.utc,
        )

    @property
    def score(self) -> float | None:
        """Its log-odds, where they say something: most of the probability is on yes and no."""
        return self.log_odds if self.label_mass is not None and self.label_mass >= MIN_LABEL_MASS else None

    def is_yes(self, policy: Policy) -> bool:
        """Whether it is a yes at the policy's threshold."""
        if self.log_odds is None or self.label_mass is None:
            return False
        return verdict_of(policy, self.log_odds, self.label_mass)[0] is Verdict.YES


FINDING: TypeAdapter[Finding] = TypeAdapter(Finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A policy that says yes to nothing, and that of its findings which says so loudest."""

    policy: Policy
    finding: Finding

    def __str__(self) -> str:
        """For people."""
        score = shown(self.finding.log_odds or 0.0, self.policy.threshold_log_odds)
        return f"{self.policy.id} says yes to {self.finding.blank} ({score})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where the control stands."""

    policies: int
    """That are to be asked, as far as their sensors have opened."""
    asked: int
    """Those of them that were asked about every blank, or that cannot be."""
    unanswered: int
    """Those of them that the judge could not answer somewhere."""
    scores: Mapping[PolicyId, float]
    """The highest of each policy's scores, natural log-odds."""
    flags: tuple[Flag, ...]

    def __str__(self) -> str:
        """For people, in a line; who says yes is named elsewhere."""
        asked = f"{self.asked} of {self.policies} policies were asked about windows that hold nothing"
        unanswered = f", of which {self.unanswered} got no answer somewhere" if self.unanswered else ""
        if self.flags:
            return f"{asked}{unanswered}: {len(self.flags)} say{'s' if len(self.flags) == 1 else ''} yes"
        if self.asked < self.policies or self.unanswered == self.policies:
            return f"{asked}{unanswered}"
        return f"{asked}{unanswered}: {'none of the others' if self.unanswered else 'none'} says yes"


def outcome(askings: Iterable[Asking], found: Mapping[str, Finding], failed: Collection[str]) -> Outcome:
    """Put what was found beside what was to be asked, by key. `failed`: what the judge could not answer."""
    by_policy: dict[PolicyId, list[Asking]] = {}
    for asking in askings:
        by_policy.setdefault(asking.policy.id, []).append(asking)
    loudest = {policy: _loudest(found[each.key] for each in of_it if each.key in found) for policy, of_it in by_policy.items()}
    scores = {policy: finding.score for policy, finding in loudest.items() if finding and finding.score is not None}
    policies = {policy: of_it[0].policy for policy, of_it in by_policy.items()}
    return Outcome(
        policies=len(by_policy),
        asked=sum(all(each.key in found or each.key in failed for each in of_it) for of_it in by_policy.values()),
        unanswered=sum(any(each.key in failed for each in of_it) for of_it in by_policy.values()),
        scores=scores,
        flags=tuple(Flag(policy=policies[name], finding=one) for name, one in loudest.items() if one and one.is_yes(policies[name])),
    )


def flags(policies: Iterable[Policy], findings: Iterable[Finding], model: str) -> tuple[Flag, ...]:
    """The policies that said yes to nothing, under the model of this fingerprint and in the words that they have now."""
    known = [finding for finding in findings if finding.model == model]
    out = list[Flag]()
    for policy in policies:
        words = worded(policy)
        loudest = _loudest(one for one in known if one.question == words and policy.senses <= one.blank.senses)
        out += [Flag(policy=policy, finding=loudest)] if loudest and loudest.is_yes(policy) else []
    return tuple(out)


def _loudest(findings: Iterable[Finding]) -> Finding | None:
    """The one with the highest score, where any has one."""
    scored = [(one.score, one) for one in findings if one.score is not None]
    return max(scored, key=lambda each: each[0])[1] if scored else None
