"""Names as drivers, benchmark submissions, price lists and people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import match_hardware
from assay.catalog.hardware.words import describe

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "hw_id"),
    [
        # NVML
        ("NVIDIA A100-SXM4-80GB", "nvidia-a100-sxm4-80gb"),
        ("NVIDIA A100 80GB PCIe", "nvidia-a100-pcie-80gb"),
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-sxm5-80gb"),
        ("NVIDIA H100 PCIe", "nvidia-h100-pcie-80gb"),
        ("NVIDIA H100 NVL", "nvidia-h100-nvl-94gb"),
        ("Tesla V100-SXM2-16GB", "nvidia-tesla-v100-sxm2-16gb"),
        ("Tesla P100-PCIE-16GB", "nvidia-tesla-p100-pcie-16gb"),
        ("NVIDIA GeForce RTX 4090", "nvidia-geforce-rtx-4090"),
        ("NVIDIA GeForce RTX 4090 D", "nvidia-geforce-rtx-4090-d"),
        ("NVIDIA GeForce GTX 1080 Ti", "nvidia-geforce-gtx-1080-ti"),
        ("NVIDIA RTX 6000 Ada Generation", "nvidia-rtx-6000-ada-generation"),
        ("NVIDIA B300 SXM6 AC", "nvidia-b300-sxm-270gb"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "nvidia-geforce-rtx-4090-laptop"),
        ("NVIDIA GeForce RTX 3060 Mobile", "nvidia-geforce-rtx-3060-laptop"),
        ("Tesla T4G", "nvidia-t4g"),
        # other drivers
        ("AMD Instinct MI300X", "amd-instinct-mi300x"),
        ("Intel(R) Arc(TM) Pro B60 Graphics", "intel-arc-pro-b60"),
        ("Apple M3 Max 40-core GPU", "apple-m3-max-40c-gpu"),
        ("Apple M2 Max", "apple-m2-max"),
        # /proc/cpuinfo
        ("AMD EPYC 7763 64-Core Processor", "amd-epyc-7763"),
        ("Intel(R) Xeon(R) Platinum 8480+", "intel-xeon-platinum-8480-plus"),
        ("Intel(R) Xeon(R) Platinum 8480C", "intel-xeon-platinum-8480c"),
        ("Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", "intel-xeon-gold-6338"),
        ("12th Gen Intel(R) Core(TM) i7-12800H", "intel-core-i7-12800h"),
        ("AMD Ryzen 5 5625U with Radeon Graphics", "amd-ryzen-5-5625u"),
        ("AMD Ryzen 7 7840HS w/ Radeon 780M Graphics", "amd-ryzen-7-7840hs"),
        ("AMD Ryzen AI 9 HX 370 w/ Radeon 890M", "amd-ryzen-ai-9-hx-370"),
        ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "intel-core-i7-1165g7"),
        ("Snapdragon(R) X Elite - X1E80100 - Qualcomm(R) Oryon(TM) CPU", "qualcomm-snapdragon-x-elite-x1e-80-100"),
        # benchmarks, price lists, people
        ("NVIDIA A100-SXM-80GB (400W)", "nvidia-a100-sxm4-80gb"),
        ("NVIDIA H200-SXM-141GB-CTS", "nvidia-h200-sxm5-141gb"),
        ("AMD MI300X-NPS1-SPX-192GB-750W", "amd-instinct-mi300x"),
        ("Intel® Gaudi® 2 AI Accelerator", "intel-gaudi-2"),
        ("TPU-v4", "google-tpu-v4"),
        ("2xAMD EPYC 9374F", "amd-epyc-9374f"),
        ("8x H100 80GB PCIe Gen5", "nvidia-h100-pcie-80gb"),
        ("3090 24GB * 4", "nvidia-geforce-rtx-3090"),
        ("rtx4090", "nvidia-geforce-rtx-4090"),
        ("i9_10940x", "intel-core-i9-10940x"),
        ("M1 7\u2011Core GPU 8GB", "apple-m1-7c-gpu"),
        ("RTX5000 (16 GB)", "nvidia-quadro-rtx-5000"),
        ("a100 pcie 80g", "nvidia-a100-pcie-80gb"),
        ("Dell H100 80GB SXM5", "nvidia-h100-sxm5-80gb"),
    ],
)
def test_names_that_mean_one_device(text: str, hw_id: str) -> None:
    match = match_hardware(text)
    assert match.hw_id == hw_id, match
    assert match.confidence >= 0.7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NVIDIA GeForce RTX 2080 Laptop GPU", "laptop"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER Max-Q", "max q"),
        ("NVIDIA GeForce RTX 5090 D", "'d'"),
        ("NVIDIA GeForce RTX 3080 Ti 20 GB", "memory"),
        ("AMD Radeon RX 9070 GRE", "gre"),
        ("Intel(R) Xeon(R) Gold 6330N CPU @ 2.20GHz", "'n'"),
        ("NVIDIA Drive-A100-PCIe", "drive"),
        ("NVIDIA Tesla V100 SXM3 32 GB", "form factor"),
        ("AMD EPYC 7763 32-Core Processor", "cores"),
        ("NVIDIA A100X", "'x'"),
        ("NVIDIA L40G", "'g'"),
        ("AMD Ryzen 5 5600G with Radeon Graphics", "'g'"),
        ("12th Gen Intel(R) Core(TM) i5-12400F", "'f'"),
        ("NVIDIA GeForce GTX 1060 6 GB GDDR5X", "kind of memory"),
    ],
)
def test_a_neighbour_is_never_taken_for_the_device(text: str, said: str) -> None:
    match = match_hardware(text)
    assert match.hw_id is None
    assert match.is_ambiguous
    assert said in match.reason


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("a100 80g", {"nvidia-a100-sxm4-80gb", "nvidia-a100-pcie-80gb"}),
        ("V100 (16 GB)", {"nvidia-tesla-v100-sxm2-16gb", "nvidia-tesla-v100-pcie-16gb"}),
        ("rtx6000", {"nvidia-quadro-rtx-6000", "nvidia-rtx-6000-ada-generation"}),
        ("NVIDIA GeForce RTX 3080", {"nvidia-geforce-rtx-3080-10gb", "nvidia-geforce-rtx-3080-12gb"}),
        ("NVIDIA GeForce RTX 3060", {"nvidia-geforce-rtx-3060-12gb"}),  # an 8 GB card of this name exists too
        ("AMD EPYC", {"amd-epyc-7351"}),
        ("Intel Xeon", set()),
        ("ARM Neoverse-N1", {"amazon-graviton2", "ampere-altra-q80-30"}),
    ],
)
def test_what_fits_several_names_them(text: str, some: set[str]) -> None:
    match = match_hardware(text)
    assert match.hw_id is None
    assert match.is_ambiguous
    assert some <= set(match.candidates)
    assert len(match.candidates) <= 12


@pytest.mark.parametrize(
    "text", ["", "N/A", "None", "IQ1_M", "AMD EPYC 9B14", "NVIDIA Tesla K80", "Mali-G610 MP4", "?"]
)
def test_what_is_not_in_the_catalogue_is_unknown(text: str) -> None:
    match = match_hardware(text)
    assert (match.hw_id, match.candidates, match.confidence) == (None, (), 0)


def test_a_count_is_told() -> None:
    assert match_hardware("8x H100 80GB PCIe Gen5").n_devices == 8
    assert match_hardware("3090 24GB * 4").n_devices == 4
    assert match_hardware("NVIDIA GeForce RTX 3090").n_devices is None


@pytest.mark.parametrize("text", ["RTX 4090 + 2x RTX 3090", "AMD EPYC 7763 + 8x A100-SXM4-80GB"])
def test_a_text_that_names_two_devices_means_neither(text: str) -> None:
    match = match_hardware(text)
    assert match.hw_id is None
    assert "several devices" in match.reason
    assert len(match.candidates) >= 2


def test_the_kind_that_is_wanted_decides_between_two_devices() -> None:
    assert match_hardware("AMD EPYC 7763 + 8x A100-SXM4-80GB", kind="gpu").hw_id == "nvidia-a100-sxm4-80gb"


def test_a_maker_and_an_architecture_are_a_family() -> None:
    match = match_hardware("NVIDIA Hopper")
    assert (match.hw_id, match.family) == (None, "NVIDIA Hopper")
    assert match_hardware("NVIDIA").family is None


def test_memory_and_kind_decide_where_the_name_does_not() -> None:
    match = match_hardware("NVIDIA GeForce RTX 3080", memory_bytes=12 * GIB)
    assert (match.hw_id, match.confidence) == ("nvidia-geforce-rtx-3080-12gb", 0.8)
    assert match_hardware("NVIDIA GeForce RTX 3060", memory_bytes=12 * GIB).hw_id == "nvidia-geforce-rtx-3060-12gb"
    assert match_hardware("Apple M1 GPU").candidates == ("apple-m1-7c-gpu", "apple-m1-8c-gpu")
    assert match_hardware("Apple M1", kind="cpu").hw_id == "apple-m1"
    assert match_hardware("RTX 4090", kind="cpu").hw_id is None
    assert match_hardware("RTX 4090", vendor="amd").hw_id is None


def test_memory_as_a_driver_shows_it() -> None:
    # ECC takes a sixteenth of a T4's; a card with twice the memory is another card
    assert match_hardware("Tesla T4", memory_bytes=15360 * 2**20).hw_id == "nvidia-tesla-t4"
    changed = match_hardware("NVIDIA GeForce RTX 4090", memory_bytes=48 * GIB)
    assert changed.hw_id is None
    assert "48 GiB" in changed.reason


def test_a_variant_with_other_memory_lowers_the_confidence() -> None:
    match = match_hardware("NVIDIA GeForce RTX 4070", memory_bytes=12282 * 2**20)
    assert (match.hw_id, match.confidence) == ("nvidia-geforce-rtx-4070", 0.7)
    assert "GDDR6" in match.reason


def test_a_mig_slice_is_a_part_of_its_gpu() -> None:
    match = match_hardware("NVIDIA H100 PCIe MIG 1g.10gb", memory_bytes=9.75 * GIB)
    assert match.hw_id == "nvidia-h100-pcie-80gb"
    assert match.partition is not None
    assert (match.partition.text, match.partition.compute_share) == ("MIG 1g.10gb", 1 / 7)
    assert match.partition.memory_share == 1 / 8
    quarter = match_hardware("NVIDIA A30 (1x1g.6gb MIG)").partition
    assert quarter is not None
    assert (quarter.compute_share, quarter.memory_share) == (1 / 4, 1 / 4)


def test_a_virtual_gpu_and_a_die_are_parts_too() -> None:
    virtual = match_hardware("NVIDIA A10-24Q")
    assert virtual.hw_id == "nvidia-a10"
    assert virtual.partition is not None
    assert (virtual.partition.text, virtual.partition.compute_share) == ("vGPU 24Q", None)
    die = match_hardware("AMD Instinct MI250X", memory_bytes=68702699520)
    assert die.hw_id == "amd-instinct-mi250x"
    assert die.partition is not None
    assert (die.partition.text, die.partition.compute_share, die.partition.memory_share) == ("1 of 2 dies", 0.5, 0.5)


def test_every_entry_is_found_by_its_own_name() -> None:
    for device in load_catalogue().values():
        match = match_hardware(device.name, kind=device.kind if device.kind in {"cpu", "gpu"} else None)
        also = [variant for variant in device.also_sold if variant.endswith("GB")]
        if describe(device.name).memory_gib is None and also:
            assert match.hw_id is None
        else:
            assert match.hw_id == device.hw_id, (device.name, match)


def test_an_alias_never_means_a_device_of_another_maker() -> None:
    for device in load_catalogue().values():
        for alias in device.aliases:
            match = match_hardware(alias)
            assert device.hw_id in {match.hw_id, *match.candidates} or len(match.candidates) >= 12, (alias, match)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    match = match_hardware(text)
    assert (match.hw_id is None) == (match.confidence == 0)
    assert match.reason
