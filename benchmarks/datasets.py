"""A dataset of many small files: made, stored, verified, copied, and its next version of the same folder.

Both SDKs at 2,000 files in alternation, on one server; ours alone at 100,000, against the goals. The raw limits are
what Python and zlib do with the same files in one thread: read and hash, and pack.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from benchmarks.goals import Goals
from benchmarks.measure import Figure, report
from tests.compat.official import official_environment, sdk_environment
from tests.conftest import running_server

FEW, MANY = 2_000, 100_000
MAKE_GOAL_S, VERIFY_GOAL_S = 60.0, 10.0
SCRIPT = """
import json, os, sys, time
from clearml import Dataset

times, began, used = {}, time.perf_counter(), time.process_time()

def done(name):
    global began, used
    times[name] = (time.perf_counter() - began, time.process_time() - used)
    began, used = time.perf_counter(), time.process_time()

folder = sys.argv[1]
made = Dataset.create(dataset_name="many", dataset_project="benchmarks " + sys.argv[2])
made.add_files(folder)
done("add")
made.upload(show_progress=False, preview=False)
made.finalize()
done("upload")
assert made.verify_dataset_hash(folder) == []
done("verify")
copied = made.get_local_copy()
done("copy")
assert sum(len(names) for _, _, names in os.walk(copied)) == int(sys.argv[3])
began, used = time.perf_counter(), time.process_time()
child = Dataset.create(dataset_name="many", dataset_project="benchmarks " + sys.argv[2], parent_datasets=[made.id])
child.sync_folder(folder)
done("sync")
print("TIMES " + json.dumps(times), flush=True)
os._exit(0)
"""
STEPS = {
    "add": "create and add",
    "upload": "upload and finalize",
    "verify": "verify",
    "copy": "local copy",
    "sync": "next version, nothing changed",
}


def write_files(folder: Path, count: int) -> Path:
    """So many files of some hundred bytes, in folders of 500."""
    for number in range(count):
        place = folder / f"{number // 500:04d}"
        if number % 500 == 0:
            place.mkdir(parents=True)
        (place / f"{number:06d}.txt").write_bytes(f"file {number} ".encode() * 20 + os.urandom(100))
    return folder


def once(python: Path | str, env: dict[str, str], files: Path, name: str, count: int) -> dict[str, tuple[float, float]]:
    """(seconds, CPU seconds) of each step, in a process and with caches of its own."""
    with tempfile.TemporaryDirectory() as home:
        script = Path(home) / "make.py"
        script.write_text(SCRIPT)
        cache = {
            "CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR": f"{home}/cache",
            "CLEARML_CACHE_DIR": f"{home}/cache",
        }
        command = [str(python), str(script), str(files), name, str(count)]
        ended = subprocess.run(
            command, cwd=home, env={**env, **cache}, capture_output=True, text=True, timeout=1800, check=False
        )
        for line in ended.stdout.splitlines():
            if line.startswith("TIMES "):
                return {step: (times[0], times[1]) for step, times in json.loads(line[6:]).items()}
        raise RuntimeError(f"{python} ended without its times: {ended.stderr[-2000:]}")


def raw(files: Path) -> tuple[float, float]:
    """(seconds to read and hash all files, seconds to pack them too), in one thread."""
    began = time.perf_counter()
    paths = [path for path in files.rglob("*") if path.is_file()]
    for path in paths:
        hashlib.sha256(path.read_bytes()).hexdigest()
    hashed = time.perf_counter() - began
    with zipfile.ZipFile(io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.writestr(str(path), path.read_bytes())
    return hashed, time.perf_counter() - began


def run(title: str, *, rounds: int, many: int = MANY) -> None:
    official_python = sdk_environment() / "python"
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = write_files(folder / "few", FEW)
        ours_env = server.environment(CLEARML_JOURNAL_DIR=str(folder / "journal"))
        official_env = official_environment(server, folder, official_python.parent)
        ours, official = [], []
        for number in range(rounds + 1):
            mine = once(sys.executable, ours_env, few, f"ours {number}", FEW)
            theirs = once(official_python, official_env, few, f"official {number}", FEW)
            if number:
                ours.append(mine)
                official.append(theirs)
        figures = [
            Figure(text, [r[step][0] for r in ours], [r[step][0] for r in official]) for step, text in STEPS.items()
        ]
        hashed, packed = raw(few)
        report(f"{title}: {FEW:,} files", figures, {"read and hash": [hashed], "and pack": [packed]})
        shutil.rmtree(few)
        large = write_files(folder / "large", many)
        hashed, packed = raw(large)
        times = once(sys.executable, ours_env, large, "large", many)
    goals = Goals(f"{title}: {many:,} files, ours")
    made = times["add"][0] + times["upload"][0]
    goals.at_most("create, add, upload, finalize", [made], "s", MAKE_GOAL_S, f"{packed:.1f} s")
    goals.at_most("verify", [times["verify"][0]], "s", VERIFY_GOAL_S, f"{hashed:.1f} s")
    goals.note("local copy", [times["copy"][0]], "s")
    goals.note("next version, nothing changed", [times["sync"][0]], "s")
    for step, text in STEPS.items():
        goals.note(f"CPU of: {text}", [times[step][1]], "s")
    goals.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datasets", description=__doc__)
    parser.add_argument("--files", type=int, default=MANY)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    run("datasets", rounds=arguments.rounds, many=arguments.files)
