"""What the store holds of devices and workloads, counted in SQL once for each of its states.

Devices go by the name that reports give them: a catalogue entry where the stored text means one, else the text.
May import: core, catalog, analysis, web.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.analysis.device_names import DeviceName, name_device
from assay.catalog.metrics import metrics as registry
from assay.store.rows import optional_aware
from assay.store.schema import HEADLINES

if TYPE_CHECKING:
    from assay.web.page import Ask


@dataclass(frozen=True, slots=True)
class Held:
    """How many results there are of something; ``raw`` are the stored names that mean it."""

    name: str
    measured: int
    imported: int
    others: int
    newest: datetime | None
    raw: tuple[str, ...] = ()
    device: DeviceName | None = None

    @property
    def total(self) -> int:
        """Results of every provenance."""
        return self.measured + self.imported


def read_devices(ask: Ask) -> tuple[Held, ...]:
    """Return every device with results, most results first; ``others`` counts its workloads. Raises StoreError."""
    return ask.kept("devices", lambda: _devices(ask))


def read_workloads(ask: Ask) -> tuple[Held, ...]:
    """Return every workload with results, most results first; ``others`` counts its hardware. Raises StoreError."""
    return ask.kept("workloads", lambda: tuple(_workloads(ask)))


def read_metrics(ask: Ask) -> tuple[str, ...]:
    """Return the metrics of the registry that newest results have, those with columns of their own first."""
    return ask.kept("metrics", lambda: _metrics(ask))


def _metrics(ask: Ask) -> tuple[str, ...]:
    held = ", ".join(f"bool_or({name} IS NOT NULL) AS {name}" for name in HEADLINES)
    columns = ask.rows(f"SELECT {held} FROM latest")[0]  # noqa: S608  (words of ours)
    listed = ask.rows(
        "SELECT DISTINCT unnest(list_transform(metrics, lambda one: one.name)) AS name FROM latest ORDER BY name"
    )
    names = dict.fromkeys([*(name for name in HEADLINES if columns[name]), *(row["name"] for row in listed)])
    known = set(registry.names())
    return tuple(name for name in names if name in known)


def find_device(ask: Ask, name: str) -> Held | None:
    """Return the device that a name means: its label, its catalogue id, or the text that is stored."""
    folded = name.casefold()
    every = read_devices(ask)
    for fits in (_is_label, _is_raw, _is_id):
        found = [one for one in every if fits(one, folded)]
        if found:
            return found[0] if len(found) == 1 else _together(found)
    return None


def _is_label(one: Held, name: str) -> bool:
    return one.name.casefold() == name


def _is_raw(one: Held, name: str) -> bool:
    return any(raw.casefold() == name for raw in one.raw)


def _is_id(one: Held, name: str) -> bool:
    return one.device is not None and one.device.hw_id == name and one.device.partition is None


def _devices(ask: Ask) -> tuple[Held, ...]:
    rows = ask.rows(
        """
        SELECT hardware, device, count(*) FILTER (provenance = 'measured') AS measured,
          count(*) FILTER (provenance = 'imported') AS imported, max(measured_at) AS newest
        FROM results WHERE hardware IS NOT NULL GROUP BY hardware, device
        """
    )
    workloads: dict[str, set[str]] = {}
    by_label: dict[str, list[tuple[Mapping[str, Any], DeviceName]]] = {}
    for row in rows:
        named = name_device(row["hardware"], row["device"])
        by_label.setdefault(named.label, []).append((row, named))
    pairs = ask.rows("SELECT DISTINCT hardware, device, workload FROM latest WHERE hardware IS NOT NULL")
    for pair in pairs:
        workloads.setdefault(name_device(pair["hardware"], pair["device"]).label, set()).add(pair["workload"])
    held = (_held(label, several, len(workloads.get(label, ()))) for label, several in by_label.items())
    return tuple(sorted(held, key=lambda one: (-one.measured, -one.imported, one.name)))


def _held(label: str, several: list[tuple[Mapping[str, Any], DeviceName]], workloads: int) -> Held:
    times = [time for row, _ in several if (time := optional_aware(row["newest"])) is not None]
    return Held(
        label,
        sum(row["measured"] for row, _ in several),
        sum(row["imported"] for row, _ in several),
        workloads,
        max(times, default=None),
        tuple(dict.fromkeys(row["hardware"] for row, _ in several)),
        several[0][1],
    )


def _together(found: Iterable[Held]) -> Held:
    several = list(found)
    times = [one.newest for one in several if one.newest is not None]
    return Held(
        several[0].name,
        sum(one.measured for one in several),
        sum(one.imported for one in several),
        max(one.others for one in several),
        max(times, default=None),
        tuple(dict.fromkeys(raw for one in several for raw in one.raw)),
        several[0].device,
    )


def _workloads(ask: Ask) -> Iterable[Held]:
    rows = ask.rows(
        """
        SELECT workload, count(*) FILTER (provenance = 'measured') AS measured,
          count(*) FILTER (provenance = 'imported') AS imported, max(measured_at) AS newest
        FROM results GROUP BY workload
        """
    )
    hardware = {
        row["workload"]: row["n"]
        for row in ask.rows("SELECT workload, count(DISTINCT hardware) AS n FROM latest GROUP BY workload")
    }
    held = (
        Held(
            row["workload"],
            row["measured"],
            row["imported"],
            hardware.get(row["workload"], 0),
            optional_aware(row["newest"]),
        )
        for row in rows
    )
    return sorted(held, key=lambda one: (-one.measured, -one.imported, one.name))
