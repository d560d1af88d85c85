"""A device as PyTorch drives it: finding it, waiting for it, its clock and its memory counters.

Shared by every engine that runs on torch, and by the check that synchronizing works. May import: core, engines.base;
torch inside functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from assay.core.errors import UnsupportedError
from assay.engines.base import EventTimer

if TYPE_CHECKING:
    import torch

KINDS = ("cpu", "cuda", "rocm", "mps", "xpu")
_HINT = "Expected cpu, cuda:N, rocm:N, mps or xpu:N."
_TF32_CAPABILITY = (8, 0)


def find_device(name: str) -> torch.device:
    """Map our device word to torch's, and prove that it is there. Raises UnsupportedError."""
    import torch

    kind, _, ordinal = name.partition(":")
    if ordinal and not ordinal.isdecimal():
        raise UnsupportedError(f"Device {name!r} has no number behind its colon.", hint=_HINT)
    index = int(ordinal or 0)
    if kind == "cpu":
        return torch.device("cpu")
    if kind in {"cuda", "rocm"}:
        is_hip = torch.version.hip is not None
        if not torch.cuda.is_available() or is_hip != (kind == "rocm"):
            built = "ROCm" if is_hip else f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU only"
            is_for_it = is_hip if kind == "rocm" else torch.version.cuda is not None
            lack = " and sees no such device" if is_for_it else ""
            raise UnsupportedError(f"Device {name!r} cannot be used: this PyTorch was built for {built}{lack}.")
        return _checked("cuda", index, torch.cuda.device_count(), name)
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise UnsupportedError(f"Device {name!r} cannot be used: this PyTorch sees no Metal device.")
        return torch.device("mps")
    if kind == "xpu":
        if not torch.xpu.is_available():
            raise UnsupportedError(f"Device {name!r} cannot be used: this PyTorch sees no Intel GPU.")
        return _checked("xpu", index, torch.xpu.device_count(), name)
    raise UnsupportedError(f"PyTorch has no device {name!r}.", hint=_HINT)


def make_current(device: torch.device) -> None:
    """Make the device the one that streams and events without a device belong to, or events would time another."""
    import torch

    if device.type == "cuda":
        torch.cuda.set_device(device)
    elif device.type == "xpu":
        torch.xpu.set_device(device)


def _checked(kind: str, index: int, count: int, name: str) -> torch.device:
    import torch

    if index >= count:
        raise UnsupportedError(f"Device {name!r} is not here: PyTorch sees {count} device(s) of this kind.")
    return torch.device(kind, index)


def set_fp32_arithmetic(device: torch.device, *, is_tf32: bool) -> None:
    """Make products of fp32 tensors IEEE fp32, or TF32 where that is the precision asked for; never silently.

    Raises UnsupportedError for TF32 on a device that has none (it came with compute capability 8.0): PyTorch would
    accept the setting and compute in fp32.
    """
    import torch

    if is_tf32 and torch.cuda.get_device_capability(device) < _TF32_CAPABILITY:
        major, minor = torch.cuda.get_device_capability(device)
        raise UnsupportedError(
            f"{torch.cuda.get_device_name(device)} has no TF32: its compute capability is {major}.{minor}, "
            "TF32 came with 8.0."
        )
    torch.backends.cuda.matmul.allow_tf32 = is_tf32
    torch.backends.cudnn.allow_tf32 = is_tf32
    torch.set_float32_matmul_precision("high" if is_tf32 else "highest")


def hardware_name(device: torch.device) -> str:
    """The name that the driver gives the device; empty for the CPU, which the probes name better."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "xpu":
        return str(torch.xpu.get_device_name(device))
    return ""


def describe_build(device: torch.device) -> dict[str, str]:
    """What this PyTorch was built with and uses on the device: facts that explain a number."""
    import torch

    facts = {"torch": str(torch.__version__), "interop_threads": str(torch.get_num_interop_threads())}
    if device.type == "cpu":
        facts["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
        facts["mkldnn"] = str(torch.backends.mkldnn.is_available())
        facts["mkl"] = str(torch.backends.mkl.is_available())
    elif device.type == "cuda":
        facts["cuda"] = str(torch.version.cuda or torch.version.hip)
        facts["cudnn"] = str(torch.backends.cudnn.version())
    return facts


def find_synchronizer(device: torch.device) -> Callable[[], None] | None:
    """Return what blocks until the device has finished; None on the CPU, whose calls are synchronous."""
    import torch

    if device.type == "cuda":
        return functools.partial(torch.cuda.synchronize, device)
    if device.type == "mps":
        return torch.mps.synchronize  # type: ignore[no-any-return]  # torch is not followed by mypy (pyproject)
    if device.type == "xpu":
        return functools.partial(torch.xpu.synchronize, device)
    return None


def find_memory_reset(device: torch.device) -> Callable[[], None] | None:
    """Return what makes the allocator forget its peak, where it keeps one."""
    import torch

    if device.type == "cuda":
        return functools.partial(torch.cuda.reset_peak_memory_stats, device)
    if device.type == "xpu":
        return functools.partial(torch.xpu.reset_peak_memory_stats, device)
    return None


def find_memory_reader(device: torch.device) -> Callable[[], Mapping[str, int]] | None:
    """Return a reader of the allocator's peak and the driver's view, each under its own name, in bytes."""
    import torch

    def read_cuda() -> dict[str, int]:
        free, total = torch.cuda.mem_get_info(device)
        return {"allocator_peak": int(torch.cuda.max_memory_allocated(device)), "driver_used": int(total - free)}

    def read_xpu() -> dict[str, int]:
        return {"allocator_peak": int(torch.xpu.max_memory_allocated(device))}

    def read_mps() -> dict[str, int]:
        # Metal keeps no peak; what the driver holds after the calls is its closest figure, under its own name.
        return {"driver_used": int(torch.mps.driver_allocated_memory())}

    readers = {"cuda": read_cuda, "xpu": read_xpu, "mps": read_mps}
    return readers.get(device.type)


class CudaEvents(EventTimer):
    """The device's own clock around one call."""

    def __init__(self) -> None:
        import torch

        self._start = torch.cuda.Event(enable_timing=True)
        self._stop = torch.cuda.Event(enable_timing=True)

    def start(self) -> None:
        """Put a start mark into the current stream."""
        self._start.record()

    def stop(self) -> None:
        """Put a stop mark into the current stream."""
        self._stop.record()

    def elapsed_ns(self) -> int:
        """Time between the marks, after a synchronize."""
        return round(float(self._start.elapsed_time(self._stop)) * 1e6)
