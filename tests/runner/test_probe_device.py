"""The device probe as a run: what is kept, what a failed or interrupted launch leaves, which probe is found again."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.catalog.metrics import metrics
from assay.core.records import EnvironmentRecord, SampleSeries
from assay.core.words import RunStatus, Status, Verdict
from assay.runner.probe_device import ProbeProgress, ProbeRequest, latest_probe, run_probe
from assay.runner.probe_process import Probed, ProbeJob, ProbeOutcome, Rate, run_probe_launch
from assay.runner.protocol import Failed
from assay.store import Store

STARTED = datetime(2026, 11, 22, 5, tzinfo=UTC)
FACTS = {
    "cpu": {"model": "some CPU", "usable_cores": 2, "architecture": "x86_64"},
    "memory": {"total_bytes": 16 * 1024**3, "cgroup_cpu_quota": None},
    "gpus": [],
}
HERE = EnvironmentRecord("env-1", "host-1", "some CPU 2c 16GiB", FACTS, STARTED)
TWIN = dataclasses.replace(HERE, env_id="env-2", host_id="host-2")
OTHER = dataclasses.replace(
    HERE,
    env_id="env-3",
    host_id="host-3",
    facts={**FACTS, "cpu": {**FACTS["cpu"], "model": "another CPU"}},  # type: ignore[dict-item]
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def probed(gemm: float = 100e9, **fields: Any) -> Probed:
    given: dict[str, Any] = {
        "rates": (
            Rate("gemm_flops_per_s", "fp32", gemm, 1.1 * gemm),
            Rate("cache_bandwidth_bytes_per_s", "16KiB", 200e9, 210e9),
            Rate("cache_bandwidth_bytes_per_s", "256MiB", 20e9, 21e9),
            Rate("copy_bandwidth_bytes_per_s", "steady", 18e9, 19e9),
            Rate("launch_overhead_ns", "steady", 1500.0, 1400.0),
        ),
        "series": (SampleSeries("gemm fp32 256", "ns", (20_000_001, 20_000_002, 20_000_003), 7),),
        "missing": {"gemm fp16": "RuntimeError: not implemented"},
        "costs_ns": {"import": 5},
        "witnesses": {"other_cpu_share": 0.01},
        "facts": {"torch": "2.13.0", "sync_check": "passed: by a double"},
        "threads": 2,
        "hardware": "",
    }
    return Probed(**(given | fields))


def answering(*answers: Probed | Failed | BaseException) -> Callable[..., ProbeOutcome]:
    """A launcher that gives these, one a launch."""
    left = list(answers)

    def launch(job: ProbeJob, *, limit_s: float, on_phase: Callable[[str], None]) -> ProbeOutcome:
        assert limit_s > 0
        on_phase(f"gemm {job.device}")
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return ProbeOutcome(answer, STARTED, 15 * 10**9, 0.001)

    return launch


def make(store: Store, *answers: Any, environment: EnvironmentRecord = HERE, **fields: Any) -> Any:
    request = ProbeRequest("cpu", 2, launches=len(answers), **fields)
    return run_probe(request, environment, store, launcher=answering(*answers), folder=Path("/"))


def test_a_probe_is_a_run_with_one_result(store: Store) -> None:
    seen: list[ProbeProgress] = []
    finished = run_probe(
        ProbeRequest("cpu", 2, launches=3), HERE, store, listener=seen.append,
        launcher=answering(probed(90e9), probed(100e9), probed(120e9)),
    )  # fmt: skip
    assert store.find_run("last") == finished.run
    assert (finished.run.suite, finished.run.status, finished.run.cases_planned) == ("probe", RunStatus.OK, 1)
    [result] = store.results(run_id=finished.run.run_id)
    assert result == finished.result
    assert (result.case.workload, result.case.engine, result.case.batch) == ("probe/device", "torch", 1)
    assert (result.status, result.verdict, result.launches_ok) == (Status.OK, Verdict.TRUSTED, 3)
    gemm = result.metric("gemm_flops_per_s", phase="fp32")
    assert gemm is not None
    assert (gemm.value, gemm.unit, gemm.n) == (100e9, "FLOP/s", 3)
    assert gemm.ci_lo is not None
    assert gemm.ci_hi is not None
    assert gemm.ci_lo < 100e9 < gemm.ci_hi
    best = result.metric("gemm_flops_per_s", "best", "fp32")
    assert best is not None
    assert best.value == pytest.approx(132e9)
    fastest = result.metric("launch_overhead_ns", "best")
    assert fastest is not None
    assert fastest.value == 1400.0  # of a time, the best is the least
    kept = store.launches(run_id=finished.run.run_id, with_samples=True)
    assert [launch.samples for launch in kept] == [probed().series] * 3
    assert kept[0].engine_facts["sync_check"] == "passed: by a double"
    assert [progress.phase for progress in seen] == ["gemm cpu", "done"] * 3
    assert store.orphans() == []


def test_every_metric_of_it_is_registered(store: Store) -> None:
    for metric in make(store, probed()).result.metrics:
        assert metrics.get(metric.name).unit == metric.unit


def test_what_was_refused_is_missing_with_its_reason(store: Store) -> None:
    finished = make(store, probed())
    missing = finished.result.metric("gemm_flops_per_s", phase="fp16")
    assert (missing.value, missing.reason) == (None, "RuntimeError: not implemented")


def test_a_failed_launch_ends_the_probe(store: Store) -> None:
    finished = make(store, probed(), Failed(Status.TIMEOUT, "still in copy", "copy"), probed())
    assert finished.run.status is RunStatus.FAILED
    assert (finished.result.status, finished.result.reason) == (Status.TIMEOUT, "launch 2 of 3: still in copy")
    assert finished.result.metrics == ()
    assert len(finished.launches) == 2
    assert latest_probe(store, HERE, "cpu") is None


def test_an_interrupted_probe_keeps_what_was_done_and_is_not_used(store: Store) -> None:
    finished = make(store, probed(), KeyboardInterrupt(), probed())
    assert finished.run.status is RunStatus.INTERRUPTED
    assert finished.result.launches_ok == 1
    assert store.find_run("last").status is RunStatus.INTERRUPTED
    assert latest_probe(store, HERE, "cpu") is None


def test_noise_makes_the_probe_contaminated(store: Store) -> None:
    finished = make(store, *[probed(witnesses={"other_cpu_share": 0.8})] * 3)
    assert finished.result.verdict is Verdict.CONTAMINATED
    found = latest_probe(store, HERE, "cpu")
    assert found is not None
    assert found.verdict == "contaminated"


def test_the_rates_are_found_again(store: Store) -> None:
    run_id = make(store, probed()).run.run_id
    found = latest_probe(store, HERE, "cpu")
    assert found is not None
    assert (found.run_id, found.host_id, found.threads) == (run_id, "host-1", 2)
    assert found.rates.gemm_flops_per_s == {"fp32": 100e9}
    assert found.rates.read_bytes_per_s == {16384: 200e9, 256 << 20: 20e9}
    assert (found.rates.copy_bytes_per_s, found.rates.launch_overhead_ns) == (18e9, 1500.0)


def test_the_newest_probe_of_this_machine_is_taken(store: Store) -> None:
    assert latest_probe(store, HERE, "cpu") is None
    make(store, probed(50e9))
    newest = make(store, probed(60e9)).run.run_id
    make(store, probed(70e9), environment=TWIN)
    make(store, probed(80e9), environment=OTHER)
    found = latest_probe(store, HERE, "cpu")
    assert found is not None
    assert found.run_id == newest
    assert latest_probe(store, HERE, "cuda:0") is None


def test_else_the_newest_of_another_machine_of_the_same_class(store: Store) -> None:
    make(store, probed(), environment=OTHER)
    twin = make(store, probed(), environment=TWIN).run.run_id
    found = latest_probe(store, HERE, "cpu")
    assert found is not None
    assert (found.run_id, found.host_id) == (twin, "host-2")


def test_a_probe_with_other_threads_is_not_taken(store: Store) -> None:
    make(store, probed(threads=1), is_threads_asked=True)
    assert latest_probe(store, HERE, "cpu", threads=2) is None
    assert latest_probe(store, HERE, "cpu", threads=1) is not None


def test_a_probe_that_was_told_its_threads_is_taken_only_where_there_is_no_other(store: Store) -> None:
    make(store, probed(60e9, threads=1), is_threads_asked=True)
    assert (found := latest_probe(store, HERE, "cpu")) is not None
    assert found.threads == 1
    make(store, probed(90e9), environment=TWIN)
    assert (found := latest_probe(store, HERE, "cpu")) is not None
    assert (found.host_id, found.threads) == ("host-2", 2)
    make(store, probed(100e9))
    make(store, probed(60e9, threads=1), is_threads_asked=True)
    assert (found := latest_probe(store, HERE, "cpu")) is not None
    assert (found.host_id, found.threads) == ("host-1", 2)
    assert (found := latest_probe(store, HERE, "cpu", threads=1)) is not None
    assert found.threads == 1


def test_threads_are_part_of_the_case_where_asked() -> None:
    assert dict(ProbeRequest("cpu", 2).case.options) == {}
    assert dict(ProbeRequest("cpu", 2, is_threads_asked=True).case.options) == {"threads": 2}


# -- the process -----------------------------------------------------------------------------------------------


def launch_script(script: str, limit_s: float = 30) -> Any:
    return run_probe_launch(
        ProbeJob("cpu", (), 1), limit_s=limit_s, command=(sys.executable, "-c", "import sys; " + script)
    ).outcome


def test_a_job_survives_its_line() -> None:
    job = ProbeJob("cuda:0", ("fp32", "tf32"), 4, 0.5)
    assert ProbeJob.from_line(job.to_line()) == job


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("sys.exit(3)", Status.FAILED, "ended in start with exit code 3"),
        ("sys.exit('the end')", Status.FAILED, "its last words: the end"),
        ("import os; os.kill(os.getpid(), 9)", Status.FAILED, "killed by SIGKILL in start"),
        ("print('what?')", Status.FAILED, "wrote what is no message"),
        ("print('{\"probed\": {}}')", Status.FAILED, "cannot be read: KeyError"),
        ('print(\'{"phase": "copy"}\')', Status.FAILED, "ended in copy with exit code 0 and no result"),
        ('print(\'{"failed": {"status": "oom", "reason": "no room", "phase": "copy"}}\')', Status.OOM, "no room"),
    ],
)
def test_whatever_a_worker_does_has_a_reason(script: str, status: Status, words: str) -> None:
    outcome = launch_script(script)
    assert isinstance(outcome, Failed)
    assert outcome.status is status
    assert words in outcome.reason


def test_a_worker_that_hangs_is_killed() -> None:
    outcome = launch_script('print(\'{"phase": "copy"}\', flush=True); import time; time.sleep(600)', limit_s=1)
    assert outcome == Failed(Status.TIMEOUT, "still in copy after the limit of 1 s; killed", "copy")


def test_a_last_word_is_read_back() -> None:
    content = json.dumps({"probed": dataclasses.asdict(probed())})
    assert launch_script(f"print({content!r})") == probed()


def test_the_real_worker_measures_this_cpu() -> None:
    phases: list[str] = []
    job = ProbeJob("cpu", ("fp32",), 1, window_scale=1e-3)
    said = run_probe_launch(job, limit_s=240, on_phase=phases.append).outcome
    assert isinstance(said, Probed), said
    rates = {(rate.metric, rate.phase): rate for rate in said.rates}
    assert {name for name, _ in rates} == {
        "gemm_flops_per_s", "convolution_flops_per_s", "cache_bandwidth_bytes_per_s", "copy_bandwidth_bytes_per_s",
        "launch_overhead_ns",
    }  # fmt: skip
    assert ("cache_bandwidth_bytes_per_s", "16KiB") in rates
    assert all(rate.value > 0 for rate in said.rates)
    assert all(len(one.values) >= 3 for one in said.series)
    assert said.threads == 1
    assert said.facts["sync_check"].startswith(("passed", "disturbed"))
    assert phases[:2] == ["import", "sync self-test"]
    assert "cpu_share" in said.witnesses


def test_a_device_that_is_not_here_is_unsupported() -> None:
    said = run_probe_launch(ProbeJob("xpu:7", (), 1), limit_s=240).outcome
    assert isinstance(said, Failed)
    assert said.status is Status.UNSUPPORTED
    assert "xpu:7" in said.reason
