"""The blank control: what is asked about nothing, once and only while nobody waits, and that a policy which agrees is flagged and left alone."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from alerts.names import BLANK_SENSOR
from analyzers.cue_judge import CueJudge
from analyzers.interview import JudgeCondition, JudgeNews, Quantization
from analyzers.judge import Question
from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict, verdict_of
from analyzers.omni.folder import read
from analyzers.omni.plan import this_machine
from analyzers.policy import Policy, PolicyId
from analyzers.queue import Queue
from analyzers.share import SHARE, SPAN_S
from appliance.blank.blanks import Asking, Blank, Picture, Shape, Source, askings, blanks, worded
from appliance.blank.control import BlankControl, Means
from appliance.blank.figures import BlankFigures
from appliance.blank.findings import FINDING, Finding, flags, outcome
from appliance.blank.hollow import hollow
from appliance.blank.kept import kept_flags
from appliance.config.configuration import Configuration, load
from appliance.pipeline import Pipeline
from appliance.store.remembered import remember
from appliance.store.store import Store
from appliance.watch import Watch, watch
from sensors.news import SensorCondition, SensorNews
from sensors.picture import cropped, fitted
from sensors.settings import SensorSettings, WindowShape, Zone
from sensors.slots import SlotLayout, Slots
from sensors.window import Sense, SensorId, ViewId
from tests.appliance.test_pipeline import ASKED, CELL, HALL, IN_CELL, START, Hands, answer, watching, window

MODEL = Path(__file__).parents[3] / "appliance" / "demo" / "model"
SHAPE = Shape(zone="", width=224, height=128, pairs=2, pair_s=2.0)
SEES, HEARS = Source(width=480, height=272, has_sound=False), Source(width=0, height=0, has_sound=True)
BOTH = replace(SEES, has_sound=True)
GREY, BLACK = Blank(shape=SHAPE, picture=Picture.GREY, silence=False), Blank(shape=SHAPE, picture=Picture.BLACK, silence=False)
SETTINGS = SensorSettings(
    sensor=HALL, source="file:x", window=WindowShape(length_s=4.0, every_s=2.0, fps=1, longest_side=224), slots=4,
    zones=(Zone(view=CELL, polygon=((0.552, 0.27), (0.952, 0.27), (0.952, 0.742), (0.552, 0.742))),),
)  # fmt: skip
FOUND = Finding(model="m", question=worded(ASKED), blank=GREY, log_odds=-5.0, label_mass=1.0, at=datetime(2026, 5, 4, tzinfo=UTC))


# What is asked.


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SEES, ["a grey picture without sound", "a black picture without sound"]),
        (HEARS, ["silence"]),
        (BOTH, ["a grey picture and silence", "a black picture and silence", "a grey picture without sound", "a black picture without sound"]),
        (Source(width=0, height=0, has_sound=False), []),
    ],
    ids=["sight", "sound", "both", "neither"],
)
def test_windows_of_nothing_have_the_senses_of_real_ones(source: Source, said: list[str]) -> None:
    assert [str(blank) for blank in blanks(SHAPE, source)] == said


def asked_of(policies: Iterable[Policy], source: Source = BOTH, model: str = "m") -> tuple[Asking, ...]:
    return askings(watching(*policies), [SETTINGS], {HALL: source}, model)


def test_a_policy_is_asked_only_with_the_senses_that_it_needs() -> None:
    hears, sees = (replace(ASKED, id=PolicyId(sense), senses=frozenset({sense})) for sense in (Sense.SOUND, Sense.SIGHT))
    found = asked_of([ASKED, hears, sees])
    assert {policy: sum(each.policy.id == policy for each in found) for policy in ("asked", "sound", "sight")} == {"asked": 4, "sound": 2, "sight": 4}
    assert all(each.blank.silence for each in found if each.policy is hears)


@pytest.mark.parametrize(("width", "height"), [(480, 272), (1920, 1080), (333, 777), (100, 60)])
def test_a_view_has_the_size_that_the_sensor_gives_it(width: int, height: int) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    real = {view: fitted(part, 224).shape[:2] for view, part in (("", picture), (".cell", cropped(picture, SETTINGS.zones[0])))}
    found = asked_of([ASKED, IN_CELL], Source(width=width, height=height, has_sound=False))
    assert {each.blank.shape.zone: (each.blank.shape.height, each.blank.shape.width) for each in found} == real


def test_sensors_of_one_shape_and_cues_cost_nothing_more_and_a_sensor_that_never_opened_is_not_guessed_at() -> None:
    yard = SensorId("yard")
    both = replace(ASKED, sensors=(HALL, yard))
    everywhere = Watch(by_view={ViewId(HALL): (both,), ViewId(yard): (both,)}, by_facts={}, strides={})
    one, other = SETTINGS, replace(SETTINGS, sensor=yard)
    assert len(askings(everywhere, [one, other], {HALL: SEES, yard: SEES}, "m")) == 2
    assert len(askings(everywhere, [one, other], {HALL: SEES, yard: replace(SEES, width=272)}, "m")) == 4
    assert askings(everywhere, [one, other], {}, "m") == ()


def test_what_a_score_depends_on_makes_another_question_and_a_threshold_does_not() -> None:
    def keys(policy: Policy = ASKED, source: Source = SEES, model: str = "m") -> set[str]:
        return {each.key for each in asked_of([policy], source, model)}

    same = keys()
    assert keys(replace(ASKED, threshold=0.9, title="?")) == same
    others = [keys(replace(ASKED, ask="!")), keys(replace(ASKED, unless="!")), keys(model="n"), keys(source=replace(SEES, height=480))]
    assert not any(other & same for other in others)


# What comes of it.


def test_a_policy_that_says_yes_to_nothing_is_flagged_at_its_own_threshold() -> None:
    asked = asked_of([replace(ASKED, threshold=0.8)], SEES)
    no, yes = (replace(FOUND, log_odds=score) for score in (1.3, 1.4))  # the threshold is 1.386
    found = {asked[0].key: no, asked[1].key: replace(no, log_odds=-7.0)}
    assert outcome(asked, found, ()).flags == ()
    now = outcome(asked, found | {asked[1].key: yes}, ())
    assert [str(flag) for flag in now.flags] == ["asked says yes to a grey picture without sound (score 0.80, threshold 0.80)"]
    assert (now.policies, now.asked, now.unanswered, now.scores) == (1, 1, 0, {"asked": 1.4})


@pytest.mark.parametrize("finding", [replace(FOUND, log_odds=9.0, label_mass=0.4), replace(FOUND, log_odds=None, label_mass=None)])
def test_what_is_neither_yes_nor_no_flags_nothing_and_is_no_score(finding: Finding) -> None:
    asked = asked_of([ASKED], SEES)
    now = outcome(asked, {each.key: finding for each in asked}, ())
    assert (now.asked, now.flags, now.scores) == (1, (), {})


def test_what_was_not_asked_and_what_was_not_answered_are_said_apart() -> None:
    asked = asked_of([ASKED, replace(ASKED, id=PolicyId("other"), ask="other")], SEES)
    first = {each.key: FOUND for each in asked if each.policy.id == "asked"}
    assert (outcome(asked, first, ()).asked, outcome(asked, first, ()).unanswered) == (1, 0)
    broke = outcome(asked, first, {each.key for each in asked} - first.keys())
    assert (broke.asked, broke.unanswered) == (2, 1)


def test_what_is_kept_flags_a_policy_only_under_this_model_and_in_these_words() -> None:
    yes = replace(FOUND, log_odds=3.0)
    assert [flag.policy.id for flag in flags([ASKED], [FOUND, yes], "m")] == ["asked"]
    assert flags([ASKED], [yes], "n") == flags([replace(ASKED, unless="!")], [yes], "m") == flags([replace(ASKED, threshold=0.99)], [yes], "m") == ()
    assert flags([replace(ASKED, senses=frozenset({Sense.SOUND}))], [yes], "m") == (), "it is never asked of pictures alone"


@pytest.mark.parametrize(("blank", "level"), [(GREY, 128), (BLACK, 0)], ids=["grey", "black"])
def test_a_window_of_nothing_can_be_read_like_any_other_and_holds_nothing(blank: Blank, level: int) -> None:
    silent = replace(blank, silence=True)
    with hollow(silent) as made:
        question, slots = made.question(7, START, (ASKED,)), Slots(made.layout, os.dup(made.memory), writable=False)
        seen = slots.window_frames(question.window.slots, question.view, 128, 224)
        assert (seen.shape, set(np.unique(seen))) == ((4, 128, 224, 3), {level})
        heard = slots.window_sound(question.window.slots)
        assert (heard.shape, np.any(heard)) == ((64_000,), np.False_)
    assert question.window.senses == {Sense.SIGHT, Sense.SOUND}
    assert question.window.end.since(question.window.start) == timedelta(seconds=4)


# Its way.


class FakeJudge:
    """Has a score for each policy, and breaks where it has none."""

    def __init__(self) -> None:
        self.ready = True
        self.news = JudgeNews(condition=JudgeCondition.READY, model="m")
        self.scores: dict[str, float] = {"asked": -5.0}
        self.asked: list[tuple[Question, ...]] = []
        self.slots_of: list[SensorId] = []

    def slots(self, layout: SlotLayout, _memory: int) -> None:
        self.slots_of.append(layout.sensor)

    def detach(self, sensor: SensorId) -> None:
        self.slots_of.remove(sensor)

    def blanks(self) -> int:
        return sum(question.window.sensor == BLANK_SENSOR for batch in self.asked for question in batch)

    async def judge(self, batch: tuple[Question, ...]) -> tuple[Judgement, ...]:
        self.asked.append(batch)
        return tuple(self._answer(question, policy) for question in batch for policy in question.policies)

    def _answer(self, question: Question, policy: Policy) -> Judgement:
        score = self.scores.get(policy.id)
        if score is None:
            return replace(answer(question, policy, Verdict.FAILED), by=JudgeKind.SUPERVISOR, cause=Cause.JUDGE_FAULT, log_odds=None)
        verdict, cause = verdict_of(policy, score, 1.0)
        return replace(answer(question, policy, verdict), by=JudgeKind.OMNI, cause=cause, log_odds=score, label_mass=1.0)


@dataclass
class Room:
    """A pipeline with a real store, a camera that is online, and a judge that is played by hand."""

    store: Store
    pipeline: Pipeline
    judge: FakeJudge
    clock: Hands
    registry: CollectorRegistry
    configuration: Configuration
    control: BlankControl
    shown: list[object] = field(default_factory=list)
    rests: int = 0

    async def settle(self) -> None:
        """Turns of the judge, until the control has looked and found nothing to ask."""
        self.rests = 0
        async with asyncio.timeout(10):
            while self.rests < 2:  # the first may have begun before whatever is to be settled
                await self.pipeline.judge_once()
                await asyncio.sleep(0)

    async def asking(self) -> None:
        """Until the control has put a blank into the queue."""
        for _ in range(10_000):
            if len(self.pipeline.queue):
                return
            await asyncio.sleep(0)
        pytest.fail("nothing was asked")

    def score(self) -> float | None:
        return self.registry.get_sample_value("omniwatch_policy_blank_log_odds", {"policy": "asked"})


BOX = """\
site: s
box: b
timezone: UTC
state: state
sensors: {hall: {source: 'rtsp://10.0.0.1/a', window: {length: 4s, every: 2s, fps: 1, longest_side: 224}}}
judge: {kind: omni, model: MODEL, threads: 1}
policies:
  - {id: asked, ask: ASK, sensors: [hall], threshold: THRESHOLD}
"""


def configured(folder: Path, ask: str = "Is it so?", threshold: float = 0.5) -> Configuration:
    (folder / "box.yaml").write_text(BOX.replace("MODEL", str(MODEL)).replace("ASK", ask).replace("THRESHOLD", str(threshold)))
    return load(folder / "box.yaml")


async def furnished(folder: Path) -> Room:
    clock, judge, registry = Hands(), FakeJudge(), CollectorRegistry()
    store = await Store.open(folder / "omniwatch.db", clock.now())
    queue = Queue(capacity=100, max_age=timedelta(seconds=20))
    pipeline = Pipeline(clock=clock, cues=CueJudge(), judge=judge, ledger=store, teller=None, queue=queue)
    news = SensorNews(sensor=HALL, condition=SensorCondition.ONLINE, width=480, height=272, codec="h264", sound_codec="aac")
    fleet = SimpleNamespace(status=lambda: {HALL: SimpleNamespace(news=news)})
    means = Means(pipeline=pipeline, judge=judge, fleet=fleet, store=store, clock=clock, figures=BlankFigures(registry))  # type: ignore[arg-type]
    configuration = configured(folder)
    room = Room(
        store=store, pipeline=pipeline, judge=judge, clock=clock, registry=registry, configuration=configuration, control=BlankControl(means)
    )
    pipeline.observers.append(room.shown.append)
    await pipeline.configure(watch(configuration))
    room.control.configure(configuration, watch(configuration))
    return room


def rested(room: Room) -> tuple[Asking, ...]:
    room.rests += 1
    return ()


def story(test: Callable[[Room], Coroutine[None, None, None]]) -> Callable[[Path, pytest.MonkeyPatch], None]:
    """Run a test in an event loop of its own, with a room in which the control looks often."""

    @wraps(test)
    def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("appliance.blank.control.LOOK_EVERY_S", 0)

        async def play() -> None:
            room = await furnished(tmp_path)
            due = room.control._due  # noqa: SLF001 - how often it found nothing
            monkeypatch.setattr(room.control, "_due", lambda: due() or rested(room))
            running = asyncio.create_task(room.control.run())
            try:
                await test(room)
                assert not running.done()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await room.store.close(room.clock.now())
            assert room.judge.slots_of == []

        asyncio.run(play())

    del run.__wrapped__  # type: ignore[attr-defined] - or pytest would look for a fixture `room`
    return run


@story
async def test_each_blank_is_asked_once_and_not_again_after_a_restart(room: Room) -> None:
    await room.settle()
    assert (room.judge.blanks(), room.control.outcome.asked, room.score()) == (4, 1, -5.0)
    anew = BlankControl(room.control._means)  # noqa: SLF001 - as after a restart
    anew.configure(room.configuration, watch(room.configuration))
    running = asyncio.create_task(anew.run())
    async with asyncio.timeout(10):
        while not anew.outcome.asked:
            await room.pipeline.judge_once()
            await asyncio.sleep(0)
    running.cancel()
    assert room.judge.blanks() == 4


@story
async def test_what_is_said_of_nothing_goes_past_the_rules_and_the_record(room: Room) -> None:
    room.judge.scores["asked"] = 9.0
    await room.settle()
    assert room.judge.blanks() == 4
    assert room.shown == []
    assert room.pipeline.tracks() == ()
    await room.store.upkeep(room.clock.now())
    assert await room.store.do(lambda connection: connection.execute("SELECT count(*) FROM span").fetchone()) == (0,)


@story
async def test_a_policy_that_agrees_to_nothing_is_flagged_once_and_nothing_is_changed(room: Room) -> None:
    room.judge.scores["asked"] = 0.5
    await room.settle()
    (flag,) = room.control.outcome.flags
    assert (flag.policy.id, flag.finding.log_odds, room.score()) == ("asked", 0.5, 0.5)
    calmer = configured(room.configuration.state.parent, threshold=0.9)
    room.control.configure(calmer, watch(calmer))
    await room.settle()
    assert (room.judge.blanks(), room.control.outcome.flags, room.score()) == (4, (), 0.5), "a threshold is moved without asking anew"
    reworded = configured(room.configuration.state.parent, ask="Is it otherwise?")
    room.judge.scores["asked"] = -3.0
    room.control.configure(reworded, watch(reworded))
    await room.settle()
    assert (room.judge.blanks(), room.score()) == (8, -3.0)
    kept = await room.store.do(lambda connection: connection.execute("SELECT count(*) FROM setting WHERE name LIKE 'blank %'").fetchone())
    assert kept == (4,), "what no policy asks any more is forgotten"


@story
async def test_another_model_is_asked_anew(room: Room) -> None:
    await room.settle()
    room.judge.news, room.judge.scores["asked"] = replace(room.judge.news, model="n"), -1.0
    await room.settle()
    assert (room.judge.blanks(), room.score()) == (8, -1.0)


@story
async def test_windows_come_first_and_a_blank_that_waited_for_too_long_is_asked_another_time(room: Room) -> None:
    for second in range(1, 30):
        room.clock.at_s = second
        await room.asking()
        await room.pipeline.window(window(second))  # there is always one that waits
        assert await room.pipeline.judge_once()
        assert {question.window.sensor for question in room.judge.asked[-1]} == {HALL}
    assert room.judge.blanks() == 0
    await room.settle()
    assert room.judge.blanks() == 4


@story
async def test_where_the_judge_breaks_nothing_is_asked_on_until_a_reload(room: Room) -> None:
    room.judge.scores.clear()
    await room.settle()
    assert room.judge.blanks() == 1
    assert (room.control.outcome.asked, room.control.outcome.unanswered) == (1, 1)
    room.judge.scores["asked"] = -5.0
    room.control.configure(room.configuration, watch(room.configuration))
    await room.settle()
    assert (room.judge.blanks(), room.control.outcome.unanswered, room.score()) == (5, 0, -5.0)


@story
async def test_it_takes_no_more_than_its_share_of_the_judges_time(room: Room) -> None:
    loop = asyncio.get_running_loop()
    room.control._share.spend(loop.time(), SHARE * SPAN_S)  # noqa: SLF001 - as if blanks had taken so long
    await room.asking()
    await room.pipeline.judge_once()
    assert (room.judge.blanks(), len(room.pipeline.queue)) == (0, 1)


@story
async def test_a_configuration_without_a_model_asks_nothing_and_shows_nothing(room: Room) -> None:
    await room.settle()
    room.pipeline.judge, room.judge.ready = None, False
    room.control.configure(room.configuration, watch(room.configuration))
    await room.settle()
    assert (room.control.outcome.policies, room.score()) == (0, None)


# What is kept, as others read it.


def test_check_and_doctor_read_what_was_kept_beside_a_running_box(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    assert kept_flags(configuration) == ()
    configuration.state.mkdir()

    async def checked() -> str:
        store = await Store.open(configuration.state / "omniwatch.db", START)
        (policy,) = configuration.policies
        model = read(MODEL).fingerprint(Quantization.NF4, this_machine("auto").device)
        found = replace(FOUND, model=model, question=worded(policy), log_odds=2.0)
        await remember(store, {"blank x": FINDING.dump_json(found).decode()})
        command = [sys.executable, "-m", "appliance", "check", str(tmp_path / "box.yaml")]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
        await store.close(START)
        return " ".join(done.stdout.split())

    assert "warning asked says yes to a grey picture without sound (score 0.88, threshold 0.50): the model likely agrees" in asyncio.run(checked())


def test_a_store_that_cannot_be_read_keeps_nothing(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    configuration.state.mkdir()
    (configuration.state / "omniwatch.db").write_bytes(b"no database" * 100)
    assert kept_flags(configuration) == ()
