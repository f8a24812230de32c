"""Our own wheel, made from the installed distribution, so that agents install the SDK from the server itself.

It needs no build tool and no network, works from an editable install too, and is the same bytes for the same code.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.metadata
import importlib.util
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

DISTRIBUTION = "clearml-lean"
PACKAGES = ("clearml_agent", "clearml_sdk", "control_plane")
PTH = "clearml_lean.pth"
LEFT_OUT = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".DS_Store"})
EPOCH = (1980, 1, 1, 0, 0, 0)
WHEEL = "Wheel-Version: 1.0\nGenerator: clearml-lean\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class NotInstalled(Exception):
    """The server runs from something that is no installed distribution, so there is nothing to make a wheel of."""


def build_wheel(directory: Path) -> Path:
    """Write the wheel into `directory` under its standard name, and answer its path; raises NotInstalled."""
    found = _distribution()
    stem = f"{found.metadata['Name'].replace('-', '_')}-{found.version}"
    content = dict(sorted(_content(found, f"{stem}.dist-info")))
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in content.items()]
    content[record] = "".join([*lines, f"{record},,\n"]).encode()
    path = directory / f"{stem}-py3-none-any.whl"
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".wheel-", delete=False) as file:
        try:
            with zipfile.ZipFile(file, "w") as archive:
                for name, data in content.items():
                    archive.writestr(_entry(name), data, compresslevel=6)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path


def index_page(wheel: Path, *, prefix: str = "") -> str:
    """The PEP 503 page of our distribution: one link, with the hash of the file.

    The hash is in the path as well: installers keep what they got from an address, and a wheel of the same version may
    have other content after an update of the server's code.

    prefix: put before the link, "" for one relative to the page.
    """
    digest = digest_of(wheel)
    name = html.escape(wheel.name)
    needs = html.escape(_requires_python())
    return (
        "<!DOCTYPE html>\n<html><head><meta name='pypi:repository-version' content='1.0'>"
        f"<title>Links for {DISTRIBUTION}</title></head><body><h1>Links for {DISTRIBUTION}</h1>\n"
        f'<a href="{prefix}{digest[:16]}/{name}#sha256={digest}" data-requires-python="{needs}">{name}</a><br>\n'
        "</body></html>\n"
    )


def _requires_python() -> str:
    return next(iter(_distribution().metadata.get_all("Requires-Python") or []), "")


def digest_of(wheel: Path) -> str:
    """The sha256 of a file, hexadecimal."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def root_page() -> str:
    """The PEP 503 page that lists the projects: ours alone."""
    return (
        "<!DOCTYPE html>\n<html><head><meta name='pypi:repository-version' content='1.0'>"
        f'<title>Simple index</title></head><body>\n<a href="{DISTRIBUTION}/">{DISTRIBUTION}</a><br>\n</body></html>\n'
    )


def _distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise NotInstalled(
            f"{DISTRIBUTION} is not installed as a distribution: agents cannot get the SDK from this server. "
            "Install it with pip"
        ) from None


def _content(found: importlib.metadata.Distribution, info: str) -> Iterator[tuple[str, bytes]]:
    """(name in the archive, bytes) of everything but RECORD."""
    for package in PACKAGES:
        root = _folder(package)
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if path.is_file() and path.suffix not in (".pyc", ".pyo") and not LEFT_OUT.intersection(relative.parts):
                yield f"{package}/{relative.as_posix()}", path.read_bytes()
    yield PTH, _pth(found)
    yield f"{info}/METADATA", _text(found, "METADATA")
    yield f"{info}/WHEEL", WHEEL.encode()
    yield f"{info}/entry_points.txt", _text(found, "entry_points.txt")
    for file in found.files or ():
        parts = file.as_posix().split("/")
        if len(parts) > 2 and parts[0].endswith(".dist-info") and parts[1] == "licenses":
            yield f"{info}/{'/'.join(parts[1:])}", Path(str(file.locate())).read_bytes()


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalled(f"the package {package} has no files on this machine")
    return Path(next(iter(spec.submodule_search_locations)))


def _pth(found: importlib.metadata.Distribution) -> bytes:
    path = Path(str(found.locate_file(PTH)))
    if not path.is_file():
        raise NotInstalled(f"{PTH} is missing beside the installed distribution: install it again")
    return path.read_bytes()


def _text(found: importlib.metadata.Distribution, name: str) -> bytes:
    text = found.read_text(name)
    if text is None:
        raise NotInstalled(f"the installed distribution has no {name}: install it again")
    return text.encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _entry(name: str) -> zipfile.ZipInfo:
    """A header that depends on the name alone."""
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    entry.create_system = 3
    return entry
