"""The command `omniwatch`: reads what was typed, calls the room that does it, and turns its outcome into an exit status.

Rooms are imported when their command runs, so that `check` starts at once and never loads a model's libraries.
"""

from pathlib import Path
from typing import Annotated

import typer

from appliance.capacity.command import measuring
from appliance.control.commands import operator
from appliance.journal import Format
from appliance.model_cli import models
from appliance.setup.command import setting_up

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Watches and listens, asks a local model your questions, and raises alarms.",
)

app.add_typer(operator)
app.add_typer(models)
app.add_typer(setting_up)
app.add_typer(measuring)

ConfigPath = Annotated[Path, typer.Argument(help="The configuration file.", metavar="CONFIG")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more in the log.")]
LogFormat = Annotated[Format, typer.Option("--log-format", envvar="OMNIWATCH_LOG_FORMAT", help="The log's lines: for people, or JSON objects.")]


@app.command()
def run(
    config: ConfigPath,
    *,
    log_format: LogFormat = Format.TEXT,
    verbose: Verbose = False,
) -> None:
    """Run the appliance in the foreground. SIGTERM stops it, SIGHUP reads the configuration again."""
    from appliance import journal
    from appliance.run import run as run_appliance

    journal.set_up(verbose=verbose, form=log_format)
    raise typer.Exit(run_appliance(config))


@app.command()
def check(config: ConfigPath) -> None:
    """Check a configuration: every mistake at once, then what each policy can do and what it costs.

    Ends with 0 where it is right, with 1 where it holds mistakes. A model that is not on this machine is none: `doctor` fails for that.
    """
    from rich.console import Console

    from appliance.check import run_check

    raise typer.Exit(run_check(config, Console()))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, for editors."""
    import json

    from appliance.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def judge(  # noqa: PLR0913 - a command's options
    recordings: Annotated[list[str], typer.Argument(help="Recordings to judge.", metavar="RECORDING...")],
    config: Annotated[Path, typer.Option("--config", help="The configuration whose policies are tried.")],
    *,
    sensor: Annotated[str | None, typer.Option("--sensor", help="The sensor that the recording stands for; needed if there are several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a timeline.")] = False,
    start: Annotated[
        str | None, typer.Option("--start", help="When the recordings begin, in the site's time, for schedules: 23:00 is today's; default: now.")
    ] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="Armed in this mode; default: every policy watches, whatever its modes.")] = None,
    verbose: Verbose = False,
) -> None:
    """Say what would have been alarmed in recordings, without loss and as fast as the judge allows."""
    from appliance import journal
    from appliance.replay.recordings import Typed, judge_recordings

    journal.set_up(verbose=verbose)
    typed = Typed(recordings=recordings, config=config, sensor=sensor, as_json=as_json, start=start, mode=mode)
    raise typer.Exit(judge_recordings(typed))


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Argument(help="A configuration: its sensors, model and broker are tried as well.", metavar="CONFIG")] = None,
    *,
    drill: Annotated[bool, typer.Option("--drill", help="Instead have the running box test itself, and show how it went.")] = False,
) -> None:
    """Look at this machine, open each sensor and greet the broker: each line ok, warning or failure, and what to do."""
    from rich.console import Console

    if drill:
        from appliance.doctor.drill import run_drill

        raise typer.Exit(run_drill(config, Console()))
    from appliance.doctor.examine import run_doctor

    raise typer.Exit(run_doctor(config, Console()))


@app.command()
def demo(
    source: Annotated[
        str | None, typer.Argument(help="A file, rtsp://…, v4l2:/dev/video0 or mic:default instead of the rendered hall.", metavar="SOURCE")
    ] = None,
    *,
    seconds: Annotated[float | None, typer.Option("--seconds", help="How long to watch SOURCE; default: a minute.")] = None,
    keep: Annotated[Path | None, typer.Option("--keep", help="A folder for the scene, the configuration, the log and the database.")] = None,
) -> None:
    """Show the product at work on a rendered factory hall, with a broker and a model of its own."""
    from appliance.demo.show import show

    raise typer.Exit(show(source, seconds=seconds, keep=keep))


@app.command()
def version() -> None:
    """Print the version."""
    from appliance import __version__

    typer.echo(f"omniwatch {__version__}")


def main() -> None:
    """Entry point of the command."""
    app()
