"""The operators' commands: what was typed becomes an order, and its answer becomes lines and an exit status. They decide nothing.

Exit status: 0 done, 1 not done, 2 typed wrongly, 3 no box could be asked.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.control.orders import Answer, AuditAnswer, Order, StatusAnswer

operator = typer.Typer()

NO_BOX, TYPED_WRONGLY = 3, 2

Config = Annotated[
    Path | None, typer.Option("--config", help="The configuration that the box runs with; default: the box that systemd runs.", metavar="CONFIG")
]
What = Annotated[str, typer.Argument(help="A policy, or an alarm's id (its first six letters do).", metavar="ALERT|POLICY")]
PolicyName = Annotated[str, typer.Argument(help="A policy.", metavar="POLICY")]
View = Annotated[str | None, typer.Argument(help="One sensor, or sensor.zone; default: all that the policy watches.", metavar="[VIEW]")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the audit trail.")]


@operator.command()
def status(config: Config = None, *, as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False) -> None:
    """Say how the running box stands: sensors, judge, alarms, shelves, mode, outbox, store, last self-test."""
    from appliance.control.orders import AskStatus

    _finish(_asked(AskStatus(), config), as_json=as_json)


@operator.command()
def ack(what: What, view: View = None, *, why: Why = "", config: Config = None) -> None:
    """Say that an alarm has been seen."""
    from appliance.control.orders import Acknowledge

    _give(lambda: Acknowledge(what=what, view=view, why=why), config)


@operator.command()
def shelve(
    policy: PolicyName,
    view: View = None,
    *,
    span: Annotated[str, typer.Option("--for", help="For how long, up to 24h, like 2h or 30m.")],
    why: Annotated[str, typer.Option("--why", help="The reason. A silence needs one.")],
    config: Config = None,
) -> None:
    """Silence a policy for a while. It is on record meanwhile, and told afterwards if it still stands."""
    from appliance.control.orders import Shelve

    _give(lambda: Shelve(what=policy, view=view, span_s=_shelf_s(span, why), why=why), config)


def _shelf_s(span: str, why: str) -> float:
    from alerts.event import MAX_SHELF
    from appliance.config.form import read_duration, show_duration

    if not why.strip():
        raise ValueError("--why: a silence needs a reason")
    try:
        seconds = read_duration(span).total_seconds()
    except ValueError as error:
        raise ValueError(f"--for: {error}; a shelf lasts up to {show_duration(MAX_SHELF)}") from None
    if not 0 < seconds <= MAX_SHELF.total_seconds():
        raise ValueError(f"--for: a shelf lasts up to {show_duration(MAX_SHELF)}, not {span}")
    return seconds


@operator.command()
def unshelve(policy: PolicyName, view: View = None, *, why: Why = "", config: Config = None) -> None:
    """End a silence early."""
    from appliance.control.orders import Unshelve

    _give(lambda: Unshelve(what=policy, view=view, why=why), config)


@operator.command()
def clear(what: What, view: View = None, *, why: Why = "", config: Config = None) -> None:
    """Reset a latched alarm whose cause has gone. Any other clears by itself, or is acknowledged."""
    from appliance.control.orders import Clear

    _give(lambda: Clear(what=what, view=view, why=why), config)


@operator.command()
def arm(
    mode: Annotated[str | None, typer.Argument(help="One of the configuration's `modes`; default: that of last time.", metavar="[MODE]")] = None,
    *,
    why: Why = "",
    config: Config = None,
) -> None:
    """Arm the box: policies that name modes watch in those, all others always."""
    from appliance.control.orders import Arm

    _give(lambda: Arm(mode=mode, why=why), config)


@operator.command()
def disarm(*, why: Why = "", config: Config = None) -> None:
    """Disarm the box: only policies that name no mode watch on."""
    from appliance.control.orders import Disarm

    _give(lambda: Disarm(why=why), config)


@operator.command()
def say(
    text: Annotated[str, typer.Argument(help="Up to 240 characters.", metavar="TEXT")],
    *,
    why: Why = "",
    config: Config = None,
) -> None:
    """Say something aloud over the box's loudspeaker, at any hour, after what is being said. Ends when it has been said."""
    from appliance.control.orders import Say

    _give(lambda: Say(text=text, why=why), config)


@operator.command("test-alarm")
def rehearse(policy: PolicyName, view: View = None, *, why: Why = "", config: Config = None) -> None:
    """Send an alarm of a policy the whole way to people, marked as a test. It ends by itself."""
    from appliance.control.orders import Test

    _give(lambda: Test(what=policy, view=view, why=why), config)


@operator.command()
def forget(
    sensor: Annotated[str, typer.Option("--sensor", help="Whose evidence.")],
    start: Annotated[datetime, typer.Option("--from", help="The beginning, in this machine's time zone.")],
    end: Annotated[datetime, typer.Option("--to", help="The end.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    why: Why = "",
    config: Config = None,
) -> None:
    """Remove the evidence of a sensor between two times, and what the model said of it, and say what was removed. It cannot be brought back."""
    from appliance.control.orders import Forget

    span = f"{start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S}"
    if not yes:
        typer.confirm(f"Remove all evidence of {sensor} from {span} for good, and what the model said of it?", abort=True)
    _give(lambda: Forget(sensor=sensor, start=start.astimezone(), end=end.astimezone(), why=why), config)


@operator.command()
def audit(
    config: Config = None,
    *,
    last: Annotated[int, typer.Option("--last", help="So many orders, the newest.", min=1, max=100)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
) -> None:
    """Show who told the box what, and whether the trail is as it was written: 1 where it is not."""
    from appliance.control.orders import AskAudit

    _finish(_asked(AskAudit(last=last), config), as_json=as_json)


def _give(typed: "Callable[[], Order]", config: Path | None) -> None:
    """Give an order as it was typed. What no order may hold is a mistake in typing."""
    from appliance.control.orders import REQUESTS, Request
    from sensors.wire import WireError

    try:
        order = REQUESTS.decode(REQUESTS.encode(Request(order=typed()))).order
    except (ValueError, WireError) as error:
        _say(str(error))
        raise typer.Exit(TYPED_WRONGLY) from None
    _finish(_asked(order, config), as_json=False)


def _asked(order: "Order", config: Path | None) -> "Answer | StatusAnswer | AuditAnswer":
    from appliance.config.configuration import ConfigError
    from appliance.control.client import NoBoxError, ask

    try:
        return ask(order, config)
    except NoBoxError as error:
        _say(str(error))
        raise typer.Exit(NO_BOX) from None
    except ConfigError as error:
        _say(str(error))
        raise typer.Exit(TYPED_WRONGLY) from None


def _finish(reply: "Answer | StatusAnswer | AuditAnswer", *, as_json: bool) -> None:
    from rich.console import Console

    from appliance.control.show import show

    raise typer.Exit(show(reply, Console(soft_wrap=True), as_json=as_json))


def _say(problem: str) -> None:
    typer.echo(problem, err=True)
