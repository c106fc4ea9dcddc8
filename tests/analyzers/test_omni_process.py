"""The judge process, for real: a socket pair, a memfd, a model on the disk."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analyzers.interview import (
    Answers,
    Ask,
    Batch,
    CaptionerModel,
    Detach,
    Heard,
    JudgeCondition,
    JudgeNews,
    JudgeSettings,
    Policies,
    Said,
    SecondLook,
    Wish,
    WishEnded,
)
from analyzers.judgement import Judgement
from analyzers.policy import Policy
from sensors.window import Sense
from sensors.wire import MAX_DATAGRAM_BYTES, Codec
from tests.analyzers.scene import Scene, policy

pytestmark = pytest.mark.model

SAYS: Codec[Said] = Codec(Said)
HEARS: Codec[Heard] = Codec(Heard)
PERSON, GLASS = policy("Is there a person?"), policy("Does glass break?")
PATIENCE_S = 60.0
SMALL = Path(__file__).parents[2] / "appliance" / "demo" / "model"


class Process:
    """A judge process and the supervisor's end of its socket."""

    def __init__(self) -> None:
        """Start it."""
        self.end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.settimeout(PATIENCE_S)
        command = [sys.executable, "-m", "analyzers.main", "--socket", str(theirs.fileno())]
        self.process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stderr=subprocess.PIPE, text=True)
        theirs.close()

    def tell(self, message: Heard, *descriptors: int) -> None:
        """Send a message, with descriptors."""
        socket.send_fds(self.end, [HEARS.encode(message)], list(descriptors))

    def news(self) -> JudgeNews:
        """The next message, which is news."""
        message = SAYS.decode(self.end.recv(MAX_DATAGRAM_BYTES))
        assert isinstance(message, JudgeNews)
        return message

    def answers(self) -> list[Answers]:
        """The next answers, to the last of their datagrams."""
        found: list[Answers] = []
        while not found or found[-1].more:
            message = SAYS.decode(self.end.recv(MAX_DATAGRAM_BYTES))
            assert isinstance(message, Answers)
            found.append(message)
        return found

    def ended(self) -> int:
        """Its exit status, once it ends."""
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it and leave nothing behind."""
        self.end.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def process() -> Iterator[Process]:
    started = Process()
    yield started
    started.close()


def ready(process: Process, folder: Path) -> JudgeNews:
    process.tell(JudgeSettings(model=str(folder), device="cpu"))
    assert process.news().condition is JudgeCondition.LOADING
    return process.news()


def ask(scene: Scene, policies: Sequence[Policy], slots: tuple[int, ...] = (0, 1)) -> Ask:
    return Ask(window=scene.window(slots), view=scene.whole, policies=tuple(each.id for each in policies))


def test_it_loads_and_answers_from_the_sensors_memory_with_what_was_known_when_it_was_asked(
    process: Process, tiny_folder: Path, make_scene: Callable[..., Scene]
) -> None:
    scene, other = make_scene(), make_scene(seed=1)
    process.tell(JudgeSettings(model=str(tiny_folder), device="cpu"))
    # What comes while it loads is kept, and in order.
    process.tell(Policies(first=True, policies=(GLASS,)))
    process.tell(Policies(first=False, policies=(PERSON,)))
    process.tell(scene.layout, scene.memory)
    process.tell(Batch(id=7, asks=(ask(scene, [PERSON, GLASS]),)))
    process.tell(Detach(sensor=scene.sensor))
    process.tell(other.layout, other.memory)
    process.tell(Policies(first=True, policies=(replace(PERSON, threshold=0.999),)))
    process.tell(Batch(id=8, asks=(ask(scene, [PERSON, GLASS]),)))
    assert process.news().condition is JudgeCondition.LOADING
    process.process.send_signal(signal.SIGINT)  # Ctrl-C in a terminal reaches the children too, and is the supervisor's business
    news = process.news()
    assert (news.condition, news.device) == (JudgeCondition.READY, "cpu")
    assert "nf4" in news.model
    assert news.weight_bytes > 800_000
    (before,), (after,) = process.answers(), process.answers()
    assert (before.id, after.id) == (7, 8)
    assert [each.policy for each in before.judgements] == [PERSON.id, GLASS.id]
    assert [each.policy for each in after.judgements] == [PERSON.id]  # GLASS is not known any more
    assert all(each.log_odds is not None for each in (*before.judgements, *after.judgements))
    assert before.judgements[0].log_odds != after.judgements[0].log_odds  # it was another memory
    assert before.cost.media_tokens == 2 * 2 * 3 + 26
    assert before.cost.took_s > 0
    process.end.close()
    assert process.ended() == 0
    assert process.process.stderr is not None
    assert not process.process.stderr.read()  # libraries' chatter is no log


def test_a_hit_is_described_and_a_batch_that_comes_meanwhile_is_answered_first(
    process: Process, tiny_folder: Path, make_scene: Callable[..., Scene]
) -> None:
    scene = make_scene()
    process.tell(JudgeSettings(model=str(tiny_folder), device="cpu", describes=True))
    said_too = replace(PERSON, senses=frozenset(Sense), transcript=True)
    process.tell(Policies(first=True, policies=(said_too,)))
    process.tell(scene.layout, scene.memory)
    process.tell(Wish(id=1, ask=ask(scene, [PERSON]), language="German", until_ns=2**62))
    process.tell(Batch(id=2, asks=(ask(scene, [PERSON], (2, 3)),)))  # it lies there before the first word
    assert [process.news().condition for _ in range(2)] == [JudgeCondition.LOADING, JudgeCondition.READY]
    said = [SAYS.decode(process.end.recv(MAX_DATAGRAM_BYTES)) for _ in range(3)]
    assert [each.kind for each in said] == ["answers", "perceived", "ended"]
    ended = said[-1]
    assert isinstance(ended, WishEnded)
    assert ended.description
    assert ended.description.transcript
    assert ended.first_word_ns
    process.end.close()
    assert process.ended() == 0


def test_answers_that_are_too_large_for_a_datagram_come_in_several(process: Process, tiny_folder: Path, make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    many = [replace(PERSON, id=type(PERSON.id)(f"policy-{number:039d}-x")) for number in range(250)]
    assert ready(process, tiny_folder).condition is JudgeCondition.READY
    process.tell(scene.layout, scene.memory)
    for start in range(0, len(many), 20):
        process.tell(Policies(first=start == 0, policies=tuple(many[start : start + 20])))
    process.tell(Batch(id=1, asks=(ask(scene, many),)))
    found = process.answers()
    judgements: list[Judgement] = [each for answers in found for each in answers.judgements]
    assert len(found) > 1
    assert [each.policy for each in judgements] == [each.id for each in many]
    assert [answers.more for answers in found] == [True] * (len(found) - 1) + [False]
    assert sum(answers.cost.media_tokens for answers in found) == 2 * 2 * 3 + 26


def test_answers_in_doubt_are_those_of_the_second_model_and_a_captioner_hears_for_the_first(
    process: Process, tiny_folder: Path, tmp_path: Path, make_scene: Callable[..., Scene]
) -> None:
    thinking = Path(shutil.copytree(tiny_folder, tmp_path / "Qwen3-Omni-tiny-Thinking"))
    scene = make_scene()
    ear = Path(shutil.copytree(tiny_folder, tmp_path / "Qwen3-Omni-tiny-Captioner"))
    look, captioner = SecondLook(model=str(thinking), band=10.0), CaptionerModel(model=str(ear))
    process.tell(JudgeSettings(model=str(tiny_folder), device="cpu", second_look=look, describes=True, captioner=captioner))
    sure = replace(GLASS, threshold=1 - 1e-12)
    process.tell(Policies(first=True, policies=(sure, PERSON)))
    process.tell(scene.layout, scene.memory)
    process.tell(Batch(id=1, asks=(ask(scene, [PERSON, sure]),)))
    assert process.news().condition is JudgeCondition.LOADING
    news = process.news()
    assert news.detail.startswith("second look: Qwen3-Omni-tiny-Thinking ")
    (found,) = process.answers()
    doubtful, certain = (each.fingerprint.model for each in found.judgements if each.fingerprint)
    assert (doubtful.split()[0], certain) == ("Qwen3-Omni-tiny-Thinking", news.model)
    assert "; captioner: Qwen3-Omni-tiny-Captioner " in news.detail
    heard = replace(GLASS, senses=frozenset({Sense.SOUND}))
    process.tell(Policies(first=True, policies=(heard,)))
    process.tell(Wish(id=1, ask=ask(scene, [heard]), until_ns=2**62))
    said = [SAYS.decode(process.end.recv(MAX_DATAGRAM_BYTES)) for _ in range(2)]
    assert isinstance(said[-1], WishEnded)
    assert said[-1].description


@pytest.fixture
def copied(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: folder / "nowhere", "there is no folder"),
        (lambda folder: (folder / "model.safetensors").unlink(), "lacks 1 of 1 files of weights"),
        (lambda folder: os.truncate(folder / "model.safetensors", 900_000), "the download is not complete"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"version": '), "tokenizer.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "llama"}'), "'llama', which cannot judge here"),
    ],
    ids=["no folder", "no weights", "half a download", "half a tokenizer", "another model"],
)
def test_a_folder_that_cannot_judge_is_told_as_down_with_what_to_do(
    process: Process, copied: Path, spoil: Callable[[Path], object], says: str
) -> None:
    other = spoil(copied)
    news = ready(process, other if isinstance(other, Path) else copied)
    assert news.condition is JudgeCondition.DOWN
    assert says in news.detail
    assert len(news.detail) <= 300
    assert process.ended() == 1


def test_it_ends_when_the_socket_closes_even_while_it_loads(process: Process, tiny_folder: Path) -> None:
    process.tell(JudgeSettings(model=str(tiny_folder), device="cpu"))
    assert process.news().condition is JudgeCondition.LOADING
    process.end.close()
    assert process.ended() == 0


def test_it_ends_when_the_socket_closes_in_the_middle_of_a_forward(process: Process, tiny_folder: Path, make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    assert ready(process, tiny_folder).condition is JudgeCondition.READY
    process.tell(scene.layout, scene.memory)
    process.tell(Policies(first=True, policies=(PERSON,)))
    process.tell(Batch(id=1, asks=tuple(ask(scene, [PERSON], (number % 8, (number + 1) % 8)) for number in range(60))))
    process.end.close()
    assert process.ended() == 0


@pytest.mark.parametrize("nonsense", [b"{}", b"\xff" * 100, b'{"kind": "batch", "id": "x"}'], ids=["empty", "binary", "no batch"])
def test_nonsense_ends_it_with_a_line_in_the_log(process: Process, tiny_folder: Path, nonsense: bytes) -> None:
    process.tell(JudgeSettings(model=str(tiny_folder), device="cpu"))
    process.end.send(nonsense)
    assert process.ended() == 2
    assert process.process.stderr is not None
    assert "cannot be understood" in process.process.stderr.read()


def test_slots_without_their_memory_end_it(process: Process, tiny_folder: Path, make_scene: Callable[..., Scene]) -> None:
    process.tell(JudgeSettings(model=str(tiny_folder), device="cpu"))
    process.tell(make_scene().layout)
    assert process.ended() == 2


def test_a_model_that_cannot_describe_says_what_to_do(process: Process) -> None:
    process.tell(JudgeSettings(model=str(SMALL), device="cpu", describes=True))
    assert process.news().condition is JudgeCondition.LOADING
    news = process.news()
    assert news.condition is JudgeCondition.DOWN
    assert "'left' is not a single token of this tokenizer" in news.detail
    assert news.detail.endswith("write `describe: false`")
