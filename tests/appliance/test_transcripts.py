"""What people said, and what was said of a scene: told where its policy wants it, counted, and taken out of all that is stored."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alerts.alert import Change
from alerts.event import Commanded, Verb
from alerts.reason import Reason
from analyzers.interview import Forgo
from analyzers.transcript import Transcribed, Transcript, outcome
from sensors.window import ViewId
from tests.appliance.described_room import HELP, OTHER, PERSON, SPOKEN, WRITTEN, Room, story, turns
from tests.appliance.test_pipeline import ASKED, HALL, START, watching


@story
async def test_what_is_forgotten_in_the_middle_is_not_told(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)  # one under way, one that waits
    assert await room.describing.forget(HALL, START.utc, seen.end.utc) == ()
    assert isinstance(room.judge.sent[-1], Forgo)
    await room.ends(WRITTEN)
    await room.turn()
    assert (room.unwritten(), room.changes(), room.released) == ({"forgotten": 2}, [Change.OPENED] * 2, [seen.id])


@story
async def test_what_was_said_is_taken_out_of_all_that_is_stored_and_that_is_told(room: Room) -> None:
    seen = await room.hit(1)
    await room.ends(WRITTEN)
    day = datetime(2026, 5, 5, tzinfo=UTC)
    assert await room.describing.forget(HALL, day, day) == ()
    (said,) = await room.describing.forget(HALL, START.utc, seen.end.utc)
    assert said == f"description of alert {room.pipeline.tracks()[0].alert.id}"
    assert room.decisions[-1].reason is Reason.FORGOTTEN
    assert [note.alert.description for note in await room.store.pending("mqtt", 9)] == [None] * 3
    await room.store.upkeep(room.clock.now())
    everything = await room.store.do(lambda connection: list(connection.iterdump()))
    assert not [line for line in everything if PERSON.what in line]


@story
async def test_what_is_forgotten_while_it_is_being_told_is_gone_too(room: Room) -> None:
    seen = await room.hit(1)
    disk = threading.Event()
    at = room.clock.now()
    busy = asyncio.create_task(room.store.do(lambda _connection: disk.wait(10)))
    other = asyncio.create_task(room.pipeline.fold([(ASKED, ViewId(HALL), Commanded(verb=Verb.ACKNOWLEDGE, who="anna", at=at))]))
    await turns()
    room.judge.wishes.hear(replace(WRITTEN, id=room.judge.wish.id))
    await turns()  # the text waits until that is folded
    forgetting = asyncio.create_task(room.describing.forget(HALL, START.utc, seen.end.utc))
    await turns()
    disk.set()
    await asyncio.gather(busy, other, forgetting)
    await room.settled()
    await room.store.upkeep(room.clock.now())
    everything = await room.store.do(lambda connection: list(connection.iterdump()))
    assert not [line for line in everything if PERSON.what in line]
    assert not [track for track in room.pipeline.tracks() if track.alert and track.alert.description]


@story
async def test_what_was_said_is_told_with_it_counted_and_forgotten_with_it(room: Room) -> None:
    room.watch = watching(SPOKEN)
    await room.pipeline.configure(room.watch)
    seen = await room.hit(1)
    await room.ends(replace(WRITTEN, description=HELP))
    _, update = await room.store.pending("mqtt", 9)
    assert update.alert.description == HELP
    assert room.transcripts() == {"words": 1}
    assert room.holding("gestürzt")
    await room.describing.forget(HALL, START.utc, seen.end.utc)
    await room.store.upkeep(room.clock.now())
    everything = await room.store.do(lambda connection: list(connection.iterdump()))
    assert not [line for line in everything if "gestürzt" in line]
    assert room.holding("gestürzt") == [], "neither in what is free there, nor in the journal"


@story
async def test_a_policy_that_does_not_want_to_know_any_more_what_was_said_is_not_told(room: Room) -> None:
    room.watch = watching(SPOKEN)
    await room.pipeline.configure(room.watch)
    await room.hit(1)
    room.watch = watching(ASKED)
    await room.pipeline.configure(room.watch)
    await room.ends(replace(WRITTEN, description=HELP))
    _, update = await room.store.pending("mqtt", 9)
    assert update.alert.description == PERSON
    assert room.transcripts() == {}


@story
async def test_a_policy_that_wants_to_know_what_was_said_since_its_hit_waits_is_told(room: Room) -> None:
    room.watch = watching(ASKED, OTHER)
    await room.pipeline.configure(room.watch)
    await room.hit(1)  # one under way, one that waits
    room.watch = watching(ASKED, replace(OTHER, transcript=True))
    await room.pipeline.configure(room.watch)
    await room.ends(WRITTEN)
    await room.turn()
    assert room.judge.wish.ask.policies == (OTHER.id,)
    await room.ends(replace(WRITTEN, description=HELP))
    assert (room.count("written"), room.unwritten(), room.transcripts()) == (2, {}, {"words": 1})


@pytest.mark.parametrize(
    ("transcript", "is_counted_as"),
    [
        (None, Transcribed.MISSING),
        (Transcript(text=""), Transcribed.SILENCE),
        (Transcript(text="Hilfe"), Transcribed.WORDS),
        (Transcript(text="Hilfe", cut=True), Transcribed.CUT),
        (Transcript(text="", cut=True), Transcribed.CUT),
    ],
)
def test_every_end_of_a_transcript_has_a_name(transcript: Transcript | None, is_counted_as: Transcribed) -> None:
    assert outcome(transcript) is is_counted_as
