"""Shapes A, B and C: every reading, the source's own mean, the median from the readings, failures with their words."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow

Compose = Callable[[str], dict[str, Any]]
Take = Callable[[str, object], Any]

_seconds = st.floats(min_value=1e-6, max_value=1e3, allow_nan=False)


def _value(row: ImportedRow, name: str, stat: str = "mean") -> float | None:
    return next(metric.value for metric in row.metrics if (metric.name, metric.stat) == (name, stat))


def _row(taken: Any, ending: str) -> ImportedRow:
    (row,) = [row for row in taken.rows if row.place.endswith(ending)]
    assert isinstance(row, ImportedRow)
    return row


def test_a_suite_keeps_each_configuration_with_its_readings(compose: Compose, take: Take) -> None:
    taken = take("ipfs-suite", compose("ipfs-suite"))
    assert taken.refusals == []
    assert len(taken.rows) == 9
    row = _row(taken, "/cpu/benchmark_results/batch_2_img_224x224")
    assert row.place == "/benchmarks/vision/org~1tiny-vision/cpu/benchmark_results/batch_2_img_224x224"
    assert row.case.workload == "org/tiny-vision"
    assert (row.case.engine, row.case.device, row.case.batch) == ("transformers", "cpu", 2)
    assert dict(row.case.shape) == {"image": 224}
    assert dict(row.case.options) == {"family": "vision", "model_class": "ViTModel"}
    assert row.samples[0].values == (250_000_000, 500_000_000)
    assert (row.samples[0].name, row.samples[0].unit) == ("latency_ns", "ns")
    assert _value(row, "latency_ns") == pytest.approx(375e6)
    assert _value(row, "latency_ns", "median") == 375e6
    assert _value(row, "throughput_per_s") == pytest.approx(2 / 0.375)
    assert _value(row, "load_ns") == 1.5e9
    assert row.conversions["latency_ns.mean"].field == "avg_latency"
    assert (row.conversions["latency_ns.mean"].unit, row.conversions["latency_ns.mean"].factor) == ("s", 1e9)
    assert row.conversions["latency_ns.median"].factor is None
    assert set(row.marks) == {Mark.DERIVED}
    assert row.measured_at == datetime(2025, 3, 5, 21, 48, 14, 945787, UTC)
    assert row.hardware == "A Processor @ 3.10GHz"
    assert row.units_per_call == 2
    assert "latencies" not in row.fields
    assert row.fields["iterations"] == 2
    assert row.fields["model_entry"]["performance_summary"] == {"latency": {"min": 0.1}}


def test_a_cpu_and_an_accelerator_differ_in_their_device_only(compose: Compose, take: Take) -> None:
    taken = take("ipfs-suite", compose("ipfs-suite"))
    cpu = _row(taken, "/cpu/benchmark_results/batch_2_img_224x224")
    cuda = _row(taken, "/cuda/benchmark_results/batch_2_img_224x224")
    assert {**cuda.case.to_dict(), "device": "cpu"} == cpu.case.to_dict()
    assert cuda.hardware == "Quadro P4000"


def test_an_image_that_was_resized_is_read_as_what_ran(compose: Compose, take: Take) -> None:
    taken = take("ipfs-suite", compose("ipfs-suite"))
    resized = _row(taken, "/cpu/benchmark_results/batch_2_img_384x384")
    assert dict(resized.case.shape) == {"image": 224}
    assert dict(resized.case.options)["image_asked"] == 384
    assert "2.9 times the pixels of 224 took 1.07 times as long" in resized.marks[Mark.CORRECTED]
    real = _row(taken, "/cpu/benchmark_results/batch_4_img_384x384")
    assert dict(real.case.shape) == {"image": 384}
    assert Mark.CORRECTED not in real.marks
    assert "image_asked" not in dict(real.case.options)


def test_audio_keeps_its_length_and_its_real_time_factor(compose: Compose, take: Take) -> None:
    row = _row(take("ipfs-suite", compose("ipfs-suite")), "/batch_1_audio_10s")
    assert dict(row.case.shape) == {"seconds": 10}
    assert _value(row, "real_time_factor") == 2.0, "audio over time, in the source as here"
    assert row.conversions["latency_ns.mean"].note == "stopped at the source's time limit"
    assert row.status is Status.OK


def test_failures_of_a_suite_are_rows_with_their_message(compose: Compose, take: Take) -> None:
    taken = take("ipfs-suite", compose("ipfs-suite"))
    failed = _row(taken, "/batch_1_seq_8")
    assert (failed.status, failed.reason) == (Status.FAILED, "Warmup failed: no input_features")
    assert dict(failed.case.shape) == {"seq": 8}
    absent = _row(taken, "/rocm")
    assert (absent.status, absent.reason) == (Status.UNSUPPORTED, "ROCm is not available")
    assert (failed.metrics, failed.samples) == ((), ())


def test_a_suite_tells_its_machine_and_that_its_clock_has_no_zone(compose: Compose, take: Take) -> None:
    taken = take("ipfs-suite", compose("ipfs-suite"))
    (facts,) = taken.facts
    assert facts.hardware == "A Processor @ 3.10GHz + Quadro P4000"
    assert "available_memory_gb" not in facts.values["system_info"]
    assert any("available_memory_gb 32.1" in note for note in taken.notes)
    assert any("no zone" in note for note in taken.notes)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"latencies": [0.25, 0.0]}, r"latencies\[1\] is 0.0 s, which no call can take"),
        ({"latencies": [0.25, -1]}, r"latencies\[1\] is -1 s"),
        ({"latencies": [0.25, "fast"]}, r"latencies\[1\]: 'fast' is not a number"),
        ({"latencies": [0.25, None]}, r"latencies\[1\] is None s"),
        ({"latencies": [0.25, 1e300]}, "which no call can take"),
        ({"latencies": []}, "latencies is empty"),
        ({"latencies": 0.25}, "latencies is float 0.25, expected a list"),
        ({"latencies": [250.0, 500.0]}, "The mean of latencies is 375 s, but the source says 0.375"),
        ({"avg_latency": 0}, "avg_latency: a latency of 0 s cannot be"),
        ({"avg_latency": True}, "avg_latency: True is a truth value"),
        ({"throughput": -1}, "throughput: -1 1/s is negative"),
        ({"status": 3}, "'status' is 3, expected a text"),
    ],
)
def test_a_broken_configuration_is_refused_and_the_others_are_taken(
    change: dict[str, Any], error: str, compose: Compose, take: Take
) -> None:
    content = compose("ipfs-suite")
    content["benchmarks"]["vision"]["org/tiny-vision"]["cpu"]["benchmark_results"]["batch_2_img_224x224"] |= change
    taken = take("ipfs-suite", content)
    (refusal,) = taken.refusals
    assert refusal.place.endswith("/cpu/benchmark_results/batch_2_img_224x224")
    assert json.loads(refusal.raw)["iterations"] == 2
    assert len(taken.rows) == 8
    assert re.search(error, refusal.error)


@pytest.mark.parametrize("key", ["latencies", "avg_latency", "throughput", "status"])
def test_a_configuration_that_lacks_a_key_is_refused(key: str, compose: Compose, take: Take) -> None:
    content = compose("ipfs-suite")
    del content["benchmarks"]["audio"]["org/tiny-audio"]["cpu"]["benchmark_results"]["batch_3"][key]
    (refusal,) = take("ipfs-suite", content).refusals
    assert refusal.place.endswith("/batch_3")
    assert f"There is no {key!r}" in refusal.error


@pytest.mark.parametrize(
    "key", ["batch_0", "batch_x", "batch_1_seq_", "batch_1_seq_8_img_2x2", "seq_8", "batch_99999999999"]
)
def test_a_configuration_of_no_known_name_is_refused(key: str, compose: Compose, take: Take) -> None:
    content = compose("ipfs-suite")
    results = content["benchmarks"]["audio"]["org/tiny-audio"]["cpu"]["benchmark_results"]
    results[key] = results.pop("batch_3")
    (refusal,) = take("ipfs-suite", content).refusals
    assert "is no configuration" in refusal.error


def test_an_unknown_mean_is_no_number_but_the_readings_stay(compose: Compose, take: Take) -> None:
    content = compose("ipfs-direct")
    content["batch_results"]["1"]["avg_latency_ms"] = math.nan
    row = take("ipfs-direct", content).rows[0]
    assert _value(row, "latency_ns") is None
    assert "gives no number" in next(metric.reason for metric in row.metrics if metric.stat == "mean")
    assert _value(row, "latency_ns", "median") == 2.5e6


def test_the_older_run_over_all_models_has_checks_and_failed_families(compose: Compose, take: Take) -> None:
    taken = take("ipfs-suite", compose("ipfs-suite older"))
    assert len(taken.rows) == 10
    family = _row(taken, "/performance_benchmarks/text")
    assert (family.status, family.reason) == (Status.FAILED, "NameError: name 'false'")
    filed_elsewhere = _row(taken, "/functionality_verification/cuda/detailed_results/0")
    assert filed_elsewhere.case.device == "cpu"
    assert dict(filed_elsewhere.case.options)["asked_device"] == "cuda"
    simulated = _row(taken, "/functionality_verification/openvino/detailed_results/1")
    assert simulated.simulated is True
    assert "holds simulated results" in simulated.marks[Mark.SIMULATED]


def test_a_direct_benchmark_keeps_each_batch_size(compose: Compose, take: Take) -> None:
    taken = take("ipfs-direct", compose("ipfs-direct"))
    good, failed = taken.rows
    assert good.place == "/batch_results/1"
    assert good.samples[0].values == (2_000_000, 3_000_000, 2_500_000)
    assert _value(good, "latency_ns") == 2.5e6
    assert _value(good, "memory_used_bytes") == 512.25 * 1024 * 1024
    assert good.conversions["memory_used_bytes.mean"].unit == "MiB"
    assert good.case.options == good.case.shape == ()
    assert (failed.status, failed.reason) == (Status.OOM, "CUDA out of memory. Tried to allocate 2 GiB")
    assert failed.case.batch == 2


def test_a_direct_benchmark_that_failed_as_a_whole_is_a_row(take: Take) -> None:
    content = {"model": "a", "hardware": "cpu", "success": False, "error": "timed out", "batch_results": {}}
    (row,) = take("ipfs-direct", content).rows
    assert (row.status, row.reason, row.place) == (Status.TIMEOUT, "timed out", "")


def test_the_same_measurement_in_a_batch_has_the_same_case_and_numbers(compose: Compose, take: Take) -> None:
    direct = take("ipfs-direct", compose("ipfs-direct")).rows
    taken = take("ipfs-batch", compose("ipfs-batch"))
    for one, other in zip(direct, taken.rows, strict=False):
        assert (one.case, one.metrics, one.samples, one.status) == (
            other.case,
            other.metrics,
            other.samples,
            other.status,
        )
    assert taken.rows[0].place == "/results/org~1tiny-text/benchmark_data/batch_results/1"
    assert taken.rows[0].fields["command"]["command"] == "python x"
    failed = taken.rows[2]
    assert failed.reason == "Command failed with exit code 1: ERROR - Failed to load model"
    assert (failed.status, failed.case.batch) == (Status.FAILED, 1)
    assert "Asked for, but without any result: org/unheard." in taken.notes


@settings(max_examples=40, deadline=None)
@given(
    latencies=st.lists(_seconds, min_size=1, max_size=12),
    batch=st.integers(1, 4096),
    length=st.integers(1, 8192),
    model=st.text(min_size=1).filter(str.strip),
    device=st.sampled_from(["cpu", "cuda", "openvino"]),
)
def test_any_suite_comes_back_as_it_was_written(
    latencies: list[float], batch: int, length: int, model: str, device: str, take: Take
) -> None:
    mean = statistics.fmean(latencies)
    record = {"status": "completed", "latencies": latencies, "avg_latency": mean, "throughput": batch / mean}
    entry = {"status": "completed", "benchmark_results": {f"batch_{batch}_seq_{length}": record}}
    taken = take("ipfs-suite", {"system_info": {}, "benchmarks": {"family": {model: {device: entry}}}})
    (row,) = taken.rows
    assert (row.case.workload, row.case.device, row.case.batch) == (model, device, batch)
    assert dict(row.case.shape) == {"seq": length}
    assert row.samples[0].values == tuple(round(each * 1e9) for each in latencies)
    assert _value(row, "latency_ns") == mean * 1e9
    assert _value(row, "throughput_per_s") == batch / mean
    assert _value(row, "latency_ns", "median") == statistics.median(row.samples[0].values)


@settings(max_examples=40, deadline=None)
@given(batches=st.dictionaries(st.integers(1, 512), st.lists(_seconds, min_size=1, max_size=6), min_size=1, max_size=4))
def test_any_direct_benchmark_comes_back_as_it_was_written(batches: dict[int, list[float]], take: Take) -> None:
    results = {
        str(batch): {
            "success": True, "batch_size": batch, "avg_latency_ms": statistics.fmean(values),
            "throughput_items_per_second": batch / statistics.fmean(values), "latencies_ms": values, "memory_mb": 1.5,
        }
        for batch, values in batches.items()
    }  # fmt: skip
    taken = take("ipfs-direct", {"model": "a", "hardware": "cpu", "success": True, "batch_results": results})
    assert taken.refusals == []
    for row, (batch, values) in zip(taken.rows, batches.items(), strict=True):
        assert row.case.batch == batch
        assert row.samples[0].values == tuple(round(each * 1e6) for each in values)
        assert _value(row, "latency_ns") == statistics.fmean(values) * 1e6
        assert _value(row, "memory_used_bytes") == 1.5 * 1024 * 1024
