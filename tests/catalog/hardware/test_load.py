"""The files as they ship, and what becomes of files that are not right."""

from __future__ import annotations

import dataclasses

import pytest

from assay.catalog.hardware.entry import SourceKind
from assay.catalog.hardware.load import find_hardware, find_source, load_catalogue, load_sources, read_devices
from assay.core.errors import AssayError, UnknownNameError

HEADER = "hw_id,vendor,name,architecture,category,memory_gib,tensor_bf16_tflops,tensor_int8_tops,aliases,sources"
ROW = "acme-one,Acme,Acme One,A1,ai accelerator,80,133.8,267.6,One;A-One,sheet tensor_:half"


def test_the_catalogue_has_the_devices_that_people_ask_for() -> None:
    devices = load_catalogue()
    assert len(devices) >= 400
    for vendor, least in {"NVIDIA": 100, "AMD": 100, "Intel": 100, "Apple": 40, "Google": 9, "Amazon": 8}.items():
        assert sum(device.vendor == vendor for device in devices.values()) >= least


def test_units_are_those_of_the_names() -> None:
    h100 = find_hardware("nvidia-h100-sxm5-80gb")
    assert h100.memory_bytes == 80 * 2**30
    assert h100.memory_bandwidth_bytes_per_s == 3.35e12
    assert h100.l2_bytes == 50 * 2**20
    assert (h100.boost_clock_mhz, h100.tdp_w, h100.units, h100.unit_kind) == (1980, 700, 132, "SM")
    assert h100.kind == "gpu"


def test_sparse_and_dense_tensor_and_vector_are_apart() -> None:
    h100 = find_hardware("nvidia-h100-sxm5-80gb")
    assert h100.rates["tensor_bf16"] == 989.4e12
    assert h100.rates["sparse_bf16"] == 1978.9e12
    assert h100.rates["vector_fp16"] == 133.8e12
    assert h100.peak("bf16") == 989.4e12
    assert h100.peak("fp32") == 67e12
    assert h100.peak("int4") is None


def test_fp16_of_a_geforce_is_with_fp32_accumulation() -> None:
    card = find_hardware("nvidia-geforce-rtx-4090")
    assert card.rates["tensor_fp16"] == 165.2e12
    assert card.rates["tensor_fp16_acc16"] == 330.3e12
    assert card.peak("fp16") == 165.2e12


def test_every_cell_has_a_source_of_its_own() -> None:
    nvl = find_hardware("nvidia-h100-nvl-94gb")
    assert find_source(nvl, "tensor_bf16_tflops").kind is SourceKind.COMPUTED
    assert find_source(nvl, "sparse_bf16_tflops").source_id == "nv-h100-ds"
    assert find_source(nvl, "memory_bandwidth_gb_s").publisher == "Epoch AI"
    assert all(source.title and source.date for source in load_sources().values())


def test_entries_cannot_be_changed() -> None:
    device = find_hardware("apple-m1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        device.tdp_w = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        load_catalogue()["new"] = device  # type: ignore[index]
    with pytest.raises(TypeError):
        device.rates["vector_fp32"] = 1.0  # type: ignore[index]


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="nvidia-h100-sxm5-80gb"):
        find_hardware("nvidia-h100-sxm-80gb")


def test_a_row_is_read() -> None:
    (device,) = read_devices([HEADER, ROW], "acme.csv")
    assert (device.memory_bytes, device.aliases) == (80 * 2**30, ("One", "A-One"))
    assert dict(device.rates) == {"tensor_bf16": 133.8e12, "tensor_int8": 267.6e12}
    assert (device.source_id("memory_gib"), device.source_id("tensor_bf16_tflops")) == ("sheet", "half")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER.replace("memory_gib", "memory_gb"), ROW], "memory_gb"),
        ([HEADER.replace(",sources", ",software"), ROW], "sources"),
        ([HEADER, ROW + ",more"], "line 2: 11 cells, expected 10"),
        ([HEADER, ROW.replace("133.8", "about 134")], "line 2.*about 134"),
        ([HEADER, ROW.replace("Acme,", ",")], "line 2.*vendor"),
        ([], "hw_id"),
    ],
)
def test_what_is_not_a_device_is_refused_with_its_place(lines: list[str], said: str) -> None:
    with pytest.raises(AssayError, match=said):
        read_devices(lines, "acme.csv")
