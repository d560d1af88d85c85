"""AMD and Intel GPUs through the files of the kernel's graphics drivers: no library is needed.

Intel has an energy counter there (``energy1_input``), AMD has power. Used for Intel, and for AMD where amdsmi is
missing. Source of the files: Linux Documentation/gpu/amdgpu/thermal.rst and
Documentation/ABI/testing/sysfs-driver-intel-*-hwmon. May import: standard library and core.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from assay.core.absence import Unavailable
from assay.probes.files import list_children, read_int
from assay.probes.telemetry.base import Reading, SourceLostError

ReadInt = Callable[[Path], int | None]
"""Return a file as an integer; None where it cannot be read."""

_VENDORS: Final = {"amd": 0x1002, "intel": 0x8086}
_MAKERS: Final = {"amd": "AMD", "intel": "Intel"}
_FILES: Final = (
    # sensor, files (first that exists), factor to our unit
    ("energy_j", ("hwmon/energy1_input",), 1e-6),
    ("power_w", ("hwmon/power1_average", "hwmon/power1_input"), 1e-6),
    ("utilisation_share", ("gpu_busy_percent",), 1e-2),
    ("memory_used_bytes", ("mem_info_vram_used",), 1.0),
    ("clock_mhz", ("hwmon/freq1_input",), 1e-6),
    # AMD's second sensor is the junction, on which the chip throttles; Intel's second is the package.
    ("temperature_c", ("hwmon/temp2_input", "hwmon/temp1_input"), 1e-3),
    ("power_limit_w", ("hwmon/power1_cap", "hwmon/power1_max"), 1e-6),
)
_LISTS: Final = {"amd": ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"), "intel": ("ZE_AFFINITY_MASK",)}


@dataclass(slots=True)
class DrmSource:
    """One GPU. ``files`` is sensor -> (file, factor), as found when it was opened. Made by :func:`open_drm`."""

    device: str
    folder: Path
    files: Mapping[str, tuple[Path, float]]
    missing: Mapping[str, str]
    read_int: ReadInt = read_int
    name: str = "drm"
    scope: str = "board"
    period_s: float = 0.1
    _said: set[str] = field(default_factory=set)

    @property
    def counter_period_s(self) -> float | None:
        """The drivers refresh at least every 100 ms; None where there is neither energy nor power."""
        return 0.1 if self.files.keys() & {"energy_j", "power_w"} else None

    def begin(self) -> None:
        """Say again what is said once a launch."""
        self._said.clear()

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Read every file. Raises SourceLostError where the device has gone."""
        readings = []
        for sensor, (path, factor) in self.files.items():
            value = self.read_int(path)
            reason = None if value is not None else f"{path.name} cannot be read"
            readings.append(Reading(sensor, self.device, now_ns, None if value is None else value * factor, reason))
        if self.files and all(reading.value is None for reading in readings):
            raise SourceLostError(f"{self.device} stopped answering: no file of {self.folder} can be read")
        for sensor, reason in self.missing.items():
            if sensor not in self._said:
                self._said.add(sensor)
                readings.append(Reading(sensor, self.device, now_ns, None, reason))
        return readings

    def close(self) -> None:
        """Nothing is held open."""


def open_drm(
    device: str,
    vendor: str,
    *,
    root: Path = Path("/"),
    read_int: ReadInt = read_int,
    environ: Mapping[str, str] = os.environ,
) -> DrmSource | Unavailable:
    """Open the GPU of ``vendor`` that ``device`` is in the kernel's order, or say why that cannot be."""
    listed = [name for name in _LISTS[vendor] if name in environ]
    if listed:
        return Unavailable(f"{listed[0]} is set, and the kernel's files do not follow it", f"unset {listed[0]}")
    cards = [path for path in list_children(root / "sys/class/drm", "card*") if re.fullmatch(r"card\d+", path.name)]
    folders = [card / "device" for card in cards if read_int(card / "device/vendor") == _VENDORS[vendor]]
    number = device.partition(":")[2]
    at = int(number) if number.isdigit() else 0
    if at >= len(folders):
        return Unavailable(f"the kernel shows {len(folders)} {_MAKERS[vendor]} GPUs in /sys/class/drm, not {device}")
    folder = folders[at]
    monitors = list_children(folder / "hwmon", "hwmon*")
    files, missing = {}, {}
    for sensor, names, factor in _FILES:
        paths = [_place(folder, monitors, name) for name in names]
        found = next((path for path in paths if path is not None and read_int(path) is not None), None)
        if found is None:
            missing[sensor] = f"the driver shows no {names[0]}"
        else:
            files[sensor] = (found, factor)
    return DrmSource(device, folder, files, missing, read_int)


def _place(folder: Path, monitors: Sequence[Path], name: str) -> Path | None:
    """``hwmon/temp1_input`` lies in the device's numbered hwmon folder, anything else in the device's own."""
    if not name.startswith("hwmon/"):
        return folder / name
    return monitors[0] / name.removeprefix("hwmon/") if monitors else None
