"""A user's own devices: YAML read strictly, faults with line and column, one file a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.catalog.hardware.cells import Layer
from assay.catalog.hardware.facts import view_facts
from assay.catalog.hardware.own import (
    OwnDeviceError,
    add_own_file,
    load_own_cells,
    load_own_devices,
    match_own,
    own_folder,
    read_own_file,
)
from assay.core.errors import UsageError

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
    release: 2026
    tensor_bf16_tflops: 250.5
  - id: nvidia-a100-sxm4-80gb
    source: power cap of our racks
    as_of: 2026-06-01
    tdp_w: 300
"""
NEW = "name: A\n    vendor: A\n    architecture: A\n    category: ai accelerator"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB, encoding="utf-8")
    return path


def test_a_file_has_new_devices_and_own_figures_of_known_ones(lab: Path) -> None:
    new, known = read_own_file(lab)
    assert (new.is_new, new.name, new.aliases, new.source) == (
        True,
        "ACME NPU 1",
        ("NPU-1", "acme one"),
        "ACME data sheet, revision 3",
    )
    assert (known.is_new, known.name, known.vendor) == (False, "NVIDIA A100 SXM4 80GB", "NVIDIA")
    assert (known.source, known.as_of) == ("power cap of our racks", "2026-06-01")
    (cell,) = known.cells
    assert (cell.field, cell.value, cell.layer, cell.source_id) == ("tdp_w", 300, Layer.OWN, "own:lab.yaml")
    facts = view_facts([*new.cells, *known.cells])
    assert facts["acme-npu-1"].number("tensor_bf16_tflops") == 250.5
    assert facts["acme-npu-1"].text("release") == "2026"
    assert facts["nvidia-a100-sxm4-80gb"].number("tdp_w") == 300
    assert facts["nvidia-a100-sxm4-80gb"].number("memory_gib") == 80


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("devices: []", "a list of devices"),
        ("[]", "no mapping"),
        ("devices:\n  - id: Big One\n", r"2:9: the id 'Big One' is none"),
        ("devices:\n  - id: acme\n", "nothing says where the figures of acme come from"),
        ("source: x\ndevices:\n  - id: acme\n", "lacks vendor, name, architecture, category"),
        ("source: x\ndevices:\n  - id: nvidia-l44\n", "did you mean 'nvidia-l4'"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n    name: L4\n", "of the shipped table"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n    tdp: 70\n", r"4:5: unknown key 'tdp'.*tdp_w"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n    tdp_w: 70 W\n", r"'70 W' is no number"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n    tdp_w: true\n", "True is no number"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n    tdp_w: 0\n", "slip of units"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n    tensor_bf16_tflops: 121e12\n", "slip of units"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n    release: soon\n", "no year, month or day"),
        ("source: x\nas_of: today\ndevices:\n  - id: nvidia-l4\n", "as_of: 'today'"),
        (f"source: x\ndevices:\n  - id: a\n    {NEW.replace('ai accelerator', 'toaster')}\n", "'toaster' is none of"),
        (f"source: x\ndevices:\n  - id: a\n    {NEW}\n    aliases: one\n", "a list of names"),
        ("source: x\ndevices:\n  - id: nvidia-l4\n  - id: nvidia-l4\n", "nvidia-l4 is there twice"),
        ("source: !!python/object:os.system x\ndevices: []\n", "tags are not read"),
        ("source: &a x\ndevices: []\n", "anchors"),
        ("source: [\n", "not YAML"),
    ],
)
def test_a_fault_says_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OwnDeviceError, match=f"(?s)bad.yaml.*{message}"):
        read_own_file(path)


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OwnDeviceError, match="cannot be read"):
        read_own_file(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"source: \xff")
    with pytest.raises(OwnDeviceError, match="cannot be read"):
        read_own_file(tmp_path / "latin.yaml")


def test_files_are_added_as_they_are_and_replaced_only_when_told(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    monkeypatch.setenv("ASSAY_CATALOGUE", str(folder))
    assert own_folder() == folder
    assert load_own_devices() == ()
    assert load_own_cells() == ()
    assert [one.hw_id for one in add_own_file(lab)] == ["acme-npu-1", "nvidia-a100-sxm4-80gb"]
    assert (folder / "lab.yaml").read_text(encoding="utf-8") == LAB
    with pytest.raises(UsageError, match="there already"):
        add_own_file(lab)
    lab.write_text(LAB.replace("tdp_w: 300", "tdp_w: 310"), encoding="utf-8")
    add_own_file(lab, replace=True)
    assert {cell.value for cell in load_own_cells() if cell.field == "tdp_w"} == {310}


def test_a_device_has_one_file(lab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    add_own_file(lab, folder=folder)
    other = tmp_path / "other.yaml"
    other.write_text(LAB, encoding="utf-8")
    with pytest.raises(OwnDeviceError, match=r"acme-npu-1 is in .*lab\.yaml"):
        add_own_file(other, folder=folder)
    assert not (folder / "other.yaml").exists()
    (folder / "other.yaml").write_text(LAB, encoding="utf-8")
    with pytest.raises(OwnDeviceError, match="a device has one file"):
        load_own_devices(folder)


@pytest.mark.parametrize("text", ["acme-npu-1", "ACME NPU 1", "acme npu1", "npu 1", "ACME ONE"])
def test_own_names_resolve_in_any_spelling(lab: Path, text: str) -> None:
    found = match_own(text, read_own_file(lab))
    assert found is not None
    assert found.hw_id == "acme-npu-1"


def test_other_names_do_not_resolve(lab: Path) -> None:
    assert match_own("ACME NPU 2", read_own_file(lab)) is None
    assert match_own("NVIDIA A100", read_own_file(lab)) is None
