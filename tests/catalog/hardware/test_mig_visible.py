"""CUDA_VISIBLE_DEVICES that names a MIG slice, by a replayed NVML."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.catalog.hardware.match import match_hardware
from assay.core.absence import Unavailable
from assay.probes.commands import run_nothing
from assay.probes.gpu import Gpu
from assay.probes.nvidia import find_nvidia_gpus

GIB = 2**30


class NvmlFailure(Exception):  # noqa: N818  (named as NVML's own is)
    pass


ANSWERS: dict[str, tuple[str, str, int]] = {
    "gpu0": ("NVIDIA A100-SXM4-80GB", "GPU-1111", 80),
    "gpu1": ("NVIDIA A100-SXM4-80GB", "GPU-2222", 80),
    "slice0": ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", "MIG-aaaa", 40),
    "slice2": ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "MIG-bbbb", 10),
}


def find_slice(handle: str, position: int) -> str:
    if handle != "gpu0" or f"slice{position}" not in ANSWERS:
        raise NvmlFailure
    return f"slice{position}"


def nvml() -> Any:
    return SimpleNamespace(
        NVMLError=NvmlFailure,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "550.54.15",
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda position: f"gpu{position}",
        nvmlDeviceGetName=lambda handle: ANSWERS[handle][0],
        nvmlDeviceGetUUID=lambda handle: ANSWERS[handle][1],
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=ANSWERS[handle][2] * GIB),
        nvmlDeviceGetMaxMigDeviceCount=lambda _handle: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=find_slice,
    )


def find(tmp_path: Path, visible: str | None) -> tuple[Gpu, ...]:
    tmp_path.joinpath("proc/driver/nvidia").mkdir(parents=True)
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    found = find_nvidia_gpus(root=tmp_path, run=run_nothing, environ=environ, nvml=nvml)
    assert not isinstance(found, Unavailable)
    return found


def test_a_named_slice_is_the_device(tmp_path: Path) -> None:
    *whole, part = find(tmp_path, "MIG-bbbb")
    assert [gpu.index for gpu in whole] == [None, None]
    assert (part.name, part.index, part.memory_bytes) == ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", 0, 10 * GIB)
    match = match_hardware(part.name, vendor="NVIDIA", memory_bytes=part.memory_bytes, kind="gpu")
    assert match.hw_id == "nvidia-a100-sxm4-80gb"
    assert match.partition is not None
    assert match.partition.compute_share == 1 / 7


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1]),  # the facts of machines that name no slice stay what they were
        ("0,1", [0, 1]),
        ("GPU-2222", [None, 0]),
        ("MIG-zzzz", [None, None]),
        ("1,MIG-aaaa", [None, 0, 1]),
        ("2,MIG-aaaa", [None, None]),  # a number never means a slice
    ],
)
def test_who_is_visible(tmp_path: Path, visible: str | None, indices: list[int | None]) -> None:
    assert [gpu.index for gpu in find(tmp_path, visible)] == indices
