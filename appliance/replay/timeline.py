"""What is shown of a replay: the alarms as they come, for people or as JSON lines, and at the end what was not asked or not told, and why.

The owner's policies are counted apart from those that every box has.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from alerts.alert import Alert, Change
from alerts.decision import Decision
from alerts.reason import Reason
from analyzers.judgement import Cause, Judgement, Verdict
from analyzers.policy import Policy, PolicyId
from analyzers.score import threshold_of
from appliance.watch import Watch
from sensors.moment import Moment
from sensors.window import ViewId

SHOWN = (Change.OPENED, Change.REOPENED, Change.CLEARED)
UNASKED: Mapping[Cause | None, str] = {
    Cause.OFF_SCHEDULE: "outside its hours (`active`); --start says when the recording begins",
    Cause.DISARMED: "it does not watch in this arm mode; --mode takes another",
    Cause.NO_FALLBACK: "it has no `fallback`, and cues alone judge here",
    Cause.SENSE_MISSING: "the recording lacks a sense that it needs (`senses`), or a cue that its `fallback` names",
    Cause.QUIET: "nothing stirred that wakes it (`wake`), and no `patrol` was due",
}
"""Why a policy was not asked about windows, for whoever wrote it."""
SILENT: Mapping[Reason, str] = {
    Reason.COOLDOWN: "in its `cooldown`",
    Reason.SUPPRESSED: "an alarm that explains it was open (`inhibited_by`)",
    Reason.FLOOD: "there was a flood of alarms",
}
"""Why an alarm opened on record only."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """How it went with one policy."""

    windows: int = 0
    unasked: Counter[Cause] = field(default_factory=Counter)


class Timeline:
    """The outcome of one recording."""

    def __init__(self, console: Console, recording: str, watch: Watch, *, as_json: bool) -> None:
        """`recording`: its file's name; `watch`: what is watched in it."""
        self._console = console
        self._recording = recording
        self._policies = watch.policies()
        self._as_json = as_json
        self._waiting: dict[tuple[PolicyId, ViewId], list[Judgement]] = {}
        self._alarms: Counter[PolicyId] = Counter()
        self._verdicts: Counter[Verdict] = Counter()
        self._untold: Counter[tuple[PolicyId, Reason]] = Counter()
        self._own = {policy.id: Tally() for policy in watch.asked()}
        self.is_empty = True
        """Whether not one window was judged."""

    def take(self, what: Judgement | Decision, begin: Moment) -> None:
        """One judgement or decision. What the rules make of a judgement is shown after it, so that it waits for their word."""
        if isinstance(what, Judgement):
            self.is_empty = False
            self._count(what)
            self._waiting.setdefault((what.policy, what.view), []).append(what)
            return
        waiting = self._waiting.get((what.track.policy, what.track.view))
        if waiting and self._as_json:
            self._out(_judged(waiting[0], what.reason, self._policies[what.track.policy, what.track.view], begin))
        if waiting:
            waiting.pop(0)
        if what.alert:
            self._changed(what, what.alert, begin)

    def _count(self, judgement: Judgement) -> None:
        if judgement.policy not in self._own:
            return
        self._verdicts[judgement.verdict] += 1
        tally = self._own[judgement.policy]
        tally.windows += 1
        if judgement.verdict in (Verdict.NOT_ASKED, Verdict.NO_DATA) and judgement.cause:
            tally.unasked[judgement.cause] += 1

    def _changed(self, what: Decision, alert: Alert, begin: Moment) -> None:
        if what.opens and not what.told:
            self._untold[alert.policy, what.reason] += 1
        if not what.told or what.change not in SHOWN:
            return
        self._alarms[alert.policy] += what.change is not Change.CLEARED
        at_s = _at(alert.changed, begin)
        if self._as_json:
            self._out(_changed(alert, what.change, at_s))
            return
        opened = what.change is not Change.CLEARED
        mark = "[bold red]ALARM  [/bold red]" if opened else "[green]cleared[/green]"
        more = f"  {alert.how_sure}" if opened and alert.how_sure else ""
        where = alert.view if alert.policy in self._own else f"{alert.view} (a policy that every box has)"
        self._console.print(f"{_clock(at_s)}  {mark}  {alert.severity:8}  {alert.policy} on {escape(where)}{more}", highlight=False)

    def _out(self, line: dict[str, object]) -> None:
        self._console.out(json.dumps({**line, "recording": self._recording}, ensure_ascii=False), highlight=False)

    def close(self) -> None:
        """The last line for people."""
        own = sum(count for policy, count in self._alarms.items() if policy in self._own)
        others = {policy: count for policy, count in self._alarms.items() if policy not in self._own and count}
        beside = f", and {_alarms(sum(others.values()))} of the box's own ({', '.join(sorted(others))})" if others else ""
        verdicts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in self._verdicts.most_common())
        self._console.print(f"{escape(self._recording)}: {_alarms(own)}{beside}; answers: {verdicts or 'none'}", highlight=False)

    def silences(self) -> Iterator[str]:
        """What was not asked, or not told, and why: of the owner's policies, each once."""
        if not self._own:
            yield "no policy asks about this sensor"
        for policy, tally in self._own.items():
            for cause, count in tally.unasked.items():
                if cause in UNASKED and (count == tally.windows or cause is not Cause.QUIET):
                    share = "" if count == tally.windows else f" about {count} of {tally.windows} windows"
                    yield f"{policy} was not asked{share}: {UNASKED[cause]}"
        for (policy, reason), count in self._untold.items():
            yield f"{policy}: {_alarms(count)} not told: {SILENT.get(reason, reason.replace('_', ' '))}"


def _judged(judgement: Judgement, reason: Reason, policy: Policy, begin: Moment) -> dict[str, object]:
    """A judgement for programs. `score` and `threshold` are natural log-odds; `reason` is what the rules made of the answer."""
    return {
        "kind": "judgement",
        "policy": judgement.policy,
        "sensor": judgement.sensor,
        "view": judgement.view,
        "at_s": _at(judgement.end, begin),
        "verdict": judgement.verdict.value,
        "score": None if judgement.log_odds is None else round(judgement.log_odds, 4),
        "threshold": None if judgement.log_odds is None else round(threshold_of(policy, judgement.by), 4),
        "cause": judgement.cause,
        "reason": reason.value,
        "by": judgement.by.value,
        "model": judgement.fingerprint.model if judgement.fingerprint else None,
    }


def _changed(alert: Alert, change: Change, at_s: float) -> dict[str, object]:
    """An alarm for programs."""
    return {
        "kind": "alarm",
        "policy": alert.policy,
        "sensor": alert.sensor,
        "view": alert.view,
        "at_s": at_s,
        "state": "cleared" if change is Change.CLEARED else "opened",
        "severity": alert.severity.value,
        "id": alert.id,
        "summary": alert.summary,
    }


def _alarms(count: int) -> str:
    return f"{count} {'alarm' if count == 1 else 'alarms'}"


def _at(moment: Moment, begin: Moment) -> float:
    return round(moment.since(begin).total_seconds(), 3)


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):3d}:{seconds % 60:05.2f}"
