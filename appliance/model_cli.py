"""`omniwatch plan` and `omniwatch quantize`: what a model would take, and making one smaller. Neither needs a configuration."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analyzers.interview import Quantization

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

models = typer.Typer()

MAX_WINDOW_S, MAX_POLICIES = 3600.0, 1000

ModelPath = Annotated[Path, typer.Argument(help="The model's folder.", metavar="MODEL")]
How = Annotated[Quantization, typer.Option("--quantization", help="How its weights are held.")]


@models.command()
def plan(  # noqa: PLR0913 - a command's options
    model: ModelPath,
    *,
    quantization: How = Quantization.NF4,
    window: Annotated[list[str] | None, typer.Option("--window", help="A window's length, such as 8s; may be given several times.")] = None,
    policies: Annotated[int, typer.Option("--policies", help="Questions a window.", min=1, max=MAX_POLICIES)] = 16,
    gpu: Annotated[float | None, typer.Option("--gpu", help="Plan for a card with so many GB, not for this machine.", min=1, max=10_000)] = None,
    describe: Annotated[bool, typer.Option("--describe", help="Plan for a judge that describes alarms as well.")] = False,
    second_look: Annotated[Path | None, typer.Option("--second-look", help="Another model that is to fit beside it.", metavar="MODEL")] = None,
    captioner: Annotated[Path | None, typer.Option("--captioner", help="A Captioner that is to fit beside it.", metavar="MODEL")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Say what a model will take here before it is loaded: memory by part, for windows of several lengths, and what to change if it does not fit."""
    from rich.console import Console

    from analyzers.omni.folder import ModelError
    from appliance.model_plan import WINDOWS_S, Companion, Wished, outline
    from appliance.plan_tables import show

    try:
        named = {Companion.SECOND_LOOK: second_look, Companion.CAPTIONER: captioner}
        wished = Wished(
            quantization=quantization,
            lengths_s=_seconds(window) or WINDOWS_S,
            policies=policies,
            described=describe,
            gpu_bytes=round(gpu * 1e9) if gpu else None,
            others={companion: folder for companion, folder in named.items() if folder},
        )
        found = outline(model, wished)
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
    else:
        show(found, Console())
    raise typer.Exit(0 if found.fits else 1)


@models.command()
def quantize(
    model: ModelPath, out: Annotated[Path, typer.Argument(help="A folder to be made.", metavar="OUT")], *, quantization: How = Quantization.NF4
) -> None:
    """Pack a model once, so that it loads in seconds ever after. OUT is there whole in the end, or not at all."""
    for chatty in ("bitsandbytes", "transformers", "torch"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from analyzers.omni.folder import ModelError
    from analyzers.omni.quantize import quantize as make

    with Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()) as progress:
        try:
            record = make(model, out, quantization, _bars(progress))
        except ModelError as error:
            progress.stop()
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
    size = sum((out / name).stat().st_size for name in record.hashes)
    typer.echo(f"{out}: {record.source} as {quantization}, {size / 1e9:.2f} GB. Name it as `model` with `quantization: {quantization}`.")


def _bars(progress: "Progress") -> Callable[[str, int, int], None]:
    """A bar for each thing that is done."""
    tasks: dict[str, TaskID] = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done)

    return told


def _seconds(windows: list[str] | None) -> tuple[float, ...]:
    """The lengths that were asked for."""
    from appliance.config.form import read_duration

    try:
        lengths = tuple(read_duration(text).total_seconds() for text in windows or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--window") from None
    if any(not 0 < length <= MAX_WINDOW_S for length in lengths):
        raise typer.BadParameter("up to 1h", param_hint="--window")
    return lengths
