"""The contrastive and data suites: what they promise of sizes, categories, targets and the quick look."""

from __future__ import annotations

import pytest

from assay.catalog.targets import Target
from assay.probes.devices import Device
from assay.runner.plan import Machine, PlannedCase, make_plan
from assay.runner.quick import quicken
from assay.runner.suite_model import load_suite

MACHINE = Machine((Device("cpu", "cpu", "some CPU", 8 << 30),), 8 << 30, 8 << 30, 2)
CATEGORIES = ("training", "data", "model", "scalability", "hardware")


@pytest.fixture(scope="module")
def cells() -> tuple[PlannedCase, ...]:
    return make_plan(load_suite("contrastive"), MACHINE).cases


def size(planned: PlannedCase) -> tuple[int, int]:
    return planned.case.batch, dict(planned.case.shape).get("window", 0)


def test_training_spans_the_three_sizes_of_every_encoder(cells: tuple[PlannedCase, ...]) -> None:
    for encoder in ("small", "medium", "complex", "patch"):
        sizes = {size(one) for one in cells if one.case.workload == f"contrastive/{encoder}"}
        assert {(16, 512), (32, 1024), (64, 2048)} <= sizes, encoder


def test_scalability_spans_the_ranges(cells: tuple[PlannedCase, ...]) -> None:
    sizes = {size(one) for one in cells if one.case.workload == "contrastive/small"}
    assert {batch for batch, window in sizes if window == 512} >= {4, 8, 16, 32, 64, 128, 256}
    assert {window for batch, window in sizes if batch == 16} >= {256, 512, 1024, 2048, 4096, 8192}


def test_data_spans_generation_windows_preparation_and_storage(cells: tuple[PlannedCase, ...]) -> None:
    models = {one.case.workload for one in cells if one.case.mode == "data"}
    assert models == {"pipeline/signals", "pipeline/windows", "pipeline/storage",
                      *(f"pipeline/batches-{name}" for name in ("low", "medium", "high"))}  # fmt: skip
    options = [dict(one.case.options) for one in cells]
    assert {one["storage"] for one in options if "storage" in one} == {"h5", "parquet", "memmap"}
    assert {one["windowing"] for one in options if "windowing" in one} == {"sequential", "random", "even"}


def test_every_cell_can_be_planned_here_or_names_the_device_that_is_missing(cells: tuple[PlannedCase, ...]) -> None:
    for one in cells:
        reason = one.obstacle.reason if one.obstacle else None
        assert reason is None or one.case.device == "cuda" or "installed" in reason, reason


def test_the_targets_are_those_of_the_five_categories(cells: tuple[PlannedCase, ...]) -> None:
    targets = load_suite("contrastive").targets
    assert tuple(dict.fromkeys(target.group for target in targets)) == CATEGORIES
    bounds = {target.bound.text for target in targets}
    assert bounds == {
        "throughput >= 50 samples/s", "latency <= 200 ms", "latency <= 50 ms", "throughput >= 1000 windows/s",
        "read_bytes_per_s >= 100 MB/s", "forward <= 50 ms", "backward <= 100 ms", "loss_time <= 10 ms",
        "probe_accuracy >= 50 %", "largest(batch) >= 128", "largest(window) >= 4096", "speedup(cuda/cpu) >= 5",
        "speedup(fp16/fp32) >= 1.2", "saving(fp16/fp32) >= 50 %",
    }  # fmt: skip
    for chosen in (cells, make_plan(quicken(load_suite("contrastive")), MACHINE).cases):
        missing = [target.label for target in targets if not any(_is_for(target, one) for one in chosen)]
        assert missing in ([], ["throughput >= 50 samples/s", "latency <= 200 ms"]), "only 64 x 2048 is spared"


def _is_for(target: Target, planned: PlannedCase) -> bool:
    from fnmatch import fnmatchcase

    case = planned.case
    known = {"family": case.family, "model": case.workload, "batch": case.batch, **dict(case.shape),
             **dict(case.options)}  # fmt: skip
    return all(name in known and fnmatchcase(str(known[name]), pattern) for name, pattern in target.where)


def test_a_quick_look_has_few_launches() -> None:
    plan = make_plan(quicken(load_suite("contrastive")), MACHINE)
    assert len([one for one in plan.cases if one.case.device == "cpu"]) <= 17


def test_the_data_suite_has_pipelines_with_and_without_processes_and_a_training_that_may_wait() -> None:
    plan = make_plan(load_suite("data"), MACHINE)
    workers = {dict(one.case.options).get("workers") for one in plan.cases}
    assert {0, 1, 2} <= workers
    assert {"resnet/tiny", "bert/tiny"} <= {one.case.workload for one in plan.cases if one.case.mode == "training"}
