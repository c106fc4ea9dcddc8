"""What tests of several packages share: where the recordings lie that are not shipped with the project, and what a drill leaves behind."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.drills.book import Result, keep

RECORDINGS = Path(os.environ.get("OMNIWATCH_RECORDINGS", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = pytest.StashKey[dict[str, Result]]()
MEASURED = pytest.StashKey[dict[str, str | int | float]]()


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings with labels; the test is skipped where it is missing."""
    if not (RECORDINGS / "labels.json").exists():
        pytest.skip(f"no recordings with labels.json in {RECORDINGS}; name their folder in OMNIWATCH_RECORDINGS")
    return RECORDINGS


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `scripts/drills` adds."""
    parser.addoption("--drills", default=None, help="run these drills alone (numbers or names; empty: all), and keep their results")
    parser.addoption("--count", type=int, default=0, help="how many kills or inputs; 0: the drill's own number")
    parser.addoption("--seed", type=int, default=1, help="what random choices begin with; another number goes on where one run has ended")
    parser.addoption("--minutes", type=float, default=0.0, help="how long a soak takes; 0: the drill's own time")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--drills` only what is marked as a drill, and of these only the ones that are named."""
    wanted = config.getoption("drills")
    if wanted is None:
        return
    marks = [(item, item.get_closest_marker("drill")) for item in items]
    names = set(wanted.split())
    chosen = [item for item, mark in marks if mark and (not names or {str(mark.args[0]), mark.args[1]} & names)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> dict[str, str | int | float]:
    """Figures of a drill for its row, by what they are."""
    return request.node.stash.setdefault(MEASURED, {})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep how a drill went."""
    report = yield
    mark = item.get_closest_marker("drill")
    is_over = call.when == "call" or (call.when == "setup" and not report.passed)
    if mark and is_over and item.config.getoption("drills") is not None:
        before = item.config.stash.setdefault(RESULTS, {}).get(mark.args[1])
        item.config.stash[RESULTS][mark.args[1]] = result = _together(before, _result(item, mark, report))
        keep(result)
    return report


def _together(before: Result | None, result: Result) -> Result:
    """A drill of several cases is one result, and as bad as the worst of them."""
    if before is None:
        return result
    worst = max(before, result, key=lambda each: ("passed", "skipped", "failed").index(each.outcome))
    return replace(worst, took_s=before.took_s + result.took_s, measured={**before.measured, **result.measured})


def _result(item: pytest.Item, mark: pytest.Mark, report: pytest.TestReport) -> Result:
    number, name = mark.args
    skipped = report.longrepr[2].removeprefix("Skipped: ") if report.skipped and isinstance(report.longrepr, tuple) else ""
    failed = report.longrepr.reprcrash.message.splitlines()[0][:200] if report.failed and hasattr(report.longrepr, "reprcrash") else ""
    return Result(
        number=number,
        name=name,
        done=mark.kwargs["done"],
        sees=mark.kwargs["sees"],
        outcome=report.outcome,
        reason=skipped or failed,
        took_s=round(report.duration, 1),
        measured=item.stash.get(MEASURED, {}),
        machine=f"{os.cpu_count()} cores",
        date=datetime.now(UTC).date().isoformat(),
    )
