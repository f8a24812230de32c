"""`--gpus` in every form, and the variables by which a task sees its GPUs. Pure.

`0`, `0,1`, `0-3`, `all`, `none`, UUIDs or their beginnings, MIG instances as `MIG-...`, `0:1` or `0.1`.
Source: contract/agent_behaviour.md 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING

from clearml_agent.gpus.packing import WHOLE, Allocation

if TYPE_CHECKING:
    from clearml_agent.gpus.devices import Gpu

RANGE = re.compile(r"(\d+)-(\d+)$")
MIG_INDEX = re.compile(r"(\d+)[.:](\d+)$")
CUDA, NVIDIA = "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"
JAX_MARGIN = 0.9
"""Of a budget, what JAX may take at its start: the rest is for its CUDA context."""


def names(visible: str | None) -> list[str] | None:
    """The devices named, ranges written out, each once; None: all there are. `none` names no device."""
    if visible in (None, "", "all"):
        return None
    found: dict[str, None] = {}
    for word in str(visible).split(","):
        word = word.strip()
        if between := RANGE.match(word):
            first, last = int(between[1]), int(between[2])
            found |= dict.fromkeys(map(str, range(first, last + 1)))
        elif instance := MIG_INDEX.match(word):
            found[f"{instance[1]}:{instance[2]}"] = None
        elif word and word != "none":
            found[word] = None
    return list(found)


def chosen(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Those that `visible` names, by index or by the beginning of a UUID; every board when it names none of them."""
    wanted = names(visible)
    found = [
        gpu
        for gpu in gpus
        if any(name == gpu.name or (not name.isdigit() and gpu.uuid.startswith(name)) for name in wanted or ())
    ]
    return found or [gpu for gpu in gpus if gpu.instance < 0]


def show(environment: MutableMapping[str, str], gpus: str | None, allocation: Allocation | None = None) -> None:
    """Set what a task's process sees in its environment.

    Args:
        gpus: as given; "none" for `--cpu-only`; None: whatever the agent sees.
        allocation: what this task holds, which then is all it sees.
    """
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if allocation is not None:
        environment[CUDA] = environment[NVIDIA] = ",".join(allocation.uuids)
        for name, value in budget(allocation).items():
            environment.setdefault(name, value)
    elif gpus is None:
        if environment.get(CUDA):
            environment.setdefault(NVIDIA, environment[CUDA])
    elif gpus == "all":
        environment.pop(CUDA, None)
        environment[NVIDIA] = "all"
    else:
        environment[CUDA] = environment[NVIDIA] = ",".join(names(gpus) or ["none"])


def budget(allocation: Allocation) -> dict[str, str]:
    """What a task with a share of a GPU is told of it; CUDA's own variables count where NVIDIA's MPS runs."""
    part = allocation.parts[0]
    if part.is_whole:
        return {}
    share = part.share / WHOLE
    found = {
        "CLEARML_GPU_SHARE": part.share_text,
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": f"{100 * share:g}",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{JAX_MARGIN * share:.3f}",
    }
    if part.memory_mib:
        found |= {
            "CLEARML_GPU_MEMORY_MIB": str(part.memory_mib),
            "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={part.memory_mib}M",
        }
    return found


def in_kubernetes(environ: Mapping[str, str]) -> bool:
    """Whether this is a pod: what it sees is what it was given, and options do not change that."""
    return "KUBERNETES_SERVICE_HOST" in environ and "KUBERNETES_PORT" in environ
