"""The catalogues that setup offers policies from: those beside the configuration, and those that ship with omniwatch."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from analyzers.gate import SENSE_OF
from appliance.config.catalogue import read_catalogue
from appliance.config.policy_form import OfferForm
from appliance.config.problems import ConfigError, Problem
from appliance.config.references import NOUNS
from appliance.config.sensor_form import SensorForm, senses_of

FOLDER = "policies"
SHIPPED = tuple(folder / "configs" / FOLDER for folder in (Path(__file__).parents[2], Path(sys.prefix).parent))
"""In the project's own tree, and beside the environment of a box that was installed."""
MAX_FILES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A policy on offer."""

    form: OfferForm
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What there is to watch for, by the policy's name."""

    folder: Path
    """Where catalogues lie, or are to lie, for the configuration."""
    offers: Mapping[str, Offered]
    problems: tuple[Problem, ...] = ()
    """What is wrong with catalogues: the policies concerned are not on offer."""


def read_shelf(folder: Path) -> Shelf:
    """The catalogues in `folder`, then the shipped ones whose files' names are not taken there."""
    offers: dict[str, Offered] = {}
    problems: list[Problem] = []
    for file in _files(folder):
        try:
            found, wrong = read_catalogue(file)
        except ConfigError as error:
            problems += error.problems
            continue
        problems += wrong
        for offer in found:
            if offer.form:
                offers.setdefault(offer.form.id, Offered(form=offer.form, file=file))
    return Shelf(folder=folder, offers=offers, problems=tuple(problems))


def _files(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for each in (folder, *SHIPPED):
        new = [file for file in sorted(each.glob("*.yaml"))[:MAX_FILES] if file.name not in seen]
        seen |= {file.name for file in new}
        yield from new


def lacking(offer: OfferForm, sensor: SensorForm) -> str:
    """Why a policy cannot be asked about a sensor; empty where it can."""
    senses = senses_of(sensor.source, sensor.sound)
    missing = [sense for sense in offer.senses if sense not in senses]
    if missing:
        return f"needs {' and '.join(NOUNS[sense] for sense in missing)}, which {sensor.source} does not give"
    rule = offer.fallback.rule() if offer.fallback else None
    if offer.wake and not any(SENSE_OF[cue] in senses for cue in offer.wake):
        return f"wakes by nothing that can be measured at {sensor.source}"
    if rule and any(SENSE_OF[cue] not in senses for cue in rule.at_least):
        return f"has a fallback that cannot be measured at {sensor.source}"
    return ""
