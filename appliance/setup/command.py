"""The command `omniwatch setup`, as it is typed."""

from pathlib import Path
from typing import Annotated

import typer

SYSTEM = Path("/etc/omniwatch/appliance.yaml")
"""The configuration that the unit runs with."""

setting_up = typer.Typer()


@setting_up.command()
def setup(
    config: Annotated[Path, typer.Argument(help="The configuration to be written.", metavar="CONFIG")] = SYSTEM,
    *,
    answers: Annotated[Path | None, typer.Option("--answers", help="A file with all answers: nothing is asked.", metavar="FILE")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a configuration that is there; it is kept beside as .old.")] = False,
) -> None:
    """Make a box's first configuration: find and try cameras and the broker, choose what to watch for, write it, check it."""
    from rich.console import Console

    from appliance.setup.run import Wanted, run_setup

    raise typer.Exit(run_setup(Wanted(target=config.absolute(), answers=answers, overwrite=overwrite), Console(highlight=False)))
