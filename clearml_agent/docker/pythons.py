"""The Pythons of an image and the packages that they bring, asked for once an image."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec

from clearml_agent.environments.interpreters import FACTS, Interpreter
from clearml_agent.environments.present import Present
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import HelperTimeout, Log, run_process

QUESTION = (
    FACTS
    + r"""
import email
facts["is_active"] = sys.prefix != sys.base_prefix
facts["site"] = list(dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]))
facts["packages"] = packages = []
try:
    from importlib.metadata import distributions
    texts = [found.read_text("METADATA") for found in distributions()]
except ImportError:  # before Python 3.8
    import glob
    folders = [glob.escape(place) for place in sys.path]
    files = [path for place in folders for path in glob.glob(os.path.join(place, "*.dist-info", "METADATA"))]
    texts = [open(path, encoding="utf-8", errors="replace").read() for path in files]
for text in filter(None, texts):
    head = text.split("\n\n")[0] + "\n"
    fields = email.message_from_string(head)
    if fields["Name"]:
        packages.append([fields["Name"], fields["Version"], head])
print(json.dumps(facts))
"""
)
FORMAT = "1"
ASK_S = 120.0
KILLED_CODES = (137, -9)
"""What a shell tells of a program that SIGKILL ended, in place of its answer here; and what this Python does."""
MINORS = [f"python3.{minor}" for minor in range(16, 5, -1)]


class Known(msgspec.Struct, frozen=True):
    """One Python of an image. name: what it was called by; is_active: it is a virtual environment's.

    packages: name, version and metadata of each that it can import; site: where those of its environment lie.
    """

    name: str
    interpreter: Interpreter
    is_active: bool
    site: list[str]
    packages: list[tuple[str, str, str]]


class _Answer(Interpreter, frozen=True, kw_only=True):
    """What a Python says."""

    is_active: bool
    site: list[str]
    packages: list[tuple[str, str, str]]


async def pythons(image: str, settings: PackageSettings, *, cache: Path) -> list[Known]:
    """The Pythons found in the container in which helpers run now.

    Args:
        image: what names the content of that container.
    """
    names = list(dict.fromkeys([*_chosen(settings), "python3", "python", *MINORS]))
    asked = hashlib.sha256("\0".join([FORMAT, image, QUESTION, *names]).encode()).hexdigest()[:32]
    kept = cache / "images" / f"{asked}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(kept.read_bytes(), type=list[Known])
    found: list[Known] = []
    try:
        done = await run_process(["/bin/sh", "-c", _script(names)], timeout_s=ASK_S)
    except HelperTimeout as error:
        raise EnvironmentFailed(f"the image's Pythons did not answer within {error.timeout_s:.0f} s") from None
    is_killed = done.code in KILLED_CODES
    for line in done.output.decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(" ")
        is_killed |= text == str(KILLED_CODES[0])
        with contextlib.suppress(msgspec.DecodeError):
            answer = msgspec.json.decode(text.encode(), type=_Answer)
            facts = {field: getattr(answer, field) for field in Interpreter.__struct_fields__}
            found.append(Known(name, Interpreter(**facts), answer.is_active, answer.site, answer.packages))
    if is_killed:
        raise EnvironmentFailed(
            "the image's Python was killed when it was asked for its packages: the container has too little memory for "
            "it (--memory), or somebody killed it"
        )
    if found:
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f".{uuid.uuid4().hex}")
        new.write_bytes(msgspec.json.encode(found))
        os.replace(new, kept)
    return found


def _script(names: Sequence[str]) -> str:
    question = shlex.quote(QUESTION)
    words = " ".join(map(shlex.quote, names))
    return (
        f'for name in {words}; do path=$(command -v "$name") || continue; '
        f'answer=$("$path" -I -c {question} 2>/dev/null) || answer=$?; '
        'printf \'%s %s\\n\' "$name" "$answer"; done; true'
    )


def _chosen(settings: PackageSettings) -> list[str]:
    """What the configuration names, as far as it may mean something in an image."""
    names = [settings.python_binary, settings.default_python]
    return [f"python{name}" if name[0].isdigit() else name for name in names if name]


def choose(
    found: Sequence[Known], wish: str, settings: PackageSettings, image: str, *, uses_active: bool, log: Log
) -> tuple[Interpreter, Present]:
    """The Python for a task that wants version `wish`: that one, the configured one, else `python3`. Raises
    EnvironmentFailed when the image has none.
    """
    if not found:
        raise EnvironmentFailed(
            "the image has no Python 3.6 or newer that runs: choose an image with Python, or install one in the "
            "container's setup script"
        )
    wish = "" if settings.ignore_python_wish else wish
    fitting = [known for known in found if wish and (known.interpreter.version + ".").startswith(wish + ".")]
    configured = [known for known in found if known.name in _chosen(settings)]
    known = (fitting or configured or list(found))[0]
    if wish and not fitting:
        log(f"WARNING: the task asks for Python {wish}, which is not in the image: it gets {known.interpreter.version}")
    if known.is_active and not uses_active:
        present = Present(image, [], [])
    else:
        present = Present(image, known.packages, known.site if known.is_active else [])
    return known.interpreter, present
