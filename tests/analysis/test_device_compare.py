"""Devices beside each other: order, best, ratio, prices and what is not compared."""

from __future__ import annotations

import pytest

from assay.analysis.device_compare import Terrain, compare_devices
from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.derived import DERIVED
from assay.catalog.hardware.facts import view_facts
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.core.errors import UnknownNameError

H100, L4, RTX = "nvidia-h100-sxm5-80gb", "nvidia-l4", "nvidia-geforce-rtx-4090"


def rent(hw_id: str, usd: float, terms: Terms = Terms.ON_DEMAND, region: str = "here") -> Price:
    return Price(
        hw_id, hw_id, PriceKind.CLOUD, "cloud", region, "m", 1, usd, per_hour=True, terms=terms, as_of="2026-01-01",
        source="list.csv",
    )  # fmt: skip


def street(hw_id: str, usd: float) -> Price:
    return Price(
        hw_id, hw_id, PriceKind.STREET, "shop", "", "", 1, usd, per_hour=False, terms=None, as_of="2026-01-01",
        source="shop.csv",
    )  # fmt: skip


def test_best_order_and_ratio() -> None:
    found = compare_devices(view_facts(), [L4, H100, L4, RTX], ["rate16_per_w", "fp64_per_w", "balance16"])
    assert [one.hw_id for one in found.devices] == [L4, H100, RTX]
    assert found.best(0) == {0}
    assert found.best(1) == {1}
    assert found.best(2) == frozenset()
    assert found.order(0) == (0, 1, 2)
    assert found.order(1) == (1, 2, 0)  # an L4 states no 64-bit rate, and so comes last
    ratio = found.ratio(1, 0)
    assert ratio is not None
    assert 0.8 < ratio < 0.9
    assert found.ratio(1, 1) is None


def test_rent_by_terms_and_region_moves_costs() -> None:
    prices = [rent(L4, 0.8), rent(L4, 0.3, Terms.SPOT), rent(L4, 1.6, region="there"), rent(H100, 4.0)]
    names = ["usd_per_h", "cost_bert_base"]

    def hours(terrain: Terrain | None) -> list[float | None]:
        found = compare_devices(view_facts(), [L4, H100], names, prices=prices, terrain=terrain)
        return [value.value for value in found.column(0)]

    assert hours(Terrain(region="there")) == pytest.approx([1.6, None])
    assert hours(Terrain(terms=Terms.SPOT)) == pytest.approx([0.3, None])
    assert hours(None) == pytest.approx([0.8, 4.0])


def test_street_prices_are_not_mixed_with_those_at_release() -> None:
    prices = [street(RTX, 2000.0)]
    name = ["memory_per_usd"]
    released = compare_devices(view_facts(), [RTX, H100], name, prices=prices).column(0)
    assert all(value.value is not None for value in released)
    now = compare_devices(view_facts(), [RTX, H100], name, prices=prices, terrain=Terrain(is_street=True)).column(0)
    assert now[0].value == pytest.approx(24 * 2**30 / 2000)
    assert (now[1].value, now[1].reason) == (None, "no price of it is known")


def test_own_and_imported_figures_say_so() -> None:
    cells = [
        CatalogueCell(L4, "L4", "tdp_w", 60.0, Layer.OWN, "mine", "2026"),
        CatalogueCell(L4, "L4", "die_mm2", 290.0, Layer.IMPORTED, "others", "2025"),
    ]
    (row,) = compare_devices(view_facts(cells), [L4], ["rate16_per_w"]).values
    assert set(row[0].layers) == {"shipped", "own"}
    shipped = compare_devices(view_facts(), [L4], ["rate16_per_w"]).values[0][0]
    assert row[0].value == pytest.approx((shipped.value or 0) * 72 / 60)


def test_all_devices_with_all_metrics_and_unknown_names() -> None:
    facts = view_facts()
    found = compare_devices(facts, facts)
    assert len(found.values) == len(facts)
    assert all(len(row) == len(DERIVED) for row in found.values)
    assert all((value.value is None) == (value.reason is not None) for row in found.values for value in row)
    with pytest.raises(UnknownNameError):
        compare_devices(facts, ["nvidia-l5"])
    with pytest.raises(UnknownNameError):
        compare_devices(facts, [L4], ["speed"])
