"""Prices at release, as the catalogue ships them, in the form of any other price.

May import: standard library, core, catalog.
"""

from __future__ import annotations

from assay.catalog.hardware.load import find_source, load_catalogue
from assay.catalog.hardware.prices import Price, PriceKind

COLUMN = "release_price_usd"


def release_prices() -> tuple[Price, ...]:
    """Return what devices cost when they came out, in the order of the catalogue; those without a date are left out."""
    found = []
    for device in load_catalogue().values():
        if device.release_price_usd is None or device.release is None:
            continue
        source = find_source(device, COLUMN)
        found.append(
            Price(
                hw_id=device.hw_id,
                device_text=device.name,
                kind=PriceKind.RELEASE,
                provider=device.vendor,
                region="",
                instance="",
                n_devices=1,
                usd=device.release_price_usd,
                per_hour=False,
                terms=None,
                as_of=device.release,
                source=source.source_id,
            )
        )
    return tuple(found)
