"""Gaps of the hardware catalogue, filled with values that say how they came about and how far off they may be.

For looking at, and for nothing else: what trains, ranks, checks or settles a conflict must not import this module
(a test holds the packages to it). Evidence is what somebody states. A computed cell is neither learnt from nor tested
on: it follows from its inputs, which would let a test see the answer. May import: core, catalog, stats; numpy inside
functions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from assay.catalog.hardware.cells import Layer
from assay.catalog.hardware.entry import SourceKind
from assay.catalog.hardware.fields import FACTS, NUMBER_COLUMNS
from assay.catalog.hardware.load import load_sources
from assay.catalog.hardware.presence import Presence, chip_of, find_presence, is_number

if TYPE_CHECKING:
    from assay.catalog.hardware.facts import DeviceFacts
    from assay.stats.gaps import GapTable, Imputed
    from assay.stats.method_choice import MaskedTest

POPULATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "processors": ("cpu",),
        "accelerators": ("gpu", "soc", "accelerator"),
    }
)
"""Kinds of devices that are learnt from together: a CPU's watts say nothing of a GPU's."""
TIME = "release"
"""The one column that teaches and is never filled: 2^(year - 2015), so that its logarithm is time."""
_FIRST_YEAR = 2015
_NEVER = frozenset({"dies"})


@dataclass(frozen=True, slots=True)
class ImputedCell:
    """One gap of one device, filled; in the unit of the data files."""

    hw_id: str
    column: str
    imputed: Imputed


@dataclass(frozen=True, slots=True)
class RefusedCell:
    """One gap that stays empty, and why."""

    hw_id: str
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class PopulationTest:
    """The masked-cell tests of one population of devices."""

    population: str
    tests: tuple[MaskedTest, ...]


@dataclass(frozen=True, slots=True)
class Imputation:
    """Everything that could be said about the gaps, with the tests that allow it."""

    cells: tuple[ImputedCell, ...]
    refused: tuple[RefusedCell, ...]
    tests: tuple[PopulationTest, ...]


def impute_devices(
    facts: Mapping[str, DeviceFacts],
    *,
    hw_id: str | None = None,
    columns: Collection[str] = (),
    every_test: bool = False,
    seed: int = 0,
) -> Imputation:
    """Test the methods on masked cells, then fill the gaps of every device with what the tests allow.

    A gap is an empty cell of something that the device has (``presence``). ``hw_id`` and ``columns`` ask for the gaps
    of one device and of some columns; what is said of those is the same. Columns without gaps are tested only where
    ``every_test`` asks for it. Deterministic by ``seed``.
    """
    from assay.stats.gaps import Imputed
    from assay.stats.masking import count_gaps
    from assay.stats.method_choice import impute_gaps, judge_methods

    cells: list[ImputedCell] = []
    refused: list[RefusedCell] = []
    tested: list[PopulationTest] = []
    presence = find_presence(facts.values())
    for population, kinds in POPULATIONS.items():
        devices = [device for device in facts.values() if device.kind in kinds]
        if not devices or (hw_id is not None and facts[hw_id].kind not in kinds):
            continue
        table = build_table(devices, presence)
        rows = None if hw_id is None else [table.rows.index(hw_id)]
        wanted = [
            (place, situation)
            for (place, situation), count in count_gaps(table, rows).items()
            if (count or every_test) and (not columns or table.columns[place] in columns)
        ]
        tests = judge_methods(table, wanted, seed=seed)
        tested.append(PopulationTest(population, tests))
        for (row, column), found in impute_gaps(table, tests).items():
            if hw_id is not None and row != hw_id:
                continue
            if isinstance(found, Imputed):
                cells.append(ImputedCell(row, column, found))
            else:
                refused.append(RefusedCell(row, column, found.reason))
    return Imputation(tuple(cells), tuple(refused), tuple(tested))


def build_table(devices: Iterable[DeviceFacts], presence: Mapping[str, Mapping[str, Presence]]) -> GapTable:
    """Make the table that the methods learn from: stated numbers as logarithms, gaps marked, time beside them."""
    import numpy as np

    from assay.stats.gaps import GapTable

    held = tuple(devices)
    columns = [name for name in FACTS if is_number(name) and name not in _NEVER]
    columns = [name for name in columns if any(name in device.cells for device in held)]
    computed = {name for name, source in load_sources().items() if source.kind is SourceKind.COMPUTED}
    logs = np.full((len(held), len(columns) + 1), np.nan)
    is_gap = np.zeros(logs.shape, dtype=np.bool_)
    for row, device in enumerate(held):
        for place, column in enumerate(columns):
            logs[row, place] = _evidence(device, column, computed)
            is_gap[row, place] = presence[device.hw_id][column] is Presence.MISSING
        logs[row, -1] = _time(device)
    return GapTable(
        rows=tuple(device.hw_id for device in held),
        columns=(*columns, TIME),
        logs=logs,
        is_gap=is_gap,
        groups=tuple(_groups(device) for device in held),
        twins=tuple(_twin(device) for device in held),
        is_target=np.array([*(True for _ in columns), False]),
        is_whole=np.array([*(_is_whole(column) for column in columns), False]),
    )


def _evidence(device: DeviceFacts, column: str, computed: set[str]) -> float:
    cell, value = device.cells.get(column), device.number(column)
    if cell is None or value is None or value <= 0:
        return math.nan
    is_computed = cell.layer is Layer.SHIPPED and cell.source_id in computed
    return math.nan if is_computed else math.log(value)


def _time(device: DeviceFacts) -> float:
    found = re.match(r"(\d{4})(?:-(\d{2}))?", device.text("release") or "")
    if found is None:
        return math.nan
    month = 7 if found[2] is None else int(found[2])
    return (int(found[1]) + (month - 1) / 12 - _FIRST_YEAR) * math.log(2)


def _groups(device: DeviceFacts) -> tuple[Hashable, ...]:
    kind = device.kind
    return (device.vendor, device.architecture, kind), (device.vendor, kind), kind


def _twin(device: DeviceFacts) -> Hashable:
    """Variants in memory, socket or name of one product: the same chip with as many units on (CPUs: and clock)."""
    units = device.number("units")
    if units is None:
        return device.hw_id
    clock = device.number("base_mhz") if device.kind == "cpu" else None
    return (*chip_of(device), units, clock)


def _is_whole(column: str) -> bool:
    field = NUMBER_COLUMNS.get(column)
    return field is not None and field.is_whole
