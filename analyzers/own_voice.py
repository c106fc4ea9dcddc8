"""What an answer is worth that was given while the box itself spoke. Pure; it knows no judge.

Under an announcement nobody can tell that the place was silent: of a policy that may need sound, a yes still counts, a no does not.
"""

from analyzers.judgement import Cause, Verdict
from analyzers.policy import Policy
from sensors.window import Sense, Window


def is_deaf_to(policy: Policy, window: Window) -> bool:
    """Whether the box spoke over what the policy may need to hear."""
    return window.own_voice > 0.0 and (not policy.senses or Sense.SOUND in policy.senses)


def missing(policy: Policy, window: Window) -> tuple[Verdict, Cause]:
    """What a policy gets where the window lacks a sense that it needs: lost, or only talked over."""
    talked_over = window.own_voice > 0.0 and Sense.SOUND not in window.senses
    if talked_over and not (policy.senses - window.senses - {Sense.SOUND}):
        return Verdict.NOT_ASKED, Cause.OWN_VOICE
    return Verdict.NO_DATA, Cause.SENSE_MISSING


def believed(policy: Policy, window: Window, verdict: Verdict, cause: Cause | None) -> tuple[Verdict, Cause | None]:
    """What remains of an answer."""
    return (Verdict.UNSURE, Cause.OWN_VOICE) if verdict is Verdict.NO and is_deaf_to(policy, window) else (verdict, cause)
