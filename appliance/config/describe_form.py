"""What an owner may write about how alarms are described."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from analyzers.interview import CaptionerModel, Quantization
from appliance.config.form import FilePath, Form


def read_language(text: str) -> str:
    """The name of a language."""
    if not re.fullmatch(r"[^\W\d_]+([ -][^\W\d_]+){0,3}", text) or len(text) > 40:
        raise ValueError("write the language's name in words, like German or Deutsch")
    return text


class CaptionerForm(Form):
    """Another model, which says what is heard in alarms of the ear alone; it has to fit beside the others."""

    model: FilePath
    """Its folder, relative to this file: a Qwen3-Omni Captioner."""
    quantization: Quantization = Quantization.NF4
    """How its weights are held: as of `judge`."""

    def captioner(self, folder: Path) -> CaptionerModel:
        """The value. `folder`: in which the file lies."""
        return CaptionerModel(model=str((folder / self.model).absolute()), quantization=self.quantization)


class DescribeForm(Form):
    """How alarms are described."""

    language: Annotated[str, AfterValidator(read_language)] = ""
    """In which: its name, like German. Default: in that of the policy's question."""
    captioner: CaptionerForm | None = None
    """A model made to describe sounds, in English: it says what is heard where a policy has `senses: [sound]`. Default: `judge.model` does."""

    def within(self, folder: Path) -> "DescribeForm":
        """The same with a path that means the same wherever the configuration lies."""
        if self.captioner is None:
            return self
        return self.model_copy(update={"captioner": self.captioner.model_copy(update={"model": str(folder / self.captioner.model)})})
