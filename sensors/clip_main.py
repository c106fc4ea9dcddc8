"""The clip helper: makes one clip and ends. It opens files alone, and does not outlive its supervisor."""

import argparse
import os
import resource
import signal
import socket
import threading

import av

from sensors.clip import MAX_BYTES, cut
from sensors.cut import MAX_PROBLEM, Cut, CutOrder, Uncut
from sensors.footage import NoFootage
from sensors.wire import Codec, WireError, receive

SAYS: Codec[Cut | Uncut] = Codec(Cut | Uncut)
HEARS: Codec[CutOrder] = Codec(CutOrder)

MAX_DATA_BYTES = 1 << 30
MISLED = 4


def answer(order: CutOrder) -> Cut | Uncut:
    """Make it, or say why not."""
    try:
        return cut(order)
    except NoFootage as error:
        return Uncut(problem=str(error)[:MAX_PROBLEM], missing=True)
    except (av.FFmpegError, OSError, ValueError) as error:
        return Uncut(problem=f"{type(error).__name__}: {error}"[:MAX_PROBLEM])


def main() -> None:
    """Entry point: `python -m sensors.clip_main --socket FD`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    end = socket.socket(fileno=parser.parse_args().socket)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MAX_BYTES, 2 * MAX_BYTES))
    try:
        first = receive(end)
        if first is None:
            return
        order = HEARS.decode(first)
    except WireError:
        os._exit(MISLED)
    threading.Thread(target=_listen, args=(end,), name="supervisor", daemon=True).start()
    end.send(SAYS.encode(answer(order)))


def _listen(end: socket.socket) -> None:
    """Wait until the supervisor closes the socket: then nobody wants the clip any more."""
    receive(end)
    os._exit(0)


if __name__ == "__main__":
    main()
