"""Devices of the catalogue beside each other by what follows from their sheets and prices.

Nothing here was measured: what devices really do is ``analysis.ranking``. May import: core, catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from assay.catalog.grid import GridFactor
from assay.catalog.hardware.derived import REFERENCE, choose_derived, derive, gather_inputs
from assay.catalog.hardware.derived_metric import DerivedMetric, DerivedValue
from assay.catalog.hardware.facts import DeviceFacts
from assay.catalog.hardware.prices import Price, PriceKind, Terms, choose_price, group_by_device
from assay.core.errors import UnknownNameError
from assay.core.words import Direction


@dataclass(frozen=True, slots=True)
class Terrain:
    """Under what devices are held against each other: which offers count, whose power, what is 1.

    ``is_street`` takes street prices for the price of a device; one without a street price then has none, as prices
    of two kinds are not compared. Otherwise the price at release counts.
    """

    terms: Terms = Terms.ON_DEMAND
    region: str | None = None
    as_of: str | None = None
    is_street: bool = False
    grid: GridFactor | None = None
    reference: str = REFERENCE


@dataclass(frozen=True, slots=True)
class DeviceComparison:
    """Devices and their derived metrics: ``values[i][j]`` is metric ``j`` of device ``i``."""

    devices: tuple[DeviceFacts, ...]
    metrics: tuple[DerivedMetric, ...]
    values: tuple[tuple[DerivedValue, ...], ...]
    terrain: Terrain

    def column(self, place: int) -> tuple[DerivedValue, ...]:
        """One metric of all devices."""
        return tuple(row[place] for row in self.values)

    def best(self, place: int) -> frozenset[int]:
        """The devices that are best in one metric; none where nothing is better, or fewer than two have it."""
        direction = self.metrics[place].direction
        known = [(value.value, row) for row, value in enumerate(self.column(place)) if value.value is not None]
        if direction is Direction.NEITHER or len(known) < 2:  # noqa: PLR2004  (one device is best of nothing)
            return frozenset()
        values = [value for value, _ in known]
        top = max(values) if direction is Direction.HIGHER else min(values)
        return frozenset(row for value, row in known if value == top)

    def ratio(self, row: int, place: int) -> float | None:
        """A metric of one device over that of the first; None where one of the two is not known, or the first is 0."""
        ours, first = self.values[row][place].value, self.values[0][place].value
        return None if ours is None or not first else ours / first

    def order(self, place: int) -> tuple[int, ...]:
        """The devices, best first (largest first where nothing is better); those without the metric come last."""
        sign = 1 if self.metrics[place].direction is Direction.LOWER else -1
        column = [value.value for value in self.column(place)]
        known = [row for row, value in enumerate(column) if value is not None]
        return (
            *sorted(known, key=lambda row: sign * (column[row] or 0.0)),
            *(row for row, value in enumerate(column) if value is None),
        )


def compare_devices(
    facts: Mapping[str, DeviceFacts],
    hw_ids: Iterable[str],
    metrics: Sequence[str] = (),
    *,
    prices: Iterable[Price] = (),
    terrain: Terrain | None = None,
) -> DeviceComparison:
    """Hold devices of ``facts`` against each other, each once, in the order given.

    ``metrics`` are names of derived metrics or of their groups; all where none is named. Raises UnknownNameError.
    """
    where = terrain or Terrain()
    chosen = choose_derived(metrics)
    asked = tuple(dict.fromkeys(hw_ids))
    for hw_id in asked:
        if hw_id not in facts:
            raise UnknownNameError("device of the catalogue", hw_id, facts, hint="List them: assay catalog ls.")
    offers = group_by_device(prices)
    rents: dict[str, Price] = {}
    streets: dict[str, Price] = {}
    for hw_id in asked:
        ours = offers.get(hw_id, ())
        rent = choose_price(ours, hw_id, terms=where.terms, region=where.region, as_of=where.as_of)
        if rent is not None:
            rents[hw_id] = rent
        street = choose_price(ours, hw_id, PriceKind.STREET, as_of=where.as_of) if where.is_street else None
        if street is not None:
            streets[hw_id] = street
    inputs = gather_inputs(
        _without_release_prices(facts, asked) if where.is_street else facts,
        rents=rents, purchases=streets, grid=where.grid, reference=where.reference,
    )  # fmt: skip
    values = tuple(derive(inputs[hw_id], chosen) for hw_id in asked)
    return DeviceComparison(tuple(facts[hw_id] for hw_id in asked), chosen, values, where)


def _without_release_prices(facts: Mapping[str, DeviceFacts], asked: Iterable[str]) -> Mapping[str, DeviceFacts]:
    changed = dict(facts)
    for hw_id in asked:
        one = facts[hw_id]
        cells = MappingProxyType({name: cell for name, cell in one.cells.items() if name != "release_price_usd"})
        changed[hw_id] = DeviceFacts(one.hw_id, one.name, one.vendor, one.architecture, one.category, cells)
    return changed
