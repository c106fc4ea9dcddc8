"""The trigger: `k of n`, counted over decided windows in the windows' own order, within a span of time. Pure arithmetic.

Answers may come late and out of order. What counts is any run of `n` decided windows that follow each other: a late yes
is looked at where it belongs, so that the order in which a judge answers decides nothing.
"""

from datetime import timedelta

from alerts.track import Answer
from analyzers.policy import Policy, Trigger

SLACK = 2
"""A span is this many times what `n` windows take when none is shed: every second window may be lost, not more."""


def span_of(policy: Policy, stride: timedelta) -> timedelta:
    """How far the first and the last yes of a trigger may lie apart: `trigger_span`, or `2 * n * stride`.

    It is time, not a number of answers: where windows are shed, answers lie further apart and fewer fit, and yes answers
    that are minutes apart never add up to an alarm.
    """
    return policy.trigger_span if policy.trigger_span is not None else SLACK * policy.trigger.of * stride


def fold(answers: tuple[Answer, ...], answer: Answer) -> tuple[Answer, ...] | None:
    """The answers with `answer` in its place; None where that window is answered already. A yes then replaces a no.

    Answers of an earlier boot are let go: no window of it is still to come, and a restart takes longer than a span.
    """
    kept = [other for other in answers if other.end.boot_id == answer.end.boot_id]
    for other in kept:
        if other.end.boot_ns == answer.end.boot_ns:
            if other.yes or not answer.yes:
                return None
            kept.remove(other)
            break
    return tuple(sorted((*kept, answer), key=lambda one: one.end.boot_ns))


def kept(answers: tuple[Answer, ...], trigger: Trigger) -> tuple[Answer, ...]:
    """What is worth remembering: enough for a late answer to be seen among `n - 1` neighbours on both sides."""
    return answers[-(2 * trigger.of - 1) :]


def hits(answers: tuple[Answer, ...], answer: Answer, trigger: Trigger, span: timedelta) -> tuple[Answer, ...]:
    """The yes answers that fulfil the trigger and `answer` among them; empty where it is not fulfilled."""
    place = answers.index(answer)
    for first in range(max(0, place - trigger.of + 1), place + 1):
        run = answers[first : first + trigger.of]
        yes = tuple(one for one in run if one.yes)
        for start in range(len(yes) - trigger.count + 1):
            group = yes[start : start + trigger.count]
            if answer in group and group[-1].end.since(group[0].end) <= span:
                return group
    return ()


def may_still(answers: tuple[Answer, ...], trigger: Trigger) -> bool:
    """Whether a yes among the last answers could be part of a trigger that the next windows complete."""
    for length in range(1, trigger.of):
        tail = answers[-length:]
        if len(tail) == length and tail[0].yes and sum(not one.yes for one in tail) <= trigger.of - trigger.count:
            return True
    return False
