"""What is said of a pull."""

from __future__ import annotations

from typing import Any

from clearml_agent.docker.pulling import Progress


def downloading(layer: str, current: int, total: int) -> dict[str, Any]:
    detail = {"current": current, "total": total}
    return {"status": "Downloading", "id": layer, "progressDetail": detail, "progress": "[=>  ]"}


def test_each_step_is_said_once_and_sizes_now_and_then() -> None:
    progress = Progress()
    messages = [
        (0, {"status": "Pulling from library/python", "id": "3.12"}, "3.12 Pulling from library/python"),
        (0, {"status": "Pulling fs layer", "progressDetail": {}, "id": "aa"}, "aa Pulling fs layer"),
        (1, downloading("aa", 1_000_000, 40_000_000), ""),
        (5, downloading("bb", 2_000_000, 60_000_000), ""),
        (11, downloading("aa", 30_000_000, 40_000_000), "32 of 100 MB downloaded, of the layers that have begun"),
        (12, {"status": "Download complete", "progressDetail": {}, "id": "aa"}, "aa Download complete"),
        (13, {"status": "Download complete", "progressDetail": {}, "id": "aa"}, ""),
        (21, downloading("bb", 50_000_000, 60_000_000), "90 of 100 MB downloaded, of the layers that have begun"),
        (22, {"status": "Extracting", "id": "aa", "progress": "[>]", "progressDetail": {"current": 1, "total": 2}}, ""),
        (23, {"status": "Digest: sha256:1"}, "Digest: sha256:1"),
    ]
    for now, message, expected in messages:
        assert progress.told(message, 100.0 + now) == expected
