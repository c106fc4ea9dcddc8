"""Cameras' pictures at a real broker: as they were made, kept for nobody, behind alarms on a slow line; and those of a whole box."""

import asyncio
import contextlib
import json
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from alerts.channels.mqtt_settings import Protocol
from alerts.channels.packet import Message
from alerts.notification import Outcome
from appliance.broker.pictures import Pictures
from appliance.children.previews import LATE_S, PictureFate, Previews
from sensors.jpeg import sides
from sensors.preview import Preview
from sensors.window import SensorId
from tests.alerts.mosquitto import TOPICS, Broker, Listener, Running, ids, note, running, until
from tests.appliance.conftest import Appliance, eventually
from tests.drills.rogue import jpeg
from tests.sensors.test_previewer import unpacked

pytestmark = pytest.mark.broker
DOOR = SensorId("door")
LARGE = jpeg(640, 360)[:-2] + bytes(40_000) + b"\xff\xd9"


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@asynccontextmanager
async def showing(box: Running) -> AsyncIterator[tuple[Previews, Counter[str]]]:
    """Where its pictures are put, and what became of them."""
    fates: Counter[str] = Counter()
    previews = Previews(lambda fate: fates.update([fate]), lambda: None)
    task = asyncio.create_task(Pictures(box.channel, previews, lambda fate: fates.update([fate])).run())
    try:
        yield previews, fates
    finally:
        task.cancel()
        await asyncio.wait({task})


def shown(payload: bytes = LARGE, sensor: SensorId = DOOR) -> Preview:
    return Preview(sensor=sensor, jpeg=payload)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_picture_goes_byte_for_byte_to_those_who_are_there_and_is_kept_for_nobody(plain: Broker, protocol: Protocol) -> None:
    listener = Listener(plain.port, TOPICS.picture(DOOR))

    async def story() -> None:
        async with running(plain.port, protocol=protocol) as box, showing(box) as (previews, fates):
            await until(lambda: box.channel.connected)
            previews.put(shown(), 1)
            await until(lambda: fates[PictureFate.SENT] == 1)

    asyncio.run(story())
    heard = listener.wait_for(lambda _: True)
    assert (heard.payload, heard.qos, heard.retain) == (LARGE, 0, False)
    if protocol is Protocol.V5:
        assert heard.properties
        assert heard.properties.ContentType == "image/jpeg"
    late = Listener(plain.port, TOPICS.picture(DOOR))
    late.say(TOPICS.picture(DOOR), b"the first that whoever comes later hears")
    assert late.wait_for(lambda _: True).payload == b"the first that whoever comes later hears"
    for each in (listener, late):
        each.close()


def test_one_that_nobody_wants_any_more_when_its_turn_comes_is_not_sent(plain: Broker) -> None:
    listener = Listener(plain.port, TOPICS.picture(DOOR))

    async def story() -> None:
        async with running(plain.port) as box:
            await until(lambda: box.channel.connected)
            for payload, is_wanted in ((b"masked otherwise", False), (b"now", True)):
                message = Message(topic=TOPICS.picture(DOOR), payload=payload, may_be_lost=True)
                outcome = await box.channel.offer(message, 5.0, lambda wanted=is_wanted: wanted)
                assert outcome is (Outcome.DELIVERED if is_wanted else Outcome.RETRY)

    asyncio.run(story())
    assert listener.wait_for(lambda _: True).payload == b"now"
    listener.close()


def test_without_a_connection_it_is_lost_and_counted(plain: Broker) -> None:
    plain.kill()

    async def story() -> None:
        async with running(plain.port) as box, showing(box) as (previews, fates):
            previews.put(shown(), 1)
            await until(lambda: fates[PictureFate.UNSENT] == 1)

    asyncio.run(story())


def test_one_that_is_too_large_for_the_broker_is_said_once_and_the_connection_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path, "allow_anonymous true", "max_packet_size 20000")
    broker.start()

    async def story() -> None:
        async with running(broker.port) as box, showing(box) as (previews, fates):
            await until(lambda: box.channel.connected)
            for count in (1, 2):
                previews.put(shown(), 1)
                await until(lambda count=count: fates[PictureFate.REFUSED] == count)
            previews.put(shown(jpeg(9, 9)), 1)
            await until(lambda: fates[PictureFate.SENT] == 1)
            assert box.channel.statistics().connections == 1

    asyncio.run(story())
    assert caplog.text.count("make pictures smaller") == 1
    broker.kill()


def test_one_whose_successor_should_have_come_is_not_shown_as_if_it_were_of_now(plain: Broker) -> None:
    async def story() -> None:
        async with running(plain.port) as box, showing(box) as (previews, fates):
            await until(lambda: box.channel.connected)
            previews.put(shown(), -LATE_S)
            await until(lambda: fates[PictureFate.LATE] == 1)

    asyncio.run(story())


def test_one_that_grows_old_behind_what_matters_more_is_not_sent_after_it(plain: Broker) -> None:
    async def story() -> None:
        async with running(plain.port, patience_s=60.0) as box, showing(box) as (previews, fates):
            await until(lambda: box.channel.connected)
            plain.signal(signal.SIGSTOP)
            state = asyncio.create_task(box.channel.publish_state(TOPICS.mode, b"{}", None))
            await asyncio.sleep(0)  # so that it is on its way
            previews.put(shown(), 0.2 - LATE_S)
            await until(lambda: fates.total() == 1)
            plain.signal(signal.SIGCONT)
            await state
            assert fates[PictureFate.SENT] == 0
            assert box.channel.statistics().connections == 1

    asyncio.run(story())


class SlowLine:
    """Carries bytes to the broker no faster than `bytes_s`, and holds few of them back; what it carries is counted."""

    def __init__(self, port: int, bytes_s: int) -> None:
        self._port, self._bytes_s = port, bytes_s
        self.carried = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """The port at which it begins."""
        end = socket.socket()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(self._carry, sock=end, limit=2048)
        try:
            yield end.getsockname()[1]
        finally:
            server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            answers = asyncio.create_task(self._answer(there, writer))
            while some := await reader.read(1024):
                await asyncio.sleep(len(some) / self._bytes_s)
                self.carried += len(some)
                back.write(some)
            back.close()
            await answers

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await there.read(1024):
            writer.write(some)
        writer.close()


def test_on_a_slow_line_an_alarm_is_held_back_by_one_picture_at_most_and_pictures_leave_room(plain: Broker) -> None:
    line = SlowLine(plain.port, 400_000)

    async def camera(previews: Previews) -> None:
        while True:
            previews.put(shown(), 60)
            await asyncio.sleep(0.01)

    async def story() -> None:
        async with line.open() as port, running(port, patience_s=10.0) as box, showing(box) as (previews, fates):
            await until(lambda: box.channel.connected)
            filming = asyncio.create_task(camera(previews))
            for number in range(4):
                sent = fates[PictureFate.SENT]
                await until(lambda sent=sent: fates[PictureFate.SENT] > sent)
                before = line.carried
                await box.alarm(note(number))
                await until(lambda number=number: len(box.heard) == number + 1)
                assert line.carried - before <= len(LARGE) + 8192, "no more of them lie in the kernel"
            filming.cancel()
            assert fates[PictureFate.REPLACED] > fates[PictureFate.SENT], "of what did not go only the newest waited"
            assert fates[PictureFate.UNSENT] == fates[PictureFate.LATE] == 0
            assert box.channel.statistics().connections == 1

    listener = Listener(plain.port)
    asyncio.run(story())
    assert listener.alerts(4) == ids(4)
    listener.close()


class Eye:
    """Sees a box's pictures, and what Home Assistant is told."""

    def __init__(self, port: int) -> None:
        self.pictures: list[bytes] = []
        self.described: list[dict[str, Any]] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe([("omniwatch/+/+/picture/+", 1), ("homeassistant/device/#", 1)])  # type: ignore[arg-type]
        self._client.on_message = lambda _client, _data, message: self._take(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, message: paho.MQTTMessage) -> None:
        if message.topic == "omniwatch/plant/test/picture/wall":
            self.pictures.append(message.payload)
        else:
            self.described.append(json.loads(message.payload)["components"])

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


MASKED = "    masks: [[0.0, 0.0, 0.25, 0.5]]\njudge:"
WANTED = ", home_assistant: true, pictures: {every: 1s, longest_side: 240, bytes: 6kB}"


def test_a_box_shows_what_its_camera_films_without_what_is_masked_until_a_reload_says_otherwise(appliance: Appliance) -> None:
    eye = Eye(appliance.broker.port)
    appliance.sensors, appliance.login = MASKED, WANTED
    appliance.start()
    eventually(lambda: any(yellow(each) for each in eye.pictures), 25, "what stands before the wall")
    before = appliance.sensor_processes()
    assert not yellow(eye.pictures[0]), "it was not there yet"
    for each in eye.pictures:
        assert sides(each) == (240, 144)
        assert len(each) <= 6000
        assert unpacked(each)[:68, :56].max() <= 4
        assert unpacked(each)[80:].max(axis=2).min() > 80, "the rest is as it is"
    assert "picture_wall" in eye.described[-1]
    appliance.login = WANTED.replace("longest_side: 240", "longest_side: 160")
    reload(appliance)
    eventually(lambda: sides(eye.pictures[-1]) == (160, 96), 10, "smaller pictures")
    appliance.login = ", home_assistant: true"
    reload(appliance)
    eventually(lambda: eye.described[-1].get("picture_wall", {"platform"}) == {"platform": "image"}, 10, "it is taken out")
    assert appliance.sensor_processes() == before, "the sensor goes on undisturbed"
    assert "takes effect at the next start" not in appliance.log()
    assert appliance.figure('omniwatch_mqtt_pictures_total{outcome="sent"}') >= len(eye.pictures)
    eye.close()


def reload(box: Appliance) -> None:
    box.write()
    box.signal(signal.SIGHUP)


def yellow(picture: bytes) -> bool:
    """Whether the thing stands there."""
    pixels = unpacked(picture)
    height, width = pixels.shape[:2]
    return bool(pixels[height // 2 : height * 4 // 5, width * 2 // 5 : width * 3 // 5, 2].mean() < 80)
