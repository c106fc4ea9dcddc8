"""The judge process: loads a model, then answers batches. It ends when its socket closes, whatever it is doing.

Two threads: one listens, keeps what is known of policies and slots, and ends the process in the middle of loading or of a forward
where the supervisor goes; the other loads and judges, and is the only one to touch the model.
"""

import argparse
import logging
import os
import queue
import signal
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from analyzers.desk import Desk, Waiting
from analyzers.interview import Answers, Batch, Cost, Forgo, Heard, JudgeCondition, JudgeNews, JudgeSettings, Said, Wish
from analyzers.judgement import Cause
from analyzers.omni.beside import Beside, plan_judge
from analyzers.omni.plan import ModelError, this_machine
from sensors.wire import MAX_DATAGRAM_BYTES, Codec, WireError, receive

if TYPE_CHECKING:  # torch takes seconds to load: not before the supervisor has been told that something happens
    from analyzers.omni.captioner import Captioner
    from analyzers.omni.scribe import Scribe
    from analyzers.omni.second_look import SecondOpinion
    from analyzers.omni.weights import Loaded

SAYS: Codec[Said] = Codec(Said)
HEARS: Codec[Heard] = Codec(Heard)

MAX_WAITING = 8
"""Batches and wishes. The supervisor asks for one of each at a time."""
MAX_DETAIL = 300
MAX_FAULTS = 3
"""Batches in a row of which nothing could be judged. Then the process starts again: a card that has failed once fails for ever."""

log = logging.getLogger("omniwatch.judge")


def listen(end: socket.socket, waiting: Waiting) -> NoReturn:
    """Hear messages until the supervisor closes the socket, or talks nonsense; then the process ends, whatever it is doing."""
    desk = Desk()
    while True:
        message, descriptors = _hear(end)
        try:
            match message:
                case Batch() | Wish() | Forgo():
                    waiting.put_nowait((message, desk))
                case _:
                    desk = desk.after(message, descriptors)
        except (WireError, OSError, ValueError, queue.Full) as error:
            log.critical("cannot go on after %s: %s %s", message.kind, type(error).__name__, error)
            os._exit(2)
        finally:
            for number in descriptors:
                os.close(number)


def _hear(end: socket.socket) -> tuple[Heard, list[int]]:
    try:
        data, descriptors, _, _ = socket.recv_fds(end, MAX_DATAGRAM_BYTES + 1, 4)
    except OSError:
        os._exit(0)
    if not data:
        os._exit(0)
    try:
        return HEARS.decode(data), descriptors
    except WireError as error:
        log.critical("cannot be understood: %s", error)
        os._exit(2)


def say(end: socket.socket, *datagrams: bytes) -> None:
    """Send; where nobody listens any more, end."""
    try:
        for datagram in datagrams:
            end.send(datagram)
    except OSError:
        os._exit(0)


def datagrams(answers: Answers) -> list[bytes]:
    """The answers as datagrams: as many as their size needs, all but the last saying that more follows."""
    try:
        return [SAYS.encode(answers)]
    except ValueError:
        half = len(answers.judgements) // 2
        if not half:
            raise
    first = replace(answers, judgements=answers.judgements[:half], cost=Cost(), more=True)
    return datagrams(first) + datagrams(replace(answers, judgements=answers.judgements[half:]))


def down(detail: str) -> bytes:
    """The news that this judge cannot judge."""
    return SAYS.encode(JudgeNews(condition=JudgeCondition.DOWN, detail=" ".join(detail.split())[:MAX_DETAIL]))


def load(settings: JudgeSettings) -> "Loaded":
    """Load torch and the model. ModelError, or what their imports raise."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # before anything reads it: no library asks a hub for a kernel or a file, whoever started us
    # What can be told without torch is told at once.
    machine = this_machine(settings.device)
    beside = Beside(look=settings.second_look, captioner=settings.captioner)
    plan_judge(Path(settings.model), settings.quantization, machine, beside, describes=settings.describes)
    for chatty in ("bitsandbytes", "transformers", "torch"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    import torch  # noqa: PLC0415

    from analyzers.omni import weights  # noqa: PLC0415

    torch.set_num_threads(settings.threads)
    torch.set_num_interop_threads(1)
    return weights.load(settings)


def load_second(settings: JudgeSettings) -> "SecondOpinion | None":
    """Load the model of the second look, where there is to be one, into what memory is left. ModelError where it does not fit."""
    look = settings.second_look
    if look is None:
        return None
    import torch  # noqa: PLC0415

    from analyzers.omni import weights  # noqa: PLC0415
    from analyzers.omni.second_look import SecondOpinion  # noqa: PLC0415

    torch.cuda.empty_cache()  # what loading the first took for a moment is not free for the card before that
    return SecondOpinion(weights.load(replace(settings, model=look.model, quantization=look.quantization, second_look=None, describes=False)), look)


def load_captioner(settings: JudgeSettings) -> "Captioner | None":
    """Load the model that says what is heard, where there is to be one, into what memory is left. ModelError where it does not fit."""
    if settings.captioner is None:
        return None
    import torch  # noqa: PLC0415

    from analyzers.omni import weights  # noqa: PLC0415
    from analyzers.omni.captioner import Captioner  # noqa: PLC0415

    torch.cuda.empty_cache()
    other = replace(settings, model=settings.captioner.model, quantization=settings.captioner.quantization)
    return Captioner(weights.load(other, captions=True))


def new_scribe(end: socket.socket, loaded: "Loaded", settings: JudgeSettings, captioner: "Captioner | None") -> "Scribe":
    """Who takes what waits, and describes hits where that is wanted. ModelError where this model cannot."""
    from analyzers.omni.prompt import PromptError  # noqa: PLC0415
    from analyzers.omni.scribe import Scribe  # noqa: PLC0415
    from analyzers.omni.second_step import Describer  # noqa: PLC0415
    from analyzers.omni.sight import Pairs  # noqa: PLC0415

    try:
        describer = Describer(loaded, captioner) if settings.describes else None
        return Scribe(loaded, Pairs(loaded.family), lambda news: say(end, SAYS.encode(news)), describer)
    except PromptError as error:
        raise ModelError(f"this model cannot describe hits: {error}; write `describe: false`") from None


def answer_forever(end: socket.socket, scribe: "Scribe", waiting: Waiting, second: "SecondOpinion | None", *, still: float) -> NoReturn:
    """Answer batches. SystemExit where nothing can be judged any more."""
    from analyzers.omni.judge import OmniJudge  # noqa: PLC0415

    faults, loaded = 0, scribe.loaded
    while True:
        batch, desk = scribe.next_batch(waiting)
        asked = desk.questions(batch)
        found = OmniJudge(loaded, desk.slots, scribe.pairs, still).answer(asked)
        if second:
            found = second.over(asked, found, desk.slots)
        cost = replace(found.cost, device_bytes=loaded.device_bytes())
        say(end, *datagrams(Answers(id=batch.id, judgements=found.judgements, cost=cost)))
        broken = bool(found.judgements) and all(each.cause is Cause.JUDGE_FAULT for each in found.judgements)
        faults = faults + 1 if broken else 0
        if faults == MAX_FAULTS:
            say(end, down(f"{MAX_FAULTS} batches in a row could not be judged; the judge's log says why. It is started again"))
            raise SystemExit(1)


def main() -> None:
    """Entry point: `python -m analyzers.main --socket FD`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    end = socket.socket(fileno=parser.parse_args().socket)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the supervisor's; it closes the socket when it has tidied up
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    first = receive(end)
    settings = HEARS.decode(first) if first else None
    if not isinstance(settings, JudgeSettings):
        return

    def last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        say(end, down(f"{kind.__name__}: {error}"))

    sys.excepthook = last_words
    say(end, SAYS.encode(JudgeNews(condition=JudgeCondition.LOADING)))
    waiting: Waiting = queue.Queue(MAX_WAITING)
    threading.Thread(target=listen, args=(end, waiting), name="supervisor", daemon=True).start()
    try:
        loaded = load(settings)
        second = load_second(settings)
        captioner = load_captioner(settings)
        scribe = new_scribe(end, loaded, settings, captioner)
    except (ModelError, ImportError, MemoryError) as error:
        log.error("no judge: %s", error)  # noqa: TRY400 - it says what to do
        say(end, down(str(error) or "there is not enough memory"))
        raise SystemExit(1) from None
    beside = {"second look": second.loaded if second else None, "captioner": captioner.loaded if captioner else None}
    ready = JudgeNews(
        condition=JudgeCondition.READY,
        detail="; ".join(f"{what}: {each.fingerprint}" for what, each in beside.items() if each)[:MAX_DETAIL],
        model=loaded.fingerprint,
        weight_bytes=loaded.weight_bytes + sum(each.weight_bytes for each in beside.values() if each),
        device=loaded.device.type,
    )
    say(end, SAYS.encode(ready))
    answer_forever(end, scribe, waiting, second, still=settings.still)


if __name__ == "__main__":
    main()
