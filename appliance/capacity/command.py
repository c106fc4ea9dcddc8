"""The command `omniwatch capacity`, as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

measuring = typer.Typer()


@measuring.command()
def capacity(
    config: Annotated[Path, typer.Argument(help="The configuration whose sensors, policies and judge are taken.", metavar="CONFIG")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output; what goes on is told on the other.")] = False,
) -> None:
    """Measure in some minutes how many such sensors, with such policies, this box's judge holds; `check` then compares. The box must not run."""
    from rich.console import Console

    from appliance.capacity.measure import run_capacity

    raise typer.Exit(run_capacity(config, Console(), as_json=as_json))
