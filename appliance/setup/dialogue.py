"""The questions that make a first configuration, in their order. What comes of them is what a file of answers would say."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from rich import box
from rich.markup import escape
from rich.table import Table

from alerts.channels.mqtt_settings import usual_port
from alerts.channels.topics import Topics
from analyzers.interview import Quantization
from analyzers.omni.folder import read as read_model
from analyzers.omni.plan import ModelError, plan, this_machine
from appliance.config.form import MAX_ID, Id, Line
from appliance.config.judge_form import JudgeChoice
from appliance.config.mqtt_form import Host
from appliance.config.policy_form import MAX_SENSORS
from appliance.config.problems import did_you_mean
from appliance.config.sensor_form import Source, absolute
from appliance.config.site_form import read_timezone
from appliance.config.taught_window import taught_window
from appliance.doctor.finding import Finding, Health
from appliance.doctor.machine import local_sources
from appliance.setup.answers import MAX_WATCHED, AnswersForm, BrokerAnswer, SensorAnswer, this_host, this_timezone
from appliance.setup.discovery import DiscoveryFailed, Found, find_cameras
from appliance.setup.shelf import Offered, Shelf, lacking
from appliance.setup.terminal import Terminal
from appliance.setup.trial import try_round_trip, try_source
from sensors.settings import SoundUse

ID: TypeAdapter[str] = TypeAdapter(Id)
LINE: TypeAdapter[str] = TypeAdapter(Line)
HOST: TypeAdapter[str] = TypeAdapter(Host)
SOURCE: TypeAdapter[str] = TypeAdapter(Source)
PORT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=65535)])
QUANTIZATION: TypeAdapter[Quantization] = TypeAdapter(Quantization)
KEEP, AGAIN, OUT = "keep", "again", "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A source that was found, and what it may be called."""

    source: str
    words: str = ""
    is_whole: bool = True
    """False: the path of its stream is still to be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Who looks for cameras and microphones: in the network, and in this machine."""

    network: Callable[[], tuple[Found, ...]] = find_cameras
    machine: Callable[[], tuple[str, ...]] = local_sources


def ask_all(terminal: Terminal, shelf: Shelf, around: Around) -> AnswersForm:
    """All of the questions. EOFError or KeyboardInterrupt where whoever types has had enough."""
    said: dict[str, Any] = {}
    terminal.heading("The box")
    said["site"] = terminal.value("The site's name", ID)
    said["box"] = terminal.value("This box's name", ID, this_host())
    said["timezone"] = terminal.read("The site's time zone", read_timezone, this_timezone())
    said["state"] = terminal.read("The folder for the database and for evidence", _folder, "/var/lib/omniwatch")
    said["sensors"] = _sensors(terminal, around)
    said["judge"] = _judge(terminal)
    said["watch"] = _watch(terminal, shelf, said["sensors"], has_model=said["judge"] is not None)
    said["mqtt"] = _broker(terminal, Topics(site=said["site"], box=said["box"]))
    return AnswersForm.model_validate({key: value for key, value in said.items() if value is not None})


def _folder(typed: str) -> str:
    """A path that does not depend on where this is typed."""
    if not typed:
        raise ValueError("must not be empty")
    return str(Path(typed).expanduser().absolute())


def _sensors(terminal: Terminal, around: Around) -> dict[str, SensorAnswer]:
    terminal.heading("Cameras and microphones")
    found = _looked_for(terminal, around)
    for number, each in enumerate(found, 1):
        terminal.say(f"{number:4}  {each.source}{f'   {each.words}' if each.words else ''}")
    sensors: dict[str, SensorAnswer] = {}
    question = f"{'A number from above, or a source' if found else 'A source'} like rtsp://10.0.0.21/stream2"
    while len(sensors) < MAX_SENSORS:
        choice = terminal.read(f"{question}{' (Enter: no more)' if sensors else ''}", _chooser(found, may_end=bool(sensors)))
        if choice is None:
            break
        if sensor := _sensor(terminal, choice, sensors):
            sensors[sensor[0]] = sensor[1]
    return sensors


def _looked_for(terminal: Terminal, around: Around) -> list[Choice]:
    """What is in the network and in this machine."""
    found: tuple[Found, ...] = ()
    with terminal.console.status("asking the network for cameras, and this machine for cameras and microphones"):
        try:
            found = around.network()
            said = "" if found else "no camera in this network answered (ONVIF may be switched off in it, or it is in another network)"
        except DiscoveryFailed as failed:
            said = str(failed)
        local = around.machine()
    if said:
        terminal.say(said)
    if not any(each.startswith("mic:") for each in local):
        terminal.say("this machine has no microphone that can be opened; a camera's own sound needs none")
    return [*(Choice(source=each.source, words=each.name, is_whole=False) for each in found), *(Choice(source=each) for each in local)]


def _chooser(found: list[Choice], *, may_end: bool) -> Callable[[str], Choice | None]:
    def understand(typed: str) -> Choice | None:
        if not typed and may_end:
            return None
        if not typed:
            raise ValueError("a box needs at least one")
        if not typed.isdecimal():
            return Choice(source=SOURCE.validate_python(typed))
        if not 0 < int(typed[:6]) <= len(found):
            raise ValueError(f"there are {len(found)} in the list" if found else "there is no list: type a source")
        return found[int(typed) - 1]

    return understand


def _sensor(terminal: Terminal, choice: Choice, others: dict[str, SensorAnswer]) -> tuple[str, SensorAnswer] | None:
    """One sensor that opens, or that is wanted although it does not. None: it is left out."""
    source, name = choice.source, ""
    while True:
        if not choice.is_whole or name:
            source = terminal.value("Its whole address; the camera's manual or web page names the path", SOURCE, source)
        name = name or terminal.read("Its name here", _namer(others), _name(choice, len(others) + 1))
        said: dict[str, Any] = {"source": absolute(source, Path.cwd())}
        if source.startswith(("rtsp:", "rtsps:")) and (username := terminal.optional("The name to log in with", LINE)):
            said |= {"username": username, "password": terminal.password("Its password")}
        answer = SensorAnswer.model_validate(said)
        with terminal.console.status(f"opening {name}"):
            finding = try_source(name, answer)
        what = _what_now(terminal, finding)
        if what == KEEP:
            return name, _heard(terminal, answer) if finding.health is not Health.FAILURE else answer
        if what == OUT:
            return None


def _what_now(terminal: Terminal, finding: Finding) -> str:
    finding.show(terminal.console)
    if finding.health is not Health.FAILURE:
        return KEEP
    return terminal.choice("Keep it all the same, try again, or leave it out?", (KEEP, AGAIN, OUT), AGAIN)


def _heard(terminal: Terminal, answer: SensorAnswer) -> SensorAnswer:
    """Sound is the owner's to allow."""
    if answer.source.startswith(("mic:", "v4l2:")) or terminal.yes("May it listen as well? Sound is judged and not kept", default=True):
        return answer
    return answer.model_copy(update={"sound": SoundUse.OFF})


def _name(choice: Choice, number: int) -> str:
    said = re.sub(r"[^a-z0-9]+", "-", choice.words.partition(",")[0].lower()).strip("-")[:MAX_ID].strip("-")
    return said or f"{'microphone' if choice.source.startswith('mic:') else 'camera'}-{number}"


def _namer(others: dict[str, SensorAnswer]) -> Callable[[str], str]:
    def understand(typed: str) -> str:
        if typed in others:
            raise ValueError(f'there is a sensor "{typed}" already')
        return ID.validate_python(typed)

    return understand


def _judge(terminal: Terminal) -> dict[str, Any] | None:
    """The model, where there is one already."""
    terminal.heading("The model")
    terminal.say("Without one only cues answer: motion, change and sound levels, not meaning. It can be named later, and")
    terminal.say("`omniwatch plan MODEL` says what one takes.")
    while typed := terminal.read("The folder of an Omni model (Enter: none yet)", lambda words: words):
        folder = Path(typed).expanduser().absolute()
        try:
            packed = read_model(folder).quantization
            quantization = packed or terminal.value("How its weights are held: nf4, nf4-double, int8 or none", QUANTIZATION, "nf4")
            terminal.say(str(plan(folder, quantization, this_machine())))
            if window := taught_window(folder):
                terminal.say(f"It was taught on windows of {window}: yours will be cut so.")
        except (ModelError, OSError) as error:
            terminal.complain(str(error))
            continue
        return {"kind": JudgeChoice.OMNI, "model": str(folder), "quantization": quantization}
    return None


def _watch(terminal: Terminal, shelf: Shelf, sensors: dict[str, SensorAnswer], *, has_model: bool) -> dict[str, tuple[str, ...]] | None:
    """What to watch for at each sensor."""
    terminal.heading("What to watch for")
    if not shelf.offers:
        terminal.say(f"There is no catalogue in {shelf.folder}: write policies of your own into the configuration.")
        return None
    offers = list(shelf.offers.values())
    terminal.console.print(_table(offers, has_model=has_model))
    chosen = {}
    for name, sensor in sensors.items():
        question = f"At {name}: numbers or names, with commas between them (Enter: nothing)"
        if policies := terminal.read(question, _picker(offers, sensor)):
            chosen[name] = policies
    return chosen or None


def _table(offers: list[Offered], *, has_model: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("", "name", "what is alarmed", "severity", "needs"):
        table.add_column(heading, overflow="fold")
    for number, offered in enumerate(offers, 1):
        form = offered.form
        needs = [*([sense.value for sense in form.senses] or ["sight or sound"]), *(() if has_model or form.fallback else ("a model",))]
        table.add_row(str(number), escape(form.id), escape(form.title or form.ask), form.severity.value, ", ".join(needs))
    return table


def _picker(offers: list[Offered], sensor: SensorAnswer) -> Callable[[str], tuple[str, ...]]:
    names = {offered.form.id: offered for offered in offers} | {str(number): offered for number, offered in enumerate(offers, 1)}

    def understand(typed: str) -> tuple[str, ...]:
        words = [word for word in re.split(r"[,\s]+", typed) if word]
        unknown = next((word for word in words if word not in names), None)
        if unknown is not None:
            raise ValueError(f'there is no "{unknown}"; {did_you_mean(unknown, names) or "take numbers or names from the list"}')
        picked = tuple(dict.fromkeys(names[word].form.id for word in words))
        wrong = next((f"{policy} {why}" for policy in picked if (why := lacking(names[policy].form, sensor.form()))), "")
        if wrong or len(picked) > MAX_WATCHED:
            raise ValueError(wrong or f"at most {MAX_WATCHED}")
        return picked

    return understand


def _broker(terminal: Terminal, topics: Topics) -> BrokerAnswer | None:
    """The broker that hands on what we say, or that is wanted although it does not."""
    terminal.heading("The MQTT broker that alarms go to")
    while host := terminal.optional("Its name or address", HOST, "nobody is told yet"):
        tls = terminal.yes("Encrypted (TLS)?", default=False)
        said: dict[str, Any] = {"host": host, "tls": tls, "port": terminal.value("Its port", PORT, str(usual_port(tls=tls)))}
        if tls and (ca := terminal.optional("The certificate of its authority", TypeAdapter(str), "the system's authorities")):
            said["ca"] = os.path.abspath(Path(ca).expanduser())  # noqa: PTH100 - without following links
        if username := terminal.optional("The name to log in with", LINE):
            said |= {"username": username, "password": terminal.password("Its password")}
        answer = BrokerAnswer.model_validate(said)
        with terminal.console.status("greeting it, and sending a message that has to come back"):
            finding = try_round_trip(answer, topics)
        what = _what_now(terminal, finding)
        if what != AGAIN:
            return answer if what == KEEP else None
    return None
