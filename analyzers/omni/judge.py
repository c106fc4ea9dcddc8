"""The omni judge: one forward for a batch of windows, each a tree whose leaves are its policies. It knows no socket.

Its answers are not words but the log-odds of the answer tokens. Only the thread that made it may use it.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzers.judge import Question
from analyzers.judgement import Cause, Fingerprint, JudgeKind, Judgement, Verdict, verdict_of
from analyzers.omni.media import mel, patches, sight_tokens, sound_tokens
from analyzers.omni.prompt import PROMPT_VERSION, Prompt, question
from analyzers.omni.scores import Score, scores
from analyzers.omni.tree import Branch, Media, Row, lay_out, run
from analyzers.omni.weights import Loaded
from analyzers.policy import Policy
from sensors.slots import Slots
from sensors.window import Sense, SensorId, Window

Key = tuple[int, int]
"""A question's place in the batch, and a policy's place in the question."""


@dataclass(frozen=True, slots=True, eq=False)
class _Windowed:
    """One window of a batch: its row, its media, and which leaf answers what."""

    row: Row
    sound: NDArray[np.float32] | None
    sights: tuple[tuple[NDArray[np.uint8], tuple[int, int, int]], ...]
    keys: tuple[Key, ...]


class OmniJudge:
    """Answers from pictures and sound."""

    def __init__(self, loaded: Loaded, slots: Mapping[SensorId, Slots]) -> None:
        """`slots`: where each sensor's pictures and sound lie; looked up at each batch."""
        self._loaded = loaded
        self._slots = slots
        self._prompt = Prompt(loaded.tokenizer)
        self.media_tokens = 0
        """Of the newest batch."""

    def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        """One judgement for each policy of each question, in their order."""
        began = time.perf_counter()
        windows = [windowed for group in _by_window(batch) if (windowed := self._windowed(batch, group)) is not None]
        found = self._scores(windows) if windows else {}
        took_s = time.perf_counter() - began
        return tuple(
            self._judgement(asked, policy, found.get((number, place)), took_s)
            for number, asked in enumerate(batch)
            for place, policy in enumerate(asked.policies)
        )

    def _windowed(self, batch: tuple[Question, ...], group: Sequence[int]) -> _Windowed | None:
        """The row and media of one window; None where no policy of it can be asked."""
        window = batch[group[0]].window
        memory = self._slots[window.sensor]
        heard = Sense.SOUND in window.senses
        features = mel(memory.window_sound(window.slots), self._loaded.extractor) if heard else None
        branches: list[Branch] = []
        sights = []
        keys: list[Key] = []
        for number in group:
            asked = batch[number]
            able = [(place, policy) for place, policy in enumerate(asked.policies) if not policy.senses - window.senses]
            if not able or not window.senses:
                continue
            sight = self._sight(window, asked, memory)
            tokens = self._prompt.branch(sight_tokens(sight[1])) if sight else ()
            branches.append(Branch(tokens=tokens, grid=sight[1] if sight else None, leaves=tuple(self._prompt.leaf(policy) for _, policy in able)))
            sights.extend([sight] if sight else [])
            keys.extend((number, place) for place, _ in able)
        if not branches:
            return None
        root = self._prompt.root(sound_tokens(features.shape[1]) if features is not None else 0)
        pair_s = (window.end.boot_ns - window.start.boot_ns) / 1e9 / len(window.slots)
        step = pair_s * self._loaded.model.config.position_id_per_seconds
        return _Windowed(lay_out(root, branches, step), features, tuple(sights), tuple(keys))

    def _sight(self, window: Window, asked: Question, memory: Slots) -> tuple[NDArray[np.uint8], tuple[int, int, int]] | None:
        view = window.view(asked.view)
        if Sense.SIGHT not in window.senses or not view.height:
            return None
        return patches(memory.window_frames(window.slots, view.id, view.height, view.width))

    def _scores(self, windows: Sequence[_Windowed]) -> dict[Key, Score]:
        """One forward: the score of each policy, by question and policy."""
        model, prompt = self._loaded.model, self._prompt
        media = Media(
            sights=tuple(sight for one in windows for sight in one.sights),
            sounds=tuple(one.sound for one in windows if one.sound is not None),
        )
        self.media_tokens = sum(one.row.ids.count(prompt.video_id) + one.row.ids.count(prompt.audio_id) for one in windows)
        ends = run(model, [one.row for one in windows], media)
        found = scores(ends, model.lm_head.weight, prompt.yes_ids, prompt.no_ids)
        return dict(zip([key for one in windows for key in one.keys], found, strict=True))

    def _judgement(self, asked: Question, policy: Policy, score: Score | None, took_s: float) -> Judgement:
        window = asked.window
        verdict, cause = verdict_of(policy, score.log_odds, score.label_mass) if score else (Verdict.NO_DATA, Cause.SENSE_MISSING)
        finite = score is not None and cause is not Cause.NOT_FINITE
        return Judgement(
            policy=policy.id,
            sensor=window.sensor,
            view=asked.view,
            window=window.id,
            start=window.start,
            end=window.end,
            verdict=verdict,
            cause=cause,
            log_odds=score.log_odds if score and finite else None,
            label_mass=score.label_mass if score and finite else None,
            senses=window.senses,
            by=JudgeKind.OMNI,
            took_s=took_s,
            fingerprint=self._fingerprint(asked, policy),
        )

    def _fingerprint(self, asked: Question, policy: Policy) -> Fingerprint:
        view, window = asked.window.view(asked.view), asked.window
        labels = f"{self._prompt.yes_ids}{self._prompt.no_ids}"
        text = hashlib.sha256(f"{PROMPT_VERSION} {labels} {question(policy)}".encode()).hexdigest()[:12]
        seconds = (window.end.boot_ns - window.start.boot_ns) / 1e9
        senses = "+".join(sorted(window.senses))
        return Fingerprint(
            model=self._loaded.fingerprint, question=text, view=f"{view.width}x{view.height} {seconds:g}s {len(window.slots)} pairs {senses}"
        )


def _by_window(batch: tuple[Question, ...]) -> list[list[int]]:
    """The places of questions about the same window, window by window."""
    groups: dict[str, list[int]] = {}
    for number, asked in enumerate(batch):
        groups.setdefault(asked.window.id, []).append(number)
    return list(groups.values())
