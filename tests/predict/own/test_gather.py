"""Examples out of a store: which results count, with which graph, and the rates of the machine that they are from.

The results are composed for these tests; the probe is a launch whose answers were written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.core.case import Case
from assay.core.errors import WorkloadError
from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import Fidelity, Mode, RunStatus, Status, Verdict
from assay.predict.base import ExampleSource, predictors
from assay.predict.memory_kind import KIND as MEMORY
from assay.predict.memory_learn import DEVICE_METRIC, HOST_METRIC, PHASE_METRIC, gather_memory, parts_of
from assay.predict.own.gather import gather_own, why_not_plain
from assay.predict.values import GraphProfile, OpWork, Prediction
from assay.runner.probe_device import ProbeRequest, run_probe
from assay.runner.probe_process import Probed, ProbeOutcome, Rate
from assay.store import Store

AT = datetime(2026, 11, 1, tzinfo=UTC)
FACTS = {
    "cpu": {"model": "some CPU", "usable_cores": 2, "architecture": "x86_64"},
    "memory": {"total_bytes": 16 * 1024**3, "cgroup_cpu_quota": None},
    "gpus": [],
}
HERE = EnvironmentRecord("env", "host", "some CPU 2c 16GiB", FACTS, AT)


def make_case(workload: str = "bert/tiny", *, device: str = "cpu", engine: str = "torch", **fields: Any) -> Case:
    return Case.make(workload=workload, engine=engine, device=device, **fields)


def make_result(case: Case, latency_ns: float | None = 2e6, **fields: Any) -> ResultRecord:
    numbers = () if latency_ns is None else (MetricValue("latency_ns", latency_ns, "ns", n=5),)
    given: dict[str, Any] = {"status": Status.OK, "verdict": Verdict.TRUSTED, "hardware": HERE.hardware_class}
    given |= {"measured_at": AT, "metrics": numbers} | fields
    return ResultRecord(result_id=new_id(), run_id="", series_id=f"series {case.case_id}", case=case, **given)


def append(store: Store, results: Sequence[ResultRecord], days: int = 0) -> list[str]:
    """Keep them as one run, so many days later; returns their ids."""
    run_id, at = new_id(), AT + timedelta(days=days)
    placed = tuple(replace(one, run_id=run_id, measured_at=at) for one in results)
    run = RunRecord(
        run_id=run_id, suite="test", status=RunStatus.OK, started_at=at, finished_at=at, env_id="env", config={},
        cases_planned=len(results), assay_version="0", source_hash="0",
    )  # fmt: skip
    store.append(RunBundle(run, HERE, placed, ()))
    return [one.result_id for one in placed]


def probe(store: Store, gemm: float, threads: int | None = None) -> None:
    rates = (
        Rate("gemm_flops_per_s", "fp32", gemm, gemm),
        Rate("cache_bandwidth_bytes_per_s", "256MiB", 20e9, 21e9),
        Rate("launch_overhead_ns", "steady", 1500.0, 1400.0),
    )
    answer = Probed(
        rates=rates, series=(), missing={}, costs_ns={}, witnesses={}, facts={}, threads=threads or 2, hardware="",
    )  # fmt: skip
    asked = ProbeRequest("cpu", threads or 2, launches=1, is_threads_asked=threads is not None)
    run_probe(asked, HERE, store, launcher=lambda *_, **__: ProbeOutcome(answer, AT, 10**9, 0.0), folder=Path("/"))


def tell_graph(case: Case) -> GraphProfile:
    if case.workload == "lost/one":
        raise WorkloadError("lost/one is not installed")
    work = {"matmul": OpWork(1.0, 1e9 * case.batch, 1e6)}
    return GraphProfile(
        case.workload, case.family, work, case.batch, case.shape, parameters=1e6, weight_elements=1e6,
        activation_peak_elements=1e5 * case.batch, saved_elements=1e6 * case.batch,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_the_newest_usable_result_of_a_case_counts_with_the_rates_of_the_probe(store: Store) -> None:
    one, other = make_case(batch=1), make_case(batch=8, precision="bf16")
    append(store, [make_result(one, 5e6), make_result(other, 9e6, effective_precision="bf16")])
    _, wrong = append(store, [make_result(one, 2e6), make_result(other, 1e3, fidelity=Fidelity.FAILED)], days=1)
    probe(store, 100e9)
    found = gather_own(ExampleSource(store=store), graph_of=tell_graph)
    assert {example.question.conditions.batch: example.value for example in found.examples} == {1: 2e6, 8: 9e6}
    assert {example.groups["case"] for example in found.examples} == {"bert/tiny "}
    assert wrong not in {example.source for example in found.examples}
    for example in found.examples:
        device = example.question.device
        assert (device.name, device.kind) == (HERE.hardware_class, "cpu")
        assert device.flops_per_s == {"fp32": 100e9}
        assert (device.bandwidth_bytes_per_s, device.launch_overhead_ns) == (20e9, 1500.0)
        assert set(device.origin.values()) == {"probe"}
    assert {example.groups["precision"] for example in found.examples} == {"fp32", "bf16"}
    assert [(use.rows, len(use.sha256)) for use in found.uses] == [(2, 64)]
    assert found.notes == ()


def test_a_machine_that_was_never_probed_has_no_rates_and_says_so(store: Store) -> None:
    append(store, [make_result(make_case())])
    (example,) = gather_own(ExampleSource(store=store), graph_of=tell_graph).examples
    assert example.question.device.flops_per_s == {}
    assert example.question.device.notes == ("never probed: run assay probe",)


def test_threads_that_were_asked_for_are_hardware_of_their_own(store: Store) -> None:
    append(store, [make_result(make_case()), make_result(make_case(options={"threads": 1}), 3e6)])
    probe(store, 100e9)
    probe(store, 60e9, threads=1)  # the newest, and not what the other ran with
    found = gather_own(ExampleSource(store=store), graph_of=tell_graph).examples
    rates = {example.groups["device"]: example.question.device.flops_per_s["fp32"] for example in found}
    assert rates == {HERE.hardware_class: 100e9, f"{HERE.hardware_class}, 1 threads": 60e9}


def test_what_cannot_be_counted_is_left_out_once_with_the_reason(store: Store) -> None:
    lost = [make_result(make_case("lost/one", batch=1)), make_result(make_case("lost/one", batch=1, precision="bf16"))]
    append(store, [*lost, make_result(make_case())])
    found = gather_own(ExampleSource(store=store), graph_of=tell_graph)
    assert [example.question.workload for example in found.examples] == ["bert/tiny"]
    assert found.notes == ("lost/one left out: lost/one is not installed",)


def test_of_too_many_results_some_are_learned_from_which_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.predict.own.gather.MOST", 4)
    append(store, [make_result(make_case(batch=2**power), 1e6 * 2**power) for power in range(6)])
    probe(store, 100e9)
    found = gather_own(ExampleSource(store=store), graph_of=tell_graph)
    assert len(found.examples) == 4
    assert {1, 32} <= {example.question.conditions.batch for example in found.examples}
    assert found.notes == ("of 6 results the 4 that say most about all are learned from",)
    # What is new is counted against all that there was.
    assert found.uses[0].rows == 6


def test_without_a_store_there_is_nothing(tmp_path: Path) -> None:
    assert gather_own(ExampleSource()).notes == ("no store was given",)
    empty = gather_own(ExampleSource(store=Store.open(tmp_path / "empty")))
    assert (empty.examples, empty.uses, empty.notes) == ((), (), ())


def test_graphs_are_counted_where_nobody_tells_them(store: Store) -> None:
    pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")
    append(store, [make_result(make_case(batch=4, shape={"seq": 16}))])
    (example,) = gather_own(ExampleSource(store=store)).examples
    graph = example.question.graph
    assert graph is not None
    assert (graph.batch, dict(graph.shape)) == (4, {"seq": 16})
    assert graph.flops > 1e6


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (make_result(make_case()), None),
        (make_result(make_case(), None), "no latency"),
        (make_result(make_case(), verdict=Verdict.CONTAMINATED), "contaminated"),
        (make_result(make_case(), fidelity=Fidelity.FAILED), "not a usable measurement"),
        (make_result(make_case("probe/device")), "a probe"),
        (make_result(make_case(mode=Mode.TRAINING)), "not one call of inference but training"),
        (make_result(make_case(options={"scenario": "server"})), "more than a plain call: scenario"),
        (make_result(make_case(engine="web-webgpu", device="webgpu")), "an adapter, whose rates no probe knows"),
    ],
)
def test_what_is_no_plain_call_says_why(result: ResultRecord, why: str | None) -> None:
    assert why_not_plain(result) == why


# -- memory -------------------------------------------------------------------------------------------------------


def with_peaks(case: Case, *peaks: tuple[str, float, str]) -> ResultRecord:
    metrics = tuple(MetricValue(name, value, "B", phase=phase) for name, value, phase in peaks)
    return make_result(case, metrics=metrics)


def test_a_host_has_its_resident_peak_an_accelerator_its_allocators_and_training_the_worst_phase() -> None:
    host = with_peaks(make_case(), (HOST_METRIC, 5e8, "steady"), (DEVICE_METRIC, 1e8, "steady"))
    device = with_peaks(make_case(device="cuda:0"), (HOST_METRIC, 5e8, "steady"), (DEVICE_METRIC, 1e8, "steady"))
    phases = ((PHASE_METRIC, 2e8, "forward"), (PHASE_METRIC, 3e8, "backward"))
    trained = with_peaks(make_case(mode=Mode.TRAINING), *phases)
    examples, notes = gather_memory([host, device, trained], lambda result: tell_graph(result.own_case))
    assert notes == []
    assert [(one.question.device.kind, one.question.metric, one.value) for one in examples] == [
        ("cpu", HOST_METRIC, 5e8), ("gpu", DEVICE_METRIC, 1e8), ("cpu", HOST_METRIC, 3e8),
    ]  # fmt: skip
    assert [one.groups["mode"] for one in examples] == ["inference", "inference", "training"]


def test_peaks_of_other_work_and_older_ones_are_left_out() -> None:
    old, new = (with_peaks(make_case(), (HOST_METRIC, value, "steady")) for value in (4e8, 5e8))
    others = [
        with_peaks(make_case("probe/device"), (HOST_METRIC, 1e8, "steady")),
        with_peaks(make_case(options={"new_tokens": 8}), (HOST_METRIC, 1e8, "steady")),
        with_peaks(make_case(batch=2)),
        replace(with_peaks(make_case(batch=4), (HOST_METRIC, 1e8, "steady")), status=Status.FAILED),
    ]
    lost = with_peaks(make_case("lost/one"), (HOST_METRIC, 1e8, "steady"))
    examples, notes = gather_memory([old, *others, lost, new], lambda result: tell_graph(result.own_case))
    assert [(one.value, one.source) for one in examples] == [(5e8, new.result_id)]
    assert notes == ["lost/one left out: lost/one is not installed"]


def test_the_kind_learns_its_factors_from_the_peaks_of_a_store(store: Store) -> None:
    pytest.importorskip("torch", reason="graphs of families are counted with torch: pip install 'assay[torch]'")
    kind = predictors.get(MEMORY)
    assert kind.gather(ExampleSource()).notes == ("no store was given",)
    cases = [
        make_case(f"{family}/tiny", batch=batch) for family in ("bert", "resnet", "vit", "llama") for batch in (1, 8)
    ]
    append(store, [with_peaks(case, (HOST_METRIC, 1.0, "steady")) for case in cases])
    asked = kind.gather(ExampleSource(store=store)).examples
    assert len(asked) == len(cases)
    # What engines need, known here: one and a half times the sum of the parts and 50 MB.
    needed = []
    for case, example in zip(cases, asked, strict=True):
        parts = parts_of(example.question)
        needed.append(with_peaks(case, (HOST_METRIC, 1.5 * (parts.state + parts.activations) + 50e6, "steady")))
    append(store, needed, days=1)
    gathered = kind.gather(ExampleSource(store=store))
    assert [use.rows for use in gathered.uses] == [len(cases)]
    model = kind.fit(gathered, 0)
    for example in gathered.examples:
        (answer,) = model.answer([example.question])
        assert isinstance(answer, Prediction)
        parts = parts_of(example.question)
        assert answer.value == pytest.approx(example.value, rel=0.25)  # what few rows say is half believed
        assert abs(answer.value - example.value) < abs(parts.state + parts.activations - example.value) / 2
