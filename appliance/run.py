"""`omniwatch run`: loads the configuration, runs the box, and turns how it ended into an exit status."""

import asyncio
import logging
from pathlib import Path

from appliance.box import Box
from appliance.config.configuration import ConfigError, load
from appliance.reload import in_a_line
from appliance.store.database import StoreFailed

log = logging.getLogger("omniwatch")

BAD_CONFIG = 2


def run(path: Path) -> int:
    """Run until told to stop: 0 for an orderly stop, 2 for a configuration that cannot be used, 1 where the box itself broke."""
    try:
        configuration = load(path)
    except ConfigError as error:
        for problem in error.problems:
            log.error("%s", in_a_line(problem))  # noqa: TRY400 - the owner's fault needs no trace
        return BAD_CONFIG

    async def live() -> None:
        await Box(path, configuration).run()

    try:
        asyncio.run(live())
    except (OSError, StoreFailed) as error:  # what could not be opened at the start: a port that is taken, a folder that another uses
        log.error("cannot start: %s", error)  # noqa: TRY400 - the world's fault, in a line
        return 1
    log.info("stopped")
    return 0
