"""What a real broker keeps of a box for whoever comes later: the newest, for as long as it holds, and said once."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.notification import Outcome
from analyzers.policy import PolicyId
from sensors.window import SensorId, ViewId
from tests.alerts.mosquitto import TOPICS, Broker, Listener, running, until

pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


def test_retained_state_is_the_newest_expires_and_comes_again_after_a_broken_connection(broker: Broker) -> None:
    topic = TOPICS.state(PolicyId("fire"), ViewId("hall"))

    async def story() -> None:
        async with running(broker.port) as box:
            assert await box.channel.publish_state(topic, b"before", timedelta(seconds=30)) is Outcome.RETRY, "not connected yet"
            await box.channel.publish_state(topic, b"newer", timedelta(seconds=30))
            stale = TOPICS.sensor(SensorId("hall"))
            await box.channel.publish_state(stale, b"stale", timedelta(0))
            await until(lambda: box.channel.connected)
            await box.channel.publish_state(topic, b"newer", timedelta(seconds=30))
            first = Listener(broker.port)
            message = await asyncio.to_thread(first.wait_for, lambda each: each.topic in (topic, stale))
            first.close()
            assert (message.topic, message.payload, message.retain) == (topic, b"newer", True)
            assert message.properties is not None
            assert 25 < message.properties.MessageExpiryInterval <= 30
            broker.kill()
            await until(lambda: not box.channel.connected)
            broker.start()
            second = Listener(broker.port)
            message = await asyncio.to_thread(second.wait_for, lambda each: each.topic == topic)
            assert message.payload == b"newer"
            await until(lambda: box.channel.connected)
            await box.channel.publish_state(topic, b"", timedelta(seconds=30))
            assert (await asyncio.to_thread(second.wait_for, lambda each: each.topic == topic)).payload == b""
            assert box.channel.statistics().retained == 0
            second.close()

    asyncio.run(story())


def test_what_is_said_while_it_connects_is_said_once(broker: Broker) -> None:
    said, last = TOPICS.sensor(SensorId("hall")), TOPICS.mode

    async def story() -> None:
        heard = Listener(broker.port)
        async with running(broker.port) as box:
            await box.channel.publish_state(said, b"before", None)
            async with asyncio.timeout(10):
                while not box.channel.connected:  # noqa: ASYNC110 - the first moment, in which the broker has not yet acknowledged that we are online
                    await asyncio.sleep(0)
            await box.channel.publish_state(said, b"now", None)
            for payload in (b"then", b"last"):  # whatever else was to be said has been by the second
                await box.channel.publish_state(last, payload, None)
            seen = [await asyncio.to_thread(heard.wait_for, lambda each: each.topic in (said, last)) for _ in range(3)]
            assert [each.payload for each in seen] == [b"now", b"then", b"last"]
        heard.close()

    asyncio.run(story())


def test_a_value_without_an_expiry_stays_until_it_is_removed(broker: Broker) -> None:
    async def story() -> None:
        async with running(broker.port) as box:
            await until(lambda: box.channel.connected)
            assert await box.channel.publish_state(TOPICS.mode, b"there", None) is Outcome.UNHEARD
            late = Listener(broker.port, TOPICS.mode)
            message = await asyncio.to_thread(late.wait_for, lambda each: each.topic == TOPICS.mode)
            assert (message.payload, message.retain) == (b"there", True)
            assert not hasattr(message.properties, "MessageExpiryInterval")
            late.close()

    asyncio.run(story())
