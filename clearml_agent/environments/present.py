"""Packages that an image's own Python has: what a task asks for of these is not installed again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from clearml_agent.environments.requirements import requirement_name
from clearml_agent.environments.thin import SHADOW, hide_shared


class Present(msgspec.Struct, frozen=True):
    """image: names the content of the image. packages: name, version, metadata. sites: directories of packages that
    are not found by themselves, of an environment that is active in the image.
    """

    image: str
    packages: list[tuple[str, str, str]]
    sites: list[str]

    def lines(self, requirements: Sequence[str]) -> list[str]:
        """`name==version` of those that are asked for. Pure."""
        wanted = {requirement_name(line) for line in requirements}
        return [f"{name}=={version}" for name, version, _ in self.packages if requirement_name(name) in wanted]

    @contextmanager
    def shown(self, site: Path) -> Iterator[None]:
        """Make them look installed in `site`, so that an installer there takes them for what they are."""
        shadows = [path for package in self.packages if (path := _shadow(site, *package)) is not None]
        try:
            yield
        finally:
            hide_shared(shadows)


def _shadow(site: Path, name: str, version: str, metadata: str) -> Path | None:
    escaped = re.sub(r"[^\w.]+", "_", name), re.sub(r"[^\w.+!]+", "_", version)
    info = site / f"{escaped[0]}-{escaped[1]}.dist-info"
    if info.exists():
        return None  # found twice on the image's path: the first counts
    info.mkdir()
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "INSTALLER").write_text("image\n")
    (info / SHADOW).touch()
    names = ("METADATA", "INSTALLER", SHADOW, "RECORD")
    (info / "RECORD").write_text("".join(f"{info.name}/{file},,\n" for file in names))
    return info
