"""The command line of `clearml-data`. Each command names the function of `commands` that runs it."""

from __future__ import annotations

import argparse

from clearml_sdk._version import __version__
from clearml_sdk.command_line import Parser

CHUNK_MB = 512


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = Parser(
        prog="clearml-data",
        description="Datasets: versions of files. Commands without --id mean the dataset of the last create or sync.",
        examples=(
            "clearml-data create --project zoo --name animals",
            "clearml-data add --files pictures",
            "clearml-data close",
            "clearml-data sync --project zoo --name animals --folder pictures",
            "clearml-data get --id ID --copy mine",
        ),
    )
    made.add_argument("--version", action="version", version=f"clearml-data {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND")
    for build in (_making, _changing, _finishing, _managing, _reading):
        build(commands)
    return made


def _command(commands: argparse._SubParsersAction[Parser], name: str, run: str, text: str) -> Parser:
    made = commands.add_parser(name, help=text, description=text)
    made.set_defaults(run=run)
    made.add_argument("--json", action="store_true", help="print the outcome as one JSON object")
    return made


def _identity(made: argparse.ArgumentParser, *, is_new: bool) -> None:
    add = made.add_argument
    add("--parents", nargs="*", metavar="ID", help="versions that it stands on")
    add("--project", help="project (default: that of the last parent)")
    add("--name", required=is_new, help="name of the dataset")
    add("--version", help="number of the version (default: the next one)")
    add("--output-uri", metavar="URI", help="where its files are stored (default: the files server)")
    add("--storage", metavar="URI", help="the same as --output-uri")
    add("--tags", nargs="*", metavar="TAG", help="tags of the version")


def _chunk(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--chunk-size", type=int, default=CHUNK_MB, metavar="MB", help="size of an archive (default: 512); -1: one"
    )


def _id(made: argparse.ArgumentParser, *, required: bool = False) -> None:
    made.add_argument("--id", required=required, help="the version" + ("" if required else " (default: the last one)"))


def _verbose(made: argparse.ArgumentParser) -> None:
    made.add_argument("--verbose", action="store_true", help="tell about each file")


def _workers(made: argparse.ArgumentParser) -> None:
    made.add_argument("--max-workers", type=int, metavar="N", help="threads (default: one a processor)")


def _making(commands: argparse._SubParsersAction[Parser]) -> None:
    made = _command(commands, "create", "create", "make a new version of a dataset")
    _identity(made, is_new=True)
    made = _command(commands, "sync", "sync", "have a version hold just what a folder holds, and finish it")
    _id(made)
    made.add_argument("--dataset-folder", metavar="PATH", help="the folder in the dataset (default: all of it)")
    made.add_argument("--folder", required=True, help="the folder on this machine")
    _identity(made, is_new=False)
    made.add_argument("--skip-close", action="store_true", help="do not upload and finish it")
    _chunk(made)
    _verbose(made)
    made = _command(commands, "squash", "squash", "merge versions into a new dataset that stands on none of them")
    made.add_argument("--name", required=True, help="name of the new dataset")
    made.add_argument(
        "--ids", nargs="*", required=True, metavar="ID", help="the versions, later ones over earlier ones"
    )
    made.add_argument("--storage", metavar="URI", help="where its files are stored")
    _verbose(made)


def _changing(commands: argparse._SubParsersAction[Parser]) -> None:
    made = _command(commands, "add", "add", "add files or links")
    _id(made)
    add = made.add_argument
    add("--dataset-folder", metavar="PATH", help="the folder in the dataset (default: its root)")
    add("--files", nargs="*", metavar="PATH", help="files and folders of this machine")
    add("--wildcard", nargs="*", metavar="PATTERN", help="which files of a folder, by their names")
    add("--links", nargs="*", metavar="URL", help="files that stay where they are: s3://, gs://, azure://, http://")
    add("--non-recursive", action="store_true", help="not what is in folders below")
    _verbose(made)
    _workers(made)
    made = _command(commands, "remove", "remove", "remove files or links")
    _id(made)
    made.add_argument("--files", nargs="*", metavar="PATTERN", help="paths in the dataset, folders, wildcards, URLs")
    made.add_argument("--non-recursive", action="store_true", help="a wildcard does not stand for a slash")
    _verbose(made)
    made = _command(commands, "set-description", "set_description", "say what a dataset is")
    made.add_argument("--description", required=True, metavar="TEXT", help="the description")
    _id(made)


def _finishing(commands: argparse._SubParsersAction[Parser]) -> None:
    made = _command(commands, "upload", "upload", "store what is not stored yet; goes on where it was interrupted")
    _id(made)
    made.add_argument("--storage", metavar="URI", help="where to (default: as it was created)")
    _chunk(made)
    _verbose(made)
    _workers(made)
    made = _command(commands, "close", "close", "upload and finish a version")
    _id(made)
    made.add_argument("--storage", metavar="URI", help="where to (default: as it was created)")
    made.add_argument("--disable-upload", action="store_true", help="fail when something is not uploaded")
    _chunk(made)
    _verbose(made)
    _workers(made)
    made = _command(commands, "publish", "publish", "publish a finished version")
    _id(made, required=True)


def _managing(commands: argparse._SubParsersAction[Parser]) -> None:
    made = _command(commands, "delete", "delete", "delete a version, or a whole dataset, with its files")
    add = made.add_argument
    add("--id", help="the version")
    add("--project", help="project of the dataset")
    add("--name", help="name of the dataset")
    add("--version", help="number of the version (default: the highest)")
    add("--force", action="store_true", help="also what is published, what others stand on, and several at once")
    add("--entire-dataset", action="store_true", help="all versions")
    made = _command(commands, "rename", "rename", "give a dataset another name")
    made.add_argument("--new-name", required=True, help="its name from now on")
    made.add_argument("--project", required=True, help="its project")
    made.add_argument("--name", required=True, help="its name now")
    made = _command(commands, "move", "move", "bring a dataset into another project")
    made.add_argument("--new-project", required=True, help="its project from now on")
    made.add_argument("--project", required=True, help="its project now")
    made.add_argument("--name", required=True, help="its name")


def _reading(commands: argparse._SubParsersAction[Parser]) -> None:
    made = _command(commands, "compare", "compare", "tell what one version changed of another")
    made.add_argument("--source", required=True, metavar="ID", help="the version before")
    made.add_argument("--target", required=True, metavar="ID", help="the version after")
    _verbose(made)
    made = _command(commands, "search", "search", "list datasets, oldest first")
    add = made.add_argument
    add("--ids", nargs="*", metavar="ID", help="only these versions")
    add("--project", help="only of this project")
    add("--name", help="only with this in their names")
    add("--tags", nargs="*", metavar="TAG", help="only with these tags")
    add("--not-only-completed", action="store_true", help="unfinished ones too")
    add("--non-recursive-project-search", action="store_true", help="not of the projects below it")
    made = _command(commands, "list", "list_files", "list the files of a version")
    add = made.add_argument
    _id(made)
    add("--project", help="project of the dataset, in place of --id")
    add("--name", help="name of the dataset")
    add("--version", help="number of the version (default: the highest)")
    add("--filter", nargs="*", metavar="PATTERN", help="only these: paths, folders, wildcards")
    add("--modified", action="store_true", help="only what it brought, not what it stands on")
    made = _command(commands, "get", "get", "have a local copy, by default one in the cache that is only to be read")
    _id(made)
    add = made.add_argument
    add("--copy", metavar="FOLDER", help="copy the files into this folder, to be changed there")
    add("--link", metavar="PATH", help="make a link to the copy in the cache")
    add("--part", type=int, metavar="N", help="only this part, counted from 0")
    add("--num-parts", type=int, metavar="N", help="of so many parts (default: as many as archives)")
    add("--overwrite", action="store_true", help="replace what is in the folder")
    _verbose(made)
    _workers(made)
    made = _command(commands, "verify", "verify", "compare the files of a folder with those of a version")
    _id(made)
    made.add_argument("--folder", help="the folder (default: the copy in the cache)")
    made.add_argument("--filesize", action="store_true", help="compare sizes only")
    _verbose(made)
