"""A gap is a gap only where the device has what the column states."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from assay.catalog.hardware.facts import DeviceFacts, view_facts
from assay.catalog.hardware.fields import FACTS
from assay.catalog.hardware.presence import HAVING, Presence, find_presence, is_number

FILLED, MISSING, ABSENT = Presence.FILLED, Presence.MISSING, Presence.ABSENT


@pytest.fixture(scope="module")
def presence() -> dict[str, dict[str, Presence]]:
    return find_presence(view_facts().values())


def without(device: DeviceFacts, *columns: str) -> DeviceFacts:
    left = {column: cell for column, cell in device.cells.items() if column not in columns}
    return replace(device, cells=MappingProxyType(left))


@pytest.mark.parametrize(
    ("hw_id", "column", "expected"),
    [
        ("nvidia-h100-sxm5-80gb", "tensor_fp8_tflops", FILLED),
        # TU116 has no tensor cores, though its architecture has
        ("nvidia-geforce-gtx-1660", "tensor_units", ABSENT),
        ("nvidia-geforce-gtx-1660", "tensor_fp16_tflops", ABSENT),
        # fp64 tensor cores are GA100's, not GA102's
        ("nvidia-geforce-rtx-3090", "tensor_fp64_tflops", ABSENT),
        # The memory, power and silicon of an integrated GPU are the whole chip's
        ("apple-m1-8c-gpu", "memory_gib", ABSENT),
        ("apple-m1-8c-gpu", "tdp_w", ABSENT),
        ("apple-m1-8c-gpu", "l2_mib", MISSING),
        # Apple states no base clock of any GPU; NVIDIA does of most
        ("apple-m1-8c-gpu", "base_mhz", ABSENT),
        ("amd-epyc-7502", "memory_gib", ABSENT),
        ("amd-epyc-7502", "vector_lanes", ABSENT),
        ("amd-epyc-7502", "transistors_m", MISSING),
        # Empty says that a driver shows one device
        ("nvidia-h100-sxm5-80gb", "dies", ABSENT),
    ],
)
def test_what_a_cell_is(presence: dict[str, dict[str, Presence]], hw_id: str, column: str, expected: Presence) -> None:
    assert presence[hw_id][column] is expected


def test_a_sibling_on_the_same_chip_is_evidence() -> None:
    first, second = (view_facts()[hw_id] for hw_id in ("nvidia-geforce-rtx-3080-10gb", "nvidia-geforce-rtx-3090"))
    bare = without(first, "tensor_bf16_tflops")
    assert find_presence([bare, second])[first.hw_id]["tensor_bf16_tflops"] is MISSING
    assert find_presence([bare])[first.hw_id]["tensor_bf16_tflops"] is ABSENT


def test_every_cell_of_every_device_is_one_of_three(presence: dict[str, dict[str, Presence]]) -> None:
    assert set(presence) == set(view_facts())
    assert all(set(cells) == set(FACTS) for cells in presence.values())


def test_rules_are_of_columns_that_exist() -> None:
    assert set(HAVING) <= set(FACTS)
    assert is_number("tdp_w")
    assert is_number("tensor_int8_tops")
    assert not is_number("release")
