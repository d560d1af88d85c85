"""Derived metrics: figures that can be computed by hand, missing inputs, layers, estimates and the device before."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType

import pytest

from assay.analysis.hardware_table import figure_of
from assay.catalog.grid import find_grid_factor
from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.derived import (
    DERIVED,
    GROUPS,
    REFERENCE,
    choose_derived,
    derive,
    find_derived,
    gather_inputs,
)
from assay.catalog.hardware.derived_metric import DerivedValue
from assay.catalog.hardware.facts import DeviceFacts, view_facts
from assay.catalog.hardware.generations import LEAST_APART, Predecessor, find_predecessors
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.catalog.hardware.quantities import QUANTITIES, DeviceInputs
from assay.catalog.hardware.standard_models import STANDARD_MODELS
from assay.core.errors import UnknownNameError

LEAST_METRICS = 26
SHEET: dict[str, float | str] = {
    "tdp_w": 100.0, "memory_gib": 16.0, "memory_bandwidth_gb_s": 400.0, "memory_kind": "GDDR6", "die_mm2": 200.0,
    "transistors_m": 10_000.0, "units": 40.0, "boost_mhz": 2000.0, "l2_mib": 8.0, "interconnect_gb_s": 50.0,
    "vector_fp64_tflops": 0.5, "vector_fp32_tflops": 20.0, "tensor_fp16_tflops": 80.0, "tensor_int8_tops": 160.0,
    "sparse_int8_tops": 320.0, "tensor_int4_tops": 320.0, "release": "2024-01-01", "release_price_usd": 1000.0,
}  # fmt: skip
RENT = Price(
    "composed", "Composed", PriceKind.CLOUD, "a cloud", "somewhere", "one.large", 2, 7.2, per_hour=True,
    terms=Terms.ON_DEMAND, as_of="2026-01", source="list.csv", source_row=3,
)  # fmt: skip


def device(hw_id: str = "composed", architecture: str = "New", **cells: float | str | None) -> DeviceFacts:
    """A device whose own figures are SHEET's, but for those given; None leaves one out."""
    found = {name: value for name, value in {**SHEET, **cells}.items() if value is not None}
    return DeviceFacts(
        hw_id, hw_id.title(), "Maker", architecture, "consumer gpu",
        MappingProxyType({
            name: CatalogueCell(hw_id, hw_id, name, value, Layer.OWN, "mine", "2026") for name, value in found.items()
        }),
    )  # fmt: skip


def values_of(inputs: DeviceInputs) -> dict[str, DerivedValue]:
    return {value.metric.name: value for value in derive(inputs)}


def test_there_are_enough_and_each_says_its_rule() -> None:
    assert len(DERIVED) >= LEAST_METRICS
    assert sum(len(metrics) for metrics in GROUPS.values()) == len(DERIVED)
    for metric in DERIVED.values():
        assert metric.title, metric.name
        assert metric.unit, metric.name
        assert metric.source, metric.name
        assert set(metric.needs) <= set(QUANTITIES), metric.name
        assert all(need in metric.formula for need in metric.needs if not metric.is_estimate), metric.name
        assert metric.is_estimate == (metric.note is not None and metric.note.startswith("estimate")), metric.name
    assert {metric.is_estimate for metric in GROUPS["estimates"]} == {True}


def test_figures_by_hand() -> None:
    before = device("older", "Old", tensor_fp16_tflops=40.0, memory_gib=8.0, memory_bandwidth_gb_s=200.0, tdp_w=80.0)
    grid = find_grid_factor("DE")
    found = values_of(DeviceInputs(device(), RENT, None, grid, Predecessor(before), before))
    expected = {
        "fp64_per_w": 5e9, "fp32_per_w": 2e11, "rate16_per_w": 8e11, "rate8_per_w": 1.6e12, "rate4_per_w": 3.2e12,
        "bandwidth_per_w": 4e9, "memory_per_w": 16 * 2**30 / 100,
        "fp32_per_usd": 2e10, "rate16_per_usd": 8e10, "rate8_per_usd": 1.6e11, "memory_per_usd": 16 * 2**30 / 1000,
        "bandwidth_per_usd": 4e8, "usd_per_h": 3.6, "rate16_per_rent": 8e13 * 3600 / 3.6,
        "memory_per_rent": 16 * 2**30 / 1e9 / 3.6, "rent_to_own": 1000 / 3.6,
        "bytes_per_flop32": 0.02, "bytes_per_flop16": 0.005, "balance32": 50, "balance16": 200, "balance8": 400,
        "memory_reads_per_s": 4e11 / (16 * 2**30), "interconnect_to_memory": 0.125, "gain16": 4, "gain8": 2,
        "fp32_per_mm2": 1e11, "rate16_per_mm2": 4e11, "transistors_per_mm2": 50, "rate16_per_transistor": 8e3,
        "w_per_mm2": 0.5, "flops_per_cycle": 250, "l2_to_memory": 8 / (16 * 1024),
        "generation_rate16": 2, "generation_bandwidth": 2, "generation_memory": 2, "generation_rate16_per_w": 1.6,
        "carbon_per_h": 0.1 * grid.g_co2e_per_kwh,
    }  # fmt: skip
    assert {name: value.value for name, value in found.items() if name in expected} == pytest.approx(expected)
    assert found["usd_per_h"].note == "a cloud one.large somewhere, on demand, 2026-01"
    assert found["generation_rate16"].note == "held against older"
    assert found["rate16_per_w"].layers == ("own",)
    assert set(found["rent_to_own"].layers) == {"own", "priced"}


def test_estimates_follow_the_roofline_and_say_so() -> None:
    grid = find_grid_factor("FR")
    found = values_of(DeviceInputs(device(), RENT, grid=grid, reference=device()))
    for model in STANDARD_MODELS:
        time_s = max(model.flops_per_unit / 8e13, model.bytes_per_unit / 4e11)
        rate = found[f"rate_{model.key}"]
        assert rate.value == pytest.approx(1 / time_s)
        assert rate.note is not None
        assert rate.note.startswith("estimate: the most that the roofline allows")
        assert found[f"energy_{model.key}"].value == pytest.approx(100 * time_s)
        assert found[f"cost_{model.key}"].value == pytest.approx(3.6 / 3600 * time_s * 1e6)
        assert found[f"carbon_{model.key}"].value == pytest.approx(grid.grams_of(100 * time_s * 1e6))
    assert found["latency_index"].value == pytest.approx(1)
    bound = [model.flops_per_unit / 8e13 > model.bytes_per_unit / 4e11 for model in STANDARD_MODELS]
    assert bound == [False, True, False]


def test_what_is_missing_is_null_with_its_reason() -> None:
    found = values_of(DeviceInputs(device(tdp_w=None, die_mm2=None, release_price_usd=None)))
    reasons = {name: value.reason for name, value in found.items() if value.value is None}
    assert reasons["rate16_per_w"] == "its power limit is not known"
    assert reasons["w_per_mm2"] == "its power limit is not known; its die area is not known"
    assert reasons["rate16_per_usd"] == "no price of it is known"
    assert "import-prices" in (reasons["usd_per_h"] or "")
    assert "no region is chosen" in (reasons["carbon_resnet50"] or "")
    assert reasons["latency_index"] == "no device of reference is chosen"
    assert reasons["generation_memory"] == "no device before it was looked for"
    nothing = values_of(DeviceInputs(device(**dict.fromkeys(SHEET))))  # type: ignore[arg-type]  # all left out
    assert all(value.value is None and value.reason for value in nothing.values())


def test_a_model_that_does_not_fit_has_no_estimate_and_sparse_rates_never_count() -> None:
    found = values_of(DeviceInputs(device(memory_gib=8.0)))
    assert found["rate_llama2_7b"].value is None
    assert "do not fit its memory" in (found["rate_llama2_7b"].reason or "")
    assert found["rate_bert_base"].value is not None
    assert values_of(DeviceInputs(device(tensor_int8_tops=None)))["rate8_per_w"].value is None


def test_memory_on_the_die_is_none_to_read_models_from() -> None:
    found = values_of(DeviceInputs(device(memory_kind="SRAM")))
    assert found["balance16"].reason == "its only memory is on the die"


def test_a_street_price_goes_before_the_one_at_release() -> None:
    street = Price(
        "composed", "Composed", PriceKind.STREET, "a shop", "", "", 1, 500.0, per_hour=False, terms=None,
        as_of="2026-02-01", source="shop.csv",
    )  # fmt: skip
    found = values_of(DeviceInputs(device(), purchase=street))
    assert found["rate16_per_usd"].value == pytest.approx(1.6e11)
    assert "a shop" in (found["rate16_per_usd"].note or "")


def test_the_device_before_follows_the_rule() -> None:
    facts = {
        one.hw_id: one
        for one in (
            device("small", "Old", tdp_w=75.0, release="2022-01-01"),
            device("large", "Old", tdp_w=200.0, release="2022-01-01"),
            device("card", "New", tdp_w=180.0, release="2024-01"),
            device("soon", "Sooner", tdp_w=180.0, release="2023-10-01"),
            device("stack", "New", tdp_w=180.0, memory_kind="HBM3"),
            device("huge", "New", tdp_w=600.0),
            device("unknown", "New", tdp_w=None),
        )
    }
    assert date(2024, 1, 1) - date(2023, 10, 1) < LEAST_APART  # so these two are one generation
    found = find_predecessors(facts)
    named = {hw_id: None if one.device is None else one.device.hw_id for hw_id, one in found.items()}
    assert named == {
        "small": None, "large": None, "card": "large", "soon": "large", "stack": None, "huge": None, "unknown": None,
    }  # fmt: skip
    assert all((one.device is None) == (one.reason is not None) for one in found.values())


@pytest.mark.parametrize(
    ("hw_id", "before"),
    [
        ("nvidia-h100-sxm5-80gb", "nvidia-a100-sxm4-80gb"),
        ("nvidia-geforce-rtx-4090", "nvidia-geforce-rtx-3090-ti"),
        ("amd-instinct-mi300x", "amd-instinct-mi250x"),
        ("google-tpu-v3", "google-tpu-v2"),
        ("intel-gaudi-3", "intel-gaudi-2"),
    ],
)
def test_devices_before_that_everybody_would_name(hw_id: str, before: str) -> None:
    found = find_predecessors(view_facts())[hw_id].device
    assert found is not None
    assert found.hw_id == before


def test_known_devices() -> None:
    inputs = gather_inputs(view_facts())
    h100 = values_of(inputs["nvidia-h100-sxm5-80gb"])
    assert h100["balance16"].value == pytest.approx(295, abs=1)
    assert h100["rate16_per_w"].value == pytest.approx(1.413e12, rel=1e-3)
    assert values_of(inputs[REFERENCE])["latency_index"].value == pytest.approx(1)


def test_the_quotients_are_those_of_the_kpi_report() -> None:
    """Two modules compute them, in files' units and in SI; they have to agree on every device."""
    pairs = {
        "rate16_per_w": "peak16_per_w", "fp32_per_w": "peak32_per_w", "rate8_per_w": "peak8_per_w",
        "bandwidth_per_w": "bandwidth_per_w", "bytes_per_flop16": "bytes_per_flop",
        "memory_reads_per_s": "reads_per_s", "rate16_per_usd": "peak16_per_usd", "memory_per_usd": "memory_per_usd",
    }  # fmt: skip
    facts = view_facts()
    metrics = choose_derived(pairs)
    for hw_id, inputs in gather_inputs(facts).items():
        ours = {value.metric.name: value.value for value in derive(inputs, metrics)}
        theirs = {name: figure_of(facts[hw_id], key) for name, key in pairs.items()}
        assert ours == pytest.approx(theirs), hw_id


def test_names() -> None:
    assert choose_derived(["balance16", "generation"])[0].name == "balance16"
    assert choose_derived(["per watt"]) == GROUPS["per watt"]
    assert len(choose_derived()) == len(DERIVED)
    with pytest.raises(UnknownNameError, match="balance16"):
        find_derived("balance_16")
    with pytest.raises(UnknownNameError):
        gather_inputs(view_facts(), reference="nothing")
