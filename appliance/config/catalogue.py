"""Catalogues: files of policies that are off until they are used; and drafts, policies as they were put together from all files.

It knows no sensor. Whether what a draft refers to exists is not its business.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from appliance.config.form_errors import problems
from appliance.config.policy_form import CatalogueForm, CatalogueLine, Entry, OfferForm, PolicyForm, RuleForm, UseForm
from appliance.config.problems import ConfigError, Problem, did_you_mean
from appliance.config.yaml_marks import Document, Path_, read

MAX_CATALOGUES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands."""

    document: Document
    path: Path_

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem with it."""
        return self.document.problem(self.path, message, hint=hint)

    def at(self, *steps: str | int) -> "Place":
        """A place within."""
        return Place(document=self.document, path=(*self.path, *steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A policy that is in force, and where each of its keys was written. A key that was not written stands where the policy does."""

    form: PolicyForm
    place: Place
    offered: Place | None = None
    """Where the catalogue has it."""
    own: frozenset[str]
    """The keys that were written in the configuration itself."""

    def at(self, key: str) -> Place:
        """Where `key` was written."""
        if key in self.own or self.offered is None:
            return self.place.at(key)
        return self.offered.at(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A policy of a catalogue, and its place. None: it is there, but cannot be used as it is."""

    form: OfferForm | None
    place: Place


@dataclass(slots=True)
class Shelf:
    """What all catalogues offer."""

    offers: dict[str, list[Offer]] = field(default_factory=dict)
    is_whole: bool = True
    """False: a catalogue could not be read, so that a name that is not here may be in it."""


def read_catalogue(file: Path) -> tuple[tuple[Offer, ...], tuple[Problem, ...]]:
    """What a catalogue offers, and what is wrong with it. ConfigError where it cannot be read at all."""
    document = read(file)
    found = list(document.problems)
    broken: set[str | int] = set()
    try:
        CatalogueForm.model_validate(document.data)
    except ValidationError as error:
        found.extend(problems(document, CatalogueForm, error))
        broken = {detail["loc"][1] for detail in error.errors() if detail["loc"][:1] == ("policies",) and len(detail["loc"]) > 1}
    return tuple(_offers(document, broken)), tuple(found)


def _offers(document: Document, broken: set[str | int]) -> Iterator[Offer]:
    items = document.data.get("policies") if isinstance(document.data, dict) else None
    for number, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            form = None if number in broken else OfferForm.model_validate(item)
            yield Offer(form=form, place=Place(document=document, path=("policies", number)))


def _id_of(offer: Offer) -> str:
    place = offer.place
    return str(place.document.data["policies"][place.path[1]]["id"])


def drafts(document: Document, entries: Mapping[int, Entry]) -> tuple[tuple[Draft, ...], tuple[Problem, ...]]:
    """The policies that `entries` (by their place in the list) put in force, and what is wrong with them or their catalogues."""
    found: list[Problem] = []
    shelf = Shelf()
    lines = [(number, entry) for number, entry in entries.items() if isinstance(entry, CatalogueLine)]
    for number, line in lines[:MAX_CATALOGUES]:
        found += _put_on(shelf, Place(document=document, path=("policies", number, "catalogue")), line.catalogue)
    shelf.is_whole &= len(lines) <= MAX_CATALOGUES
    found += [document.problem(("policies", number), f"more than {MAX_CATALOGUES} catalogues") for number, _ in lines[MAX_CATALOGUES:]]
    drafted = [_draft(Place(document=document, path=("policies", number)), entry, shelf) for number, entry in entries.items()]
    found += [draft for draft in drafted if isinstance(draft, Problem)]
    return tuple(draft for draft in drafted if isinstance(draft, Draft)), tuple(found)


def _put_on(shelf: Shelf, place: Place, written: str) -> Iterator[Problem]:
    """Put a catalogue's offers on the shelf; what is wrong with it."""
    file = place.document.file.parent / written
    if not file.is_file():
        shelf.is_whole = False
        yield place.problem(f"there is no file {file}", "a path is relative to the folder of the file that names it")
        return
    try:
        offered, wrong = read_catalogue(file)
    except ConfigError as error:
        shelf.is_whole = False
        yield from error.problems
        return
    yield from wrong
    yield from _repeated(offered)
    for offer in offered:
        shelf.offers.setdefault(_id_of(offer), []).append(offer)


def _repeated(offered: Iterable[Offer]) -> Iterator[Problem]:
    seen: set[str] = set()
    for offer in offered:
        name = _id_of(offer)
        if name in seen:
            yield offer.place.at("id").problem(f'"{name}" is in this catalogue a second time')
        seen.add(name)


def _draft(place: Place, entry: Entry, shelf: Shelf) -> Draft | Problem | None:
    match entry:
        case PolicyForm():
            return Draft(form=entry, place=place, own=frozenset(PolicyForm.model_fields))
        case UseForm():
            return _used(place, entry, shelf)
        case _:
            return None


def _used(place: Place, use: UseForm, shelf: Shelf) -> Draft | Problem | None:
    found, offers = shelf.offers.get(use.use, []), shelf.offers
    if not found and not shelf.is_whole:
        return None
    if not found:
        on_offer = f"on offer: {', '.join(offers)}" if offers else "name its catalogue, like - catalogue: policies/factory.yaml"
        hint = did_you_mean(use.use, offers) or on_offer
        return place.at("use").problem(f'no catalogue has a policy "{use.use}"', hint)
    files = {offer.place.document.file for offer in found}
    if len(files) > 1:
        return place.at("use").problem(f'"{use.use}" is in more than one catalogue: {", ".join(map(str, sorted(files)))}')
    offer = found[0]
    if offer.form is None:
        return None
    own = use.model_fields_set & RuleForm.model_fields.keys()
    fields = {key: getattr(use if key in own else offer.form, key) for key in RuleForm.model_fields}
    form = PolicyForm.model_construct(**fields, id=use.id or use.use, ask=use.ask or offer.form.ask, sensors=use.sensors)
    written = frozenset({*own, "sensors", "use", "id", *(("ask",) if use.ask else ())})
    return Draft(form=form, place=place, offered=offer.place, own=written)
