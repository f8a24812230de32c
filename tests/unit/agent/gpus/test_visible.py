"""What a task sees of the GPUs, for every form of `--gpus`."""

from __future__ import annotations

import pytest

from clearml_agent.gpus.packing import Allocation, Part
from clearml_agent.gpus.visible import in_kubernetes, names, show

MIG = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("0", ["0"]),
        ("0,1", ["0", "1"]),
        ("0-3", ["0", "1", "2", "3"]),
        ("0-1,3, 5", ["0", "1", "3", "5"]),
        ("1,0-2", ["1", "0", "2"]),
        ("0:1,0.2", ["0:1", "0:2"]),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", ["GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"]),
        (f"{MIG},GPU-89", [MIG, "GPU-89"]),
        ("none", []),
        ("all", None),
        ("", None),
        (None, None),
    ],
)
def test_every_form_names_devices(given: str | None, found: list[str] | None) -> None:
    assert names(given) == found


@pytest.mark.parametrize(
    ("given", "before", "cuda", "nvidia"),
    [
        ("0,1", {}, "0,1", "0,1"),
        ("0-3", {"CUDA_VISIBLE_DEVICES": "7"}, "0,1,2,3", "0,1,2,3"),
        ("0.1", {}, "0:1", "0:1"),
        (MIG, {}, MIG, MIG),
        ("none", {"CUDA_VISIBLE_DEVICES": "0"}, "none", "none"),
        ("all", {"CUDA_VISIBLE_DEVICES": "0"}, None, "all"),
        (None, {"CUDA_VISIBLE_DEVICES": "2"}, "2", "2"),
        (None, {"NVIDIA_VISIBLE_DEVICES": "2"}, None, "2"),
        (None, {"CUDA_VISIBLE_DEVICES": "2", "NVIDIA_VISIBLE_DEVICES": "all"}, "2", "all"),
        (None, {}, None, None),
    ],
)
def test_both_variables_follow_the_option(
    given: str | None, before: dict[str, str], cuda: str | None, nvidia: str | None
) -> None:
    environment = dict(before)
    show(environment, given)
    assert environment.pop("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    assert environment.get("CUDA_VISIBLE_DEVICES") == cuda
    assert environment.get("NVIDIA_VISIBLE_DEVICES") == nvidia


def test_a_task_with_gpus_of_its_own_sees_these_by_uuid() -> None:
    environment = {"CUDA_VISIBLE_DEVICES": "0"}
    show(environment, "0-3", Allocation([Part("1", "GPU-b"), Part("3", "GPU-d")]))
    assert environment["CUDA_VISIBLE_DEVICES"] == environment["NVIDIA_VISIBLE_DEVICES"] == "GPU-b,GPU-d"
    assert "CLEARML_GPU_SHARE" not in environment


def test_a_share_of_a_gpu_is_told_to_the_task_and_its_own_settings_stay() -> None:
    environment = {"XLA_PYTHON_CLIENT_MEM_FRACTION": ".1"}
    show(environment, None, Allocation([Part("1", "GPU-b", 250, "a", 20_000)]))
    assert environment == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "GPU-b",
        "NVIDIA_VISIBLE_DEVICES": "GPU-b",
        "CLEARML_GPU_SHARE": "0.25",
        "CLEARML_GPU_MEMORY_MIB": "20000",
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "25",
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": "0=20000M",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": ".1",
    }


def test_a_pod_is_known_by_its_variables() -> None:
    assert in_kubernetes({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_PORT": "tcp://10.0.0.1:443"})
    assert not in_kubernetes({"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
