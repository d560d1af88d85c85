"""Devices that no other is at least as good as in everything asked for, and better in something: Pareto fronts.

May import: core, catalog, stats, analysis; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from assay.analysis.hardware_columns import EXACT, HardwareColumn, find_column
from assay.analysis.hardware_tiers import CELL_ERROR
from assay.core.errors import UnknownNameError, UsageError
from assay.core.words import Direction

if TYPE_CHECKING:
    from assay.analysis.hardware_table import HardwareTable
    from assay.catalog.hardware.facts import DeviceFacts

FRONTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "power": ("tdp", "peak16"),
        "memory-power": ("tdp", "bandwidth"),
        "size-speed": ("memory", "bandwidth"),
        "balance": ("peak16", "bandwidth", "memory", "tdp"),
        "price": ("price", "peak16"),
        "memory-price": ("price", "memory"),
    }
)
"""Fronts that have a name, and the figures that each is of."""
DRAWS = 300


@dataclass(frozen=True, slots=True)
class FrontDevice:
    """A device and its figures: ``layer`` 1 is the front, 2 that without it, and so on.

    ``beaten_by`` is a device of the front that is at least as good in all and better in one. ``kept`` is the share of
    draws, every figure off by 5 %, in which it is on the front.
    """

    device: DeviceFacts
    values: tuple[float, ...]
    layer: int
    kept: float
    beaten_by: DeviceFacts | None = None

    @property
    def is_on_front(self) -> bool:
        """True where nothing beats it."""
        return self.layer == 1


@dataclass(frozen=True, slots=True)
class DeviceFront:
    """Devices by layer, and within it by the first figure, the best first; those without a figure by what lacks."""

    columns: tuple[HardwareColumn, ...]
    units: tuple[str | None, ...]
    devices: tuple[FrontDevice, ...]
    left_out: Mapping[str, int]
    draws: int

    @property
    def front(self) -> tuple[FrontDevice, ...]:
        """The devices that nothing beats."""
        return tuple(one for one in self.devices if one.is_on_front)


def front_figures(name: str) -> tuple[str, ...]:
    """Return the figures of a front that has a name. Raises UnknownNameError with the others."""
    if name not in FRONTS:
        raise UnknownNameError("front", name, FRONTS, hint="Or name figures: --figures tdp,peak16.")
    return FRONTS[name]


def find_device_front(table: HardwareTable, keys: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> DeviceFront:
    """Find the front of the devices that have all of ``keys``. Deterministic by ``seed``.

    Figures of data sheets are rounded and sources differ, so a front is also drawn with each figure but memory size off
    by 5 % (normal, of its logarithm; equal figures of one architecture stay equal): each device says how often it was
    on it.
    Raises UsageError for fewer than two figures, and for one of which neither side is better.
    """
    import numpy as np

    from assay.stats.fronts import find_beater, find_layers

    columns = tuple(find_column(key) for key in dict.fromkeys(keys))
    if len(columns) < 2:  # noqa: PLR2004  (of one figure the front is its best)
        raise UsageError(f"A front takes two figures or more; got {', '.join(keys) or 'none'}.")
    for column in columns:
        if column.direction is Direction.NEITHER:
            raise UsageError(f"Neither more nor less of {column.key} is better, so it has no front.")
    values = np.stack([table.column(column.key) for column in columns], axis=1)
    known = (values > 0).all(axis=1)
    left_out = {
        column.key: int((~(values[:, place] > 0)).sum())
        for place, column in enumerate(columns)
        if not (values[:, place] > 0).all()
    }
    rows, kept = np.flatnonzero(known), values[known]
    signs = np.array([1.0 if column.direction is Direction.LOWER else -1.0 for column in columns])
    costs = np.log(kept) * signs
    layers = find_layers(costs) if rows.size else np.zeros(0, dtype=np.int64)
    random = np.random.default_rng(seed)
    errors = _shared_errors(table, rows, kept)
    hits = np.zeros(rows.size)
    for _ in range(draws if rows.size else 0):
        shaken = costs.copy()
        for place, group in enumerate(errors):
            if columns[place].key not in EXACT:
                shaken[:, place] += random.normal(0, CELL_ERROR, int(group.max()) + 1)[group]
        hits += find_layers(shaken, most=1) == 1
    devices = []
    for at, row in enumerate(rows):
        beater = None if layers[at] == 1 else find_beater(costs, at, layers == 1)
        devices.append(
            FrontDevice(
                table.devices[int(row)],
                tuple(float(value) for value in kept[at]),
                int(layers[at]),
                float(hits[at] / draws) if draws else float(layers[at] == 1),
                None if beater is None else table.devices[int(rows[beater])],
            )
        )
    order = sorted(range(len(devices)), key=lambda at: (layers[at], costs[at][0], devices[at].device.hw_id))
    units = tuple(table.unit(column.key) for column in columns)
    return DeviceFront(columns, units, tuple(devices[at] for at in order), left_out, draws)


def _shared_errors(table: HardwareTable, rows: Any, values: Any) -> list[Any]:
    """Which figures err together: those of one architecture that are the same number, since one source erred once."""
    import numpy as np

    designs = [table.groups[int(row)] for row in rows]
    table_of = np.asarray(values)
    found: list[Any] = []
    for column in table_of.T if table_of.size else ():
        places: dict[tuple[str, float], int] = {}
        pairs = zip(designs, column, strict=True)
        found.append(np.array([places.setdefault((design, float(value)), len(places)) for design, value in pairs]))
    return found
