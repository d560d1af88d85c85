"""Reading published results: a made-up table of the collected form, and the real one where it is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core.errors import AssayError
from assay.predict.base import ExampleSource, Gathered
from assay.predict.system.kind import validate_system
from assay.predict.system.published import read_publication
from assay.predict.system.systems import gather_systems

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
_ROW = {
    "round": "v3.1", "division": "closed", "submitter": "nobody", "system_name": "A box (8x L4, TensorRT)",
    "platform": "L4x8_TRT", "model": "resnet", "scenario": "Offline", "result": 800.0, "units": "Samples/s",
    "units_fixed": "Samples/s", "power_result": None, "power_units": None, "accelerator": "NVIDIA L4",
    "accelerators_per_node": 8.0, "nodes": 1, "cpu": "AMD EPYC 7742", "cpus_per_node": 2, "software_class": "tensorrt",
}  # fmt: skip


def write_rows(folder: Path, *changes: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    typed = _ROW | {"power_result": 1.0, "power_units": "Watts"}
    schema = pa.Table.from_pylist([typed]).schema
    table = pa.Table.from_pylist([_ROW | one for one in changes], schema=schema)
    pq.write_table(table, folder / "mlperf_inference_v2.0-v4.1.parquet")
    return folder


def test_a_row_becomes_a_question_and_its_answer(tmp_path: Path) -> None:
    folder = write_rows(
        tmp_path / "mlperf_inference", {},
        {"scenario": "SingleStream", "result": 0.5, "units": "Latency (ms)", "units_fixed": "Latency (ms)"},
    )  # fmt: skip
    gathered = gather_systems(ExampleSource(folders=(folder,)))
    offline, stream = gathered.examples
    assert offline.value == 800.0
    assert offline.question.conditions.devices == 8
    assert offline.groups["device"] == "nvidia-l4"
    assert stream.value == 2000.0
    assert gathered.uses[0].rows == 2
    assert gathered.uses[0].licence is not None


def test_what_cannot_be_told_is_counted_and_left_out(tmp_path: Path) -> None:
    folder = write_rows(
        tmp_path / "mlperf_inference", {}, {"accelerator": "Nobody's chip"}, {"accelerators_per_node": 0.0},
        {"accelerator": "NVIDIA A100-SXM-80GB (1x1g.10gb MIG)"}, {"result": float("nan")},
        {"units": "Bananas", "units_fixed": None},
        {"division": "open"},
    )  # fmt: skip
    publication = read_publication(folder)
    assert len(publication.results) == 1
    assert sum(publication.left_out.values()) == 5


def test_runs_under_a_power_limit_are_known_by_their_names(tmp_path: Path) -> None:
    names = ["A box (8x L4, MaxQ, TensorRT)", "A box (8x QAIC100 Pro, EE)", "A SEED (8x L4)"]
    folder = write_rows(tmp_path / "f", *({"system_name": name, "platform": ""} for name in names))
    assert [one.is_power_limited for one in read_publication(folder).results] == [True, True, False]


def test_no_folder_gives_no_examples_and_a_broken_file_says_so(tmp_path: Path) -> None:
    assert not gather_systems(ExampleSource()).examples
    folder = tmp_path / "mlperf_inference"
    folder.mkdir()
    with pytest.raises(AssayError, match="holds no"):
        gather_systems(ExampleSource(folders=(folder,)))
    (folder / "mlperf_inference_v2.0-v4.1.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(AssayError, match="cannot be read"):
        gather_systems(ExampleSource(folders=(tmp_path,)))


def test_published_accelerators_are_foretold_better_than_by_the_nearest() -> None:
    if not (DATA / "mlperf_inference").is_dir():
        pytest.skip("mlperf_inference is not at hand: the shared data folder is not beside this checkout")
    gathered = gather_systems(ExampleSource(folders=(DATA.resolve(),)))
    wanted = {"nvidia-a100-pcie-80gb", "nvidia-a30", "nvidia-a2", "nvidia-l4", "nvidia-h100-pcie-80gb"}
    few = tuple(
        one for one in gathered.examples
        if one.groups["device"] in wanted and one.groups["scenario"] == "Offline" and one.groups["round"] == "v3.1"
    )  # fmt: skip
    outcome = validate_system(Gathered(few, gathered.uses), "device", 0)
    assert outcome.own.n > 60
    assert outcome.own.mean_error < outcome.methods["nearest x 8-bit peak"].mean_error
