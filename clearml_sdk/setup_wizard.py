"""`clearml-init`: write clearml.conf, once the server has accepted the address and the credentials in it."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import re
import sys

from clearml_sdk.api_settings import ApiSettings, derive_host
from clearml_sdk.command_line import Parser
from clearml_sdk.config import environment, local_server
from clearml_sdk.config.settings import default_file
from clearml_sdk.errors import ClearmlError, ConfigurationError, Unauthorized
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VERIFY_LIMIT_S = 10.0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = Parser(
        prog="clearml-init",
        description="Write the configuration file: where the server is, and the credentials for it. "
        "With a server of yours running on this machine, nothing is asked.",
    )
    made.add_argument("--file", "-F", default=None, help="file to write (default: ~/clearml.conf)")
    return made


def main(argv: list[str]) -> int:
    """Run the command; returns its exit status: 0 written, 1 not written, 2 wrong usage, 130 Ctrl-C."""
    options = parser().parse_args(argv)
    path = os.path.expanduser(options.file) if options.file else default_path()
    if is_taken(path):
        print(f"{path} exists already and is left as it is. Edit it, or remove it and run clearml-init again.")
        return 1
    try:
        settings = from_environment() or from_local_server()
        if settings is None:
            settings = ask(input, getpass.getpass)
        verify(settings)
        write_conf(path, settings)
    except (ClearmlError, FileExistsError) as error:
        print(f"clearml-init: {explain(error)}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt) as end:
        print("\nclearml-init: nothing was written", file=sys.stderr)
        return 130 if isinstance(end, KeyboardInterrupt) else 1
    print(f"{path} was written: {settings.api_server} accepts these credentials.")
    return 0


def default_path() -> str:
    """The file that clients read: `CLEARML_CONFIG_FILE`, else `~/clearml.conf`."""
    chosen = environment.read("CONFIG_FILE")
    return os.path.expanduser(chosen) if chosen else default_file()


def is_taken(path: str) -> bool:
    """Whether there is a file that must not be overwritten; an empty one may be."""
    try:
        return os.path.getsize(path) > 0
    except OSError:
        return os.path.lexists(path)


def from_environment() -> ApiSettings | None:
    """The server that `CLEARML_API_HOST` and its credentials name; None without them."""
    host, key, secret = (environment.read(name) for name in ("API_HOST", "API_ACCESS_KEY", "API_SECRET_KEY"))
    if not (host and key and secret):
        return None
    return ApiSettings(
        host,
        web_server=environment.read("WEB_HOST") or "",
        files_server=environment.read("FILES_HOST") or "",
        access_key=key,
        secret_key=secret,
    )


def from_local_server() -> ApiSettings | None:
    """This user's server on this machine; None when there is none."""
    found = local_server.read_local_server()
    if found is None:
        return None
    print(f"Found your server on this machine: {found['api_server']}")
    return ApiSettings(
        found["api_server"],
        web_server=found["web_server"],
        files_server=found["files_server"],
        access_key=found["access_key"],
        secret_key=found["secret_key"],
    )


def ask(read_line: Callable[[str], str], read_secret: Callable[[str], str]) -> ApiSettings:
    """Have the user paste the block that the web page shows, or give the values one by one.

    Raises EOFError when there is nobody to answer.
    """
    print(
        "Create credentials in the web page (Settings > Credentials > Create new credentials) and paste the block\n"
        "that it shows here, then an empty line. Or press Enter at once to give the values one by one."
    )
    lines: list[str] = []
    while True:
        try:
            line = read_line("> " if not lines else "")
        except EOFError:
            if not lines:
                raise
            break
        lines.append(line)
        text = "\n".join(lines)
        if not line.strip() or ("{" in text and text.count("{") == text.count("}")):
            break
    found = parse_block("\n".join(lines))
    api_server = found.get("api_server") or normal_host(read_line("API server, such as http://localhost:8008: "))
    return ApiSettings(
        api_server,
        web_server=found.get("web_server") or "",
        files_server=found.get("files_server") or "",
        access_key=found.get("access_key") or read_line("Access key: ").strip(),
        secret_key=found.get("secret_key") or read_secret("Secret key (not shown): ").strip(),
    )


def parse_block(text: str) -> dict[str, str]:
    """The values in a pasted `api { ... }` block or JSON; also of a block whose quotes or braces were lost."""
    from clearml_sdk.config.hocon import parse

    if not text.strip():
        return {}
    try:
        tree = parse("the pasted text", text.strip())
    except ConfigurationError:
        tree = {}
    api = tree.get("api") if isinstance(tree.get("api"), dict) else tree
    credentials = api.get("credentials") if isinstance(api, dict) else None
    flat: dict[str, Any] = {**(api if isinstance(api, dict) else {}), **(credentials or {})}
    names = ("api_server", "web_server", "files_server", "access_key", "secret_key")
    found = {name: str(flat[name]) for name in names if isinstance(flat.get(name), str)}
    for name in names:
        if name not in found and (match := re.search(rf"[\"']?{name}[\"']?\s*[:=]\s*[\"']?([^\s\"',}}]+)", text)):
            found[name] = match.group(1)
    return found


def normal_host(text: str) -> str:
    """An address as the user typed it, with a scheme and the usual port. Raises ConfigurationError for nothing.

    Without a scheme it is https, but http where a port is given or where the name can only be local.
    """
    host = text.strip().rstrip("/")
    if not host:
        raise ConfigurationError("no address of an API server was given")
    if "://" in host:
        return host
    name, _, port = host.partition("/")[0].partition(":")
    is_local = "." not in name or name.startswith("127.")
    if port or not is_local:
        return f"{'http' if port else 'https'}://{host}"
    return f"http://{host}:8008"


def verify(settings: ApiSettings) -> None:
    """Log in once. Raises ClearmlError when the server is not there, is something else, or refuses the credentials."""
    import time

    Session(settings).log_in(deadline=time.monotonic() + VERIFY_LIMIT_S)


def explain(error: Exception) -> str:
    """What went wrong and what to do about it."""
    if isinstance(error, Unauthorized):
        return f"the server does not accept these credentials ({error.message}); create new ones and try again"
    return str(error)


def write_conf(path: str, settings: ApiSettings) -> None:
    """Write a new configuration file. Raises FileExistsError rather than overwrite one."""
    write_text(path, conf_text(settings))


def write_text(path: str, text: str) -> None:
    """Write a new file that only its owner can read. Raises FileExistsError rather than overwrite one."""
    if is_taken(path):
        raise FileExistsError(f"{path} exists already and is left as it is")
    if os.path.lexists(path):
        os.unlink(path)  # empty, perhaps made with wider permissions
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(text)


def conf_text(settings: ApiSettings) -> str:
    """The configuration file for these settings, as users know it."""
    values = {
        "web_server": settings.web_server or derive_host(settings.api_server, "web"),
        "api_server": settings.api_server,
        "files_server": settings.files_server or derive_host(settings.api_server, "files"),
    }
    hosts = "".join(f"    {name}: {_quoted(value)}\n" for name, value in values.items() if value)
    return (
        "# Written by clearml-init. Environment variables (CLEARML_API_HOST, ...) count before this file.\n"
        f"api {{\n{hosts}"
        "    credentials {\n"
        f"        access_key: {_quoted(settings.access_key or '')}\n"
        f"        secret_key: {_quoted(settings.secret_key or '')}\n"
        "    }\n}\n"
        "sdk {\n"
        "    development {\n"
        "        # Where output models and artifacts go unless Task.init says otherwise; true: the files server.\n"
        '        default_output_uri: ""\n'
        "    }\n}\n"
    )


def _quoted(text: str) -> str:
    return json.dumps(text)
