"""What concerns several alarms at once: floods and common causes, told to a small site of real tracks."""

from dataclasses import replace
from datetime import timedelta

from pydantic import TypeAdapter

from alerts import names
from alerts.builtin import FEED, builtin
from alerts.common_cause import Losses, common_answer, observed
from alerts.decision import Context, Decision
from alerts.event import Commanded, Event, Judged, Ticked, Verb
from alerts.facts import answer, sensor_answer
from alerts.flood import Flood, FloodRule, counted, flood_answer
from alerts.rules import decide
from alerts.track import Track
from analyzers.judgement import Verdict
from analyzers.policy import Policy, PolicyId, Severity
from sensors.moment import Moment
from sensors.window import SensorId, ViewId
from tests.alerts.conftest import SECOND, START

SENSORS = tuple(SensorId(f"cam-{number:02}") for number in range(20))
LOITERING = Policy(id=PolicyId("loitering"), title="Loitering", ask="Does somebody loiter?", sensors=SENSORS, clear_after=timedelta(0))
GUNSHOT = replace(LOITERING, id=PolicyId("gunshot"), severity=Severity.CRITICAL)


class Site:
    """Twenty cameras, their tracks, and the two folds; a second is one call of `second`."""

    def __init__(self) -> None:
        """Nothing has happened."""
        self.policies = {policy.id: policy for policy in (*builtin(sight=SENSORS, sound=()), LOITERING, GUNSHOT)}
        self.tracks: dict[tuple[PolicyId, ViewId], Track] = {}
        self.flood, self.losses = Flood(rule=FloodRule(count=10, span=timedelta(minutes=10))), Losses()
        self.told: list[tuple[str, str, str]] = []
        self.recorded: list[Decision] = []

    def fold(self, event: Event, key: tuple[PolicyId, ViewId] | None = None) -> Decision:
        if isinstance(event, Judged):
            key = (event.judgement.policy, event.judgement.view)
        track = self.tracks.get(key) or Track(policy=key[0], sensor=SensorId(key[1]), view=key[1])
        active = frozenset(other for other, one in self.tracks.items() if one.has_told and other != key)
        decision = decide(track, event, self.policies[key[0]], Context(stride=FEED, active=active, grouped=self.losses.grouped))
        self.tracks[key] = decision.track
        self.recorded.append(decision)
        if decision.told:
            self.told.append((key[0], key[1], decision.change.value))
        self.flood = counted(self.flood, decision, event.at)
        return decision

    def alarm(self, policy: Policy, camera: int, second: float, verdict: Verdict = Verdict.YES) -> Decision:
        at = START.plus(second * SECOND)
        decision = self.fold(answer(policy.id, verdict, at, sensor=SENSORS[camera]))
        self._flood(at)
        return decision

    def second(self, second: float, lost: set[int], *, opening: bool = False) -> None:
        """What the supervisor does once a second: the common cause first, then each sensor, the flood, and a tick for every track."""
        at = START.plus(second * SECOND)
        self.losses = observed(self.losses, frozenset(SENSORS[number] for number in lost), at)
        self.fold(common_answer(self.losses, at, opening=opening))
        for number, sensor in enumerate(SENSORS):
            self.fold(sensor_answer(sensor, at, lost=number in lost))
        self._flood(at)
        for key in tuple(self.tracks):
            self.fold(Ticked(at=at), key)

    def _flood(self, at: Moment) -> None:
        self.flood, event = flood_answer(self.flood, at)
        self.fold(event)

    def openings(self, policy: PolicyId) -> list[str]:
        return [view for name, view, change in self.told if name == policy and change == "opened"]


def test_the_tenth_alarm_in_ten_minutes_is_a_flood_and_the_next_is_not_told() -> None:
    site = Site()
    reasons = [site.alarm(LOITERING, camera, camera * 10).reason for camera in range(12)]
    assert reasons == ["triggered"] * 10 + ["flood"] * 2
    assert site.openings(names.ALARM_FLOOD) == ["box"]
    assert len([one for one in site.recorded if one.opens]) == 13, "all are on record"


def test_nine_alarms_are_none_and_neither_are_ten_in_a_longer_time() -> None:
    few, slow = Site(), Site()
    for camera in range(9):
        few.alarm(LOITERING, camera, camera)
    for camera in range(12):
        slow.alarm(LOITERING, camera, camera * 70)
    assert few.openings(names.ALARM_FLOOD) == slow.openings(names.ALARM_FLOOD) == []


def test_what_is_critical_is_told_in_the_middle_of_a_flood() -> None:
    site = Site()
    for camera in range(12):
        site.alarm(LOITERING, camera, camera)
    assert site.alarm(GUNSHOT, 3, 20).told


def test_a_flood_ends_when_fewer_than_half_as_many_came_and_what_still_stands_is_told_then() -> None:
    site = Site()
    for camera in range(12):
        site.alarm(LOITERING, camera, camera * 10)
    site.alarm(LOITERING, 11, 120, Verdict.NO)
    for second in range(121, 740):
        site.second(second, set())
    assert ("alarm-flood", "box", "cleared") in site.told
    assert site.openings(LOITERING.id)[10:] == ["cam-10"], "the twelfth has cleared and was never told"


def test_a_flood_that_somebody_shelved_silences_nothing() -> None:
    site = Site()
    shelve = Commanded(verb=Verb.SHELVE, who="anna", span=timedelta(hours=1), at=START)
    site.fold(shelve, (names.ALARM_FLOOD, names.BOX))
    assert all(site.alarm(LOITERING, camera, camera).told for camera in range(12))


def test_one_sensor_lost_is_its_own_alarm_at_once() -> None:
    site = Site()
    site.second(0, set())
    site.second(1, {4})
    assert site.told == [("sensor-lost", "cam-04", "opened")]


def test_sensors_lost_in_the_same_second_are_one_alarm_that_lists_them() -> None:
    site = Site()
    for second in range(20):
        site.second(second, {1, 2, 3} if second else set())
    assert site.told == [("sensors-lost", "box", "opened")]
    assert site.tracks[names.SENSORS_LOST, names.BOX].alert.summary == "Sensors lost together on box: cam-01, cam-02, cam-03"


def test_those_that_follow_within_half_a_minute_are_listed_and_not_told_singly() -> None:
    site = Site()
    for second in range(60):
        site.second(second, {camera for camera, at in ((1, 5), (2, 15), (3, 40)) if second >= at})
    assert site.told == [("sensor-lost", "cam-01", "opened"), ("sensors-lost", "box", "opened"), ("sensors-lost", "box", "updated")]
    assert site.tracks[names.SENSORS_LOST, names.BOX].alert.summary.endswith("cam-01, cam-02, cam-03")


def test_a_sensor_lost_a_minute_later_is_an_alarm_of_its_own() -> None:
    site = Site()
    for second in range(120):
        site.second(second, {camera for camera, at in ((1, 5), (2, 15), (3, 80)) if second >= at})
    assert site.openings(names.SENSOR_LOST) == ["cam-01", "cam-03"]


def test_the_common_alarm_ends_when_all_are_back_and_no_one_was_told_singly() -> None:
    site = Site()
    for second in range(100):
        site.second(second, {1, 2, 3} if second < 50 else {3} if second < 60 else set())
    assert [change for _, _, change in site.told] == ["opened", "cleared"]
    assert all(not track.is_open for track in site.tracks.values())


def test_a_member_that_was_back_for_a_while_and_is_lost_again_alone_is_told() -> None:
    site = Site()
    for second in range(200):
        site.second(second, {1, 2} if second < 50 else {2} if second < 120 else {1, 2})
    assert site.openings(names.SENSOR_LOST) == ["cam-01"]


def test_a_sensor_that_comes_and_goes_within_half_a_minute_is_the_same_loss() -> None:
    site = Site()
    for second in range(100):
        site.second(second, {2} if second % 20 >= 10 else {1, 2})
    assert site.told == [("sensors-lost", "box", "opened")]


def test_nobody_says_that_all_are_there_while_a_sensor_is_still_opening() -> None:
    assert common_answer(Losses(), START, opening=True).judgement.verdict is Verdict.UNSURE
    assert common_answer(Losses(), START, opening=False).judgement.verdict is Verdict.NO


def test_what_is_remembered_is_bounded_and_survives_the_store() -> None:
    site = Site()
    for second in range(30):
        site.second(second, set(range(second % 20)))
    for camera in range(20):
        site.alarm(LOITERING, camera, 30 + camera)
    assert len(site.flood.openings) <= 10
    assert len(site.losses.losses) <= len(SENSORS)
    for kind, value in ((Flood, site.flood), (Losses, site.losses)):
        kept = TypeAdapter(kind)
        assert kept.validate_json(kept.dump_json(value)) == value
