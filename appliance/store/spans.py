"""Judgements folded into spans: a row for as long as a policy gets the same answer on a view, instead of a row a window.

Pure: it neither stores nor reads a clock. What is not fetched in time is dropped, oldest first, and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from analyzers.judgement import Judgement

MAX_SPAN = timedelta(hours=1)
"""A longer one is cut, so that old history can be deleted row by row."""
MAX_HOLE = timedelta(minutes=1)
"""A hole between two windows that ends a span: a span must not say that somebody looked when nobody did."""
MAX_WAITING = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What judgements must have in common to share a span."""

    policy: str
    view: str
    verdict: str
    cause: str
    judge: str
    senses: str
    model: str
    question: str
    sight: str

    @classmethod
    def of(cls, judgement: Judgement) -> "Outcome":
        """The outcome of `judgement`."""
        mark = judgement.fingerprint
        return cls(
            policy=judgement.policy,
            view=judgement.view,
            verdict=judgement.verdict,
            cause=judgement.cause or "",
            judge=judgement.by,
            senses=",".join(sorted(judgement.senses)),
            model=mark.model if mark else "",
            question=mark.question if mark else "",
            sight=mark.view if mark else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A run of judgements with one outcome. `number` is its row."""

    number: int
    outcome: Outcome
    start: datetime
    end: datetime
    windows: int = 1
    scored: int = 0
    least: float | None = None
    most: float | None = None
    total: float | None = None
    """Lowest, highest and sum of the scores, natural log-odds; None without any."""
    took_s: float = 0.0

    def takes(self, judgement: Judgement) -> bool:
        """Whether `judgement`, of the same outcome, belongs to this span."""
        return judgement.start.utc <= self.end + MAX_HOLE and self.start <= judgement.start.utc and judgement.end.utc - self.start <= MAX_SPAN

    def plus(self, judgement: Judgement) -> "Span":
        """The span with `judgement` in it."""
        span = replace(self, end=max(self.end, judgement.end.utc), windows=self.windows + 1, took_s=self.took_s + judgement.took_s)
        return span.scoring(judgement.log_odds)

    def scoring(self, score: float | None) -> "Span":
        """The span with one more score, if there is one. Scores that are no numbers have a verdict of their own and stay out."""
        if score is None or not abs(score) < float("inf"):
            return self
        if self.least is None or self.most is None or self.total is None:
            return replace(self, scored=1, least=score, most=score, total=score)
        return replace(self, scored=self.scored + 1, least=min(self.least, score), most=max(self.most, score), total=self.total + score)


class Spans:
    """The newest span of each policy and view, and the spans that have changed since they were last fetched."""

    def __init__(self, last: int = 0) -> None:
        """Nothing yet; numbers go on after `last`."""
        self._newest: dict[tuple[str, str], Span] = {}
        self._changed: dict[int, Span] = {}
        self._last = last
        self.dropped = 0
        """Spans that were never fetched and had to make room."""

    def add(self, judgement: Judgement) -> None:
        """Fold one judgement in."""
        outcome = Outcome.of(judgement)
        key = (outcome.policy, outcome.view)
        newest = self._newest.get(key)
        if newest is not None and newest.outcome == outcome and newest.takes(judgement):
            span = newest.plus(judgement)
        else:
            self._last += 1
            span = Span(number=self._last, outcome=outcome, start=judgement.start.utc, end=judgement.end.utc, took_s=judgement.took_s)
            span = span.scoring(judgement.log_odds)
        self._newest[key] = span
        self._put(span)

    @property
    def waiting(self) -> bool:
        """Whether there is anything to fetch."""
        return bool(self._changed)

    def fetch(self) -> Sequence[Span]:
        """The spans that have changed, which then count as stored."""
        changed = tuple(self._changed.values())
        self._changed.clear()
        return changed

    def put_back(self, spans: Sequence[Span]) -> None:
        """These could not be stored; the next fetch has them again, unless newer ones took their place."""
        newer = tuple(self._changed.values())
        self._changed.clear()
        for span in (*spans, *newer):
            self._put(span)

    def _put(self, span: Span) -> None:
        self._changed[span.number] = span
        if len(self._changed) > MAX_WAITING:
            del self._changed[next(iter(self._changed))]
            self.dropped += 1
