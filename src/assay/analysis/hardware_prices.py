"""What devices cost, as one figure each: of imported offers, or at release. May import: core, catalog."""

from __future__ import annotations

from collections.abc import Iterable

from assay.analysis.hardware_table import Pricing
from assay.catalog.hardware.prices import Price, PriceKind, Terms, choose_price, group_by_device


def price_devices(
    prices: Iterable[Price],
    kind: PriceKind = PriceKind.CLOUD,
    *,
    terms: Terms | None = Terms.ON_DEMAND,
    region: str | None = None,
    as_of: str | None = None,
) -> Pricing:
    """Choose one offer for each device that has some (``catalog.hardware.prices.choose_price`` says which)."""
    found: dict[str, float] = {}
    for hw_id, offers in group_by_device(prices).items():
        chosen = choose_price(offers, hw_id, kind, terms=terms, region=region, as_of=as_of)
        if chosen is not None and chosen.per_device_usd is not None:
            found[hw_id] = chosen.per_device_usd
    said = [str(kind)]
    if kind is PriceKind.CLOUD:
        said.append("any terms" if terms is None else terms.replace("_", " "))
    said += [part for part in (region, None if as_of is None else f"as of {as_of}") if part]
    return Pricing(", ".join(said), "USD/h" if kind is PriceKind.CLOUD else "USD", found)
