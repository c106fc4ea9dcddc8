"""A Home Assistant with nothing but its MQTT integration, that does what a person would. Runs on the Python that it needs, not on ours.

`record.py` starts it: `child.py CONFIG_FOLDER PORT DESCRIPTION_FILE`. It ends with 0 where all was as it should be.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from homeassistant import auth, config_entries, core, loader
from homeassistant.components import mqtt
from homeassistant.components.mqtt import binary_sensor, button, schemas, select, sensor
from homeassistant.helpers import (
    area_registry,
    category_registry,
    device_registry,
    entity,
    entity_registry,
    floor_registry,
    frame,
    issue_registry,
    label_registry,
    restore_state,
    template,
    translation,
)
from homeassistant.setup import async_setup_component

PLATFORMS = {"binary_sensor": binary_sensor, "button": button, "select": select, "sensor": sensor}
ALARM = "binary_sensor.test_something_there_on_wall"
BUTTON = "button.test_acknowledge_something_there_on_wall"
MODE = "select.test_arm_mode"


def check(description: dict) -> None:
    """Against Home Assistant's own schemas; those of the platforms as they are for files, which take no key that they do not know."""
    schemas.DEVICE_DISCOVERY_SCHEMA(description)
    for component in description["components"].values():
        rest = {key: value for key, value in component.items() if key != "platform"}
        PLATFORMS[component["platform"]].PLATFORM_SCHEMA_MODERN({**rest, "device": description["device"], "origin": description["origin"]})


def storage(folder: Path, port: int) -> None:
    """What a person would have typed: where the broker is."""
    (folder / ".storage").mkdir(parents=True)
    when = "2026-01-01T00:00:00+00:00"
    entry = {
        "created_at": when,
        "modified_at": when,
        "data": {"broker": "127.0.0.1", "port": port, "protocol": "5"},
        "options": {"discovery": True},
        "domain": "mqtt",
        "entry_id": "mqtt",
        "title": "broker",
        "source": "user",
        "version": 1,
        "minor_version": 2,
        "unique_id": None,
        "disabled_by": None,
        "discovery_keys": {},
        "subentries": [],
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
    }
    body = {"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": [entry]}}
    (folder / ".storage" / "core.config_entries").write_text(json.dumps(body))
    (folder / "configuration.yaml").write_text("homeassistant:\n")


async def started(folder: Path) -> core.HomeAssistant:
    """A Home Assistant that runs."""
    hass = core.HomeAssistant(str(folder))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    for each in (frame, entity, template, translation):
        each.async_setup(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    for registry in (area_registry, category_registry, floor_registry, issue_registry, label_registry, restore_state):
        await registry.async_load(hass)
    for registry in (device_registry, entity_registry):  # logging in has made them, and has not read them
        await registry.async_get(hass).async_load()
    await hass.config_entries.async_initialize()
    if not await async_setup_component(hass, "mqtt", {}):
        raise SystemExit("the MQTT integration did not start")
    await hass.async_start()
    return hass


async def until(what: Callable[[], bool], said: str) -> None:
    """Wait for something, for as long as a person would."""
    async with asyncio.timeout(40):
        while not what():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.05)
    print(said, flush=True)  # noqa: T201 - a tool's own words


async def story(hass: core.HomeAssistant) -> None:
    """An alarm, an acknowledgement, arming, disarming; and the birth, which comes some seconds after the start."""
    heard: list[str] = []
    await mqtt.async_subscribe(hass, "homeassistant/#", lambda message: heard.append(f"{message.topic} {message.payload}"))

    def shows(entity_id: str, state: str) -> bool:
        found = hass.states.get(entity_id)
        return found is not None and found.state == state

    async def does(domain: str, service: str, entity_id: str, **data: str) -> None:
        await hass.services.async_call(domain, service, {"entity_id": entity_id, **data}, blocking=True)

    await until(lambda: shows("binary_sensor.test_running", "on"), "the box is there")
    await until(lambda: shows("binary_sensor.test_microphone_dead_on_wall", "unknown"), "what nothing comes of is unknown")
    await until(lambda: shows(ALARM, "on"), "an alarm")
    await does("button", "press", BUTTON)
    await until(lambda: hass.states.get(ALARM).attributes["acknowledged_by"] == "Home Assistant", "acknowledged")
    await does("select", "select_option", MODE, option="night")
    await until(lambda: shows(MODE, "night"), "armed")
    await does("select", "select_option", MODE, option="disarmed")
    await until(lambda: shows(MODE, "disarmed"), "disarmed")
    await until(lambda: "homeassistant/status online" in heard, "born")
    await until(lambda: "/config" in heard[-1], "described again")


async def main(folder: Path, description: dict) -> None:
    """All of it."""
    hass = await started(folder)
    check(description)
    print("the description is as Home Assistant's schemas want it", flush=True)  # noqa: T201 - a tool's own words
    await story(hass)
    await hass.async_stop(force=True)


storage(Path(sys.argv[1]), int(sys.argv[2]))
asyncio.run(main(Path(sys.argv[1]), json.loads(Path(sys.argv[3]).read_text())))
