"""Messages to people through the real Apprise to real HTTP servers on this machine: one that takes them, one that hangs, one that refuses."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.alert import Alert, AlertId, AlertState, Change
from alerts.channels.people import PeopleChannel, PersonSettings, Place, without
from alerts.evidence import Clip
from alerts.message import MAX_LINE, MAX_TITLE, message
from alerts.notification import Notification, Outcome, notification_id
from analyzers.judgement import JudgeKind
from analyzers.policy import PolicyId, Severity
from sensors.moment import BootId, Moment
from sensors.secret import Secret
from sensors.window import SensorId, ViewId

TOKEN = "s3cr3t-t0ken-of-the-service"  # noqa: S105 - a test's
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def at(seconds: float) -> Moment:
    return Moment(utc=NOON, boot_ns=0, boot_id=BootId("b")).plus(timedelta(seconds=seconds))


def note(change: Change = Change.OPENED, **fields: Any) -> Notification:  # noqa: ANN401 - whatever a test varies
    plain: dict[str, Any] = {"severity": Severity.HIGH, "summary": "Person in the cell on press-cell", "transition": 1, "changed": at(0)}
    alert = Alert(
        id=AlertId("abcdefghijklmnopqrstuvwxyz"), policy=PolicyId("press-cell-entry"), sensor=SensorId("press-cell"),
        view=ViewId("press-cell"), state=AlertState.ACTIVE, opened=at(0), by=JudgeKind.CUES, **{**plain, **fields},
    )  # fmt: skip
    return Notification(id=notification_id(alert, "people-x"), channel="people-x", change=change, alert=alert, created=at(0))


BERLIN = ZoneInfo("Europe/Berlin")


def test_a_message_says_what_where_and_when_in_the_sites_time() -> None:
    opened = message(note(), "plant/hall", BERLIN)
    assert opened.title == "high alarm: press-cell-entry on press-cell"
    assert opened.body == "Person in the cell on press-cell\nopened 2026-07-01 14:00:00\nplant/hall, number abcdefgh-1"
    over = message(note(Change.CLEARED, changed=at(90), transition=3, acknowledged_by="erika"), "plant/hall", BERLIN)
    assert over.title.startswith("high over: ")
    assert over.body.splitlines()[1:] == ["opened 2026-07-01 14:00:00", "over 2026-07-01 14:01:30", "seen by erika", "plant/hall, number abcdefgh-3"]


def test_a_test_says_so_first() -> None:
    assert message(note(test=True), "plant/hall", BERLIN).title.startswith("TEST high alarm: ")


def test_what_a_scene_says_stays_one_bounded_line_and_calls_nobody() -> None:
    found = message(note(summary="@everyone <b>look</b>\n\nopened 1999-01-01\x1b[2J " + "x" * 1000), "plant/hall", BERLIN)
    assert found.body.count("\n") == 2
    assert "@everyone" not in found.body
    assert all(len(line) <= MAX_LINE for line in found.body.splitlines())
    assert len(found.title) <= MAX_TITLE


@dataclass
class Service:
    """A service on HTTP that keeps what it is told."""

    status: int = 200
    drips: bool = False
    """Answers a byte a second, for ever."""
    told: list[dict[str, Any]] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)
    over: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    too_large: int = 1 << 30

    def __post_init__(self) -> None:
        """Serve."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.told.append(body)
                service.reached.set()
                if service.drips:
                    self.send_response(200)
                    while not service.over.wait(1):
                        self.wfile.write(b"X")
                self.send_response(413 if len(json.dumps(body)) > service.too_large else service.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://user:{TOKEN}@127.0.0.1:{self.server.server_address[1]}/hook/{TOKEN}"

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    pytest.importorskip("apprise", reason="pip install 'apprise>=2.2,<3'")
    made: list[Service] = []

    def make(**wants: Any) -> Service:  # noqa: ANN401 - fields of a service
        made.append(Service(**wants))
        return made[-1]

    yield make
    for service in made:
        service.close()


def channel(url: str, folder: Path, limit_s: float = 20.0) -> PeopleChannel:
    place = Place(box="plant/hall", timezone=BERLIN, evidence=folder)
    return PeopleChannel(PersonSettings(name="people-x", url=Secret(url)), place, lambda: at(0), limit_s)


def ran(story: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


def clip(poster: str | None) -> Clip:
    return Clip(file="a.mp4", poster=poster, sha256="", bytes=1, start=at(0), end=at(1), masked=False, sound=False)


def test_a_message_arrives_with_the_newest_poster(tmp_path: Path, serve: Callable[..., Service]) -> None:
    service = serve()
    (tmp_path / "one.jpg").write_bytes(b"\xff\xd8 first")
    (tmp_path / "two.jpg").write_bytes(b"\xff\xd8 second")

    async def story() -> None:
        sent = note(evidence=(clip("one.jpg"), clip("two.jpg"), clip(None)), severity=Severity.CRITICAL)
        delivery = await channel(service.url, tmp_path).send(sent)
        assert (delivery.outcome, delivery.reason) == (Outcome.DELIVERED, "")

    ran(story)
    (told,) = service.told
    assert told["title"] == "critical alarm: press-cell-entry on press-cell"
    assert told["message"].startswith("Person in the cell on press-cell")
    assert told["type"] == "failure"
    (attached,) = told["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("two.jpg", "image/jpeg")


@pytest.mark.parametrize("poster", ["missing.jpg", "../outside.jpg", "empty.jpg"])
def test_a_poster_that_cannot_be_sent_holds_up_no_message(tmp_path: Path, serve: Callable[..., Service], poster: str) -> None:
    service, folder = serve(), tmp_path / "evidence"
    folder.mkdir()
    (tmp_path / "outside.jpg").write_bytes(b"private")
    (folder / "empty.jpg").write_bytes(b"")

    async def story() -> None:
        assert (await channel(service.url, folder).send(note(evidence=(clip(poster),)))).outcome is Outcome.DELIVERED

    ran(story)
    assert service.told[0]["attachments"] == []


def test_a_service_that_takes_no_picture_gets_the_message_without(tmp_path: Path, serve: Callable[..., Service]) -> None:
    service = serve(too_large=5000)
    (tmp_path / "one.jpg").write_bytes(b"\xff\xd8" + b"x" * 9000)

    async def story() -> None:
        delivery = await channel(service.url, tmp_path).send(note(evidence=(clip("one.jpg"),)))
        assert delivery.outcome is Outcome.DELIVERED
        assert delivery.reason.startswith("without its picture: ")

    ran(story)
    assert [len(told["attachments"]) for told in service.told] == [1, 0]


ANSWERS = [(401, Outcome.REFUSED), (404, Outcome.REFUSED), (429, Outcome.RETRY), (500, Outcome.RETRY), (503, Outcome.RETRY)]


@pytest.mark.parametrize(("status", "outcome"), ANSWERS)
def test_what_will_be_the_same_tomorrow_is_refused_and_all_else_is_tried_again(
    tmp_path: Path, serve: Callable[..., Service], status: int, outcome: Outcome
) -> None:
    service = serve(status=status)

    async def story() -> None:
        delivery = await channel(service.url, tmp_path).send(note())
        assert delivery.outcome is outcome
        assert str(status) in delivery.reason

    ran(story)


def test_a_service_that_hangs_holds_up_nobody_else(tmp_path: Path, serve: Callable[..., Service]) -> None:
    hangs, works = serve(drips=True), serve()

    async def story() -> None:
        hanging = asyncio.create_task(channel(hangs.url, tmp_path, 300.0).send(note()))
        await asyncio.to_thread(hangs.reached.wait, 60)
        other = channel(works.url, tmp_path, 60.0)
        for number in range(2):
            assert (await other.send(note(transition=number))).outcome is Outcome.DELIVERED
        assert not hanging.done()
        hanging.cancel()
        await asyncio.wait([hanging])

    ran(story)
    assert (len(hangs.told), len(works.told)) == (1, 2)


def test_a_service_that_hangs_is_left_at_its_limit(tmp_path: Path, serve: Callable[..., Service]) -> None:
    async def story() -> None:
        async with asyncio.timeout(60):
            delivery = await channel(serve(drips=True).url, tmp_path, 2.0).send(note())
        assert (delivery.outcome, delivery.reason) == (Outcome.RETRY, "no answer within 2 s")

    ran(story)


def command_lines() -> list[bytes]:
    """Of every process there is, and what their environment was."""
    found = []
    for file in (*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")):
        with suppress(OSError):  # it has ended
            found.append(file.read_bytes())
    return found


def test_nobody_learns_what_is_in_the_url(tmp_path: Path, serve: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    service = serve(status=500)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"json://user:{TOKEN}@127.0.0.1:{closed.getsockname()[1]}/hook/{TOKEN}"
    urls = [service.url, gone, f"json://{TOKEN}.invalid/{TOKEN}", f"nosuch://{TOKEN}", f"tgram://{TOKEN}"]
    seen: list[bytes] = []

    async def story() -> None:
        for url in urls:
            sending = asyncio.create_task(channel(url, tmp_path).send(note()))
            while not sending.done():
                seen.extend(await asyncio.to_thread(command_lines))
                await asyncio.sleep(0.2)
            delivery = await sending
            assert delivery.outcome is not Outcome.DELIVERED
            assert TOKEN not in delivery.reason

    ran(story)
    assert any(b"people_main" in line for line in seen)  # it was looked at while it ran
    assert not any(TOKEN.encode() in line for line in seen)
    assert caplog.records
    assert TOKEN not in caplog.text


def test_of_a_url_nothing_is_told_on_in_whatever_form() -> None:
    url = Secret("mailto://erika:p%40ssword9@mail.example/?to=erika@example.org")
    assert without(url, "login of erika with p@ssword9 (p%40ssword9) at mail failed") == "login of *** with *** (***) at *** failed"
    assert len(without(url, "x " * 1000)) <= 120


def test_what_a_service_answers_can_do_nothing_to_a_terminal() -> None:
    assert without(Secret("json://hook.example"), "502 \x1b]0;owned\x07\x1b[2J\u202e gone\r\nfor good") == "502 ]0;owned [2J gone for good"


def test_an_outage_is_logged_once_and_its_end_once(tmp_path: Path, serve: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    service = serve(status=503)
    one = channel(service.url, tmp_path)

    async def story() -> None:
        await one.send(note())
        await one.send(note())
        service.status = 200
        await one.send(note())
        await one.send(replace(note(), change=Change.CLEARED))

    ran(story)
    assert len(caplog.records) == 2
    assert "503" in caplog.records[0].message
    assert caplog.records[1].message == "people-x: messages go out again"
    assert service.told[-1]["type"] == "success"
