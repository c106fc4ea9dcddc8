"""The omni judge: one forward for a batch of windows, each a tree whose leaves are its policies. It knows no socket.

Its answers are not words but the log-odds of the answer tokens. Only the thread that made it may use it.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from analyzers.judge import Question
from analyzers.judgement import Cause, Fingerprint, JudgeKind, Judgement, Verdict, verdict_of
from analyzers.omni.attention import trees
from analyzers.omni.media import mel, patches, sight_tokens, sound_tokens
from analyzers.omni.prompt import PROMPT_VERSION, Prompt, question
from analyzers.omni.scores import scores
from analyzers.omni.tree import Branch, Row, row
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

    @torch.inference_mode()
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
        return _Windowed(row(root, branches, step), features, tuple(sights), tuple(keys))

    def _sight(self, window: Window, asked: Question, memory: Slots) -> tuple[NDArray[np.uint8], tuple[int, int, int]] | None:
        view = window.view(asked.view)
        if Sense.SIGHT not in window.senses or not view.height:
            return None
        return patches(memory.window_frames(window.slots, view.id, view.height, view.width))

    def _scores(self, windows: Sequence[_Windowed]) -> dict[Key, tuple[float, float]]:
        """One forward: log-odds and label mass by question and policy."""
        device, model = self._loaded.device, self._loaded.model
        length = max(len(one.row.ids) for one in windows)
        ids = torch.zeros(len(windows), length, dtype=torch.long)
        positions = torch.zeros(3, len(windows), length, dtype=torch.float32)
        for number, one in enumerate(windows):
            ids[number, : len(one.row.ids)] = torch.from_numpy(one.row.ids)
            positions[:, number, : len(one.row.ids)] = torch.from_numpy(one.row.positions)
        media = self._media(windows)
        self.media_tokens = int(((ids == self._prompt.video_id) | (ids == self._prompt.audio_id)).sum())
        # A mask of four dimensions passes transformers' mask making untouched; the tree's attention does not look at it.
        dummy = torch.zeros(len(windows), 1, 1, 1, dtype=torch.bool, device=device)
        with trees([one.row for one in windows], length, device):
            hidden = model.model(
                input_ids=ids.to(device), position_ids=positions.to(device), attention_mask=dummy, use_cache=False, **media
            ).last_hidden_state
        last = torch.cat([hidden[number, list(one.row.last)] for number, one in enumerate(windows)])
        odds, mass = scores(last, model.lm_head.weight, self._prompt.yes_ids, self._prompt.no_ids)
        keys = [key for one in windows for key in one.keys]
        return dict(zip(keys, zip(odds, mass, strict=True), strict=True))

    def _media(self, windows: Sequence[_Windowed]) -> dict[str, torch.Tensor]:
        """Pictures and sound of all windows as the towers take them."""
        device, dtype = self._loaded.device, self._loaded.model.dtype
        out: dict[str, torch.Tensor] = {}
        sights = [sight for one in windows for sight in one.sights]
        if sights:
            pixels = torch.cat([torch.from_numpy(pixels) for pixels, _ in sights]).to(device)
            out["pixel_values_videos"] = pixels.to(dtype).div_(127.5).sub_(1)
            out["video_grid_thw"] = torch.tensor([grid for _, grid in sights], device=device)
        sounds = [one.sound for one in windows if one.sound is not None]
        if sounds:
            longest = max(sound.shape[1] for sound in sounds)
            padded = np.stack([np.pad(sound, ((0, 0), (0, longest - sound.shape[1]))) for sound in sounds])
            there = np.stack([np.arange(longest) < sound.shape[1] for sound in sounds])
            out["input_features"] = torch.from_numpy(padded).to(device, dtype)
            out["feature_attention_mask"] = torch.from_numpy(there).to(device, torch.long)
        return out

    def _judgement(self, asked: Question, policy: Policy, score: tuple[float, float] | None, took_s: float) -> Judgement:
        window = asked.window
        verdict, cause = verdict_of(policy, *score) if score else (Verdict.NO_DATA, Cause.SENSE_MISSING)
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
            log_odds=score[0] if score and finite else None,
            label_mass=score[1] if score and finite else None,
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
