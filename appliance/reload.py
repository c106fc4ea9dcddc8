"""Takes a new configuration while the box runs: a good one is applied, a bad one leaves the old one running and says what is wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from appliance.config.configuration import ConfigError, Configuration, Problem, load

log = logging.getLogger("omniwatch")


async def reload(path: Path, started: Configuration, apply: Callable[[Configuration], Awaitable[None]]) -> bool:
    """Read the file again and apply it; False where it holds errors. `started`: what runs of the parts that take a restart."""
    try:
        configuration = await asyncio.to_thread(load, path)
    except ConfigError as error:
        for problem in error.problems:
            log.error("%s", in_a_line(problem))  # noqa: TRY400 - the owner's fault needs no trace
        log.error("the configuration was not reloaded: %d problems; the old one stays", len(error.problems))  # noqa: TRY400
        return False
    for name in waits_for_restart(started, configuration):
        log.warning("the change of %s takes effect at the next start", name)
    await apply(configuration)
    log.info("configuration reloaded")
    return True


def waits_for_restart(old: Configuration, new: Configuration) -> tuple[str, ...]:
    """What differs in `new` and cannot change while the box runs, as the file calls it."""
    fixed = {
        "notify.mqtt": old.mqtt != new.mqtt,
        "notify.speech": old.speech != new.speech,
        "notify.people": old.people != new.people,
        "timezone in messages to people": old.timezone != new.timezone and bool(old.people and new.people),
        "gate of a sensor": old.gates != new.gates,
        "metrics": old.metrics != new.metrics,
        "state": old.state != new.state,
        "site and box": (old.site, old.box) != (new.site, new.box),
    }
    return tuple(name for name, changed in fixed.items() if changed)


def in_a_line(problem: Problem) -> str:
    """A problem for the journal: its place and message, and the hint, without the line that a terminal would show."""
    first = str(problem).splitlines()[0]
    return f"{first} ({problem.hint})" if problem.hint else first
