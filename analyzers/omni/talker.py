"""A model's voice: loads talker, code2wav and the thinker's table of embeddings, and speaks sentences that are given word for word.

The makers' own `generate` does it. What would think stands aside: in its place is a script that hands out the sentence and the embeddings
of its tokens. When the pin of transformers moves, look at what `generate` asks of its thinker, and at the conversion of names that is
registered here; a test compares with the whole model, forced to say the same.
"""

import os
import warnings
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn
from transformers import AutoTokenizer, Qwen3OmniMoeForConditionalGeneration, Qwen3OmniMoePreTrainedModel, StoppingCriteria, StoppingCriteriaList
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping
from transformers.generation import GenerateDecoderOnlyOutput

from analyzers.omni.folder import ModelError, read_json
from analyzers.omni.machine import free_bytes, this_machine
from analyzers.omni.prompt import unmarked
from analyzers.omni.talker_folder import TalkerFolder, read_talker
from analyzers.omni.talker_plan import PREFIXES, VoicePlan, survey_voice
from analyzers.synthesis import LONGEST, RATE_HZ, TalkerSettings

BEGINNING = "<|im_start|>assistant\n"
SAID_BY_THEM = f"<|im_start|>user\nRead this aloud, word for word: {{text}}<|im_end|>\n{BEGINNING}"
"""What the talker hears before its own words: it speaks in an answer to somebody. RENDERING_VERSION goes up whenever it changes."""
END = "<|im_end|>"
SEED = 20_260_101
"""Of every sentence, so that it sounds the same each time, whatever was spoken before it."""
CODES_HZ = 12.5
SAMPLING = ("talker_do_sample", "talker_temperature", "talker_top_k", "talker_top_p", "talker_repetition_penalty")
"""What generation_config.json may say of how codes are drawn. What it does not say is as transformers has it, which is the same as published."""
FAINTEST = 0.01
"""Of full scale. A rendering that reaches this nowhere is taken for silence, and nobody would hear the alarm."""


class TalkerFault(Exception):  # noqa: N818 - the model's fault, for this sentence
    """Nothing that can be used came of a sentence; the text says why."""


class Script(nn.Module):
    """Stands where the thinker would. It has its embeddings alone, and its next words are those that it is given."""

    def __init__(self, config: Any) -> None:
        """`config`: the whole model's."""
        super().__init__()
        text = config.thinker_config.text_config
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(text.vocab_size, text.hidden_size)
        self._layers = config.talker_config.accept_hidden_layer + 1

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return self.get_input_embeddings().weight.device

    def get_input_embeddings(self) -> nn.Embedding:
        """As of any model."""
        return cast("nn.Embedding", self.model.embed_tokens)

    def generate(self, input_ids: torch.Tensor, *, line: torch.Tensor, **_: object) -> GenerateDecoderOnlyOutput:
        """`line` behind `input_ids`, as a thinker would have said it. Hidden states are asked for of pictures and sounds, of which there are none."""
        sequences = torch.cat([input_ids, line], dim=1)
        embedded = self.get_input_embeddings()(sequences[:, :-1])
        return GenerateDecoderOnlyOutput(sequences=sequences, hidden_states=((embedded,) * self._layers,))


class Reciter(Qwen3OmniMoeForConditionalGeneration):  # type: ignore[misc]
    """The whole model with a script in the thinker's place: its weights are found in a checkpoint under their own names."""

    _keys_to_ignore_on_load_unexpected = (r"^thinker\.",)

    def __init__(self, config: Any) -> None:
        """Talker and code2wav as they are."""
        Qwen3OmniMoePreTrainedModel.__init__(self, config)
        self.thinker = Script(config)
        self.has_talker = True
        self.enable_talker()
        self.post_init()


# The talker's experts lie one by one in a checkpoint. Classes that are not transformers' own are converted where they ask for it.
register_checkpoint_conversion_mapping(Reciter.__name__, get_checkpoint_conversion_mapping("qwen3_omni_moe"), overwrite=True)


class _End(StoppingCriteria):  # type: ignore[misc]
    """Stops nothing; it remembers whether the talker has come to an end by itself."""

    def __init__(self, code: int) -> None:
        self._code = code
        self.has_ended = False

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:  # noqa: ARG002 - as transformers calls it
        last = input_ids[:, -1]
        self.has_ended = bool((last == self._code).all())
        return torch.zeros_like(last, dtype=torch.bool)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Talker:
    """A voice that is ready to speak."""

    model: Reciter
    tokenizer: Any
    speaker: str
    weight_bytes: int
    sampling: dict[str, Any]

    def speak(self, text: str, longest_s: float = LONGEST.total_seconds()) -> NDArray[np.float32]:
        """A sentence as samples, -1..1. TalkerFault where it makes nothing of it, or does not come to an end within `longest_s`."""
        words = unmarked(text, self.tokenizer.get_added_vocab())
        asked, line = self._ids(SAID_BY_THEM.format(text=words)), self._ids(words + END)
        end = _End(self.model.config.talker_config.codec_eos_token_id)
        torch.manual_seed(SEED)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the penalty of repetition counts what is spoken alone, as it should
                _, sound = self.model.generate(
                    asked,
                    speaker=self.speaker,
                    thinker_line=line,
                    thinker_eos_token_id=self.model.config.im_end_token_id,
                    talker_max_new_tokens=int(longest_s * CODES_HZ) + 1,
                    talker_stopping_criteria=StoppingCriteriaList([end]),
                    **self.sampling,
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise TalkerFault(f"the talker failed: {' '.join(str(error).split())[:200]}") from error
        samples: NDArray[np.float32] = sound.reshape(-1).float().numpy()
        if not end.has_ended:
            raise TalkerFault(f"the talker did not come to an end within {longest_s:g} s")
        if not np.isfinite(samples).all() or np.abs(samples).max(initial=0.0) < FAINTEST:
            raise TalkerFault("the talker spoke nothing that can be heard")
        return samples

    def _ids(self, text: str) -> torch.Tensor:
        return torch.tensor([self.tokenizer.encode(text, add_special_tokens=False)])


def load(settings: TalkerSettings) -> Talker:
    """Load what the settings say. ModelError, with what to do, where that cannot be."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(settings.threads)
    found = read_talker(Path(settings.model), settings.speaker)
    planned = survey_voice(found, this_machine("cpu"))
    if (free := free_bytes()) < planned.need_bytes:
        raise ModelError(f"{found.path}: its voice is {planned}, and {free / 1e9:.1f} GB are free here now")
    try:
        model = _reciter(found)
        tokenizer = AutoTokenizer.from_pretrained(found.path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{found.path} cannot be loaded, download it again: {' '.join(str(error).split())[:200]}") from error
    _compare(found.path, model.config, tokenizer)
    return Talker(
        model=model, tokenizer=tokenizer, speaker=settings.speaker.value, weight_bytes=verified(model, planned), sampling=sampling(found.path)
    )


def _reciter(found: TalkerFolder) -> Reciter:
    os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"  # as where the thinker is loaded: threads that read ahead hold most of the model twice
    model, told = Reciter.from_pretrained(
        found.path, dtype=torch.bfloat16, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    lacking = sorted(told["missing_keys"])
    if lacking:
        raise ModelError(f"{found.path} lacks {len(lacking)} weights ({lacking[0]} …), which would be random; download it again")
    made: Reciter = model.eval()
    return made


def _compare(folder: Path, config: Any, tokenizer: Any) -> None:
    """ModelError where the tokenizer does not spell a talk as the model was taught: three tokens stand before an answer's first word."""
    ids = tokenizer.encode(f"{BEGINNING}{END}", add_special_tokens=False)
    if len(ids) != 4 or (ids[0], ids[1], ids[3]) != (config.im_start_token_id, config.assistant_token_id, config.im_end_token_id):
        raise ModelError(f"{folder}: its tokenizer is not that of the model in this folder; download the folder again, whole")


def verified(model: nn.Module, planned: VoicePlan) -> int:
    """The bytes of the weights. ModelError where more or less was loaded than was planned."""
    held = {
        part: sum(weight.numel() * weight.element_size() for name, weight in model.named_parameters() if name.startswith(prefix))
        for part, prefix in PREFIXES.items()
    }
    if held != planned.part_bytes or sum(held.values()) != sum(weight.numel() * weight.element_size() for weight in model.parameters()):
        raise ModelError(f"{held} bytes were loaded where {planned.part_bytes} were planned: this version of transformers loads other parts")
    return sum(held.values())


def sampling(folder: Path) -> dict[str, Any]:
    """How the model's makers would have codes drawn."""
    file = folder / "generation_config.json"
    told = read_json(file) if file.is_file() else {}
    return {name: told[name] for name in SAMPLING if isinstance(told.get(name), int | float)}


def write(samples: NDArray[np.float32], file: Path) -> None:
    """As a WAV file."""
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes((samples.clip(-1, 1) * 32_767).astype(np.int16).tobytes())
