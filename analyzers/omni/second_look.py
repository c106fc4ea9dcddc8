"""A second look: where the first model's answer lies near a policy's threshold, another model is asked the same, and its answer stands.

What it may take of a batch's time is bounded; what it does not reach keeps the first answer. Only the judge's one thread may use it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzers.interview import Look, SecondLook
from analyzers.judge import Question
from analyzers.judgement import Judgement
from analyzers.omni.judge import Answered, OmniJudge
from analyzers.omni.sight import Pairs
from analyzers.omni.weights import Loaded
from sensors.slots import Slots
from sensors.window import SensorId

log = logging.getLogger("omniwatch.judge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What is asked again of one question, and where the first answers stand among the judgements of the batch."""

    question: Question
    places: tuple[int, ...]


def doubts(batch: Sequence[Question], judgements: Sequence[Judgement], band: float) -> Iterator[Doubt]:
    """The policies whose score lies within `band`, in natural log-odds, of their threshold on either side. `judgements` are in their order. Pure."""
    place = 0
    for question in batch:
        near = []
        for number, policy in enumerate(question.policies):
            score = judgements[place + number].log_odds
            if score is not None and abs(score - policy.threshold_log_odds) <= band:
                near.append(number)
        if near:
            asked = replace(question, policies=tuple(question.policies[number] for number in near))
            yield Doubt(question=asked, places=tuple(place + number for number in near))
        place += len(question.policies)


def came_of(first: Judgement, second: Judgement) -> Look:
    """What a second answer did to the first. Pure."""
    if second.log_odds is None:
        return Look.FAILED
    return Look.AGREED if second.verdict is first.verdict else Look.CHANGED


class SecondOpinion:
    """The second model."""

    def __init__(self, loaded: Loaded, look: SecondLook, clock: Callable[[], float] = time.perf_counter) -> None:
        """It has seen nothing. `clock` counts seconds."""
        self.loaded = loaded
        self._look = look
        self._pairs = Pairs(loaded.family)
        self._clock = clock
        self._is_late = False

    def over(self, batch: tuple[Question, ...], found: Answered, slots: Mapping[SensorId, Slots]) -> Answered:
        """The answers to a batch, with its own in the place of those that were in doubt. One that it cannot answer stays as it was."""
        began = self._clock()
        judgements, media_tokens, halvings, looks = list(found.judgements), found.cost.media_tokens, Counter(found.cost.halvings), Counter[Look]()
        for doubt in doubts(batch, found.judgements, self._look.band):
            if self._clock() - began >= self._look.limit_s:
                looks[Look.LATE] += len(doubt.places)
                continue
            again = OmniJudge(self.loaded, slots, self._pairs).answer((doubt.question,))
            media_tokens += again.cost.media_tokens
            halvings.update(again.cost.halvings)
            took_s = found.cost.took_s + self._clock() - began
            for place, judgement in zip(doubt.places, again.judgements, strict=True):
                looks[came_of(judgements[place], judgement)] += 1
                if judgement.log_odds is not None:
                    judgements[place] = replace(judgement, took_s=took_s)
        self._tell(looks)
        took_s = found.cost.took_s + self._clock() - began
        cost = replace(found.cost, media_tokens=media_tokens, took_s=took_s, halvings=dict(halvings), looks=dict(+looks))
        return Answered(judgements=tuple(judgements), cost=cost)

    def _tell(self, looks: Counter[Look]) -> None:
        """Say once that no time is left, and once that there is again; the figures have each."""
        late = looks[Look.LATE]
        if late and not self._is_late:
            log.warning("no time was left for a second look at %d answers in doubt: the first stands, and the metric counts from here on", late)
        elif self._is_late and looks.total() and not late:
            log.warning("there is time for second looks again")
        self._is_late = late > 0 if looks.total() else self._is_late
