"""Each rule: when it speaks, what it says, which numbers are behind it, and when it is silent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from assay.core.case import Case, series_id
from assay.core.ids import new_id
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Fidelity, Mode, Status, Verdict
from assay.recommend.base import Advice, Ground, rules
from assay.recommend.explain import ExplainedResult
from assay.stats.roofline import DeviceRates, Explanation, Work, explain

HARDWARE = "AMD EPYC 2c 24GiB"
CASE_FIELDS = ("workload", "engine", "device", "mode", "precision", "batch", "shape", "options")


def metric(name: str, value: float, unit: str, *, stat: str = "median", spread: float | None = 0.02) -> MetricValue:
    lo, hi = (None, None) if spread is None else (value * (1 - spread), value * (1 + spread))
    return MetricValue(name, value, unit, stat=stat, ci_lo=lo, ci_hi=hi, n=5)


def result(latency_ms: float, *more: MetricValue, spread: float | None = 0.02, **changes: Any) -> ResultRecord:
    fields: dict[str, Any] = {"workload": "bert/tiny", "engine": "torch", "device": "cpu", "shape": {"seq": 128}}
    fields |= {name: changes.pop(name) for name in CASE_FIELDS if name in changes}
    case, ns = Case.make(**fields), latency_ms * 1e6
    record = ResultRecord(
        result_id=new_id(), run_id="run", series_id=series_id(case.case_id, HARDWARE), case=case, status=Status.OK,
        measured_at=datetime(2026, 5, 1, tzinfo=UTC), verdict=Verdict.TRUSTED, hardware=HARDWARE,
        fidelity=Fidelity.REFERENCE if case.engine == "torch" else Fidelity.PASSED, unit_of_work="sample",
        units_per_call=float(case.batch), launches_ok=5,
        metrics=(
            metric("latency_ns", ns, "ns", spread=spread),
            metric("throughput_per_s", case.batch * 1e9 / ns, "1/s", spread=spread), *more,
        ),
    )  # fmt: skip
    return dataclasses.replace(record, **changes)


def advise(rule: str, subjects: Sequence[ResultRecord], *others: ResultRecord, **more: Any) -> list[Advice]:
    return list(rules.get(rule)(Ground(tuple(subjects), (*subjects, *others), **more)))


def test_every_rule_is_declared_and_silent_where_nothing_was_measured() -> None:
    assert rules.names() == (
        "batch", "compiling", "data-wait", "energy", "engine", "fidelity", "first-call", "memory", "noise",
        "noise-scale", "precision", "precision-used", "roofline", "threads",
    )  # fmt: skip
    for name in rules.names():
        assert list(rules.get(name)(Ground((), ()))) == []
        assert advise(name, [result(10.0)]) == []


def test_advice_without_evidence_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="without evidence"):
        Advice("batch", "bert", "do it", "because", ())


def test_a_larger_batch_that_does_more() -> None:
    [advice] = advise("batch", [result(10.0), result(20.0, batch=8)])
    assert advice.action == "use batch 8 rather than 1 where throughput counts"
    assert advice.because == "400 sample/s and 100 sample/s: 4.00x (3.89 to 4.11)"
    assert advice.cost == "a call takes 20.0 ms instead of 10.0 ms"
    assert advice.gain == pytest.approx(4.0)
    assert {one.what: one.value for one in advice.evidence}["latency at batch 8"] == 20e6


def test_a_larger_batch_that_gains_nothing() -> None:
    [advice] = advise("batch", [result(10.0), result(80.0, batch=8)])
    assert advice.action == "stay at batch 1: batch 8 gains nothing"


@pytest.mark.parametrize("other", [
    result(74.0, batch=8), result(20.0, batch=8, spread=None), result(20.0, batch=8, spread=0.9),
    result(20.0, batch=8, verdict=Verdict.CONTAMINATED), result(20.0, batch=8, hardware="another"),
    result(20.0, batch=8, workload="vit/tiny"), result(20.0, batch=8, mode=Mode.SERVING),
])  # fmt: skip
def test_no_word_on_batches_where_it_is_not_sure(other: ResultRecord) -> None:
    assert advise("batch", [result(10.0)], other) == []


def test_the_fastest_engine_with_right_answers() -> None:
    slow = result(10.0)
    onnx = result(6.0, metric("fidelity_max_relative_error", 2e-6, "1", stat="worst"), engine="onnxruntime")
    wrong = result(1.0, engine="openvino", fidelity=Fidelity.FAILED)
    unknown = result(2.0, engine="torch-compile", fidelity=None)
    [advice] = advise("engine", [slow], onnx, wrong, unknown)
    assert advice.action == "use onnxruntime rather than torch"
    assert advice.subject == "bert/tiny cpu fp32 b1 seq128"
    assert advice.because == "6.00 ms instead of 10.0 ms: 1.67x (1.62 to 1.71); fidelity passed (error 0.0000020)"
    assert advise("engine", [onnx], slow) == [], "it is the fastest already"
    assert advise("engine", [slow], result(9.8, engine="onnxruntime")) == []


def test_a_precision_that_pays_and_one_that_does_not() -> None:
    full = result(10.0, metric("model_bytes", 400.0 * 2**20, "B", stat="max"))
    faster = result(
        5.0, metric("model_bytes", 100.0 * 2**20, "B", stat="max"), precision="int8", fidelity=Fidelity.PASSED
    )
    [advice] = advise("precision", [full], faster)
    assert advice.action == "use int8 rather than fp32"
    assert advice.because.endswith("2.00x (1.94 to 2.06); model 100 MiB instead of 400 MiB")
    [warning] = advise("precision", [full], result(20.0, precision="bf16", fidelity=Fidelity.PASSED))
    assert warning.action == "do not use bf16 for speed here"
    assert warning.because.startswith("20.0 ms instead of 10.0 ms: 0.50x (0.49 to 0.51) of fp32's speed")
    assert warning.gain is None


def test_threads() -> None:
    one, two = result(10.0, options={"threads": 1}), result(6.0, options={"threads": 2})
    [advice] = advise("threads", [one, two])
    assert advice.action == "use 2 threads rather than 1"


def test_compiling_pays_after_so_many_calls() -> None:
    eager = result(10.0)
    compiled = result(6.0, metric("compile_ns", 40e9, "ns"), engine="torch-compile")
    [advice] = advise("compiling", [eager, compiled])
    assert advice.action == "compile where a process makes more than 10.0k calls"
    assert advice.because == "compiling takes 40.0 s and saves 4.00 ms a call (1.67x (1.62 to 1.71))"
    assert advise("compiling", [eager, result(6.0, engine="torch-compile")]) == [], "what compiling took is not known"
    slower = result(11.0, metric("compile_ns", 40e9, "ns"), engine="torch-compile")
    assert advise("compiling", [eager, slower]) == []


def test_the_first_call() -> None:
    [advice] = advise("first-call", [result(10.0, metric("first_infer_ns", 400e6, "ns"))])
    assert advice.because == "the first call takes 400 ms, later ones 10.0 ms"
    assert advise("first-call", [result(10.0, metric("first_infer_ns", 45e6, "ns"))]) == []
    assert advise("first-call", [result(1.0, metric("first_infer_ns", 20e6, "ns"))]) == [], "nobody notices 20 ms"


def test_disturbed_launches_are_said_with_their_reasons() -> None:
    reason = "2 of 5 launches contaminated: other processes used 50 % of the machine's CPU"
    bad = result(10.0, verdict=Verdict.CONTAMINATED, verdict_reasons=(reason,))
    [advice] = advise("noise", [bad, result(5.0, batch=8)])
    assert (advice.subject, reason in advice.because) == ("1 of 2 results", True)


def test_another_precision_than_was_asked_for() -> None:
    [advice] = advise("precision-used", [result(10.0, precision="bf16", effective_precision="fp32")])
    assert advice.action == "ask for fp32, or use a device that has bf16"
    assert advise("precision-used", [result(10.0, effective_precision="fp32")]) == []


def test_fast_and_wrong_is_named() -> None:
    numbers = (
        metric("fidelity_max_relative_error", 0.4, "1", stat="worst"),
        metric("fidelity_tolerance", 0.2, "1", stat="bound"),
    )
    wrong = result(1.0, *numbers, precision="int8", fidelity=Fidelity.FAILED, fidelity_reason="0.4 is above 0.2")
    [advice] = advise("fidelity", [wrong])
    assert advice.because == "0.4 is above 0.2"
    assert [one.value for one in advice.evidence] == [0.4, 0.2]


def test_memory_that_is_nearly_used_up() -> None:
    one = result(10.0, metric("memory_peak_bytes", 20.0 * 2**30, "B", stat="max"))
    facts = {"memory": {"total_bytes": 24 * 2**30, "cgroup_limit_bytes": None}}
    [advice] = advise("memory", [one], facts=facts)
    assert advice.because == "it peaks at 20.0 GiB of 24.0 GiB (83 %)"
    assert advise("memory", [one], facts={"memory": {"total_bytes": 64 * 2**30}}) == []
    [limited] = advise("memory", [one], facts={"memory": {"total_bytes": 2**40, "cgroup_limit_bytes": 21 * 2**30}})
    assert "of 21.0 GiB" in limited.because


def test_energy() -> None:
    one = result(10.0, metric("energy_j_per_sample", 4.0, "J"))
    other = result(20.0, metric("energy_j_per_sample", 1.0, "J"), batch=8)
    [advice] = advise("energy", [one], other)
    assert advice.action == "use batch 8 rather than 1 to save energy"
    assert advice.because == "1.00 J instead of 4.00 J a sample: 4.00x (3.89 to 4.11)"


@pytest.mark.parametrize(("work", "said"), [
    (Work(flops=7e9, bytes_compulsory=1e6, bytes_unfused=1e7), "near the limit of arithmetic"),
    (Work(flops=1e8, bytes_compulsory=8e8, bytes_unfused=1e9), "near the limit of memory traffic"),
    (Work(flops=5e8, bytes_compulsory=1e6, bytes_unfused=1e7), "far from every limit"),
    (Work(flops=1e8, bytes_compulsory=1e6, bytes_unfused=1e7, kernels=6000), "starting operations"),
    (Work(flops=4e9, bytes_compulsory=1e6, bytes_unfused=1e7), None),
    (Work(flops=2e10, bytes_compulsory=1e6, bytes_unfused=1e7), None),
])  # fmt: skip
def test_the_roof_says_what_would_help(work: Work, said: str | None) -> None:
    rates = DeviceRates({"fp32": 1e12}, read_bytes_per_s={2**30: 1e11}, launch_overhead_ns=1000.0)
    subject = result(10.0)
    found = explain(work, rates, 10e6, "fp32")
    assert isinstance(found, Explanation)
    advice = advise("roofline", [subject], explained=(ExplainedResult(subject, None, found, found.text),))
    assert [said in one.action for one in advice if said] == ([] if said is None else [True])
    assert len(advice) == (said is not None)
