"""Datasets made by the SDK of this process, against the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import Dataset, reporters
from clearml_sdk import session as sessions
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace
from tests.integration.sdk.reporting.conftest import session_of

Make = Callable[..., Dataset]


@pytest.fixture
def session(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CLEARML_JOURNAL_DIR", str(tmp_path / "journals"))
    monkeypatch.setenv("CLEARML_RAISE_ERRORS", "1")
    monkeypatch.setenv("CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR", str(tmp_path / "cache"))
    made = session_of(server)
    sessions.set_default(made)
    yield made
    reporters.close_all()
    sessions.set_default(None)
    made.close()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    return f"sdk/datasets/{request.node.name}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to make a dataset of."""
    return write(tmp_path / "data", {"one.txt": "one", "two.txt": "two", "inner/three.txt": "three"})


@pytest.fixture
def make(session: Session, project: str) -> Make:
    """`make(folder, parents=..., finish=...)`: a version of the dataset `numbers`, stored."""

    def create(folder: Path | None, *parents: Any, finish: bool = True, name: str = "numbers", **more: Any) -> Dataset:
        made = Dataset.create(name, project, parent_datasets=list(parents), **more)
        if folder is not None:
            made.sync_folder(folder)
        if finish:
            made.finalize(auto_upload=True)
        return made

    return create


@pytest.fixture
def workplace(server: RunningServer, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, server)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def content(folder: str | Path | None) -> dict[str, str]:
    """The files of a folder by relative path."""
    assert folder is not None
    base = Path(folder)
    return {str(path.relative_to(base)): path.read_text() for path in sorted(base.rglob("*")) if path.is_file()}
