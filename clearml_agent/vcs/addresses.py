"""Addresses of repositories: read, stripped of secrets, and rewritten between ssh and https. Pure."""

from __future__ import annotations

import hashlib
import posixpath
import re
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from clearml_agent.vcs.settings import Credential, GitSettings

_SCP = re.compile(r"^(?:(?P<user>[^@/:\s]+)@)?(?P<host>[^/:\s]+):(?!//)(?P<path>.+)$")
_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")
_USERINFO = re.compile(r"(https?://)[^/@\s']+@|(://)[^/@\s':]*:[^/@\s']*@", re.IGNORECASE)


class Address(msgspec.Struct, frozen=True):
    """Where a repository is.

    url: as git gets it; holds no password, and for http(s) no user.
    credential: what to answer when that host asks, or None.
    """

    url: str
    credential: Credential | None = None

    @property
    def name(self) -> str:
        """The repository's own name, safe as a file name: `https://host/team/repo.git` -> `repo`."""
        last = re.split(r"[/:\\]", self.url.rstrip("/"))[-1]
        return re.sub(r"[^\w.-]", "_", last.removesuffix(".git")).lstrip(".-") or "repository"

    @property
    def key(self) -> str:
        """A file name for this repository's mirror."""
        return f"{self.name[:80]}.{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"

    @property
    def is_http(self) -> bool:
        return self.url.lower().startswith(("http://", "https://"))

    @property
    def is_ssh(self) -> bool:
        return self.url.lower().startswith(("ssh://", "git+ssh://")) or is_scp(self.url)


def read_address(text: str, settings: GitSettings) -> Address:
    """The address to use for a recorded repository, rewritten as the settings say, with its credential.

    Source: contract/agent_behaviour.md 6.
    """
    url = text.strip()
    if settings.force_ssh:
        url = _to_ssh(url, settings)
    elif settings.translate_ssh and settings.credentials:
        url = _to_https(url, settings)
    if not url.lower().startswith(("http://", "https://")):
        return Address(url)
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=_host(parts.netloc)))
    if parts.password:
        own = Credential(unquote(parts.username or ""), unquote(parts.password), host=parts.hostname or "")
        return Address(bare, own)
    configured = credential_for(bare, settings)
    if configured is None and parts.username:  # a token alone, in the place of the user
        return Address(bare, Credential(unquote(parts.username), "", host=parts.hostname or ""))
    return Address(bare, configured)


def credential_for(url: str, settings: GitSettings) -> Credential | None:
    """The first credential that may be sent to `url`."""
    host = urlsplit(url).hostname or ""
    for entry in settings.credentials:
        if not entry.host or (entry.is_prefix and url.startswith(entry.host)):
            return entry
        if not entry.is_prefix and _host_of(entry.host) == host.lower():
            return entry
    return None


def without_secrets(text: str) -> str:
    """`text` without the user and password of any address in it (a token may stand in the place of the user)."""
    return _USERINFO.sub(lambda match: match[1] or match[2], text)


def relative_to(url: str, base: str) -> str:
    """The address of a submodule, which may be written relative to its parent's (`../other.git`)."""
    if not url.startswith(("./", "../")):
        return url
    match = None if "://" in base else _SCP.match(base)
    if match and not _DRIVE.match(base):
        path = posixpath.normpath(posixpath.join(match["path"], url))
        return base[: match.start("path")] + path
    scheme, separator, rest = base.partition("://")
    if not separator:
        return posixpath.normpath(posixpath.join(base, url))
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{slash}{posixpath.normpath(posixpath.join('/' + path, url)).lstrip('/')}"


def is_scp(url: str) -> bool:
    """Whether this is ssh in the form `user@host:path`."""
    return "://" not in url and not _DRIVE.match(url) and _SCP.match(url) is not None


def _to_https(url: str, settings: GitSettings) -> str:
    """An ssh address of a host that we have credentials for, as https; any other as it is."""
    if is_scp(url):
        match = _SCP.match(url)
        assert match is not None
        host, path = match["host"], match["path"].lstrip("/")
    elif url.lower().startswith(("ssh://", "git+ssh://", "git://")):
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path.lstrip("/")
    else:
        return url
    changed = f"{settings.https_scheme}://{host}/{path}"
    return changed if credential_for(changed, settings) else url


def _to_ssh(url: str, settings: GitSettings) -> str:
    """An https address as ssh, where the settings want it."""
    if not url.lower().startswith(("http://", "https://")):
        return url
    parts = urlsplit(url)
    if settings.ssh_host and _host_of(settings.ssh_host) != (parts.hostname or ""):
        return url
    port = f":{settings.ssh_port}" if settings.ssh_port else ""
    return f"ssh://{quote(settings.ssh_user)}@{parts.hostname}{port}{parts.path}"


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def _host_of(text: str) -> str:
    """The host in a setting that may be a name or a whole address."""
    return (urlsplit(text).hostname or "" if "://" in text else text.partition("/")[0].partition(":")[0]).lower()
