"""The view over the layers: one value a cell, the others kept, nothing invented."""

from __future__ import annotations

import math

import pytest

from assay.catalog.hardware.cells import CatalogueCell, Layer, prefer_cells
from assay.catalog.hardware.facts import facts_of, shipped_cell, view_facts
from assay.catalog.hardware.load import find_hardware, load_catalogue
from assay.core.errors import AssayError, UnknownNameError

A100 = "nvidia-a100-sxm4-80gb"


def cell(
    value: float | str,
    layer: Layer = Layer.IMPORTED,
    *,
    hw_id: str | None = A100,
    field: str = "tdp_w",
    source: str = "epoch:a.csv",
    as_of: str = "2026-01",
    confidence: float = 1.0,
) -> CatalogueCell:
    return CatalogueCell(hw_id, "A100", field, value, layer, source, as_of, None, confidence)


def own_device(hw_id: str = "acme-npu") -> list[CatalogueCell]:
    words = {"name": "ACME NPU", "vendor": "ACME", "architecture": "First", "category": "ai accelerator"}
    return [cell(word, Layer.OWN, hw_id=hw_id, field=field) for field, word in words.items()]


def test_without_cells_it_is_the_shipped_table_in_the_units_of_its_files() -> None:
    facts = view_facts()
    assert list(facts) == list(load_catalogue())
    device = facts[A100]
    assert (device.number("memory_gib"), device.number("memory_bandwidth_gb_s"), device.number("tdp_w")) == (
        80,
        2039,
        400,
    )
    assert device.number("tensor_bf16_tflops") == 312
    assert (device.text("memory_kind"), device.number("memory_kind"), device.text("tdp_w")) == ("HBM2e", None, None)
    assert (device.layer("tdp_w"), device.layer("l3_mib"), device.number("l3_mib")) == (Layer.SHIPPED, None, None)
    assert device.cells["tdp_w"].source_id == "nv-a100-ds"
    assert device.kind == find_hardware(A100).kind == "gpu"


def test_the_users_figures_go_first_then_the_shipped_ones_then_imports() -> None:
    given = [cell(410.0), cell(300.0, Layer.OWN, source="own:lab.yaml"), cell(0.3, field="vector_fp64_tflops")]
    assert view_facts(given)[A100].number("tdp_w") == 300
    assert view_facts(given[:1])[A100].number("tdp_w") == 400
    assert view_facts(given, prefer=(Layer.IMPORTED, Layer.SHIPPED))[A100].number("tdp_w") == 410
    only = view_facts(given, prefer=(Layer.IMPORTED,))[A100]
    assert set(only.cells) == {"tdp_w", "vector_fp64_tflops"}
    assert view_facts(given)["nvidia-l4"] == view_facts()["nvidia-l4"]


def test_an_import_fills_what_nobody_else_states() -> None:
    found = view_facts([cell(5.0, field="l3_mib")])[A100]
    assert (found.number("l3_mib"), found.layer("l3_mib")) == (5, Layer.IMPORTED)


def test_of_several_imports_the_newest_answers_whatever_the_order() -> None:
    given = [cell(1.0, as_of="2025-12-01"), cell(2.0, as_of="2026-03"), cell(3.0, as_of="")]
    for order in (given, given[::-1]):
        chosen = prefer_cells(order)
        assert chosen is not None
        assert chosen.value == 2
    same_day = [cell(1.0, source="b"), cell(2.0, source="a"), cell(3.0, source="c", confidence=0.9)]
    assert {one.value for order in (same_day, same_day[::-1]) if (one := prefer_cells(order))} == {2.0}


def test_what_is_too_unsure_never_answers() -> None:
    assert prefer_cells([cell(1.0, confidence=0.5)]) is None
    assert view_facts([cell(5.0, field="l3_mib", confidence=0.45)])[A100].number("l3_mib") is None


def test_own_devices_are_new_ones_and_names_without_a_device_are_left_out() -> None:
    given = [
        *own_device(),
        cell(70.0, Layer.OWN, hw_id="acme-npu"),
        cell(9.0, hw_id=None),
        cell(9.0, hw_id="unheard-of"),
    ]
    facts = view_facts(given)
    assert set(facts) - set(load_catalogue()) == {"acme-npu"}
    device = facts["acme-npu"]
    assert (device.name, device.vendor, device.kind) == ("ACME NPU", "ACME", "accelerator")
    assert (device.number("tdp_w"), device.layer("tdp_w")) == (70, Layer.OWN)
    assert "acme-npu" not in view_facts(given, prefer=(Layer.SHIPPED,))


def test_one_device_by_its_id() -> None:
    assert facts_of(A100, [cell(300.0, Layer.OWN)]).number("tdp_w") == 300
    shipped = shipped_cell(A100, "tdp_w")
    assert shipped is not None
    assert shipped.number == 400
    assert shipped_cell(A100, "l3_mib") is None
    with pytest.raises(UnknownNameError, match="nvidia-a100-sxm4-80gb"):
        facts_of("nvidia-a100-sxm4-81gb")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(AssayError, match="finite"):
        cell(value)
