"""`clearml-agent build`: a task's environment and code as a folder, or as a container image."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from clearml_agent.api import Api
from clearml_agent.building.prebuilt import Built
from clearml_agent.commands.options import docker_options, run_options, settings
from clearml_agent.config import AgentConfig
from clearml_agent.errors import UsageError

ENTRY_POINTS = ["reuse_task", "clone_task"]


@click.command()
@click.option("--id", "task", required=True, help="Id or name of the task.")
@click.option("--target", help="The folder, or the name of the image.")
@click.option("--force-docker", is_flag=True, help="Take the image of --docker, whatever the task names.")
@click.option(
    "--entry-point", type=click.Choice(ENTRY_POINTS), help="What a container of the image does: run the task."
)
@click.option("--install-globally", is_flag=True, help="Install into the interpreter itself, not a new environment.")
@click.option("--python-version", help="Of the environment, in the place of the task's.")
@docker_options
@run_options
@click.pass_context
def build(
    context: click.Context,
    /,
    task: str,
    target: str | None,
    force_docker: bool,
    entry_point: str | None,
    install_globally: bool,
    python_version: str | None,
    **options: Any,
) -> int:
    """Make what a task runs in, and do not run it: a folder, or with --docker an image."""
    from clearml_agent.serve import run_build

    config = settings(context, **options)
    if config.docker is None and (entry_point or force_docker):
        raise UsageError("--entry-point and --force-docker are about images: add --docker")
    if config.docker is not None:
        image = image_work(config, target, entry_point, is_forced=force_docker, python=python_version or "")
        click.echo(run_build(config, task, image))
        return 0
    place = Path(target).expanduser().absolute() if target else None
    work = folder_work(config, place, python_version=python_version, is_global=install_globally)
    folder, built = run_build(config, task, work)
    click.echo(f"environment: {built.python}\ncode: {built.root}\nentry point: {' '.join(built.argv)}")
    click.echo(f"run it: {folder / 'run'}")
    return 0


def image_work(
    config: AgentConfig, target: str | None, entry_point: str | None, *, is_forced: bool, python: str
) -> Callable[[dict[str, Any], Api], Awaitable[str]]:
    """What makes the image of a task, and answers its name."""

    async def work(task: dict[str, Any], api: Api) -> str:
        from clearml_agent.building.image import Wanted, build_image
        from clearml_agent.building.layers import Layers
        from clearml_agent.building.progress import Progress
        from clearml_agent.docker import engine
        from clearml_agent.docker.choosing import choose
        from clearml_agent.docker.script import setup
        from clearml_agent.docker.settings import DockerSettings

        if is_forced:
            task = {**task, "container": {**(task.get("container") or {}), "image": "", "arguments": ""}}
        docker = DockerSettings.from_config(config.config, tuple(config.docker or ()), config.environ)
        choice = choose(task, await project_of(task, api), docker.defaults)
        packages = str(((task.get("script") or {}).get("requirements") or {}).get("pip") or "")
        lines = setup(docker.scripts, choice.setup, packages)[
            1:
        ]  # but the one that keeps downloads for the next container
        wanted = Wanted(target or f"task_id_{task['id']}", choice.image, "\n".join(lines), entry_point, python)
        progress = Progress()
        async with engine.opened(config.environ) as opened:
            with progress.step(f"base image {wanted.base}"):
                base = await opened.image(wanted.base, force_pull=docker.force_pull, say=progress.say)
            layers = Layers(opened, progress.say)
            id = await build_image(
                task, wanted, config=config, api=api, layers=layers, base=base.digest, progress=progress
            )
        progress.say(f"{wanted.name} is {id}")
        return wanted.name

    return work


async def project_of(task: dict[str, Any], api: Api) -> str:
    """The full name of the task's project, "" for none."""
    if not task.get("project"):
        return ""
    body = {"id": [task["project"]], "only_fields": ["name"]}
    found = (await api.call("projects.get_all", body)).get("projects") or []
    return str(found[0]["name"]) if found else ""


def folder_work(
    config: AgentConfig, place: Path | None, *, python_version: str | None, is_global: bool
) -> Callable[[dict[str, Any], Api], Awaitable[tuple[Path, Built]]]:
    """What makes the folder of a task; at `builds/TASK` of the agent's home where no place is given."""

    async def work(task: dict[str, Any], api: Api) -> tuple[Path, Built]:
        from clearml_agent.building.folder import build_folder, into_interpreter
        from clearml_agent.building.progress import Progress

        if python_version:
            task = {**task, "script": {**(task.get("script") or {}), "binary": f"python{python_version}"}}
        target = place or config.home / "builds" / str(task["id"])
        progress = Progress()
        with progress.step(f"building task {task['id']} at {target}"):
            chosen = await into_interpreter(task, config, progress.say) if is_global else config
            return target, await build_folder(task, target, config=chosen, api=api, say=progress.say)

    return work
