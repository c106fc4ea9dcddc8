"""Cameras in the network, as they answer to ONVIF's WS-Discovery. They are asked by a helper process, and what it says is checked and bounded.

The package that speaks the protocol is optional (the extra `onvif`).
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter, ValidationError

from appliance.setup.discovery_main import MISSING

INSTALL = "to look for cameras in the network: pip install 'WSDiscovery>=2.1.2,<3' into the environment of omniwatch"
SEARCH_S, LIMIT_S = 4.0, 20.0
MAX_CAMERAS, MAX_BYTES, MAX_NAME = 64, 1 << 20, 60

ANSWERS: TypeAdapter[list[dict[str, list[str]]]] = TypeAdapter(list[dict[str, list[str]]])


class DiscoveryFailed(Exception):  # noqa: N818 - the world's fault
    """Nobody could be asked. Its text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A camera that answered."""

    host: str
    name: str
    """What it calls itself; empty where it does not say."""

    @property
    def source(self) -> str:
        """Its address as the beginning of a source: the stream's path is the camera's own affair."""
        return f"rtsp://[{self.host}]/" if ":" in self.host else f"rtsp://{self.host}/"


def find_cameras(environment: Mapping[str, str] | None = None) -> tuple[Found, ...]:
    """The cameras that answer within some seconds. DiscoveryFailed where nobody could be asked."""
    command = [sys.executable, "-m", "appliance.setup.discovery_main", f"{SEARCH_S:g}"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False, env=environment)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise DiscoveryFailed(f"the search did not end within {LIMIT_S:g} s; type the cameras' addresses instead") from None
    if done.returncode == MISSING:
        raise DiscoveryFailed(INSTALL)
    if done.returncode:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1][:200]
        raise DiscoveryFailed(f"the search failed ({said}); type the cameras' addresses instead")
    return read_cameras(done.stdout[:MAX_BYTES])


def read_cameras(said: bytes) -> tuple[Found, ...]:
    """What the helper says, checked: whoever is in the network may have answered."""
    try:
        answers = ANSWERS.validate_json(said)
    except ValidationError:
        raise DiscoveryFailed("what was found cannot be read; type the cameras' addresses instead") from None
    found = {camera.host: camera for answer in answers if (camera := _camera(answer))}
    return tuple(found[host] for host in sorted(found)[:MAX_CAMERAS])


def _camera(answer: Mapping[str, list[str]]) -> Found | None:
    """The camera at the first address that can be one; None where there is none."""
    hosts = [host for address in answer.get("addresses", []) if (host := _host(address))]
    return Found(host=hosts[0], name=_name(answer.get("scopes", []))) if hosts else None


def _host(address: str) -> str:
    """The numeric address in a URL: no name that somebody in the network made up. IPv4 or one that is valid beyond its link."""
    try:
        host = ip_address(urlsplit(address).hostname or "")
    except ValueError:
        return ""
    return "" if isinstance(host, IPv6Address) and host.is_link_local else str(host)


def _name(scopes: list[str]) -> str:
    """Name and model out of ONVIF's scopes."""
    said = [unquote(scope.rpartition("/")[2]) for kind in ("name", "hardware") for scope in scopes if f"onvif.org/{kind}/" in scope]
    words = [re.sub(r"[^\w .()/+-]", " ", each)[:MAX_NAME].strip() for each in dict.fromkeys(said)]
    return ", ".join(filter(None, words[:2]))
