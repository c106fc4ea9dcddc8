"""Who is told of what: one audience a channel. Pure; it knows no channel but its name."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from alerts.alert import Change
from alerts.decision import Decision
from alerts.names import SELF_TEST
from alerts.notification import Notification, notification_id
from alerts.reason import Reason
from analyzers.policy import Severity
from analyzers.schedule import Schedule
from sensors.moment import Moment

EVERY_CHANGE = frozenset(Change)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """What one channel is told."""

    channel: str
    changes: frozenset[Change] = EVERY_CHANGE
    least: Severity = Severity.LOW
    """Nothing less urgent than this."""
    deaf: frozenset[Reason] = frozenset()
    """Reasons of changes that it is not told of. What is known by then is in whatever it is told next."""
    quiet: Schedule | None = None
    """Hours in which it is told of nothing but critical alarms: what is so urgent is so at night."""
    self_tests: bool = False
    """Whether it is told of the self-test's own alarms. Only their way to the broker is tested: nobody wants to hear them every hour."""
    lasting: timedelta | None = None
    """For how long it is worth telling; None: however late."""

    def wants(self, decision: Decision, at: Moment) -> bool:
        """Whether this audience is to be told of what has been decided."""
        if decision.alert is None or decision.change not in self.changes or not decision.told or decision.reason in self.deaf:
            return False
        if decision.alert.policy == SELF_TEST and not self.self_tests:
            return False
        severity = decision.alert.severity
        is_quiet = self.quiet is not None and severity is not Severity.CRITICAL and self.quiet.is_on(at.utc)
        return severity.urgency <= self.least.urgency and not is_quiet


def notifications(decision: Decision, audiences: Iterable[Audience], at: Moment, *, durable: bool) -> tuple[Notification, ...]:
    """What is to be told of a decision, and to whom."""
    alert, change = decision.alert, decision.change
    if alert is None or change is None:
        return ()
    return tuple(
        Notification(
            id=notification_id(alert, audience.channel),
            channel=audience.channel,
            change=change,
            alert=alert,
            created=at,
            not_after=at.plus(audience.lasting) if audience.lasting else None,
            durable=durable,
        )
        for audience in audiences
        if audience.wants(decision, at)
    )
