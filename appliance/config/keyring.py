"""Where secrets are found: a folder of files, one secret each, named as `!secret NAME` says. It never tells what is in them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.config.problems import HintedError
from sensors.secret import Secret

MAX_SECRET = 4096
FOLDER = "omniwatch_"
"""What systemd puts before a file's name where a whole folder is one credential: `LoadCredential=omniwatch:/etc/omniwatch/secrets`."""

INSTALLED = Path("/etc/omniwatch/secrets")
"""The folder that the shipped unit names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The folder that secrets are taken from."""

    folder: Path
    why: str
    """Why this one: told where a secret is not in it."""
    put: Path | None = None
    """Where its owner puts one, if not into `folder`: a service manager hands over copies."""

    @classmethod
    def beside(cls, file: Path, environment: Mapping[str, str] = os.environ) -> "Keyring":
        """What systemd gives in $CREDENTIALS_DIRECTORY, else the folder `secrets` beside the configuration."""
        given = environment.get("CREDENTIALS_DIRECTORY")
        if given:
            return cls(folder=Path(given), why="systemd hands it over at a start: systemctl restart omniwatch", put=INSTALLED)
        return cls(folder=file.parent / "secrets", why="$CREDENTIALS_DIRECTORY is not set")

    def file(self, name: str) -> Path:
        """Where the secret called `name` lies, or would. HintedError for what can be no name of one."""
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
            raise HintedError(f'"{name}" is no name of a secret', "use letters, digits, _, - and .")
        return next((self.folder / each for each in (name, FOLDER + name) if (self.folder / each).exists()), self.folder / name)

    def find(self, name: str) -> Secret:
        """The secret called `name`. HintedError, saying where it was looked for, where there is none."""
        file = self.file(name)
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_SECRET + 1)
        except OSError as error:
            raise HintedError(f'no secret "{name}": {error.strerror}', f"put it in {self.put / name if self.put else file} ({self.why})") from None
        if not 0 < len(data.strip()) <= MAX_SECRET:
            raise HintedError(f'the secret "{name}" is empty or longer than {MAX_SECRET} bytes', f"it is in {file}")
        try:
            return Secret(data.decode().rstrip("\r\n"))
        except UnicodeDecodeError:
            raise HintedError(f'the secret "{name}" is not UTF-8', f"it is in {file}") from None
