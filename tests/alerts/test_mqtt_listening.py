"""What a box hears at a real broker: bounded, told apart from what is retained, and heard again after every connection."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from alerts.channels.connection import LARGEST_HEARD
from alerts.channels.listening import MAX_PAYLOAD, MAX_WAITING, Heard, Inbox
from alerts.channels.mqtt import MqttChannel, MqttSettings, Protocol
from alerts.notification import Outcome
from tests.alerts.mosquitto import TOPICS, Broker, note, now, until

pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")]
ORDER = TOPICS.command("acknowledge")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


class Sender:
    """Somebody who gives orders."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def send(self, payload: bytes, *, retain: bool = False, topic: str = ORDER, **more: Any) -> None:  # noqa: ANN401 - properties
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
        for name, value in more.items():
            setattr(properties, name, value)
        self._client.publish(topic, payload, 1, retain, properties).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Box:
    """A channel that listens to orders."""

    def __init__(self, port: int, **settings: object) -> None:
        self.heard: list[Heard] = []
        wanted = replace(MqttSettings(host="127.0.0.1", port=port, patience_s=2.0), **settings)
        self.channel = MqttChannel(wanted, TOPICS, version="1.2.3", now=now, linked=lambda _up: None)
        self.channel.listen(TOPICS.commands, self.heard.append)

    async def __aenter__(self) -> Self:
        """Connected."""
        self._task = asyncio.create_task(self.channel.run())
        await until(lambda: self.channel.connected)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Gone."""
        self._task.cancel()
        await asyncio.wait([self._task], timeout=10)


async def sent_by(port: int, *orders: dict[str, Any]) -> None:
    def send() -> None:
        sender = Sender(port)
        for order in orders:
            sender.send(**order)
        sender.close()

    await asyncio.to_thread(send)


def test_what_is_heard_says_what_its_sender_said_and_whether_the_broker_keeps_it(broker: Broker) -> None:
    async def story() -> None:
        async with Box(broker.port) as box:
            await sent_by(
                broker.port,
                {"payload": b"now", "ResponseTopic": "to/me", "CorrelationData": b"\x00\xff"},
                {"payload": b"kept", "retain": True},
                {"payload": b"not for us", "topic": f"{TOPICS.root}/command/a/b"},
                {"payload": b"nor this", "topic": f"{TOPICS.root}/status"},
                {"payload": b"last"},
            )
            await until(lambda: len(box.heard) == 3)
        assert [(each.payload, each.retained, each.response_topic, each.correlation) for each in box.heard] == [
            (b"now", False, "to/me", b"\x00\xff"),
            (b"kept", True, "", b""),
            (b"last", False, "", b""),
        ]
        async with Box(broker.port) as later:
            await until(lambda: len(later.heard) == 1)
            assert (later.heard[0].payload, later.heard[0].retained) == (b"kept", True), "it comes again with every connection"

    asyncio.run(story())


def test_it_listens_again_after_the_broker_was_killed(broker: Broker) -> None:
    async def story() -> None:
        async with Box(broker.port) as box:
            broker.kill()
            await until(lambda: not box.channel.connected)
            broker.start()
            await until(lambda: box.channel.connected)
            await sent_by(broker.port, {"payload": b"again"})
            await until(lambda: [each.payload for each in box.heard] == [b"again"])

    asyncio.run(story())


def test_what_is_too_large_is_kept_away_or_cut_and_the_connection_lives(broker: Broker) -> None:
    async def story() -> None:
        async with Box(broker.port) as box:
            await sent_by(broker.port, {"payload": bytes(LARGEST_HEARD)}, {"payload": bytes(3 * MAX_PAYLOAD)}, {"payload": b"small"})
            await until(lambda: len(box.heard) == 2)
            assert [len(each.payload) for each in box.heard] == [MAX_PAYLOAD + 1, 5]
            assert box.channel.statistics().connections == 1

    asyncio.run(story())


def test_an_old_broker_is_listened_to_over_3_1_1(broker: Broker) -> None:
    async def story() -> None:
        async with Box(broker.port, protocol=Protocol.V311) as box:
            await sent_by(broker.port, {"payload": b"order", "ResponseTopic": "to/me"})
            await until(lambda: [(each.payload, each.response_topic) for each in box.heard] == [(b"order", "")])

    asyncio.run(story())


def test_more_than_the_broker_takes_is_refused_here_and_ends_no_connection(tmp_path: Path) -> None:
    broker = Broker(tmp_path, "allow_anonymous true", "max_packet_size 3000")
    broker.start()

    async def story() -> None:
        async with Box(broker.port) as box:
            assert await box.channel.publish_state(TOPICS.mode, bytes(3000), None) is Outcome.REFUSED
            assert (await box.channel.send(note(1))).outcome is Outcome.UNHEARD
            assert box.channel.statistics().connections == 1

    asyncio.run(story())
    broker.kill()


def test_who_is_slow_misses_the_newest_and_they_are_counted() -> None:
    heard: list[Heard] = []
    inbox = Inbox({"a/+": heard.append, "b": lambda _heard: None})
    told = []
    for number in range(MAX_WAITING + 3):
        message = paho.MQTTMessage(number, b"a/b")
        message.payload = str(number).encode()
        told.append(inbox.put(message))
    assert told == [True, *[False] * (MAX_WAITING + 2)], "the loop is told once, and not a thousand times"
    inbox.take()
    assert [each.payload for each in heard] == [str(number).encode() for number in range(MAX_WAITING)]
    assert inbox.missed == 3
    assert inbox.put(message), "and then it has to be told again"
