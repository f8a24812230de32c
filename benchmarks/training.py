"""What a training script does with an SDK, timed from inside: run by either SDK's own interpreter, outside of a
repository. `python training.py PART JSON` prints one JSON object as its last line.

Nothing of this project is imported: the official SDK's environment has it not.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from typing import Any

SETTLE_S = 1.5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    part, options = sys.argv[1], json.loads(sys.argv[2])
    said = PARTS[part](**options)
    print("\nRESULT " + json.dumps(said), flush=True)
    if options.get("stays"):
        input()  # whoever measures ends this process: closing is measured elsewhere


def begin(name: str) -> Any:
    """A task without what the framework bindings and the resource monitor would add to the figures."""
    from clearml import Task

    return Task.init(
        "benchmarks", name, reuse_last_task_id=False, auto_connect_frameworks=False, auto_resource_monitoring=False
    )


def start(*, stays: bool) -> dict[str, Any]:
    """`from clearml import Task` and `Task.init`: seconds of each, MB resident after each."""
    began = time.perf_counter()
    from clearml import Task

    imported, after_import = time.perf_counter(), resident_mb()
    Task.init("benchmarks", "init", reuse_last_task_id=False, auto_connect_frameworks=False)
    return {
        "import": imported - began,
        "init": time.perf_counter() - imported,
        "after_import": after_import,
        "after_init": resident_mb(),
    }


def reports(*, count: int, rate: int) -> dict[str, Any]:
    """`report_scalar` `count` times, `rate` a second: seconds of a call, and of the closing of all of it.

    bare: what a call cannot do without, as often and as cold. Begun when what records the code is over.
    """
    task = begin("reports")
    logger = task.get_logger()
    for step in range(100):
        logger.report_scalar("warm", "up", 0.5, step)
    time.sleep(SETTLE_S)
    lock, room, pack = threading.Lock(), bytearray(64), struct.Struct("<Iqd").pack
    took, bare = [], []
    began = time.perf_counter()
    for step in range(count):
        while time.perf_counter() < began + step / rate:
            time.sleep(0.0002)
        called = time.perf_counter()
        logger.report_scalar("loss", "train", 0.5, step)
        done = time.perf_counter()
        took.append(done - called)
        with lock:
            room[:20] = pack(1, step, 0.5)
        bare.append(time.perf_counter() - done)
    closed = time.perf_counter()
    task.close()
    took.sort()
    bare.sort()
    return {
        "mean": sum(took) / count,
        "bare": sum(bare) / count,
        "bare_p99": bare[int(count * 0.99)],
        "p99": took[int(count * 0.99)],
        "worst": took[-1],
        "close": time.perf_counter() - closed,
    }


def calls(*, count: int) -> dict[str, Any]:
    """`report_scalar` `count` times in a row: seconds of a call, and of the least that a call cannot do without."""
    task = begin("calls")
    logger = task.get_logger()
    logger.report_scalar("loss", "train", 0.5, 0)
    lock, room, pack = threading.Lock(), bytearray(64), struct.Struct("<Iqd").pack
    took, bare = [], 0.0
    for step in range(count):
        called = time.perf_counter()
        logger.report_scalar("loss", "train", 0.5, step)
        done = time.perf_counter()
        took.append(done - called)
        with lock:
            room[:20] = pack(1, step, 0.5)
        bare += time.perf_counter() - done
    task.close()
    took.sort()
    return {"mean": sum(took) / count, "p50": took[count // 2], "bare": bare / count}


def tight(*, count: int) -> dict[str, Any]:
    """`report_scalar` as fast as it goes, from the first call to the end of `close`; seconds, and of the loop alone."""
    task = begin("tight")
    logger = task.get_logger()
    before = resident_mb()
    began, processor = time.perf_counter(), time.thread_time()
    for step in range(count):
        logger.report_scalar("loss", f"s{step % 10}", 0.5, step)
    looped, worked = time.perf_counter(), time.thread_time()
    grown = resident_mb() - before
    logger.flush(wait=True) if hasattr(logger, "_reporter") else logger.flush()
    task.close()
    return {
        "seconds": time.perf_counter() - began,
        "loop": (looped - began) / count,
        "processor": (worked - processor) / count,
        "grown": max(grown, peak_mb() - before),
    }


def away(*, count: int) -> dict[str, Any]:
    """MB that the process grows by over `count` points while nobody listens where its server was."""
    task = begin("away")
    logger = task.get_logger()
    for step in range(1000):
        logger.report_scalar("warm", "up", 0.5, step)
    before = resident_mb()
    print("READY", flush=True)
    input()
    grown = 0.0
    for step in range(count):
        logger.report_scalar("loss", f"s{step % 10}", 0.5, step)
        if step % 10_000 == 0:
            grown = max(grown, resident_mb() - before)
    return {"grown": max(grown, resident_mb() - before)}


def lines(*, count: int) -> dict[str, Any]:
    """`print` of `count` lines: seconds a line, without and with the SDK."""
    bare, bare_processor = printed(count)
    begin("lines")
    captured, processor = printed(count)
    return {"bare": bare, "captured": captured - bare, "processor": processor - bare_processor}


def printed(count: int) -> tuple[float, float]:
    began, worked = time.perf_counter(), time.thread_time()
    for number in range(count):
        print(f"epoch 3 step {number} loss 0.4711 and some more text as a log has it")
    return (time.perf_counter() - began) / count, (time.thread_time() - worked) / count


def nothing() -> dict[str, Any]:
    """`Task.init` and `close`, as little as a script can do."""
    begin("nothing").close()
    return {}


def artifact(*, megabytes: int, waits: bool = True) -> dict[str, Any]:
    """An array of so many MB as artifact: seconds, and the MB of memory that it took on top of the array.

    Begun when what records the code is over. waits: in the call, else behind it; returned: seconds until the call did.
    """
    import numpy as np

    task = begin("artifact")
    time.sleep(SETTLE_S)
    array = np.random.default_rng(1).random(megabytes * 1_000_000 // 8)
    before = resident_mb()
    began = time.perf_counter()
    assert task.upload_artifact("array", array, wait_on_upload=waits)
    returned = time.perf_counter() - began
    if not waits:
        task.flush(wait_for_uploads=True)
    seconds = time.perf_counter() - began
    extra = peak_mb() - before
    task.close()
    total = float(array.sum())
    return {"seconds": seconds, "returned": returned, "extra": extra, "task": task.id, "sum": total}


def file(*, megabytes: int) -> dict[str, Any]:
    """A file of so many MB as artifact: seconds, and MB of memory."""
    path = os.path.abspath("large.bin")
    block = os.urandom(1_000_000)
    with open(path, "wb") as target:
        for _ in range(megabytes):
            target.write(block)
    task = begin("file")
    before = resident_mb()
    began = time.perf_counter()
    assert task.upload_artifact("file", path, wait_on_upload=True)
    seconds = time.perf_counter() - began
    extra = peak_mb() - before
    os.unlink(path)
    task.close()
    return {"seconds": seconds, "extra": extra}


def handful(*, count: int, size_bytes: int) -> dict[str, Any]:
    """`count` small artifacts: seconds until the last call returned, and until all are stored."""
    task = begin("handful")
    text = "x" * size_bytes
    began = time.perf_counter()
    for number in range(count):
        task.upload_artifact(f"small {number}", text)
    returned = time.perf_counter() - began
    task.flush(wait_for_uploads=True)
    seconds = time.perf_counter() - began
    task.close()
    return {"seconds": seconds, "returned": returned}


def read(*, task: str) -> dict[str, Any]:
    """The array of `artifact`, as this SDK reads it: seconds for a local copy, and from that to the array.

    The copy is made where none is: to replace one, the file system first writes the new one to the disk.
    """
    from clearml import Task

    artifact = Task.get_task(task_id=task).artifacts["array"]
    os.unlink(artifact.get_local_copy())
    began = time.perf_counter()
    assert artifact.get_local_copy(force_download=True)
    copied = time.perf_counter()
    found = artifact.get()
    decoded = time.perf_counter()
    return {
        "sum": float(found.sum()),
        "bytes": int(found.nbytes),
        "copied": copied - began,
        "decoded": decoded - copied,
    }


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE_BYTES / 1e6


def peak_mb() -> float:
    """Not by `getrusage`, which counts what the parent had before this program was started."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM:"))


PARTS = {
    "start": start,
    "reports": reports,
    "calls": calls,
    "tight": tight,
    "away": away,
    "lines": lines,
    "nothing": nothing,
    "artifact": artifact,
    "file": file,
    "handful": handful,
    "read": read,
}

if __name__ == "__main__":
    main()
