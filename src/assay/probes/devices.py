"""Which devices a case can name on this machine, found without importing any framework.

Whether an engine can use one is the engine's to say; this is what the machine has. May import: standard
library and core.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.core.absence import Unavailable
from assay.core.errors import UnknownNameError
from assay.probes.apple import find_apple_gpus
from assay.probes.commands import CommandRunner, run_command
from assay.probes.cpu import collect_cpu
from assay.probes.drm import find_drm_gpus
from assay.probes.gpu import Gpu
from assay.probes.memory import total_memory_bytes
from assay.probes.nvidia import NvmlLoader, find_nvidia_gpus, load_nvml

_ROOT = Path("/")

VENDOR_KINDS = {"nvidia": "cuda", "amd": "rocm", "apple": "mps", "intel": "xpu"}
"""Maker of a GPU -> the word its devices start with."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device: ``name`` as a case says it (``cuda:0``), the hardware behind it, its memory if known."""

    name: str
    kind: str
    hardware: str
    memory_bytes: int | None


def detect_devices(
    *,
    root: Path = _ROOT,
    run: CommandRunner = run_command,
    environ: Mapping[str, str] = os.environ,
    nvml: NvmlLoader = load_nvml,
) -> tuple[Device, ...]:
    """Return this machine's devices: ``cpu`` first, then every visible GPU."""
    model = collect_cpu(root=root, run=run)["model"]
    cpu = Device("cpu", "cpu", model or "unknown CPU", total_memory_bytes(root=root))
    gpus = find_gpus(root=root, run=run, environ=environ, nvml=nvml)
    return (cpu, *(_name_device(gpu) for gpu in gpus if gpu.index is not None))


def find_gpus(
    *,
    root: Path = _ROOT,
    run: CommandRunner = run_command,
    environ: Mapping[str, str] = os.environ,
    nvml: NvmlLoader = load_nvml,
) -> tuple[Gpu, ...]:
    """Return every GPU of every vendor, hidden ones too."""
    answers = query_vendors(root=root, run=run, environ=environ, nvml=nvml).values()
    return tuple(gpu for answer in answers if not isinstance(answer, Unavailable) for gpu in answer)


def query_vendors(
    *,
    root: Path = _ROOT,
    run: CommandRunner = run_command,
    environ: Mapping[str, str] = os.environ,
    nvml: NvmlLoader = load_nvml,
) -> dict[str, tuple[Gpu, ...] | Unavailable]:
    """Return each vendor's answer: its GPUs, or why there is none (``assay doctor`` shows these)."""
    platform = sys.platform if root == _ROOT else "linux"
    return {
        "nvidia": find_nvidia_gpus(root=root, run=run, environ=environ, nvml=nvml),
        "amd": find_drm_gpus("amd", root=root),
        "intel": find_drm_gpus("intel", root=root),
        "apple": find_apple_gpus(run=run, platform=platform),
    }


def find_device(name: str, devices: tuple[Device, ...]) -> Device:
    """Look ``name`` up, ``cuda`` meaning ``cuda:0``. Raises UnknownNameError naming what this machine has."""
    for device in devices:
        if name in (device.name, device.name.removesuffix(":0")):
            return device
    raise UnknownNameError("device", name, [device.name for device in devices], hint="See: assay doctor.")


def _name_device(gpu: Gpu) -> Device:
    kind = VENDOR_KINDS[gpu.vendor]
    # torch knows one Apple GPU and calls it mps, without a number.
    name = kind if kind == "mps" else f"{kind}:{gpu.index}"
    return Device(name, kind, gpu.name, gpu.memory_bytes)
