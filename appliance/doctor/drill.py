"""`omniwatch doctor --drill`: has the running box test itself, and shows the way of each clip stage by stage."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from appliance.config.configuration import ConfigError
from appliance.control.client import NoBoxError, ask
from appliance.control.orders import Answer, Drill


def run_drill(config: Path | None, console: Console) -> int:
    """Print what the box says; 0 where the test was passed, 1 where it was not, 3 where no box runs."""
    try:
        reply = ask(Drill(why="doctor --drill"), config)
    except (NoBoxError, ConfigError) as error:
        console.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        return 3
    if not isinstance(reply, Answer):
        raise TypeError(f"a drill was answered by {type(reply).__name__}")
    for line in reply.says:
        console.print(f"[bold red]{escape(line)}[/bold red]" if "FAILED" in line else escape(line), highlight=False, soft_wrap=True)
    return int(not reply.done)
