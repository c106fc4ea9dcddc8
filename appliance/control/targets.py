"""What an order is about: the policy on its views, or the one alert, that a person has named. Pure. It says what may have been meant."""

from collections.abc import Iterable, Mapping

from alerts.track import Track
from analyzers.policy import Policy, PolicyId
from appliance.config.problems import did_you_mean
from sensors.window import ViewId

Key = tuple[PolicyId, ViewId]
LEAST_OF_AN_ID = 6
"""So many letters of an alert's id are enough, if no other begins so."""


class UnknownTargetError(LookupError):
    """There is nothing of that name; its text says what there is."""


def targets(what: str, view: str | None, policies: Mapping[Key, Policy], tracks: Iterable[Track]) -> tuple[Key, ...]:
    """The policies and views meant by a policy's name and a view or sensor, or by an alert's id. UnknownTargetError where there is none."""
    if any(policy == what for policy, _ in policies):
        return _of_policy(what, view, policies)
    standing = {track.alert.id: (track.policy, track.view) for track in tracks if track.alert}
    near = [alert for alert in standing if alert.startswith(what)] if len(what) >= LEAST_OF_AN_ID else []
    if len(near) == 1:
        return (standing[near[0]],)
    if near:
        raise UnknownTargetError(f'"{what}" begins the ids of {len(near)} alarms: write more of it')
    hint = did_you_mean(what, {str(policy) for policy, _ in policies} | set(standing))
    raise UnknownTargetError(f'there is no policy, and no open alarm, "{what}"; {hint or "`omniwatch status` shows what stands"}')


def _of_policy(name: str, view: str | None, policies: Mapping[Key, Policy]) -> tuple[Key, ...]:
    keys = tuple(key for key in policies if key[0] == name)
    if view is None:
        return keys
    # A sensor's name means all of it: the policy's zone there as well.
    meant = tuple(key for key in keys if view in (key[1], key[1].partition(".")[0]))
    if not meant:
        views = sorted(str(key[1]) for key in keys)
        hint = did_you_mean(view, views) or f"it watches {', '.join(views)}"
        raise UnknownTargetError(f'{name} does not watch "{view}"; {hint}')
    return meant
