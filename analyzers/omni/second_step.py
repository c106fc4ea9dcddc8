"""The second step, for a hit alone: what is there and what to do first, written; where and since when, read from scores of labels.

The window is read once into a cache of keys and values, from what the judge has already made of its picture and sound, as far as its
policy's senses go: a policy for the ear is asked what is heard, and not shown the picture. Words come token by token, so that whoever runs
it can stop between any two and judge a window that has just come.

What is written is held to a grammar: an object of two strings of bounded length without controls, quotes or escapes. Where the policy wants
one, a transcript is written behind that, and nothing of it can cost the description.
"""

import logging
from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from analyzers.description import MAX_TEXT, TEXT_TOKENS, Description, Third, is_plain
from analyzers.judge import Question
from analyzers.omni.captioner import Captioner
from analyzers.omni.media import Grid, mel, sight_tokens
from analyzers.omni.reader import NOTHING_YET, Reader
from analyzers.omni.sight import Pairs
from analyzers.omni.tower import Seen
from analyzers.omni.transcriber import Transcriber
from analyzers.omni.tree import Branch, Media, lay_out
from analyzers.omni.weights import Loaded
from analyzers.omni.writer import CUT_LETTER, Vocabulary, Writer
from analyzers.policy import Policy
from sensors.moment import NANOSECONDS
from sensors.slots import Slots
from sensors.window import Sense, Window

log = logging.getLogger("omniwatch.judge")

HIT = "The answer to this was yes: {ask} "
WHERE = HIT + "In which third of the picture is it, left, middle or right? Answer with one word."
SINCE = HIT + "The pictures show {count} moments, one after the other. In which of them does it begin? Answer with a number from 1 to {count}."
WRITE = HIT + 'In {language} and in a few words: what is there, and what is to be done first? Answer as JSON: "what" and "first".'
HEARD = HIT + 'In {language} and in a few words: what is heard, and what is to be done first? Answer as JSON: "what" and "first".'
"""Of a window without a picture."""
ITS_LANGUAGE = "the language of that question"
RULES = rf"""
start: "{{\"what\": \"" what "\", \"first\": \"" first "\"}}"
first[max_tokens={TEXT_TOKENS}]: TEXT
TEXT: /([^"\\\p{{C}}\p{{Z}}]| ){{1,{MAX_TEXT}}}/
"""
GRAMMAR = f"{RULES}what[max_tokens={TEXT_TOKENS}]: TEXT\n"
MAX_MOMENTS = 9
"""Moments that are told apart: numbers of one digit. A longer window's pairs are taken together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A piece of work that was done."""

    word: bool = False
    """Whether a word was written in it."""
    found: Description | None = None
    """What is to be told if nothing more can be done."""


Steps = Generator[Step, None, Description | None]
"""Yields after each piece of work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What is written, as the schema of its JSON."""

    what: str
    first: str


WRITTEN = TypeAdapter(_Written)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # tensors have no single truth of equality
class Hit:
    """A view of a window that a policy said yes to, as the judge has perceived it: nothing of it lies in the sensor's slots any more."""

    policy: Policy
    window: Window
    grid: Grid | None
    seen: Seen | None
    sound: NDArray[np.float32] | None
    """Mel features."""
    step: float
    """Positions from one pair to the next."""


def perceive(asked: Question, loaded: Loaded, memory: Slots, pairs: Pairs) -> Hit:
    """Look at and hear what one policy hit, with its senses. KeyError or ValueError where `memory` does not hold it; RuntimeError is torch's."""
    (policy,) = asked.policies
    window, view = asked.window, asked.window.view(asked.view)
    senses = window.senses & (policy.senses or window.senses)
    sight = pairs.sight(window, view, memory) if Sense.SIGHT in senses and view.height else None
    return Hit(
        policy=policy,
        window=window,
        grid=sight.grid if sight else None,
        seen=pairs.glance(loaded.model.model.visual, sight) if sight else None,
        sound=mel(memory.window_sound(window.slots), loaded.extractor, loaded.family) if Sense.SOUND in senses else None,
        step=_pair(window).total_seconds() * loaded.model.config.position_id_per_seconds,
    )


def _pair(window: Window) -> timedelta:
    """How long each of its pairs lasts."""
    return timedelta(seconds=(window.end.boot_ns - window.start.boot_ns) / NANOSECONDS / len(window.slots))


class Describer:
    """Describes hits, with the model that the judge has loaded. Only the thread that judges may use it."""

    def __init__(self, loaded: Loaded, captioner: Captioner | None = None) -> None:
        """Read the vocabulary: seconds of work. PromptError where the tokenizer has no single token for a label.

        `captioner` says what is heard, where there is one and no picture.
        """
        self._loaded = loaded
        self._captioner = captioner
        prompt = loaded.prompt
        self._thirds = [prompt.labels((third.value, third.capitalize(), f" {third}", f" {third.capitalize()}")) for third in Third]
        self._numbers = [prompt.labels((str(number),)) for number in range(1, MAX_MOMENTS + 1)]
        self._vocabulary = vocabulary = Vocabulary(loaded)
        self._writer = Writer(vocabulary, GRAMMAR)
        self._transcriber = Transcriber(loaded, vocabulary)

    def describe(self, hit: Hit, language: str = "") -> Steps:
        """Describe a hit, one short piece of work a step; the description at the end, or None where what was written is none."""
        found = yield from self._described(hit, language)
        if found is None or hit.sound is None or not hit.policy.transcript:
            return found
        yield Step(found=found)
        writing = self._transcriber.transcribe(hit.sound)
        while True:
            try:
                yield Step(word=next(writing), found=found)
            except StopIteration as end:
                return replace(found, transcript=end.value)

    def _described(self, hit: Hit, language: str) -> Steps:
        """What is there. What was read for it is given back at the end."""
        reader = read_hit(self._loaded, hit)
        yield Step()
        where = since = None
        if hit.grid:
            where = list(Third)[reader.likeliest(self._asked(WHERE.format(ask=hit.policy.ask)), self._thirds)]
            yield Step()
            pair = self._since(reader, hit.policy, hit.grid[0])
            since = None if pair is None else hit.window.start.plus(pair * _pair(hit.window))
            yield Step()
        writer = (yield from self._after_caption(hit)) or self._writer
        writing = writer.write(reader, self._asked(wording(hit, language)))
        while True:
            try:
                yield Step(word=next(writing))
            except StopIteration as end:
                texts = checked(end.value.text)
                return Description(what=texts[0], first=texts[1], where=where, since=since) if texts else None

    def _after_caption(self, hit: Hit) -> Generator[Step, None, Writer | None]:
        """A writer whose answer begins with what a Captioner hears; None where none is to say it, or it says nothing, or it fails."""
        if self._captioner is None or hit.grid or hit.sound is None:
            return None
        writing = self._captioner.caption(hit.sound)
        while True:
            try:
                yield Step(word=next(writing))
            except StopIteration as end:
                return Writer(self._vocabulary, captioned(end.value)) if end.value else None
            except RuntimeError as error:  # what torch raises, out of memory included
                log.error("the captioner failed, and the judge's own model says what is heard: %s", str(error)[:300])  # noqa: TRY400 - no trace
                return None

    def _asked(self, text: str) -> tuple[int, ...]:
        return self._loaded.prompt.asked(" ".join(text.split()))

    def _since(self, reader: Reader, policy: Policy, pairs: int) -> int | None:
        """The pair of the window in which it begins, from 0."""
        if pairs == 1:
            return None
        moments = min(pairs, MAX_MOMENTS)
        moment = reader.likeliest(self._asked(SINCE.format(ask=policy.ask, count=moments)), self._numbers[:moments])
        return moment * pairs // moments


def read_hit(loaded: Loaded, hit: Hit) -> Reader:
    """A hit as the model reads it: as the judge has read it, with its policy's senses alone."""
    prompt = loaded.prompt
    root = prompt.root(loaded.family.sound_tokens(hit.sound.shape[1]) if hit.sound is not None else 0)
    branch = prompt.branch(sight_tokens(hit.grid) if hit.grid else 0)
    row = lay_out(root, [Branch(tokens=branch, grid=hit.grid, leaves=NOTHING_YET)], hit.step)
    return Reader(loaded, row, Media(sights=(hit.seen,) if hit.seen else (), sounds=(hit.sound,) if hit.sound is not None else ()))


def captioned(what: str) -> str:
    """The grammar where it is known already what is heard. `what` has neither quotes nor escapes."""
    return f'{RULES}what: "{what}"\n'


def wording(hit: Hit, language: str = "") -> str:
    """What is asked of a hit: what is there, or of one of the ear alone, what is heard."""
    return (WRITE if hit.grid else HEARD).format(ask=hit.policy.ask, language=language or ITS_LANGUAGE)


def checked(written: str) -> tuple[str, str] | None:
    """What was written, read as what it must be: what, and what first. None where it is not."""
    try:
        said = WRITTEN.validate_json(written)
    except ValidationError:
        return None
    what, first = (text.replace(CUT_LETTER, "").strip() for text in (said.what, said.first))
    if not what or not is_plain(what) or not is_plain(first):
        return None
    return what, first
