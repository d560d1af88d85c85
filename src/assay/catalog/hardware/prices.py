"""What a device costs: an hour of it in a cloud, or to buy, always as somebody's offer with place, terms and day.

A price is never averaged away: what answers for a device is one of its offers, so that whoever doubts it can look it
up. Prices are imported (``store.catalogue``) or a user's own; only prices at release are shipped, as cells of the
catalogue. May import: standard library, core.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from assay.core.errors import AssayError

CURRENT_DAYS = 180
"""Offers that were surely quoted longer than this before the newest one take no part in what a device costs now."""
_DATE_LENGTHS = (4, 7, 10)


class PriceKind(StrEnum):
    """What the money buys."""

    CLOUD = "cloud"
    """An hour of a rented machine."""
    STREET = "street"
    """The device itself, in a shop or second hand, on a day."""
    RELEASE = "release"
    """The device itself, at the maker's price when it came out."""


class Terms(StrEnum):
    """How an hour is rented."""

    ON_DEMAND = "on_demand"
    RESERVED = "reserved"
    SPOT = "spot"


@dataclass(frozen=True, slots=True)
class Price:
    """One offer as it was quoted. ``usd`` is for all of it: all ``n_devices`` together, for an hour if ``per_hour``.

    ``hw_id`` is None where the catalogue lacks the device or the offer leaves open which it is; ``device_text`` is
    what the offer calls it. ``n_devices`` is None where it is not a whole number of devices that is rented (a share of
    one, a machine without any). ``region`` and ``instance`` are empty where the source names none. ``as_of`` is the
    day, month or year of the quote, ``source`` the file or the document, ``source_row`` its line there from 1.
    Raises AssayError for what can be no price.
    """

    hw_id: str | None
    device_text: str
    kind: PriceKind
    provider: str
    region: str
    instance: str
    n_devices: int | None
    usd: float
    per_hour: bool
    terms: Terms | None
    as_of: str
    source: str
    source_row: int | None = None

    def __post_init__(self) -> None:
        if not (self.usd > 0 and math.isfinite(self.usd)):
            raise AssayError(f"The price {self.usd!r} of {self.device_text!r} is not an amount above 0.")
        if self.n_devices is not None and self.n_devices < 1:
            raise AssayError(f"{self.n_devices} devices of {self.device_text!r} cannot be bought; expected 1 or more.")
        is_cloud = self.kind is PriceKind.CLOUD
        if self.per_hour is not is_cloud or (self.terms is not None) is not is_cloud:
            raise AssayError(
                f"A {self.kind} price of {self.device_text!r} is for {'an hour' if self.per_hour else 'good'} with "
                f"terms {self.terms}; expected an hour and terms of a cloud's price, and neither of others."
            )
        first_day(self.as_of)

    @property
    def per_device_usd(self) -> float | None:
        """USD for one device, an hour of it if ``per_hour``; None where no whole number of devices is offered."""
        return None if self.n_devices is None else self.usd / self.n_devices

    @property
    def per_device_usd_h(self) -> float | None:
        """USD for an hour of one device; None for a price to buy, and where no whole number of devices is offered."""
        return self.per_device_usd if self.per_hour else None

    @property
    def place(self) -> str:
        """Who offers it, in words: ``AWS p5.48xlarge us-east-1``."""
        return " ".join(filter(None, (self.provider, self.instance, self.region)))

    @property
    def label(self) -> str:
        """Where the figure comes from, in words: ``AWS p5.48xlarge us-east-1, on demand, 2025-11-30``."""
        terms = self.terms.replace("_", " ") if self.terms else f"{self.kind} price"
        return ", ".join(filter(None, (self.place, terms, self.as_of)))


def first_day(as_of: str) -> date:
    """Return the first day of a day, a month or a year: a quote of it is no older. Raises AssayError."""
    if len(as_of) in _DATE_LENGTHS:
        try:
            return date.fromisoformat(as_of + "-01-01"[len(as_of) - 4 :])
        except ValueError:
            pass
    raise AssayError(f"The date {as_of!r} is not understood.", hint="Expected 2025, 2025-11 or 2025-11-30.")


def last_day(as_of: str) -> date:
    """Return the last day of a day, a month or a year: a quote of it is no newer. Raises AssayError."""
    day = first_day(as_of)
    if len(as_of) == _DATE_LENGTHS[0]:
        return day.replace(month=12, day=31)
    return day if len(as_of) > _DATE_LENGTHS[1] else (day + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def choose_price(
    prices: Iterable[Price],
    hw_id: str,
    kind: PriceKind = PriceKind.CLOUD,
    *,
    terms: Terms | None = Terms.ON_DEMAND,
    region: str | None = None,
    as_of: str | None = None,
) -> Price | None:
    """Return the offer that says what one device costs, None where there is none.

    Of the offers that ``current_offers`` gives, the cheapest for a device stands for a provider's region (larger
    machines sell processors and memory too), the median of its regions for a provider, and the median of providers
    answers: many machines of one provider are not many witnesses. Of two in the middle it is the cheaper: an offer
    that somebody makes, and no mean that nobody asks for.
    """
    by_region: dict[tuple[str, str], Price] = {}
    for offer in current_offers(prices, hw_id, kind, terms=terms, region=region, as_of=as_of):
        by_region.setdefault((offer.provider.casefold(), offer.region), offer)  # the cheapest comes first
    by_provider: dict[str, list[Price]] = {}
    for (provider, _), offer in by_region.items():
        by_provider.setdefault(provider, []).append(offer)
    return _median([_median(offers) for offers in by_provider.values()]) if by_provider else None


def current_offers(
    prices: Iterable[Price],
    hw_id: str,
    kind: PriceKind = PriceKind.CLOUD,
    *,
    terms: Terms | None = Terms.ON_DEMAND,
    region: str | None = None,
    as_of: str | None = None,
) -> tuple[Price, ...]:
    """Return what one device is offered for, the cheapest first.

    ``terms`` (None: any) and ``region`` narrow it; ``as_of`` (a year, a month or a day) leaves out what was quoted
    later. Of quotes of the same machine by the same provider in the same region the newest counts, the cheaper of two
    of a day; those surely more than CURRENT_DAYS older than the newest of all are no longer current. Offers of a share
    of a device have no price of one.
    """
    newest: dict[tuple[object, ...], Price] = {}
    for one in prices:
        if (
            one.hw_id != hw_id
            or one.kind is not kind
            or one.n_devices is None
            or (kind is PriceKind.CLOUD and terms is not None and one.terms is not terms)
            or (region is not None and one.region != region)
            or (as_of is not None and one.as_of[: len(as_of)] > as_of)
        ):
            continue
        key = (one.provider.casefold(), one.region, one.instance, one.n_devices, one.terms, one.device_text)
        known = newest.get(key)
        if known is None or (one.as_of, -one.usd) > (known.as_of, -known.usd):
            newest[key] = one
    if not newest:
        return ()
    days = {one.as_of for one in newest.values()}
    oldest = max(first_day(day) for day in days) - timedelta(days=CURRENT_DAYS)
    current = {day for day in days if last_day(day) >= oldest}
    return tuple(sorted((one for one in newest.values() if one.as_of in current), key=_order))


def group_by_device(prices: Iterable[Price]) -> Mapping[str, tuple[Price, ...]]:
    """Return the prices of each device of the catalogue by its id; for asking after many devices."""
    found: dict[str, list[Price]] = {}
    for one in prices:
        if one.hw_id is not None:
            found.setdefault(one.hw_id, []).append(one)
    return {hw_id: tuple(ones) for hw_id, ones in found.items()}


def _median(offers: Sequence[Price]) -> Price:
    return sorted(offers, key=_order)[(len(offers) - 1) // 2]


def _order(one: Price) -> tuple[float, str, str, str]:
    """Cheapest first; what costs the same stands in an order that does not hang on the file's."""
    return one.per_device_usd or 0.0, one.provider, one.instance, one.region
