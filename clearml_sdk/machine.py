"""Facts about the machine and the interpreter of a run, for the task's `runtime`."""

from __future__ import annotations

import os
import platform
import socket
import sys

from clearml_sdk._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROGRESS = "progress"


def runtime_facts() -> dict[str, Any]:
    """Keys and meanings as official clients record them (contract/traces/a_init.jsonl)."""
    return {
        "CLEARML VERSION": f"clearml-lean-{__version__}",
        "CLI": command_line(),
        "OS": operating_system(),
        "cpu_cores": os.cpu_count() or 0,
        "hostname": socket.gethostname(),
        "memory_gb": memory_gib(),
        "platform": sys.platform,
        "processor": platform.machine(),
        "python_exec": sys.executable,
        "python_version": platform.python_version(),
        **gpu_facts(),
    }


def operating_system() -> str:
    """As `platform.platform()` says it. That starts a program for a fact which it leaves out then, and who forks
    meanwhile inherits its locks and pipes."""
    if not sys.platform.startswith("linux"):
        return platform.platform(aliased=True)
    system = os.uname()
    return f"{system.sysname}-{system.release}-{system.machine}-with-{''.join(platform.libc_ver())}"


def gpu_facts() -> dict[str, Any]:
    """How many GPUs there are, and of the first that NVML knows: type, memory, versions of the driver and of CUDA."""
    try:
        import pynvml
    except ImportError:
        return {"gpu_count": 0}
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        if not count:
            return {"gpu_count": 0}
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        cuda = pynvml.nvmlSystemGetCudaDriverVersion()
        return {
            "gpu_count": count,
            "gpu_type": _text(pynvml.nvmlDeviceGetName(handle)),
            "gpu_memory": f"{round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30)}GB",
            "gpu_driver_version": _text(pynvml.nvmlSystemGetDriverVersion()),
            "gpu_driver_cuda_version": f"{cuda // 1000}.{cuda % 1000 // 10}",
        }
    except pynvml.NVMLError:
        return {"gpu_count": 0}


def _text(value: str | bytes) -> str:
    """Older versions of NVML's package answer bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def command_line() -> str:
    """The command line of this process, as its user typed it."""
    return " ".join([os.path.basename(sys.argv[0]) if sys.argv else "", *sys.argv[1:]]).strip()


def memory_gib() -> float:
    """The machine's memory in GiB; 0 where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return 0.0
