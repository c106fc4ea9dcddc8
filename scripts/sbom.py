"""Writes the software bill of materials: CycloneDX 1.6 in JSON, of what the lock installs and of the native libraries within it.

usage: python scripts/sbom.py OUT

A lock knows packages and their hashes. What it does not know is what wheels bring along: FFmpeg lies inside av and OpenCV, where no
upgrade of the system reaches it, so those libraries are looked up in what is installed here. torch is not in the lock; it is listed
as requirements-torch.txt names it.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from appliance import __version__

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
TORCH = ROOT / "requirements-torch.txt"
PRODUCT = "omniwatch"
LIBRARY = re.compile(r"(?P<name>lib.+?)(?:-[0-9a-f]{8})?\.so\.(?P<version>\d[\d.]*)$")
"""A library as auditwheel names it: `libavcodec-5e6b81c2.so.62.28.102`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A package of the lock."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    """SHA-256 of each file that may be installed."""
    wanted_by: tuple[str, ...] = ()
    """The packages that need it."""


def locked(text: str) -> Iterator[Locked]:
    """The packages of a lock, as `uv pip compile` writes it."""
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", entry)
        if found is None:
            raise ValueError(f"no package of a lock: {entry[:80]!r}")
        _, _, via = entry.partition("# via")
        wanted_by = tuple(word for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.sub(r"\([^)]*\)", "", via)) if word != "r")
        yield Locked(name=found[1], version=found[2], hashes=tuple(re.findall(r"sha256:([0-9a-f]{64})", entry)), wanted_by=wanted_by)


def torch() -> Locked:
    """torch, as it is installed where nothing else is said."""
    (found,) = locked("\n".join(line for line in TORCH.read_text(encoding="utf-8").splitlines() if not line.startswith("#")))
    return replace(found, wanted_by=(PRODUCT,))


def bill(packages: tuple[Locked, ...], installed: Mapping[str, Distribution]) -> Bom:
    """The bill. Native libraries are those of `installed`, and only where it is the version that is locked."""
    root = Component(name=PRODUCT, version=__version__, type=ComponentType.APPLICATION, bom_ref=PRODUCT)
    made = {each.name: _package(each) for each in packages}
    bom = Bom(components=made.values())
    bom.metadata.component = root
    for each in packages:
        for parent in each.wanted_by:
            bom.register_dependency(made.get(parent, root), [made[each.name]])
        found = installed.get(each.name)
        if found is not None and found.version == each.version:
            natives = [*_natives(each.name, found)]
            made[each.name].components.update(natives)
    bom.register_dependency(root)
    return bom


def _package(package: Locked) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in package.hashes]
    page = XsUri(f"https://pypi.org/project/{package.name}/{package.version}/")
    files = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=page, hashes=hashes)
    return Component(name=package.name, version=package.version, type=ComponentType.LIBRARY, bom_ref=str(url), purl=url, external_references=[files])


def _natives(package: str, found: Distribution) -> Iterator[Component]:
    """The libraries inside a wheel, and FFmpeg as a whole, which advisories speak of."""
    for file in found.files or ():
        if name := LIBRARY.match(file.name):
            yield _native(package, name["name"], name["version"])
    if package == "av":
        import av  # noqa: PLC0415 - only where it is installed

        yield _native(package, "ffmpeg", av.ffmpeg_version_info, cpe=f"cpe:2.3:a:ffmpeg:ffmpeg:{av.ffmpeg_version_info}:*:*:*:*:*:*:*")


def _native(package: str, name: str, version: str, cpe: str | None = None) -> Component:
    url = PackageURL("generic", name=name, version=version)
    return Component(name=name, version=version, type=ComponentType.LIBRARY, bom_ref=f"{package}/{name}@{version}", purl=url, cpe=cpe)


def here(packages: tuple[Locked, ...]) -> Mapping[str, Distribution]:
    """Which of them are installed."""
    found = {}
    for each in packages:
        try:
            found[each.name] = distribution(each.name)
        except PackageNotFoundError:
            continue
    return found


def write(out: Path) -> None:
    """Write the bill of this checkout. The same checkout and environment give the same, but for its number and time."""
    packages = (*locked(LOCK.read_text(encoding="utf-8")), torch())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(JsonV1Dot6(bill(packages, here(packages))).output_as_string(indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
