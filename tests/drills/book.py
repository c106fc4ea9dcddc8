"""The book of drills: one file a drill with how its newest run went, and the page that is made of them.

`python -m tests.drills.book` writes docs/reliability.md anew. It knows no drill in particular: what was done and what the owner sees is
said where the drill is, by its mark.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

LATER = {
    13: ("An orderly stop while somebody watches the web page", "there is no web page yet"),
    16: ("A model server that answers 429, 503, slowly or rubbish", "there is no judge on a server yet"),
    19: ("Every route without a login, and as somebody who may only look", "there is no web page yet"),
}
"""Drills that wait for what they are about."""

HEAD = """\
# What it survives

Each row is a drill: something that fails on real boxes is made to fail here, with the real thing (a real camera server, broker, disk, signal),
and what the owner then sees over MQTT, in the metrics and in the journal is checked. `scripts/drills` runs all of them, `scripts/drills 8` or
`scripts/drills disk-full` one. The table is written by `python -m tests.drills.book` from the results that the drills themselves leave in
`tests/drills/results/`; a test compares. Drills that take seconds are in the suite as well. Figures hold for the machine named beside them.

| no. | what was done | what the owner sees | result | date |
|---:|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a drill went, the last time that it was run."""

    number: int
    name: str
    done: str
    """What was done, in a line."""
    sees: str
    """What the owner sees, in a line."""
    outcome: str
    """`passed`, `failed` or `skipped`."""
    reason: str = ""
    """Why it failed or was skipped."""
    took_s: float
    measured: Mapping[str, str | int | float] = field(default_factory=dict)
    machine: str
    date: str


def keep(result: Result, folder: Path = RESULTS) -> None:
    """Write a result in the place of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.number:02}-{result.name}.json"
    path.write_text(json.dumps(asdict(result), indent=2, ensure_ascii=False) + "\n")


def results(folder: Path = RESULTS) -> tuple[Result, ...]:
    """All results, by number."""
    read = [Result(**json.loads(path.read_text())) for path in folder.glob("*.json")]
    return tuple(sorted(read, key=lambda each: (each.number, each.name)))


def page(kept: Iterable[Result]) -> str:
    """The page."""
    rows = [(each.number, _row(each)) for each in kept]
    rows += [(number, f"| {number} | {done} | | later: {why} | |") for number, (done, why) in LATER.items()]
    return HEAD + "\n".join(row for _, row in sorted(rows)) + "\n"


def _row(result: Result) -> str:
    figures = "; ".join(f"{name} {value}" for name, value in result.measured.items())
    said = {"passed": f"passed in {result.took_s:.0f} s", "failed": f"**failed**: {result.reason}", "skipped": f"not run: {result.reason}"}
    told = said[result.outcome] + (f"; {figures}" if figures else "") + f" ({result.machine})"
    cells = (f"{result.number}", result.done, result.sees, told, result.date)
    return "| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(results()))


if __name__ == "__main__":
    main()
