"""PyTorch for this machine's CUDA: which of its indexes has builds for the nearest version that is not newer.

Source: contract/agent_behaviour.md 5. Where no index answers, the plain requirement stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import shutil
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clearml_agent.environments.requirements import Plan, requirement_name
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.process import HelperTimeout, Log, run_process

NAMES = frozenset({"torch", "torchvision", "torchaudio", "torchtext", "torchcsprng"})
PROBES = 15
PROBE_S = 5.0
KEPT_S, FAILURE_KEPT_S = 24 * 3600.0, 600.0


async def fit(plan: Plan, settings: PackageSettings, *, cache: Path, environ: Mapping[str, str], log: Log) -> Plan:
    """`plan` with the index of this machine's CUDA, where it asks for PyTorch."""
    lines = [line for line in plan.shared if requirement_name(line) in NAMES]
    if not lines or settings.torch.resolve == "none":
        return plan
    shared = plan.shared
    if any(_older_than_1_11(line) for line in lines) and not any(requirement_name(x) == "setuptools" for x in shared):
        shared = (*shared, "setuptools<59")
    plan = msgspec.structs.replace(plan, shared=shared)
    if settings.indexes.no_index:
        return plan
    cuda = await cuda_number(settings.torch.cuda, environ)
    if not cuda:
        return plan
    templates = [settings.torch.index, *([settings.torch.nightly_index] if settings.torch.nightly else [])]
    found = [await nearest(template, cuda, cache, is_offline=settings.is_offline) for template in templates]
    urls = [index for index in found if index]
    if not urls:
        log(f"WARNING: no PyTorch index for CUDA {cuda} answers: {', '.join(lines)} come from the other indexes")
        return plan
    log(f"PyTorch for CUDA {cuda} comes from {', '.join(urls)}")
    arguments = plan.arguments
    if settings.torch.nightly and "--prerelease" not in arguments:
        arguments = (*arguments, "--prerelease", "allow")
    if settings.torch.resolve == "direct":
        local = number_of(urls[0], settings.torch.index)
        shared = tuple(exact_build(line, local) if line in lines else line for line in shared)
    options = (*plan.options, *(f"--extra-index-url {url}" for url in urls))
    return msgspec.structs.replace(plan, shared=shared, options=options, arguments=arguments)


def candidates(cuda: int) -> list[int]:
    """The numbers to try, nearest first: those of 12.x from 128 down, then those of the major version before. Pure."""
    return [number for number in range(cuda, max(cuda - PROBES, 0), -1) if number > 0]


def exact_build(line: str, cuda: str) -> str:
    """`torch==2.1.0` as the build for CUDA alone, never the one for the CPU. Pure."""
    return re.sub(r"^([\w.-]+\s*==\s*[\w.]+)(?=\s*(;|$))", rf"\1+cu{cuda}", line)


def number_of(url: str, template: str) -> str:
    """The CUDA number in an index address. Pure."""
    before, _, after = template.partition("{}")
    return url.removeprefix(before).removesuffix(after)


async def nearest(template: str, cuda: int, cache: Path, *, is_offline: bool = False) -> str:
    """The first index that exists, "" for none; asked for all at once, and remembered.

    is_offline: nothing is asked, what is remembered counts however old it is.
    """
    kept = cache / "torch" / f"{hashlib.sha256(f'{template} {cuda}'.encode()).hexdigest()[:24]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads(kept.read_text())
        if is_offline or time.time() - known["at"] < (KEPT_S if known["url"] else FAILURE_KEPT_S):
            return str(known["url"])
    if is_offline:
        return ""
    urls = [template.replace("{}", str(number)) for number in candidates(cuda)]
    answers = await asyncio.gather(*(asyncio.to_thread(exists, f"{url.rstrip('/')}/torch/") for url in urls))
    found = next((url for url, answer in zip(urls, answers, strict=True) if answer), "")
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = kept.with_suffix(".new")
    new.write_text(json.dumps({"url": found, "at": time.time()}))
    new.replace(kept)
    return found


def exists(url: str) -> bool:
    """Whether the page of an index answers. Blocking, a few seconds at most."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_S) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):  # no network, no such page, an address that is none
        return False


async def cuda_number(configured: str, environ: Mapping[str, str]) -> int:
    """Ten times the CUDA version (`118`), 0 for none: as configured, else of the driver, else of nvcc."""
    if configured:
        return parse_cuda(configured)
    if environ.get("NVIDIA_VISIBLE_DEVICES", environ.get("CUDA_VISIBLE_DEVICES", "")).lower() == "none":
        return 0
    return await asyncio.to_thread(_of_driver) or await _of_compiler(environ)


def parse_cuda(text: str) -> int:
    """`11.8`, `118`, `cu118`, `11.8.0` as 118. Pure."""
    match = re.fullmatch(r"(?:cu)?(\d+)(?:\.(\d+))?(?:\.\d+)*", text.strip())
    if match is None:
        return 0
    return int(match[1]) * 10 + int(match[2][:1]) if match[2] else int(match[1]) * (10 if len(match[1]) < 3 else 1)


def _of_driver() -> int:
    try:
        import pynvml
    except ImportError:
        return 0
    try:
        pynvml.nvmlInit()
    except (OSError, pynvml.NVMLError):
        return 0
    try:
        return int(pynvml.nvmlSystemGetCudaDriverVersion_v2()) // 100
    except pynvml.NVMLError:
        return 0
    finally:
        pynvml.nvmlShutdown()


async def _of_compiler(environ: Mapping[str, str]) -> int:
    nvcc = shutil.which("nvcc", path=environ.get("PATH"))
    if nvcc is None:
        return 0
    try:
        done = await run_process([nvcc, "--version"], timeout_s=10)
    except (OSError, HelperTimeout):
        return 0
    match = re.search(rb"release (\d+\.\d+)", done.output)
    return parse_cuda(match[1].decode()) if match else 0


def _older_than_1_11(line: str) -> bool:
    match = re.match(r"torch\s*==\s*(\d+)\.(\d+)", line)
    return match is not None and (int(match[1]), int(match[2])) < (1, 11)
