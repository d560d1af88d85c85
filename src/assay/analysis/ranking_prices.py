"""What an hour of a device costs in a ranking: what the request says, else a stored offer, always with its origin.

Nothing here is a price for good: an hour of a cloud is compared with an hour, and what a device costs to buy is for the
derived metrics. May import: core, catalog, store, analysis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.analysis.device_names import DeviceName
from assay.catalog.hardware.prices import Price, choose_price, group_by_device

if TYPE_CHECKING:
    from assay.store import Store

NO_PRICE = "no price of an hour of it is stored or given"
_OF_A_PART = "it is a part of a device, and prices are of whole ones; give one by its name"


@dataclass(frozen=True, slots=True)
class HourPrice:
    """USD for an hour of one device, and whose price it is: ``offer`` is the stored one, None where it was given."""

    usd: float
    offer: Price | None = None

    @property
    def origin(self) -> str:
        """Where the figure comes from, in words."""
        return "as given" if self.offer is None else f"{self.offer.label}, stored from {self.offer.source}"


@dataclass(frozen=True, slots=True)
class PriceBook:
    """What devices cost an hour. ``given`` is by catalogue id or name and goes before ``stored``, by catalogue id."""

    given: Mapping[str, float] = field(default_factory=dict)
    stored: Mapping[str, tuple[Price, ...]] = field(default_factory=dict)

    def price_of(self, device: DeviceName) -> HourPrice | str:
        """Return the price of a device, or why there is none. A slice of a device has only a price of its own."""
        is_whole = device.partition is None
        given = self.given.get(device.label)
        if given is None and is_whole and device.hw_id is not None:
            given = self.given.get(device.hw_id)
        if given is not None:
            return HourPrice(given)
        if not is_whole:
            return _OF_A_PART
        offer = None
        if device.hw_id is not None:
            offer = choose_price(self.stored.get(device.hw_id, ()), device.hw_id)
        if offer is None or offer.per_device_usd_h is None:
            return NO_PRICE
        return HourPrice(offer.per_device_usd_h, offer)


def open_price_book(store: Store, given: Mapping[str, float]) -> PriceBook:
    """Return the prices that a request gives and those of the store, on demand. Raises StoreError."""
    from assay.store.catalogue import read_prices

    return PriceBook(given, group_by_device(read_prices(store)))
