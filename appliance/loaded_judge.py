"""The configured judge, loaded for one purpose and ended after it: recordings are judged by it, or its capacity is measured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from analyzers.interview import JudgeCondition
from appliance.children.child import ChildLost
from appliance.children.judge_link import JudgeLink
from appliance.config.configuration import Configuration
from appliance.watch import watch
from appliance.wiring import judge_budget, judge_settings
from sensors.wire import WireError


class NoJudge(Exception):  # noqa: N818 - the world's fault
    """The judge cannot be had, or has gone. Its text says why."""


@asynccontextmanager
async def loaded_judge(configuration: Configuration) -> AsyncIterator[JudgeLink | None]:
    """The judge, ready to be asked; None where cues are to judge. NoJudge where it cannot be had."""
    settings = judge_settings(configuration.judge)
    if settings is None:
        yield None
        return
    settled = asyncio.Event()
    link = JudgeLink(lambda news: settled.set() if news.condition is not JudgeCondition.LOADING else None, lambda _work: None)
    link.policies(watch(configuration).asked())
    link.configure(settings, judge_budget(configuration.judge))
    running = asyncio.create_task(link.run_once(), name="judge")
    settling = asyncio.create_task(settled.wait(), name="judge loads")
    try:
        await asyncio.wait({running, settling}, return_when=asyncio.FIRST_COMPLETED)
        if not link.ready:
            raise NoJudge(link.news.detail or "did not load")
        yield link
    finally:
        settling.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError, ChildLost, WireError):
            await running
