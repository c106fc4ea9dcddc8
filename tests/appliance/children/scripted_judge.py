"""A judge process that does what the name of its model says."""

import socket
import sys
import time
from collections.abc import Mapping
from datetime import timedelta

from analyzers.interview import Answers, Batch, Cost, Halved, JudgeCondition, JudgeNews, JudgeSettings
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.main import HEARS, SAYS, datagrams, say
from sensors.wire import receive

SHORT = {Halved.BATCH: 2, Halved.FRAMES: 1}


def main() -> None:
    end = socket.socket(fileno=int(sys.argv[sys.argv.index("--socket") + 1]))
    settings = HEARS.decode(receive(end) or b"")
    assert isinstance(settings, JudgeSettings)
    if settings.model != "never loads":
        end.send(SAYS.encode(JudgeNews(condition=JudgeCondition.READY)))
    eaten: list[bytes] = []
    while data := receive(end):
        message = HEARS.decode(data)
        if isinstance(message, Batch) and settings.model == "eats its memory":
            eaten.append(b"x" * 400_000_000)
        elif isinstance(message, Batch) and settings.model != "never answers":
            time.sleep(float(settings.model.removeprefix("takes ")) * len(message.asks) if settings.model.startswith("takes ") else 0.0)
            ahead = timedelta(days=400 if settings.model == "speaks of another time" else 0)
            halvings = SHORT if settings.model == "is short of memory" else {}
            answer(end, message, more=settings.model == "never ends", halvings=halvings, ahead=ahead)


def answer(end: socket.socket, batch: Batch, *, more: bool, halvings: Mapping[Halved, int], ahead: timedelta) -> None:
    said = tuple(
        Judgement(
            policy=policy, sensor=ask.window.sensor, view=ask.view, window=ask.window.id, start=ask.window.start, end=ask.window.end.plus(ahead),
            verdict=Verdict.NO, by=JudgeKind.OMNI,
        )
        for ask in batch.asks for policy in ask.policies
    )  # fmt: skip
    for _ in range(20 if more else 1):
        say(end, *datagrams(Answers(id=batch.id, judgements=said, cost=Cost(halvings=halvings), more=more)))


if __name__ == "__main__":
    main()
