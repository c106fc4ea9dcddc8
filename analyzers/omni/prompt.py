"""What the model is asked, token by token. It knows no tensor: numbers of placeholders in, token ids out.

A window is a tree. The root holds the system text and the sensor's sound, its branches are the sensor's views, and their leaves
the policies; every leaf is read as if it stood alone behind its branch and the root. A sense that a window lacks is left out, never
filled with silence or grey: a deaf camera must not answer a confident "all clear".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from analyzers.omni.family import QWEN3_OMNI, Marks
from analyzers.policy import Policy

PROMPT_VERSION = 1
"""To be raised whenever a text below changes: scores under another prompt are other scores."""

SYSTEM = "You watch and listen at a site. Answer the question about what you see and hear with yes or no only."
ALONE = "{ask} Answer yes or no."
WITH_TWIN = "{ask} Answer yes whenever that is so, even if this is also true: {unless} Answer no if only this is true: {unless} Answer yes or no."
"""`unless` is in the question, with its precedence said: subtracting the score of a second question is wrong both ways (measured)."""

CLOSING = "<|im_end|>\n<|im_start|>assistant\n"
THOUGHT = "<think>\n\n</think>\n\n"
"""Behind the closing, for models that would think first: then the next word is the answer."""

YES = ("yes", "Yes", "YES", " yes", " Yes", " YES")
NO = ("no", "No", "NO", " no", " No", " NO")
"""Answers are English whatever the language of the question: other languages' are not single tokens."""


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of `text`; special tokens in it become themselves."""
        ...

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """The id of one token."""
        ...

    def get_added_vocab(self) -> Mapping[str, int]:
        """Every token that stands beside the ordinary vocabulary, with its id."""
        ...


class PromptError(ValueError):
    """A tokenizer that cannot be that of a Qwen Omni model; the text says what is missing."""


class Prompt:
    """The texts of one tokenizer. Its methods are pure."""

    def __init__(self, tokenizer: Tokenizer, marks: Marks = QWEN3_OMNI.marks, *, thinks: bool = False) -> None:
        """Look up every token that is needed; PromptError where one is missing. `thinks`: the model would think before it answers."""
        self._tokenizer = tokenizer
        self._added = tuple(tokenizer.get_added_vocab())
        self._sound_marks = (self._special(marks.sound_start), self._special(marks.sound_end))
        self._sight_marks = (self._special(marks.sight_start), self._special(marks.sight_end))
        self.video_id, self.audio_id = self._special(marks.sight), self._special(marks.sound)
        self._system = self.fixed(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n")
        self.closing = CLOSING + (THOUGHT if thinks else "")
        if thinks and tokenizer.convert_tokens_to_ids("</think>") is None:
            raise PromptError("the tokenizer has no </think>; this is not the folder of a Thinking model")
        self._end = self.fixed(self.closing)
        self.yes_ids = self.labels(YES)
        self.no_ids = self.labels(NO)

    def root(self, sound_tokens: int) -> tuple[int, ...]:
        """System text and the sound's placeholders; `sound_tokens` 0: no sound."""
        return self._system + _between(self._sound_marks, self.audio_id, sound_tokens)

    def listening(self, sound_tokens: int, system: str) -> tuple[int, ...]:
        """The sound's placeholders as one asks about sound alone: behind `system`, or no system text where that is empty."""
        opening = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
        return self.fixed(f"{opening}<|im_start|>user\n") + _between(self._sound_marks, self.audio_id, sound_tokens)

    def branch(self, sight_tokens: int) -> tuple[int, ...]:
        """One view's placeholders; `sight_tokens` 0: no picture, and an empty branch."""
        return _between(self._sight_marks, self.video_id, sight_tokens)

    def leaf(self, policy: Policy) -> tuple[int, ...]:
        """A policy's question, up to where the answer begins."""
        return self.asked(question(policy))

    def asked(self, text: str) -> tuple[int, ...]:
        """A question that may hold an owner's words, up to where the answer begins."""
        return self._owner(text) + self._end

    def _special(self, mark: str) -> int:
        number = self._tokenizer.convert_tokens_to_ids(mark)
        if number is None:
            raise PromptError(f"the tokenizer has no {mark}; it is not that of the model in this folder")
        return number

    def fixed(self, text: str) -> tuple[int, ...]:
        """Text of ours; special tokens in it become themselves."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _owner(self, text: str) -> tuple[int, ...]:
        """Text that is not ours: what would become a token of the protocol (`<|im_end|>`) is broken up, so that it stays text."""
        return self.fixed(unmarked(text, self._added))

    def labels(self, spellings: Sequence[str]) -> tuple[int, ...]:
        """The ids of the spellings that are single tokens here; the plainest must be one."""
        ids = [self.fixed(spelling) for spelling in spellings]
        if len(ids[0]) != 1:
            raise PromptError(f"{spellings[0]!r} is not a single token of this tokenizer, so its answers cannot be scored")
        return tuple(dict.fromkeys(each[0] for each in ids if len(each) == 1))


def unmarked(text: str, marks: Iterable[str]) -> str:
    """Text that is not ours, in which nothing is left that would be read as one of the tokens `marks`: they are broken up."""
    for token in sorted(marks, key=len, reverse=True):
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def _between(marks: tuple[int, int], placeholder: int, count: int) -> tuple[int, ...]:
    """So many placeholders between their marks; nothing where there are none."""
    return (marks[0], *(placeholder,) * count, marks[1]) if count else ()


def question(policy: Policy) -> str:
    """The question as it is asked, without the tokens around it."""
    ask = " ".join(policy.ask.split())
    if policy.unless is None:
        return ALONE.format(ask=ask)
    return WITH_TWIN.format(ask=ask, unless=_sentence(policy.unless))


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?", "。")) else f"{text}."
