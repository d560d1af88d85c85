"""Suites that train or time components: Lambda's tables, MLPerf Lite, the vibration suite."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from assay.core.words import Mark, Mode, Status
from assay.importers.base import Facts, ImportedRow, Item, Note, Refusal

Read = Callable[[str], list[Item]]
ReadItems = Callable[..., list[Item]]
Rows = Callable[[list[Item]], list[ImportedRow]]
Values = Callable[[ImportedRow], dict[str, float | None]]
LAMBDA = "pytorch-train-throughput-fp16.csv"


def test_lambda_training(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    items = read_sample(LAMBDA)
    assert items[0] == Note("The precision, fp16, is from the file's name.")
    rows = rows_of(items)
    assert [row.place for row in rows] == [
        "row 1, column ssd",
        "row 1, column transformerxlbase",
        "row 2, column ssd",
        "row 2, column transformerxlbase",
    ]
    assert (rows[0].case.workload, rows[0].case.mode, rows[0].case.precision) == ("ssd", Mode.TRAINING, "fp16")
    assert values_of(rows[0]) == {"throughput_per_s.mean": 236.0}
    assert [row.unit_of_work for row in rows[:2]] == ["image", "token"]
    assert rows[3].status is Status.SKIPPED
    assert values_of(rows[3]) == {"throughput_per_s.mean": None}
    # Price and watts are list values: among the fields, and nowhere else.
    assert rows[0].fields == {
        "name_gpu": "RTX 3090",
        "num_gpu": "1.0",
        "watt": "350.0",
        "price": "2750.0",
        "ssd": "236.0",
    }
    assert dict(rows[2].case.options) == {"accelerators": 8}


def test_lambda_training_refuses_a_cell_not_its_row(
    samples: dict[str, tuple[str, str]], read_items: ReadItems, rows_of: Rows
) -> None:
    items = read_items("lambda-training", samples[LAMBDA][1].replace("236.0", "many"), "throughput.csv")
    assert items[0] == Note("No precision is said.")
    assert [(item.place, item.error) for item in items if isinstance(item, Refusal)] == [
        ("row 1, column ssd", "'many' is not a number.")
    ]
    assert len(rows_of(items)) == 3


def test_mlperf_lite_training_counts_every_epoch(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    items = read_sample("trained.json")
    assert isinstance(items[0], Facts)
    assert items[0].values["cpu"] == {"count": 8}
    (row,) = rows_of(items)
    values = values_of(row)
    # The file says 45 samples/s: 45 000 of one epoch in the time of ten.
    assert values["throughput_per_s.mean"] == pytest.approx(450.0)
    assert row.fields["metrics"]["throughput"]["samples_per_sec"] == 45.0
    assert row.conversions["throughput_per_s.mean"].note == (
        "train_samples x epochs_completed / metrics.timing.training_time"
    )
    assert set(row.marks) == {Mark.DERIVED, Mark.CORRECTED}
    assert values["energy_j.mean"] is None
    assert values["average_power_w.mean"] is None
    assert values["training_time_ns.mean"] == 1100e9
    assert values["epochs.mean"] == 10
    assert values["accuracy.best.validation"] == 0.91
    assert values["accuracy.last.test"] == 0.9
    assert values["loss.last.train"] == 0.02
    assert values["model_bytes.mean"] == 42 * 1024**2
    assert (row.case.workload, row.case.device, row.case.precision, row.case.batch) == ("resnet", "cuda", "amp", 128)
    assert row.parameters == 11_000_000


@pytest.mark.parametrize("missing", ["samples", "epochs", "time"])
def test_mlperf_lite_derives_no_rate_from_what_is_not_there(
    missing: str, samples: dict[str, tuple[str, str]], read_items: ReadItems, rows_of: Rows, values_of: Values
) -> None:
    content: dict[str, Any] = json.loads(samples["trained.json"][1])
    if missing == "samples":
        content["dataset_info"]["train_samples"] = 0
    elif missing == "epochs":
        content["training_results"]["epochs_completed"] = 0
    else:
        content["training_results"]["training_time"] = content["metrics"]["timing"]["training_time"] = 0.0
    (row,) = rows_of(read_items("mlperf-lite", json.dumps(content)))
    assert values_of(row)["throughput_per_s.mean"] is None
    assert row.marks == {}


def test_mlperf_lite_inference(
    read_sample: Read, samples: dict[str, tuple[str, str]], read_items: ReadItems, rows_of: Rows, values_of: Values
) -> None:
    (row,) = rows_of(read_sample("inferred.json"))
    assert values_of(row) == {"latency_ns.mean": 4e6, "throughput_per_s.mean": 32000.0}
    assert row.case.mode is Mode.INFERENCE
    (bare,) = rows_of(read_items("mlperf-lite", '{"inference_metrics": {"avg_inference_time_ms": 4.0}}'))
    assert bare.case.workload == "unknown"
    assert row.case.precision is None  # its inference never uses mixed precision, whatever the setting
    slipped = samples["inferred.json"][1].replace('"avg_inference_time_ms": 4.0', '"avg_inference_time_ms": 0.004')
    (refusal,) = [item for item in read_items("mlperf-lite", slipped) if isinstance(item, Refusal)]
    assert refusal.error.startswith("throughput_samples_per_sec is 32000, but batch_size / avg_inference_time_ms gives")


def test_vibration_table(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    good, full, broken = rows_of(read_sample("wide.csv"))
    assert values_of(good) == {
        "latency_ns.mean": 5e5,
        "memory_used_bytes.max": 1e7,
        "throughput_per_s.mean": 8000.0,
        "utilisation.mean.cpu": 0.0,
    }
    assert (good.case.workload, good.case.device, good.case.batch) == ("Encoder", None, 4)
    assert good.case.shape == (("seq", 1024),)
    assert dict(good.case.options) == {"fusion": "concat", "test": "b4"}
    assert (full.status, full.reason, full.metrics) == (Status.OOM, "Out of Memory", ())
    assert (broken.status, broken.reason) == (Status.FAILED, "shapes do not fit")


def test_vibration_nested(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    small, failed, large = rows_of(read_sample("nested.json"))
    assert [row.place for row in (small, failed, large)] == ["/encoder/small", "/encoder/a~1b", "/fusion/large"]
    assert values_of(small) == {
        "latency_ns.mean": 5e5,
        "memory_used_bytes.mean": 1e7,
        "throughput_per_s.mean": 8000.0,
    }
    assert small.case.batch == 4
    assert dict(small.case.options) == {"config": "small", "fusion": "concat"}
    assert (failed.status, failed.metrics) == (Status.OOM, ())
    assert values_of(large) == {"latency_ns.p95": 2.5e6, "score.mean.f1": 0.93}


def test_vibration_report(read_sample: Read, rows_of: Rows, values_of: Values) -> None:
    (row,) = rows_of(read_sample("report.json"))
    assert row.place == "/raw_results/0"
    assert row.case.workload == "Encoder"
    assert values_of(row)["latency_ns.mean"] == 1e6


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("True,0.5", "perhaps,0.5", "'perhaps' is no truth value, expected true or false."),
        ("True,0.5", "True,0.0000005", ("the throughput is 8000, but batch_size / latency gives 8e+09: one of these "
         "numbers is not in the unit of its name.")),
        ("True,0.5,10.0", "True,0.5,inf", "memory_peak_mb: inf is not finite."),
        (",4,1024.0", ",4,-1", "seq_len: -1 is not a count, expected a whole number of at least 0."),
    ],
)  # fmt: skip
def test_a_broken_row_of_the_vibration_table_is_refused(
    old: str, new: str, error: str, samples: dict[str, tuple[str, str]], read_items: ReadItems, rows_of: Rows
) -> None:
    items = read_items("vibration", samples["wide.csv"][1].replace(old, new))
    assert [(item.place, item.error) for item in items if isinstance(item, Refusal)] == [("row 1", error)]
    assert len(rows_of(items)) == 2


def test_one_metric_under_two_names_is_refused(read_items: ReadItems) -> None:
    (item,) = read_items("vibration", '{"a": {"b": {"latency_ms": 1, "avg_latency_ms": 2}}}')
    assert isinstance(item, Refusal)
    assert item.error == "avg_latency_ms is there under another name too; which one counts is not known."
