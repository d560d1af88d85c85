"""Batches timed in a real worker: readings span every process, bytes are counted, children are nobody else's work."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any

import pytest

from assay.core.case import Case
from assay.core.records import MetricValue
from assay.core.words import Mode
from assay.runner.data_mode import repeat
from assay.runner.protocol import Job, Measured
from assay.runner.supervise import run_launch
from assay.runner.timing import Timing

pytest.importorskip("torch", reason="the loader is PyTorch's: pip install 'assay[torch]'")

SHORT = Timing(min_time_s=0.2, max_time_s=0.4, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.1)
SHAPE = {"window": 256, "channels": 2}


def launch(environ: Mapping[str, str], **fields: Any) -> Measured:
    case = Case.make(device="cpu", **fields)
    job = Job(case, dict(case.shape), threads=1, seed=0, timing=SHORT, spawned_ns=perf_counter_ns())
    outcome = run_launch(job, limit_s=240, environ=environ).outcome
    assert isinstance(outcome, Measured), outcome
    return outcome


def value(told: Measured, name: str, phase: str = "steady") -> float:
    found = [one.value for one in told.metrics if (one.name, one.phase) == (name, phase)]
    assert len(found) == 1, told.metrics
    assert found[0] is not None
    return found[0]


def test_readings_span_a_batch_of_every_process(worker_environ: Mapping[str, str]) -> None:
    told = launch(
        worker_environ, workload="pipeline/batches-high", engine="loader", mode=Mode.DATA, batch=8, shape=SHAPE,
        options={"workers": 2},
    )  # fmt: skip
    assert told.calls_per_sample % 2 == 0
    assert told.warmup_calls % 2 == 0
    assert (told.facts["workers"], told.facts["dataset_kind"]) == ("2", "synthetic")
    batch_bytes = 8 * (2 * 2 * 256 * 4 + 2 * 129 * 4 + 8)
    assert told.facts["batch_bytes"] == str(batch_bytes)
    assert value(told, "read_bytes_per_s") == pytest.approx(batch_bytes * 1e9 / told.median_ns)


def test_an_encoder_is_probed_before_and_after_it_has_learned(worker_environ: Mapping[str, str]) -> None:
    told = launch(
        worker_environ, workload="contrastive/tiny", engine="torch", mode=Mode.TRAINING, batch=16, shape=SHAPE,
        options={"dataset": "bearings-synthetic:300", "probe_steps": 2},
    )  # fmt: skip
    chance = value(told, "probe_chance")
    assert 0.15 < chance < 0.4, "five classes, of nearly the same number"
    # How well it learns is for the probe's own tests and the suite; here it has had a few steps.
    assert value(told, "probe_accuracy") > chance
    assert 0 <= value(told, "probe_accuracy", "before") <= 1
    assert told.facts["probe_dataset"] == "bearings-synthetic:300"
    assert told.costs_ns["probe"] > 0


def test_an_engine_that_says_no_size_gets_a_reason() -> None:
    calls: list[int] = []
    again = repeat(lambda: calls.append(1), 3)
    again()
    assert len(calls) == 3
    once = calls.clear
    assert repeat(once, 1) is once
    assert MetricValue("read_bytes_per_s", None, "B/s", reason="why").value is None
