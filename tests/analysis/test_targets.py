from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.analysis.targets import Met, Outcome, judge_targets
from assay.catalog.targets import parse_target
from assay.core.case import Case, ForeignCase, series_id
from assay.core.ids import new_id
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Fidelity, Mark, Provenance, Status, Verdict

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def result(
    latency_ms: float = 10.0, *, hardware: str = "AMD EPYC 2c", spread: float = 0.05, **changes: Any
) -> ResultRecord:
    fields = {"workload": "bert/tiny", "engine": "torch", "device": "cpu", "batch": 1, "shape": {"seq": 128}}
    case = Case.make(
        **{**fields, **{name: changes.pop(name) for name in list(changes) if name in (*fields, "precision")}}
    )
    ns = latency_ms * 1e6
    record = ResultRecord(
        result_id=new_id(), run_id="run", series_id=series_id(case.case_id, hardware), case=case, status=Status.OK,
        measured_at=NOW, verdict=Verdict.TRUSTED, hardware=hardware, unit_of_work="sample", units_per_call=1.0,
        metrics=(
            MetricValue("latency_ns", ns, "ns", ci_lo=ns * (1 - spread), ci_hi=ns * (1 + spread), n=5),
            MetricValue("latency_ns", None, "ns", stat="p99", reason="needs 473 samples, has 60"),
            MetricValue("throughput_per_s", 1e9 / ns, "1/s", n=5),
        ),
    )  # fmt: skip
    return dataclasses.replace(record, **changes)


def judge(records: list[ResultRecord], *targets: object) -> list[Outcome]:
    return list(judge_targets(records, [parse_target(one) for one in targets]).outcomes)


def test_a_value_is_held_to_its_bound() -> None:
    below, above = judge([result(10.0)], "latency_ms <= 11", "latency_ms <= 8")
    assert (below.met, below.value, below.is_close) == (Met.PASS, 10e6, False)
    assert above.met is Met.FAIL
    assert above.credit == pytest.approx(1 - 0.3219, abs=1e-3)
    assert below.provenance is Provenance.MEASURED


def test_a_bound_within_the_interval_is_said_to_be_close() -> None:
    [outcome] = judge([result(10.0, spread=0.1)], "latency_ms <= 10.5")
    assert (outcome.met, outcome.is_close) == (Met.PASS, True)


UNKNOWN = {
    "p99_latency_ms <= 5": ({}, "needs 473 samples, has 60"),
    "memory_peak_mb <= 5": ({}, "memory_peak_bytes max: not measured"),
    "throughput >= 5 tokens/s": ({}, "counts samples, not tokens"),
    "latency_ms <= 1": ({"status": Status.OOM, "reason": "killed"}, "failed: out of memory: killed"),
    "latency_ms <= 2": ({"fidelity": Fidelity.FAILED, "fidelity_reason": "0.4 off"}, "fidelity failed: 0.4 off"),
    "latency_ms <= 3": ({"verdict": Verdict.CONTAMINATED}, "disturbed"),
    "latency_ms <= 4": ({"marks": {Mark.SIMULATED: "it says so"}}, "marked: simulated"),
}


@pytest.mark.parametrize(("target", "case"), UNKNOWN.items())
def test_what_is_not_known_is_neither_passed_nor_failed(target: str, case: tuple[dict[str, Any], str]) -> None:
    [outcome] = judge([result(**case[0])], target)
    assert (outcome.met, outcome.value, outcome.credit) == (Met.UNKNOWN, None, None)
    assert case[1] in str(outcome.reason)


def test_a_bound_that_disturbed_launches_meet_is_met() -> None:
    [outcome] = judge([result(10.0, verdict=Verdict.CONTAMINATED)], "latency_ms <= 11")
    assert (outcome.met, outcome.reason) == (Met.PASS, "met although the launches were disturbed")
    sides = [result(10.0, verdict=Verdict.CONTAMINATED), result(1.0, engine="onnxruntime")]
    assert judge(sides, "speedup(onnxruntime/torch) >= 5")[0].met is Met.UNKNOWN, "disturbed launches flatter the other"


@pytest.mark.parametrize("word", ["windows/s", "samples/s", "images/s", "1/s"])
def test_a_word_of_ones_own_counts_samples(word: str) -> None:
    assert judge([result()], f"throughput >= 50 {word}")[0].met is Met.PASS


@pytest.mark.parametrize(("unit", "word"), [("token", "tokens/s"), ("s audio", "s audio/s")])
def test_a_known_word_is_the_results_own_unit(unit: str, word: str) -> None:
    assert judge([result(unit_of_work=unit)], f"throughput >= 50 {word}")[0].met is Met.PASS
    assert judge([result(unit_of_work=unit)], "throughput >= 50 windows/s")[0].met is Met.UNKNOWN


def test_a_target_is_for_the_cases_it_names() -> None:
    records = [result(batch=1), result(30.0, batch=8), result(5.0, workload="vit/tiny")]
    where = {"target": "latency_ms <= 20", "where": {"model": "BERT/*", "batch": "1|8"}}
    assert [one.met for one in judge(records, where)] == [Met.PASS, Met.FAIL]
    seq = {"target": "latency_ms <= 20", "where": {"seq": 128, "family": "vit"}}
    assert [one.case_label for one in judge(records, seq)] == [records[2].case.label]


def test_a_target_that_no_case_fits_is_not_overlooked() -> None:
    [outcome] = judge([result()], {"target": "latency_ms <= 20", "where": {"device": "cuda*"}})
    assert (outcome.met, outcome.reason) == (Met.UNKNOWN, "no result is of the cases it is for")


def test_hardware_may_have_a_bound_of_its_own_or_none() -> None:
    target = {"target": "latency_ms <= 20", "by_hardware": {"*H100*": "latency_ms <= 5", "*Pi 5*": None}}
    records = [result(10.0), result(10.0, hardware="NVIDIA H100"), result(900.0, hardware="Raspberry Pi 5")]
    assert [(one.hardware, one.met) for one in judge(records, target)] == [
        ("AMD EPYC 2c", Met.PASS), ("NVIDIA H100", Met.FAIL),
    ]  # fmt: skip


def test_a_speedup_compares_what_differs_in_one_field_only() -> None:
    records = [
        result(50.0), result(5.0, device="cuda:0", hardware="NVIDIA H100"),
        result(400.0, batch=8), result(20.0, batch=8, device="cuda:0", hardware="NVIDIA H100"),
        result(7.0, batch=2, device="cuda:0", hardware="NVIDIA H100"),
    ]  # fmt: skip
    first, second, third = judge(records, "speedup(cuda/cpu) >= 15")
    assert [first.met, second.met] == [Met.FAIL, Met.PASS]
    assert [first.value, second.value] == [pytest.approx(10.0), pytest.approx(20.0)]
    assert second.lo is not None
    assert second.hi is not None
    assert second.lo < 20 / 1.05 < 20 < 20 * 1.05 < second.hi
    assert (third.met, third.reason) == (Met.UNKNOWN, "cpu was not measured on this case")
    assert second.result_ids == (records[3].result_id, records[2].result_id)


def test_a_speedup_may_be_of_engines_and_precisions() -> None:
    records = [result(12.0), result(6.0, engine="onnxruntime"), result(8.0, precision="bf16")]
    engine, precision = judge(records, "speedup(onnxruntime/torch) >= 2", "speedup(bf16/fp32) >= 2")
    assert (engine.met, precision.met) == (Met.PASS, Met.FAIL)


def test_a_speedup_of_what_is_not_there_says_so() -> None:
    [outcome] = judge([result()], "speedup(cuda/cpu) >= 2")
    assert outcome.reason == "no result is of 'cuda'"


def test_a_speedup_never_mixes_measured_and_imported() -> None:
    foreign = ForeignCase.make(workload="bert/tiny", engine="torch", device="cuda", precision="fp32", batch=1,
                               shape={"seq": 128})  # fmt: skip
    imported = result(1.0, hardware="GPU", provenance=Provenance.IMPORTED)
    records = [result(10.0), dataclasses.replace(imported, case=foreign)]
    [outcome] = judge(records, "speedup(cuda/cpu) >= 2")
    assert (outcome.met, outcome.reason) == (Met.UNKNOWN, "one is imported, the other measured")


def test_score_and_grade() -> None:
    report = judge_targets([result(10.0)], [parse_target(one) for one in ("latency_ms <= 11", "latency_ms <= 40")])
    assert (report.score, report.grade, report.known_share) == (100.0, "A", 1.0)
    one_fails = judge_targets(
        [result(10.0)],
        [parse_target("latency_ms <= 9.9"), parse_target({"target": "latency_ms <= 50", "weight": 99})],
    )
    assert one_fails.score is not None
    assert one_fails.score > 99
    assert one_fails.grade == "B", "an A takes that nothing failed"
    assert judge_targets([result(10.0)], [parse_target("latency_ms <= 5")]).score == 0.0


def test_no_score_where_too_little_is_known() -> None:
    report = judge_targets(
        [result()], [parse_target(one) for one in ("latency_ms <= 11", "p99_latency_ms <= 5", "load_s <= 1")]
    )
    assert (report.score, report.grade) == (None, None)
    assert report.known_share == pytest.approx(1 / 3)
    assert judge_targets([result()], []).score is None


def test_the_cases_of_one_target_share_its_weight() -> None:
    many = [result(100.0, batch=2**n) for n in range(9)]
    targets = [
        parse_target({"target": "latency_ms <= 1"}),
        parse_target({"target": "latency_ms <= 1000", "where": {"batch": 1}}),
    ]
    assert judge_targets(many, targets).score == 50.0


@given(st.floats(0.01, 1000), st.floats(0.01, 1000))
def test_credit_falls_with_the_distance_and_never_leaves_its_range(latency_ms: float, bound_ms: float) -> None:
    [outcome] = judge([result(latency_ms)], f"latency_ms <= {bound_ms!r}")
    assert outcome.credit is not None
    assert 0 <= outcome.credit <= 1
    assert (outcome.credit == 1) == (outcome.met is Met.PASS)


# -- over several results ----------------------------------------------------------------------------------------


def with_memory(precision: str, gib: float, **changes: Any) -> ResultRecord:
    record = result(precision=precision, **changes)
    peak = MetricValue("memory_peak_bytes", gib * 2.0**30, "B", stat="max", n=3)
    return dataclasses.replace(record, metrics=(*record.metrics, peak))


def test_a_saving_is_of_the_peak() -> None:
    sides = [with_memory("fp32", 4.0), with_memory("fp16", 1.5)]
    kept, missed = judge(sides, "saving(fp16/fp32) >= 50 %", "saving(fp16/fp32) >= 70 %")
    assert (kept.met, kept.value, kept.reason) == (Met.PASS, 0.625, "of memory_peak_bytes")
    assert missed.met is Met.FAIL
    [more] = judge([with_memory("fp32", 1.0), with_memory("fp16", 2.0)], "saving(fp16/fp32) >= 10 %")
    assert (more.met, more.value, more.credit) == (Met.FAIL, -1.0, 0.0)


def test_a_device_says_what_its_own_memory_saves() -> None:
    sides = []
    for precision, on_host, on_device in (("fp32", 1.0, 8.0), ("fp16", 1.0, 4.0)):
        record = with_memory(precision, on_host, device="cuda:0")
        allocated = MetricValue("device_memory_peak_bytes", on_device * 2.0**30, "B", stat="max")
        sides.append(dataclasses.replace(record, metrics=(*record.metrics, allocated)))
    [outcome] = judge(sides, "saving(fp16/fp32) >= 50 %")
    assert (outcome.met, outcome.value) == (Met.PASS, 0.5)


def test_neighbours_do_not_change_how_much_memory_is_taken() -> None:
    sides = [with_memory("fp32", 4.0, verdict=Verdict.CONTAMINATED), with_memory("fp16", 1.0)]
    assert judge(sides, "saving(fp16/fp32) >= 50 %")[0].met is Met.PASS
    [unknown] = judge([result(), result(precision="fp16")], "saving(fp16/fp32) >= 50 %")
    assert (unknown.met, unknown.reason) == (Met.UNKNOWN, "no memory on both sides")


def sized(*sizes: tuple[int, Status]) -> list[ResultRecord]:
    return [
        result(batch=batch, status=status, reason=None if status is Status.OK else "killed") for batch, status in sizes
    ]


OK = Status.OK
LARGEST = [
    (((32, OK), (128, OK)), Met.PASS, 128.0, None),
    (((32, OK), (128, Status.OOM)), Met.FAIL, 32.0, "batch 128: failed: out of memory: killed"),
    (((128, OK), (256, Status.TIMEOUT)), Met.PASS, 128.0, "batch 256: failed: time limit: killed"),
    (((32, OK), (64, OK)), Met.UNKNOWN, None, "nothing above batch 64 was tried"),
    (((64, Status.OOM), (256, Status.SKIPPED)), Met.FAIL, 0.0, "batch 64: failed: out of memory: killed"),
    (((64, Status.UNSUPPORTED),), Met.UNKNOWN, None, "unsupported: killed"),
]


@pytest.mark.parametrize(("sizes", "met", "value", "reason"), LARGEST)
def test_the_largest_that_ran_fails_only_where_a_larger_one_gave_way(
    sizes: tuple[tuple[int, Status], ...], met: Met, value: float | None, reason: str | None
) -> None:
    [outcome] = judge(sized(*sizes), "largest(batch) >= 128")
    assert (outcome.met, outcome.value, outcome.reason) == (met, value, reason)


def test_the_largest_is_told_device_by_device_where_something_was_tried() -> None:
    cpu, gpu = result(batch=64), result(batch=256, device="cuda:0", hardware="NVIDIA H100")
    absent = result(batch=256, device="mps", status=Status.UNSUPPORTED, reason="none here", hardware="AMD EPYC 2c")
    outcomes = judge([cpu, gpu, absent], "largest(batch) >= 128")
    assert [(one.hardware, one.met) for one in outcomes] == [("AMD EPYC 2c", Met.UNKNOWN), ("NVIDIA H100", Met.PASS)]
    [none] = judge([cpu], "largest(window) >= 4096")
    assert none.reason == "no result has a size 'window'"


def test_groups_have_scores_of_their_own() -> None:
    targets = [
        {"target": "latency_ms <= 11", "group": "speed"},
        {"target": "latency_ms <= 8", "group": "speed"},
        {"target": "memory_peak <= 1 GB", "group": "memory"},
        "throughput >= 1",
    ]
    report = judge_targets([result(10.0)], [parse_target(one) for one in targets])
    speed, memory = report.groups
    assert (speed.name, memory.name) == ("speed", "memory")
    assert speed.score == pytest.approx(100 * (1 + 0.678) / 2, abs=0.1)
    assert (speed.grade, memory.grade, memory.score, memory.known_share) == ("C", None, None, 0.0)
    assert speed.met == {Met.PASS: 1, Met.FAIL: 1, Met.UNKNOWN: 0}
    assert judge_targets([result(10.0)], [parse_target("latency_ms <= 11")]).groups == ()


def test_pairs_that_this_machine_has_neither_side_of_are_passed_over_beside_others() -> None:
    here = [result(), result(5.0, precision="fp16")]
    absent: dict[str, Any] = {"device": "cuda", "status": Status.UNSUPPORTED, "reason": "no device 'cuda' here"}
    nowhere = [result(**absent), result(precision="fp16", **absent)]
    [outcome] = judge([*here, *nowhere], "speedup(fp16/fp32) >= 1.2")
    assert (outcome.met, outcome.value) == (Met.PASS, 2.0)
    [unknown] = judge(nowhere, "speedup(fp16/fp32) >= 1.2")
    assert unknown.reason == "unsupported: no device 'cuda' here"
    assert judge([*here, *nowhere], "speedup(cuda/cpu) >= 5")[0].met is Met.UNKNOWN


def test_right_answers_stay_right_on_a_busy_machine() -> None:
    answers = MetricValue("probe_accuracy", 0.4, "1")
    record = result(verdict=Verdict.CONTAMINATED)
    record = dataclasses.replace(record, metrics=(*record.metrics, answers))
    assert judge([record], "probe_accuracy >= 50 %")[0].met is Met.FAIL
    assert judge([record], "latency <= 5 ms")[0].met is Met.UNKNOWN
