"""A file of answers: read with the forms and the words of the configuration, every mistake at once, each with its line. It changes nothing."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.config.catalogue import Place
from appliance.config.form_errors import problems
from appliance.config.keyring import Keyring
from appliance.config.problems import ConfigError, HintedError, Problem, did_you_mean
from appliance.config.references import sensor_problems
from appliance.config.sensor_form import SensorForm, absolute
from appliance.config.yaml_marks import Document, Path_, SecretName, read
from appliance.setup.answers import AnswersForm
from appliance.setup.shelf import Shelf, lacking
from sensors.secret import Secret

STAND_INS: Mapping[str, Any] = {"site": "x", "sensors": {"x": {"source": "mic:x"}}}
"""What takes the place of required keys that are wrong: such answers are refused anyway."""
ROUNDS = 6
"""As deep as answers are nested, and one more."""


def read_answers(file: Path, shelf: Shelf, keyring: Keyring) -> AnswersForm:
    """The answers in a file; paths in them are relative to its folder. ConfigError with every mistake at once."""
    document = read(file)
    found = list(document.problems)
    try:
        form = AnswersForm.model_validate(document.data)
    except ValidationError as error:
        found += problems(document, AnswersForm, error)
        form = _without({detail["loc"] for detail in error.errors()}, document.data)
    found += sensor_problems(document, {name: sensor.form() for name, sensor in form.sensors.items()}, brokered=form.mqtt is not None)
    found += _watch_problems(document, form, shelf)
    found += _login_problems(document, form, keyring)
    if found:
        raise ConfigError(found)
    return _absolute(form, file.absolute().parent)


def _without(wrong: set[Path_], data: Any) -> AnswersForm:  # noqa: ANN401 - whatever the file holds
    """The answers without what is wrong, so that the rest can be checked further: round by round, as what is left may lack something then."""
    left = {**STAND_INS, **copy.deepcopy(data)} if isinstance(data, dict) else dict(STAND_INS)
    for _ in range(ROUNDS):
        for path in wrong:
            _remove(left, path)
        try:
            return AnswersForm.model_validate({**STAND_INS, **left})
        except ValidationError as error:
            wrong = {detail["loc"] for detail in error.errors()}
    return AnswersForm.model_validate(STAND_INS)


def _remove(data: dict[str, Any], path: Path_) -> None:
    """Take out what lies at `path`, a list as a whole; where nothing does, what it should have lain in."""
    holder: dict[str | int, Any] | None = None
    here: Any = data
    key: str | int = ""
    for step in path:
        if not isinstance(here, dict) or step not in here:
            break
        holder, key, here = here, step, here[step]
    if holder is not None:
        del holder[key]


def _watch_problems(document: Document, form: AnswersForm, shelf: Shelf) -> Iterator[Problem]:
    """Sensors and policies that are not there, and policies that ask for more than a sensor has."""
    forms = {name: sensor.form() for name, sensor in form.sensors.items()}
    written = document.data.get("sensors") if isinstance(document.data, dict) else None
    names = tuple(map(str, written)) if isinstance(written, dict) else ()  # those with mistakes of their own too
    for name, policies in form.watch.items():
        if name not in names:
            hint = did_you_mean(name, names) or f"there is {', '.join(names) or 'none'}"
            yield document.problem(("watch", name), f'there is no sensor "{name}"', hint=hint, at_key=True)
        for number, policy in enumerate(policies):
            place = Place(document=document, path=("watch", name, number))
            yield from _policy_problems(place, policy, shelf, forms.get(name))
            if policy in policies[:number]:
                yield place.problem(f'"{policy}" is named twice')


def _policy_problems(place: Place, policy: str, shelf: Shelf, sensor: SensorForm | None) -> Iterator[Problem]:
    offer = shelf.offers.get(policy)
    if offer is None:
        known = f"on offer: {', '.join(shelf.offers)}" if shelf.offers else f"there is no catalogue in {shelf.folder}"
        yield place.problem(f'no catalogue has a policy "{policy}"', did_you_mean(policy, shelf.offers) or known)
    elif sensor and (why := lacking(offer.form, sensor)):
        yield place.problem(why)


def _login_problems(document: Document, form: AnswersForm, keyring: Keyring) -> Iterator[Problem]:
    """Secrets that are to lie there already and do not, and a broker that cannot be."""
    logins: dict[Path_, Secret | SecretName | None] = {("sensors", name): sensor.password for name, sensor in form.sensors.items()}
    if form.mqtt:
        logins["mqtt",] = form.mqtt.password
    for path, password in logins.items():
        if isinstance(password, SecretName):
            try:
                keyring.find(password.name)
            except HintedError as error:
                yield document.problem((*path, "password"), str(error), hint=error.hint)
    if form.mqtt and (form.mqtt.username is None) != (form.mqtt.password is None):
        yield document.problem(("mqtt", "username" if form.mqtt.username else "password"), "username and password come together")
    if form.mqtt and form.mqtt.ca and not form.mqtt.tls:
        yield document.problem(("mqtt", "ca"), "needs tls: true")


def _absolute(form: AnswersForm, folder: Path) -> AnswersForm:
    """The same with paths that mean the same wherever the configuration lies."""
    sensors = {name: sensor.model_copy(update={"source": absolute(sensor.source, folder)}) for name, sensor in form.sensors.items()}
    judge, look = form.judge, form.judge.second_look
    judge = judge.model_copy(update={"model": str(folder / judge.model)}) if judge.model else judge
    judge = judge.model_copy(update={"second_look": look.model_copy(update={"model": str(folder / look.model)})}) if look else judge
    judge = judge.model_copy(update={"describe": judge.describe.within(folder)}) if judge.describe else judge
    mqtt = form.mqtt.model_copy(update={"ca": str(folder / form.mqtt.ca)}) if form.mqtt and form.mqtt.ca else form.mqtt
    return form.model_copy(update={"sensors": sensors, "judge": judge, "mqtt": mqtt, "state": str(folder / form.state)})
