"""Alarms as ONVIF events, against a real mosquitto and what the specification says of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.alert import AlertState, Change
from alerts.channels.onvif import CHANGES, OnvifChannel
from alerts.notification import Notification, NotificationId, Outcome
from appliance.outbox import Outbox
from tests.alerts.mosquitto import Broker, Listener, Running, note, now, running

pytestmark = pytest.mark.broker
PREFIX = "vms/hall-7"
TOPIC = f"{PREFIX}/onvif-ej/RuleEngine/omniwatch:Alarm/&hall.door/fire"
KEY = (note(0).alert.policy, note(0).alert.view)


def change(number: int, what: Change) -> Notification:
    opened = note(number)
    state = AlertState.NORMAL if what is Change.CLEARED else AlertState.ACTIVE
    alert = replace(opened.alert, state=state, transition=1 if what is Change.OPENED else 2, changed=now())
    return replace(opened, id=NotificationId(f"{alert.id}-{alert.transition}-onvif"), channel="onvif", change=what, alert=alert)


@asynccontextmanager
async def telling(box: Running, *rules: tuple[object, object]) -> AsyncIterator[Outbox]:
    """An outbox on the same connection, as the appliance has it."""
    channel = OnvifChannel(box.channel, PREFIX)
    channel.configure(rules)
    outbox = Outbox(box.store, {"onvif": channel}, now)
    task = asyncio.create_task(outbox.run(lambda _note, word: box.heard.append(word), lambda: None))
    yield outbox
    task.cancel()


def test_an_alarm_is_a_retained_property_that_is_true_while_it_stands(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    broker.start()
    listener = Listener(broker.port, f"{PREFIX}/#")

    async def story() -> None:
        async with running(broker.port) as box, telling(box, KEY) as outbox:
            await box.store.commit([], [change(1, Change.OPENED), change(1, Change.CLEARED), change(2, Change.OPENED)])
            outbox.wake()
            assert await outbox.wait_drained(5)
            assert {each.outcome for each in box.heard} - {Outcome.RETRY} == {Outcome.DELIVERED}

    asyncio.run(story())
    said = [listener.wait_for(lambda each: each.topic == TOPIC) for _ in range(3)]
    bodies = [json.loads(each.payload) for each in said]
    assert [body["Data"]["State"] for body in bodies] == ["true", "false", "true"]
    assert bodies[0].keys() == {"UtcTime", "Source", "Data"}
    assert bodies[0]["Source"] == {"VideoSource": "hall.door", "Rule": "fire"}, "in the order of the topic's values"
    assert bodies[0]["UtcTime"].endswith("Z")
    assert bodies[0]["Data"] | {"Alert": ""} == {"State": "true", "Alert": "", "Severity": "high", "Summary": "Smoke in the hall", "Test": "false"}
    listener.close()
    late = Listener(broker.port, f"{PREFIX}/#")
    kept = late.wait_for(lambda each: each.topic == TOPIC)
    assert kept.retain
    assert json.loads(kept.payload)["Data"]["State"] == "true"
    late.close()
    broker.kill()


def test_what_opened_and_ended_while_the_broker_was_away_is_told_in_order_when_it_is_back(tmp_path: Path) -> None:
    broker = Broker(tmp_path)

    async def story() -> None:
        async with running(broker.port) as box, telling(box, KEY) as outbox:
            await box.store.commit([], [change(number, what) for number in range(30) for what in (Change.OPENED, Change.CLEARED)])
            outbox.wake()
            broker.start()
            listener = Listener(broker.port, f"{PREFIX}/#")
            outbox.hurry("onvif")
            said = [json.loads((await asyncio.to_thread(listener.wait_for, lambda each: each.topic == TOPIC)).payload) for _ in range(60)]
            assert [each["Data"]["State"] for each in said] == ["true", "false"] * 30
            assert [int(each["Data"]["Alert"]) for each in said] == [number // 2 for number in range(60)]
            listener.close()

    asyncio.run(story())
    broker.kill()


def test_the_end_of_an_alarm_whose_policy_is_gone_deletes_the_property(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    broker.start()
    listener = Listener(broker.port, f"{PREFIX}/#")

    async def story() -> None:
        async with running(broker.port) as box, telling(box) as outbox:
            await box.store.commit([], [change(1, Change.OPENED), change(1, Change.CLEARED)])
            outbox.wake()
            assert await outbox.wait_drained(5)

    asyncio.run(story())
    assert [bool(listener.wait_for(lambda each: each.topic == TOPIC).payload) for _ in range(2)] == [True, False]
    listener.close()
    broker.kill()


def test_only_changes_of_the_property_are_told() -> None:
    assert set(Change) - CHANGES == {Change.UPDATED, Change.REMINDED, Change.ACKNOWLEDGED, Change.SHELVED, Change.UNSHELVED}
