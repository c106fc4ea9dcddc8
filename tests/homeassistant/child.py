"""A Home Assistant with nothing but its MQTT integration, that does what a person would. Runs on the Python that it needs, not on ours.

`record.py` starts it: `child.py CONFIG_FOLDER PORT DESCRIPTION_FILE PICTURE_FILE SENSOR_PID`. It ends with 0 where all was as it should be; the
picture is then what its image entity showed. The sensor's process is stopped for a while to see what becomes of it.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
from homeassistant import auth, config_entries, core, loader
from homeassistant.components import mqtt
from homeassistant.components.mqtt import binary_sensor, button, image, notify, schemas, select, sensor
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

PLATFORMS = {"binary_sensor": binary_sensor, "button": button, "image": image, "notify": notify, "select": select, "sensor": sensor}
ALARM = "binary_sensor.test_something_there_on_wall"
BUTTON = "button.test_acknowledge_something_there_on_wall"
MODE = "select.test_arm_mode"
PICTURE = "image.test_wall_picture"
VOICE = "notify.test_say"
SAYS = 'Leave the "hall".'


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


async def started(folder: Path, page_port: int) -> core.HomeAssistant:
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
    if not await async_setup_component(hass, "mqtt", {"http": {"server_host": "127.0.0.1", "server_port": page_port}}):
        raise SystemExit("the MQTT integration did not start")
    await hass.async_start()
    return hass


def free_port() -> int:
    """For its pages."""
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return end.getsockname()[1]


async def until(what: Callable[[], bool], said: str) -> None:
    """Wait for something, for as long as a person would."""
    async with asyncio.timeout(40):
        while not what():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.05)
    print(said, flush=True)  # noqa: T201 - a tool's own words


async def shown(hass: core.HomeAssistant, page_port: int) -> bytes:
    """The picture, as a browser gets it."""
    place = hass.states.get(PICTURE).attributes["entity_picture"]
    async with aiohttp.ClientSession() as browser, browser.get(f"http://127.0.0.1:{page_port}{place}") as answer:
        if answer.status != 200 or answer.content_type != "image/jpeg":
            raise SystemExit(f"no picture: {answer.status} {answer.content_type}")
        return await answer.read()


async def gone_and_back(hass: core.HomeAssistant, sensor_pid: int) -> None:
    """What the picture says while its camera is lost, and after it."""
    states: list[str] = []
    hass.bus.async_listen("state_changed", lambda event: states.append(event.data["new_state"].state) if event.data["entity_id"] == PICTURE else None)
    os.kill(sensor_pid, signal.SIGSTOP)
    await until(lambda: "unavailable" in states, "no picture of a camera that is lost")
    os.kill(sensor_pid, signal.SIGCONT)
    await until(lambda: states[-1] != "unavailable", "a picture again")


async def story(hass: core.HomeAssistant) -> None:
    """An alarm, an acknowledgement, arming, disarming, something said; and the birth, which comes some seconds after the start."""
    heard: list[str] = []
    answered: list[str] = []
    await mqtt.async_subscribe(hass, "homeassistant/#", lambda message: heard.append(f"{message.topic} {message.payload}"))
    await mqtt.async_subscribe(hass, "omniwatch/plant/test/response/say", lambda message: answered.append(message.payload))

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
    await does("notify", "send_message", VOICE, message=SAYS)
    await until(lambda: bool(answered) and json.loads(answered[0])["done"], "said")
    await until(lambda: "homeassistant/status online" in heard, "born")
    await until(lambda: "/config" in heard[-1], "described again")


async def main(folder: Path, description: dict, sensor_pid: int) -> bytes:
    """All of it; the picture that was shown in the end."""
    page_port = free_port()
    hass = await started(folder, page_port)
    check(description)
    print("the description is as Home Assistant's schemas want it", flush=True)  # noqa: T201 - a tool's own words
    await story(hass)
    await until(lambda: hass.states.get(PICTURE).state not in {"unknown", "unavailable"}, "a picture")
    picture = await shown(hass, page_port)
    await gone_and_back(hass, sensor_pid)
    await hass.async_stop(force=True)
    return picture


storage(Path(sys.argv[1]), int(sys.argv[2]))
Path(sys.argv[4]).write_bytes(asyncio.run(main(Path(sys.argv[1]), json.loads(Path(sys.argv[3]).read_text()), int(sys.argv[5]))))
