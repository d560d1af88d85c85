"""NVIDIA GPUs, through NVML where its Python binding is installed, else through nvidia-smi.

May import: standard library, core, pynvml (lazily).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.core.absence import Unavailable
from assay.probes.commands import CommandOutput, CommandRunner, run_command
from assay.probes.files import parse_float
from assay.probes.gpu import Gpu

_MARKS = ("proc/driver/nvidia", "dev/nvidiactl", "dev/dxg")
"""What the driver leaves on Linux (dxg: under WSL). Without any, nothing is imported and nothing is run."""

_FIELDS: tuple[str, ...] = (
    "name",
    "driver_version",
    "memory.total",
    "power.limit",
    "pci.bus_id",
    "uuid",
    "compute_mode",
)
_NEWER_FIELDS = ("persistence_mode", "mig.mode.current", "compute_cap", "ecc.mode.current")
"""Old drivers know only the first list and refuse a query that names anything else."""

_MIG_UUID = "MIG-"
_COMPUTE_MODES = {0: "Default", 1: "Exclusive_Thread", 2: "Prohibited", 3: "Exclusive_Process"}

NvmlLoader = Callable[[], Any]
"""Return the NVML binding as a module, or None where it is not installed."""


def load_nvml() -> Any:
    """Import pynvml (package nvidia-ml-py); None where it is missing or broken."""
    try:
        import pynvml
    except Exception:  # noqa: BLE001  (a broken binding must cost the GPU's details, not the run)
        return None
    return pynvml


def find_nvidia_gpus(
    *,
    root: Path = Path("/"),
    run: CommandRunner = run_command,
    environ: Mapping[str, str] = os.environ,
    nvml: NvmlLoader = load_nvml,
) -> tuple[Gpu, ...] | Unavailable:
    """Return every NVIDIA GPU in bus order, hidden ones with index None; Unavailable says what is missing."""
    if sys.platform != "win32" and not any((root / mark).exists() for mark in _MARKS):
        return Unavailable("no NVIDIA driver is loaded", "install the NVIDIA driver if this machine has such a GPU")
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    binding = nvml()
    gpus = _query_nvml(binding)
    if not gpus:
        answer = _query_smi(run)
        if isinstance(answer, Unavailable):
            return answer
        gpus = answer
    slices = _query_nvml(binding, are_slices=True) if _MIG_UUID in (visible or "") else ()
    numbered = number_visible((*gpus, *slices), visible)
    # Slices that are not named are no devices of this process, and their GPU is in the list already.
    return (*numbered[: len(gpus)], *(part for part in numbered[len(gpus) :] if part.index is not None))


def number_visible(gpus: Sequence[Gpu], visible: str | None) -> tuple[Gpu, ...]:
    """Give each GPU the index under which CUDA programs see it.

    ``visible`` is CUDA_VISIBLE_DEVICES: numbers or starts of UUIDs (``GPU-...``, or ``MIG-...`` of a slice); the
    list ends at the first entry that names no GPU, as CUDA's does (CUDA C++ Programming Guide, "CUDA Environment
    Variables"). The numbers are taken in bus order, which is CUDA's order for equal GPUs, and for unequal ones
    where CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    if visible is None:
        return tuple(replace(gpu, index=position) for position, gpu in enumerate(gpus))
    whole = sum(not (gpu.uuid or "").startswith(_MIG_UUID) for gpu in gpus)
    order: list[int] = []
    for entry in (part.strip() for part in visible.split(",")):
        if entry.isdigit():
            hits = [int(entry)] if int(entry) < whole else []
        else:
            hits = [at for at, gpu in enumerate(gpus) if entry and (gpu.uuid or "").startswith(entry)]
        if len(hits) != 1 or hits[0] in order:
            break
        order.append(hits[0])
    return tuple(replace(gpu, index=order.index(at) if at in order else None) for at, gpu in enumerate(gpus))


def _query_nvml(nvml: Any, *, are_slices: bool = False) -> tuple[Gpu, ...]:
    """Ask NVML for the GPUs, or for the MIG slices of all of them.

    Nothing where it is missing or its library does not answer (nvidia-smi then says why).
    """
    if nvml is None:
        return ()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return ()
    try:
        driver = _decode(nvml.nvmlSystemGetDriverVersion())
        handles = [nvml.nvmlDeviceGetHandleByIndex(position) for position in range(nvml.nvmlDeviceGetCount())]
        if are_slices:
            handles = [part for handle in handles for part in _list_slices(nvml, handle)]
        return tuple(_describe(nvml, handle, position, driver) for position, handle in enumerate(handles))
    except nvml.NVMLError:
        return ()
    finally:
        with suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def _list_slices(nvml: Any, handle: Any) -> list[Any]:
    """Handles of a GPU's MIG slices; they answer for name, memory and UUID as a GPU's do."""
    slices = []
    with suppress(nvml.NVMLError, AttributeError):
        for position in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            with suppress(nvml.NVMLError):  # places that no slice takes up
                slices.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, position))
    return slices


def _describe(nvml: Any, handle: Any, position: int, driver: str | None) -> Gpu:
    def ask(question: str) -> Any:
        # A question that this GPU, driver or binding does not know is a missing value.
        with suppress(nvml.NVMLError, AttributeError):
            return getattr(nvml, question)(handle)
        return None

    memory, pci = ask("nvmlDeviceGetMemoryInfo"), ask("nvmlDeviceGetPciInfo")
    limit_mw = ask("nvmlDeviceGetPowerManagementLimit")
    capability = ask("nvmlDeviceGetCudaComputeCapability")
    return Gpu(
        vendor="nvidia",
        name=_decode(ask("nvmlDeviceGetName")) or "NVIDIA GPU",
        index=position,
        driver=driver,
        memory_bytes=None if memory is None else int(memory.total),
        power_limit_w=None if limit_mw is None else limit_mw / 1e3,
        pci_id=None if pci is None else _decode(pci.busId),
        uuid=_decode(ask("nvmlDeviceGetUUID")),
        compute_mode=_COMPUTE_MODES.get(ask("nvmlDeviceGetComputeMode")),
        mig=_is_on(_first(ask("nvmlDeviceGetMigMode"))),
        persistence=_is_on(ask("nvmlDeviceGetPersistenceMode")),
        compute_capability=None if capability is None else ".".join(map(str, capability)),
        ecc=_is_on(_first(ask("nvmlDeviceGetEccMode"))),
    )


def _first(pair: Any) -> Any:
    """The current one of NVML's (current, pending) pairs."""
    return None if pair is None else pair[0]


def _is_on(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _decode(text: Any) -> str | None:
    """Old bindings answer in bytes."""
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _query_smi(run: CommandRunner) -> tuple[Gpu, ...] | Unavailable:
    fields = _FIELDS + _NEWER_FIELDS
    output = _ask_smi(run, fields)
    if output is not None and "not a valid field" in output.stdout + output.stderr:
        fields = _FIELDS
        output = _ask_smi(run, fields)
    if output is None:
        return Unavailable(
            "an NVIDIA driver is loaded, but neither NVML nor nvidia-smi answers", "pip install nvidia-ml-py"
        )
    if output.code != 0:
        said = (output.stdout + output.stderr).strip().partition("\n")[0]
        return Unavailable(f"nvidia-smi failed with exit code {output.code}: {said}", "check the NVIDIA driver")
    rows = [line for line in output.stdout.splitlines() if line.strip()]
    gpus = tuple(_read_row(fields, row, position) for position, row in enumerate(rows))
    return gpus or Unavailable("nvidia-smi lists no GPU")


def _ask_smi(run: CommandRunner, fields: Sequence[str]) -> CommandOutput | None:
    return run(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"])


def _read_row(fields: Sequence[str], row: str, position: int) -> Gpu:
    cells = dict(zip(fields, (_read_cell(cell) for cell in row.split(",")), strict=False))

    def switch(field: str) -> bool | None:
        return {"Enabled": True, "Disabled": False}.get(cells.get(field) or "")

    memory_mib = parse_float(cells.get("memory.total"))
    return Gpu(
        vendor="nvidia",
        name=cells.get("name") or "NVIDIA GPU",
        index=position,
        driver=cells.get("driver_version"),
        memory_bytes=None if memory_mib is None else int(memory_mib * 1024**2),
        power_limit_w=parse_float(cells.get("power.limit")),
        pci_id=cells.get("pci.bus_id"),
        uuid=cells.get("uuid"),
        compute_mode=cells.get("compute_mode"),
        mig=switch("mig.mode.current"),
        persistence=switch("persistence_mode"),
        compute_capability=cells.get("compute_cap"),
        ecc=switch("ecc.mode.current"),
    )


def _read_cell(cell: str) -> str | None:
    """``[N/A]``, ``[Not Supported]``, ``[Unknown Error]`` and the like are missing values."""
    text = cell.strip()
    return None if not text or text.startswith("[") or text == "N/A" else text
