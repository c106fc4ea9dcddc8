"""What a voice of published size takes and how fast it speaks here: `python benchmarks/voice.py [--codes 40] [--threads 1] [--json]`.

Nothing is downloaded: talker, code2wav and embeddings of the shape of Qwen3-Omni-30B-A3B (`published_talker.json`) with random weights are
made in 7.7 GB of memory, and speak a sentence of so many codes, 12.5 of which are a second, and 30 s of codes become sound. How it sounds
says nothing; how long it takes and what it needs does not depend on the weights.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import torch
import transformers
from accelerate import init_empty_weights
from torch import nn
from transformers import Qwen3OmniMoeConfig

from analyzers.omni.machine import this_machine
from analyzers.omni.talker import CODES_HZ, Reciter
from analyzers.omni.talker_folder import TalkerFolder
from analyzers.omni.talker_plan import survey_voice
from analyzers.synthesis import LONGEST

HERE = Path(__file__).parent
PIECE = 1 << 20
TALK_TOKENS = (20, 12)
"""Of what is asked and of what is said."""


def published() -> dict[str, object]:
    """The whole model's configuration, as far as its voice needs it."""
    talking: dict[str, object] = json.loads((HERE / "published_talker.json").read_text())
    return {**talking, "thinker_config": json.loads((HERE / "published_model.json").read_text())}


def made(config: dict[str, object]) -> Reciter:
    """The voice with random weights, filled piece by piece."""
    with init_empty_weights(include_buffers=False):
        model = Reciter(Qwen3OmniMoeConfig(**config))
    noise = torch.empty(PIECE, dtype=torch.bfloat16).normal_(std=0.02)
    for name, weight in list(model.named_parameters()):
        filled = torch.ones(weight.shape, dtype=torch.bfloat16)
        if weight.ndim > 1:
            for piece in filled.view(-1).split(PIECE):
                piece.copy_(noise[: len(piece)])
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, nn.Parameter(filled, requires_grad=False))
    made: Reciter = model.eval()
    return made


def spoken_s(model: Reciter, codes: int) -> float:
    """Seconds for a sentence of so many codes, to its sound."""
    config = model.config
    asked = torch.full((1, TALK_TOKENS[0]), 100)
    asked[0, 0], asked[0, 1] = config.im_start_token_id, config.user_token_id
    asked[0, -3], asked[0, -2] = config.im_start_token_id, config.assistant_token_id
    line = torch.full((1, TALK_TOKENS[1]), 200)
    begin = time.perf_counter()
    model.generate(
        asked,
        speaker="ethan",
        thinker_line=line,
        thinker_eos_token_id=config.im_end_token_id,
        talker_max_new_tokens=codes + 1,
        talker_min_new_tokens=codes + 1,
    )
    return time.perf_counter() - begin


def sounded_s(model: Reciter) -> float:
    """Seconds for the codes of the longest announcement to become sound."""
    config = model.config.code2wav_config
    codes = torch.randint(0, config.codebook_size, (1, config.num_quantizers, int(LONGEST.total_seconds() * CODES_HZ)))
    begin = time.perf_counter()
    with torch.no_grad():
        model.code2wav.chunked_decode(codes)
    return time.perf_counter() - begin


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    config = published()
    planned = survey_voice(TalkerFolder(path=HERE, config=config, tensors={}), this_machine("cpu"))
    model = made(config)
    sentence_s, sound_s = spoken_s(model, options.codes), sounded_s(model)
    figures = {
        "threads": options.threads,
        "seconds_a_second_of_speech": sentence_s / (options.codes / CODES_HZ),
        "seconds_for_30_s_of_codes_to_sound": sound_s,
        "weight_bytes": sum(weight.numel() * weight.element_size() for weight in model.parameters()),
        "planned_weight_bytes": planned.weight_bytes,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "planned_peak_bytes": planned.peak_bytes,
    }
    for name, figure in figures.items():
        if not options.json:
            print(f"{name:36} {figure:,.1f}")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
