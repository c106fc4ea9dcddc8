"""One sensor process as the supervisor sees it: start it, hand it its slots and its secret, and check every word it says.

It decides nothing about windows; those go to whoever receives them.
"""

import asyncio
import json
import logging
import os
from collections.abc import Callable
from typing import Annotated, Protocol

from pydantic import Field

from appliance.allowance import Allowance
from appliance.children.child import Child, ChildLost, Program, secret_descriptor
from appliance.config.configuration import Credentials
from sensors.moment import FARTHEST_NS
from sensors.news import Mute, Release, SensorFigures, SensorNews
from sensors.preview import Preview, PreviewShape, Show
from sensors.settings import SIDE_STEP, SensorSettings
from sensors.slots import SlotLayout, create
from sensors.window import SensorId, Window, WindowId
from sensors.wire import Codec, WireError

SILENCE_S = 20.0
"""A sensor process says something every second, whatever its camera does. Past this it hangs."""

MAX_CHANGES, CHANGES_HZ = 30, 3.0
"""News of its condition: so many at once, and so many a second. Each may be a line in the journal; a file of a second has two."""
MAX_PREVIEWS, PREVIEWS_HZ = 10, 2.0
"""So many at once, and so many a second: twice as many as can be asked for; files are played some seconds early."""
MEMORY_BYTES = 1 << 30
"""What a sensor process may have besides its slots. It sets itself the same bound; this is for one that has been taken over."""
MAX_SAID = 8
"""Different problems with its segments that are said of one process."""

Said = Annotated[Window | SensorNews | SensorFigures | Preview, Field(discriminator="kind")]
SAYS: Codec[Window | SensorNews | SensorFigures | Preview] = Codec(Said)
HEARS: Codec[SensorSettings | Release | Mute | Show] = Codec(SensorSettings | Release | Mute | Show)

log = logging.getLogger("omniwatch.sensor")


class Receiver(Protocol):
    """Who is told what a sensor process says."""

    async def window(self, window: Window) -> None:
        """A window has ended."""
        ...

    def news(self, news: SensorNews) -> None:
        """The sensor's condition has changed."""
        ...

    def figures(self, figures: SensorFigures) -> None:
        """The second's figures."""
        ...

    async def slots(self, layout: SlotLayout, descriptor: int) -> None:
        """The sensor process starts with this shared memory; earlier windows of the sensor are void."""
        ...


class SensorLink:
    """A sensor: its settings, and the child that is up at present, if one is."""

    def __init__(self, settings: SensorSettings, credentials: Credentials | None, receiver: Receiver) -> None:
        """Nothing runs until `run_once`."""
        self.settings = settings
        self.credentials = credentials
        self._receiver = receiver
        self._layout = SlotLayout.of(settings)
        self._changes = Allowance(MAX_CHANGES, CHANGES_HZ)
        self._previews = Allowance(MAX_PREVIEWS, PREVIEWS_HZ)
        self._shape: PreviewShape | None = None
        self._seen: Callable[[Preview, float], None] | None = None
        self._child: Child | None = None
        self._mute: Mute | None = None
        self._said: set[str] = set()

    @property
    def sensor(self) -> SensorId:
        """Its name."""
        return self.settings.sensor

    @property
    def pid(self) -> int | None:
        """Of the child that is up; None while there is none."""
        return self._child.pid if self._child else None

    async def run_once(self) -> None:
        """Run the child until it ends, hangs or breaks the protocol: ChildLost or WireError then."""
        memory = create(self._layout)
        descriptors = {"slots": memory}
        child: Child | None = None
        self._said.clear()
        try:
            if self.credentials:
                secret = {"username": self.credentials.username, "password": self.credentials.password.reveal()}
                descriptors["secret"] = secret_descriptor(json.dumps(secret).encode())
            may = MEMORY_BYTES + self._layout.bytes
            child = await Child.start(Program(name=f"sensor {self.sensor}", module="sensors.main", descriptors=descriptors, memory_bytes=may))
            await self._receiver.slots(self._layout, memory)
            child.send(HEARS.encode(self.settings))
            if self._mute:
                child.send(HEARS.encode(self._mute))  # it may start in the middle of an announcement
            if self._shape:
                child.send(HEARS.encode(Show(shape=self._shape)))
            self._child = child
            async for data in child.messages(SILENCE_S):
                await self._hear(SAYS.decode(data))
        finally:
            self._child = None
            for number in descriptors.values():
                os.close(number)
            if child:
                await child.close()

    async def _hear(self, message: Window | SensorNews | SensorFigures | Preview) -> None:
        if message.sensor != self.sensor:
            raise WireError(f"speaks for {message.sensor!r}")
        match message:
            case Window():
                self._check(message)
                await self._receiver.window(message)
            case SensorNews():
                if not self._changes.takes(1, asyncio.get_running_loop().time()):
                    raise WireError("changes its condition too often")
                self._receiver.news(message)
            case SensorFigures():
                self._say(message.segments_problem)
                self._receiver.figures(message)
            case Preview():
                self._preview(message)

    def _preview(self, preview: Preview) -> None:
        if not self._previews.takes(1, asyncio.get_running_loop().time()):
            raise WireError("shows its picture too often")
        if self._seen and self._shape and len(preview.jpeg) <= self._shape.bytes:  # else it was on its way when the shape became another
            self._seen(preview, self._shape.every_s)

    def _say(self, problem: str) -> None:
        """What keeps clips from being made of it: each thing once a process, however often it comes and goes."""
        if problem and problem not in self._said and len(self._said) < MAX_SAID:
            self._said.add(problem)
            log.warning("%s: there may be no evidence of it: %s", self.sensor, problem)

    def _check(self, window: Window) -> None:
        """Refuse a window that does not lie in this sensor's slots: the judge will read where it points."""
        layout, shape = self._layout, self.settings.window
        if len(window.slots) != shape.pairs or any(not 0 <= slot < layout.count for slot in window.slots):
            raise WireError(f"a window of slots {window.slots[:8]}")
        if tuple(view.id for view in window.views) != layout.views:
            raise WireError("a window of other views than it was told")
        for view in window.views:
            sides = (view.height, view.width)
            if any(side % SIDE_STEP or not 0 <= side <= layout.longest_side for side in sides):
                raise WireError(f"frames of {view.height}x{view.width}")
        if window.id != f"{self.sensor}/{window.epoch}/{window.first_pair}" or max(abs(window.epoch), abs(window.first_pair)) > FARTHEST_NS:
            raise WireError(f"a window called {window.id[:80]!r}")
        if window.end.boot_ns <= window.start.boot_ns:
            raise WireError("a window that ends before it starts")
        if not 0.0 <= window.own_voice <= 1.0:
            raise WireError(f"a window of which {window.own_voice} is our own voice")

    def release(self, window: WindowId) -> None:
        """Nobody needs this window's slots any more."""
        self._tell(Release(windows=(window,)))

    def mute(self, mute: Mute) -> None:
        """The box speaks, and this sensor hears it."""
        self._mute = mute
        self._tell(mute)

    def show(self, shape: PreviewShape | None, seen: Callable[[Preview, float], None]) -> None:
        """Have previews made like this from now on, each of which `seen` gets, and in how many seconds the next one is due; None: none."""
        self._seen = seen
        if shape != self._shape:
            self._shape = shape
            self._tell(Show(shape=shape))

    def show_again(self) -> None:
        """Have one made now, out of its time."""
        if self._shape:
            self._tell(Show(shape=self._shape))

    def _tell(self, message: Release | Mute | Show) -> None:
        if self._child:
            try:
                self._child.send(HEARS.encode(message))
            except ChildLost as lost:
                self._child.kill(lost.problem)
