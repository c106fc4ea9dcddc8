"""A child that does what its first message says. It stands for every way in which a real one can misbehave."""

import signal
import socket
import sys
import time


def main() -> None:  # noqa: C901 - one case a misdeed
    end = socket.socket(fileno=int(sys.argv[sys.argv.index("--socket") + 1]))
    order = end.recv(65537).decode()
    match order:
        case "echo":
            while data := end.recv(65537):
                end.send(data)
        case "flood":
            for number in range(100_000):
                end.send(b'{"n":%d}' % number)
        case "fat":
            for _ in range(380):
                end.send(b"x" * 60_000)
            end.recv(1)
        case "large":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            end.send(b"x" * 70_000)
            end.recv(1)
        case "deaf":
            signal.pause()
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        case "eats":
            eaten = b"x" * 400_000_000
            end.recv(len(eaten) and 1)
        case "dies":
            sys.exit(7)
        case "secret":
            number = int(sys.argv[sys.argv.index("--secret") + 1])
            with open(number, "rb") as descriptor:  # noqa: PTH123 - a descriptor, not a path
                end.send(descriptor.read())
            end.recv(1)


if __name__ == "__main__":
    main()
