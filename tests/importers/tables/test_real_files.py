"""Files as others published them: what is taken, what is refused, and figures that were looked up in them by eye."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Importer, Item, Note, Refusal
from assay.importers.source import Source

Values = Callable[[ImportedRow], dict[str, float | None]]
FILES = {
    "llamacpp_gpu_bench/README_tables.md": ("llm-table", {Status.OK: 996, Status.OOM: 84}),
    "llm_pilot/llm_pilot_aggregated.csv": ("llm-pilot", {Status.OK: 526}),
    "ml_energy/ml_energy_v3.csv": ("ml-energy", {Status.OK: 1858}),
    "lambda_training/pytorch-train-throughput-fp16.csv": ("lambda-training", {Status.OK: 490, Status.SKIPPED: 40}),
    "lambda_training/pytorch-train-throughput-fp32.csv": ("lambda-training", {Status.OK: 490, Status.SKIPPED: 40}),
    "phm_vibench/hse_component_benchmark_20250909.csv": ("vibration", {Status.OK: 146}),
}


def open_file(shared_data: Path, name: str) -> Source:
    path = shared_data / name
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    return Source(path, name, path.stat().st_size)


def read_file(shared_data: Path, name: str, own_importers: dict[str, Importer]) -> list[Item]:
    return list(own_importers[FILES[name][0]].read(open_file(shared_data, name)))


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_taken(name: str, shared_data: Path, own_importers: dict[str, Importer]) -> None:
    items = read_file(shared_data, name, own_importers)
    assert [item for item in items if isinstance(item, Refusal)] == []
    assert Counter(item.status for item in items if isinstance(item, ImportedRow)) == FILES[name][1]


def test_only_these_are_recognised_and_by_one_each(shared_data: Path, own_importers: dict[str, Importer]) -> None:
    found = {}
    for path in sorted(shared_data.rglob("*")):
        if path.is_file():
            name = path.relative_to(shared_data).as_posix()
            source = Source(path, name, path.stat().st_size)
            names = [importer.name for importer in own_importers.values() if importer.recognise(source)]
            if names:
                found[name] = names
    assert found == {name: [importer] for name, (importer, _) in FILES.items() if (shared_data / name).is_file()}


def test_speeds_of_gpus(shared_data: Path, own_importers: dict[str, Importer], values_of: Values) -> None:
    items = read_file(shared_data, "llamacpp_gpu_bench/README_tables.md", own_importers)
    rows = {item.place: item for item in items if isinstance(item, ImportedRow)}
    row = rows["line 33, column 8B Q4_K_M"]
    assert (row.case.workload, row.case.device, row.case.engine) == ("LLaMA 3 8B", "H100 PCIe 80GB", "llama.cpp")
    assert values_of(row) == {"decode_tokens_per_s.mean": 144.49}
    assert len([item for item in items if isinstance(item, Note)]) == 2
    # 200 cells of the two tables in front stand in the tables behind them as well.
    assert len({item.case for item in rows.values()}) == 880
    assert all(Mark.UNVERIFIED in item.marks for item in rows.values())


def test_energy_of_models(shared_data: Path, own_importers: dict[str, Importer], values_of: Values) -> None:
    rows = read_file(shared_data, "ml_energy/ml_energy_v3.csv", own_importers)
    assert isinstance(rows[0], ImportedRow)
    assert values_of(rows[0])["energy_j_per_sample.mean"] == 1.3662634337367148
    assert Counter(row.unit_of_work for row in rows if isinstance(row, ImportedRow)) == {
        "token": 838, "image": 638, "video": 382,
    }  # fmt: skip


def test_components(shared_data: Path, own_importers: dict[str, Importer], values_of: Values) -> None:
    first = read_file(shared_data, "phm_vibench/hse_component_benchmark_20250909.csv", own_importers)[0]
    assert isinstance(first, ImportedRow)
    assert values_of(first)["latency_ns.mean"] == pytest.approx(506675.24337768555)
    assert values_of(first)["memory_used_bytes.max"] == pytest.approx(9998848)
    assert first.case.device is None
