"""A finding of the doctor's: what was looked at, how it is, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.markup import escape


class Health(StrEnum):
    """How a finding reads."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


COLOURS: Mapping[Health, str] = {Health.OK: "green", Health.WARNING: "yellow", Health.FAILURE: "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line, and a second where there is something to do."""

    what: str
    health: Health
    says: str
    do: str = ""

    def show(self, console: Console) -> None:
        """Print it."""
        colour = COLOURS[self.health]
        line = f"[{colour}]{self.health.value:7}[/{colour}] {escape(self.what):14} {escape(self.says)}"
        console.print(line + (f"\n{'':23}[dim]-> {escape(self.do)}[/dim]" if self.do else ""), soft_wrap=True, highlight=False)
