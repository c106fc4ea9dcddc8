"""A synthesis helper without a model: what it makes of a text, the text says."""

import argparse
import os
import signal
import socket
import wave
from pathlib import Path

from analyzers.synthesis import RATE_HZ, Heard, Line, Ready, Refused, Rendered, TalkerSettings, Told, Unrendered
from sensors.wire import Codec, receive

SAYS: Codec[Told] = Codec(Told)
HEARS: Codec[Heard] = Codec(Heard)


def sound(file: str, seconds: float, rate_hz: int) -> Told:
    with wave.open(file, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(rate_hz)
        made.writeframes(bytes(2 * round(seconds * rate_hz)))
    return Rendered()


def spoken(line: Line) -> Told:
    match line.text:
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            signal.pause()
        case "cannot":
            return Unrendered(problem="the talker did not come to an end within 30 s")
        case "lies":
            return Rendered()
        case "mumbles":
            return sound(line.file, 1.0, 16_000)
        case "wanders":
            return Ready(weight_bytes=1)
    return sound(line.file, 1.25, RATE_HZ)


def loaded(model: Path) -> bytes:
    if (model / "boasts").exists():
        return f'{{"kind":"ready","weight_bytes":{10**400}}}'.encode()
    return SAYS.encode(Refused(problem="it is too big") if (model / "refuses").exists() else Ready(weight_bytes=1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    end = socket.socket(fileno=parser.parse_args().socket)
    while data := receive(end):
        heard = HEARS.decode(data)
        if isinstance(heard, TalkerSettings):
            with (Path(heard.model) / "starts").open("a") as starts:
                starts.write(f"{os.getpid()}\n")
            end.send(loaded(Path(heard.model)))
        else:
            end.send(SAYS.encode(spoken(heard)))


if __name__ == "__main__":
    main()
