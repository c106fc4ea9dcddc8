"""The schema of the store: every table and column with its meaning, one script for each version that ever shipped.

Script n takes a database from version n to n + 1 (`PRAGMA user_version`). A script that has shipped is never edited. This file
knows SQLite and nothing of what the rows are used for.
"""

import sqlite3

FIRST = """
-- Times that end in _us are microseconds of UTC since 1970: for people, order and retention. Moments on both clocks are in the bodies.

CREATE TABLE alive (           -- one row: when this file was last known to be written; until the next start is a gap
  one INTEGER PRIMARY KEY CHECK (one = 1),  -- so that there is no second row
  at TEXT NOT NULL             -- Moment, JSON
) STRICT;

CREATE TABLE gap (             -- spans in which nothing was written, because the box was not running
  id INTEGER PRIMARY KEY,      -- in the order of the starts
  start_us INTEGER NOT NULL,   -- the last sign of life before it
  end_us INTEGER NOT NULL,     -- the start that ended it
  same_boot INTEGER NOT NULL CHECK (same_boot IN (0, 1))  -- 1: the program was restarted; 0: so was the machine
) STRICT;
CREATE INDEX gap_end ON gap (end_us);

CREATE TABLE track (           -- where each policy stands on each view: one row a pair, replaced as it changes
  policy TEXT NOT NULL,        -- PolicyId
  view TEXT NOT NULL,          -- ViewId
  number INTEGER NOT NULL,     -- grows with every value that any track takes: one that was held up never replaces a newer one
  body TEXT NOT NULL,          -- Track, JSON
  PRIMARY KEY (policy, view)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (           -- one row an alert, as it stands after its newest transition
  id TEXT PRIMARY KEY,         -- AlertId
  policy TEXT NOT NULL,        -- PolicyId
  view TEXT NOT NULL,          -- ViewId
  state TEXT NOT NULL,         -- AlertState; 'normal' is an alert that is over
  number INTEGER NOT NULL,     -- of its newest transition
  opened_us INTEGER NOT NULL,  -- when it opened
  changed_us INTEGER NOT NULL, -- when its newest transition was
  body TEXT NOT NULL           -- Alert, JSON
) STRICT;
CREATE INDEX alert_standing ON alert (opened_us) WHERE state <> 'normal';
CREATE INDEX alert_over ON alert (changed_us) WHERE state = 'normal';

CREATE TABLE transition (      -- what happened to alerts: one row a transition, never changed afterwards
  alert TEXT NOT NULL,         -- AlertId
  number INTEGER NOT NULL,     -- 1 for the opening
  change TEXT NOT NULL,        -- Change
  reason TEXT NOT NULL,        -- Reason: why the rules said so
  at_us INTEGER NOT NULL,      -- when
  body TEXT NOT NULL,          -- Alert as it stood then, JSON
  PRIMARY KEY (alert, number)
) STRICT;
CREATE INDEX transition_at ON transition (at_us);

CREATE TABLE outbox (          -- what has still to be told: a row is a promise that goes when it was kept; refused ones stay
  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they are told
  id TEXT NOT NULL UNIQUE,     -- NotificationId
  channel TEXT NOT NULL,       -- whom to tell
  created_us INTEGER NOT NULL, -- since when it waits
  attempts INTEGER NOT NULL DEFAULT 0,  -- how often it was tried, or put off because the channel was away
  parked TEXT,                 -- NULL: it waits; else why the other end refused it for good
  body TEXT NOT NULL           -- Notification, JSON
) STRICT;
CREATE INDEX outbox_waiting ON outbox (channel, number) WHERE parked IS NULL;
CREATE INDEX outbox_parked ON outbox (channel, parked) WHERE parked IS NOT NULL;
CREATE INDEX outbox_created ON outbox (created_us);

CREATE TABLE delivery (        -- what became of notifications in the end
  id INTEGER PRIMARY KEY,      -- in the order in which that was known
  notification TEXT NOT NULL,  -- NotificationId
  channel TEXT NOT NULL,       -- who was told
  outcome TEXT NOT NULL,       -- Outcome: delivered, unheard, refused or expired
  reason TEXT NOT NULL,        -- the other end's own word for it
  at_us INTEGER NOT NULL       -- when that was known
) STRICT;
CREATE INDEX delivery_at ON delivery (at_us);

CREATE TABLE span (            -- judgements: one row for as long as a policy gets the same answer on a view from the same judge
  id INTEGER PRIMARY KEY,      -- in the order in which they began
  policy TEXT NOT NULL,        -- PolicyId
  view TEXT NOT NULL,          -- ViewId
  start_us INTEGER NOT NULL,   -- start of its first window
  end_us INTEGER NOT NULL,     -- end of its newest window
  verdict TEXT NOT NULL,       -- Verdict
  cause TEXT NOT NULL,         -- Cause, or '' for a plain yes or no
  judge TEXT NOT NULL,         -- JudgeKind
  senses TEXT NOT NULL,        -- those that were there, sorted, with a comma between
  model TEXT NOT NULL,         -- fingerprint of the model, or ''
  question TEXT NOT NULL,      -- fingerprint of the question, or ''
  sight TEXT NOT NULL,         -- fingerprint of the view, or ''
  windows INTEGER NOT NULL,    -- judgements in it
  scored INTEGER NOT NULL,     -- those of them that have a score
  least REAL,                  -- lowest score in natural log-odds, NULL without any
  most REAL,                   -- highest
  total REAL,                  -- sum, for the mean
  took_s REAL NOT NULL         -- time that judges spent on it, in seconds
) STRICT;
CREATE INDEX span_of ON span (policy, view, start_us);
CREATE INDEX span_end ON span (end_us);
"""

SECOND = """
CREATE TABLE clip (            -- evidence: one row a clip that was promised, kept as a record when it is gone
  id TEXT PRIMARY KEY,         -- <AlertId>-<transition that it belongs to>
  alert TEXT NOT NULL,         -- AlertId
  sensor TEXT NOT NULL,        -- SensorId
  state TEXT NOT NULL CHECK (state IN ('wanted', 'kept', 'failed', 'removed')),  -- wanted: still to be made, or to be told
  at_us INTEGER NOT NULL,      -- the moment that it is of
  attempts INTEGER NOT NULL DEFAULT 0,  -- how often cutting it was tried
  bytes INTEGER NOT NULL DEFAULT 0,     -- clip and poster on the disk
  body TEXT NOT NULL           -- Wanted, Clip once it is kept, Gone where there is none or no longer; JSON
) STRICT;
CREATE INDEX clip_of ON clip (alert);
CREATE INDEX clip_at ON clip (state, at_us);

CREATE TABLE audit (           -- what people told the box to do: one row a command, done or refused, never changed
  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they came
  at_us INTEGER NOT NULL,      -- when
  origin TEXT NOT NULL,        -- the way that it came: the control socket, MQTT
  who TEXT NOT NULL,           -- the account, or the name that was given
  verb TEXT NOT NULL,          -- what was asked
  about TEXT NOT NULL,         -- of what: the command's arguments, JSON
  why TEXT NOT NULL,           -- the reason that was given, or ''
  outcome TEXT NOT NULL,       -- what became of it
  chain TEXT NOT NULL          -- SHA-256 over the chain of the row before and this row: a row that is changed or missing shows
) STRICT;
CREATE INDEX audit_at ON audit (at_us);

CREATE TABLE setting (         -- what people have set while the box ran, and that outlives a restart
  name TEXT PRIMARY KEY,       -- e.g. the arm mode
  value TEXT NOT NULL          -- as text
) STRICT;
"""

THIRD = """
CREATE TABLE outage (          -- times in which the store could not be relied on; what happened in them was told all the same
  id INTEGER PRIMARY KEY,      -- in the order in which they ended
  start_us INTEGER NOT NULL,   -- when it last did well
  end_us INTEGER NOT NULL,     -- when it did again
  problem TEXT NOT NULL,       -- what was wrong
  late INTEGER NOT NULL,       -- transitions of alerts that were written late
  told INTEGER NOT NULL,       -- notifications that were told from memory alone
  spans INTEGER NOT NULL       -- spans of judgements that are missing
) STRICT;
CREATE INDEX outage_end ON outage (end_us);
"""

MIGRATIONS = (FIRST, SECOND, THIRD)
VERSION = len(MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """The version of the schema that is in the file; 0 for an empty one."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to `VERSION`, each step in a transaction of its own, so that a crash between two leaves a known version."""
    for step in range(version(connection), VERSION):
        connection.executescript(f"BEGIN IMMEDIATE;\n{MIGRATIONS[step]}\nPRAGMA user_version = {step + 1};\nCOMMIT;")
