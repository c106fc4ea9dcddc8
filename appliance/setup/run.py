"""`omniwatch setup`: has the questions answered, by a person or by a file, writes the configuration, checks it, and says what comes next."""

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from appliance.check import print_problems, run_check
from appliance.config.keyring import Keyring
from appliance.config.problems import ConfigError
from appliance.doctor.secrecy import readers
from appliance.setup.answers import AnswersForm
from appliance.setup.command import SYSTEM
from appliance.setup.dialogue import Around, ask_all
from appliance.setup.draft import secrets_of
from appliance.setup.fitting import fitted
from appliance.setup.placing import SECRETS, Placed, PlaceTaken, check_free, place
from appliance.setup.sheet import read_answers
from appliance.setup.shelf import FOLDER, Shelf, read_shelf
from appliance.setup.terminal import GaveUp, Terminal

NOT_WRITTEN, MISTYPED, STOPPED = 1, 2, 130
"""Exit statuses: nothing was written; what was asked for cannot be; whoever typed has had enough."""
NO_TERMINAL = "setup asks questions, and nobody is at this terminal: run it in one, or give the answers in a file: omniwatch setup --answers FILE"


START = "/opt/omniwatch/current/install"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was typed after `omniwatch setup`."""

    target: Path = SYSTEM
    answers: Path | None = None
    overwrite: bool = False


def run_setup(wanted: Wanted, console: Console) -> int:
    """The command. 0: a right configuration is written; 1: there were mistakes; 2: nobody to ask; 130: it was stopped. Only 0 writes anything."""
    if wanted.answers is None and not (sys.stdin.isatty() and console.is_terminal):
        return _fail(NO_TERMINAL, console, MISTYPED)
    shelf = read_shelf(wanted.target.parent / FOLDER)
    for problem in shelf.problems:
        console.print(f"[yellow]not on offer[/yellow]  {escape(str(problem))}", highlight=False, soft_wrap=True)
    try:
        check_free(wanted.target, overwrite=wanted.overwrite)
        answers = _answers(wanted, shelf, console)
        if answers is None:
            return _fail("nothing was written", console, STOPPED)
        placed = place(answers, shelf, wanted.target, overwrite=wanted.overwrite)
    except ConfigError as error:
        print_problems(error.problems, console)
        return NOT_WRITTEN
    except (PlaceTaken, GaveUp) as error:
        return _fail(str(error), console, NOT_WRITTEN)
    except (KeyboardInterrupt, EOFError):
        console.print()
        return _fail("stopped: nothing was written", console, STOPPED)
    _tell(placed, wanted, answers, console)
    status = run_check(placed.configuration, console)
    for line in next_steps(wanted.target, answers):
        console.print(escape(line), highlight=False, soft_wrap=True)
    return status


def _answers(wanted: Wanted, shelf: Shelf, console: Console) -> AnswersForm | None:
    """What is to be written; None where a person, having answered, does not want it."""
    if wanted.answers:
        return fitted(read_answers(wanted.answers, shelf, Keyring(folder=wanted.target.parent / SECRETS, why="beside the configuration")))
    console.print(f"A first configuration, to be written to {escape(str(wanted.target))}. Ctrl-C stops, and nothing is written.", highlight=False)
    terminal = Terminal(console, lambda prompt, hidden: console.input(escape(prompt), password=hidden))
    answers = fitted(ask_all(terminal, shelf, Around()))
    terminal.heading("All is said")
    return answers if terminal.yes(f"Write it to {wanted.target}?", default=True) else None


def _fail(words: str, console: Console, status: int) -> int:
    console.print(f"[red]{escape(words)}[/red]", highlight=False, soft_wrap=True)
    return status


def _tell(placed: Placed, wanted: Wanted, answers: AnswersForm, console: Console) -> None:
    """What was written, and who may read what it was made from."""
    for file in placed.files:
        console.print(f"[green]written[/green]  {escape(str(file))}", highlight=False, soft_wrap=True)
    if wanted.answers and secrets_of(answers) and (who := readers(wanted.answers)):
        said = f"{wanted.answers} holds passwords and can be read by {who}: delete it when it has been used, or chmod 600 it"
        console.print(f"[yellow]warning[/yellow]  {escape(said)}", highlight=False, soft_wrap=True)
    console.print()


def next_steps(target: Path, answers: AnswersForm) -> list[str]:
    """What to do now."""
    policy = next((policy for policies in answers.watch.values() for policy in policies), None)
    steps = {f"omniwatch doctor {target}": "opens each sensor, sends the broker a message that has to come back, looks at the machine"}
    if answers.judge.model:
        steps[f"omniwatch capacity {target}"] = "measures how many such sensors this box holds, in some minutes"
    if target == SYSTEM:
        steps[START] = "checks once more, starts it, and has it start with the machine"
    else:
        steps[f"omniwatch run {target}"] = "starts it"
    if policy:
        config = "" if target == SYSTEM else f" --config {target}"
        steps[f"omniwatch test-alarm {policy}{config}"] = "the whole way of an alarm to people, marked as a test"
    width = max(map(len, steps))
    return ["", "Next:", *(f"  {step:{width}}  {why}" for step, why in steps.items())]
