"""What the store holds of devices, workloads, metrics and runs: counted once, and after a new run only that run.

Devices go by the name that reports give them: a catalogue entry where the stored text means one, else the text.
May import: core, catalog, analysis, store, web.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from assay.analysis.device_names import DeviceName, name_device
from assay.catalog.metrics import metrics as registry
from assay.core.words import Provenance
from assay.store.rows import optional_aware
from assay.store.schema import HEADLINES, RESULTS, VISIBLE
from assay.web.lists import one_of

if TYPE_CHECKING:
    from assay.web.page import Ask

_Key = TypeVar("_Key")


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
    return ask.kept("workloads", lambda: _workloads(ask))


def read_metrics(ask: Ask) -> tuple[str, ...]:
    """Return the metrics of the registry that results have, those with columns of their own first."""
    held = read_counts(ask).metrics
    names = dict.fromkeys([*(name for name in HEADLINES if name in held), *sorted(held)])
    known = set(registry.names())
    return tuple(name for name in names if name in known)


def count_choices(
    ask: Ask, column: str, provenance: str | None = None, *, most: int = 200
) -> list[tuple[str, str, int]]:
    """Return the values of a column of results with how many have each, most first: the choices of a filter.

    ``column`` is one of ``COUNTED``; ``provenance`` None counts results of every one.
    """
    found: dict[str, int] = {}
    for (kind, value), count in read_counts(ask).values[column].items():
        if value is not None and provenance in (None, kind):
            found[value] = found.get(value, 0) + count
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(value, value, count) for value, count in ordered[:most]]


def read_newest(ask: Ask, series_id: str) -> dict[str, Any] | None:
    """Return the newest result of one series as the view ``latest`` has it, without looking for those of others."""
    rows = ask.rows(
        "SELECT * FROM results WHERE series_id = ? ORDER BY measured_at DESC NULLS LAST, result_id DESC LIMIT 1",
        [series_id],
    )
    return rows[0] if rows else None


# -- counting --------------------------------------------------------------------------------------------------

COUNTED = ("family", "engine", "hardware", "precision")
"""Columns of results whose values filters offer."""
_MOST_NEW = 50
"""Runs that came since and are counted alone; of more, everything is counted again."""
_Place = tuple[str, str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """Results counted by what filters ask for. ``writes`` are the attempts whose rows are in it.

    ``places`` are by provenance, workload, hardware and device: how many, and when the newest was measured (UTC,
    without a zone as in the views). ``values`` are by column, then provenance and value. ``runs`` is by run.
    """

    writes: frozenset[str]
    places: dict[_Place, tuple[int, datetime | None]]
    values: dict[str, dict[tuple[str, str | None], int]]
    runs: dict[str, int]
    metrics: frozenset[str]


def read_counts(ask: Ask) -> Counts:
    """Return the counts of the present state. Published runs never change, so those known are not read again."""
    return ask.kept("counts", lambda: _count(ask))


def _count(ask: Ask) -> Counts:
    writes = frozenset(row["write_id"] for row in ask.rows(f"SELECT write_id FROM {VISIBLE}"))  # noqa: S608  (a name of ours)
    before: Counts | None = ask.last_kept("counts")
    if before is not None and before.writes <= writes:
        new = sorted(writes - before.writes)
        if len(new) <= _MOST_NEW:
            return _together(before, _read_counts(ask, new), writes) if new else replace(before, writes=writes)
    return replace(_read_counts(ask, None), writes=writes)


def _read_counts(ask: Ask, writes: Sequence[str] | None) -> Counts:
    """Count all results, or those of some attempts, in one pass."""
    condition = "TRUE" if writes is None else one_of("write_id", writes)
    # Of all there are, the newest of each series say which metrics there are; it is one row where results are hundreds.
    source = "latest" if writes is None else RESULTS
    sets = ", ".join(f'(provenance, "{column}")' for column in COUNTED if column != "hardware")
    rows = ask.rows(
        f"""
        SELECT provenance, workload, hardware, device, family, engine, "precision", run_id,
          grouping(workload) = 0 AS is_place, grouping(run_id) = 0 AS is_run, grouping(family) = 0 AS is_family,
          grouping(engine) = 0 AS is_engine, count(*) AS n, max(measured_at) AS newest
        FROM results WHERE {condition}
        GROUP BY GROUPING SETS ((provenance, workload, hardware, device), (run_id), {sets})
        """,  # noqa: S608  (words of ours; values are bound)
        writes or (),
    )
    heads = ", ".join(f"bool_or({name} IS NOT NULL) AS {name}" for name in HEADLINES)
    held = ask.rows(
        f"""
        SELECT {heads}, list_distinct(flatten(list(list_transform(metrics, lambda one: one.name)))) AS listed
        FROM {source} WHERE {condition}
        """,  # noqa: S608  (words of ours; values are bound)
        writes or (),
    )[0]
    found = Counts(frozenset(), {}, {column: {} for column in COUNTED}, {}, frozenset())
    for row in rows:
        kind, count = row["provenance"], row["n"]
        if row["is_place"]:
            found.places[kind, row["workload"], row["hardware"], row["device"]] = count, row["newest"]
            by_hardware = found.values["hardware"]
            by_hardware[kind, row["hardware"]] = by_hardware.get((kind, row["hardware"]), 0) + count
        elif row["is_run"]:
            found.runs[row["run_id"]] = count
        else:
            column = "family" if row["is_family"] else "engine" if row["is_engine"] else "precision"
            found.values[column][kind, row[column]] = count
    names = {name for name in HEADLINES if held[name]} | set(held["listed"] or ())
    return replace(found, metrics=frozenset(names))


def _together(before: Counts, new: Counts, writes: frozenset[str]) -> Counts:
    places = dict(before.places)
    for place, (count, newest) in new.places.items():
        known, time = places.get(place, (0, None))
        places[place] = known + count, max((one for one in (newest, time) if one is not None), default=None)
    values = {
        column: _add(counts, new.values[column]) for column, counts in before.values.items()
    }  # fmt: skip
    return Counts(writes, places, values, _add(before.runs, new.runs), before.metrics | new.metrics)


def _add(before: dict[_Key, int], new: dict[_Key, int]) -> dict[_Key, int]:
    return before | {key: before.get(key, 0) + count for key, count in new.items()}


# -- devices and workloads -------------------------------------------------------------------------------------


def find_device(ask: Ask, name: str) -> Held | None:
    """Return the device that a name means: its label, its catalogue id, or the text that is stored."""
    folded = name.casefold()
    every = read_devices(ask)
    for fits in (_is_label, _is_raw, _is_id):
        found = [one for one in every if fits(one, folded)]
        if found:
            return found[0] if len(found) == 1 else _join(found)
    return None


def _is_label(one: Held, name: str) -> bool:
    return one.name.casefold() == name


def _is_raw(one: Held, name: str) -> bool:
    return any(raw.casefold() == name for raw in one.raw)


def _is_id(one: Held, name: str) -> bool:
    return one.device is not None and one.device.hw_id == name and one.device.partition is None


def _devices(ask: Ask) -> tuple[Held, ...]:
    by_label: dict[str, list[tuple[_Place, int, datetime | None, DeviceName]]] = {}
    for place, (count, newest) in sorted(read_counts(ask).places.items(), key=_in_order):
        _, _, hardware, device = place
        if hardware is not None:
            named = name_device(hardware, device)
            by_label.setdefault(named.label, []).append((place, count, newest, named))
    held = (
        Held(
            label,
            sum(count for place, count, _, _ in several if place[0] == Provenance.MEASURED),
            sum(count for place, count, _, _ in several if place[0] == Provenance.IMPORTED),
            len({place[1] for place, _, _, _ in several}),
            _newest(newest for _, _, newest, _ in several),
            tuple(sorted({place[2] for place, _, _, _ in several if place[2] is not None})),
            several[0][3],
        )
        for label, several in by_label.items()
    )
    return tuple(sorted(held, key=lambda one: (-one.measured, -one.imported, one.name)))


def _join(found: Iterable[Held]) -> Held:
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


def _workloads(ask: Ask) -> tuple[Held, ...]:
    by_name: dict[str, list[tuple[_Place, int, datetime | None]]] = {}
    for place, (count, newest) in read_counts(ask).places.items():
        by_name.setdefault(place[1], []).append((place, count, newest))
    held = (
        Held(
            name,
            sum(count for place, count, _ in several if place[0] == Provenance.MEASURED),
            sum(count for place, count, _ in several if place[0] == Provenance.IMPORTED),
            len({place[2] for place, _, _ in several if place[2] is not None}),
            _newest(newest for _, _, newest in several),
        )
        for name, several in by_name.items()
    )
    return tuple(sorted(held, key=lambda one: (-one.measured, -one.imported, one.name)))


def _in_order(entry: tuple[_Place, object]) -> tuple[str, ...]:
    return tuple(part or "" for part in entry[0])


def _newest(times: Iterable[datetime | None]) -> datetime | None:
    return optional_aware(max((time for time in times if time is not None), default=None))
