"""Shapes F to J: words of test programs. What worked is kept as unverified, what failed with its message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow

Compose = Callable[[str], dict[str, Any]]
Take = Callable[[str, object], Any]


def _by_place(taken: Any) -> dict[str, ImportedRow]:
    rows = {row.place: row for row in taken.rows}
    assert len(rows) == len(taken.rows), "two rows in one place"
    return rows


def _latency(row: ImportedRow) -> float | None:
    return next(metric.value for metric in row.metrics if metric.name == "latency_ns")


def test_single_shots_of_a_skill_are_marked(compose: Compose, take: Take) -> None:
    taken = take("ipfs-skill", compose("ipfs-skill"))
    assert taken.refusals == []
    rows = _by_place(taken)
    plain = rows["/results/examples/0"]
    assert _latency(plain) == pytest.approx(918_620)
    assert set(plain.marks) == {Mark.SINGLE_SHOT}
    assert (plain.case.workload, plain.case.device) == ("hf_tiny", "cpu")
    assert dict(plain.case.options) == {"model_name": "somewhere/tiny"}
    simulated = rows["/results/examples/1"]
    assert simulated.simulated is True
    assert "is_simulated is true" in simulated.marks[Mark.SIMULATED]
    program = rows["/metadata"]
    assert [(metric.name, metric.value) for metric in program.metrics] == [("wall_time_ns", 2.5e9)]
    assert taken.facts[0].values["torch_version"] == "2.4.0"


def test_a_benchmark_inside_a_skill_names_its_device_and_memory(compose: Compose, take: Take) -> None:
    content = compose("ipfs-skill")
    row = _by_place(take("ipfs-skill", content))["/results/status/cuda_benchmark"]
    assert row.hardware == "Quadro P4000"
    assert {metric.name: metric.value for metric in row.metrics} == {
        "latency_ns": pytest.approx(490_051_000), "memory_used_bytes": 68.5 * 1024 * 1024,
    }  # fmt: skip
    assert Mark.SINGLE_SHOT in row.marks
    content["results"]["status"]["cuda_benchmark"]["iterations"] = 10
    row = _by_place(take("ipfs-skill", content))["/results/status/cuda_benchmark"]
    assert Mark.SINGLE_SHOT not in row.marks
    assert row.metrics[0].n == 10


def test_a_time_to_an_error_and_a_time_that_no_clock_read_are_told(compose: Compose, take: Take) -> None:
    row = _by_place(take("ipfs-skill", compose("ipfs-skill")))["/results/examples/2"]
    assert (row.status, row.reason) == (Status.FAILED, "Failed to tokenize")
    assert "rounder than any difference of two clock readings" in row.marks[Mark.CONSTANT]


def test_platforms_of_a_skill_are_rows_of_their_own(compose: Compose, take: Take) -> None:
    rows = _by_place(take("ipfs-skill", compose("ipfs-skill")))
    assert rows["/results/status (apple)"].status is Status.UNSUPPORTED
    qualcomm = rows["/results/status (qualcomm)"]
    assert (qualcomm.status, qualcomm.reason) == (Status.FAILED, "qualcomm_tests: Error: sizes differ")
    assert qualcomm.simulated is True
    assert set(rows["/results/status (cpu)"].marks) == {Mark.UNVERIFIED}


def test_many_skills_in_one_file(compose: Compose, take: Take) -> None:
    rows = _by_place(take("ipfs-skill", compose("ipfs-skill many")))
    start = "/results/skills~1test_hf_tiny.py"
    assert len(rows) == 6
    assert rows[start].case.workload == "hf_tiny"
    assert _latency(rows[f"{start}/performance_metrics/cpu/cpu_text_time"]) == pytest.approx(23_400)
    listed = rows[f"{start}/performance_metrics/cpu/examples/0"]  # also under its name: taken once
    assert dict(listed.case.options) == {"example": "image"}
    assert Mark.CONSTANT in listed.marks
    assert _latency(rows[f"{start}/performance_metrics/cuda/cuda_example"]) == pytest.approx(100_346_800)


def test_broken_examples_are_refused(compose: Compose, take: Take) -> None:
    content = compose("ipfs-skill")
    content["results"]["examples"] = [
        "x",
        {"platform": "CPU"},
        {"elapsed_time": 1},
        {"platform": "CPU", "elapsed_time": -1},
    ]
    taken = take("ipfs-skill", content)
    assert [refusal.place for refusal in taken.refusals] == [f"/results/examples/{index}" for index in range(4)]
    assert "There is no 'platform'" in taken.refusals[2].error


def test_compatibility_flags_are_rows_without_a_number(compose: Compose, take: Take) -> None:
    cpu, openvino = take("ipfs-compatibility", compose("ipfs-compatibility")).rows
    assert (cpu.status, set(cpu.marks)) == (Status.OK, {Mark.UNVERIFIED})
    assert openvino.status is Status.UNSUPPORTED
    assert openvino.reason == "the source says that it is not compatible, 1 run(s) listed without a number"
    assert openvino.simulated is True


def test_a_flag_that_is_none_is_refused(compose: Compose, take: Take) -> None:
    content = compose("ipfs-compatibility")
    content["model_families"]["text"]["hardware_compatibility"]["cpu"] = {"compatible": "yes"}
    content["model_families"]["vision"] = {}
    taken = take("ipfs-compatibility", content)
    assert "expected true or false" in taken.refusals[0].error
    assert taken.refusals[1].place == "/model_families/vision/hardware_compatibility"


def test_functionality_has_a_row_for_each_check(compose: Compose, take: Take) -> None:
    good, failed, silent = take("ipfs-functionality", compose("ipfs-functionality")).rows
    assert good.status is Status.OK
    assert "mock implementations" in good.marks[Mark.UNVERIFIED]
    assert (failed.status, failed.reason) == (Status.FAILED, "NameError: name 'y' is not defined")
    assert (silent.place, silent.reason) == ("/model_results/gamma/cpu", "the source gives no message")
    assert dict(good.case.options) == {"check": "functionality"}
    assert failed.fields["stderr"].startswith("Traceback")


def test_a_check_without_an_outcome_is_refused(compose: Compose, take: Take) -> None:
    content = compose("ipfs-functionality")
    del content["detailed_results"][0]["success"]
    content["detailed_results"][1] = 7
    refusals = take("ipfs-functionality", content).refusals
    assert [refusal.place for refusal in refusals][:2] == ["/detailed_results/0", "/detailed_results/1"]


def test_hardware_tests_are_rows_of_words(compose: Compose, take: Take) -> None:
    taken = take("ipfs-hardware-tests", compose("ipfs-hardware-tests"))
    rows = _by_place(taken)
    assert rows["/test_default_lm"].reason == "'transformers'"
    assert rows["/test_hf_tiny (cuda)"].status is Status.UNSUPPORTED
    assert rows["/test_hf_tiny (openvino)"].reason == "openvino_tests: Error: no attribute 'Runtime'"
    assert rows["/test_hf_tiny (qualcomm)"].status is Status.FAILED
    assert set(rows["/test_hf_tiny (cpu)"].marks) == {Mark.UNVERIFIED}
    assert rows["/test_hf_tiny (cpu)"].fields["cpu_shape"] == [1, 2]
    assert rows["/test_hf_audio"].reason == "audio_utils: Error: name 'load' is not defined"
    assert "/test_hf_tiny" not in rows
    assert all(row.metrics == () for row in taken.rows)


def test_a_hardware_test_that_says_nothing_is_refused(compose: Compose, take: Take) -> None:
    content = compose("ipfs-hardware-tests") | {"test_x": None}
    assert [refusal.place for refusal in take("ipfs-hardware-tests", content).refusals] == ["/test_x"]


def test_progress_keeps_what_failed_and_was_skipped(compose: Compose, take: Take) -> None:
    done, failed, late, skipped = take("ipfs-progress", compose("ipfs-progress")).rows
    assert (done.status, set(done.marks)) == (Status.OK, {Mark.UNVERIFIED})
    assert failed.reason == "Command failed with exit code 2: x: error: not allowed"
    assert (failed.status, late.status) == (Status.FAILED, Status.TIMEOUT)
    assert (skipped.status, skipped.reason) == (Status.SKIPPED, "too large")


def test_an_entry_of_progress_without_its_model_is_refused(compose: Compose, take: Take) -> None:
    content = compose("ipfs-progress")
    del content["failed_benchmarks"][0]["model_type"]
    content["skipped_benchmarks"] = "none"
    refusals = take("ipfs-progress", content).refusals
    assert [refusal.place for refusal in refusals] == ["/failed_benchmarks/0", "/skipped_benchmarks"]
