"""A replay says what the model would have said, or that it cannot."""

import asyncio

import pytest

from appliance.child import ChildLost
from appliance.clock import RecordedClock
from appliance.judge_link import JudgeLink
from appliance.replay import Replayed
from tests.appliance.test_pipeline import START, Way, window


def test_a_judge_that_goes_ends_the_replay_and_nobody_stands_in() -> None:
    async def story() -> None:
        way = await Way().begin()
        link = JudgeLink(lambda _news: None, lambda _work: None)
        way.pipeline.judge = link
        replayed = Replayed(way.pipeline, RecordedClock(START), link, lambda _seconds: None)
        with pytest.raises(ChildLost, match="judge"):
            await replayed.window(window(2))

    asyncio.run(story())
