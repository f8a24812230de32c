"""The server's settings: one frozen struct, built once from defaults, environment and flags.

Nobody else reads the environment. `clearml-server --help` and the documents are made from the help texts here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec


@dataclass(frozen=True, slots=True)
class About:
    """What a person reads about a setting."""

    text: str
    env: str = ""
    """The environment variable that sets it; empty when only code and flags do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be chosen about a server; units are in the names."""

    host: Annotated[str, About("address to bind", "CLEARML_SERVER_HOST")] = "127.0.0.1"
    api_port: Annotated[int, About("port of the API; 0 means any free one", "CLEARML_SERVER_API_PORT")] = 8008
    web_port: Annotated[int, About("port of the web page; 0 means any free one", "CLEARML_SERVER_WEB_PORT")] = 8080
    files_port: Annotated[int, About("port of the files; 0 means any free one", "CLEARML_SERVER_FILES_PORT")] = 8081
    data_dir: Annotated[Path, About("where store, files and secrets live", "CLEARML_SERVER_DATA_DIR")] = Path(
        "~/.clearml/server"
    )
    redis_url: Annotated[str, About("Redis to use instead of the embedded store", "CLEARML_SERVER_REDIS_URL")] = ""
    segments: Annotated[
        str,
        About(
            "where events are sealed to: a directory or a URL like s3://bucket/path; by default <data-dir>/segments, "
            "and with a given Redis nowhere: then all events stay in its memory",
            "CLEARML_SERVER_SEGMENTS",
        ),
    ] = ""
    seal_period_s: Annotated[
        float, About("how often events that are due are sealed, in s; 0: never", "CLEARML_SERVER_SEAL_PERIOD_S")
    ] = 5.0
    store_memory_bytes: Annotated[
        int,
        About(
            "memory that the store may use before reports are refused for a while; 0: 90 % of its maxmemory, else 60 % "
            "of the machine's",
            "CLEARML_SERVER_STORE_MEMORY_BYTES",
        ),
    ] = 0
    durability: Annotated[
        str,
        About(
            "always: a write is on disk when it is answered; process: it survives kill -9, not a power cut",
            "CLEARML_SERVER_DURABILITY",
        ),
    ] = "always"
    web_origins: Annotated[
        tuple[str, ...],
        About("further origins whose page may call the API with a cookie", "CLEARML_SERVER_WEB_ORIGINS"),
    ] = ()
    files_urls: Annotated[
        tuple[str, ...],
        About(
            "further addresses under which clients know the file server, such as http://server:8081: the page shows "
            "files that were stored under them",
            "CLEARML_SERVER_FILES_URLS",
        ),
    ] = ()
    log_level: Annotated[str, About("debug, info, warning or error", "CLEARML_SERVER_LOG_LEVEL")] = "info"
    stop_grace_s: Annotated[float, About("time that running calls get when the server stops, in s")] = 10.0
    lease_s: Annotated[float, About("lease of our agents and of their claims, in s", "CLEARML_SERVER_LEASE_S")] = 30.0
    start_lease_s: Annotated[
        float, About("time an official agent has to start a task it took, in s", "CLEARML_SERVER_START_LEASE_S")
    ] = 120.0
    worker_timeout_s: Annotated[
        float, About("a worker without a report for so long is gone, in s", "CLEARML_SERVER_WORKER_TIMEOUT_S")
    ] = 600.0
    lost_after_s: Annotated[
        float,
        About(
            "a task whose agent's lease is over and that shows no sign of life for so long is lost, in s",
            "CLEARML_SERVER_LOST_AFTER_S",
        ),
    ] = 45.0
    stuck_after_s: Annotated[
        float,
        About("a running task without any sign of life for so long is stopped, in s", "CLEARML_SERVER_STUCK_AFTER_S"),
    ] = 7200.0
    watch_period_s: Annotated[float, About("how often the watchdogs look, in s", "CLEARML_SERVER_WATCH_PERIOD_S")] = 5.0
    token_lifetime_s: Annotated[int, About("lifetime of a token when the caller names none, in s")] = 30 * 86_400
    token_lifetime_max_s: Annotated[int, About("longest lifetime a caller may ask for, in s")] = 365 * 86_400
    max_body_bytes: Annotated[int, About("largest body of an API call, in bytes")] = 256 * 1024 * 1024
    login: Annotated[
        str,
        About("how people log in at the page: password, or names (anybody picks or types one)", "CLEARML_SERVER_LOGIN"),
    ] = "password"
    calls_per_s: Annotated[
        float,
        About(
            "calls that one caller off this machine may make per s, on average; 0: any number",
            "CLEARML_SERVER_CALLS_PER_S",
        ),
    ] = 2000.0
    calls_burst: Annotated[
        int, About("calls that one caller may make at once before that counts", "CLEARML_SERVER_CALLS_BURST")
    ] = 20_000
    wrong_passwords_per_min: Annotated[
        float,
        About(
            "wrong passwords for one user from one address, per minute, before it is asked to wait; 0: any number",
            "CLEARML_SERVER_WRONG_PASSWORDS_PER_MIN",
        ),
    ] = 20.0
    trusted_proxies: Annotated[
        tuple[str, ...],
        About(
            "addresses of proxies in front of the server: a caller's address is what they say in X-Forwarded-For",
            "CLEARML_SERVER_TRUSTED_PROXIES",
        ),
    ] = ()
    company: Annotated[str, About("id of the one company")] = "d1bd92a3b039400cbafc60a7a5b1e52b"
    company_name: Annotated[str, About("name of the one company")] = "clearml"

    @property
    def segments_url(self) -> str:
        """Where events are sealed to; "" = nowhere."""
        return self.segments or ("" if self.redis_url else str(self.data_dir / "segments"))

    @property
    def files_dir(self) -> Path:
        """Root of the file server."""
        return self.data_dir / "files"


_LISTS = ("web_origins", "files_urls", "trusted_proxies")
"""Settings that are several values, separated by commas in the environment."""


def abouts() -> Iterator[tuple[str, Any, About]]:
    """Name, default and help of every setting, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    for info in msgspec.structs.fields(Settings):
        yield info.name, info.default, hints[info.name].__metadata__[0]


def load(environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Build the settings: defaults < environment < flags (a flag that is None was not given).

    Raises ValueError naming the setting that cannot be read.
    """
    chosen: dict[str, Any] = {}
    for name, _, about in abouts():
        if about.env and environ.get(about.env):
            text = environ[about.env]
            chosen[name] = [part.strip() for part in text.split(",")] if name in _LISTS else text
        if flags.get(name) is not None:
            chosen[name] = flags[name]
    chosen = {name: str(value) if isinstance(value, Path) else value for name, value in chosen.items()}
    try:
        settings = msgspec.convert(chosen, Settings, strict=False, dec_hook=_read)
    except msgspec.ValidationError as error:
        raise ValueError(f"cannot use the settings: {error}") from None
    if settings.durability not in ("always", "process"):
        raise ValueError(f"durability is always or process, not {settings.durability!r}")
    if settings.login not in ("password", "names"):
        raise ValueError(f"login is password or names, not {settings.login!r}")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise ValueError(f"log_level is debug, info, warning or error, not {settings.log_level!r}")
    return msgspec.structs.replace(settings, data_dir=settings.data_dir.expanduser().absolute())


def _read(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
