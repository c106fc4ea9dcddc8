"""What can be asked about the demo's hall, in the words that its small model learns, and how answers follow from facts. It knows no picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Fact(StrEnum):
    """Something that is so or not in a window of a view."""

    INSIDE = "inside"
    """A person is inside the fence."""
    OUTSIDE = "outside"
    """A person is outside the fence."""
    PERSON = "person"
    FORKLIFT = "forklift"
    SMOKE = "smoke"
    FLAME = "flame"
    DOOR = "door"
    BELL = "bell"
    GLASS = "glass"
    SHOUT = "shout"


SIGHT = (Fact.INSIDE, Fact.OUTSIDE, Fact.PERSON, Fact.FORKLIFT, Fact.SMOKE, Fact.FLAME, Fact.DOOR)
SOUND = (Fact.BELL, Fact.GLASS, Fact.SHOUT)

Label = bool | None
"""Yes, no, or too close to call."""
Truth = Mapping[Fact, Label]
"""What is so in a window; None where it is too faint or too short to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a question is about: any of `facts`, as a question and as a statement, each in several wordings."""

    facts: tuple[Fact, ...]
    asks: tuple[str, ...]
    states: tuple[str, ...]
    """Statements without a full stop; they also serve as the parts of compound questions."""

    def truth(self, truth: Truth) -> bool | None:
        """Whether any of the facts is so; None where that is not known."""
        return either([truth[fact] for fact in self.facts])


def either(parts: list[bool | None]) -> bool | None:
    """True if one is, False if none is, None where it hangs on one that is not known."""
    if True in parts:
        return True
    return None if None in parts else False


TOPICS = (
    Topic(
        facts=(Fact.INSIDE,),
        asks=("Is a person inside the fenced press cell?", "Is somebody inside the press cell?", "Is anyone in the press cell?"),
        states=("a person is inside the press cell", "somebody is inside the fenced press cell"),
    ),
    Topic(
        facts=(Fact.OUTSIDE,),
        asks=("Is a person outside the fence?", "Does somebody walk past outside the fence?"),
        states=("a person walks past outside the fence", "somebody is outside the fence"),
    ),
    Topic(
        facts=(Fact.PERSON,),
        asks=("Is a person in the hall?", "Is there a person in view?", "Can you see a person?"),
        states=("a person is in the hall", "a person can be seen"),
    ),
    Topic(
        facts=(Fact.FORKLIFT,),
        asks=("Is there a forklift in view?", "Is a forklift driving through the hall?", "Can you see a forklift?"),
        states=("a forklift drives through the hall", "a forklift is driving"),
    ),
    Topic(
        facts=(Fact.SMOKE, Fact.FLAME),
        asks=("Is there smoke or flame?", "Is there smoke or fire in the hall?", "Can you see smoke or a flame?"),
        states=("there is smoke or flame", "something smokes or burns"),
    ),
    Topic(facts=(Fact.SMOKE,), asks=("Is there smoke?", "Can you see smoke?"), states=("there is smoke", "smoke rises")),
    Topic(facts=(Fact.FLAME,), asks=("Is there a flame?", "Can you see a flame?"), states=("there is a flame", "something burns")),
    Topic(
        facts=(Fact.DOOR,),
        asks=("Is the door open?", "Does the door stand open?"),
        states=("the door is open", "the door stands open"),
    ),
    Topic(
        facts=(Fact.BELL,),
        asks=("Is an alarm bell ringing?", "Can you hear an alarm bell?", "Does a bell ring?"),
        states=("an alarm bell rings", "a bell can be heard"),
    ),
    Topic(
        facts=(Fact.GLASS,),
        asks=("Is glass breaking?", "Can you hear breaking glass?", "Does glass break?"),
        states=("glass breaks", "breaking glass can be heard"),
    ),
    Topic(
        facts=(Fact.SHOUT,),
        asks=("Is somebody shouting?", "Can you hear a shout?", "Does somebody shout?"),
        states=("somebody shouts", "a shout can be heard"),
    ),
)
CELL_TOPICS = tuple(topic for topic in TOPICS if Fact.DOOR not in topic.facts)
"""The door is not in the cell's view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as an owner would write it, and the topics that its answer follows from."""

    ask: str
    unless: str | None
    topics: tuple[Topic, ...]
    every: bool
    """True: yes where all topics are so. False: where any is."""

    def answer(self, truth: Truth) -> bool | None:
        """Yes, no, or None where the window is too close to call. `unless` never changes it: it names what must not be taken for a yes."""
        parts = [topic.truth(truth) for topic in self.topics]
        if not self.every:
            return either(parts)
        turned = either([None if part is None else not part for part in parts])
        return None if turned is None else not turned


def plain(rng: np.random.Generator, topics: tuple[Topic, ...], only: Topic | None = None) -> Asked:
    """A question about `only`, or about any of `topics`, alone."""
    topic = only or topics[int(rng.integers(len(topics)))]
    return Asked(ask=_wording(rng, topic), unless=None, topics=(topic,), every=False)


def draw(rng: np.random.Generator, topics: tuple[Topic, ...], last: Topic | None = None) -> Asked:
    """A question about `last`, or about any of `topics`: plain, with a benign twin, or of two parts."""
    first = last or topics[int(rng.integers(len(topics)))]
    others = [topic for topic in topics if topic is not first]
    kind = rng.choice(["plain", "unless", "while", "or"], p=[0.4, 0.36, 0.14, 0.1]) if others else "plain"
    ask = _wording(rng, first)
    if kind == "plain":
        return Asked(ask=ask, unless=None, topics=(first,), every=False)
    other = others[int(rng.integers(len(others)))]
    state = str(rng.choice(other.states))
    if kind == "unless":
        return Asked(ask=ask, unless=f"{state[0].upper()}{state[1:]}.", topics=(first,), every=False)
    if kind == "while":
        return Asked(ask=f"{ask[:-1]} while {state}{ask[-1]}", unless=None, topics=(first, other), every=True)
    return Asked(ask=f"{ask[:-1]}, or {state}{ask[-1]}", unless=None, topics=(first, other), every=False)


def _wording(rng: np.random.Generator, topic: Topic) -> str:
    if rng.random() < 0.75:
        return str(rng.choice(topic.asks))
    state = str(rng.choice(topic.states))
    return f"{state[0].upper()}{state[1:]}."
