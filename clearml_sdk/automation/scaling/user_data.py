"""The script that makes a new machine a worker: it installs our agent, and starts it."""

from __future__ import annotations

from shlex import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.automation.cloud_driver import CloudDriver

END = "__CLEARML_CONF_END__"


def machine_script(driver: CloudDriver, worker_prefix: str, queue: str, task: str, *, cpu_only: bool) -> str:
    """A bash script for a fresh Debian or Ubuntu, run as root.

    The agent comes from the server itself, so that it fits it, its dependencies from PyPI. Whatever happens, the
    machine is shut down at the end: one that does nothing costs money.
    """
    index = f"{driver.api_server}/simple/"
    trusted = f" --trusted-host {quote(_host(driver.api_server))}" if driver.api_server.startswith("http://") else ""
    return "\n".join(
        [
            "#!/bin/bash",
            "set -x",
            "export HOME=${HOME:-/root}",
            "trap 'shutdown -h now' EXIT",
            "apt-get update",
            "apt-get install -y build-essential curl gcc git python3-dev python3-pip python3-venv",
            "python3 -m venv ~/clearml_agent_venv || exit 1",
            "source ~/clearml_agent_venv/bin/activate",
            f"python -m pip install --extra-index-url {quote(index)}{trusted} 'clearml-lean[agent]' || exit 1",
            *worker_lines(driver, worker_prefix, f"$({driver.instance_id_command()})"),
            *(["export NVIDIA_VISIBLE_DEVICES=none"] if cpu_only else []),
            *([driver.extra_vm_bash_script] if driver.extra_vm_bash_script else []),
            *([driver.driver_bash_extra(task)] if task else []),
            " ".join(["clearml-agent", *agent_arguments(driver, queue)]),
            "",
        ]
    )


def worker_lines(driver: CloudDriver, worker_prefix: str, machine: str) -> list[str]:
    """Configuration and environment of the agent. machine: the machine's id, as bash says it."""
    conf = driver.clearml_conf()
    lines = [f"cat << '{END}' >> ~/clearml.conf", conf, END] if conf.strip() else []
    lines += [
        f"export {name}={quote(str(value))}"
        for name, value in (
            ("CLEARML_API_HOST", driver.api_server),
            ("CLEARML_WEB_HOST", driver.web_server),
            ("CLEARML_FILES_HOST", driver.files_server),
            ("CLEARML_API_ACCESS_KEY", driver.access_key),
            ("CLEARML_API_SECRET_KEY", driver.secret_key),
            ("CLEARML_AUTH_TOKEN", driver.auth_token),
        )
        if value
    ]
    return [
        *lines,
        f"export DYNAMIC_INSTANCE_ID={machine}",
        f"export CLEARML_WORKER_ID={quote(worker_prefix)}:$DYNAMIC_INSTANCE_ID",
    ]


def agent_arguments(driver: CloudDriver, queue: str) -> list[str]:
    """How the agent is started, quoted."""
    docker = ["--docker", quote(driver.docker_image)] if driver.docker_image else []
    return ["daemon", "--foreground", "--queue", quote(queue), *docker]


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
