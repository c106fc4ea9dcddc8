from datetime import UTC, datetime

import pytest

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.channels.cloudevents import event_of, plain
from alerts.channels.topics import Topics
from alerts.notification import Notification, NotificationId
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId

TOPICS = Topics(site="plant-7", box="press-hall")
START = Moment(utc=datetime(2026, 3, 1, 12, tzinfo=UTC), boot_ns=0, boot_id=BootId("boot"))
ALERT = Alert(
    id=AlertId("a" * 26),
    policy=PolicyId("fire"),
    sensor=SensorId("hall"),
    view=ViewId("hall.door"),
    severity=Severity.LOW,
    state=AlertState.ACTIVE,
    transition=3,
    opened=START,
    changed=START,
    by=JudgeKind.CUES,
)


def test_every_topic_lies_in_the_boxs_own_tree() -> None:
    assert TOPICS.status == "omniwatch/plant-7/press-hall/status"
    assert TOPICS.heartbeat == "omniwatch/plant-7/press-hall/heartbeat"
    assert TOPICS.alert(ALERT.policy, ALERT.view) == "omniwatch/plant-7/press-hall/alert/fire/hall.door"
    assert TOPICS.state(PolicyId("fire"), ViewId("hall")) == "omniwatch/plant-7/press-hall/state/fire/hall"
    assert TOPICS.sensor(SensorId("hall")) == "omniwatch/plant-7/press-hall/sensor/hall"


@pytest.mark.parametrize("name", ["", "#", "+", "a/b", "a\0b", "a\nb", "a\u202eb", "x" * 65, "plant-#"])
def test_a_name_that_would_reach_outside_it_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Topics(site=name, box="box")
    with pytest.raises(ValueError, match="name"):
        Topics(site="site", box=name)
    with pytest.raises(ValueError, match="name"):
        TOPICS.alert(PolicyId(name), ALERT.view)
    with pytest.raises(ValueError, match="name"):
        TOPICS.sensor(SensorId(name))


def test_a_view_may_be_as_long_as_a_sensor_and_a_zone() -> None:
    assert TOPICS.state(PolicyId("fire"), ViewId("s" * 64 + "." + "z" * 64)).endswith("z")
    with pytest.raises(ValueError, match="view"):
        TOPICS.state(PolicyId("fire"), ViewId("s" * 130))


def test_all_copies_of_an_event_share_an_id_and_its_type_names_the_change() -> None:
    notes = [
        Notification(id=NotificationId(f"x-{channel}"), channel=channel, change=Change.CLEARED, alert=ALERT, created=START) for channel in ("a", "b")
    ]
    events = [event_of(note, TOPICS, BootId("boot")) for note in notes]
    assert [(each.id, each.type) for each in events] == [("a" * 26 + "-3", "io.omniwatch.alert.cleared")] * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Smoke in the hall", "Smoke in the hall"),
        ("Rauch, дым, 煙, 🔥", "Rauch, дым, 煙, 🔥"),
        ("a\x1b[31m\r\n\tb", "a [31m   b"),
        ("left\u202eright\u200b", "left right "),
        ("half a pair \ud83d", "half a pair  "),
        ("x" * 50, "x" * 20),
    ],
)
def test_texts_are_one_bounded_line_that_does_nothing_to_whoever_shows_it(text: str, expected: str) -> None:
    assert plain(text, 20) == expected[:20]
