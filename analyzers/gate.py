"""The gate: whether a policy is asked about a window now, and if not, why. Pure; it keeps nothing and knows no judge.

The owner's word comes first (armed, schedule), then whether the policy can be answered at all (senses), then whether there is
a reason to ask: an alarm that is not over, a question that was dropped before its turn, a cue that stirs, or a patrol that is due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from analyzers.judgement import Cause, JudgeKind, Judgement, Verdict
from analyzers.own_voice import is_deaf_to, missing
from analyzers.policy import Policy
from sensors.cues import CueName
from sensors.moment import Moment
from sensors.window import Sense, View, ViewId, Window

WAKES_AT: Mapping[CueName, float] = MappingProxyType(
    {
        CueName.MOTION: 0.002,  # a head at the far end of a hall; noise and compression stay below
        CueName.CHANGED: 0.004,  # a bag left in the picture
        CueName.DARK: 0.9,  # mean luma 25 of 255
        CueName.COVERED: 0.5,
        CueName.FROZEN: 20.0,  # seconds; a still scene in a thrifty stream repeats itself for less
        CueName.MOVED: 0.02,
        CueName.LOUD: -25.0,  # dBFS; a shout, not a talk
        CueName.ONSET: 5.0,  # dB; well below what a fallback asks for, as the gate must not decide
        CueName.TONE: 0.2,
        CueName.SILENCE: 10.0,
        CueName.DIGITAL_SILENCE: 5.0,
    }
)
"""From which figure on a cue wakes a policy. Units as in `sensors.cues`."""

EVENTFUL = frozenset({CueName.MOTION, CueName.CHANGED, CueName.LOUD, CueName.ONSET, CueName.TONE})
"""What `wake` means where a policy does not say: something happens. The other cues are states (a dark night) and must be named."""

SEEN_BY_CAMERAS = frozenset({CueName.MOTION, CueName.CHANGED})
"""Cues whose place the camera's own word takes, where it says whether something stirs. It knows nothing of sounds and of the lens."""

SENSE_OF: Mapping[CueName, Sense] = MappingProxyType(
    {
        name: Sense.SOUND if name in {CueName.LOUD, CueName.ONSET, CueName.TONE, CueName.SILENCE, CueName.DIGITAL_SILENCE} else Sense.SIGHT
        for name in CueName
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """What the gate remembers of one policy on one view. The caller keeps it."""

    asked: Moment | None = None
    """The end of the last window that it was asked about."""
    owed: bool = False
    """Its last question was dropped before its turn: what woke it has not been looked at, so it is asked next time."""

    def dropped(self) -> "GateState":
        """The state after its question was superseded or shed."""
        return GateState(asked=self.asked, owed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a policy is not asked about a window."""

    verdict: Verdict
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What the gate says of one policy and one window, and what it is to remember."""

    refusal: Refusal | None
    """None: the policy is asked."""
    state: GateState


def ask(  # noqa: PLR0913 - all that it hangs on
    policy: Policy, view: View, window: Window, state: GateState, *, normal: bool, armed: bool = True, free: bool = False, stirs: bool | None = None
) -> Passage:
    """Whether `policy` is asked about `view` of `window`. `normal`: its track there is NORMAL. `free`: never too quiet to ask.

    `stirs`: what the camera itself says; None: nothing, so the window's own cues count.
    """
    refusal = _refusal(policy, window, armed=armed, normal=normal)
    if refusal is None and not (free or not normal or state.owed or _woken(policy, view, stirs=stirs) or _patrol_due(policy, window, state)):
        refusal = Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.OWN_VOICE if is_deaf_to(policy, window) else Cause.QUIET)
    return Passage(refusal=refusal, state=state if refusal else GateState(asked=window.end))


def _refusal(policy: Policy, window: Window, *, armed: bool, normal: bool) -> Refusal | None:
    # What is pending or open when the hours end, or the mode changes, is asked about on, or it could never clear; the rules open nothing then.
    if normal and not armed:
        return Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.DISARMED)
    if normal and policy.active is not None and not policy.active.is_on(window.end.utc):
        return Refusal(verdict=Verdict.NOT_ASKED, cause=Cause.OFF_SCHEDULE)
    if policy.senses - window.senses or not window.senses:
        verdict, cause = missing(policy, window)
        return Refusal(verdict=verdict, cause=cause)
    return None


def _woken(policy: Policy, view: View, *, stirs: bool | None) -> bool:
    """Whether a cue that the policy wakes for stirs, or one of its fallback's figures is reached."""
    needed = policy.senses or frozenset(Sense)
    names = policy.wake or {name for name in EVENTFUL if SENSE_OF[name] in needed}
    figures = [(name, WAKES_AT[name]) for name in names]
    if policy.fallback is not None:
        figures += policy.fallback.at_least.items()
    if stirs is not None:
        if stirs and any(name in SEEN_BY_CAMERAS for name, _ in figures):
            return True
        figures = [(name, figure) for name, figure in figures if name not in SEEN_BY_CAMERAS]
    return any((value := view.cues.value(name)) is not None and value >= figure for name, figure in figures)


def _patrol_due(policy: Policy, window: Window, state: GateState) -> bool:
    if policy.patrol is None:
        return False
    return state.asked is None or window.end.since(state.asked) >= policy.patrol


def unanswered(policy: Policy, window: Window, view: ViewId, refusal: Refusal, *, by: JudgeKind = JudgeKind.GATE) -> Judgement:
    """The judgement of a policy that nobody was asked about: refused here, or dropped from the queue on its way."""
    return Judgement(
        policy=policy.id,
        sensor=window.sensor,
        view=view,
        window=window.id,
        start=window.start,
        end=window.end,
        verdict=refusal.verdict,
        cause=refusal.cause,
        senses=window.senses,
        by=by,
    )
