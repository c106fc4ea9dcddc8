"""Who speaks at the other end of a Unix socket, as the kernel says, and whether that account may give orders."""

import asyncio
import os
import pwd
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

SO_PEERGROUPS = 59
"""Linux: the supplementary groups of the peer as it connected. Python's socket module has no name for it."""
MAX_GROUPS = 256
"""As many as Python's getsockopt has room for; of an account with more only the first group counts."""
NAME_S = 2.0
"""A name may be asked of a directory server; it is not waited for for longer."""
KNOWN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An account."""

    uid: int
    groups: frozenset[int]


def peer_of(end: socket.socket) -> Peer:
    """The account at the other end. OSError where the kernel does not say."""
    _, uid, gid = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    with suppress(OSError):
        packed = end.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MAX_GROUPS)
        return Peer(uid=uid, groups=frozenset({gid, *struct.unpack(f"{len(packed) // 4}I", packed)}))
    return Peer(uid=uid, groups=frozenset({gid}))


def may_order(peer: Peer, group: int) -> bool:
    """Root, the account that the box runs as, and members of the socket's group."""
    return peer.uid in (0, os.geteuid()) or group in peer.groups


class Names:
    """Names of accounts, looked up beside the loop and remembered."""

    def __init__(self) -> None:
        """None is known yet."""
        self._known: dict[int, str] = {}

    async def of(self, uid: int) -> str:
        """The account's name; `uid N` where it has none, or it cannot be had in time."""
        if uid in self._known:
            return self._known[uid]
        name = f"uid {uid}"
        try:
            async with asyncio.timeout(NAME_S):
                name = (await asyncio.to_thread(pwd.getpwuid, uid)).pw_name
        except (KeyError, TimeoutError):
            pass
        if len(self._known) < KNOWN:
            self._known[uid] = name
        return name
