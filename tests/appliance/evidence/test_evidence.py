"""Evidence: each alarm gets its clip, whatever ends the box in between."""

import asyncio
import hashlib
import os
import re
import threading
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import av
import cv2
import pytest

from alerts.event import Verb
from appliance.config.evidence_form import EvidenceUse
from appliance.evidence.clip_helper import helped
from appliance.evidence.evidence import MAX_ATTEMPTS, MAX_WANTED
from appliance.evidence.files import apart
from appliance.store.clip_rows import CLIP, WANTED, Wanted
from appliance.store.rows import text
from sensors.cues import Box
from sensors.cut import Cut, CutOrder, Uncut
from sensors.segment import listed
from tests.appliance.evidence.evidence_box import DOOR, ENTRY, LOST, NO, THEFT, YES, at, box, film, kept, segments, story

__all__ = ["film", "segments"]

MASK = Box(x0=0.0, y0=0.0, x1=0.5, y1=0.5)


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
