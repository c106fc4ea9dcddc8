"""`omniwatch demo`: the product at work, watched from outside.

It renders a hall, plays it as a camera, starts a broker and the appliance itself as `omniwatch run` would be started, prints
alarms as a subscriber gets them, and scores them against the truth.

It looks at the appliance only as its owner could: over MQTT and at /metrics.
"""

import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from appliance.demo import keepsakes
from appliance.demo.broker import Broker, broker, free_port
from appliance.demo.film import write
from appliance.demo.keepsakes import ToldClip
from appliance.demo.player import Player, played
from appliance.demo.scene import DEMO, DEMO_STAGE, FPS, render, sound
from appliance.demo.score import Heard, Score, score
from appliance.demo.settings import hall_config, source_config
from appliance.demo.subscriber import Subscriber
from appliance.demo.summary import Figures, scrape, summary
from appliance.demo.timeline import Act, Timeline, truth

SEED = 7
CALM_S = 12.0
"""Quiet before the first act, while the model loads and the background is learnt."""
AFTER_S = 8.0
"""Quiet after the last act, in which the last windows are judged and told."""
SPARE_S = 6.0
"""The film goes on for a little longer than the showing: a camera does not end."""
READY_S = 180.0
STOP_S = 12.0


def show(source: str | None, *, seconds: float | None, keep: Path | None) -> int:
    """The command. 0 where everything went as it should: with the rendered hall, every alarm and no other."""
    console = Console(soft_wrap=True, highlight=False)
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omniwatch-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        running = stack.enter_context(broker(folder))
        console.print(f"broker: {running.name} on 127.0.0.1:{running.port}, MQTT {running.protocol}")
        if running.protocol != "5":
            console.print("  (it cannot say that it refused a message; install mosquitto for a broker that can)")
        play = _Play(folder=folder, broker=running, metrics_port=free_port(), console=console, stays=keep is not None)
        return play.source(source, seconds or 60.0) if source else play.hall()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Play:
    """One showing."""

    folder: Path
    broker: Broker
    metrics_port: int
    console: Console
    stays: bool
    """Whether the folder is the owner's, and stays."""

    def hall(self) -> int:
        """The rendered hall, scored."""
        timeline = _later(DEMO, CALM_S)
        self.console.print(
            f"scene: {timeline.length_s:.0f} s of a factory hall, rendered now; a small model of the Qwen3-Omni architecture judges it."
        )
        self.console.print("  [dim]That model was trained on rendered halls like this one and knows nothing else of the world.[/dim]")
        began = time.monotonic()
        film = self.folder / "hall.mp4"
        longer = replace(timeline, length_s=timeline.length_s + SPARE_S)
        write(film, render(longer, SEED), sound(longer, SEED), FPS)
        self.console.print(f"  rendered in {time.monotonic() - began:.0f} s: {film}")
        with played(film, self.folder) as player:
            self.console.print(f"camera: {player.url}\n")
            config = hall_config(self.folder, player.url, self.broker, self.metrics_port)
            seen = self._watch(config, "hall", timeline.length_s, player)
        result = score(seen.heard, truth(timeline, DEMO_STAGE.cell))
        summary(self.console, seen.figures, result)
        return self._verdict(seen, result)

    def source(self, source: str, seconds: float) -> int:
        """Whatever the owner has at hand, judged by cues."""
        self.console.print(f"source: {escape(source)}, for {seconds:.0f} s. No model that knows it ships with the project, so cues alone judge:")
        self.console.print("  [dim]motion, change and sound levels, not meaning. Give judge.model a real model for that (README).[/dim]\n")
        seen = self._watch(source_config(self.folder, source, self.broker, self.metrics_port), "source", seconds, None)
        summary(self.console, seen.figures, None)
        return self._verdict(seen, None)

    def _watch(self, config: Path, sensor: str, seconds: float, player: Player | None) -> "_Seen":
        """Run the appliance for `seconds` from the sensor's first picture."""
        subscribed = Subscriber(self.broker, sensor, self.console, lambda: player.zero_boot_ns if player else None)
        with subscribed as subscriber, (self.folder / "omniwatch.log").open("w") as log:
            command = [sys.executable, "-m", "appliance", "run", str(config)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)  # noqa: S603
            try:
                self._wait(process, subscriber.online, READY_S, "the sensor did not come online")
                self._pass(process, seconds)
                figures = scrape(self.metrics_port)
                process.terminate()
                code = process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                raise SystemExit(f"the appliance did not stop within {STOP_S:g} s:\n{self._last_words()}") from None
            finally:
                process.kill()
                process.wait()
            return _Seen(heard=subscriber.heard(), clips=subscriber.clips(), figures=figures, code=code)

    def _wait(self, process: subprocess.Popen[bytes], event: threading.Event, longest_s: float, problem: str) -> None:
        until = time.monotonic() + longest_s
        while not event.wait(0.2):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{problem}:\n{self._last_words()}")

    def _pass(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if process.poll() is not None:
                raise SystemExit(f"the appliance ended with {process.returncode}:\n{self._last_words()}")
            time.sleep(min(left, 0.5))

    def _last_words(self) -> str:
        """The end of the appliance's log: without --keep it goes with its folder."""
        return "\n".join((self.folder / "omniwatch.log").read_text().splitlines()[-5:])

    def _verdict(self, seen: "_Seen", result: Score | None) -> int:
        """What is left of it, and the exit status."""
        true = keepsakes.tell(self.console, self.folder / "state", seen.clips)
        if not self.stays:
            self.console.print("  [dim](they go with the demo; --keep FOLDER keeps them)[/dim]")
        if seen.code:
            self.console.print(f"[red]the appliance stopped with {seen.code}[/red]")
        return int(bool(seen.code) or not true or (result is not None and not result.is_perfect))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What came of a showing."""

    heard: tuple[Heard, ...]
    clips: tuple[ToldClip, ...]
    figures: Figures
    code: int
    """The appliance's exit status."""


def _later(timeline: Timeline, by_s: float) -> Timeline:
    """The same timeline between `by_s` seconds of quiet before it and AFTER_S behind it."""
    acts: tuple[Act, ...] = tuple(replace(act, start_s=act.start_s + by_s, end_s=act.end_s + by_s) for act in timeline.acts)
    return Timeline(length_s=timeline.length_s + by_s + AFTER_S, acts=acts)
