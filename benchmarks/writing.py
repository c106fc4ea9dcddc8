"""The other way to get answers: the model writes them, token by token, with its own attention and a cache of keys and values."""

import numpy as np
import torch
from noise import PAIR_S, Noise

from analyzers.omni.media import mel, patches, sight_tokens
from analyzers.omni.prompt import question
from analyzers.omni.tree import ATTENTION, Media, heard
from analyzers.omni.weights import Loaded

TOKENS = 64
"""Of a JSON answer to one policy, with its reason."""
TOKENS_JOINT = 6
"""Of each policy in a JSON answer to all, without reasons: `"12":"no",`."""


class Writer:
    """Lets the model write about windows of noise."""

    def __init__(self, loaded: Loaded, noise: Noise) -> None:
        """Nothing written yet."""
        self._loaded = loaded
        self._noise = noise

    def each(self, count: int) -> None:
        """A JSON answer for each of `count` policies, each from the window itself."""
        for policy in self._noise.policies(count):
            self._write(self._loaded.prompt.leaf(policy), TOKENS)

    def joint(self, count: int) -> None:
        """One JSON answer to `count` policies: the window and all questions are read once, then all is written from that cache."""
        asked = "\n".join(question(policy) for policy in self._noise.policies(count))
        leaf = self._loaded.tokenizer.encode(f"{asked}\nAnswer as JSON.<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False)
        self._write(tuple(leaf), TOKENS_JOINT * count)

    def _write(self, leaf: tuple[int, ...], tokens: int) -> None:
        model, prompt, memory = self._loaded.model, self._loaded.prompt, self._noise.slots
        window = self._noise.window()
        sound = mel(memory.window_sound(window.slots), self._loaded.extractor)
        pixels, grid = patches(memory.window_frames(window.slots, self._noise.view, *self._noise.size))
        root = prompt.root(self._loaded.family.sound_tokens(sound.shape[1]))
        ids = torch.tensor([root + prompt.branch(sight_tokens(grid)) + leaf], device=model.device)
        model.set_attn_implementation({"text_config": "sdpa"})
        with torch.inference_mode():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pixel_values_videos=torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0).to(model.device, model.dtype),
                video_grid_thw=torch.tensor([grid], device=model.device),
                video_second_per_grid=torch.tensor([float(PAIR_S)], device=model.device),
                **heard(Media(sights=(), sounds=(sound,)), model),
                max_new_tokens=tokens,
                min_new_tokens=tokens,
                do_sample=False,
            )
        model.set_attn_implementation({"text_config": ATTENTION})
