"""A new device of one's own is a data sheet like any other: results on it resolve to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay.analysis.device_names import name_device
from assay.catalog.hardware.own import add_own_file
from assay.catalog.hardware.own_sheets import find_own_sheet
from assay.cli.main import app

LAB = """\
source: ACME data sheet, revision 3
as_of: 2026-05
devices:
  - id: acme-npu-1
    name: ACME NPU 1
    vendor: ACME
    architecture: First
    category: ai accelerator
    aliases: [NPU-1, acme one]
    tdp_w: 300
    memory_gib: 48
    memory_bandwidth_gb_s: 1638.4
    tensor_bf16_tflops: 250.5
  - id: nvidia-a100-sxm4-80gb
    source: power cap of our racks
    tdp_w: 300
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ASSAY_CATALOGUE", str(tmp_path / "own"))
    path = tmp_path / "lab file.yaml"
    path.write_text(LAB, encoding="utf-8")
    add_own_file(path)
    name_device.cache_clear()
    yield path
    name_device.cache_clear()


@pytest.mark.usefixtures("lab")
def test_figures_are_in_si_units_and_nothing_else_is_known() -> None:
    sheet = find_own_sheet("acme NPU 1")
    assert sheet is not None
    assert (sheet.hw_id, sheet.kind, sheet.tdp_w) == ("acme-npu-1", "accelerator", 300.0)
    assert sheet.memory_bytes == 48 * 2**30
    assert sheet.memory_bandwidth_bytes_per_s == 1638.4e9
    assert dict(sheet.rates) == {"tensor_bf16": 250.5e12}
    assert sheet.release is None
    assert sheet.source_id("tdp_w").startswith("own:")


@pytest.mark.usefixtures("lab")
def test_a_result_on_it_resolves_to_it_and_others_are_as_before() -> None:
    device = name_device("NPU-1", "npu")
    assert (device.label, device.hw_id) == ("ACME NPU 1", "acme-npu-1")
    assert device.hardware is not None
    assert device.hardware.peak("bf16") == 250.5e12
    assert name_device("A100-SXM4-80GB", "cuda").hw_id == "nvidia-a100-sxm4-80gb"
    assert find_own_sheet("nvidia-a100-sxm4-80gb") is None
    assert find_own_sheet("something else") is None


@pytest.mark.usefixtures("lab")
def test_it_is_shown_with_its_file_as_source() -> None:
    shown = CliRunner().invoke(app, ["catalog", "show", "acme one"])
    assert shown.exit_code == 0, shown.output
    assert "ACME NPU 1" in shown.output
    assert "own:" in shown.output
