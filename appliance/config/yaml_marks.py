"""YAML with places: a file becomes plain values, and every value can be found again by line and column.

YAML 1.2: `on` is a word, `22:30` is a text, `2026-01-01` too. Whatever the file is, reading it costs a bounded amount. It knows
no key in particular.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from alerts.announcement import printable
from appliance.config.problems import ConfigError, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16
MAX_VALUES = 50_000
"""Values in a file, each alias counted with all that it stands for."""

Path_ = tuple[str | int, ...]
"""Keys and places in lists that lead to a value."""

_TAG = "tag:yaml.org,2002:"
# Misspelt ones too: what is wrong with a line is when it is shown.
_PASSWORD = re.compile(r"""(?i)((?:pas+\w*|p\w*w\w*d|url)["']?\s*:\s*)(?!!secret\b)(\S.*)$""")
_IN_URL = re.compile(r"(?<=//)([^/\s]*)(?=@)")


@dataclass(frozen=True, slots=True)
class SecretName:
    """What `!secret NAME` is read as: where a secret is to be found, not what it is."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    """A file that has been read. Compared by identity: it stands for one reading of one file."""

    file: Path
    lines: tuple[str, ...]
    root: Node
    data: Any
    """Mappings, lists, texts, numbers, true or false, None, and `SecretName`."""
    problems: tuple[Problem, ...]
    """Duplicate keys and the like: the rest could be read all the same."""

    def problem(self, path: Path_, message: str, *, hint: str = "", at_key: bool = False) -> Problem:
        """A problem with the value at `path`, or with its key. Of a path that leads nowhere the part that does is marked."""
        node, shown = self._find(path, at_key=at_key)
        mark = node.start_mark
        return Problem(
            file=self.file,
            line=mark.line + 1,
            column=mark.column + 1,
            path=shown,
            message=message,
            source_line=self.shown_line(mark.line),
            hint=hint,
        )

    def shown_line(self, number: int) -> str:
        """A line (counted from 0) as it may be shown: no password, no control characters, every column where it was."""
        return _shown(self.lines, number)

    def _find(self, path: Path_, *, at_key: bool) -> tuple[Node, str]:
        node, marked, shown = self.root, self.root, ""
        for step in path:
            found = _child(node, step)
            if found is None:
                # Steps that pydantic adds for alternatives are not in the file; a key that is missing is not either.
                continue
            key, node = found
            marked = key if key is not None and (at_key or _is_empty(node)) else node
            shown += _name(node, step, shown)
        return marked, shown


def _is_empty(node: Node) -> bool:
    """Whether there is nothing at all after a key: the parser then puts it where the next thing stands."""
    return isinstance(node, ScalarNode) and node.value == "" and node.style is None


def _child(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if isinstance(key, ScalarNode) and key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
        return None, node.value[step]
    return None


def _name(node: Node, step: str | int, before: str) -> str:
    """How a step is shown: a key by name; a place in a list by the id of what stands there, if it has one, else counted from 0."""
    if isinstance(step, str):
        return f".{step}" if before else step
    for key in ("id", "use"):
        found = _child(node, key)
        if found and isinstance(found[1], ScalarNode):
            return f".{found[1].value}"
    return f"[{step}]"


def _shown(lines: tuple[str, ...], number: int) -> str:
    line = lines[number] if number < len(lines) else ""
    line = _PASSWORD.sub(lambda found: found[1] + "*" * len(found[2]), line)
    line = _IN_URL.sub(lambda found: "*" * len(found[1]), line)
    return printable(line)


def read(file: Path) -> Document:
    """Read a file. ConfigError where it cannot be read at all."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([Problem(file=file, message=f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem(file=file, message=f"is larger than {MAX_BYTES} bytes", hint="move policies into catalogues")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(file=file, line=line, message="is not UTF-8", hint="save the file as UTF-8")]) from None
    return parse(file, text)


def parse(file: Path, text: str) -> Document:
    """Read the text of `file`. ConfigError where it is no YAML."""
    lines = tuple(text.splitlines())
    source = _Text(file=file, lines=lines)
    directive = next((number for number, line in enumerate(lines) if line.startswith("%")), None)
    if directive is not None:
        raise ConfigError([source.problem((directive, 0), "directives have no use here", "remove this line; the file is YAML 1.2")])
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    yaml.composer.warn_double_anchors = False  # YAML allows it, and a warning would go past the problems
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        raise ConfigError([_syntax(source, error)]) from None
    except ReaderError as error:
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1)
        raise ConfigError([source.problem((before.count("\n"), column), "a control character", "delete it")]) from None
    if root is None:
        raise ConfigError([Problem(file=file, message="is empty")])
    plain = _Plain(source)
    value = plain.value(root, 0)
    return Document(file=file, lines=lines, root=root, data=value, problems=tuple(plain.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A file's lines, before they are understood. Lines and columns count from 0."""

    file: Path
    lines: tuple[str, ...]

    def problem(self, place: tuple[int, int], message: str, hint: str = "") -> Problem:
        line, column = place
        return Problem(file=self.file, line=line + 1, column=column + 1, message=message, source_line=_shown(self.lines, line), hint=hint)


_UNCLOSED = (
    ("unexpected end of stream", "this quote is never closed"),
    ("',' or ']'", "this bracket is not closed, or a comma is missing within it"),
    ("',' or '}'", "this brace is not closed, or a comma is missing within it"),
)
"""What the parser says (a part of it) when something is not closed; an owner is told where it opens."""
_WORDS = (
    ("cannot start any token", "a character that nothing can begin with", "indent with spaces, and put texts that begin with @, ` or % in quotes"),
    ("mapping values are not allowed here", "a second colon, or a line that is indented too far", "put a text with a colon in quotes; line keys up"),
    ("maximum depth", f"nested more than {MAX_DEPTH} deep", ""),
    ("another document", "a second document begins here", "keep one document a file: remove this ---"),
    ("but found '?'", "a key where a list was going on", "line keys up with keys, and - with -"),
    ("<block end>", "a line that does not line up with those above", "line keys up with keys, and - with -"),
    ("undefined alias", "an alias without its anchor", ""),
)
"""What the parser says (a part of it), what an owner is told, and what to do."""


def _syntax(source: _Text, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    said = error.problem or error.context or "no YAML"
    if "\\t" in said:
        return source.problem((mark.line, mark.column), "a tab", "indent with spaces")
    opened = next((told for part, told in _UNCLOSED if part in said), None)
    if opened and error.context_mark:
        return source.problem((error.context_mark.line, error.context_mark.column), opened)
    message, hint = next(((told, do) for part, told, do in _WORDS if part in said), (said, ""))
    last = max(0, len(source.lines) - 1)
    place = (mark.line, mark.column) if mark.line <= last else (last, len(source.lines[last]) if source.lines else 0)
    return source.problem(place, message, hint)


def _whole(text: str) -> int | str:
    """A whole number; what YAML takes for one but an owner would not (0x1f, 1_000) stays a text."""
    return int(text) if re.fullmatch(r"[-+]?[0-9]{1,18}", text) else text


def _decimal(text: str) -> float | str:
    return float(text) if re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?", text) else text


_SCALARS: dict[str, Callable[[str], Any]] = {
    "!secret": SecretName,
    _TAG + "null": lambda _text: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": _whole,
    _TAG + "float": _decimal,
    _TAG + "str": str,
    _TAG + "timestamp": str,
}
"""How a scalar is read, by its tag."""


@dataclass(slots=True)
class _Plain:
    """Turns nodes into plain values, and keeps what is wrong with them."""

    source: _Text
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def value(self, node: Node, depth: int) -> Any:  # noqa: ANN401 - what the file holds
        self.values += 1
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            raise ConfigError([self._problem(node, "too many values, or an alias within itself", "write it out without aliases")])
        match node:
            case MappingNode():
                return {key: self.value(value, depth + 1) for key, value in self._pairs(node)}
            case SequenceNode():
                return [self.value(item, depth + 1) for item in node.value]
            case _:
                return self._scalar(node)

    def _pairs(self, node: MappingNode) -> Iterator[tuple[str, Node]]:
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.problems.append(self._problem(key, "a key must be a word"))
            elif key.value in lines:
                first = f"the first is in line {lines[key.value]}; keep one of them"
                self.problems.append(self._problem(key, f'"{key.value}" is here a second time', first))
            else:
                lines[key.value] = key.start_mark.line + 1
                yield key.value, value

    def _scalar(self, node: Node) -> Any:  # noqa: ANN401 - what the file holds
        text: str = node.value
        read_as = _SCALARS.get(str(node.tag))
        if read_as is None:
            self.problems.append(self._problem(node, f"the tag {str(node.tag).replace(_TAG, '!!')} is not known", "!secret is the only one"))
            return text
        return read_as(text)

    def _problem(self, node: Node, message: str, hint: str = "") -> Problem:
        return self.source.problem((node.start_mark.line, node.start_mark.column), message, hint)
