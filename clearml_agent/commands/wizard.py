"""`clearml-agent init`: the questions, their defaults, and the file that the answers make.

Source of the questions and their order: contract/agent_behaviour.md 15. Unlike the reference it never shows a secret,
and a server that is known already (environment, a server of this user on this machine) is not asked for again.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clearml_sdk import setup_wizard
from clearml_sdk.api_settings import ApiSettings, derive_host
from clearml_sdk.errors import ClearmlError, ConfigurationError

ATTEMPTS = 2
"""How often credentials may be wrong."""
SHOWN = 4
"""So much of a secret is shown, for the user to see that it is the right one."""


@dataclass
class Terminal:
    """Whom the wizard talks to. `read` raises EOFError when there is nobody (any more)."""

    read: Callable[[str], str] = input
    read_secret: Callable[[str], str] = field(default_factory=lambda: secret_reader())

    def ask(self, question: str, default: str = "") -> str:
        """The answer, or the default for an empty one."""
        return self.read(f"{question} [{default}]: " if default else f"{question}: ").strip() or default

    def wants(self, question: str, *, default: bool) -> bool:
        """The answer to a yes-or-no question."""
        answer = self.read(f"{question} [{'Y/n' if default else 'y/N'}]: ").strip().lower()
        return default if not answer else answer in ("y", "yes")


@dataclass(frozen=True)
class Git:
    """For cloning over https; empty for ssh and public repositories."""

    user: str = ""
    password: str = ""


@dataclass(frozen=True)
class Answers:
    """What the file is made of. `output`: where models and artifacts go; True: the files server."""

    server: ApiSettings
    output: str | bool = ""
    git: Git = Git()
    indexes: tuple[str, ...] = ()


def run(path: Path, terminal: Terminal | None = None) -> int:
    """Ask, verify, write; the exit status is 0 when the file was written."""
    terminal = terminal or Terminal()
    print("ClearML agent setup\n")
    if setup_wizard.is_taken(str(path)):
        print(f"The configuration file {path} exists already: it is left as it is.")
        print("Edit it by hand (section `agent`), or remove it and run `clearml-agent init` again.")
        return 1
    try:
        server = known_server() or ask_server(terminal)
        answers = Answers(server, *ask_rest(terminal, server))
        write(path, answers)
    except (ClearmlError, OSError) as error:
        print(f"clearml-agent init: {setup_wizard.explain(error)}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print("\nclearml-agent init: nothing was written", file=sys.stderr)
        return 1
    print(f"\nNew configuration stored in {path}")
    print("Start an agent with: clearml-agent daemon --queue default --create-queue --detached")
    return 0


def known_server() -> ApiSettings | None:
    """A server that needs no question, verified; None when there is none."""
    settings = setup_wizard.from_environment() or setup_wizard.from_local_server()
    if settings is not None:
        setup_wizard.verify(settings)
        print(f"Credentials verified: {settings.api_server}")
    return settings


def ask_server(terminal: Terminal) -> ApiSettings:
    """Address and credentials of the server, which has accepted them."""
    print(
        "Create new credentials in the web page of your server: your profile, Settings > Workspace > Create new\n"
        "credentials (https://app.clear.ml/settings/workspace-configuration on the hosted one). Copy what it shows.\n"
    )
    for attempt in range(1, ATTEMPTS + 1):
        pasted = setup_wizard.parse_block(read_block(terminal))
        settings = complete(terminal, pasted)
        print(
            f"\nHosts configuration:\nWEB: {settings.web_server}\nAPI: {settings.api_server}\n"
            f"FILES: {settings.files_server}\n\nVerifying credentials ..."
        )
        try:
            setup_wizard.verify(settings)
        except ClearmlError as error:
            print(f"Credentials could not be verified: {setup_wizard.explain(error)}")
            if attempt == ATTEMPTS:
                raise
            print("Once more, please.\n")
        else:
            print("Credentials verified!")
            return settings
    raise AssertionError("not reached: the last attempt returns or raises")


def read_block(terminal: Terminal) -> str:
    """The pasted block: up to an empty line, or the brace that closes it."""
    lines: list[str] = []
    while True:
        line = terminal.read("Paste copied configuration here (or press Enter to type it):\n" if not lines else "")
        lines.append(line)
        text = "\n".join(lines)
        if not line.strip() or (line.strip() == "}" and text.count("{") <= text.count("}")):
            return text


def complete(terminal: Terminal, pasted: dict[str, str]) -> ApiSettings:
    """Settings from what was pasted; what lacks is asked, and the addresses are confirmed."""
    key = pasted.get("access_key") or terminal.ask("Enter access key")
    secret = pasted.get("secret_key") or terminal.read_secret("Enter secret key: ").strip()
    print(f'Detected credentials key="{key}" secret="{shown(secret)}"\n')
    api = pasted.get("api_server") or ""
    web = ask_host(terminal, "WEB Host", pasted.get("web_server") or derive_host(api, "web") or "https://app.clear.ml")
    api = ask_host(terminal, "API Host", api or beside(web, "api"))
    files = ask_host(terminal, "FILES Host", pasted.get("files_server") or derive_host(api, "files"))
    return ApiSettings(api, web_server=web, files_server=files, access_key=key, secret_key=secret)


def ask_host(terminal: Terminal, name: str, default: str) -> str:
    """An address with its scheme; a public one without encryption is remarked on."""
    host = with_scheme(terminal.ask(f"{name} configured to", default))
    if host.startswith("http://") and is_public(host):
        print(f"Warning: {host} is not encrypted: credentials can be read on the way. Is it https?")
    return host


def with_scheme(text: str) -> str:
    """`https://` before a bare name, `http://` before one with a port. Raises ConfigurationError for nothing. Pure."""
    host = text.strip().rstrip("/")
    if not host:
        raise ConfigurationError("no address was given")
    if "://" in host:
        return host
    return f"{'http' if ':' in host.partition('/')[0] else 'https'}://{host}"


def is_public(host: str) -> bool:
    """Whether an address is a name of the internet, as far as its form tells. Pure."""
    name = host.partition("://")[2].partition("/")[0].rpartition(":")[0] or host.partition("://")[2].partition("/")[0]
    is_number = all(part.isdigit() for part in name.split("."))
    return "." in name and not is_number and not name.endswith((".local", ".lan", ".internal", ".localhost"))


def beside(web: str, kind: str) -> str:
    """The usual address of the API beside a web page: ports 8080 and 8008, names `app.` and `api.`. Pure."""
    scheme, _, rest = web.partition("://")
    if rest.startswith("app."):
        return f"{scheme}://{kind}.{rest.removeprefix('app.')}"
    host, separator, port = rest.rpartition(":")
    if separator and port == "8080":
        return f"{scheme}://{host}:8008"
    return f"{scheme}://{rest}:8008" if not separator else ""


def shown(secret: str) -> str:
    return secret[:SHOWN] + "***" if len(secret) > 2 * SHOWN else "***"


def ask_rest(terminal: Terminal, server: ApiSettings) -> tuple[str | bool, Git, tuple[str, ...]]:
    """What is optional; nobody there to answer means the defaults."""
    output: str | bool = ""
    git = Git()
    indexes: list[str] = []
    try:
        output = ask_output(terminal, server)
        git = ask_git(terminal)
        while index := terminal.ask(
            "Enter additional artifact repository (extra-index-url) to use when installing python packages "
            "(leave blank if not required)"
        ):
            indexes.append(index)
            print(f"The following artifact repositories will be added: {', '.join(map(without_password, indexes))}")
    except EOFError:
        print("\nnobody answers: the rest keeps its default")
    return output, git, tuple(indexes)


def ask_output(terminal: Terminal, server: ApiSettings) -> str | bool:
    """Where models and artifacts go when a script does not say."""
    print("\nDefault output destination (models, artifacts):\n  1  none: they stay where the script writes them")
    print(f"  2  the server: {server.files_server}\n  3  a folder or storage of your own (s3://, gs://, azure://)")
    choice = terminal.ask("Choose", "1")
    if choice == "2":
        return True
    return terminal.ask("Destination") if choice == "3" else ("" if choice == "1" else choice)


def ask_git(terminal: Terminal) -> Git:
    """User and token for cloning over https, which the agent may use for any repository."""
    print("\nGit user and token are for cloning private repositories over https.")
    while True:
        user = terminal.ask("Enter git username for repository cloning (leave blank for SSH key authentication)")
        if not user:
            return Git()
        password = terminal.read_secret(f"Enter password (or token) for user '{user}' (not shown): ").strip()
        print(f"Git repository cloning will be using user={user} password={shown(password)}")
        if terminal.wants("Is this right?", default=True):
            return Git(user, password)


def without_password(url: str) -> str:
    from clearml_agent.vcs.addresses import without_secrets

    return without_secrets(url)


def write(path: Path, answers: Answers) -> None:
    """The new file, readable by its owner alone; never over an old one."""
    text = setup_wizard.conf_text(answers.server)
    if answers.output:
        text = text.replace('default_output_uri: ""', f"default_output_uri: {json.dumps(answers.output)}")
    setup_wizard.write_text(str(path), text + agent_text(answers.git, answers.indexes))


def agent_text(git: Git, indexes: tuple[str, ...]) -> str:
    """The section `agent`: the keys that people change most, with their defaults. Pure."""
    return f"""agent {{
    # For cloning over https; empty: ssh keys, and public repositories.
    git_user: {json.dumps(git.user)}
    git_pass: {json.dumps(git.password)}
    # Send them to this host only; empty: to any.
    git_host: ""
    # Clone everything over ssh.
    force_git_ssh_protocol: false

    # Name of this machine's workers; empty: the machine's own name. worker_id: one fixed id.
    worker_name: ""
    worker_id: ""

    # The interpreter of tasks that ask for none; empty: the one that runs the agent.
    python_binary: ""
    package_manager {{
        # pip, uv, conda or poetry
        type: pip
        # Asked as well as the main index.
        extra_index_url: {json.dumps(list(indexes))}
        system_site_packages: false
        force_upgrade: false
    }}

    # Built environments, used again by tasks with the same packages.
    venvs_cache {{
        max_entries: 10
        free_space_threshold_gb: 2.0
    }}
    # Mirrors of repositories.
    vcs_cache {{
        enabled: true
    }}

    # Section `Environment` of a task's parameters becomes its environment variables.
    enable_task_env: false
    # Read this file again when it has changed.
    reload_config: false
    # From SIGTERM to SIGKILL when a task is stopped.
    stop_grace_sec: 10
}}
"""


def secret_reader() -> Callable[[str], str]:
    """Secrets are not shown on a terminal; from a pipe they are lines as any other."""
    return getpass.getpass if sys.stdin.isatty() else input


def default_path(given: str | None) -> Path:
    return Path(os.path.expanduser(given)) if given else Path(setup_wizard.default_path())
