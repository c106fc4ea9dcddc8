"""Behind the first message: who is described, what becomes of the text, and that whatever breaks meanwhile costs the text alone, and is counted."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import Change
from alerts.event import Commanded, Judged, Verb
from alerts.names import SELF_TEST
from alerts.reason import Reason
from analyzers.description import Undescribed
from analyzers.interview import Forgo, Perceived, WishEnded
from analyzers.judge import Question
from analyzers.judgement import JudgeKind, Verdict
from analyzers.policy import PolicyId
from appliance.describing import MAX_WAITING, WANTED_FOR
from sensors.window import ViewId
from tests.appliance.described_room import ON, OTHER, PERSON, WRITTEN, Room, story
from tests.appliance.test_pipeline import ASKED, HALL, answer, watching, window


@story
async def test_the_alarm_goes_out_at_once_and_the_text_follows_under_its_id_and_outlives_a_restart(room: Room) -> None:
    seen = await room.hit(1)
    (first,) = await room.store.pending("mqtt", 9)
    assert (first.change, first.alert.description) == (Change.OPENED, None)
    assert (room.judge.wish.language, room.judge.wish.ask.window.id, room.judge.wish.ask.policies) == ("German", seen.id, (ASKED.id,))
    assert room.judge.wish.until_ns == room.clock.now().plus(WANTED_FOR).boot_ns
    await room.ends(replace(WRITTEN, took_s=1.5, first_word_ns=first.alert.changed.boot_ns + 700_000_000))
    _, update = await room.store.pending("mqtt", 9)
    assert (update.change, update.alert.id, update.alert.transition, update.alert.description) == (Change.UPDATED, first.alert.id, 2, PERSON)
    (track,) = await room.store.tracks()
    (alert,) = await room.store.open_alerts()
    assert track.alert
    assert track.alert.description == alert.description == PERSON
    assert (room.count("asked"), room.count("written"), room.unwritten(), room.count("judge_seconds")) == (1, 1, {}, 1.5)
    assert room.registry.get_sample_value("omniwatch_description_first_word_seconds_sum") == pytest.approx(0.7)


@story
async def test_a_windows_slots_are_held_until_the_judge_has_perceived_it_and_given_up_once(room: Room) -> None:
    seen = await room.hit(1)
    assert room.released == []
    room.judge.wishes.hear(Perceived(id=room.judge.wish.id))
    assert room.released == [seen.id]
    await room.ends(WRITTEN)
    assert room.released == [seen.id]


@story
async def test_of_an_alarm_that_is_over_by_then_it_is_told_all_the_same(room: Room) -> None:
    await room.hit(1)
    room.judge.verdict = Verdict.NO
    await room.hit(2)
    await room.ends(WRITTEN)
    assert room.changes() == [Change.OPENED, Change.CLEARED, Change.UPDATED]
    assert room.decisions[-1].reason is Reason.DESCRIBED


@story
async def test_cues_tests_self_tests_and_what_is_told_to_nobody_are_not_described(room: Room) -> None:
    room.judge.by = JudgeKind.CUES
    await room.hit(1)
    room.judge.by, room.judge.verdict = JudgeKind.OMNI, Verdict.NO
    await room.hit(2)
    at = room.clock.now()
    await room.pipeline.fold([(ASKED, ViewId(HALL), Commanded(verb=Verb.TEST, who="anna", at=at))])
    shelve = Commanded(verb=Verb.SHELVE, who="anna", why="paint", span=timedelta(hours=1), at=at)
    await room.pipeline.fold([(ASKED, ViewId(HALL), shelve)])
    room.judge.verdict = Verdict.YES
    await room.hit(3)
    tests_itself = replace(ASKED, id=SELF_TEST)
    room.watch = watching(tests_itself)
    await room.pipeline.configure(room.watch)
    await room.hit(4)
    assert [change for change in room.changes() if change is Change.OPENED] == [Change.OPENED] * 4
    assert room.judge.sent == []
    assert room.count("asked") == 0


@story
async def test_a_judge_that_dies_in_the_middle_costs_the_text_and_the_next_hit_is_described(room: Room) -> None:
    seen = await room.hit(1)
    room.judge.wishes.lost()
    await room.settled()
    assert (room.unwritten(), room.released, room.changes()) == ({"judge": 1}, [seen.id], [Change.OPENED])
    room.judge.verdict = Verdict.NO
    await room.hit(2)
    room.judge.verdict = Verdict.YES
    await room.hit(3)
    await room.ends(replace(WRITTEN, description=replace(PERSON, since=None)))
    assert room.count("written") == 1


@story
async def test_a_judge_that_never_says_what_became_of_it_is_ended_at_the_deadline(room: Room) -> None:
    room.describing.configure(replace(ON, deadline=timedelta(seconds=0.05)))
    seen = window(1)
    room.clock.at_s = 1
    await room.pipeline.window(seen)
    await room.pipeline.judge_once()
    await room.pipeline.judge_once()
    assert room.judge.sent
    room.clock.at_s += WANTED_FOR.total_seconds()
    await room.settled()
    assert (room.judge.hung, room.unwritten(), room.released) == (1, {"judge": 1}, [seen.id])


@story
async def test_a_reload_in_the_middle_that_takes_the_policy_away_costs_the_text(room: Room) -> None:
    await room.hit(1)
    room.watch = watching(OTHER)
    await room.pipeline.configure(room.watch)
    await room.ends(WRITTEN)
    assert (room.unwritten(), room.changes()) == ({"withdrawn": 1}, [Change.OPENED, Change.CLEARED])


@story
async def test_switched_off_in_the_middle_the_judge_is_told_to_stop_and_nothing_more_is_described(room: Room) -> None:
    await room.hit(1)
    room.describing.configure(replace(ON, describes=False))
    assert room.judge.sent[-1] == Forgo(id=room.judge.wish.id)
    await room.ends(WRITTEN)  # it was written before it heard
    assert (room.unwritten(), room.changes()) == ({"withdrawn": 1}, [Change.OPENED])


@story
async def test_what_no_judge_of_ours_writes_is_no_description_and_is_not_stored(room: Room) -> None:
    await room.hit(1)
    await room.ends(replace(WRITTEN, description=replace(PERSON, what="x" * 100_000)))
    assert (room.count("written"), room.unwritten(), room.changes()) == (0, {"unreadable": 1}, [Change.OPENED])


@story
async def test_what_waits_when_it_is_switched_off_leaves_with_a_reason_and_its_window(room: Room) -> None:
    await room.hit(1)
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    waits = await room.hit(2)  # of the other policy: one is under way
    assert room.count("asked") == 2
    room.describing.configure(replace(ON, describes=False))
    await room.ends(WishEnded(id=0, why=Undescribed.WITHDRAWN))
    room.clock.at_s = 40
    await room.turn()
    assert (room.unwritten(), room.released.count(waits.id)) == ({"withdrawn": 2}, 1)


@story
async def test_a_sensor_that_starts_again_takes_what_waits_along(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)  # two alarms: one begins, one waits
    await room.pipeline.drop(HALL)
    assert (room.unwritten(), room.released) == ({"gone": 1}, [])  # the judge may be looking at it still
    await room.ends(WRITTEN)
    assert (room.count("written"), room.released) == (1, [seen.id])


@story
async def test_what_waits_for_too_long_is_dropped_and_counted(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    await room.hit(1)
    room.clock.at_s = 2 + ON.max_age.total_seconds()
    await room.turn()
    assert room.unwritten() == {"stale": 1}


@story
async def test_no_more_wait_than_there_is_room_for(room: Room) -> None:
    many = tuple(replace(ASKED, id=PolicyId(f"p{number}")) for number in range(MAX_WAITING + 3))
    room.watch = watching(*many)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)
    for _ in range(MAX_WAITING):
        await room.ends(WRITTEN)
        await room.turn()
    assert (room.count("written"), room.unwritten()) == (MAX_WAITING, {"crowded": 3})
    assert room.released == [seen.id]


@story
async def test_an_alarm_whose_window_nobody_holds_any_more_has_no_text(room: Room) -> None:
    late = replace(answer(Question(window=window(1), view=ViewId(HALL), policies=(ASKED,)), ASKED, Verdict.YES))
    await room.pipeline.judged([Judged(judgement=late, at=room.clock.now())])
    assert (room.changes(), room.unwritten(), room.judge.sent) == ([Change.OPENED], {"gone": 1}, [])
