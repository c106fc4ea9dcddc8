"""The control socket: one datagram in, one datagram out, then the connection is over. It knows no order.

Nobody who connects can hold up anybody else: datagrams cannot be half sent, clients and their rate are bounded by account, a client
has a deadline to ask and one to take its answer, and each is served by a task of its own.
"""

import asyncio
import errno
import logging
import socket
import stat
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path

from appliance.allowance import Allowance
from appliance.control.orders import REPLIES, REQUESTS, Answer, AuditAnswer, Origin, Request, StatusAnswer, refused
from appliance.control.peers import Names, Peer, may_order, peer_of
from appliance.control.place import address
from sensors.wire import MAX_DATAGRAM_BYTES, WireError

MODE = 0o660
MAX_CLIENTS = 24
MAX_OF_ONE = 8
"""Clients of one account at a time: who hangs eight times still leaves room for the others."""
BACKLOG = 32
ASK_S = 5.0
TAKE_S = 5.0
WORK_S = 150.0
"""The longest that an order may take: a self-test with a slow model."""
RATE_HZ, BURST = 5.0, 20.0
"""Orders of one account; beyond it they are refused."""
ACCEPTS_HZ = 200.0
"""Connections a second, whoever makes them: a flood of them must leave the loop its time."""
ACCOUNTS = 64

Reply = Answer | StatusAnswer | AuditAnswer
Execute = Callable[[Request, str, Origin], Coroutine[None, None, Reply]]

log = logging.getLogger("omniwatch.control")


class ControlServer:
    """Listens for ever."""

    def __init__(self, path: Path, execute: Execute) -> None:
        """Nothing is opened until `run_once`. `execute` does an order; it raises nothing for what a client may say."""
        self._path = path
        self._execute = execute
        self._names = Names()
        self._clients: Counter[int] = Counter()
        self._allowances: OrderedDict[int, Allowance] = OrderedDict()
        self._tasks: set[asyncio.Task[None] | asyncio.Task[Reply]] = set()

    async def run_once(self) -> None:
        """Listen until cancelled; WireError where there can be no socket."""
        try:
            with listening(self._path) as listener:
                await self._listen(listener)
        except OSError as error:
            raise WireError(f"no control socket at {self._path}: {error.strerror or error}") from None

    async def _listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                end, _ = await loop.sock_accept(listener)
                self._receive(end)
                await asyncio.sleep(1 / ACCEPTS_HZ)
        finally:
            with suppress(FileNotFoundError):
                self._path.unlink()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _receive(self, end: socket.socket) -> None:
        """Take a client in, or turn it away at once."""
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_DATAGRAM_BYTES)
        try:
            peer, group = peer_of(end), self._path.stat().st_gid
        except OSError:
            end.close()
            return
        problem = self._problem(peer, group)
        if problem:
            turn_away(end, problem)
            return
        self._clients[peer.uid] += 1
        task = asyncio.create_task(self._serve(end, peer), name="control client")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _problem(self, peer: Peer, group: int) -> str:
        """Why a client is turned away."""
        if not may_order(peer, group):
            if self._allowed(peer.uid):  # or somebody could fill the journal
                log.warning("refused: the account %d may not give orders", peer.uid)
            return "this account may not give orders: use sudo, or be a member of the socket's group"
        if self._clients[peer.uid] >= MAX_OF_ONE or self._clients.total() >= MAX_CLIENTS:
            return "too many clients at once; try again"
        return "" if self._allowed(peer.uid) else "too many orders at once; try again in a few seconds"

    def _allowed(self, uid: int) -> bool:
        allowance = self._allowances.setdefault(uid, Allowance(BURST, RATE_HZ))
        self._allowances.move_to_end(uid)
        if len(self._allowances) > ACCOUNTS:
            self._allowances.popitem(last=False)
        return allowance.takes(1, asyncio.get_running_loop().time())

    async def _serve(self, end: socket.socket, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        try:
            with end, suppress(TimeoutError, OSError):
                async with asyncio.timeout(ASK_S):
                    data = await loop.sock_recv(end, MAX_DATAGRAM_BYTES + 1)
                if not data:
                    return
                answer = encoded(await self._reply(data, peer))
                async with asyncio.timeout(TAKE_S):
                    await loop.sock_sendall(end, answer)
        finally:
            self._clients[peer.uid] -= 1
            self._clients += Counter()  # drops accounts without clients

    async def _reply(self, data: bytes, peer: Peer) -> Reply:
        """What is answered to a datagram. An order that has begun is done to its end, whether or not its sender waits for it."""
        if len(data) > MAX_DATAGRAM_BYTES:
            return refused("that is too long for an order")
        try:
            request = REQUESTS.decode(data)
        except WireError as error:
            log.warning("%s said what is no order: %s", await self._names.of(peer.uid), error)
            return refused(f"that is no order: {error}")
        work = asyncio.create_task(self._execute(request, await self._names.of(peer.uid), Origin.CONTROL), name=f"order {request.order.verb}")
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)
        await asyncio.wait({work}, timeout=WORK_S)
        return work.result() if work.done() else refused(f"not done within {WORK_S:g} s; the audit trail will say what became of it")


def turn_away(end: socket.socket, problem: str) -> None:
    """Say why, and hang up. What was sent already is taken first: a client whose words lie unread is told of a broken line instead."""
    with end, suppress(OSError):
        end.shutdown(socket.SHUT_RD)
        with suppress(BlockingIOError):
            end.recv(1)
        end.send(REPLIES.encode(refused(problem)))


def encoded(reply: Reply) -> bytes:
    """The datagram of a reply; where it would be too long for one, a refusal that says so."""
    try:
        return REPLIES.encode(reply)
    except ValueError:
        return REPLIES.encode(refused("the answer is too long; ask for less"))


def listening(path: Path) -> socket.socket:
    """A listening socket at `path`. A file that a box has left there is replaced; one that is listened at is not. OSError."""
    if path.exists() or path.is_symlink():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "there is a file that is no socket")
        if _answers(path):
            raise OSError(errno.EADDRINUSE, "another omniwatch listens there")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        listener.setblocking(False)
        with address(path) as name:
            listener.bind(name)
        path.chmod(MODE)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end, address(path) as name:
        end.setblocking(False)
        return end.connect_ex(name) not in (errno.ECONNREFUSED, errno.ENOENT)
