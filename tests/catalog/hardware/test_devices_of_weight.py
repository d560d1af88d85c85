"""Devices that people have must be in the table, and what is not on a data sheet must not."""

from __future__ import annotations

import pytest

from assay.catalog.hardware.load import find_hardware, load_catalogue

GIB = 2**30


def test_the_table_covers_what_it_promises() -> None:
    devices = load_catalogue().values()
    assert len(devices) >= 620
    makers = {(device.vendor, device.category) for device in devices}
    assert makers >= {
        ("NVIDIA", "datacentre gpu"),
        ("NVIDIA", "consumer gpu"),
        ("NVIDIA", "workstation gpu"),
        ("NVIDIA", "embedded gpu"),
        ("AMD", "datacentre gpu"),
        ("AMD", "consumer gpu"),
        ("AMD", "integrated gpu"),
        ("AMD", "server cpu"),
        ("AMD", "desktop cpu"),
        ("Intel", "consumer gpu"),
        ("Intel", "integrated gpu"),
        ("Intel", "ai accelerator"),
        ("Intel", "server cpu"),
        ("Apple", "soc"),
        ("Google", "tpu"),
        ("Amazon", "ai accelerator"),
        ("Qualcomm", "mobile cpu"),
    }


@pytest.mark.parametrize(
    ("hw_id", "gib", "units", "gb_s", "tdp_w"),
    [
        ("nvidia-geforce-rtx-5050", 8, 20, 320, 130),
        ("nvidia-geforce-rtx-3050-6gb", 6, 18, 168, 70),
        ("nvidia-rtx-2000-ada-generation", 16, 22, 224, 70),
        ("nvidia-rtx-pro-5000-blackwell", 48, 110, 1344, 300),
        ("nvidia-a16", 64, 40, 800, 250),
        ("nvidia-h800-pcie-80gb", 80, 114, 2039, 350),
        ("amd-radeon-rx-580", 8, 36, 256, 185),
        ("amd-radeon-pro-v620", 32, 72, 512, 300),
        ("intel-arc-pro-a60", 12, 16, 384, 130),
    ],
)
def test_figures_of_data_sheets(hw_id: str, gib: int, units: int, gb_s: float, tdp_w: float) -> None:
    device = find_hardware(hw_id)
    assert device.memory_bytes == gib * GIB
    assert (device.units, device.tdp_w) == (units, tdp_w)
    assert device.memory_bandwidth_bytes_per_s == gb_s * 1e9


def test_a_notebook_s_gpu_has_what_its_maker_fixes_and_no_more() -> None:
    laptops = [device for device in load_catalogue().values() if device.form_factor == "laptop"]
    assert len(laptops) >= 20
    for device in laptops:
        assert device.memory_bandwidth_bytes_per_s
        assert device.vector_lanes
        assert (device.tdp_w, device.base_clock_mhz, device.boost_clock_mhz) == (None, None, None), device.hw_id
        assert not device.rates, device.hw_id


def test_a_card_of_several_gpus_is_described_as_a_whole() -> None:
    card, one = find_hardware("nvidia-a16"), find_hardware("nvidia-a2")
    assert card.dies == 4
    assert card.vector_lanes is not None
    assert one.vector_lanes is not None
    assert card.vector_lanes == 4 * one.vector_lanes


def test_rates_of_added_cards_follow_from_lanes_and_clock() -> None:
    device = find_hardware("nvidia-geforce-rtx-5050")
    assert device.vector_lanes is not None
    assert device.boost_clock_mhz is not None
    assert device.rates["vector_fp32"] == pytest.approx(
        device.vector_lanes * 2 * device.boost_clock_mhz * 1e6, rel=1e-3
    )
    assert device.rates["tensor_bf16"] == pytest.approx(2 * device.rates["vector_fp32"], rel=1e-3)
