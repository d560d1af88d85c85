"""How figures of data sheets grew over the years: doubling times with intervals, and the devices that set records.

May import: core, catalog, stats, analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from assay.analysis.hardware_columns import HardwareColumn, find_column
from assay.analysis.hardware_table import HardwareTable
from assay.core.errors import UnknownNameError
from assay.core.words import Direction
from assay.stats.growth import Growth, find_records, fit_growth

if TYPE_CHECKING:
    from assay.catalog.hardware.facts import DeviceFacts

TRENDS = ("peak16_per_w", "peak8_per_w", "peak32_per_w", "bandwidth_per_w", "peak16", "peak32", "bandwidth", "memory",
          "tdp", "bytes_per_flop")  # fmt: skip
"""Figures whose growth is shown where none are named."""
GROUPS: Mapping[str, Callable[[DeviceFacts], str]] = MappingProxyType(
    {
        "category": lambda device: device.category,
        "vendor": lambda device: device.vendor,
        "none": lambda _: "all",
    }
)
"""What trends may be told apart by."""


@dataclass(frozen=True, slots=True)
class DevicePoint:
    """A device in a trend: when it came out, its figure, and whether it beat everything of its group before it."""

    device: DeviceFacts
    year: float
    value: float
    is_record: bool


@dataclass(frozen=True, slots=True)
class DeviceTrend:
    """The growth of one figure over the devices of one group, with their points in order of time."""

    column: HardwareColumn
    unit: str | None
    group: str
    growth: Growth
    points: tuple[DevicePoint, ...]

    @property
    def records(self) -> tuple[DevicePoint, ...]:
        """The devices that were best of all so far when they came out; none where neither side is better."""
        return tuple(point for point in self.points if point.is_record)


def trend_devices(
    table: HardwareTable, keys: Sequence[str] = TRENDS, *, by: str = "category", level: float = 0.95
) -> tuple[DeviceTrend, ...]:
    """Fit the growth of each figure for each group; by figure in the order given, then the largest group first.

    ``table`` must have ``keys`` and ``year``. A group without a device that has both is left out. Raises
    UnknownNameError.
    """
    import numpy as np

    if by not in GROUPS:
        raise UnknownNameError("grouping of trends", by, GROUPS)
    names = [GROUPS[by](device) for device in table.devices]
    year = table.column("year")
    designs = table.groups
    found = []
    for key in keys:
        column = find_column(key)
        values = table.column(key)
        trends = []
        for name in dict.fromkeys(names):
            mine = np.array([one == name for one in names]) & np.isfinite(values) & np.isfinite(year)
            places = [int(place) for place in np.flatnonzero(mine)]
            if not places:
                continue
            growth = fit_growth(year[places], values[places], groups=[designs[place] for place in places], level=level)
            trends.append(DeviceTrend(column, table.unit(key), name, growth, _points(table, column, places)))
        found += sorted(trends, key=lambda one: -one.growth.n)
    return tuple(found)


def _points(table: HardwareTable, column: HardwareColumn, places: Sequence[int]) -> tuple[DevicePoint, ...]:
    year, values = table.column("year")[list(places)], table.column(column.key)[list(places)]
    records: set[int] = set()
    if column.direction is not Direction.NEITHER:
        records = set(find_records(year, values, is_higher_better=column.direction is Direction.HIGHER))
    points = [
        DevicePoint(table.devices[place], float(year[at]), float(values[at]), at in records)
        for at, place in enumerate(places)
    ]
    return tuple(sorted(points, key=lambda one: (one.year, one.device.hw_id)))
