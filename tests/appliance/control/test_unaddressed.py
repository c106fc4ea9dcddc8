"""Rows of the outbox that no channel takes any more show in the status."""

import asyncio
from dataclasses import replace
from io import StringIO

from rich.console import Console

from alerts.notification import Outcome
from appliance.control.orders import StatusAnswer
from appliance.control.show import show
from appliance.control.status import BlankLine, ChannelLine, JudgeLine, ModeLine, Status
from appliance.control.unaddressed import unaddressed
from appliance.store.store import MEMORY, Store
from tests.appliance.store.test_store import alert, at, decided, outcome, told

EMPTY = Status(
    site="plant", box="hall", version="1", at=at(0).utc, mode=ModeLine(mode="armed", armed=True, modes=("armed",), since=None, who=""),
    judge=JudgeLine(kind="cues", condition="alone"), sensors=(), alarms=(), alarms_in_all=0, shelves=(), channels=(), store_problem="",
    disk_free=None, self_test="off", self_test_at=None,
    blank=BlankLine(says="", policies=0, asked=0, unanswered=0, flags=(), flags_in_all=0),
)  # fmt: skip


def printed(line: ChannelLine) -> str:
    """What the status says of a channel."""
    said = StringIO()
    show(StatusAnswer(status=replace(EMPTY, channels=(line,))), Console(file=said, width=200), as_json=False)
    return next(each for each in said.getvalue().splitlines() if each.startswith("outbox"))


def test_what_waits_for_a_channel_that_was_renamed_is_told_with_its_age_and_the_others_are_not() -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, at(0))
        renamed = [told(alert(n), "people-anna", created=n) for n in range(3)]
        gone, there = told(alert(4), "people-[red]", created=4), told(alert(5), "mqtt", created=5)
        await store.commit([decided(alert(n)) for n in range(6)], [*renamed, gone, there])
        await store.settle([outcome(renamed[0], Outcome.REFUSED), outcome(gone, Outcome.REFUSED)])
        anna = ChannelLine(channel="people-anna", connected=None, waiting=2, oldest_age_s=59.0, refused=1, undurable=0, is_there=False)
        red = replace(anna, channel="people-[red]", waiting=0, oldest_age_s=0.0)
        assert await unaddressed(store, {"mqtt", "people-erika"}, at(60)) == (red, anna)
        assert printed(anna) == "outbox    people-anna: no such entry of `notify`, 2 wait, the oldest for 59 s, 1 refused"
        assert printed(red) == "outbox    people-[red]: no such entry of `notify`, nothing waits, 1 refused"
        assert "ready" in printed(replace(anna, is_there=True))
        await store.close(at(60))

    asyncio.run(story())


def test_a_store_that_has_failed_keeps_nobody_from_the_status() -> None:
    async def story() -> None:
        store = await Store.open(MEMORY, at(0))
        await store.commit([decided(alert(1))], [told(alert(1), "people-anna")])
        await store.do(lambda connection: connection.execute("ALTER TABLE outbox RENAME TO other"))
        assert await unaddressed(store, (), at(60)) == ()
        await store.close(at(60))

    asyncio.run(story())
