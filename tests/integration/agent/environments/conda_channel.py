"""A conda channel on disk: a Python (this machine's, without what no test needs) and small packages."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import zstandard

SUBDIR = "linux-64" if sysconfig.get_platform().endswith("x86_64") else "linux-aarch64"
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "site-packages", "__pycache__", "ensurepip", "lib2to3"}
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


class Channel:
    """Packages in a directory, with their index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.indexes: dict[str, dict[str, Any]] = {SUBDIR: {}, "noarch": {}}
        for name in self.indexes:
            (folder / name).mkdir(parents=True)

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def add_python(self) -> None:
        """This interpreter as a package."""
        base = Path(sys.base_prefix)
        files: dict[str, bytes | Path | str] = {}
        binary = Path(sys.executable).resolve()
        files[f"bin/python{MINOR}"] = binary
        files["bin/python"] = files["bin/python3"] = f"python{MINOR}"
        library = base / "lib" / f"python{MINOR}"
        for path in library.rglob("*"):
            inner = path.relative_to(library)
            if path.is_file() and not path.name.endswith(".a") and not LEFT_OUT & set(inner.parts):
                files[f"lib/python{MINOR}/{inner}"] = path
        for shared in (base / "lib").glob("libpython*.so*"):
            files[f"lib/{shared.name}"] = shared
        files[f"lib/python{MINOR}/site-packages/README"] = b"packages\n"
        version = ".".join(map(str, sys.version_info[:3]))
        self.add("python", version, files, noarch=False)

    def add(
        self,
        name: str,
        version: str,
        files: dict[str, bytes | Path | str],
        *,
        depends: tuple[str, ...] = (),
        noarch: bool = True,
        build: str = "0",
    ) -> None:
        """Write a package; values are contents, files to be copied, or (text) targets of links."""
        subdir = "noarch" if noarch else SUBDIR
        build = f"py_{build}" if noarch else f"{build}_cpython"
        index: dict[str, Any] = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": 0,
            "depends": list(depends),
            "subdir": subdir,
            "timestamp": 1_700_000_000_000,
        } | ({"noarch": "python"} if noarch else {})
        paths = [_path(name, value) for name, value in files.items()]
        info = {
            "info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
            "info/files": "".join(f"{path}\n" for path in files).encode(),
        }
        if noarch:
            info["info/link.json"] = json.dumps({"noarch": {"type": "python"}, "package_metadata_version": 1}).encode()
        stem = f"{name}-{version}-{build}"
        package = self.folder / subdir / f"{stem}.conda"
        with zipfile.ZipFile(package, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
            archive.writestr(f"pkg-{stem}.tar.zst", _tar(files))
            archive.writestr(f"info-{stem}.tar.zst", _tar(info))
        data = package.read_bytes()
        self.indexes[subdir][package.name] = index | {
            "sha256": hashlib.sha256(data).hexdigest(),
            "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            "size": len(data),
        }
        found = {
            "info": {"subdir": subdir}, "packages": {}, "packages.conda": self.indexes[subdir], "repodata_version": 1,
        }  # fmt: skip
        (self.folder / subdir / "repodata.json").write_text(json.dumps(found))
        other = self.folder / ("noarch" if subdir != "noarch" else SUBDIR) / "repodata.json"
        if not other.exists():
            empty = {"info": {}, "packages": {}, "packages.conda": {}, "repodata_version": 1}
            other.write_text(json.dumps(empty))

    def add_module(self, name: str, version: str, *, depends: tuple[str, ...] = ("python",)) -> None:
        """A noarch Python package whose module holds VERSION."""
        info = f"site-packages/{name}-{version}.dist-info"
        self.add(
            name,
            version,
            {
                f"site-packages/{name}.py": f"VERSION = {version!r}\n".encode(),
                f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
                f"{info}/INSTALLER": b"conda\n",
                f"{info}/RECORD": f"{name}.py,,\n{info.removeprefix('site-packages/')}/RECORD,,\n".encode(),
            },
            depends=depends,
        )


def _path(path: str, value: bytes | Path | str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"_path": path, "path_type": "softlink"}
    data = value.read_bytes() if isinstance(value, Path) else value
    return {
        "_path": path,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }


def _tar(files: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, value in files.items():
            entry = tarfile.TarInfo(path)
            if isinstance(value, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, value
                archive.addfile(entry)
                continue
            data = value.read_bytes() if isinstance(value, Path) else value
            entry.size = len(data)
            entry.mode = 0o755 if path.startswith("bin/") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return zstandard.ZstdCompressor(level=1).compress(buffer.getvalue())
