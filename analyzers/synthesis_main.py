"""The synthesis helper: loads a model's voice, speaks one text after another into files, and ends when its supervisor closes the socket.

Two threads: one listens, and ends the process in the middle of whatever it does where the supervisor goes; the other alone touches the model.
"""

import argparse
import os
import queue
import resource
import signal
import socket
import threading
from pathlib import Path
from typing import NoReturn

from analyzers.omni.folder import ModelError
from analyzers.synthesis import LONGEST, MAX_PROBLEM, RATE_HZ, Heard, Line, Ready, Refused, Rendered, TalkerSettings, Told, Unrendered
from sensors.wire import Codec, WireError, receive

SAYS: Codec[Told] = Codec(Told)
HEARS: Codec[Heard] = Codec(Heard)

MAX_FILE_BYTES = 2 * round(LONGEST.total_seconds()) * RATE_HZ + 65_536
MAX_WAITING = 4
"""The supervisor asks for one text at a time."""
MISLED = 4


def listen(end: socket.socket, waiting: "queue.Queue[Heard]") -> NoReturn:
    """Hear messages until the supervisor closes the socket, or talks nonsense; then the process ends."""
    while True:
        try:
            data = receive(end)
            if data is None:
                os._exit(0)
            waiting.put_nowait(HEARS.decode(data))
        except (WireError, queue.Full):
            os._exit(MISLED)


def run(end: socket.socket, waiting: "queue.Queue[Heard]") -> None:
    """Load what the first message names, and speak what the others say. It returns where the model cannot be loaded."""
    first = waiting.get()
    if not isinstance(first, TalkerSettings):
        os._exit(MISLED)
    try:
        from analyzers.omni.talker import TalkerFault, load, write  # noqa: PLC0415 - torch takes seconds, and a second thread must listen meanwhile

        talker = load(first)
    except (ModelError, ImportError, MemoryError) as error:
        end.send(SAYS.encode(Refused(problem=(str(error) or "there is not enough memory")[:MAX_PROBLEM])))
        return
    end.send(SAYS.encode(Ready(weight_bytes=talker.weight_bytes)))
    while True:
        line = waiting.get()
        if not isinstance(line, Line):
            os._exit(MISLED)
        try:
            write(talker.speak(line.text), Path(line.file))
            said: Told = Rendered()
        except (TalkerFault, OSError) as error:
            said = Unrendered(problem=str(error)[:MAX_PROBLEM])
        end.send(SAYS.encode(said))


def main() -> None:
    """Entry point: `python -m analyzers.synthesis_main --socket FD`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    end = socket.socket(fileno=parser.parse_args().socket)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    waiting: queue.Queue[Heard] = queue.Queue(MAX_WAITING)
    threading.Thread(target=listen, args=(end, waiting), name="supervisor", daemon=True).start()
    run(end, waiting)


if __name__ == "__main__":
    main()
