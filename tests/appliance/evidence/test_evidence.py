"""Evidence: each alarm gets its clip, whatever ends the box in between; what is kept has bounds, and what is unseen never goes in silence."""

import asyncio
import hashlib
import os
import re
import threading
import time
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import av
import cv2
import pytest

from alerts.event import Verb
from analyzers.judgement import Verdict
from appliance.config.evidence_form import EvidenceUse
from appliance.evidence.clip_helper import helped
from appliance.evidence.evidence import MAX_ATTEMPTS, MAX_WANTED
from appliance.evidence.files import apart
from appliance.store.clip_rows import CLIP, GONE, MANY, WANTED, Gone, Wanted
from appliance.store.rows import text
from sensors.cues import Box
from sensors.cut import Cut, CutOrder, Uncut
from sensors.segment import listed
from tests.appliance.evidence.evidence_box import DOOR, ENTRY, LOST, THEFT, EvidenceBox, at, box, film, keeping, segments, story

__all__ = ["film", "segments"]

YES, NO = Verdict.YES, Verdict.NO
MASK = Box(x0=0.0, y0=0.0, x1=0.5, y1=0.5)


async def kept(one: EvidenceBox, end_s: float = 10.0) -> str:
    """An alarm opens and gets its clip; the clip's file."""
    await one.judge(YES, end_s)
    await one.turn(end_s + 5)
    return (await one.alert()).evidence[-1].file


@pytest.mark.usefixtures("segments")
@story
async def test_an_alarm_gets_a_clip_when_the_time_after_it_has_passed(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        await one.judge(YES, 10)
        await one.turn(13)
        assert [state for _, state, _ in await one.rows()] == ["wanted"]
        await one.turn(14.5)
        alert = await one.alert()
        (clip,) = alert.evidence
        assert (alert.transition, one.decisions[-1].change, one.decisions[-1].told) == (2, "updated", True)
        assert re.fullmatch(rf"2026-05-04/{alert.id}-1\.mp4", clip.file)
        data = (one.clips / clip.file).read_bytes()
        assert (clip.sha256, clip.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
        assert (clip.masked, clip.sound) == (False, True)
        assert (clip.start.since(at(0)).total_seconds(), clip.end.since(at(0)).total_seconds()) == pytest.approx((5.0, 12.1), abs=0.2)
        assert one.files() == [f"2026-05-04/{alert.id}-1.jpg", clip.file]
        assert {(one.clips / name).stat().st_mode & 0o777 for name in one.files()} == {0o600}
        assert (await one.rows()) == [(f"{alert.id}-1", "kept", 1)]
        picture = cv2.imread(str(one.clips / (clip.poster or "")))
        assert picture.mean() > 200, "the poster shows the flash in the middle of the window"


@pytest.mark.usefixtures("segments")
@story
async def test_a_clip_is_told_of_an_alarm_that_is_over_and_of_a_silent_one_on_record_alone(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        await one.judge(YES, 6)
        await one.judge(NO, 7)
        await one.say(Verb.SHELVE, THEFT, timedelta(hours=1))
        await one.judge(YES, 8, THEFT)
        await one.turn(16)
        over, silent = [decision for decision in one.decisions if decision.change == "updated"]
        assert over.alert
        assert (over.alert.policy, over.alert.transition, over.alert.state, over.told, len(over.alert.evidence)) == ("entry", 3, "normal", True, 1)
        assert silent.alert
        assert (silent.alert.policy, silent.told, len(silent.alert.evidence)) == ("theft", False, 1)


@pytest.mark.usefixtures("segments")
@story
async def test_a_test_alarm_gets_a_clip_too(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        one.clock.at_s = 10
        await one.say(Verb.TEST)
        await one.tick(21)
        await one.turn(22)
        last = one.decisions[-1]
        assert last.alert
        assert (last.change, last.told, last.alert.test, last.alert.state, len(last.alert.evidence)) == ("updated", True, True, "normal", 1)


@pytest.mark.usefixtures("segments")
@story
async def test_masks_are_burnt_in_unless_the_owner_wants_the_original(tmp_path: Path) -> None:
    for use, masked in ((EvidenceUse.ON, True), (EvidenceUse.ORIGINAL, False)):
        async with box(tmp_path, masks=(MASK,), use=use) as one:
            file = await kept(one, 10.0 if masked else 15.0)
            with av.open(str(one.clips / file)) as container:
                corners = [frame.to_ndarray(format="rgb24")[:40, :70].max() for frame in container.decode(video=0)]
            assert all((int(corner) <= 8) is masked for corner in corners)
            assert (await one.alert()).evidence[-1].masked is masked
            await one.judge(NO, 11)


@pytest.mark.usefixtures("segments")
@pytest.mark.drill(
    35, "camera-gone-while-alarmed", done="A camera goes while its alarm stands",
    sees="the alarm has a clip of the last seconds that there were",
)  # fmt: skip
@story
async def test_a_camera_that_goes_while_its_alarm_stands_leaves_its_last_seconds(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        await kept(one)
        one.lost.add(DOOR)
        await one.judge(YES, 24, LOST)
        await one.turn()
        alert = await one.alert()
        assert len(alert.evidence) == 2
        assert alert.evidence[-1].end.since(at(0)).total_seconds() == pytest.approx(25, abs=0.5)
        assert [alert_id for alert_id, *_ in await one.rows()] == [f"{alert.id}-1", f"{alert.id}-2"]


@pytest.mark.usefixtures("segments")
@story
async def test_a_camera_that_goes_makes_no_clip_wait_and_has_none_of_its_own_going(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        await one.judge(YES, 20, LOST)
        assert await one.rows() == []
        await one.judge(NO, 21, LOST)
        one.lost.add(DOOR)
        await one.judge(YES, 24)
        await one.turn()
        assert [state for _, state, _ in await one.rows()] == ["kept"]


@pytest.mark.usefixtures("segments")
@story
async def test_what_opened_and_was_not_promised_is_promised_after_the_restart(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        await one.judge(YES, 10)
    async with box(tmp_path, begins_s=13) as one:
        assert await one.rows() == []
        await one.turn(16)
        assert [state for _, state, _ in await one.rows()] == ["kept"]
        assert len((await one.alert()).evidence) == 1


@pytest.mark.drill(
    14, "crash-around-a-clip", done="A crash before a clip's rename, between rename and row, and after it was told; then a start",
    sees="the clip is there and told once, no row without its file and no file without its row",
)  # fmt: skip
@pytest.mark.parametrize(("parts", "told"), [(True, False), (False, False), (False, True)])
@story
async def test_a_crash_between_any_two_steps_costs_no_clip_and_tells_it_once(tmp_path: Path, segments: Path, *, parts: bool, told: bool) -> None:
    """Before the rename, between rename and row, and after telling: what is on the disk and in the row then, and a start."""
    async with box(tmp_path) as one:
        file = await kept(one)
        ((identity, body),) = await one.sql("SELECT id, body FROM clip")
        clip = CLIP.validate_json(body)
        wanted = Wanted(segments=str(segments), start=clip.start, end=clip.end, moment=clip.start, clip=clip)
        await one.sql("UPDATE clip SET state = 'wanted', body = ? WHERE id = ?", text(WANTED, wanted), identity)
        alert = await one.alert()
        if not told:
            bare = replace(next(track for track in one.pipeline.tracks() if track.policy == ENTRY.id), alert=replace(alert, evidence=()))
            one.store.noted(bare)
        names = one.files()
        digests = {name: hashlib.sha256((one.clips / name).read_bytes()).hexdigest() for name in names}
        if parts:
            for name in names:
                (one.clips / name).rename(one.clips / f"{name}.part")
    for segment in listed(segments):
        segment.path.unlink()
    async with box(tmp_path, begins_s=20) as one:
        await one.turn()
        assert {name: hashlib.sha256((one.clips / name).read_bytes()).hexdigest() for name in one.files()} == digests
        assert [state for _, state, _ in await one.rows()] == ["kept"]
        assert [each.file for each in (await one.alert()).evidence] == [file]
        assert len(one.decisions) == (0 if told else 1)


@pytest.mark.usefixtures("segments")
@story
async def test_at_the_start_rows_and_files_are_made_true(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        gone = await kept(one)
        await one.judge(NO, 14)
        unclaimed = await kept(one, 16)
        (one.clips / gone).unlink()
        await one.sql("DELETE FROM clip WHERE id = ?", Path(unclaimed).stem)
        for name in ("aaaaaaaaaaaaaaaaaaaaaaaaaa-1.mp4.part", "bbbbbbbbbbbbbbbbbbbbbbbbbb-1.jpg", "../../evil.txt"):
            (one.clips / "2026-05-04" / name).write_bytes(b"x")
    async with box(tmp_path, begins_s=30) as one:
        await one.turn()
        assert [(row[0], row[1]) for row in await one.rows()] == [(Path(gone).stem, "removed"), (Path(unclaimed).stem, "kept")]
        assert one.files() == sorted([unclaimed, unclaimed.replace("mp4", "jpg")])
        assert (tmp_path / "state" / "evil.txt").exists(), "what is not in the folder is nobody's business"
        assert one.evidence.statistics().removed == {"its file is missing": 1}


@pytest.mark.usefixtures("segments")
@story
async def test_clips_whose_disk_was_away_are_kept_again_when_it_is_back(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        file = await kept(one)
        before = await one.sql("SELECT state, body FROM clip")
        one.clips.rename(tmp_path / "elsewhere")
        await one.room.reconcile(one.clock.now())
        assert [state for _, state, _ in await one.rows()] == ["removed"]
        (tmp_path / "elsewhere").rename(one.clips)
        await one.room.reconcile(one.clock.now())
        assert await one.sql("SELECT state, body FROM clip") == before
        assert await one.sql("SELECT bytes FROM clip") == [(sum((one.clips / name).stat().st_size for name in one.files()),)]
        assert file in one.files()


@pytest.mark.usefixtures("segments")
@story
async def test_what_cannot_be_compared_or_deleted_is_said_and_keeps_no_clip_from_being_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with box(tmp_path) as one:
        file = await kept(one)
    (one.clips / file).unlink()
    (one.clips / file).symlink_to(one.clips / file)  # it is there, and it is not
    async with box(tmp_path, begins_s=20) as one:
        (one.clips / file).parent.joinpath("of an owner").mkdir()
        await one.judge(YES, 21, THEFT)
        for seconds in (26, 27):
            await one.turn(seconds)
        assert [state for _, state, _ in await one.rows()] == ["kept", "kept"]
        assert [record.levelname for record in caplog.records if "cannot be compared" in record.message] == ["ERROR"]
        (one.clips / file).unlink()
        await one.room.reconcile(one.clock.now())
        assert [state for _, state, _ in await one.rows()] == ["removed", "kept"]
        assert (one.clips / file).parent.joinpath("of an owner").is_dir()


@pytest.mark.usefixtures("segments")
@pytest.mark.parametrize(("state", "stays"), [("removed", False), ("failed", True)])
@story
async def test_a_clip_that_was_deleted_does_not_come_back_and_one_with_a_row_that_nobody_can_read_does(
    tmp_path: Path, *, state: str, stays: bool
) -> None:
    async with box(tmp_path) as one:
        file = await kept(one)
        await one.sql("UPDATE clip SET state = ?, body = ?", state, text(GONE, Gone(why="forgotten")))
        await one.room.reconcile(one.clock.now())
        assert (file in one.files()) == stays
        assert [row for _, row, _ in await one.rows()] == ["kept" if stays else "removed"]


@story
async def test_ten_times_as_many_clips_take_no_more_memory_to_go_through(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        peaks = []
        for count in (1_000, 10_000):
            await one.keep(count)
            await one.room.reconcile(one.clock.now())  # what is made once is not counted
            tracemalloc.start()
            await one.room.reconcile(one.clock.now())
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert await one.sql("SELECT count(*) FROM clip WHERE state = 'kept'") == [(count,)]
        assert peaks[1] < 2 * peaks[0]


@pytest.mark.usefixtures("segments")
@story
async def test_a_helper_that_hangs_or_dies_is_ended_and_tried_a_bounded_number_of_times(tmp_path: Path) -> None:
    def children() -> list[str]:
        me = os.getpid()
        pids = Path(f"/proc/{me}/task/{me}/children").read_text().split()
        return [pid for pid in pids if b"idle_child" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    hangs = partial(helped, module="tests.appliance.children.idle_child", deadline_s=0.5)
    async with box(tmp_path, cut=hangs) as one:
        await one.judge(YES, 10)
        for second in range(15, 60):
            await one.turn(second)
        ((_, state, attempts),) = await one.rows()
        assert (state, attempts) == ("failed", MAX_ATTEMPTS)
        assert one.evidence.statistics().failed == {"not made": 1}
        assert children() == []
        assert one.files() == []
        assert (await one.alert()).evidence == ()


@story
async def test_an_alarm_whose_segments_are_gone_has_no_clip_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with box(tmp_path) as one:
        await one.judge(YES, 10)
        await one.turn(15)
        assert [(state, attempts) for _, state, attempts in await one.rows()] == [("failed", 1)]
        assert one.evidence.statistics().failed == {"nothing to make it of": 1}
    assert "there is no clip" in caplog.text


@pytest.mark.usefixtures("segments")
@story
async def test_alarms_that_one_window_opened_share_one_cut_under_names_of_their_own(tmp_path: Path) -> None:
    orders = []

    async def counted(order: CutOrder) -> Cut | Uncut:
        orders.append(order)
        return await helped(order)

    async with box(tmp_path, cut=counted) as one:
        await one.judge(YES, 10)
        await one.judge(YES, 10, THEFT)
        await one.turn(15)
        entry, theft = (await one.alert(ENTRY)).evidence[0], (await one.alert(THEFT)).evidence[0]
        assert len(orders) == 1
        assert (entry.sha256, entry.start) == (theft.sha256, theft.start)
        assert len({entry.file, entry.poster, theft.file, theft.poster}) == len(one.files()) == 4
        (one.clips / entry.file).unlink()
        assert hashlib.sha256((one.clips / theft.file).read_bytes()).hexdigest() == theft.sha256


@story
async def test_a_flood_of_alarms_waits_in_bounds(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        await one.judge(YES, 10)
        alert = await one.alert()
        (opening,) = [decision for decision in one.decisions if decision.change == "opened"]
        for number in range(MAX_WANTED + 50):
            one.evidence.saw(replace(opening, alert=replace(alert, transition=number + 1)))
        await one.evidence.promise()
        assert len(await one.rows()) == MAX_WANTED
        assert one.evidence.statistics().failed == {"too many at once": 51}


@pytest.mark.usefixtures("segments")
@story
async def test_the_oldest_clip_that_nobody_needs_makes_room_and_what_nobody_has_seen_does_not(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        await one.judge(YES, 8, THEFT)
        await one.turn(13)
        theft = (await one.alert(THEFT)).evidence[0].file
        first = await kept(one, 10)
        await one.judge(NO, 13)
        second = await kept(one, 15)
        await one.judge(NO, 18)
        tight = one.room.bytes + one.room.seen.database_bytes + one.room.seen.segment_bytes
        one.evidence.configure(replace(one.configuration, evidence=keeping(tmp_path, quota=tight - 1)))
        await one.room.make_room()
        assert [name for name in (theft, first, second) if name in one.files()] == [theft, second]
        one.evidence.configure(replace(one.configuration, evidence=keeping(tmp_path, quota=1)))
        await one.room.make_room()
        assert [name for name in one.files() if name.endswith("mp4")] == [theft]
        assert "quota" in one.evidence.statistics().full
        await one.judge(YES, 20)
        await one.turn(25)
        assert one.evidence.statistics().failed == {"no room": 1}
        assert (await one.alert()).evidence == ()
        await one.say(Verb.ACKNOWLEDGE, THEFT)
        await one.room.make_room()
        assert one.files() == []
        assert one.evidence.statistics().removed == {"made room": 3}


@pytest.mark.usefixtures("segments")
@story
async def test_a_disk_without_its_free_share_is_full_and_a_disk_with_it_is_not(tmp_path: Path) -> None:
    async with box(tmp_path, keeping(tmp_path, free=1.0)) as one:
        await one.judge(YES, 10)
        await one.turn(16)
        assert "of the disk are free" in one.evidence.statistics().full
        assert [state for _, state, _ in await one.rows()] == ["failed"]
        one.evidence.configure(one.configuration)
        one.evidence.configure(replace(one.configuration, evidence=keeping(tmp_path)))
        await one.room.make_room()
        assert one.evidence.statistics().full == ""


@pytest.mark.usefixtures("segments")
@story
async def test_clips_grow_too_old_and_those_that_nobody_has_seen_not_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with box(tmp_path, keeping(tmp_path, keep=timedelta(hours=2))) as one:
        await kept(one)
        await one.turn(3000)
        assert one.files(), "no clock is believed in the first hour"
        await one.turn(2 * 3600 + 100)
        assert one.files() == []
        assert one.evidence.statistics().removed == {"too old": 1}
    assert "nobody has seen to its alert" in caplog.text


@story
async def test_what_somebody_forgets_is_gone_and_named_and_the_alert_keeps_its_record(tmp_path: Path, segments: Path) -> None:
    async with box(tmp_path) as one:
        file = await kept(one)
        await one.judge(NO, 15)
        await one.judge(YES, 20)
        one.clock.at_s = 21
        assert await one.evidence.forget(DOOR, at(1000).utc, at(2000).utc) == ()
        removed = await one.evidence.forget(DOOR, at(0).utc, at(11).utc)
        assert [each.what for each in removed] == ["clip", "poster", "segment", "segment", "segment"]
        assert removed[0].name == file
        assert one.files() == []
        removed = await one.evidence.forget(DOOR, at(19).utc, at(25).utc)
        assert [each.what for each in removed][:1] == ["promise"]
        assert listed(segments) == ()
        await one.turn(30)
        assert [state for _, state, _ in await one.rows()] == ["removed", "removed"]
        ((body,),) = await one.sql("SELECT body FROM alert WHERE state = 'normal'")
        assert file in body
        assert all("door" in str(each) for each in removed)


@pytest.mark.usefixtures("segments")
@story
async def test_a_clip_that_is_forgotten_while_its_disk_is_away_does_not_come_back_with_it(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        file = await kept(one)
        one.clips.rename(tmp_path / "elsewhere")
        await one.room.reconcile(one.clock.now())
        assert [each.what for each in await one.evidence.forget(DOOR, at(1000).utc, at(2000).utc)] == []
        missing, *_segments = await one.evidence.forget(DOOR, at(0).utc, at(11).utc)
        assert (missing.what, missing.name) == ("missing", file)
        (tmp_path / "elsewhere").rename(one.clips)
        await one.room.reconcile(one.clock.now())
        assert one.files() == []
        assert [state for _, state, _ in await one.rows()] == ["removed"]
        assert await one.evidence.forget(DOOR, at(0).utc, at(11).utc) == (), "once is enough"


@pytest.mark.usefixtures("segments")
@story
async def test_a_clip_of_which_nobody_knows_when_it_was_is_forgotten_with_what_it_may_be_of(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        file = await kept(one)
        os.utime(one.clips / file, (at(15).utc.timestamp(),) * 2)
        await one.sql("UPDATE clip SET state = 'failed', body = ?", text(GONE, Gone(why="unreadable")))
        await one.room.reconcile(one.clock.now())
        removed = await one.evidence.forget(DOOR, at(9).utc, at(11).utc)
        assert file in [each.name for each in removed]
        assert one.files() == []


@pytest.mark.usefixtures("segments")
@story
async def test_what_is_forgotten_is_found_however_many_clips_there_are(tmp_path: Path) -> None:
    async with box(tmp_path) as one:
        file = await kept(one)
        many = """INSERT INTO clip WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
          SELECT 'a' || i, 'a', 'other', 'kept', i, 1, 0, '' FROM n"""
        await one.sql(many, MANY + 1)
        removed = await one.evidence.forget(DOOR, at(0).utc, at(11).utc)
        assert [each.name for each in removed][:1] == [file]
        assert one.files() == []


@pytest.mark.usefixtures("segments")
@story
async def test_what_is_forgotten_while_clips_are_made_is_not_made_after_all(tmp_path: Path) -> None:
    orders, forgetting = [], []

    async def forgets_meanwhile(order: CutOrder) -> Cut | Uncut:
        orders.append(order)
        forgetting.append(asyncio.create_task(one.evidence.forget(DOOR, at(0).utc, at(30).utc)))
        await asyncio.sleep(0)  # so that it waits for its turn
        return await helped(order)

    async with box(tmp_path, cut=forgets_meanwhile) as one:
        await one.judge(YES, 10)
        await one.judge(YES, 14, THEFT)
        await one.turn(19)
        await asyncio.gather(*forgetting)
        assert len(orders) == 1
        assert [state for _, state, _ in await one.rows()] == ["removed", "removed"]
        assert one.files() == []


@story
async def test_segments_of_other_boots_and_of_sensors_that_are_gone_do_not_stay(tmp_path: Path, segments: Path) -> None:
    other = tmp_path / "runtime" / "0c7b0b2e-58d7-4e3c-9d3e-3c1f4d0a8f11" / "door"
    stranger = segments.parent / "stranger"
    for folder in (other, stranger):
        folder.mkdir(parents=True)
        (folder / "1-2-1.nut").write_bytes(b"x")
        (folder / "1-1.part").write_bytes(b"x")
    async with box(tmp_path) as one:
        await one.turn(20)
    assert not other.exists()
    assert not stranger.exists()
    assert len(listed(segments)) == 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@story
async def test_whoever_waits_for_work_that_breaks_is_told() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError):
            await apart(lambda: 1 // 0)
    for thread in threading.enumerate():  # its trace belongs to this test
        if thread.name == "evidence":
            thread.join(5)


@pytest.mark.usefixtures("segments")
def test_evidence_runs_by_itself_and_ends_when_told(tmp_path: Path) -> None:
    @story
    async def run() -> None:
        async with box(tmp_path) as one:
            running = asyncio.create_task(one.evidence.run())
            await one.judge(YES, 10)
            one.clock.at_s = 16
            until = time.monotonic() + 20
            while not (await one.alert()).evidence:
                assert time.monotonic() < until
                await asyncio.sleep(0.05)
            running.cancel()
            await asyncio.wait({running})

    run()
