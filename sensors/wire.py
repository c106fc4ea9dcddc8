"""The wire between the supervisor and its children: bounded JSON datagrams on a sequenced-packet socket.

Nothing is ever unpickled, and a message is checked against its type before anybody sees it: a child that was taken over can
say only what a child may say. It knows no message in particular.
"""

import socket
from dataclasses import is_dataclass
from typing import Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypeForm

MAX_DATAGRAM_BYTES = 64 * 1024

FORGETFUL = ConfigDict(cache_strings="keys")
"""pydantic keeps the last 16,384 short strings that it has read: here these are ids of windows that never come again, 1.5 MB in each process."""

T = TypeVar("T")


class WireError(Exception):
    """The other end broke the protocol; its text says how. Whoever reads gives that child up."""


class Codec(Generic[T]):
    """Values of one closed type to datagrams and back."""

    def __init__(self, kinds: TypeForm[T]) -> None:
        """`kinds`: a dataclass, or a union of dataclasses told apart by their `kind`."""
        config = None if is_dataclass(kinds) else FORGETFUL  # which a dataclass would have to say of itself
        self._adapter: TypeAdapter[T] = TypeAdapter(kinds, config=config)

    def encode(self, value: T) -> bytes:
        """The datagram of `value`. ValueError where it would be too large: then the sender is wrong."""
        data = self._adapter.dump_json(value)
        if len(data) > MAX_DATAGRAM_BYTES:
            raise ValueError(f"a message of {len(data)} bytes is over the {MAX_DATAGRAM_BYTES} of a datagram")
        return data

    def decode(self, data: bytes) -> T:
        """The value in `data`; WireError where it is not one."""
        try:
            return self._adapter.validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise WireError(f"{first['loc']}: {first['msg']} ({error.error_count()} problems)") from None


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends: (the supervisor's, non-blocking; the child's, blocking)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_DATAGRAM_BYTES)
    return ours, theirs


def receive(end: socket.socket) -> bytes | None:
    """The next datagram of a child's own end, waiting for it; None when the supervisor has closed the other end."""
    try:
        data = end.recv(MAX_DATAGRAM_BYTES + 1)
    except (ConnectionResetError, BrokenPipeError):
        return None
    if len(data) > MAX_DATAGRAM_BYTES:
        raise WireError("a datagram over the bound")
    return data or None
