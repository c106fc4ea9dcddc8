"""The judge process: loads a model, then answers batches. It ends when its socket closes, whatever it is doing.

One thread listens, so that the end of the socket is seen in the middle of loading or of a forward; the other loads and judges, and is
the only one to touch the model.
"""

import argparse
import logging
import os
import queue
import socket
import threading
from collections.abc import Iterator, Sequence

from analyzers.interview import Answers, Batch, Detach, JudgeCondition, JudgeNews, JudgeSettings, Policies
from analyzers.judge import Question
from analyzers.judgement import Judgement
from analyzers.omni.plan import ModelError
from analyzers.policy import Policy, PolicyId
from sensors.slots import SlotLayout, Slots
from sensors.window import SensorId
from sensors.wire import MAX_DATAGRAM_BYTES, Codec, WireError

SAYS: Codec[JudgeNews | Answers] = Codec(JudgeNews | Answers)
HEARS: Codec[JudgeSettings | Policies | SlotLayout | Detach | Batch] = Codec(JudgeSettings | Policies | SlotLayout | Detach | Batch)

MAX_WAITING = 1024
JUDGEMENTS_A_DATAGRAM = 40
"""A judgement is about a kilobyte."""
MAX_DETAIL = 300

Message = JudgeSettings | Policies | SlotLayout | Detach | Batch
Heard = tuple[Message, tuple[int, ...]]
"""A message, and the descriptors that came with it."""

log = logging.getLogger("omniwatch.judge")


def listen(end: socket.socket, heard: "queue.Queue[Heard]") -> None:
    """Put what is heard into the queue until the supervisor closes the socket; then the process ends."""
    while True:
        try:
            data, descriptors, _, _ = socket.recv_fds(end, MAX_DATAGRAM_BYTES, 4)
        except OSError:
            os._exit(0)
        if not data:
            os._exit(0)
        heard.put((HEARS.decode(data), tuple(descriptors)))


class Desk:
    """What the judge knows besides its model: the policies and the sensors' slots."""

    def __init__(self, end: socket.socket) -> None:
        """Speaks over `end`."""
        self.slots: dict[SensorId, Slots] = {}
        self._policies: dict[PolicyId, Policy] = {}
        self._end = end

    def say(self, message: JudgeNews | Answers) -> None:
        """Send; where nobody listens any more, end."""
        try:
            self._end.send(SAYS.encode(message))
        except OSError:
            os._exit(0)

    def take(self, message: Message, descriptors: Sequence[int]) -> Batch | None:
        """Note what a message says; the batch, if it is one."""
        match message:
            case Policies():
                known = {} if message.first else self._policies
                self._policies = known | {policy.id: policy for policy in message.policies}
            case SlotLayout():
                self.slots[message.sensor] = Slots(message, descriptors[0], writable=False)
            case Detach():
                self.slots.pop(message.sensor, None)
            case JudgeSettings():
                raise WireError("settings come first, and once")
            case Batch():
                return message
        return None

    def questions(self, batch: Batch) -> tuple[Question, ...]:
        """The questions of a batch, with their policies. One of a sensor or policy that has gone since is left out."""
        asked = []
        for ask in batch.asks:
            policies = tuple(self._policies[name] for name in ask.policies if name in self._policies)
            if ask.window.sensor in self.slots and policies:
                asked.append(Question(window=ask.window, view=ask.view, policies=policies))
        return tuple(asked)

    def answer(self, batch: Batch, judgements: Sequence[Judgement], media_tokens: int, took_s: float) -> None:
        """Say the judgements, in as many datagrams as they need."""
        pieces = list(_pieces(judgements))
        for number, piece in enumerate(pieces):
            more = number + 1 < len(pieces)
            self.say(Answers(id=batch.id, judgements=piece, media_tokens=0 if more else media_tokens, took_s=took_s, more=more))


def _pieces(judgements: Sequence[Judgement]) -> Iterator[tuple[Judgement, ...]]:
    for start in range(0, max(1, len(judgements)), JUDGEMENTS_A_DATAGRAM):
        yield tuple(judgements[start : start + JUDGEMENTS_A_DATAGRAM])


def work(desk: Desk, settings: JudgeSettings, heard: "queue.Queue[Heard]") -> None:
    """Load, then answer for ever."""
    desk.say(JudgeNews(condition=JudgeCondition.LOADING))
    # Chatter about optional kernels, at import and at every forward.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # torch is loaded here and nowhere else: what has gone wrong before this can be said in a line.
    import torch  # noqa: PLC0415

    from analyzers.omni.judge import OmniJudge  # noqa: PLC0415
    from analyzers.omni.weights import load  # noqa: PLC0415

    torch.set_num_threads(settings.threads)
    loaded = load(settings)
    judge = OmniJudge(loaded, desk.slots)
    desk.say(JudgeNews(condition=JudgeCondition.READY, model=loaded.fingerprint, weight_bytes=loaded.weight_bytes, device=loaded.device.type))
    while True:
        message, descriptors = heard.get()
        batch = desk.take(message, descriptors)
        for number in descriptors:
            os.close(number)
        if batch is not None:
            judgements = judge.judge(desk.questions(batch))
            took_s = judgements[0].took_s if judgements else 0.0
            desk.answer(batch, judgements, judge.media_tokens, took_s)


def main() -> None:
    """Entry point: `python -m analyzers.main --socket FD`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    end = socket.socket(fileno=parser.parse_args().socket)
    heard: queue.Queue[Heard] = queue.Queue(MAX_WAITING)
    threading.Thread(target=listen, args=(end, heard), name="supervisor", daemon=True).start()
    settings, _ = heard.get()
    if not isinstance(settings, JudgeSettings):
        raise WireError("the first message must be the settings")
    desk = Desk(end)
    try:
        work(desk, settings, heard)
    except (ModelError, ImportError, MemoryError) as error:
        desk.say(JudgeNews(condition=JudgeCondition.DOWN, detail=(str(error) or type(error).__name__)[:MAX_DETAIL]))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
