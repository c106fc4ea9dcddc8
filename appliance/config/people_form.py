"""What an owner writes of people: one entry a service, each with its own urgency and quiet hours."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from pydantic import Field, InstanceOf, WithJsonSchema

from alerts.alert import Change
from alerts.channels.people import PersonSettings
from analyzers.policy import Severity
from analyzers.schedule import parse
from appliance.config.form import Form, Wait
from appliance.config.policy_form import Active
from appliance.config.problems import Problem
from appliance.config.yaml_marks import Document, Path_, SecretName
from sensors.secret import Secret

MAX_PEOPLE = 16
APPRISE = re.compile(r"[A-Za-z][A-Za-z0-9]{1,20}://\S+$")
"""What Apprise could read. Nothing of it is ever shown."""


class PersonForm(Form):
    """Somebody who is told through a service that Apprise knows: mail, Telegram, Pushover, Matrix, a webhook and many more."""

    url: Annotated[InstanceOf[SecretName], WithJsonSchema({"type": "string"})]
    """Where, as Apprise writes it, with all that is secret in it: `!secret telegram`, a file that holds `tgram://TOKEN/CHAT`."""
    least: Severity = Severity.HIGH
    """Nothing less urgent is told."""
    quiet: Active | None = None
    """Hours in which only critical alarms are told, in the site's time zone: `22:00-06:00`. Default: none."""
    tell: Annotated[tuple[Change, ...], Field(min_length=1, max_length=len(Change))] = (
        Change.OPENED,
        Change.REOPENED,
        Change.REMINDED,
        Change.CLEARED,
    )
    """Of which changes. With `updated` a second message follows an alarm as soon as there is a clip of it, with its picture.
    What the model has said of it (`judge.describe`) is in every message from then on, and makes none of its own."""
    max_age: Wait = timedelta(hours=1)
    """What could not be told for longer is not told any more, and counted."""


def people(
    forms: tuple[PersonForm, ...], timezone: str, document: Document, find: Callable[[SecretName, Path_], Secret | None]
) -> tuple[tuple[PersonSettings, ...], tuple[Problem, ...]]:
    """The entries, and what is wrong with them. `find` finds a secret, or says itself where there is none."""
    found: dict[str, PersonSettings] = {}
    problems: list[Problem] = []
    for number, form in enumerate(forms):
        place: Path_ = ("notify", "people", number, "url")
        secret, name = find(form.url, place), f"people-{form.url.name}"
        if secret is None:
            continue
        if name in found:
            hint = "one entry a secret; `tell`, `least` and `quiet` say of what"
            problems.append(document.problem(place, f'"{form.url.name}" is told already', hint=hint))
            continue
        if not APPRISE.match(secret.reveal()):
            hint = "it looks like tgram://TOKEN/CHAT; https://appriseit.com lists all services"
            problems.append(document.problem(place, f'what is in the secret "{form.url.name}" is no URL of Apprise\'s', hint=hint))
            continue
        quiet = parse(form.quiet, timezone) if form.quiet else None
        found[name] = PersonSettings(name=name, url=secret, least=form.least, quiet=quiet, tell=frozenset(form.tell), max_age=form.max_age)
    return tuple(found.values()), tuple(problems)
