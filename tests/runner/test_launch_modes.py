"""Launches of every mode in a real worker process: what comes back is of the mode that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any

import pytest

from assay.core.case import Case
from assay.core.words import Mode
from assay.runner.protocol import Job, Measured
from assay.runner.supervise import run_launch
from assay.runner.timing import Timing

SHORT = Timing(min_time_s=0.05, max_time_s=0.2, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.1)


def launch(environ: Mapping[str, str], **fields: Any) -> Measured:
    shape = fields.pop("shape", {})
    case = Case.make(device="cpu", shape=shape, **fields)
    job = Job(case, shape, threads=1, seed=0, timing=SHORT, spawned_ns=perf_counter_ns())
    outcome = run_launch(job, limit_s=180, environ=environ).outcome
    assert isinstance(outcome, Measured), outcome
    return outcome


def test_a_generation_brings_its_tokens_times(worker_environ: Mapping[str, str]) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'assay[torch]'")
    told = launch(
        worker_environ, workload="llama/tiny", engine="torch", mode=Mode.GENERATION, shape={"seq": 8},
        options={"new_tokens": 4},
    )  # fmt: skip
    series = {one.name: one.values for one in told.series}
    assert set(series) == {"prefill", "decode_step", "generation"}
    assert len(series["decode_step"]) == 3 * len(series["generation"])
    assert told.values == ()
    assert told.marks_ns["load"] < told.marks_ns["measure_begin"] < told.marks_ns["measure_end"]


def test_serving_brings_loadgens_verdict_and_every_latency(worker_environ: Mapping[str, str]) -> None:
    pytest.importorskip("mlperf_loadgen", reason="needs LoadGen: pip install 'assay[mlperf]'")
    told = launch(
        worker_environ, workload="plain_models:good", engine="plain", mode=Mode.SERVING,
        options={"scenario": "single-stream"},
    )  # fmt: skip
    assert told.facts["loadgen_verdict"] == "VALID"
    (series,) = told.series
    assert (series.name, series.unit) == ("query_latency", "ns")
    assert len(series.values) == next(one.value for one in told.metrics if one.name == "serving_queries")
    assert told.stop_reason == "VALID"


def test_plain_calls_bring_their_samples(worker_environ: Mapping[str, str]) -> None:
    told = launch(worker_environ, workload="plain_models:good", engine="plain")
    assert len(told.values) >= 5
    assert (told.series, [metric.name for metric in told.metrics]) == ((), ["cpu_time_ns"])
