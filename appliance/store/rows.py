"""Values as rows: the statements with which the store writes what happened. Pure; `migrations.py` says what the columns mean."""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from alerts.alert import Alert
from alerts.decision import Decision
from alerts.notification import Delivery, Notification, Outcome
from alerts.track import Track
from appliance.store.spans import Span
from sensors.moment import Moment

log = logging.getLogger("omniwatch.store")

T = TypeVar("T")

TRACK = TypeAdapter(Track)
ALERT = TypeAdapter(Alert)
NOTIFICATION = TypeAdapter(Notification)
MOMENT = TypeAdapter(Moment)
MAX_REASON = 120
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

ADD_TRACK = """INSERT INTO track VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET number = excluded.number, body = excluded.body WHERE excluded.number > track.number"""
ADD_ALERT = """INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET state = excluded.state, number = excluded.number, changed_us = excluded.changed_us, body = excluded.body
  WHERE excluded.number >= alert.number"""
ADD_TRANSITION = "INSERT INTO transition VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
ADD_NOTIFICATION = "INSERT INTO outbox (id, channel, created_us, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
ADD_DELIVERY = """INSERT INTO delivery (notification, channel, outcome, reason, at_us) SELECT ?1, ?2, ?3, ?4, ?5
  WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE at_us = ?5 AND notification = ?1 AND outcome = ?3)"""
ADD_GAP = """INSERT INTO gap (start_us, end_us, same_boot) SELECT ?1, ?2, ?3
  WHERE NOT EXISTS (SELECT 1 FROM gap WHERE end_us = ?2 AND start_us = ?1)"""
ADD_SPAN = """INSERT INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET end_us = excluded.end_us, windows = excluded.windows, scored = excluded.scored,
  least = excluded.least, most = excluded.most, total = excluded.total, took_s = excluded.took_s"""
SET_ALIVE = "INSERT INTO alive VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at"
FORGET = "DELETE FROM outbox WHERE id = ?"
PARK = "UPDATE outbox SET attempts = attempts + 1, parked = ? WHERE id = ?"
UNPARK = """UPDATE outbox SET parked = NULL WHERE number IN
  (SELECT number FROM outbox WHERE channel = ? AND parked IS NOT NULL ORDER BY attempts, number LIMIT ?) RETURNING id"""
ADDRESSEES = "SELECT channel FROM outbox WHERE parked IS NULL UNION SELECT channel FROM outbox WHERE parked IS NOT NULL ORDER BY 1 LIMIT ?"
COUNT = "UPDATE outbox SET attempts = attempts + 1 WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, and the rows for which it is executed."""

    sql: str
    rows: Sequence[tuple[str | int | float | None, ...]]


def happened(decisions: Sequence[tuple[int, Decision]], notifications: Iterable[Notification]) -> tuple[Statement, ...]:
    """Decisions, numbered as they were made, and what is to be told of them. Writing the same again changes nothing."""
    changes = [(each, each.alert) for _, each in decisions if each.alert is not None and each.change is not None]
    return (
        tracks((number, each.track) for number, each in decisions),
        Statement(ADD_ALERT, [_alert(alert) for _, alert in changes]),
        Statement(ADD_TRANSITION, [_transition(decision, alert) for decision, alert in changes]),
        Statement(ADD_NOTIFICATION, [(each.id, each.channel, us(each.created.utc), text(NOTIFICATION, each)) for each in notifications]),
    )


def tracks(values: Iterable[tuple[int, Track]]) -> Statement:
    """Where policies stand on views, numbered as they came to stand there."""
    return Statement(ADD_TRACK, [(each.policy, each.view, number, text(TRACK, each)) for number, each in values])


def spans(values: Iterable[Span]) -> Statement:
    """Judgements, folded."""
    return Statement(ADD_SPAN, [_span(each) for each in values])


def alive(now: Moment) -> Statement:
    """A sign of life."""
    return Statement(SET_ALIVE, [(text(MOMENT, now),)])


def add_gap(connection: sqlite3.Connection, start: Moment, end: Moment) -> None:
    """Put a time in which nobody watched on record, once."""
    connection.execute(ADD_GAP, (us(start.utc), us(end.utc), start.boot_id == end.boot_id))


def standing(values: Iterable[tuple[int, Track]]) -> tuple[Statement, ...]:
    """Where policies stand, with their alerts: all that a file must hold to go on from."""
    known = tuple(values)
    return tracks(known), Statement(ADD_ALERT, [_alert(track.alert) for _, track in known if track.alert])


def settled(deliveries: Sequence[Delivery]) -> tuple[Statement, ...]:
    """What became of attempts. What is deleted comes first: on a full disk it makes the room for the rest."""
    retried = [each for each in deliveries if each.outcome is Outcome.RETRY]
    refused = [each for each in deliveries if each.outcome is Outcome.REFUSED]
    over = [each for each in deliveries if each.outcome not in (Outcome.RETRY, Outcome.REFUSED)]
    record = [(each.notification, each.channel, each.outcome, reason(each.reason), us(each.at.utc)) for each in (*over, *refused)]
    return (
        Statement(FORGET, [(each.notification,) for each in over]),
        Statement(PARK, [(reason(each.reason), each.notification) for each in refused]),
        Statement(COUNT, [(each.notification,) for each in retried]),
        Statement(ADD_DELIVERY, record),
    )


def text(adapter: TypeAdapter[T], value: T) -> str:
    """A value as JSON."""
    return adapter.dump_json(value).decode()


def read(adapter: TypeAdapter[T], body: str) -> T | None:
    """The value in a body. One that cannot be read is reported and left out: it must not keep the others from anybody."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["msg"]
    log.error("a row of the store cannot be read and is left out: %s", problem)
    return None


def us(moment: datetime) -> int:
    """Microseconds of UTC since 1970."""
    return (moment - EPOCH) // MICROSECOND


def utc(microseconds: int) -> datetime:
    """The time that `us` has made a number of."""
    return EPOCH + microseconds * MICROSECOND


def reason(words: str) -> str:
    """Another program's words, bounded, and without what cannot be stored."""
    return words[:MAX_REASON].encode(errors="replace").decode()


def _alert(alert: Alert) -> tuple[str | int, ...]:
    return (alert.id, alert.policy, alert.view, alert.state, alert.transition, us(alert.opened.utc), us(alert.changed.utc), text(ALERT, alert))


def _transition(decision: Decision, alert: Alert) -> tuple[str | int, ...]:
    return (alert.id, alert.transition, decision.change or "", decision.reason, us(alert.changed.utc), text(ALERT, alert))


def _span(span: Span) -> tuple[str | int | float | None, ...]:
    what = span.outcome
    return (
        *(span.number, what.policy, what.view, us(span.start), us(span.end)),
        *(what.verdict, what.cause, what.judge, what.senses, what.model, what.question, what.sight),
        *(span.windows, span.scored, span.least, span.most, span.total, span.took_s),
    )
