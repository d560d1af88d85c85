"""The table of prices behind a ranking's costs."""

from __future__ import annotations

from assay.analysis.ranking_prices import HourPrice
from assay.analysis.ranking_values import Ranking, RankingRequest
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.core.words import Provenance
from assay.report.kinds._ranking_prices import price_blocks
from assay.report.values import Table


def offer(as_of: str) -> HourPrice:
    price = Price(
        hw_id="nvidia-l4", device_text="L4", kind=PriceKind.CLOUD, provider="A Cloud", region="", instance="small",
        n_devices=2, usd=3.0, per_hour=True, terms=Terms.ON_DEMAND, as_of=as_of, source="list.csv", source_row=7,
    )  # fmt: skip
    return HourPrice(1.5, price)


def tables(**prices: HourPrice) -> list[Table]:
    ranking = Ranking(RankingRequest("resnet"), None, (), (), (), (), (), prices=prices)
    return [block for block in price_blocks(ranking) if isinstance(block, Table)]


def test_a_price_stands_with_its_offer_or_says_that_it_was_given() -> None:
    (table,) = tables(A=offer("2026-11"), B=HourPrice(0.7))
    keys = [column.key for column in table.columns]
    assert keys == ["device", "usd_per_h", "provider", "machine", "as_of", "source"], "no offer names a region"
    first, second = table.rows
    assert [cell.value for cell in first] == ["A", 1.5, "A Cloud", "small", "2026-11", "list.csv, row 7"]
    assert (first[1].provenance, second[1].provenance) == (Provenance.IMPORTED, None)
    assert [cell.value for cell in second] == ["B", 0.7, None, None, None, None]
    assert second[2].reason == "given with the question, and not by a source"


def test_offers_of_different_years_are_said_to_be() -> None:
    (table,) = tables(A=offer("2026-11"), B=offer("2023"))
    assert any("different years" in note for note in table.notes)
    (table,) = tables(A=offer("2026-11"), B=offer("2026"))
    assert not any("different years" in note for note in table.notes)


def test_without_a_cost_there_is_no_table() -> None:
    assert tables() == []
