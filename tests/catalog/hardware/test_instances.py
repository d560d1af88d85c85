"""Clouds' machines: whose accelerators, how many, what share of one, and by whose table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from assay.catalog.hardware.instances import (
    find_instance,
    load_instances,
    load_name_sources,
    takes_any_accelerator,
)
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import match_hardware


@pytest.mark.parametrize(
    ("text", "hw_id", "n_devices"),
    [
        ("g5.xlarge", "nvidia-a10g", 1),
        ("g5.48xlarge", "nvidia-a10g", 8),
        ("g5g.xlarge", "nvidia-t4g", 1),
        ("p3dn.24xlarge", "nvidia-tesla-v100-sxm2-32gb", 8),
        ("p4d.24xlarge", "nvidia-a100-sxm4-40gb", 8),
        ("p4de.24xlarge", "nvidia-a100-sxm4-80gb", 8),
        ("p5.48xlarge", "nvidia-h100-sxm5-80gb", 8),
        ("inf2.48xlarge", "amazon-inferentia2", 12),
        ("dl1.24xlarge", "intel-gaudi", 8),
        ("a2-highgpu-4g", "nvidia-a100-sxm4-40gb", 4),
        ("a2-ultragpu-1g", "nvidia-a100-sxm4-80gb", 1),
        ("a3-ultragpu-8g", "nvidia-h200-sxm5-141gb", 8),
        ("g2-standard-24", "nvidia-l4", 2),
        ("ct5lp-hightpu-4t", "google-tpu-v5e", 4),
        ("Standard_NC24ads_A100_v4", "nvidia-a100-pcie-80gb", 1),
        ("NC24ads A100 v4", "nvidia-a100-pcie-80gb", 1),
        ("standard_nd96isr_mi300x_v5", "amd-instinct-mi300x", 8),
        ("Standard_NC80adis_H100_v5", "nvidia-h100-nvl-94gb", 2),
        ("BM.GPU4.8", "nvidia-a100-sxm4-40gb", 8),
        ("gpu_1x_a100", "nvidia-a100-pcie-40gb", 1),
        ("nvidia-tesla-a100", "nvidia-a100-sxm4-40gb", None),
    ],
)
def test_a_machine_is_so_many_of_a_device(text: str, hw_id: str, n_devices: int | None) -> None:
    match = match_hardware(text)
    assert (match.hw_id, match.n_devices, match.confidence) == (hw_id, n_devices, 0.9)
    assert match.partition is None


@pytest.mark.parametrize(
    ("text", "hw_id", "chips"),
    [
        ("v2-8", "google-tpu-v2", 4),
        ("v3-32", "google-tpu-v3", 16),
        ("v4-8", "google-tpu-v4", 4),
        ("v5p-8", "google-tpu-v5p", 4),
        ("v5litepod-8", "google-tpu-v5e", 8),
        ("v6e-1", "google-tpu-v6e", 1),
    ],
)
def test_a_slice_of_tpus_counts_chips(text: str, hw_id: str, chips: int) -> None:
    match = match_hardware(text)
    assert (match.hw_id, match.n_devices) == (hw_id, chips)


@pytest.mark.parametrize("text", ["v3-7", "v4-0", "v9-8", "g5.7xlarge", "5.xlarge", "m5.large", ""])
def test_what_is_no_such_machine_is_none(text: str) -> None:
    assert find_instance(text) is None
    assert match_hardware(text).hw_id is None


def test_a_share_of_a_device_is_a_part_whose_compute_is_not_told() -> None:
    match = match_hardware("g6f.large")
    assert match.hw_id == "nvidia-l4"
    assert match.partition is not None
    assert (match.partition.compute_share, match.partition.memory_share) == (None, 1 / 8)
    sixth = match_hardware("Standard_NV6ads_A10_v5").partition
    assert sixth is not None
    assert sixth.memory_share == pytest.approx(1 / 6)


def test_a_provider_that_does_not_say_which_variant_leaves_it_open() -> None:
    match = match_hardware("t1-90")
    assert match.hw_id is None
    assert set(match.candidates) == {"nvidia-tesla-v100-sxm2-16gb", "nvidia-tesla-v100-pcie-16gb"}
    assert match.n_devices == 2
    old = match_hardware("p2.8xlarge")
    assert (old.hw_id, old.candidates, old.n_devices) == (None, (), 8)
    assert "NVIDIA Tesla K80" in old.reason


def test_a_machine_without_accelerators_of_its_own_says_so() -> None:
    assert takes_any_accelerator("n1-highmem-8")
    match = match_hardware("n1-standard-16")
    assert match.hw_id is None
    assert "attaches" in match.reason


def test_what_was_asked_for_and_what_the_machine_has_must_agree() -> None:
    assert match_hardware("g5.xlarge", vendor="AMD").hw_id is None
    assert match_hardware("g5.xlarge", kind="cpu").hw_id is None
    assert match_hardware("g5.xlarge", vendor="nvidia", kind="gpu").hw_id == "nvidia-a10g"


def test_every_row_has_a_source_and_a_device_that_is_there() -> None:
    instances, sources = load_instances(), load_name_sources()
    assert len(instances) >= 280
    assert len({one.provider for one in instances.values()}) >= 8
    for one in instances.values():
        assert one.source_id in sources, one
        assert one.hw_id is None or one.hw_id in load_catalogue(), one
        assert one.hw_id is not None or one.device, one
        assert one.n_devices is None or 1 <= one.n_devices <= 16, one
        assert one.share is None or (0 < one.share < 1 and one.n_devices == 1), one
    assert all(source.title and source.publisher and source.date for source in sources.values())


def shared(path: str) -> list[dict[str, str]]:
    found = Path(__file__).parents[3] / ".." / "shared" / "data" / path
    if not found.exists():
        pytest.skip(f"{path} is not at hand: the shared data folder is not beside this checkout")
    return list(csv.DictReader(found.read_text(encoding="utf-8-sig").splitlines(keepends=True)))


def test_counts_are_those_of_a_price_list_but_for_its_known_slips() -> None:
    differing = set()
    known = 0
    for row in shared("prices/aws_gpu_instances_2025-11-30.csv"):
        machine = find_instance(row["instance"])
        assert machine is not None, row["instance"]
        known += 1
        count = machine.share if machine.share is not None else machine.n_devices
        if count != float(row["gpu_count"]):
            differing.add(row["instance"].partition(".")[0])
    assert known == 1157
    assert differing == {"p2"}, "it counts K80 boards, and each has two GPUs"


def test_devices_are_those_of_price_lists_but_for_their_known_slips() -> None:
    differing = set()
    for path, name, device in (
        ("prices/aws_gpu_instances_2025-11-30.csv", "instance", "gpu"),
        ("prices/cloud-gpus_fsdl.csv", "Name", "GPU Type"),
        ("prices/skypilot_excerpt.csv", "instance_type", "accelerator"),
    ):
        for row in shared(path):
            machine = find_instance(row[name])
            said = match_hardware(row[device])
            if machine is not None and machine.hw_id and machine.hw_id not in said.candidates:
                differing.add((row[name].partition(".")[0], row[device]))
    assert differing == {
        ("dl2q", "Qualcomm AI 100"),  # three cards are sold under this name, and none under it alone
        ("g5g", "ARM Mali-G78MP12"),  # T4G
        ("g6f", "NVIDIA L40"),  # a share of an L4
        ("gr6f", "NVIDIA L40"),
        ("1L40S", "L40 (48 GB)"),
        ("2L40S", "L40 (48 GB)"),
        ("4L40S", "L40 (48 GB)"),
        ("8L40s", "L40 (48 GB)"),
    }
