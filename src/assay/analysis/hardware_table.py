"""Devices of the catalogue as a table of numbers: which were asked for, their figures, gaps left as gaps.

Only what somebody states is in it; what was imputed never is. May import: core, catalog; numpy inside functions.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from assay.analysis.hardware_columns import PRICE, YEAR, HardwareColumn, find_column, in_base_unit, parts_of
from assay.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from assay.catalog.hardware.facts import DeviceFacts

KINDS = ("gpu", "accelerator", "cpu", "soc")
_RELEASE_PRICE = "release_price_usd"
_YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Which devices are looked at: of these categories or kinds and makers, released from ``since`` to ``until``.

    Without categories: GPUs and accelerators. A year includes all of it.
    """

    categories: tuple[str, ...] = ("gpu", "accelerator")
    vendors: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Pricing:
    """What devices cost: by ``hw_id``, in ``unit`` (USD, or USD/h of one device), and where that comes from."""

    title: str
    unit: str
    by_device: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class HardwareTable:
    """Devices and their figures: ``values`` (devices, columns) in base units, NaN where a figure is not known.

    ``pricing`` None takes the price at release that the facts state. ``layers`` counts the known figures by the layer
    of the catalogue that they rest on; one that rests on several is ``mixed``, a price that was handed in ``priced``.
    """

    devices: tuple[DeviceFacts, ...]
    columns: tuple[HardwareColumn, ...]
    values: Any
    pricing: Pricing | None = None
    layers: Mapping[str, int] = field(default_factory=dict)
    _places: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.devices)

    def column(self, key: str) -> Any:
        """The values of one figure, (devices,)."""
        return self.values[:, self._places[key]]

    def unit(self, key: str) -> str | None:
        """The unit of a figure: that of the price depends on which price was asked for."""
        unit = find_column(key).unit
        if unit is None or self.pricing is None or PRICE not in parts_of(key):
            return unit
        priced = self.pricing.unit
        return priced if key == PRICE else unit.replace("USD", f"({priced})" if "/" in priced else priced)

    @property
    def groups(self) -> tuple[str, ...]:
        """What each device shares a design with: its maker's architecture."""
        return tuple(f"{device.vendor} {device.architecture}" for device in self.devices)

    def rows(self, places: Sequence[int]) -> HardwareTable:
        """Only these devices, in this order."""
        kept = tuple(self.devices[place] for place in places)
        return replace(self, devices=kept, values=self.values[list(places)])


def read_hardware(
    facts: Mapping[str, DeviceFacts],
    keys: Iterable[str],
    choice: DeviceChoice | None = None,
    *,
    pricing: Pricing | None = None,
) -> HardwareTable:
    """Take the figures ``keys`` of the devices chosen. Raises UnknownNameError, and UsageError where none is left."""
    import numpy as np

    devices = choose_devices(facts, choice or DeviceChoice())
    columns = tuple(find_column(key) for key in dict.fromkeys(keys))
    values = np.full((len(devices), len(columns)), np.nan)
    layers: Counter[str] = Counter()
    for row, device in enumerate(devices):
        for place, column in enumerate(columns):
            value = figure_of(device, column.key, pricing)
            if value is not None:
                values[row, place] = value
                words = sorted(layers_of(device, column.key, pricing))
                layers[words[0] if len(words) == 1 else "mixed"] += 1
    places = {column.key: place for place, column in enumerate(columns)}
    return HardwareTable(devices, columns, values, pricing, dict(layers.most_common()), places)


def figure_of(device: DeviceFacts, key: str, pricing: Pricing | None = None) -> float | None:
    """Return one figure of one device in base units; None where something that it takes is not known."""
    column = find_column(key)
    if column.over is not None:
        above, below = (figure_of(device, part, pricing) for part in column.over)
        return None if above is None or not below else above / below
    if key == YEAR:
        return year_of(device.text("release"))
    if key == PRICE:
        return device.number(_RELEASE_PRICE) if pricing is None else pricing.by_device.get(device.hw_id)
    if column.unless is not None and device.text(column.unless[0]) == column.unless[1]:
        return None
    known = _known_of(device, column.best_of)
    return max(known + _known_of(device, column.beside)) if known else None


def _known_of(device: DeviceFacts, columns: Sequence[str]) -> list[float]:
    return [in_base_unit(name, value) for name in columns if (value := device.number(name)) is not None]


def layers_of(device: DeviceFacts, key: str, pricing: Pricing | None = None) -> frozenset[str]:
    """Return whose statements a known figure rests on: ``own``, ``shipped``, ``imported``, or ``priced``."""
    column = find_column(key)
    if column.over is not None:
        return frozenset().union(*(layers_of(device, part, pricing) for part in column.over))
    if key == PRICE and pricing is not None:
        return frozenset({"priced"})
    if key in {YEAR, PRICE}:
        used = ["release" if key == YEAR else _RELEASE_PRICE]
    else:
        known = [name for name in (*column.best_of, *column.beside) if device.number(name) is not None]
        used = [max(known, key=lambda name: in_base_unit(name, device.number(name) or 0.0))]
    return frozenset(str(layer) for name in used if (layer := device.layer(name)) is not None)


@functools.lru_cache(maxsize=4096)
def year_of(release: str | None) -> float | None:
    """A date as a number of years: ``2020-05-14`` is 2020.37. Of a month or year alone its middle counts.

    None where there is no date, or what stands there is none.
    """
    if release is None:
        return None
    try:
        year, month, day = ([int(part) for part in release.split("-")] + [0, 0])[:3]
        if not month:
            return year + 0.5
        moment = date(year, month, day or 15)
    except ValueError:
        return None
    return year + (moment - date(year, 1, 1)).days / _YEAR_DAYS


def choose_devices(facts: Mapping[str, DeviceFacts], choice: DeviceChoice) -> tuple[DeviceFacts, ...]:
    """Return the devices chosen, in the catalogue's order. Raises UnknownNameError, and UsageError where none is."""
    categories = _resolve(choice.categories, {*KINDS, *(one.category for one in facts.values())}, "category")
    vendors = _resolve(choice.vendors, {one.vendor for one in facts.values()}, "vendor")
    chosen = tuple(
        one
        for one in facts.values()
        if (not categories or {one.category, one.kind} & categories)
        and (not vendors or one.vendor in vendors)
        and _is_within(year_of(one.text("release")), choice)
    )
    if not chosen:
        raise UsageError(
            "No device of the catalogue is of this category, maker and time together.",
            hint="`assay catalog ls` lists what there is.",
        )
    return chosen


def _resolve(asked: Sequence[str], valid: set[str], what: str) -> set[str]:
    by_folded = {name.casefold(): name for name in valid}
    for name in asked:
        if name.casefold() not in by_folded:
            raise UnknownNameError(what, name, valid)
    return {by_folded[name.casefold()] for name in asked}


def _is_within(year: float | None, choice: DeviceChoice) -> bool:
    if choice.since is None and choice.until is None:
        return True
    if year is None:
        return False
    return (choice.since is None or year >= choice.since) and (choice.until is None or year < choice.until + 1)
