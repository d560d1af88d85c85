"""The processor's energy, from the counters that the kernel shows under /sys/class/powercap.

RAPL counts what a package (socket) used, whoever used it. Intel and, since Linux 5.8, AMD processors have it; the
kernel lets only root read it unless told otherwise (CVE-2020-8694). Source: Linux
Documentation/power/powercap/powercap.rst. May import: standard library and core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assay.core.absence import Unavailable
from assay.probes.files import list_children, parse_int
from assay.probes.telemetry.base import Reading

ReadFile = Callable[[Path], str]
"""Return a file's text. Raises OSError as reading a file does."""

_ALLOW = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next boot)"


def read_file(path: Path) -> str:
    """Read a small file. Raises OSError."""
    return path.read_text(encoding="ascii", errors="replace").strip()


@dataclass(slots=True)
class Zone:
    """One counter: it runs from 0 to ``range_uj`` and starts again. ``turns_uj`` is what full turns have added."""

    path: Path
    device: str
    scope: str
    range_uj: int | None
    last_uj: int = 0
    turns_uj: int = 0
    limit_w: float | None = None

    def unwrap(self, counter_uj: int) -> int:
        """Return the counter as if it had never started again.

        A fall is one turn where the range is known, which holds if it is read at least once a turn (a turn takes
        minutes at full power); without a known range the fall is passed on and energy then says so.
        """
        if counter_uj < self.last_uj and self.range_uj:
            # The last value of a turn is range_uj itself: the step from there to 0 is one unit (about a microjoule).
            self.turns_uj += self.range_uj
        self.last_uj = counter_uj
        return self.turns_uj + counter_uj


@dataclass(slots=True)
class RaplSource:
    """All packages of this machine, and their memory where it is counted apart. Made by :func:`open_rapl`."""

    zones: tuple[Zone, ...]
    read_file: ReadFile = read_file
    name: str = "rapl"
    device: str = "cpu"
    scope: str = "package"
    period_s: float = 0.1
    counter_period_s: float | None = 0.1
    """The counters move every millisecond or so; seen at the sampler's pace they move at every reading."""
    _said: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Say again what is said once a launch."""
        self._said.clear()

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Read every counter. Raises OSError where one is gone."""
        readings = []
        for zone in self.zones:
            counter_uj = parse_int(self.read_file(zone.path / "energy_uj"))
            if counter_uj is None:
                reason = f"{zone.path / 'energy_uj'} holds no number"
                readings.append(Reading("energy_j", zone.device, now_ns, None, reason, zone.scope))
            else:
                value = zone.unwrap(counter_uj) / 1e6
                readings.append(Reading("energy_j", zone.device, now_ns, value, scope=zone.scope))
            if zone.limit_w is not None and zone.device not in self._said:
                self._said.add(zone.device)
                readings.append(Reading("power_limit_w", zone.device, now_ns, zone.limit_w, scope=zone.scope))
        return readings

    def close(self) -> None:
        """Nothing is held open."""


def open_rapl(*, root: Path = Path("/"), read_file: ReadFile = read_file) -> RaplSource | Unavailable:
    """Find the packages' counters, or say which file is missing or forbidden.

    Only the zones called ``package-N`` count, with ``dram`` beside them: ``core`` and ``uncore`` are inside the
    package, ``psys`` contains it, and ``intel-rapl-mmio`` shows the same counters a second time.
    """
    folder = root / "sys/class/powercap"
    paths = [*list_children(folder, "intel-rapl:[0-9]*")]
    zones = []
    for path in paths:
        try:
            name = read_file(path / "name")
            if not name.startswith("package-") and not name.startswith("dram"):
                continue
            counter_uj = parse_int(read_file(path / "energy_uj"))
            range_uj = parse_int(read_file(path / "max_energy_range_uj"))
        except PermissionError:
            return Unavailable(f"{path / 'energy_uj'} may be read by root only", _ALLOW)
        except OSError as error:
            return Unavailable(f"{path} cannot be read: {error.strerror or error}")
        zones.append(_make_zone(path, name, counter_uj or 0, range_uj, read_file))
    if any(zone.scope == "package" for zone in zones):
        return RaplSource(tuple(zones), read_file)
    return Unavailable(
        f"no RAPL energy counter: {folder} has no intel-rapl package zone",
        "on a real Intel or AMD machine: sudo modprobe intel_rapl_msr; virtual machines rarely have it",
    )


def _make_zone(path: Path, name: str, counter_uj: int, range_uj: int | None, read_file: ReadFile) -> Zone:
    # intel-rapl:1:0 is a part of package 1; two sockets have two zones that are both called dram.
    package = path.name.split(":")[1]
    if not name.startswith("package-"):
        return Zone(path, f"cpu:{name}-{package}", "memory", range_uj, counter_uj)
    limit_uw = None
    try:
        limit_uw = parse_int(read_file(path / "constraint_0_power_limit_uw"))
    except OSError:
        limit_uw = None  # AMD's zones have counters and no limits
    return Zone(path, f"cpu:{name}", "package", range_uj, counter_uj, limit_w=limit_uw / 1e6 if limit_uw else None)
