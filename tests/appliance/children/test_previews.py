"""Of each camera the newest picture waits, and no other."""

import asyncio

from appliance.children.previews import PictureFate, Previews
from sensors.preview import Preview
from sensors.window import SensorId
from tests.drills.rogue import jpeg


def shown(sensor: str, width: int) -> Preview:
    """A preview that is told by its width."""
    return Preview(sensor=SensorId(sensor), jpeg=jpeg(width, 96))


def test_a_newer_one_takes_the_place_of_the_older_and_every_camera_has_its_turn() -> None:
    async def story() -> None:
        counted: list[PictureFate] = []
        previews = Previews(counted.append, lambda: None)
        for each in (first := shown("a", 1), other := shown("b", 2), newer := shown("a", 3)):
            previews.put(each, 1)
        assert counted == [PictureFate.REPLACED]
        assert (await previews.take()).preview == newer
        previews.put(first, 1)
        assert (await previews.take()).preview == other, "a camera that sends more often than the others is not sent more often"
        assert (await previews.take()).preview == first

    asyncio.run(story())


def test_who_waits_gets_the_next_and_nothing_of_a_camera_that_is_shown_no_more() -> None:
    async def story() -> None:
        previews = Previews(lambda _fate: None, lambda: None)
        taking = asyncio.create_task(previews.take())
        await asyncio.sleep(0)
        previews.put(shown("a", 1), 1)
        previews.drop(SensorId("a"))
        previews.drop(SensorId("never-there"))
        await asyncio.sleep(0)
        previews.put(expected := shown("b", 2), 1)
        assert (await taking).preview == expected

    asyncio.run(story())


def test_one_that_was_taken_is_not_wanted_once_its_camera_is_shown_no_more_or_otherwise() -> None:
    async def story() -> None:
        previews = Previews(lambda _fate: None, lambda: None)
        previews.put(shown("a", 1), 1)
        taken = await previews.take()
        previews.drop(SensorId("b"))
        assert previews.is_wanted(taken)
        previews.drop(SensorId("a"))
        assert not previews.is_wanted(taken)
        previews.put(shown("a", 2), 1)
        assert not previews.is_wanted(taken)
        assert previews.is_wanted(await previews.take())

    asyncio.run(story())


def test_who_asks_all_the_time_is_not_shown_more_than_once_a_second() -> None:
    async def story() -> None:
        asked: list[str] = []
        previews = Previews(lambda _fate: None, lambda: asked.append("now"))
        for _ in range(100):
            previews.ask()
        assert asked == ["now"]

    asyncio.run(story())
