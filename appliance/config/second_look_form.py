"""What an owner may write about a second look."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from analyzers.interview import Quantization, SecondLook
from appliance.config.form import FilePath, Form, Number

SHARE_OF_DEADLINE = 3
"""It may take a third of what a batch may: the first answers must have been given by then, and a judge that is late is ended."""


class SecondLookForm(Form):
    """Another model that is asked where the first one's answer is in doubt; it has to fit beside it."""

    model: FilePath
    """Its folder, relative to this file: a Qwen3-Omni Thinking model, or any other that can judge."""
    quantization: Quantization = Quantization.NF4
    """How its weights are held: as of `judge`."""
    band: Annotated[Number, Field(gt=0, le=10)] = 1.5
    """How far from a policy's threshold an answer may lie, in natural log-odds on either side, and still be in doubt."""

    def look(self, folder: Path, deadline: timedelta) -> SecondLook:
        """The value. `folder`: in which the file lies; `deadline`: of a batch."""
        return SecondLook(
            model=str((folder / self.model).absolute()),
            quantization=self.quantization,
            band=self.band,
            limit_s=deadline.total_seconds() / SHARE_OF_DEADLINE,
        )
