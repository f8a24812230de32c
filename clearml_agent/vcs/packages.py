"""Git requirements whose repositories only the agent may read: they are installed from the agent's own copies.

Installers cannot be given the agent's credentials: what they run is a package's own code, in a container on top. So the
agent brings the repository itself, as it does for a task's code, and git is told to take the copy for the address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from clearml_agent.errors import CheckoutFailed, EnvironmentFailed
from clearml_agent.process import Log, helpers_run
from clearml_agent.vcs import git as gits
from clearml_agent.vcs.addresses import Address, read_address
from clearml_agent.vcs.mirror import Mirror, Wish
from clearml_agent.vcs.settings import GitSettings

_GIT = re.compile(r"\bgit\+([a-z]+://[^\s#;]+)", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Repositories:
    """How this agent gets at repositories. cache: of the mirrors; is_contained: packages go into a container."""

    settings: GitSettings
    cache: Path
    environ: Mapping[str, str]
    log: Log
    is_contained: bool = False

    async def copies(self, lines: Iterable[str]) -> dict[str, Path]:
        """Address, as a line has it -> the agent's copy, for those that an installer could not read by itself.

        Raises EnvironmentFailed with what to do.
        """
        found: dict[str, Path] = {}
        if self.settings.is_offline:
            return found  # what the installer's cache does not hold is not to be had
        for url, revision in sorted(addresses(lines)):
            address = read_address(url, self.settings)
            if not self._is_for_the_agent(url, address):
                continue
            wish = Wish(commit=revision) if _COMMIT.fullmatch(revision) else Wish()
            try:
                with helpers_run(None):
                    async with gits.opened(address, self.environ, self.log) as git:
                        mirror = Mirror(address, self.cache, git, self.settings)
                        async with mirror.reading(wish):
                            found[url] = mirror.path
            except CheckoutFailed as error:
                raise EnvironmentFailed(f"a package of the task comes from git: {error}") from None
        return found

    def _is_for_the_agent(self, url: str, address: Address) -> bool:
        parts = urlsplit(url)
        if parts.scheme.startswith("http") and parts.username:
            return False  # the line brings its own
        return address.credential is not None or address.url != url or (self.is_contained and address.is_ssh)


def addresses(lines: Iterable[str]) -> set[tuple[str, str]]:
    """(address, revision) of the git requirements among the lines. Pure."""
    found = set()
    for line in lines:
        if match := _GIT.search(line):
            host, slash, path = match[1].partition("://")[2].partition("/")
            path, _, revision = path.partition("@")
            found.add((f"{match[1].partition('://')[0]}://{host}{slash}{path}", revision))
    return found


def is_fixed(line: str) -> bool:
    """Whether a git requirement names a commit, so that installing it again gives the same. Pure."""
    return all(_COMMIT.fullmatch(revision) for _, revision in addresses([line]))


def variables(copies: Mapping[str, Path], environ: Mapping[str, str]) -> dict[str, str]:
    """What tells git to take the copies, in the environment, beside the settings that `environ` has. Pure."""
    if not copies:
        return {}
    count = int(environ.get("GIT_CONFIG_COUNT") or 0)
    found = {"GIT_CONFIG_COUNT": str(count + len(copies))}
    for place, (url, copy) in enumerate(copies.items(), start=count):
        found[f"GIT_CONFIG_KEY_{place}"] = f"url.{copy.as_uri()}.insteadOf"
        found[f"GIT_CONFIG_VALUE_{place}"] = url
    return found


def configuration(copies: Mapping[str, Path]) -> str:
    """The same as a configuration file for git, whoever runs it: the copies belong to the agent's user. Pure."""
    lines = ["[safe]\n\tdirectory = *\n"]
    lines += [f'[url "{copy.as_uri()}"]\n\tinsteadOf = "{url}"\n' for url, copy in copies.items()]
    return "".join(lines)
