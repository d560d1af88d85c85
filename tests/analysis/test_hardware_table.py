"""Figures of devices: rules over the catalogue's columns, choices, gaps, dates, prices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.hardware_columns import COLUMNS, find_column, in_base_unit, parts_of
from assay.analysis.hardware_prices import price_devices
from assay.analysis.hardware_table import DeviceChoice, Pricing, figure_of, read_hardware, year_of
from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.facts import view_facts
from assay.catalog.hardware.fields import FACTS
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.core.errors import UnknownNameError, UsageError

composed = load_module("analysis.composed_devices")
FULL = {
    "release": "2020-05-14", "tensor_bf16_tflops": 312.0, "tensor_fp16_tflops": 300.0, "vector_fp32_tflops": 19.5,
    "memory_gib": 40.0, "memory_bandwidth_gb_s": 1555.0, "tdp_w": 400.0, "sparse_bf16_tflops": 624.0,
    "tensor_fp16_acc16_tflops": 999.0,
}  # fmt: skip


def test_a_figure_is_the_best_of_its_columns_in_base_units() -> None:
    one = composed.device("one", **FULL)
    assert figure_of(one, "peak16") == 312e12, "neither the sparse rate nor that of narrow sums"
    assert figure_of(one, "memory") == 40 * 2**30
    assert figure_of(one, "bandwidth") == 1555e9
    assert figure_of(one, "peak16_per_w") == pytest.approx(312e12 / 400)
    assert figure_of(one, "bytes_per_flop") == pytest.approx(1555e9 / 312e12)
    assert figure_of(one, "year") == pytest.approx(2020.366, abs=0.001)


def test_what_is_not_known_is_none_and_never_zero() -> None:
    one = composed.device("one", tdp_w=300.0)
    assert figure_of(one, "peak16") is None
    assert figure_of(one, "peak16_per_w") is None
    assert figure_of(one, "price") is None
    table = read_hardware(composed.facts(one, composed.device("two", **FULL)), ["peak16", "tdp"])
    assert math.isnan(table.column("peak16")[0])
    assert table.column("peak16")[1] == 312e12


def test_what_runs_faster_in_32_bits_is_run_in_32_bits() -> None:
    assert figure_of(composed.device("old", vector_fp16_tflops=0.13, vector_fp32_tflops=8.2), "peak16") == 8.2e12
    assert figure_of(composed.device("half", vector_fp32_tflops=8.2), "peak16") is None, (
        "its tensor units may be unknown"
    )
    assert "beside" not in find_column("peak16").formula
    assert "vector_fp32_tflops counts too" in find_column("peak16").formula.replace("tensor_fp32_tflops, ", "")


def test_memory_on_the_die_is_no_memory_to_read_a_model_from() -> None:
    assert figure_of(composed.device("sram", memory_bandwidth_gb_s=80_000.0, memory_kind="SRAM"), "bandwidth") is None


def test_prices_take_the_place_of_that_at_release() -> None:
    one = composed.device("one", **FULL, release_price_usd=10_000.0)
    assert figure_of(one, "price") == 10_000
    rented = Pricing("cloud", "USD/h", {"one": 2.0})
    assert figure_of(one, "peak16_per_usd", rented) == 156e12
    table = read_hardware(composed.facts(one), ["price", "peak16_per_usd", "peak16"], pricing=rented)
    assert [table.unit(key) for key in ("price", "peak16_per_usd", "peak16")] == [
        "USD/h", "FLOP/s/(USD/h)", "FLOP/s",
    ]  # fmt: skip


def test_one_offer_answers_for_each_device() -> None:
    def offer(hw_id: str | None, usd: float, terms: Terms = Terms.ON_DEMAND, n: int | None = 2) -> Price:
        return Price(
            hw_id, "text", PriceKind.CLOUD, f"maker of {usd}", "", "", n, usd, per_hour=True, terms=terms,
            as_of="2025-11-30", source="t",
        )  # fmt: skip

    pricing = price_devices([offer("one", 2), offer("one", 4), offer("one", 9), offer("two", 1, Terms.SPOT),
                             offer(None, 3), offer("three", 5, n=None)])  # fmt: skip
    assert pricing.by_device == {"one": 2.0}
    assert (pricing.title, pricing.unit) == ("cloud, on demand", "USD/h")
    assert price_devices([offer("two", 1, Terms.SPOT)], terms=None).by_device == {"two": 0.5}


def test_each_figure_says_whose_statements_it_rests_on() -> None:
    imported = {"tdp_w": CatalogueCell("one", "one", "tdp_w", 350.0, Layer.IMPORTED, "others", "2025")}
    one = composed.device("one", **{**FULL, "tdp_w": None})
    mixed = replace(one, cells={**one.cells, **imported})
    table = read_hardware(composed.facts(mixed), ["peak16", "tdp", "peak16_per_w", "memory", "price", "l2"],
                          pricing=Pricing("street", "USD", {"one": 500.0}))  # fmt: skip
    assert table.layers == {"shipped": 2, "imported": 1, "mixed": 1, "priced": 1}
    assert table.column("peak16_per_w")[0] == pytest.approx(312e12 / 350)


@pytest.mark.parametrize(
    ("text", "year"),
    [("2020", 2020.5), ("2020-01", 2020.04), ("2020-01-01", 2020.0), ("2020-12-31", 2020.9993), (None, None),
     ("soon", None), ("2020-13", None), ("2020-02-30", None)],
)  # fmt: skip
def test_dates_become_years(text: str | None, year: float | None) -> None:
    assert year_of(text) == (None if year is None else pytest.approx(year, abs=0.002))


def test_devices_are_chosen_by_kind_category_maker_and_time() -> None:
    given = composed.facts(
        composed.device("card", category="consumer gpu", release="2018-05"),
        composed.device("chip", category="tpu", vendor="Google", release="2021"),
        composed.device("cpu", category="server cpu", release="2021"),
        composed.device("new", category="datacentre gpu"),
    )

    def chosen(**choice: Any) -> list[str]:
        return [one.hw_id for one in read_hardware(given, ["tdp"], DeviceChoice(**choice)).devices]

    assert chosen() == ["card", "chip", "new"]
    assert chosen(categories=()) == ["card", "chip", "cpu", "new"]
    assert chosen(categories=("GPU",)) == ["card", "new"]
    assert chosen(vendors=("google",)) == ["chip"]
    assert chosen(since=2021, categories=()) == ["chip", "cpu"], "without a date it is in no span of time"
    assert chosen(until=2018) == ["card"]
    with pytest.raises(UnknownNameError):
        chosen(vendors=("Googol",))
    with pytest.raises(UsageError, match="No device"):
        chosen(since=2030)


def test_rules_speak_of_columns_that_there_are() -> None:
    for column in COLUMNS.values():
        assert set(column.best_of) <= set(FACTS)
        assert all(in_base_unit(name, 1) > 0 for name in column.best_of)
        assert parts_of(column.key) >= {column.key}
        assert column.formula
    assert parts_of("peak16_per_w") == {"peak16_per_w", "peak16", "tdp"}
    with pytest.raises(UnknownNameError, match="peak16"):
        find_column("peak_16")


def test_the_shipped_catalogue_gives_what_its_entries_say() -> None:
    devices = load_catalogue()
    table = read_hardware(view_facts(), ["peak16", "bandwidth", "memory", "tdp"], DeviceChoice(categories=()))
    assert len(table) == len(devices)
    for place, one in enumerate(table.devices):
        entry = devices[one.hw_id]
        known = [rate for rate in (entry.peak("bf16"), entry.peak("fp16")) if rate is not None]
        widest = max([*known, entry.peak("fp32") or 0.0]) if known else None
        has_memory = entry.memory_kind != "SRAM"
        for key, value in (
            ("peak16", widest), ("bandwidth", entry.memory_bandwidth_bytes_per_s if has_memory else None),
            ("memory", entry.memory_bytes), ("tdp", entry.tdp_w),
        ):  # fmt: skip
            found = table.column(key)[place]
            assert math.isnan(found) if value is None else found == pytest.approx(value)
