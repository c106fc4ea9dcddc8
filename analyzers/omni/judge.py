"""The omni judge: one forward for a batch of windows, each a tree whose leaves are its policies. It knows no socket.

Its answers are not words but the log-odds of the answer tokens. Only one thread may use it.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from analyzers.interview import Cost, Halved
from analyzers.judge import Question
from analyzers.judgement import Cause, Fingerprint, JudgeKind, Judgement, Verdict, verdict_of
from analyzers.omni.laid import Key, Laid, shown_pairs
from analyzers.omni.media import mel, sight_tokens
from analyzers.omni.prompt import PROMPT_VERSION, SYSTEM, question
from analyzers.omni.scores import Score, scores
from analyzers.omni.sight import MAX_PATCHES, Pairs, Sight
from analyzers.omni.tower import Seen
from analyzers.omni.tree import Branch, Media, run
from analyzers.omni.weights import Loaded
from analyzers.omni.work import MAX_TOKENS
from analyzers.own_voice import believed, missing
from analyzers.policy import Policy
from sensors.moment import NANOSECONDS
from sensors.slots import Slots
from sensors.window import Sense, SensorId, Window

log = logging.getLogger("omniwatch.judge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A batch's judgements, and what they cost."""

    judgements: tuple[Judgement, ...]
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A score, and of how many pairs in a row one was shown for it."""

    score: Score
    every: int


Found = dict[Key, _Answer | Cause]


class OmniJudge:
    """Answers from pictures and sound."""

    def __init__(self, loaded: Loaded, slots: Mapping[SensorId, Slots], pairs: Pairs | None = None, still: float = 0.0) -> None:
        """`slots`: where each sensor's pictures and sound lie; `pairs`: what is known of pictures from earlier batches; `still`: as `Pairs.sight`."""
        self._loaded = loaded
        self._slots = slots
        self._pairs = pairs or Pairs(loaded.family)
        self._still = still
        self._halvings: Counter[Halved] = Counter()

    def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        """One judgement for each policy of each question, in their order."""
        return self.answer(batch).judgements

    def answer(self, batch: tuple[Question, ...]) -> Answered:
        """As `judge`, with what it cost."""
        began = time.perf_counter()
        self._halvings.clear()
        found: Found = {}
        laid: list[Laid] = []
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
        media_tokens = sum(one.media_tokens for one in laid)
        return Answered(judgements=judgements, cost=Cost(media_tokens=media_tokens, took_s=took_s, halvings=dict(self._halvings)))

    def _lay(self, batch: tuple[Question, ...], able: Mapping[int, Sequence[int]]) -> Iterator[Laid]:
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
            grid, times = (sight.grid, sight.times) if sight else (None, None)
            branches.append(Branch(tokens=prompt.branch(sight_tokens(grid) if grid else 0), grid=grid, leaves=leaves, times=times))
        pair_s = (window.end.boot_ns - window.start.boot_ns) / NANOSECONDS / len(window.slots)
        yield Laid(
            root=prompt.root(sound_tokens),
            branches=tuple(branches),
            step=pair_s * self._loaded.model.config.position_id_per_seconds,
            sights=tuple(sights),
            sound=sound,
            sound_tokens=sound_tokens,
            keys=tuple((number, place) for number, places in able.items() for place in places),
        )

    def _sight(self, asked: Question, memory: Slots) -> Sight | None:
        window, view = asked.window, asked.window.view(asked.view)  # a question's window need hold no view but its own
        return self._pairs.sight(window, view, memory, self._still) if Sense.SIGHT in window.senses and view.height else None

    def _look(self, laid: Sequence[Laid]) -> Mapping[Sight, Seen]:
        """The features of all pictures; none where the tower fails, and then nothing that has a picture can be asked."""
        sights = [sight for one in laid for sight in one.sights]
        least, most = max((sight.patches for sight in sights), default=0), min(MAX_PATCHES, sum(sight.patches * len(sight.read) for sight in sights))
        while True:
            try:
                return self._pairs.look(self._loaded.model.model.visual, sights, most)
            except torch.OutOfMemoryError:
                most //= 2
            except RuntimeError as error:  # what torch raises
                log.error("the pictures of %d windows could not be looked at: %s", len(laid), str(error)[:300])  # noqa: TRY400 - no trace
                return {}
            if most < least:
                log.error("a pair of frames does not fit into the memory that is left: take a smaller `longest_side`")
                return {}
            log.warning("the pictures of %d windows do not fit into the memory that is left; they are looked at in smaller parts", len(laid))
            self._halvings[Halved.BATCH] += 1

    def _ask(self, together: Sequence[Laid], seen: Mapping[Sight, Seen]) -> Found:
        """One forward; several smaller ones where it does not fit into the memory that is left."""
        model, prompt = self._loaded.model, self._loaded.prompt
        keys = [key for one in together for key in one.keys]
        try:
            ends = run(model, [one.row for one in together], _media(together, seen))
            said = scores(ends, model.lm_head.weight, prompt.yes_ids, prompt.no_ids)
            every = [one.every for one in together for _ in one.keys]
            return {key: _Answer(score=score, every=each) for key, score, each in zip(keys, said, every, strict=True)}
        except torch.OutOfMemoryError:
            smaller = self._smaller(together)  # which are asked behind this block: in it, what the forward held is not given back yet
        except RuntimeError as error:  # what torch raises
            log.error("%d windows could not be judged: %s", len(together), str(error)[:300])  # noqa: TRY400 - no trace
            return dict.fromkeys(keys, Cause.JUDGE_FAULT)
        if not smaller:
            return dict.fromkeys(keys, Cause.JUDGE_FAULT)
        return {key: found for part in smaller for key, found in self._ask(part, seen).items()}

    def _smaller(self, together: Sequence[Laid]) -> list[Sequence[Laid]]:
        """What to try instead of windows that do not fit: half as many at a time, then one with half of its pictures; nothing where there is none."""
        if len(together) > 1:
            log.warning("%d windows at once do not fit into the memory that is left; they are judged in halves", len(together))
            self._halvings[Halved.BATCH] += 1
            half = len(together) // 2
            return [together[:half], together[half:]]
        (one,) = together
        less = one.halved()
        if less is None:
            log.error("a window of %d tokens does not fit into the memory that is left: take shorter windows", one.tokens)
            return []
        log.warning("a window of %d tokens does not fit into the memory that is left; it is judged by half of its pictures", one.tokens)
        self._halvings[Halved.FRAMES] += 1
        return [[less]]

    def _judgement(self, asked: Question, policy: Policy, outcome: _Answer | Cause, took_s: float) -> Judgement:
        window = asked.window
        score, every = (outcome.score, outcome.every) if isinstance(outcome, _Answer) else (None, 1)
        verdict, cause = verdict_of(policy, score.log_odds, score.label_mass) if score else _unasked(outcome, policy, window)
        verdict, cause = believed(policy, window, verdict, cause)
        if every > 1 and verdict is Verdict.NO:  # what happened may have been in the other half
            verdict, cause = Verdict.UNSURE, Cause.HALVED
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
            fingerprint=self._fingerprint(asked, policy, every),
        )

    def _fingerprint(self, asked: Question, policy: Policy, every: int) -> Fingerprint:
        window, view = asked.window, asked.window.view(asked.view)
        labels = (self._loaded.prompt.yes_ids, self._loaded.prompt.no_ids)
        text = hashlib.sha256(f"{PROMPT_VERSION} {labels} {SYSTEM} {question(policy)}{self._loaded.prompt.closing}".encode()).hexdigest()[:16]
        seconds = (window.end.boot_ns - window.start.boot_ns) / NANOSECONDS
        zone = asked.view.removeprefix(window.sensor) or "whole"
        senses = "+".join(sorted(window.senses)) or "none"
        seen = f"{zone} {view.width}x{view.height}, {shown_pairs(len(window.slots), every)} pairs in {seconds:g} s, {senses}"
        left_out = f", of which still ones ({self._still:g}) are left out" if self._still else ""
        return Fingerprint(model=self._loaded.fingerprint, question=text, view=seen + left_out)


def _able(asked: Question) -> tuple[int, ...]:
    """The places of the policies that can be answered: those whose senses the window has. One without any says nothing."""
    senses = asked.window.senses
    return tuple(place for place, policy in enumerate(asked.policies) if senses and not policy.senses - senses)


def _unasked(outcome: _Answer | Cause, policy: Policy, window: Window) -> tuple[Verdict, Cause]:
    return (Verdict.FAILED, Cause.JUDGE_FAULT) if outcome is Cause.JUDGE_FAULT else missing(policy, window)


def _by_window(batch: tuple[Question, ...]) -> list[list[int]]:
    """The places of questions about the same window, window by window."""
    groups: dict[str, list[int]] = {}
    for number, asked in enumerate(batch):
        groups.setdefault(asked.window.id, []).append(number)
    return list(groups.values())


def _media(together: Sequence[Laid], seen: Mapping[Sight, Seen]) -> Media:
    """What the rows of `together` show."""
    return Media(
        sights=tuple(seen[sight].thinned(sight.grid[0], one.every) for one in together for sight in one.sights),
        sounds=tuple(one.sound for one in together if one.sound is not None),
    )


def _packs(laid: Sequence[Laid]) -> list[list[Laid]]:
    """Windows that go together: like lengths side by side, so that little is padding, and never more than MAX_TOKENS."""
    packs: list[list[Laid]] = []
    for tokens, one in sorted(((one.tokens, one) for one in laid), key=lambda each: each[0]):
        if packs and tokens * (len(packs[-1]) + 1) <= MAX_TOKENS:
            packs[-1].append(one)
        else:
            packs.append([one])
    return packs
