"""A metric over workloads and devices: one usable number a cell, which one it is, and why a cell is empty.

A row holds one kind of work in one unit (the basis with most devices), so its cells can be compared; numbers of
different rows cannot. A cell is measured, else imported, else predicted, and says which; nothing is averaged over
conditions. May import: core, catalog, store, analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from assay.analysis.device_names import DeviceName, name_device
from assay.analysis.ranking import basis_of
from assay.analysis.ranking_values import Basis
from assay.analysis.side_by_side import Group, Single, label_devices, read_groups
from assay.analysis.usable_numbers import (
    ON_SOFTWARE_ADAPTER,
    TABLES_READ,
    LeftOut,
    NumberWanted,
    count_left_out,
    count_parts,
    match_exactly,
    numbers_sql,
    select_any,
    usable_sql,
)
from assay.core.words import Direction, Provenance, Verdict
from assay.store.query import fetch_rows
from assay.store.schema import RESULTS

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

_OF_PROVENANCE = (Provenance.MEASURED, Provenance.IMPORTED, Provenance.PREDICTED)
_SPARE = 2
UNMEASURED = "no result of this workload on this device"


class Pick(StrEnum):
    """Which of several results of one workload on one device stands in its cell."""

    BEST = "best"
    NEWEST = "newest"
    MEDIAN = "median"
    """The middle one; of an even number the worse of the two."""


@dataclass(frozen=True, slots=True)
class MatrixRequest:
    """What is asked. ``where`` are fields of a selection (``precision``, ``batch``, ``mode``, ``family`` ...).

    The ``workloads`` and ``devices`` with most filled cells are shown, at most so many.
    """

    metric: str = "throughput_per_s"
    stat: str | None = None
    pick: Pick = Pick.BEST
    where: Mapping[str, Any] = field(default_factory=dict)
    workloads: int = 24
    devices: int = 24


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One number, or ``reason`` why there is none.

    ``results`` is how many it was picked from, ``conditions`` are those of the one picked. ``relative`` is how near it
    comes to the best of its row and provenance: 1 is the best itself. ``lo`` and ``hi`` bound it at ``level``.
    """

    value: float | None = None
    provenance: Provenance | None = None
    lo: float | None = None
    hi: float | None = None
    n: int | None = None
    results: int = 0
    result_id: str | None = None
    verdict: Verdict | None = None
    conditions: str = ""
    relative: float | None = None
    reason: str | None = None
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class MatrixDevice:
    """One column: a device, and how many of it take part together."""

    device: DeviceName
    accelerators: int | None

    @property
    def label(self) -> str:
        """``8 × NVIDIA H100 SXM``."""
        return label_devices(self.device.label, self.accelerators)


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One workload: what its cells have in common, and a cell for each device."""

    workload: str
    basis: Basis
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The matrix; ``workloads_found`` and ``devices_found`` count what there is beyond what is shown."""

    request: MatrixRequest
    unit: str
    direction: Direction
    devices: tuple[MatrixDevice, ...]
    rows: tuple[MatrixRow, ...]
    workloads_found: int
    devices_found: int
    left_out: tuple[LeftOut, ...]

    def count(self, provenance: Provenance | None) -> int:
        """How many cells have this provenance; None counts the empty ones."""
        return sum(cell.provenance is provenance for row in self.rows for cell in row.cells)


def build_matrix(store: Store, request: MatrixRequest) -> Matrix:
    """Build it. Raises StoreError, UsageError, UnknownNameError."""
    wanted = NumberWanted.of(request.metric, request.stat)
    selection = select_any(request.where)
    workloads = find_workloads(store, selection, wanted)
    # More than will be shown: a workload whose devices are none of those shown makes room for the next.
    names = [name for name, _ in workloads[: _SPARE * request.workloads]]
    groups = (
        read_groups(store, select_any({**request.where, "workload": match_exactly(names)}), wanted) if names else ()
    )
    by_workload: dict[str, list[Group]] = {}
    for group in groups:
        by_workload.setdefault(group.subject.workload, []).append(group)
    chosen = {name: _choose_basis(by_workload[name]) for name in names if name in by_workload}
    counted = _count_columns(chosen.values())
    columns = tuple(sorted(counted, key=lambda one: (-counted[one], one.label)))
    shown = columns[: request.devices]
    why = _read_unusable(store, selection, list(chosen))
    rows = tuple(_row(name, basis, found, shown, why, request, wanted) for name, (basis, found) in chosen.items())
    return Matrix(
        request=request,
        unit=wanted.unit,
        direction=wanted.direction,
        devices=shown,
        rows=_fullest(rows, request.workloads),
        workloads_found=len(workloads),
        devices_found=len(columns),
        left_out=count_left_out(store, selection),
    )


def _fullest(rows: Sequence[MatrixRow], most: int) -> tuple[MatrixRow, ...]:
    """The rows with most numbers, in that order; none without any."""
    counts = {row.workload: sum(cell.value is not None for cell in row.cells) for row in rows}
    filled = [row for row in rows if counts[row.workload]]
    return tuple(sorted(filled, key=lambda row: (-counts[row.workload], row.workload))[:most])


def find_workloads(store: Store, selection: Selection, wanted: NumberWanted) -> tuple[tuple[str, int], ...]:
    """Return workloads with a usable number, each with how many devices as written have one; most first.

    Raises StoreError.
    """
    condition, parameters = usable_sql(selection)
    rows = fetch_rows(
        store.location,
        f"""
        SELECT workload, count(DISTINCT coalesce(hardware, device, '')) AS devices, count(*) AS results
        FROM ({numbers_sql([wanted], "workload, hardware, device", condition)})
        GROUP BY workload ORDER BY devices DESC, results DESC, workload
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters * count_parts([wanted]),
        tables=TABLES_READ,
        versions=store.versions,
    )
    return tuple((row["workload"], row["devices"]) for row in rows)


def _choose_basis(groups: Sequence[Group]) -> tuple[Basis, list[Group]]:
    """Keep the groups of the basis that most devices have."""
    by_basis: dict[Basis, list[Group]] = {}
    for group in groups:
        by_basis.setdefault(basis_of(group.subject), []).append(group)

    def order(pair: tuple[Basis, list[Group]]) -> tuple[int, int, str]:
        basis, found = pair
        return -len({one.device_label for one in found}), -sum(one.results for one in found), basis.label

    return min(by_basis.items(), key=order)


def _count_columns(rows: Iterable[tuple[Basis, list[Group]]]) -> dict[MatrixDevice, int]:
    counts: dict[MatrixDevice, int] = {}
    for _, groups in rows:
        for column in {_column(group) for group in groups}:
            counts[column] = counts.get(column, 0) + 1
    return counts


def _column(group: Group) -> MatrixDevice:
    return MatrixDevice(group.device, group.subject.accelerators)


def _row(
    workload: str,
    basis: Basis,
    groups: Sequence[Group],
    columns: Sequence[MatrixDevice],
    why: Mapping[tuple[str, str], str],
    request: MatrixRequest,
    wanted: NumberWanted,
) -> MatrixRow:
    by_column: dict[MatrixDevice, list[Group]] = {}
    for group in groups:
        by_column.setdefault(_column(group), []).append(group)
    picked: list[MatrixCell] = []
    for column in columns:
        own = by_column.get(column, [])
        reason = why.get((workload, column.device.label), UNMEASURED)
        picked.append(_pick(own, request.pick, wanted.direction) if own else MatrixCell(reason=reason))
    return MatrixRow(workload, basis, tuple(relate_cells(picked, wanted.direction)))


def _pick(groups: Sequence[Group], pick: Pick, direction: Direction) -> MatrixCell:
    """Pick among the groups of the best provenance that there is."""
    provenance = next(one for one in _OF_PROVENANCE if any(group.provenance is one for group in groups))
    own = [group for group in groups if group.provenance is provenance]
    sign = -1.0 if direction is Direction.HIGHER else 1.0
    match pick:
        case Pick.BEST:
            group = min(own, key=lambda one: sign * one.best.value)
            single: Single | None = group.best
        case Pick.NEWEST:
            group = max(own, key=lambda one: (one.newest.at is not None, _time(one), one.newest.result_id))
            single = group.newest
        case Pick.MEDIAN:
            ordered = sorted(own, key=lambda one: sign * one.median)
            group = ordered[len(ordered) // 2]
            single = group.only
    value = group.median if single is None else single.value
    return MatrixCell(
        value=value,
        provenance=provenance,
        lo=None if single is None else single.lo,
        hi=None if single is None else single.hi,
        n=None if single is None else single.n,
        results=sum(one.results for one in own),
        result_id=group.newest.result_id if single is None else single.result_id,
        verdict=None if single is None else single.verdict,
        conditions=group.subject.label,
    )


def _time(group: Group) -> float:
    return 0.0 if group.newest.at is None else group.newest.at.timestamp()


def relate_cells(cells: Sequence[MatrixCell], direction: Direction) -> list[MatrixCell]:
    """Return the cells of a row, each with how near it comes to the best of its provenance."""
    best: dict[Provenance | None, float] = {}
    for cell in cells:
        if cell.value:
            known = best.setdefault(cell.provenance, cell.value)
            best[cell.provenance] = max(known, cell.value) if direction is Direction.HIGHER else min(known, cell.value)
    related = []
    for cell in cells:
        top = best.get(cell.provenance)
        share = (
            None
            if not cell.value or not top
            else (cell.value / top if direction is Direction.HIGHER else top / cell.value)
        )
        related.append(replace(cell, relative=share if direction is not Direction.NEITHER else None))
    return related


def _read_unusable(store: Store, selection: Selection, workloads: Sequence[str]) -> dict[tuple[str, str], str]:
    """Say, for workload and device, what became of results that may not be ranked."""
    where, parameters = selection.where()
    rows = fetch_rows(
        store.location,
        f"""
        SELECT workload, hardware, device, count(*) AS count, any_value(coalesce(
          CASE WHEN status <> 'ok' THEN status || ': ' || coalesce(reason, 'no reason recorded') END,
          CASE WHEN fidelity = 'failed' THEN 'wrong answers' END,
          CASE WHEN NOT usable THEN list_aggregate(map_keys(marks), 'string_agg', ', ') END,
          CASE WHEN verdict = 'contaminated' THEN verdict END,
          CASE WHEN {ON_SOFTWARE_ADAPTER} THEN 'a software adapter' END)) AS why
        FROM results WHERE {where} AND workload IN (SELECT unnest(?::VARCHAR[]))
          AND (NOT usable OR verdict = 'contaminated' OR {ON_SOFTWARE_ADAPTER}) GROUP BY ALL
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        [*parameters, list(workloads)],
        tables=(RESULTS,),
        versions=store.versions,
    )
    found: dict[tuple[str, str], str] = {}
    for row in rows:
        key = (row["workload"], name_device(row["hardware"], row["device"]).label)
        count = row["count"]
        found[key] = f"{count} result{'s' if count > 1 else ''} that may not be ranked: {row['why'] or 'marked'}"
    return found
