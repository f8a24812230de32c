"""Addresses of repositories: secrets, rewriting, names."""

from __future__ import annotations

import pytest

from clearml_agent.vcs import Credential, GitSettings
from clearml_agent.vcs.addresses import Address, read_address, relative_to, without_secrets

TOKEN = Credential("robot", "pw", host="github.com")
ANY = Credential("robot", "pw")


@pytest.mark.parametrize(
    ("text", "settings", "url", "credential"),
    [
        ("https://github.com/t/p.git", GitSettings(), "https://github.com/t/p.git", None),
        ("https://github.com/t/p.git", GitSettings(credentials=(TOKEN,)), "https://github.com/t/p.git", TOKEN),
        ("https://gitlab.com/t/p", GitSettings(credentials=(TOKEN,)), "https://gitlab.com/t/p", None),
        ("https://me@github.com/t/p", GitSettings(credentials=(TOKEN,)), "https://github.com/t/p", TOKEN),
        ("git@github.com:t/p.git", GitSettings(credentials=(TOKEN,)), "https://github.com/t/p.git", TOKEN),
        ("ssh://git@github.com:22/t/p.git", GitSettings(credentials=(ANY,)), "https://github.com/t/p.git", ANY),
        ("git@gitlab.com:t/p.git", GitSettings(credentials=(TOKEN,)), "git@gitlab.com:t/p.git", None),
        (
            "git@github.com:t/p.git",
            GitSettings(credentials=(TOKEN,), translate_ssh=False),
            "git@github.com:t/p.git",
            None,
        ),
        ("git@github.com:t/p.git", GitSettings(), "git@github.com:t/p.git", None),
        ("https://github.com/t/p", GitSettings(force_ssh=True, ssh_port=22), "ssh://git@github.com:22/t/p", None),
        ("https://h/p", GitSettings(force_ssh=True, ssh_host="github.com"), "https://h/p", None),
        ("/local/path", GitSettings(credentials=(ANY,)), "/local/path", None),
        ("file:///local/path", GitSettings(credentials=(ANY,)), "file:///local/path", None),
    ],
)
def test_address_is_rewritten_as_the_settings_say(
    text: str, settings: GitSettings, url: str, credential: Credential | None
) -> None:
    assert read_address(text, settings) == Address(url, credential)


def test_secret_in_the_address_is_taken_out_of_it() -> None:
    found = read_address("https://me:p%40ss@h:8443/t/p.git", GitSettings(credentials=(ANY,)))
    assert (found.url, found.credential) == ("https://h:8443/t/p.git", Credential("me", "p@ss", host="h"))
    found = read_address("https://ghp_token@github.com/t/p.git", GitSettings())
    assert found.credential == Credential("ghp_token", "", host="github.com")


def test_prefix_limits_a_credential() -> None:
    team = Credential("u", "p", host="https://h/team", is_prefix=True)
    settings = GitSettings(credentials=(team,))
    assert read_address("https://h/team/p.git", settings).credential == team
    assert read_address("https://h/other/p.git", settings).credential is None


def test_first_credential_that_fits_wins() -> None:
    extra = Credential("e", "p", host="extra.example")
    assert read_address("https://extra.example/p", GitSettings(credentials=(extra, ANY))).credential == extra
    assert read_address("https://h/p", GitSettings(credentials=(extra, ANY))).credential == ANY


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fatal: https://u:p@h/x.git", "fatal: https://h/x.git"),
        ("https://token@h/x", "https://h/x"),
        ("ssh://git@h/x", "ssh://git@h/x"),
        ("postgres://u:p@h/x", "postgres://h/x"),
        ("git@h:x", "git@h:x"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("../b.git", "https://h/t/a.git", "https://h/t/b.git"),
        ("./sub/b.git", "https://h/t/a.git", "https://h/t/a.git/sub/b.git"),
        ("../../x/b", "git@h:t/u/a.git", "git@h:t/x/b"),
        ("../b", "ssh://git@h:22/t/a", "ssh://git@h:22/t/b"),
        ("../b", "/srv/a", "/srv/b"),
        ("../b", "file:///srv/a", "file:///srv/b"),
        ("https://o/b", "https://h/a", "https://o/b"),
    ],
)
def test_submodule_address_relative_to_its_parent(url: str, base: str, expected: str) -> None:
    assert relative_to(url, base) == expected


def test_names_are_safe_as_file_names() -> None:
    for url in ("https://h/t/..", "https://h/", "git@h:a b$c.git", "/", "https://h/.git", "x/" + "n" * 300):
        address = Address(url)
        assert address.name and "/" not in address.name and not address.name.startswith(".")
        assert len(address.key) < 200
    assert Address("https://h/team/My-Repo.git").name == "My-Repo"
    assert Address("https://h/a/x.git").key != Address("https://h/b/x.git").key
