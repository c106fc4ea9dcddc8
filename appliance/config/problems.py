"""A problem: one mistake in what the owner wrote, with its place and what to do. It knows neither YAML nor what the keys mean."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from unicodedata import east_asian_width

MAX_LINE = 160
"""Of a longer source line only so many characters are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A mistake. Lines and columns count from 1; `source_line` holds no password."""

    file: Path
    line: int = 1
    column: int = 1
    path: str = ""
    """The keys that lead there, joined by dots; empty: the file as a whole."""
    message: str
    source_line: str = ""
    hint: str = ""
    """What to do, or what may have been meant."""

    def __str__(self) -> str:
        """`file:line:column: path: message`, the line, a caret under the column, and the hint."""
        told = [f"{self.file}:{self.line}:{self.column}: {self.path}{': ' if self.path else ''}{self.message}"]
        if self.source_line.strip():
            start = max(0, self.column - 1 - MAX_LINE // 2) if len(self.source_line) > MAX_LINE else 0
            shown = self.source_line[start : start + MAX_LINE]
            before = shown[: self.column - 1 - start]
            told += [f"    {shown}", f"    {''.join(_blank(character) for character in before)}^"]
        if self.hint:
            told.append(f"  {self.hint}")
        return "\n".join(told)


class HintedError(ValueError):
    """A value that cannot be, said by whoever reads it, with a hint."""

    def __init__(self, message: str, hint: str) -> None:
        """Both become parts of a problem."""
        super().__init__(message)
        self.hint = hint


class ConfigError(Exception):
    """What the owner wrote cannot be used: all problems at once, in the order in which they stand."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort them by place, file by file in the order in which the files were given, and drop repeats."""
        unique = tuple(dict.fromkeys(problems))
        files = {problem.file: place for place, problem in reversed(list(enumerate(unique)))}
        self.problems = tuple(sorted(unique, key=lambda problem: (files[problem.file], problem.line, problem.column)))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a word that is not known; empty where nothing is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""


def _blank(character: str) -> str:
    """A space as wide as `character` on a terminal."""
    return "\u3000" if east_asian_width(character) in "WF" else " "
