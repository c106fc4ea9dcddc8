"""What the supervisor believes of what a judge says of a wish."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from analyzers.description import MAX_TEXT, Description, Third, Undescribed
from analyzers.interview import WishEnded
from analyzers.judge import Question
from analyzers.transcript import MAX_SPOKEN, Transcript
from appliance.children.judge_link import SAYS
from appliance.children.wish_link import WishLink
from sensors.moment import BootId
from sensors.wire import WireError
from tests.appliance.children.test_judge_link import questions

QUESTION = questions(1, 1)[0]
START, END = QUESTION.window.start, QUESTION.window.end
PERSON = Description(what="Somebody at the press", first="Stop it", where=Third.LEFT, since=START)


SPOKEN = replace(QUESTION, policies=(replace(QUESTION.policies[0], transcript=True),))
"""Of a policy that wants to know what was said."""
HELP = replace(PERSON, transcript=Transcript(text='Hilfe! "Aus!"'))


def heard(end: WishEnded, question: Question = QUESTION) -> WishEnded:
    """What becomes of a wish of which the judge says that."""

    async def story() -> WishEnded:
        link = WishLink(lambda _message: None, lambda: None)
        wish = link.send(question, "", END.boot_ns, lambda: None)
        link.hear(replace(end, id=wish.id))
        return await link.end_of(wish, 1.0)

    return asyncio.run(story())


BELIEVED = [
    WishEnded(id=1, description=PERSON),
    WishEnded(id=1, description=replace(PERSON, first="", where=None, since=None)),
    WishEnded(id=1, description=replace(PERSON, what="ß" * MAX_TEXT, since=END), took_s=2.5),
    WishEnded(id=1, why=Undescribed.FAULT, took_s=0.5),
]


@pytest.mark.parametrize("end", BELIEVED)
def test_a_description_of_the_window_or_a_reason_for_none_is_believed(end: WishEnded) -> None:
    assert heard(end) == end


@pytest.mark.parametrize("transcript", [None, Transcript(text=""), HELP.transcript, Transcript(text="ß" * MAX_SPOKEN, cut=True)])
def test_what_was_said_is_believed_where_it_is_wanted(transcript: Transcript | None) -> None:
    end = WishEnded(id=1, description=replace(PERSON, transcript=transcript))
    assert heard(end, SPOKEN) == end


UNWANTED = [
    ("nobody has asked", HELP, QUESTION),
    ("that somebody was silent, and nobody has asked", replace(PERSON, transcript=Transcript(text="")), QUESTION),
    ("longer than any", replace(PERSON, transcript=Transcript(text="x" * (MAX_SPOKEN + 1))), SPOKEN),
    ("a terminal's orders", replace(PERSON, transcript=Transcript(text="\x1b[2J")), SPOKEN),
    ("a second line", replace(PERSON, transcript=Transcript(text="stop\ngo")), SPOKEN),
]


@pytest.mark.parametrize(("why", "said", "question"), UNWANTED, ids=[row[0] for row in UNWANTED])
def test_words_that_nobody_wanted_or_that_no_judge_of_ours_writes_are_none(why: str, said: Description, question: Question) -> None:
    end = heard(WishEnded(id=1, description=said), question)
    assert (end.description, end.why) == (None, Undescribed.UNREADABLE), why


NOBODYS_WORDS = [
    ("longer than any", replace(PERSON, what="x" * (MAX_TEXT + 1))),
    ("a terminal's orders", replace(PERSON, what="\x1b[2J")),
    ("a second line", replace(PERSON, first="stop\nand go")),
    ("read from right to left", replace(PERSON, first="\u202e")),
    ("since before the window", replace(PERSON, since=START.plus(timedelta(seconds=-1)))),
    ("since after the window", replace(PERSON, since=END.plus(timedelta(seconds=1)))),
    ("of another boot", replace(PERSON, since=replace(START, boot_id=BootId("other")))),
    ("neither a description nor a reason", None),
]


@pytest.mark.parametrize(("why", "said"), NOBODYS_WORDS, ids=[row[0] for row in NOBODYS_WORDS])
def test_what_no_judge_of_ours_writes_is_no_description(why: str, said: Description | None) -> None:
    end = heard(WishEnded(id=1, description=said, took_s=1.5))
    assert (end.description, end.why, end.took_s) == (None, Undescribed.UNREADABLE, 1.5), why


FIGURES = ['"took_s":-1', '"took_s":1e400', '"took_s":NaN', '"first_word_ns":-5', f'"first_word_ns":{10**30}']


@pytest.mark.parametrize("figures", FIGURES)
def test_an_end_with_figures_that_no_counter_takes_is_a_breach(figures: str) -> None:
    with pytest.raises(WireError):
        SAYS.decode(f'{{"kind":"ended","id":1,"why":"fault",{figures}}}'.encode())


def test_a_judge_of_a_size_that_no_gauge_takes_is_a_breach() -> None:
    with pytest.raises(WireError):
        SAYS.decode(f'{{"kind":"judge","condition":"ready","weight_bytes":{10**400}}}'.encode())
