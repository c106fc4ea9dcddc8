"""The control socket among clients that hang, flood, lie and vanish. Real sockets."""

import asyncio
import json
import socket
import stat
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.control import server as module
from appliance.control.orders import REPLIES, REQUESTS, Answer, AskStatus, Disarm, Origin, Request, done
from appliance.control.peers import Peer, may_order
from appliance.control.place import address
from appliance.control.server import BURST, MAX_OF_ONE, ControlServer
from sensors.wire import MAX_DATAGRAM_BYTES, WireError

DISARM = REQUESTS.encode(Request(order=Disarm()))


class Box:
    """A control server whose orders are remembered; `gate` holds them up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.orders: list[tuple[str, str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.obeyed = asyncio.Event()
        self.server = ControlServer(path, self.execute)

    async def execute(self, request: Request, who: str, origin: Origin) -> Answer:
        await self.gate.wait()
        self.orders.append((request.order.verb, who, origin))
        self.obeyed.set()
        return done("so be it")

    async def connect(self) -> socket.socket:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.setblocking(False)
        with address(self.path) as name:
            end.connect(name)
        return end

    async def is_up(self) -> bool:
        for _ in range(500):
            with suppress(OSError):
                (await self.connect()).close()
                return True
            await asyncio.sleep(0.01)
        return False

    async def ask(self, data: bytes = DISARM) -> Answer:
        end = await self.connect()
        with end:
            return await self.take(end, data)

    async def eventually(self, holds: Callable[[Answer], bool]) -> bool:
        """Ask until the answer is such, within 10 s."""
        for _ in range(50):
            if holds(await self.ask()):
                return True
            await asyncio.sleep(0.2)
        return False

    async def take(self, end: socket.socket, data: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        with suppress(BrokenPipeError):
            await loop.sock_sendall(end, data)
        async with asyncio.timeout(10):
            answer = REPLIES.decode(await loop.sock_recv(end, MAX_DATAGRAM_BYTES))
        assert isinstance(answer, Answer)
        return answer


def story(test: Callable[[Box], Coroutine[None, None, None]]) -> Callable[[Path], None]:
    """Run a test beside a server that listens."""

    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def beside() -> None:
            box = Box(tmp_path / "control")
            listening = asyncio.create_task(box.server.run_once())
            try:
                assert await box.is_up()
                await test(box)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

        asyncio.run(beside())

    del run.__wrapped__  # pytest would ask for the story's own parameter
    return run


@story
async def test_an_order_is_done_under_the_name_of_the_account_that_gave_it(box: Box) -> None:
    assert await box.ask() == done("so be it")
    assert box.orders == [("disarm", "root", "control")]
    assert stat.S_IMODE(box.path.stat().st_mode) == 0o660


@story
async def test_clients_that_hang_delay_nobody_and_are_let_go(box: Box) -> None:
    hanging = [await box.connect() for _ in range(MAX_OF_ONE - 1)]
    began = time.monotonic()
    assert (await box.ask()).done
    assert time.monotonic() - began < 1
    one_more = await box.connect()
    assert "too many clients" in (await box.ask()).says[0]
    for end in (*hanging, one_more):
        end.close()
    assert await box.eventually(lambda answer: answer.done)


@story
async def test_a_client_that_says_nothing_is_hung_up_on(box: Box) -> None:
    module.ASK_S, before = 0.2, module.ASK_S
    try:
        end = await box.connect()
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().sock_recv(end, 10) == b""
        end.close()
    finally:
        module.ASK_S = before


@story
async def test_a_flood_of_orders_is_refused_beyond_what_an_account_may_and_the_loop_turns_on(box: Box) -> None:
    slowest, stop = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal slowest
        while not stop.is_set():
            began = time.monotonic()
            await asyncio.sleep(0.005)
            slowest = max(slowest, time.monotonic() - began)

    watching = asyncio.create_task(watch())
    answers = [await box.ask() for _ in range(60)]
    stop.set()
    await watching
    assert BURST <= len(box.orders) <= BURST + 15
    assert any("too many orders" in answer.says[0] for answer in answers)
    assert slowest < 0.5


@story
async def test_an_order_is_done_to_its_end_though_its_sender_has_gone(box: Box) -> None:
    box.gate.clear()
    end = await box.connect()
    await asyncio.get_running_loop().sock_sendall(end, DISARM)
    await asyncio.sleep(0.05)
    end.close()
    box.gate.set()
    async with asyncio.timeout(5):
        await box.obeyed.wait()


GARBAGE = [
    ("nothing of an order", b"hello"),
    ("half a message", DISARM[:-3]),
    ("an unknown verb", json.dumps({"order": {"verb": "reboot"}}).encode()),
    ("no verb", json.dumps({"order": {}}).encode()),
    ("bytes that are no text", b"\xff\xfe\x00"),
    ("a name that is too long", json.dumps({"order": {"verb": "ack", "what": "x" * 1000}}).encode()),
    ("a shelf without end", json.dumps({"order": {"verb": "shelve", "what": "x", "span_s": 1e9, "why": "x"}}).encode()),
    ("a shelf of no number", b'{"order": {"verb": "shelve", "what": "x", "span_s": NaN, "why": "x"}}'),
    ("a lone surrogate", b'{"order": {"verb": "ack", "what": "\\ud800"}}'),
    ("a time without its zone", json.dumps({"order": {"verb": "forget", "sensor": "x", "start": "2026-01-01", "end": "2026-01-02"}}).encode()),
    ("nesting without end", b'{"order":' * 5000),
    ("too much", b" " * (MAX_DATAGRAM_BYTES + 10)),
]


@pytest.mark.parametrize(("why", "data"), GARBAGE, ids=[row[0] for row in GARBAGE])
def test_what_is_no_order_is_answered_and_does_nothing(why: str, data: bytes, tmp_path: Path) -> None:
    @story
    async def tell(box: Box) -> None:
        assert not (await box.ask(data)).done, why
        assert not box.orders
        assert (await box.ask()).done

    tell(tmp_path)


@given(data=st.binary(max_size=300) | st.recursive(st.text() | st.integers() | st.none(), lambda some: st.dictionaries(st.text(), some)).map(
    lambda value: json.dumps({"order": value}).encode()))  # fmt: skip
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_break_the_reading_of_an_order(data: bytes) -> None:
    with suppress(WireError):
        REQUESTS.decode(data)


def test_who_may_give_orders() -> None:
    assert may_order(Peer(uid=0, groups=frozenset()), 50)
    assert may_order(Peer(uid=1000, groups=frozenset({50, 1000})), 50)
    assert not may_order(Peer(uid=1000, groups=frozenset({1000})), 50)


def test_the_file_of_a_box_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(tmp_path / "control"))

    @story
    async def tell(box: Box) -> None:
        assert (await box.ask()).done

    tell(tmp_path)


def test_a_socket_that_is_listened_at_is_left_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(str(tmp_path / "control"))
        other.listen()
        with pytest.raises(WireError, match="another omniwatch listens there"):
            asyncio.run(run(tmp_path / "control"))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "control").write_text("mine")
    with pytest.raises(WireError, match="no socket"):
        asyncio.run(run(tmp_path / "control"))
    assert (tmp_path / "control").read_text() == "mine"


async def run(path: Path) -> None:
    await Box(path).server.run_once()


def test_a_folder_may_lie_as_deep_as_it_likes(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)

    @story
    async def tell(box: Box) -> None:
        assert (await box.ask(REQUESTS.encode(Request(order=AskStatus())))).done

    tell(deep)
