"""The omni judge: one forward for a batch of windows, each a tree whose leaves are its policies. It knows no socket.

Its answers are not words but the log-odds of the answer tokens. Only one thread may use it.
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from analyzers.judge import Question
from analyzers.judgement import Cause, Fingerprint, JudgeKind, Judgement, Verdict, verdict_of
from analyzers.omni.media import mel, sight_tokens
from analyzers.omni.prompt import PROMPT_VERSION, SYSTEM, question
from analyzers.omni.scores import Score, scores
from analyzers.omni.sight import Pairs, Sight
from analyzers.omni.tower import Seen
from analyzers.omni.tree import Branch, Media, Row, lay_out, run
from analyzers.omni.weights import Loaded
from analyzers.omni.work import MAX_TOKENS
from analyzers.own_voice import believed, missing
from analyzers.policy import Policy
from sensors.moment import NANOSECONDS
from sensors.slots import Slots
from sensors.window import Sense, SensorId, Window

Key = tuple[int, int]
"""A question's place in the batch, and a policy's place in the question."""

log = logging.getLogger("omniwatch.judge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A batch's judgements, and what they cost."""

    judgements: tuple[Judgement, ...]
    media_tokens: int
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no single truth of equality
class _Laid:
    """One window of a batch: its row, its media, and which leaf answers what."""

    row: Row
    sights: tuple[Sight, ...]
    sound: NDArray[np.float32] | None
    sound_tokens: int
    keys: tuple[Key, ...]

    @property
    def media_tokens(self) -> int:
        """Tokens of picture and sound."""
        return self.sound_tokens + sum(sight_tokens(sight.grid) for sight in self.sights)


class OmniJudge:
    """Answers from pictures and sound."""

    def __init__(self, loaded: Loaded, slots: Mapping[SensorId, Slots], pairs: Pairs | None = None) -> None:
        """`slots`: where each sensor's pictures and sound lie; `pairs`: what is known of pictures from earlier batches."""
        self._loaded = loaded
        self._slots = slots
        self._pairs = pairs or Pairs(loaded.family)

    def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        """One judgement for each policy of each question, in their order."""
        return self.answer(batch).judgements

    def answer(self, batch: tuple[Question, ...]) -> Answered:
        """As `judge`, with what it cost."""
        began = time.perf_counter()
        found: dict[Key, Score | Cause] = {}
        laid: list[_Laid] = []
        for group in _by_window(batch):
            able = {number: _able(batch[number]) for number in group}
            try:
                laid += self._lay(batch, {number: places for number, places in able.items() if places})
            except (KeyError, ValueError) as error:  # slots that are gone, or that are not what the window says
                log.error("window %s cannot be read: %s", batch[group[0]].window.id, error)  # noqa: TRY400 - no trace
                found |= {(number, place): Cause.JUDGE_FAULT for number, places in able.items() for place in places}
        seen = self._look(laid)
        found |= {key: Cause.JUDGE_FAULT for one in laid if not seen.keys() >= set(one.sights) for key in one.keys}
        for together in _packs([one for one in laid if seen.keys() >= set(one.sights)]):
            found |= self._ask(together, seen)
        took_s = time.perf_counter() - began
        judgements = tuple(
            self._judgement(asked, policy, found.get((number, place), Cause.SENSE_MISSING), took_s)
            for number, asked in enumerate(batch)
            for place, policy in enumerate(asked.policies)
        )
        return Answered(judgements=judgements, media_tokens=sum(one.media_tokens for one in laid), took_s=took_s)

    def _lay(self, batch: tuple[Question, ...], able: Mapping[int, Sequence[int]]) -> Iterator[_Laid]:
        """The row and media of the one window that the questions `able` are about; nothing where there is none to ask."""
        if not able:
            return
        window = batch[next(iter(able))].window
        prompt, family, memory = self._loaded.prompt, self._loaded.family, self._slots[window.sensor]
        sound = mel(memory.window_sound(window.slots), self._loaded.extractor, family) if Sense.SOUND in window.senses else None
        sound_tokens = family.sound_tokens(sound.shape[1]) if sound is not None else 0
        branches, sights = [], []
        for number, places in able.items():
            sight = self._sight(batch[number], memory)
            leaves = tuple(prompt.leaf(batch[number].policies[place]) for place in places)
            sights += [sight] if sight else []
            branches.append(Branch(tokens=prompt.branch(sight_tokens(sight.grid) if sight else 0), grid=sight.grid if sight else None, leaves=leaves))
        pair_s = (window.end.boot_ns - window.start.boot_ns) / NANOSECONDS / len(window.slots)
        row = lay_out(prompt.root(sound_tokens), branches, pair_s * self._loaded.model.config.position_id_per_seconds)
        keys = tuple((number, place) for number, places in able.items() for place in places)
        yield _Laid(row=row, sights=tuple(sights), sound=sound, sound_tokens=sound_tokens, keys=keys)

    def _sight(self, asked: Question, memory: Slots) -> Sight | None:
        window, view = asked.window, asked.window.view(asked.view)  # a question's window need hold no view but its own
        return self._pairs.sight(window, view, memory) if Sense.SIGHT in window.senses and view.height else None

    def _look(self, laid: Sequence[_Laid]) -> Mapping[Sight, Seen]:
        """The features of all pictures; none where the tower fails, and then nothing that has a picture can be asked."""
        try:
            return self._pairs.look(self._loaded.model.model.visual, [sight for one in laid for sight in one.sights])
        except RuntimeError as error:  # what torch raises, out of memory included
            log.error("the pictures of %d windows could not be looked at: %s", len(laid), str(error)[:300])  # noqa: TRY400 - no trace
            return {}

    def _ask(self, together: Sequence[_Laid], seen: Mapping[Sight, Seen]) -> dict[Key, Score | Cause]:
        """One forward."""
        model, prompt = self._loaded.model, self._loaded.prompt
        keys = [key for one in together for key in one.keys]
        media = Media(
            sights=tuple(seen[sight] for one in together for sight in one.sights),
            sounds=tuple(one.sound for one in together if one.sound is not None),
        )
        try:
            ends = run(model, [one.row for one in together], media)
            return dict(zip(keys, scores(ends, model.lm_head.weight, prompt.yes_ids, prompt.no_ids), strict=True))
        except torch.OutOfMemoryError:
            if len(together) == 1:
                tokens = len(together[0].row.ids)
                log.error("a window of %d tokens does not fit into the memory that is left: take shorter windows", tokens)  # noqa: TRY400
                return dict.fromkeys(keys, Cause.JUDGE_FAULT)
            log.warning("%d windows at once do not fit into the memory that is left; they are judged in halves", len(together))
        except RuntimeError as error:  # what torch raises
            log.error("%d windows could not be judged: %s", len(together), str(error)[:300])  # noqa: TRY400 - no trace
            return dict.fromkeys(keys, Cause.JUDGE_FAULT)
        half = len(together) // 2
        return self._ask(together[:half], seen) | self._ask(together[half:], seen)

    def _judgement(self, asked: Question, policy: Policy, outcome: Score | Cause, took_s: float) -> Judgement:
        window = asked.window
        score = outcome if isinstance(outcome, Score) else None
        verdict, cause = verdict_of(policy, score.log_odds, score.label_mass) if score else _unasked(outcome, policy, window)
        verdict, cause = believed(policy, window, verdict, cause)
        readable = score if score and cause is not Cause.NOT_FINITE else None
        return Judgement(
            policy=policy.id,
            sensor=window.sensor,
            view=asked.view,
            window=window.id,
            start=window.start,
            end=window.end,
            verdict=verdict,
            cause=cause,
            log_odds=readable.log_odds if readable else None,
            label_mass=readable.label_mass if readable else None,
            senses=window.senses,
            by=JudgeKind.OMNI,
            took_s=took_s,
            fingerprint=self._fingerprint(asked, policy),
        )

    def _fingerprint(self, asked: Question, policy: Policy) -> Fingerprint:
        window, view = asked.window, asked.window.view(asked.view)
        labels = (self._loaded.prompt.yes_ids, self._loaded.prompt.no_ids)
        text = hashlib.sha256(f"{PROMPT_VERSION} {labels} {SYSTEM} {question(policy)}{self._loaded.prompt.closing}".encode()).hexdigest()[:16]
        seconds = (window.end.boot_ns - window.start.boot_ns) / NANOSECONDS
        zone = asked.view.removeprefix(window.sensor) or "whole"
        senses = "+".join(sorted(window.senses)) or "none"
        seen = f"{zone} {view.width}x{view.height}, {len(window.slots)} pairs in {seconds:g} s, {senses}"
        return Fingerprint(model=self._loaded.fingerprint, question=text, view=seen)


def _able(asked: Question) -> tuple[int, ...]:
    """The places of the policies that can be answered: those whose senses the window has. One without any says nothing."""
    senses = asked.window.senses
    return tuple(place for place, policy in enumerate(asked.policies) if senses and not policy.senses - senses)


def _unasked(outcome: Score | Cause, policy: Policy, window: Window) -> tuple[Verdict, Cause]:
    return (Verdict.FAILED, Cause.JUDGE_FAULT) if outcome is Cause.JUDGE_FAULT else missing(policy, window)


def _by_window(batch: tuple[Question, ...]) -> list[list[int]]:
    """The places of questions about the same window, window by window."""
    groups: dict[str, list[int]] = {}
    for number, asked in enumerate(batch):
        groups.setdefault(asked.window.id, []).append(number)
    return list(groups.values())


def _packs(laid: Sequence[_Laid]) -> list[list[_Laid]]:
    """Windows that go together: like lengths side by side, so that little is padding, and never more than MAX_TOKENS."""
    packs: list[list[_Laid]] = []
    for one in sorted(laid, key=lambda each: len(each.row.ids)):
        if packs and len(one.row.ids) * (len(packs[-1]) + 1) <= MAX_TOKENS:
            packs[-1].append(one)
        else:
            packs.append([one])
    return packs
