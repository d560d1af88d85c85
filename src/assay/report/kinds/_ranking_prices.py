"""Prices behind a ranking's costs in the report ``hardware``: one row a device, with the offer and its day.

May import: core, analysis, report.
"""

from __future__ import annotations

from assay.analysis.ranking_values import Ranking
from assay.core.words import Provenance
from assay.report.kinds._over_many import drop_idle_columns
from assay.report.values import Block, Cell, Column, Table

_GIVEN = "given with the question, and not by a source"


def price_blocks(ranking: Ranking) -> list[Block]:
    """Return the table of prices that costs were computed with; nothing where there is no cost."""
    if not ranking.prices:
        return []
    rows = []
    for label, price in ranking.prices.items():
        offer = price.offer
        if offer is None:
            rows.append((Cell(label), Cell(price.usd), *(Cell(reason=_GIVEN) for _ in range(5))))
            continue
        rows.append(
            (
                Cell(label),
                Cell(price.usd, Provenance.IMPORTED),
                Cell(offer.provider or None, reason=None if offer.provider else "its list does not name the provider"),
                Cell(offer.instance or None, reason=None if offer.instance else "its list does not name the machine"),
                Cell(offer.region or None, reason=None if offer.region else "its list does not name the region"),
                Cell(offer.as_of),
                Cell(offer.source if offer.source_row is None else f"{offer.source}, row {offer.source_row}"),
            )
        )
    days = {price.offer.as_of[:4] for price in ranking.prices.values() if price.offer is not None}
    mixed = ("The offers are of different years: compare their days before their costs.",) if len(days) > 1 else ()
    table = Table(
        "prices",
        "Prices behind the costs",
        (
            Column("device", "device"),
            Column("usd_per_h", "an hour of one", unit="USD", description="On demand, for one device"),
            Column("provider", "provider"),
            Column("machine", "machine"),
            Column("region", "region"),
            Column("as_of", "as of", description="When the price was asked"),
            Column("source", "price list"),
        ),
        tuple(rows),
        caption="A price that is given goes first, else the stored offer that answers for the device (docs/prices.md).",
        notes=mixed,
    )
    return [drop_idle_columns(table)]
