"""The summary that closes a demo: read at /metrics like any Prometheus would, and printed for people."""

import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alerts.builtin import builtin
from appliance.demo.score import Score
from sensors.window import SensorId

Figures = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
"""Samples by name and sorted labels."""

WATCHERS = frozenset(policy.id for policy in builtin(sight=[SensorId("any")], sound=[SensorId("any")]))
"""The policies that watch the box itself: not what a demo is about, unless they alarm."""


def scrape(port: int) -> Figures:
    """The appliance's figures at this moment."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def summary(console: Console, figures: Figures, result: Score | None) -> None:
    """Windows, judgements, alarms against the truth, latency."""
    console.print("\n[bold]Summary[/bold]")
    console.print(f"windows seen: {_sum(figures, 'omniwatch_windows_total'):.0f}")
    _judgements(console, figures)
    batches = _sum(figures, "omniwatch_judge_batch_seconds_count")
    if batches:
        took_ms = _sum(figures, "omniwatch_judge_batch_seconds_sum") / batches * 1000
        tokens = _sum(figures, "omniwatch_judge_media_tokens_total")
        console.print(f"judge: {batches:.0f} batches, {took_ms:.0f} ms each on average, {tokens:.0f} media tokens")
    if result:
        _scored(console, result)
    told = _sum(figures, "omniwatch_window_age_seconds_count", stage="delivered")
    if told:
        mean = _sum(figures, "omniwatch_window_age_seconds_sum", stage="delivered") / told
        slowest = _quantile(figures, "omniwatch_window_age_seconds_bucket", "delivered", 0.95)
        console.print(
            f"latency from a window's end to the broker's acknowledgement: {mean:.2f} s on average, 95 % within {slowest:g} s ({told:.0f} alarms)"
        )


def _judgements(console: Console, figures: Figures) -> None:
    """How every policy fared: asked, yes, no, unsure, and why it was not asked."""
    rows: dict[str, dict[str, float]] = {}
    for (name, labels), value in figures.items():
        if name == "omniwatch_judgements_total" and dict(labels)["policy"] not in WATCHERS:
            row = rows.setdefault(dict(labels)["policy"], {})
            row[_column(dict(labels))] = row.get(_column(dict(labels)), 0) + value
    table = Table(box=None, header_style="dim", pad_edge=False)
    columns = ("yes", "no", "unsure", "failed", "no_data")
    for heading in ("policy", *columns, "not asked, and why"):
        table.add_column(heading.replace("_", " "), justify="left" if heading in ("policy", "not asked, and why") else "right")
    for policy, row in sorted(rows.items()):
        skipped = ", ".join(f"{count:.0f} {why.replace('_', ' ')}" for why, count in sorted(row.items()) if count and why not in columns)
        table.add_row(escape(policy), *(f"{row.get(column, 0):.0f}" for column in columns), skipped)
    console.print(table)


def _column(labels: Mapping[str, str]) -> str:
    return labels["cause"] if labels["verdict"] == "not_asked" else labels["verdict"]


def _scored(console: Console, result: Score) -> None:
    console.print("alarms against what the scene held:")
    for due, heard in result.hits:
        held = f"{due.policy:18} held {due.start_s:5.1f}-{due.end_s:5.1f} s"
        console.print(f"  [green]hit[/green]    {held}, alarm from the window that ended at {heard.at_s:5.1f} s")
    for due in result.misses:
        console.print(f"  [red]missed[/red] {due.policy:18} held {due.start_s:5.1f}-{due.end_s:5.1f} s")
    for heard in result.false:
        console.print(f"  [red]false[/red]  {heard.policy:18} at {heard.at_s:5.1f} s: {escape(heard.summary)}")
    console.print(f"  {len(result.hits)} hits, {len(result.misses)} misses, {len(result.false)} false alarms")


def _sum(figures: Figures, name: str, **labels: str) -> float:
    return sum(value for (sample, have), value in figures.items() if sample == name and labels.items() <= dict(have).items())


def _quantile(figures: Figures, name: str, stage: str, share: float) -> float:
    """The smallest bucket that holds `share` of a stage's observations."""
    buckets = {float(dict(have)["le"]): value for (sample, have), value in figures.items() if sample == name and dict(have).get("stage") == stage}
    total = max(buckets.values(), default=0)
    return min((bound for bound, count in buckets.items() if count >= share * total), default=float("inf"))
