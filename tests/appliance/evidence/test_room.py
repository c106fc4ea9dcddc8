"""The room of evidence: rows and files are made true of each other, what is kept has bounds, and what is unseen never goes in silence."""

import os
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.event import Verb
from appliance.store.clip_rows import GONE, MANY, Gone
from appliance.store.rows import text
from sensors.segment import listed
from tests.appliance.evidence.evidence_box import DOOR, NO, THEFT, YES, at, box, film, keeping, kept, segments, story

__all__ = ["film", "segments"]


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
        size = sum((one.clips / name).stat().st_size for name in one.files())
        assert await one.sql("SELECT bytes FROM clip WHERE state = 'kept'") == [(size,)], "its poster takes room too"
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
