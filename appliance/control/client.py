"""The other end of the control socket: finds the box, gives it one order, and returns its answer. It prints nothing."""

import socket
from contextlib import suppress
from pathlib import Path

from appliance.control.orders import REPLIES, REQUESTS, Answer, AuditAnswer, Order, Request, StatusAnswer
from appliance.control.place import Places, address, places
from sensors.wire import MAX_DATAGRAM_BYTES, WireError

ANSWER_S = 170.0
"""Longer than any order may take."""


class NoBoxError(Exception):
    """No box could be asked; its text says what to do."""


def ask(order: Order, config: Path | None) -> Answer | StatusAnswer | AuditAnswer:
    """Give `order` to the box of a configuration, or of this machine. NoBoxError, or ConfigError where the file cannot be read."""
    where = places(config)
    data = REQUESTS.encode(Request(order=order, box=where.box))
    with _connected(where, config) as end:
        try:
            with suppress(BrokenPipeError):  # turned away before it has asked: why is there to be read
                end.send(data)
            answer = end.recv(MAX_DATAGRAM_BYTES)
        except OSError as error:
            raise NoBoxError(f"the box did not answer: {error.strerror or error}") from None
    if not answer:
        raise NoBoxError("the box hung up: it is stopping, or was just started again; try again")
    try:
        return REPLIES.decode(answer)
    except WireError as error:
        raise NoBoxError(f"the box runs another version of omniwatch than this command: {error}") from None


def _connected(where: Places, config: Path | None) -> socket.socket:
    """A connection to the first place at which a box listens."""
    for path in where.paths:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.settimeout(ANSWER_S)
        try:
            with address(path) as name:
                end.connect(name)
        except PermissionError:
            end.close()
            raise NoBoxError(f"{path} may not be opened by this account: use sudo, or be a member of the socket's group") from None
        except OSError:
            end.close()
            continue
        return end
    start = f"omniwatch run {config}" if config else "systemctl start omniwatch"
    more = "" if config else ", or name the configuration that it runs with: --config CONFIG"
    raise NoBoxError(f"no omniwatch is running (looked at {', '.join(map(str, where.paths))}): start it with `{start}`{more}")
