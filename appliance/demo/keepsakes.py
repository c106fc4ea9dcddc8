"""What a showing leaves behind: the clips that MQTT told of, checked against their digests, and what was said aloud. For people."""

import hashlib
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldClip:
    """A clip as an event told of it."""

    policy: str
    file: str
    poster: str | None
    sha256: str


def tell(console: Console, state: Path, clips: Iterable[ToldClip]) -> bool:
    """Print what is there; False where a clip that was told of is not what was told."""
    told = list(clips)
    good = [_clip(console, state / "evidence", clip) for clip in told]
    console.print(f"evidence: {len(told)} clips, each with the digest that MQTT told" if all(good) else "[red]evidence: not what MQTT told[/red]")
    for file in sorted((state / "announcements").glob("*.wav")):
        with wave.open(str(file)) as sound:
            seconds = sound.getnframes() / sound.getframerate()
        console.print(f"  said (no sound card, so kept as a file): {escape(str(file))}, {seconds:.1f} s")
    return all(good)


def _clip(console: Console, folder: Path, clip: ToldClip) -> bool:
    file = folder / clip.file
    try:
        data = file.read_bytes()
    except OSError as error:
        console.print(f"  [red]{escape(str(file))}: {error.strerror}[/red]")
        return False
    same = hashlib.sha256(data).hexdigest() == clip.sha256
    poster = f", poster {escape(Path(clip.poster).name)}" if clip.poster else ""
    mark = "" if same else "[red]another digest than told: [/red]"
    console.print(f"  {mark}{clip.policy:18} {escape(str(file))}, {len(data) / 1e6:.2f} MB{poster}")
    return same
