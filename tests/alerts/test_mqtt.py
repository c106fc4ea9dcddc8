"""The channel against a real mosquitto: what it says was delivered was delivered, and what was not is told again."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from alerts.notification import Outcome
from appliance.store.store import Store
from tests.alerts.mosquitto import ROOT, TOPICS, Broker, Listener, ids, note, now, running, until

pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One that runs and lets everybody do everything."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker.port)
    yield listener
    listener.close()


def test_an_alarm_arrives_as_a_cloudevent_that_can_be_read_without_us(broker: Broker, listener: Listener) -> None:
    hostile = "Smoke\x1b[2J\n\u202e<script>" + "x" * 1000

    async def story() -> None:
        async with running(broker.port) as box:
            await box.alarm(replace(note(7, summary=hostile), not_after=None))
            assert await box.outbox.wait_drained(5)
            assert [each.outcome for each in box.heard if each.outcome is not Outcome.RETRY] == [Outcome.DELIVERED]

    asyncio.run(story())
    message = listener.wait_for(lambda each: "/alert/" in each.topic)
    event = json.loads(message.payload)
    assert message.topic == f"{ROOT}/alert/fire/hall.door"
    assert message.properties is not None
    assert message.properties.ContentType.startswith("application/cloudevents+json")
    assert {name: event[name] for name in ("specversion", "id", "source", "type", "subject", "datacontenttype")} == {
        "specversion": "1.0",
        "id": f"{7:026d}-1",
        "source": f"/{ROOT}",
        "type": "io.omniwatch.alert.opened",
        "subject": "fire/hall.door",
        "datacontenttype": "application/json",
    }
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    data = event["data"]
    assert (data["state"], data["severity"], data["log_odds"], data["by"]) == ("active", "high", 2.5, "omni")
    assert (data["durable"], data["test"]) == (True, False)
    assert data["summary"].startswith("Smoke [2J  <script>xxx")
    assert len(data["summary"]) == 300


def test_a_broker_that_is_absent_at_boot_gets_the_first_alarm_when_it_comes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path)

    async def story() -> None:
        async with running(broker.port) as box:
            await box.alarm(note(0))
            await until(lambda: "refused" in box.channel.statistics().problem)
            assert not box.channel.connected
            broker.start()
            listener = Listener(broker.port)
            assert await asyncio.to_thread(listener.alerts, 1) == ids(1)
            listener.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(story())
    broker.kill()
    assert [each.levelname for each in caplog.records if each.name == "omniwatch.mqtt"] == ["WARNING", "WARNING"], "the outage once, its end once"


def test_a_broker_killed_while_alarms_are_raised_loses_none_of_them(broker: Broker, listener: Listener) -> None:
    async def story() -> None:
        async with running(broker.port) as box:
            for number in range(60):
                await box.alarm(note(number))
                if number == 20:
                    broker.kill()
                if number == 40:
                    broker.start()
            assert await box.outbox.wait_drained(10)
            assert {each.notification for each in box.heard if each.outcome in (Outcome.DELIVERED, Outcome.UNHEARD)} == {
                note(number).id for number in range(60)
            }
            assert (await box.store.counts("mqtt")).depth == 0

    listener.close()  # it would miss what comes before it is back
    asyncio.run(story())


def test_alarms_of_a_process_that_was_killed_before_it_could_tell_arrive_under_the_same_id(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path.cwd())!r})
from tests.alerts.mosquitto import *
async def die():
    async with running(int(sys.argv[2]), await Store.open(Path(sys.argv[1]), now())) as box:
        await box.alarm(*[note(n) for n in range(5)])
        print("committed", flush=True)
        await asyncio.Event().wait()
asyncio.run(die())
"""
    broker = Broker(tmp_path)
    path = tmp_path / "state.db"
    child = subprocess.Popen([sys.executable, "-c", script, str(path), str(broker.port)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"committed\n"
    child.kill()
    child.wait(10)
    child.stdout.close()
    broker.start()
    listener = Listener(broker.port)

    async def story() -> None:
        async with running(broker.port, await Store.open(path, now())) as box:
            assert await asyncio.to_thread(listener.alerts, 5) == ids(5)
            assert await box.outbox.wait_drained(5)

    asyncio.run(story())
    listener.close()
    broker.kill()


def test_two_thousand_alarms_that_waited_arrive_in_order_and_memory_stays_flat(broker: Broker, tmp_path: Path) -> None:
    words = ["-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-q", "1", "-t", f"{ROOT}/alert/#", "-C", "2000", "-F", "%p"]
    got = tmp_path / "got"

    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    async def story() -> int:
        store = await Store.open(tmp_path / "state.db", now())
        for first in range(0, 2000, 100):
            await store.commit([], [note(number) for number in range(first, first + 100)])
        async with running(broker.port, store) as box:
            await until(lambda: len(box.heard) > 200)
            before = resident_bytes()
            assert await box.outbox.wait_drained(30)
            return resident_bytes() - before

    with got.open("wb") as file, subprocess.Popen(["mosquitto_sub", *words], stdout=file) as listener:
        grown = asyncio.run(story())
        assert listener.wait(10) == 0
    assert [json.loads(line)["id"] for line in got.read_text().splitlines()] == ids(2000)
    assert grown < 4e6, "bytes; what waits stays on the disk"


def test_status_says_online_then_stopped_after_a_clean_stop(broker: Broker, listener: Listener) -> None:
    async def story() -> None:
        async with running(broker.port) as box:
            await until(lambda: box.channel.connected)
            content = json.loads((await asyncio.to_thread(listener.status, "online")).payload)
            assert content == {"status": "online", "boot_id": now().boot_id, "version": "1.2.3"}

    asyncio.run(story())
    listener.status("stopped")
    late = Listener(broker.port)
    assert late.status("stopped").retain, "who comes later sees it too, and no last will after it"
    late.close()


def test_status_says_offline_after_the_process_was_killed(broker: Broker, listener: Listener) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path.cwd())!r})
from tests.alerts.mosquitto import *
async def die():
    async with running(int(sys.argv[1])):
        await asyncio.Event().wait()
asyncio.run(die())
"""
    child = subprocess.Popen([sys.executable, "-c", script, str(broker.port)])
    listener.status("online")
    child.kill()
    child.wait(10)
    assert json.loads(listener.status("offline").payload)["boot_id"] == now().boot_id
    late = Listener(broker.port)
    assert late.status("offline").retain
    late.close()


def test_what_was_on_its_way_when_the_broker_died_is_known_at_once_not_to_have_arrived(broker: Broker) -> None:
    async def story() -> None:
        async with running(broker.port, patience_s=60.0) as box:
            await until(lambda: box.channel.connected)
            broker.signal(signal.SIGSTOP)
            on_the_way = asyncio.create_task(box.channel.send(note(0)))
            await asyncio.sleep(0)
            broker.kill()
            async with asyncio.timeout(5):
                assert (await on_the_way).outcome is Outcome.RETRY
            assert (await box.channel.send(note(0))).outcome is Outcome.RETRY

    asyncio.run(story())


def test_a_broker_that_stands_still_is_noticed_by_its_silence_about_the_heartbeat_long_before_the_keepalive(broker: Broker) -> None:
    async def story() -> None:
        async with running(broker.port, patience_s=0.3, keepalive_s=60) as box:
            await until(lambda: box.channel.connected)
            assert await box.channel.publish_state(TOPICS.heartbeat, b"1", timedelta(seconds=30)) is Outcome.UNHEARD
            broker.signal(signal.SIGSTOP)
            began = asyncio.get_running_loop().time()
            assert await box.channel.publish_state(TOPICS.heartbeat, b"2", timedelta(seconds=30)) is Outcome.RETRY
            await until(lambda: not box.channel.connected)
            assert asyncio.get_running_loop().time() - began < 2
            assert "no acknowledgement" in box.channel.statistics().problem
            await box.alarm(note(0))
            await until(lambda: "does not answer" in box.channel.statistics().problem)  # TCP is open, MQTT is dead
            broker.signal(signal.SIGCONT)
            assert await box.outbox.wait_drained(8)
            assert box.heard[-1].outcome is Outcome.UNHEARD

    asyncio.run(story())


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\xff\xff\xff\xff\xff\x7f" + bytes(100),  # a length that never ends
        b"\x20\x01\x00",  # a CONNACK cut short
        b"\x20\x03\x00\x00\x7f",  # properties that are not there
        b"\x20\x09\x00\x00\x06\xee\xee\xee\xee\xee\xee",  # properties that do not exist
        b"\x20\x03\x00\x00\x00\x40\x03\x00\x01\xee",  # accepted; then a PUBACK with a reason that does not exist
    ],
)
def test_a_peer_that_speaks_no_mqtt_is_an_outage_like_any_other(words: bytes) -> None:
    async def rubbish(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(rubbish, "127.0.0.1", 0)
        async with server, running(server.sockets[0].getsockname()[1]) as box:
            await until(lambda: box.channel.statistics().problem not in ("", "not connected yet"))
            assert not box.channel.connected
            assert "broke" not in box.channel.statistics().problem, "that would be our own fault"

    asyncio.run(story())
