"""Removing directories."""

from __future__ import annotations

import threading
from pathlib import Path

from clearml_agent.files import remove_tree


def test_many_remove_one_directory_at_once(tmp_path: Path) -> None:
    for number in range(5):
        doomed = tmp_path / f"doomed{number}"
        for folder in range(20):
            (doomed / f"a{folder}" / "b").mkdir(parents=True)
            for name in range(10):
                (doomed / f"a{folder}" / "b" / str(name)).touch()
            (doomed / f"a{folder}").chmod(0o500)
        failures: list[BaseException] = []

        def remove(doomed: Path = doomed, failures: list[BaseException] = failures) -> None:
            try:
                remove_tree(doomed)
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=remove) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        remove_tree(doomed)
        assert not doomed.exists()
