"""The framework's own files, where they are at hand: what comes out of all 42 of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Importer, importers
from assay.importers.source import Source

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "ipfs_phase16"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the older framework's files are not on this machine")

Sort = Callable[[Importer, Source], Any]
_FORMATS = {
    "A": "ipfs-suite", "B": "ipfs-direct", "C": "ipfs-batch", "D": "ipfs-model", "E": "ipfs-web", "F": "ipfs-skill",
    "G": "ipfs-compatibility", "H": "ipfs-functionality", "I": "ipfs-hardware-tests", "J": "ipfs-progress",
    "K": "ipfs-summary", "L": "ipfs-browsers",
}  # fmt: skip


def _source(path: Path) -> Source:
    return Source(path, path.name, path.stat().st_size)


@pytest.fixture(scope="module")
def imported(sort: Sort, modules: dict[str, str]) -> dict[str, Any]:
    """Each file by its name, read by the one importer that recognises it."""
    taken = {}
    for path in sorted(each for each in DATA.glob("*/*") if each.suffix in {".json", ".duckdb", ".parquet"}):
        (name,) = [name for name in modules if importers.get(name).recognise(_source(path))]
        if path.suffix == ".json":
            assert name == _FORMATS[path.name[0]], path.name
        taken[path.name] = sort(importers.get(name), _source(path))
    return taken


def _rows(imported: dict[str, Any], letters: str) -> list[ImportedRow]:
    return [row for name, taken in imported.items() if name[0] in letters for row in taken.rows]


def test_nothing_is_refused_and_no_place_is_there_twice(imported: dict[str, Any]) -> None:
    assert len(imported) >= 42
    for name, taken in imported.items():
        assert taken.refusals == [], name
        assert len({row.place for row in taken.rows}) == len(taken.rows), name


def test_every_real_configuration_comes_with_every_latency(imported: dict[str, Any]) -> None:
    counts = {letter: len([row for row in _rows(imported, letter) if row.samples]) for letter in "ABC"}
    assert counts == {"A": 273, "B": 5, "C": 6}
    real = [row for row in _rows(imported, "ABC") if row.samples]
    assert sum(len(row.samples[0].values) for row in real) == 5459
    for row in real:
        numbers = {(metric.name, metric.stat): metric.value for metric in row.metrics}
        assert numbers["latency_ns", "mean"] is not None
        assert numbers["throughput_per_s", "mean"] is not None
        assert row.status is Status.OK
    everything = [row for taken in imported.values() for row in taken.rows if row.samples]
    assert len(everything) == 284


def test_three_rows_of_the_batches_are_the_direct_ones(imported: dict[str, Any]) -> None:
    direct = {(row.case, row.metrics, row.samples) for row in _rows(imported, "B") if row.samples}
    batch = [(row.case, row.metrics, row.samples) for row in _rows(imported, "C") if row.samples]
    assert len([each for each in batch if each in direct]) == 3


def test_cuda_rows_pair_with_cpu_rows(imported: dict[str, Any]) -> None:
    cases = Counter(row.case.device for row in _rows(imported, "A") if row.samples)
    assert cases == {"cpu": 165, "cuda": 54, "openvino": 54}
    for taken in (imported[name] for name in imported if name[0] == "A"):
        by_device: dict[str | None, set[str]] = {}
        for row in taken.rows:
            if row.samples:
                by_device.setdefault(row.case.device, set()).add(str({**row.case.to_dict(), "device": None}))
        assert by_device.get("cuda", set()) <= by_device.get("cpu", set())


def test_failures_keep_their_message(imported: dict[str, Any]) -> None:
    failed = Counter(
        {letter: len([row for row in _rows(imported, letter) if row.status.is_failure]) for letter in "ABCHJ"}
    )
    assert failed == {"A": 35, "B": 1, "C": 2, "H": 13, "J": 8}
    assert all(row.reason for taken in imported.values() for row in taken.rows if row.status is not Status.OK)
    whisper = [row for row in _rows(imported, "A") if row.case.workload == "openai/whisper-tiny"]
    assert {row.reason for row in whisper} == {"Warmup failed: 'dict' object has no attribute 'input_features'"}


def test_constants_and_simulated_rows_are_marked_and_kept(imported: dict[str, Any]) -> None:
    assert [Mark.CONSTANT in row.marks for row in _rows(imported, "D")] == [True] * 14
    assert [row.simulated for row in _rows(imported, "E")] == [True] * 13
    assert [Mark.CONSTANT in row.marks for row in _rows(imported, "L")] == [True] * 4
    assert [Mark.REPEATED in row.marks for row in _rows(imported, "K")] == [True] * 11
    timed = [row for row in _rows(imported, "F") if row.metrics]
    assert all(Mark.SINGLE_SHOT in row.marks for row in timed)
    usable = [
        row
        for taken in imported.values()
        for row in taken.rows
        if row.status is Status.OK and row.metrics and not any(mark.excludes for mark in row.marks)
    ]
    latencies = [row for row in usable if any(metric.name == "latency_ns" for metric in row.metrics)]
    assert len([row for row in latencies if row.samples]) == 284


def test_the_nine_resized_image_sizes_are_corrected(imported: dict[str, Any]) -> None:
    corrected = [row for row in _rows(imported, "A") if Mark.CORRECTED in row.marks]
    assert len(corrected) == 9
    assert {dict(row.case.shape)["image"] for row in corrected} == {224}
    assert {dict(row.case.options)["image_asked"] for row in corrected} == {384}


def test_zero_filled_tables_have_no_number(imported: dict[str, Any]) -> None:
    flat = next(taken for name, taken in imported.items() if name.startswith("35970d"))
    assert len(flat.rows) == 129
    assert {metric.value for row in flat.rows for metric in row.metrics} == {None}
    assert Counter(row.case.workload for row in flat.rows)["unknown"] == 115
    made_up = next(taken for name, taken in imported.items() if name.startswith("063d30"))
    assert [row.simulated for row in made_up.rows] == [True] * 100


def test_databases_without_results_say_so(imported: dict[str, Any]) -> None:
    for start in ("411122", "8cfd8f"):
        taken = next(each for name, each in imported.items() if name.startswith(start))
        assert taken.rows == []
        assert "The database has no result at all." in taken.notes
