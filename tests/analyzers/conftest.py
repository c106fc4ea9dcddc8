"""What tests of the omni judge share: a tiny random model on the disk and in memory, and a camera's memory full of noise."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.analyzers.scene import Scene

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    import torch  # noqa: PLC0415

    from tests.analyzers import tiny  # noqa: PLC0415

    torch.set_num_threads(1)
    return tiny.save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny25_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the other family."""
    import torch  # noqa: PLC0415

    from tests.analyzers import tiny25  # noqa: PLC0415

    torch.set_num_threads(1)
    return tiny25.save(tmp_path_factory.mktemp("tiny25"))


@pytest.fixture(scope="session")
def loaded25(tiny25_folder: Path) -> "Loaded":
    """The same as the judge loads it, not quantized."""
    from analyzers.interview import JudgeSettings, Quantization  # noqa: PLC0415
    from analyzers.omni.weights import load  # noqa: PLC0415

    return load(JudgeSettings(model=str(tiny25_folder), quantization=Quantization.NONE, device="cpu"))


@pytest.fixture(scope="session")
def loaded(tiny_folder: Path) -> "Loaded":
    """The tiny model as the judge loads it, not quantized."""
    from analyzers.interview import JudgeSettings, Quantization  # noqa: PLC0415
    from analyzers.omni.weights import load  # noqa: PLC0415

    return load(JudgeSettings(model=str(tiny_folder), quantization=Quantization.NONE, device="cpu"))


@pytest.fixture
def make_scene() -> Iterator[Callable[..., Scene]]:
    """Makes scenes, and closes their memory in the end."""
    made: list[Scene] = []

    def make(**options: object) -> Scene:
        made.append(Scene(**options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for scene in made:
        os.close(scene.memory)
