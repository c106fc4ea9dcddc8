"""What a person may have meant by what was typed, as a table."""

from datetime import UTC, datetime

import pytest

from alerts.alert import Alert, AlertId, AlertState
from alerts.track import Track
from analyzers.judgement import JudgeKind
from analyzers.policy import Policy, PolicyId, Severity
from appliance.control.targets import UnknownTargetError, targets
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId

NOW = Moment(utc=datetime(2026, 5, 4, tzinfo=UTC), boot_ns=0, boot_id=BootId("b"))
HALL, YARD = SensorId("hall"), SensorId("yard")
SMOKE = Policy(id=PolicyId("smoke"), title="Smoke", ask="?", sensors=(HALL, YARD))
ENTRY = Policy(id=PolicyId("entry"), title="Entry", ask="?", sensors=(HALL,), zone="cell")
POLICIES = {(policy.id, view): policy for policy in (SMOKE, ENTRY) for view in policy.views()}


def standing(identity: str, view: str) -> Track:
    alert = Alert(
        id=AlertId(identity), policy=SMOKE.id, sensor=HALL, view=ViewId(view), severity=Severity.HIGH, state=AlertState.ACTIVE,
        transition=1, opened=NOW, changed=NOW, by=JudgeKind.CUES,
    )  # fmt: skip
    return Track(policy=SMOKE.id, sensor=HALL, view=ViewId(view), state=AlertState.ACTIVE, alert=alert)


TRACKS = [standing("abcdefgh", "hall"), standing("abcdefzz", "yard")]
MEANT = [
    ("a policy means all that it watches", "smoke", None, ["hall", "yard"]),
    ("or one view of it", "smoke", "yard", ["yard"]),
    ("a sensor means the policy's zone on it", "entry", "hall", ["hall.cell"]),
    ("a zone by its whole name", "entry", "hall.cell", ["hall.cell"]),
    ("an alarm by its id", "abcdefgh", None, ["hall"]),
    ("or by as much of it as tells it apart", "abcdefz", None, ["yard"]),
]
UNKNOWN = [
    ("a typing error", "smok", None, 'did you mean "smoke"?'),
    ("a view of somebody else's", "entry", "yard", "it watches hall.cell"),
    ("a typing error in the view", "smoke", "yrad", 'did you mean "yard"?'),
    ("too little of an id to tell it apart", "abcdef", None, "begins the ids of 2 alarms"),
    ("too little of an id to be one", "abcd", None, 'did you mean "abcdef'),
    ("nothing", "", None, "omniwatch status"),
]


@pytest.mark.parametrize(("why", "what", "view", "views"), MEANT, ids=[row[0] for row in MEANT])
def test_it_is_known_what_is_meant_by(why: str, what: str, view: str | None, views: list[str]) -> None:
    assert [key[1] for key in targets(what, view, POLICIES, TRACKS)] == views, why


@pytest.mark.parametrize(("why", "what", "view", "says"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_it_is_said_what_is_wrong_with(why: str, what: str, view: str | None, says: str) -> None:
    with pytest.raises(UnknownTargetError, match=r".*") as caught:
        targets(what, view, POLICIES, TRACKS)
    assert says in str(caught.value), why
