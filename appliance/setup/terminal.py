"""Asks a person one thing at a time, and asks again until it can be used. It knows nothing of cameras."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.markup import escape

from appliance.config.form_errors import message
from appliance.config.problems import HintedError
from sensors.secret import Secret

MAX_TYPED = 2000
"""Characters of an answer."""
TRIES = 20
"""So many answers in a row that cannot be used, and nobody is there who reads what is said of them."""

T = TypeVar("T")


class GaveUp(Exception):  # noqa: N818 - nobody's fault
    """Whoever types cannot be understood."""


class Terminal:
    """Where questions are asked."""

    def __init__(self, console: Console, line: Callable[[str, bool], str]) -> None:
        """`line` shows a prompt and returns what is typed after it, unseen where its second argument is True. EOFError where nobody types."""
        self.console = console
        self._line = line

    def heading(self, words: str) -> None:
        """What comes now."""
        self.console.print(f"\n[bold]{escape(words)}[/bold]", highlight=False)

    def say(self, words: str) -> None:
        """A line that is no question."""
        self.console.print(escape(words), highlight=False, soft_wrap=True)

    def complain(self, words: str) -> None:
        """Why an answer cannot be used."""
        self.console.print(f"[red]{escape(words)}[/red]", highlight=False, soft_wrap=True)

    def read(self, question: str, understand: Callable[[str], T], default: str = "") -> T:
        """What `understand` makes of what is typed; its ValueError is shown, and the question asked again. An empty line is the default."""
        for _ in range(TRIES):
            typed = self._line(f"{question} [{default}]: " if default else f"{question}: ", False).strip()
            try:
                return understand(_plain(typed) or default)
            except ValidationError as error:
                self.complain("; ".join(_said(error)))
            except HintedError as error:
                self.complain(f"{error}: {error.hint}")
            except ValueError as error:
                self.complain(str(error))
        raise GaveUp(f"{TRIES} answers to one question could not be used; write a file of answers instead: --answers FILE")

    def value(self, question: str, kind: TypeAdapter[T], default: str = "") -> T:
        """A value of a form, checked as in the configuration."""
        return self.read(question, kind.validate_python, default)

    def optional(self, question: str, kind: TypeAdapter[T], none: str = "none") -> T | None:
        """The same, or nothing where nothing is typed."""
        return self.read(f"{question} (Enter: {none})", lambda typed: kind.validate_python(typed) if typed else None)

    def yes(self, question: str, *, default: bool) -> bool:
        """Yes or no."""
        return self.choice(question, ("yes", "no"), "yes" if default else "no") == "yes"

    def choice(self, question: str, words: Sequence[str], default: str) -> str:
        """One of some words; its first letters are enough."""

        def understand(typed: str) -> str:
            found = [word for word in words if word.startswith(typed.lower())]
            if len(found) != 1:
                raise ValueError(f"one of: {', '.join(words)}")
            return found[0]

        return self.read(f"{question} ({'/'.join(words)})", understand, default)

    def password(self, question: str) -> Secret:
        """Something that is not shown."""
        for _ in range(TRIES):
            typed = self._line(f"{question} (not shown): ", True)
            if typed.strip() and typed.isprintable() and len(typed) <= MAX_TYPED:
                return Secret(typed)
            self.complain("a password has characters that can be printed")
        raise GaveUp(f"{TRIES} passwords in a row were none")


def _plain(typed: str) -> str:
    """What was typed, where it is text of a bearable length."""
    if len(typed) > MAX_TYPED or not typed.isprintable():
        raise ValueError(f"at most {MAX_TYPED} characters, and no control characters")
    return typed


def _said(error: ValidationError) -> list[str]:
    hints = [reason.hint for detail in error.errors() if isinstance(reason := detail.get("ctx", {}).get("error"), HintedError)]
    return [*(message(detail) for detail in error.errors()), *hints]
