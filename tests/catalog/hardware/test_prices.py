"""What an offer is, and which offer says what a device costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from assay.catalog.hardware.prices import (
    CURRENT_DAYS,
    Price,
    PriceKind,
    Terms,
    choose_price,
    current_offers,
    first_day,
    group_by_device,
    last_day,
)
from assay.catalog.hardware.release_prices import release_prices
from assay.core.errors import AssayError

OFFER = Price(
    hw_id="a", device_text="A", kind=PriceKind.CLOUD, provider="P", region="r1", instance="m1", n_devices=1, usd=2.0,
    per_hour=True, terms=Terms.ON_DEMAND, as_of="2025-11-30", source="list.csv", source_row=1,
)  # fmt: skip


def offer(**fields: Any) -> Price:
    return replace(OFFER, **fields)


def test_a_price_is_for_all_devices_of_a_machine() -> None:
    eight = offer(n_devices=8, usd=55.0)
    assert eight.per_device_usd_h == eight.per_device_usd == 6.875
    assert offer(n_devices=None).per_device_usd_h is None
    to_buy = offer(kind=PriceKind.STREET, per_hour=False, terms=None)
    assert (to_buy.per_device_usd, to_buy.per_device_usd_h) == (2.0, None)
    assert to_buy.label == "P m1 r1, street price, 2025-11-30"
    assert eight.label == "P m1 r1, on demand, 2025-11-30"


@pytest.mark.parametrize(
    "fields",
    [
        {"usd": 0.0}, {"usd": -1.0}, {"usd": float("nan")}, {"usd": float("inf")}, {"n_devices": 0},
        {"per_hour": False}, {"terms": None}, {"kind": PriceKind.STREET}, {"as_of": "yesterday"}, {"as_of": ""},
        {"as_of": "2025-13"}, {"as_of": "2025-02-30"}, {"as_of": "25-1-1"},
    ],
)  # fmt: skip
def test_what_can_be_no_price_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(AssayError):
        offer(**fields)


def test_a_date_may_be_a_month_or_a_year() -> None:
    assert [first_day(text).isoformat() for text in ("2024", "2024-02", "2024-02-10")] == [
        "2024-01-01", "2024-02-01", "2024-02-10",
    ]  # fmt: skip
    assert [last_day(text).isoformat() for text in ("2024", "2024-02", "2024-12", "2024-02-10")] == [
        "2024-12-31", "2024-02-29", "2024-12-31", "2024-02-10",
    ]  # fmt: skip


@hypothesis.given(st.dates(min_value=date(1000, 1, 1), max_value=date(9990, 1, 1)), st.sampled_from([4, 7, 10]))
def test_a_day_lies_within_its_month_and_year(day: date, length: int) -> None:
    text = day.isoformat()[:length]
    assert first_day(text) <= day <= last_day(text)


def test_the_newest_quote_of_a_machine_counts() -> None:
    prices = [offer(as_of="2025-10", usd=9.0), offer(usd=3.0), offer(as_of="2025", usd=1.0)]
    assert current_offers(prices, "a") == (prices[1],)
    assert choose_price(prices, "a", as_of="2025-10") == prices[0]
    assert choose_price(prices, "a", as_of="2024") is None


def test_quotes_that_are_surely_old_are_no_longer_current() -> None:
    old = offer(instance="m2", as_of="2025-01", usd=1.0)
    perhaps_new = offer(instance="m3", as_of="2025", usd=1.5)
    prices = [OFFER, old, perhaps_new]
    assert (first_day(OFFER.as_of) - last_day(old.as_of)).days > CURRENT_DAYS
    assert current_offers(prices, "a") == (perhaps_new, OFFER)


def test_what_is_asked_narrows_the_offers() -> None:
    spot = offer(terms=Terms.SPOT, usd=0.5)
    other_region = offer(region="r2", usd=1.0)
    share = offer(n_devices=None, instance="m4", usd=0.1)
    street = offer(kind=PriceKind.STREET, per_hour=False, terms=None, usd=30_000.0)
    prices = [OFFER, spot, other_region, share, street, offer(hw_id="b"), offer(hw_id=None)]
    assert current_offers(prices, "a") == (other_region, OFFER)
    assert current_offers(prices, "a", terms=None) == (spot, other_region, OFFER)
    assert choose_price(prices, "a", terms=Terms.SPOT) == spot
    assert choose_price(prices, "a", region="r1") == OFFER
    assert choose_price(prices, "a", PriceKind.STREET) == street
    assert choose_price(prices, "c") is None
    assert set(group_by_device(prices)) == {"a", "b"}


def test_many_machines_of_one_provider_are_not_many_witnesses() -> None:
    """The cheapest machine is for a region, the median region for a provider, the median provider answers."""
    dear = [offer(region=f"r{n}", instance=f"m{size}", usd=6.0 + n + size) for n in range(9) for size in range(4)]
    cheap = [offer(provider=name, usd=usd, instance="x") for name, usd in (("Q", 2.0), ("R", 3.0))]
    assert choose_price(dear, "a") == next(one for one in dear if one.usd == 10.0 and one.instance == "m0")
    assert choose_price([*dear, *cheap], "a") == cheap[1]
    lower = choose_price([*dear, cheap[0]], "a")
    assert lower == cheap[0], "of two in the middle the cheaper, and no mean of them"


def test_a_provider_is_one_however_it_is_written() -> None:
    prices = [offer(provider="Lambda", usd=9.0), offer(provider="lambda", as_of="2025-12-01", usd=4.0)]
    assert current_offers(prices, "a") == (prices[1],)


@hypothesis.given(st.permutations(range(7)))
def test_the_order_of_a_list_does_not_matter(order: list[int]) -> None:
    prices = [offer(provider=f"p{n % 3}", instance=f"m{n}", usd=float(n % 4 + 1)) for n in range(7)]
    assert choose_price([prices[n] for n in order], "a") == choose_price(prices, "a")


def test_release_prices_are_the_catalogue_s() -> None:
    prices = release_prices()
    [one] = [price for price in prices if price.hw_id == "nvidia-geforce-rtx-4090"]
    assert (one.usd, one.as_of, one.source, one.kind) == (1599, "2022-10-12", "nv-geforce-news", PriceKind.RELEASE)
    assert one.per_device_usd_h is None
    assert len({price.hw_id for price in prices}) == len(prices) > 300
