"""NVIDIA GPUs through NVML: the one GPU, or the one MIG slice, that ``cuda:N`` means in the worker.

Which board a number in ``cuda:N`` is depends on CUDA_VISIBLE_DEVICES and on CUDA's order; where that cannot be told
for certain nothing is read, because the energy of a neighbour is worse than none. Source of names, units and bits:
NVML API reference ("Device Queries", "Clocks Event Reasons"). May import: standard library, core, pynvml (lazily).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from assay.core.absence import Unavailable
from assay.probes.nvidia import NvmlLoader, load_nvml
from assay.probes.telemetry.base import Reading, SourceLostError, Throttle
from assay.probes.telemetry.queries import Asked, take_due

_MARKS = ("proc/driver/nvidia", "dev/nvidiactl", "dev/dxg")
_LOST: Final = frozenset({1, 9, 15, 16, 18, 28})
"""Uninitialized, driver not loaded, GPU lost, reset required, library and driver differ, GPU not found."""
_NEVER: Final = frozenset({2, 3, 4, 13, 25, 26})
"""Invalid for this device, not supported, no permission, function not found, wrong version, deprecated."""

_REASONS: Final = {
    0x001: Throttle.IDLE,
    0x002: Throttle.CLOCK_SETTING,
    0x004: Throttle.POWER_CAP,
    0x008: Throttle.HARDWARE,
    0x010: Throttle.SYNC_BOOST,
    0x020: Throttle.THERMAL,
    0x040: Throttle.THERMAL,
    0x080: Throttle.POWER_BRAKE,
    0x100: Throttle.CLOCK_SETTING,
    0x200: Throttle.BOARD_LIMIT,
    0x400: Throttle.RELIABILITY,
}

_MIG_ENERGY: Final = "a MIG slice has no energy or power of its own: the board's covers every slice"


def decode_reasons(mask: int) -> Throttle:
    """Translate NVML's clocks event (throttle) reasons; a bit that is not known yet becomes OTHER."""
    found = Throttle(0)
    for bit in (1 << position for position in range(mask.bit_length())):
        if mask & bit:
            found |= _REASONS.get(bit, Throttle.OTHER)
    return found


@dataclass(frozen=True, slots=True)
class _Query:
    """One sensor: the functions that may know it, newest first, and how to read their answer."""

    sensor: str
    functions: tuple[str, ...]
    read: Callable[[Any], float]
    arguments: tuple[Any, ...] = ()
    is_slow: bool = False
    of_slice: bool = False
    """Asked of the MIG slice itself; everything else belongs to the board."""


def _scaled(factor: float) -> Callable[[Any], float]:
    return lambda answer: float(answer) * factor


_QUERIES: Final = (
    # First: what energy is computed from is read closest to the time the reading carries.
    _Query("energy_j", ("nvmlDeviceGetTotalEnergyConsumption",), _scaled(1e-3)),
    _Query("power_w", ("nvmlDeviceGetPowerUsage",), _scaled(1e-3)),
    _Query("utilisation_share", ("nvmlDeviceGetUtilizationRates",), lambda rates: rates.gpu / 100, of_slice=True),
    _Query("memory_used_bytes", ("nvmlDeviceGetMemoryInfo",), lambda memory: float(memory.used), of_slice=True),
    _Query("clock_mhz", ("nvmlDeviceGetClockInfo",), float, arguments=(1,)),
    _Query("clock_memory_mhz", ("nvmlDeviceGetClockInfo",), float, arguments=(2,)),
    _Query("temperature_c", ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"), float, arguments=(0,)),
    _Query(
        "throttle_mask",
        ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"),
        lambda mask: float(decode_reasons(int(mask))),
    ),
    _Query("fan_share", ("nvmlDeviceGetFanSpeed",), _scaled(1e-2), is_slow=True),
    _Query(
        "power_limit_w",
        ("nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit"),
        _scaled(1e-3),
        is_slow=True,
    ),
    _Query(
        "processes",
        ("nvmlDeviceGetComputeRunningProcesses",),
        lambda processes: float(len(processes)),
        is_slow=True,
        of_slice=True,
    ),
)
_ENERGY_SENSORS: Final = frozenset({"energy_j", "power_w"})


@dataclass(slots=True)
class NvmlSource:
    """One GPU. ``slice_handle`` is the MIG slice, None for a whole board. Made by :func:`open_nvml`."""

    device: str
    nvml: Any
    handle: Any
    slice_handle: Any | None = None
    period_s: float = 0.1
    name: str = "nvml"
    scope: str = "board"
    _states: list[Asked[_Query]] = field(default_factory=lambda: [Asked(query) for query in _QUERIES])

    @property
    def counter_period_s(self) -> float | None:
        """100 ms: the slowest update of NVML's energy and power that is known; None for a MIG slice."""
        return 0.1 if self.slice_handle is None else None

    def begin(self) -> None:
        """Ask everything again, also what was refused before, so that each launch has its reasons."""
        self._states = [Asked(query) for query in _QUERIES]

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Ask everything that is due. Raises SourceLostError where the GPU or its driver is gone."""
        return [self._ask(state, now_ns) for state in take_due(self._states, now_ns)]

    def close(self) -> None:
        """Let go of the library."""
        with suppress(Exception):
            self.nvml.nvmlShutdown()

    def _ask(self, state: Asked[_Query], now_ns: int) -> Reading:
        query = state.query
        if self.slice_handle is not None and query.sensor in _ENERGY_SENSORS:
            state.is_over = True
            return Reading(query.sensor, self.device, now_ns, None, _MIG_ENERGY)
        handle = self.slice_handle if query.of_slice and self.slice_handle is not None else self.handle
        first: str | None = None
        while True:
            function = query.functions[state.way]
            try:
                answer = getattr(self.nvml, function)(handle, *query.arguments)
                return Reading(query.sensor, self.device, now_ns, query.read(answer))
            except AttributeError:
                code, words = 13, f"this version of pynvml has no {function}"
            except self.nvml.NVMLError as error:
                code, words = _code_of(error), str(error)
            if code in _LOST:
                raise SourceLostError(f"{self.device} stopped answering: {words} ({function})")
            # Why the newest function failed; an old binding's lack of another one explains nothing.
            first = first or f"{function}: {words}"
            if code in _NEVER and state.way + 1 < len(query.functions):
                state.way += 1
                continue
            state.is_over = code in _NEVER
            return Reading(query.sensor, self.device, now_ns, None, first)


def open_nvml(
    device: str,
    *,
    nvml: NvmlLoader = load_nvml,
    environ: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
) -> NvmlSource | Unavailable:
    """Open the GPU that ``device`` (``cuda:1``) is under CUDA_VISIBLE_DEVICES, or say why that cannot be."""
    if sys.platform != "win32" and not any((root / mark).exists() for mark in _MARKS):
        return Unavailable("no NVIDIA driver is loaded", "install the NVIDIA driver if this machine has such a GPU")
    library = nvml()
    if library is None:
        return Unavailable("the NVML binding is not installed", "pip install 'assay[nvidia]'")
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        return Unavailable(f"NVML does not start: {error}", "check the NVIDIA driver with nvidia-smi")
    try:
        found = _find_handle(library, _parse_number(device), environ)
    except library.NVMLError as error:
        found = Unavailable(f"NVML could not find {device}: {error}", "check the NVIDIA driver with nvidia-smi")
    if isinstance(found, Unavailable):
        with suppress(library.NVMLError):
            library.nvmlShutdown()
        return found
    handle, slice_handle = found
    return NvmlSource(device, library, handle, slice_handle)


def _parse_number(device: str) -> int:
    number = device.partition(":")[2]
    return int(number) if number.isdigit() else 0


def _find_handle(nvml: Any, number: int, environ: Mapping[str, str]) -> tuple[Any, Any | None] | Unavailable:
    """Return (board, slice or None) for the ``number``-th device that CUDA shows."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    count = nvml.nvmlDeviceGetCount()
    entry = str(number)
    if visible is not None:
        entries = _cut_list([part.strip() for part in visible.split(",")], count)
        if number >= len(entries):
            return Unavailable(f"CUDA_VISIBLE_DEVICES={visible!r} leaves no cuda:{number}", "change that variable")
        entry = entries[number]
    if entry.startswith("MIG-"):
        piece = nvml.nvmlDeviceGetHandleByUUID(entry)
        return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(piece), piece
    boards = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
    board = _pick_board(nvml, boards, entry, environ)
    return board if isinstance(board, Unavailable) else _enter_slice(nvml, board)


def _pick_board(nvml: Any, boards: Sequence[Any], entry: str, environ: Mapping[str, str]) -> Any:
    """Return the board that ``entry`` (a number in CUDA's order, or the start of a UUID) is, or Unavailable."""
    if not entry.isdigit():
        hits = [board for board in boards if _text(nvml.nvmlDeviceGetUUID(board)).startswith(entry)]
        if len(hits) == 1:
            return hits[0]
        return Unavailable(f"{len(hits)} GPUs have a UUID that starts with {entry!r}", "give the whole UUID")
    if int(entry) >= len(boards):
        return Unavailable(f"there is no GPU number {entry}: NVML shows {len(boards)}", "see: assay doctor")
    names = {_text(nvml.nvmlDeviceGetName(board)) for board in boards}
    if len(names) > 1 and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        return Unavailable(
            f"the GPUs here differ ({', '.join(sorted(names))}), and CUDA numbers them by speed, NVML by bus",
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID",
        )
    return boards[int(entry)]


def _cut_list(entries: list[str], count: int) -> list[str]:
    """End the list where CUDA ends it: at the first entry that can name no device, or at a repetition.

    Source: CUDA C++ Programming Guide, "CUDA Environment Variables".
    """
    kept: list[str] = []
    for entry in entries:
        known = int(entry) < count if entry.isdigit() else entry.startswith(("GPU-", "MIG-"))
        if not known or entry in kept:
            break
        kept.append(entry)
    return kept


def _enter_slice(nvml: Any, board: Any) -> tuple[Any, Any | None] | Unavailable:
    """Return the board with its first slice where MIG is on: that is the one CUDA shows for a whole board."""
    try:
        is_on = bool(nvml.nvmlDeviceGetMigMode(board)[0])
    except (nvml.NVMLError, AttributeError):
        return board, None  # boards and drivers without MIG refuse the question
    if not is_on:
        return board, None
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(board)):
        try:
            return board, nvml.nvmlDeviceGetMigDeviceHandleByIndex(board, index)
        except nvml.NVMLError as error:
            if _code_of(error) != 6:  # noqa: PLR2004  (NVML_ERROR_NOT_FOUND: no slice at this place)
                raise
    return Unavailable("MIG is on and no slice was made, so CUDA shows nothing", "nvidia-smi mig -cgi ... -C")


def _code_of(error: Any) -> int:
    value = getattr(error, "value", None)
    return value if isinstance(value, int) else 999


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
