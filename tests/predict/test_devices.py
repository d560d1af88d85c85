"""Names become profiles: sheets, several forms, unknown names, and this machine with and without a probe."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from assay.catalog.hardware.load import load_catalogue
from assay.core.errors import UnknownNameError, UsageError
from assay.predict.devices import effective_peak, find_profile, merge_probe, profile_of
from assay.predict.values import DeviceProfile


def test_a_device_is_found_by_any_of_its_names() -> None:
    by_name = [find_profile(name) for name in ("rtx4090", "RTX 4090", "nvidia-geforce-rtx-4090")]
    assert {one.hw_id for one in by_name} == {"nvidia-geforce-rtx-4090"}
    assert by_name[0].flops_per_s["fp16"] == pytest.approx(165.2e12)
    assert by_name[0].flops_per_s["fp32"] == pytest.approx(82.58e12)
    assert by_name[0].bandwidth_bytes_per_s == pytest.approx(1008e9)
    assert by_name[0].kind == "gpu"
    assert by_name[0].notes == ()


def test_of_several_forms_the_fastest_is_taken_and_said() -> None:
    h100 = find_profile("h100")
    assert h100.hw_id == "nvidia-h100-sxm5-80gb"
    assert "fits 3 devices" in h100.notes[0]
    assert "PCIe" in h100.notes[0]
    assert find_profile("a100").hw_id == "nvidia-a100-sxm4-80gb"


def test_an_unknown_device_gets_the_nearest_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown device 'rtx4091'.*RTX 409"):
        find_profile("rtx4091")


def test_this_machine_has_a_name_and_says_that_it_was_not_probed() -> None:
    here = find_profile("cpu")
    assert here.kind == "cpu"
    assert "no probe" in here.notes[-1]
    with pytest.raises(UsageError, match="no device 'cuda:7'"):
        find_profile("cuda:7")


def test_every_known_field_of_every_sheet_has_an_origin() -> None:
    plain = {"name", "hw_id", "vendor", "architecture", "kind", "origin", "notes", "launch_overhead_ns"}
    for device in load_catalogue().values():
        profile = profile_of(device)
        known = {one.name for one in fields(profile) if one.name not in plain and getattr(profile, one.name)}
        assert known <= profile.origin.keys(), device.hw_id
        assert set(profile.origin.values()) <= {"sheet"}


def test_what_was_measured_goes_before_what_a_sheet_says() -> None:
    sheet = find_profile("l4")
    probed = DeviceProfile(
        "this one", flops_per_s={"fp32": 1e12}, bandwidth_bytes_per_s=2e11, launch_overhead_ns=4000.0,
        origin={"flops_per_s": "probe", "bandwidth_bytes_per_s": "probe"},
    )  # fmt: skip
    merged = merge_probe(sheet, probed)
    assert merged.flops_per_s["fp32"] == 1e12
    assert merged.flops_per_s["fp16"] == sheet.flops_per_s["fp16"]
    assert merged.origin["bandwidth_bytes_per_s"] == "probe"
    assert merged.memory_bytes == sheet.memory_bytes


def test_what_has_no_unit_is_computed_in_single_precision() -> None:
    profile = DeviceProfile("x", flops_per_s={"fp32": 2.0, "fp16": 3.0}, vector_flops_per_s=1.0)
    assert [effective_peak(profile, one) for one in ("fp16", "int4", "fp32")] == [3.0, 2.0, 2.0]
    assert effective_peak(replace(profile, flops_per_s={}), "fp16") == 1.0
