"""A clip of an alert: told of one that is open and of one that is over, and no state changes by it."""

from datetime import timedelta

from alerts.alert import MAX_CLIPS, AlertState, Change
from alerts.event import Evidenced
from alerts.evidence import Clip
from analyzers.policy import Severity
from tests.alerts.conftest import Story


def clip(story: Story, name: str = "a.mp4") -> Clip:
    return Clip(file=name, poster=None, sha256="0" * 64, bytes=9, start=story.at(0), end=story.at(20), masked=False, sound=True)


def test_a_clip_of_an_open_alert_is_the_next_transition_and_no_reminder() -> None:
    story = Story(remind_every=timedelta(seconds=30))
    story.tell("y")
    alert = story.decisions[-1].alert
    assert alert
    seen = story.fold(Evidenced(alert=alert, told=True, clip=clip(story), at=story.at(30)))
    assert (seen.change, seen.told, seen.track.state) == (Change.UPDATED, True, AlertState.ACTIVE)
    assert seen.alert
    assert (seen.alert.transition, [each.file for each in seen.alert.evidence]) == (2, ["a.mp4"])
    assert [decision.change for decision in story.ticks(31, 40)] == [Change.REMINDED]


def test_a_clip_of_an_alert_that_is_over_is_told_and_the_next_episode_stays_as_it_is() -> None:
    story = Story()
    story.tell("yn")
    over = story.decisions[-1].alert
    assert over
    story.tell("y")
    before = story.track
    late = story.fold(Evidenced(alert=over, told=True, clip=clip(story), at=story.at(40)))
    assert late.alert
    assert (late.alert.id, late.alert.transition, late.alert.state) == (over.id, over.transition + 1, AlertState.NORMAL)
    assert late.track == before


def test_a_clip_of_an_alert_that_told_nobody_tells_nobody() -> None:
    story = Story(severity=Severity.LOW)
    story.tell("yn")
    over = story.decisions[-1].alert
    assert over
    assert not story.fold(Evidenced(alert=over, told=False, clip=clip(story), at=story.at(40))).told


def test_an_alert_names_its_newest_clips_alone() -> None:
    story = Story()
    story.tell("y")
    for number in range(MAX_CLIPS + 3):
        alert = story.decisions[-1].alert
        assert alert
        story.fold(Evidenced(alert=alert, told=True, clip=clip(story, f"{number}.mp4"), at=story.at(30)))
    assert story.track.alert
    assert [each.file for each in story.track.alert.evidence] == [f"{number}.mp4" for number in range(3, MAX_CLIPS + 3)]
