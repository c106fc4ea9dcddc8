"""Supervision: what runs for ever is started again when it ends, and systemd hears from us only while the loops really turn.

It knows no child and no loop in particular. The one broad `except` of the product is here: whatever ends a supervised task
is logged, counted and followed by another try.
"""

import asyncio
import logging
import os
import random
import socket
from collections.abc import Awaitable, Callable, Mapping

from sensors.backoff import Backoff

log = logging.getLogger("omniwatch")


async def keep(name: str, run_once: Callable[[], Awaitable[None]], backoff: Backoff, lost: Callable[[str], None] | None = None) -> None:
    """Run `run_once` again and again, for ever. `lost` is told why each time, and logs the outage; without it that is done here, once."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        try:
            await run_once()
            problem = "ended"
        except Exception as error:
            problem = str(error) or type(error).__name__
            if not _is_expected(error):
                log.exception("%s broke", name)
        failures = 1 if loop.time() - began >= backoff.healthy_s else failures + 1
        if lost:
            lost(problem)
        elif failures == 1:
            log.warning("%s: %s; trying again", name, problem)
        await asyncio.sleep(backoff.wait_s(failures, random.random()))  # noqa: S311 - jitter, not a secret


def _is_expected(error: Exception) -> bool:
    """Whether the error tells the world's fault in a line, so that a trace of ours adds nothing."""
    return type(error).__name__ in {"ChildLost", "WireError"}


class Pulse:
    """Whether each core loop turns. A loop beats as it turns, idle or busy; one that is late by its own deadline withholds the watchdog."""

    def __init__(self, deadlines_s: Mapping[str, float], now_s: Callable[[], float]) -> None:
        """`deadlines_s`: the longest time between two beats of each loop."""
        self._deadlines = dict(deadlines_s)
        self._now = now_s
        self._beats = dict.fromkeys(deadlines_s, now_s())

    def beat(self, loop: str) -> None:
        """The loop has turned once more."""
        self._beats[loop] = self._now()

    def allow(self, loop: str, deadline_s: float) -> None:
        """From now on `loop` may take so long."""
        self._deadlines[loop] = deadline_s

    def late(self) -> tuple[str, ...]:
        """The loops that are past their deadline."""
        now = self._now()
        return tuple(name for name, deadline in self._deadlines.items() if now - self._beats[name] > deadline)


class Systemd:
    """What the service manager is told: READY, RELOADING, STOPPING, STATUS and the watchdog's pings. Nothing where there is none.

    Protocol: sd_notify(3). One datagram to the socket that NOTIFY_SOCKET names.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read NOTIFY_SOCKET and WATCHDOG_USEC."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environment.get("WATCHDOG_USEC", "0")
        self.watchdog_s = int(usec) / 1e6 if usec.isdecimal() else 0.0

    def tell(self, **state: str) -> None:
        """Send `READY=1` and the like. A manager that does not listen is no fault of ours."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in state.items()).encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.setblocking(False)
            try:
                end.sendto(message, self._address)
            except OSError as error:
                log.debug("systemd does not listen: %s", error)


async def ping(systemd: Systemd, pulse: Pulse, status: Callable[[], str]) -> None:
    """Feed the watchdog at a third of its time while every core loop turns, with a line of live numbers."""
    every_s = systemd.watchdog_s / 3 if systemd.watchdog_s else 10.0
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        stood_still = loop.time() - due > every_s  # the whole process did: no loop had a chance to beat
        late = () if stood_still else pulse.late()
        if late:
            log.error("not feeding the watchdog: %s stands still", ", ".join(late))
            systemd.tell(STATUS=f"stands still: {', '.join(late)}")
        else:
            systemd.tell(WATCHDOG="1", STATUS=status())
        due = loop.time() + every_s
        await asyncio.sleep(every_s)
