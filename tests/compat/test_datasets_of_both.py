"""What the official SDK makes of our datasets, and ours of official ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer

from .helpers import Api, shown
from .official import WITHOUT_FORK
from .session import OfficialSession

PROJECT = "data of both"


@pytest.fixture(scope="module")
def ours(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfficialSession]:
    """A process like the official one, in which `clearml` is ours."""
    home = tmp_path_factory.mktemp("ours")
    cache = {"CLEARML_CACHE_DIR": str(home / "cache"), "CLEARML_JOURNAL_DIR": str(home / "journal")}
    base = {"CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR": str(home / "cache")}
    env = server.environment(HOME=str(home), **cache, **base) | WITHOUT_FORK
    session = OfficialSession(Path(sys.executable), env, home)
    yield session
    session.close()


def create(name: str, parent: str | None, files: dict[str, str], removed: list[str]) -> str:
    import os

    from clearml import Dataset

    folder = f"files of {name} {parent}"
    for path, text in files.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as out:
            out.write(text)
    made = Dataset.create(
        dataset_name=name, dataset_project="data of both", parent_datasets=[parent] if parent else None
    )
    made.add_files(folder)
    for path in removed:
        made.remove_files(path)
    made.add_external_files("file://" + os.path.abspath(os.path.join(folder, list(files)[-1])), dataset_path="link")
    made.upload(show_progress=False)
    made.finalize()
    return str(made.id)


def read(id: str) -> dict[str, Any]:
    import os

    from clearml import Dataset

    found = Dataset.get(dataset_id=id)
    folder, files = found.get_local_copy(), {}
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            with open(full) as file:
                files[os.path.relpath(full, folder)] = file.read()
    return {
        "files": files,
        "listed": sorted(found.list_files()),
        "hashes": {path: entry.hash for path, entry in found.file_entries_dict.items()},
        "version": found.version,
        "name": found.name,
        "project": found.project,
        "graph": found.get_dependency_graph(),
        "chunks": found.get_num_chunks(),
        "added": found.list_added_files(),
        "modified": found.list_modified_files(),
        "removed": found.list_removed_files(),
        "wrong": found.verify_dataset_hash(),
    }


FIRST = {"one.txt": "one", "two.txt": "two" * 50, "inner/three.txt": "three"}
CHANGED = {"two.txt": "zwei", "four.txt": "four"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first_is_ours", [True, False])
def test_a_chain_of_versions_made_by_both_is_read_by_both(
    official: OfficialSession, ours: OfficialSession, call: Api, first_is_ours: bool
) -> None:
    maker, other = (ours, official) if first_is_ours else (official, ours)
    name = "ours first" if first_is_ours else "official first"
    first = maker.run(create, name, None, FIRST, [])
    child = other.run(create, name, first, CHANGED, ["one.txt"])
    last = maker.run(create, name, child, {"five.txt": "five"}, [])
    for made in (first, child, last):
        seen = ours.run(read, made)
        assert official.run(read, made) == seen
        assert seen["wrong"] == [] and seen["project"] == PROJECT and seen["name"] == name
    assert seen["version"] == "1.0.2" and seen["chunks"] == 3
    assert set(seen["files"]) == {
        "two.txt", "four.txt", "inner/three.txt", "five.txt", "link/three.txt", "link/four.txt", "link/five.txt",
    }  # fmt: skip
    assert seen["files"]["two.txt"] == "zwei"

    def listed(project: str) -> list[Any]:
        from clearml import Dataset

        return [[d["id"], d["name"], d["project"], d["version"], d["tags"]] for d in Dataset.list_datasets(project)]

    assert official.run(listed, PROJECT) == ours.run(listed, PROJECT)
    mine, theirs = shown(call, first), shown(call, child)
    assert set(mine["configuration"]) == set(theirs["configuration"]) == {"Dataset Struct", "Dataset Content"}
    facts = {key for key in theirs["runtime"] if key.startswith(("ds_", "orig_", "version"))}
    assert facts <= set(mine["runtime"])


def test_what_one_began_the_other_finishes(official: OfficialSession, ours: OfficialSession) -> None:
    def begin(text: str) -> str:
        import os

        from clearml import Dataset

        with open("begun.txt", "w") as out:
            out.write(text)
        made = Dataset.create(dataset_name="begun", dataset_project="data of both")
        made.add_files(os.path.abspath("begun.txt"))
        return str(made.id)

    def finish(id: str) -> list[str]:
        from clearml import Dataset

        found = Dataset.get(dataset_id=id)
        assert found.is_dirty()
        found.upload(show_progress=False)
        found.finalize()
        return list(found.list_files())

    assert official.run(finish, ours.run(begin, "by ours")) == ["begun.txt"]
    made = official.run(begin, "by official")
    assert ours.run(finish, made) == ["begun.txt"]
    assert official.run(read, made)["files"] == {"begun.txt": "by official"}
