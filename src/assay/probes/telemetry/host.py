"""The host while a worker runs: CPU utilisation, clock, temperature, memory, and pressure.

Everything is read from /proc and /sys once a second; reading a core's clock can cost an interrupt on that core, so
it is done for a few cores and no more often. May import: standard library, core, psutil (where there is no /proc).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assay.core.absence import Unavailable
from assay.probes.files import list_children, parse_int, parse_pairs, parse_stall_us, read_text
from assay.probes.telemetry.base import Reading

ReadText = Callable[[Path], str | None]
"""Return a file's text, stripped; None where it cannot be read."""

_CLOCKS_READ = 4
_CPU_CHIPS = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal", "fam15h_power"})
_CPU_ZONES = frozenset({"x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal", "soc_thermal"})
_PRESSURES = ("cpu", "memory", "io")


@dataclass(slots=True)
class HostSource:
    """The machine the worker runs on. Made by :func:`open_host`.

    ``clocks`` and ``temperatures`` are the files found when it was opened; an empty tuple is said once.
    """

    root: Path
    read_text: ReadText
    clocks: tuple[Path, ...]
    temperatures: tuple[Path, ...]
    name: str = "host"
    device: str = "cpu"
    scope: str = "host"
    period_s: float = 1.0
    counter_period_s: float | None = None
    _ticks: tuple[int, int] | None = None
    _stalls_us: dict[str, tuple[int, int]] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Start the shares anew, and say again what is missing."""
        self._ticks = None
        self._stalls_us.clear()
        self._said.clear()

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Read everything that this system tells; shares are over the time since the reading before."""
        found: dict[str, float | None] = {}
        missing: dict[str, str] = {}
        self._read_utilisation(found, missing)
        memory = self._read_memory()
        found.update(memory)
        if not memory:
            missing["memory_available_bytes"] = "there is no /proc/meminfo"
        self._read_pressures(now_ns, found, missing)
        self._read_level("clock_mhz", self.clocks, 1e-3, found, missing)
        self._read_level("temperature_c", self.temperatures, 1e-3, found, missing)
        readings = [Reading(sensor, self.device, now_ns, value) for sensor, value in found.items()]
        for sensor, reason in missing.items():
            if sensor not in self._said:
                self._said.add(sensor)
                readings.append(Reading(sensor, self.device, now_ns, None, reason))
        return readings

    def close(self) -> None:
        """Nothing is held open."""

    def _read_utilisation(self, found: dict[str, float | None], missing: dict[str, str]) -> None:
        """Read ``cpu user nice system idle iowait irq softirq steal ...`` of /proc/stat, in ticks since the start."""
        first = (self.read_text(self.root / "proc/stat") or "").partition("\n")[0].split()
        if len(first) < 5 or first[0] != "cpu":  # noqa: PLR2004  (up to idle every kernel has them)
            missing["utilisation_share"] = "there is no /proc/stat"
            return
        fields = [int(field) for field in first[1:9]]
        idle, total = sum(fields[3:5]), sum(fields)
        if self._ticks is not None and total > self._ticks[1]:
            spent = total - self._ticks[1]
            found["utilisation_share"] = min(1.0, max(0.0, 1 - (idle - self._ticks[0]) / spent))
        self._ticks = (idle, total)

    def _read_memory(self) -> dict[str, float]:
        text = self.read_text(self.root / "proc/meminfo") or ""
        table = {
            key: number * 1024 for key, value in parse_pairs(text) if (number := parse_int(value.partition(" ")[0]))
        }
        if "MemAvailable" not in table or "MemTotal" not in table:
            return {}
        available = table["MemAvailable"]
        return {"memory_available_bytes": available, "memory_used_bytes": table["MemTotal"] - available}

    def _read_pressures(self, now_ns: int, found: dict[str, float | None], missing: dict[str, str]) -> None:
        """Turn the kernel's totals of waiting time into shares. Source: Documentation/accounting/psi.rst."""
        for resource in _PRESSURES:
            sensor = f"pressure_{resource}_share"
            stalled_us = parse_stall_us(self.read_text(self.root / "proc/pressure" / resource))
            if stalled_us is None:
                missing[sensor] = f"this kernel keeps no /proc/pressure/{resource}"
                continue
            before = self._stalls_us.get(resource)
            self._stalls_us[resource] = (now_ns, stalled_us)
            if before is not None and now_ns > before[0]:
                found[sensor] = min(1.0, max(0, stalled_us - before[1]) * 1e3 / (now_ns - before[0]))

    def _read_level(
        self,
        sensor: str,
        paths: tuple[Path, ...],
        scale: float,
        found: dict[str, float | None],
        missing: dict[str, str],
    ) -> None:
        """The highest of several sensors that measure one thing."""
        values = [value for path in paths if (value := parse_int(self.read_text(path))) is not None]
        if values:
            found[sensor] = max(values) * scale
        elif sensor == "clock_mhz":
            missing[sensor] = "the kernel shows no cpufreq clock (usual in a virtual machine)"
        else:
            missing[sensor] = "the kernel shows no CPU temperature (usual in a virtual machine)"


@dataclass(slots=True)
class PsutilSource:
    """The host where there is no /proc (macOS, Windows): utilisation and memory. Made by :func:`open_host`."""

    name: str = "host"
    device: str = "cpu"
    scope: str = "host"
    period_s: float = 1.0
    counter_period_s: float | None = None
    _is_primed: bool = False

    def begin(self) -> None:
        """Start the share anew."""
        self._is_primed = False

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Read CPU utilisation since the reading before, and memory."""
        import psutil

        busy_percent, memory = psutil.cpu_percent(interval=None), psutil.virtual_memory()
        readings = [
            Reading("memory_available_bytes", self.device, now_ns, float(memory.available)),
            Reading("memory_used_bytes", self.device, now_ns, float(memory.total - memory.available)),
        ]
        if self._is_primed:  # psutil's first answer is a meaningless 0
            readings.append(Reading("utilisation_share", self.device, now_ns, busy_percent / 100))
        self._is_primed = True
        return readings

    def close(self) -> None:
        """Nothing is held open."""


def open_host(*, root: Path = Path("/"), read_text: ReadText = read_text) -> HostSource | PsutilSource | Unavailable:
    """Open the host's sensors. Unavailable only where neither /proc nor psutil answers."""
    if read_text(root / "proc/stat") is not None:
        return HostSource(root, read_text, _find_clocks(root), _find_temperatures(root, read_text))
    if root != Path("/"):
        return Unavailable(f"{root} has no proc/stat")
    try:
        import psutil  # noqa: F401
    except ImportError:
        return Unavailable("there is no /proc, and psutil cannot be imported", "pip install psutil")
    return PsutilSource()


def _find_clocks(root: Path) -> tuple[Path, ...]:
    folders = list_children(root / "sys/devices/system/cpu", "cpu[0-9]*")
    paths = [folder / "cpufreq/scaling_cur_freq" for folder in folders]
    return tuple(path for path in paths if path.exists())[:_CLOCKS_READ]


def _find_temperatures(root: Path, read_text: ReadText) -> tuple[Path, ...]:
    """Find the processor's sensors: hwmon drivers first, the thermal zones of the firmware else.

    Source: Linux Documentation/hwmon/sysfs-interface.rst (``temp*_input`` in millidegrees).
    """
    chips = list_children(root / "sys/class/hwmon", "hwmon*")
    known = [chip for chip in chips if read_text(chip / "name") in _CPU_CHIPS]
    inputs = [path for chip in known for path in list_children(chip, "temp*_input")]
    if inputs:
        return tuple(inputs)
    zones = list_children(root / "sys/class/thermal", "thermal_zone*")
    return tuple(zone / "temp" for zone in zones if read_text(zone / "type") in _CPU_ZONES)
