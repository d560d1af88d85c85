"""The shipped table is sound, and every kind of fault is found when it is planted."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from assay.catalog.hardware.check import Fault, cells_of, check_catalogue, measure_coverage
from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.load import find_hardware, load_catalogue, load_sources


def faults_of(of: str, *, rates: dict[str, float] | None = None, **changes: Any) -> list[str]:
    device = find_hardware(of)
    changed = replace(device, rates=MappingProxyType({**device.rates, **(rates or {})}), **changes)
    return [fault.column for fault in check_catalogue({changed.hw_id: changed})]


def test_the_shipped_table_is_sound() -> None:
    assert check_catalogue() == []


def test_every_source_is_used_and_every_cell_sourced() -> None:
    used = {device.source_id(column) for device in load_catalogue().values() for column in cells_of(device)}
    assert used == set(load_sources())


def test_coverage_adds_up() -> None:
    rows = measure_coverage()
    assert sum(row.devices for row in rows) == len(load_catalogue())
    assert all(row.cells == row.from_vendor + row.computed + row.secondary for row in rows)
    assert sum(row.cells for row in rows) > 8000


H100 = "nvidia-h100-sxm5-80gb"


@pytest.mark.parametrize(
    ("changes", "rates", "column"),
    [
        # The trap of every table: the sparse figure in the dense column
        ({}, {"tensor_bf16": 1978.9e12, "sparse_bf16": 989.4e12}, "sparse_bf16_tflops"),
        ({}, {"tensor_fp16": 100e12}, "tensor_fp16_tflops"),
        ({}, {"tensor_fp8": 500e12}, "tensor_fp8_tflops"),
        # GB for MB, GB/s for B/s, kW for W
        ({"memory_bytes": 80_000 * 2**30}, {}, "memory_gib"),
        ({"memory_bandwidth_bytes_per_s": 3350.0}, {}, "memory_bandwidth_gb_s"),
        ({"tdp_w": 0.7}, {}, "tdp_w"),
        # A bandwidth that HBM3 on 5120 bit cannot have
        ({"memory_bandwidth_bytes_per_s": 8e12}, {}, "memory_bandwidth_gb_s"),
        ({"memory_kind": "HBM9"}, {}, "memory_kind"),
        # Lanes and clock do not give the rate
        ({"vector_lanes": 14592}, {}, "vector_fp32_tflops"),
        ({"base_clock_mhz": 2400}, {}, "base_mhz"),
        ({"threads": 500}, {}, "threads"),
        ({"unit_kind": None}, {}, "unit_kind"),
        ({"category": "toaster"}, {}, "category"),
        ({"release": "soon"}, {}, "release"),
        ({"hw_id": "NVIDIA H100"}, {}, "hw_id"),
        ({"source_rules": (("", "hearsay"),)}, {}, "tdp_w"),
        ({"source_rules": (("", "nv-h100-ds"), ("l3", "epoch"))}, {}, "sources"),
    ],
)
def test_a_planted_fault_is_found(changes: dict[str, Any], rates: dict[str, float], column: str) -> None:
    assert column in faults_of(H100, rates=rates, **changes)


def test_slower_with_less_exact_accumulation_is_a_fault() -> None:
    assert faults_of("nvidia-geforce-rtx-4090", rates={"tensor_fp16_acc16": 100e12}) == ["tensor_fp16_acc16_tflops"]


def test_two_entries_of_one_name_are_a_fault() -> None:
    device: Hardware = find_hardware(H100)
    twin = replace(device, hw_id="nvidia-h100-twin")
    assert check_catalogue({device.hw_id: device, twin.hw_id: twin}) == [
        Fault("nvidia-h100-twin", "name", f"{H100} has the same name")
    ]
