"""Git requirements: their addresses, and how git is told of the agent's copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearml_agent.vcs.packages import Repositories, addresses, configuration, is_fixed, variables
from clearml_agent.vcs.settings import Credential, GitSettings

COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x @ git+https://h/x.git", ("https://h/x.git", "")),
        ("git+https://h/x.git@feature/y#egg=x&subdirectory=z", ("https://h/x.git", "feature/y")),
        (f"-e git+ssh://git@h:22/team/x.git@{COMMIT}#egg=x", ("ssh://git@h:22/team/x.git", COMMIT)),
        ("x[extra] @ git+https://h/x@v1 ; python_version > '3'", ("https://h/x", "v1")),
    ],
)
def test_address_and_revision_of_a_line(line: str, expected: tuple[str, str]) -> None:
    assert addresses([line, "attrs==1.0", "y @ https://h/y.whl"]) == {expected}


def test_only_a_commit_means_the_same_for_ever() -> None:
    assert is_fixed(f"git+https://h/x.git@{COMMIT}") and is_fixed("attrs>=1")
    assert not is_fixed("git+https://h/x.git@main") and not is_fixed("git+https://h/x.git")


def test_git_takes_the_copies_besides_what_the_environment_says() -> None:
    copies = {"https://h/x.git": Path("/mirrors/x.git")}
    assert variables(copies, {"GIT_CONFIG_COUNT": "2"}) == {
        "GIT_CONFIG_COUNT": "3",
        "GIT_CONFIG_KEY_2": "url.file:///mirrors/x.git.insteadOf",
        "GIT_CONFIG_VALUE_2": "https://h/x.git",
    }
    assert variables({}, {}) == {}
    assert '[url "file:///mirrors/x.git"]\n\tinsteadOf = "https://h/x.git"\n' in configuration(copies)


@pytest.mark.parametrize(
    ("line", "is_contained", "settings"),
    [
        ("git+https://h/x.git", True, GitSettings()),  # nothing that the installer has not
        ("git+https://token@h/x.git", True, GitSettings(credentials=(Credential("u", "p"),))),  # brings its own
        ("git+ssh://git@h/x.git", False, GitSettings()),  # the machine's own ssh key serves the installer
        ("git+https://h/x.git", True, GitSettings(credentials=(Credential("u", "p"),), is_offline=True)),
    ],
)
async def test_other_repositories_are_left_to_the_installer(
    line: str, is_contained: bool, settings: GitSettings, tmp_path: Path
) -> None:
    assert await Repositories(settings, tmp_path, {}, print, is_contained).copies([line]) == {}
    assert list(tmp_path.iterdir()) == []
