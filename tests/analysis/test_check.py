"""Checking a run against its history and against another run, on stores composed for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.loading import load_module

from assay.analysis.against import Against
from assay.analysis.check import check_run
from assay.analysis.values import CheckReport, exit_code
from assay.core.errors import NotFoundError, UnknownNameError, UsageError
from assay.core.ids import new_id
from assay.core.records import CalibrationRecord, FindingRecord, RunRecord
from assay.core.words import Change, Fidelity, Mark, Provenance, RunStatus, Status, Verdict
from assay.stats.prediction import judge_next
from assay.store import Store
from assay.store.annotations import annotate, pin_baseline, retract
from assay.store.findings import append_calibrations, append_findings

runs = load_module("analysis.composed_runs")
STEADY = runs.STEADY


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def composer(store: Store) -> Any:
    return runs.Composer(store)


@pytest.fixture
def check(composer: Any) -> Callable[..., CheckReport]:
    return lambda run, **more: check_run(composer.flush(), run, **more)


Check = Callable[..., CheckReport]


def only(report: CheckReport, name: str | None = None) -> FindingRecord:
    found = [one for one in report.findings if name is None or one.case_label == runs.case(name).label]
    assert len(found) == 1, report.findings
    return found[0]


def changes(report: CheckReport) -> dict[str, Change]:
    return {one.case_label.split()[0].removeprefix("mine:"): one.change for one in report.findings}


# -- against history -------------------------------------------------------------------------------------------


def test_eight_results_make_a_history_and_a_slower_one_is_suspect(composer: Any, check: Check) -> None:
    earlier = composer.add_history(["a"])
    run = composer.add({"a": 12.0})
    report = check(run)
    finding = only(report)
    expected = judge_next([10e6 * one for one in STEADY], 12e6, direction=runs_direction("latency_ns"), floor=0.03)
    assert finding.change is Change.SUSPECT
    assert finding.ratio == expected.ratio
    assert (finding.p, finding.reference_n) == (expected.p, 8)
    assert finding.ci_hi == expected.limit_ratio
    assert finding.q == finding.p
    assert finding.is_worse
    assert finding.value == 12e6
    assert finding.reference_value == pytest.approx(10e6, rel=1e-3)
    assert (finding.reference_run_id, finding.reference_git_commit) == (earlier[-1].run_id, runs.COMMIT)
    assert (finding.method, finding.against, finding.floor, finding.launches) == (
        "prediction-interval", "history", 0.03, 5
    )  # fmt: skip
    assert finding.reasons[0].startswith("+20.0 % against 8 results, whose 99 % limit is +0.9 %")
    assert exit_code(report) == 0
    assert exit_code(report, strict=True) == 3


def runs_direction(metric: str) -> Any:
    from assay.catalog.metrics import metrics

    return metrics.get(metric).direction


def test_the_same_again_is_unchanged(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    report = check(composer.add({"a": 10.02}))
    assert only(report).change is Change.UNCHANGED
    assert only(report).reasons == ()
    assert (exit_code(report, strict=True), report.expected, report.environment_break) == (0, 1, None)
    assert report.notes == ("compared with 8 results since 2026-11-02 (" + report.notes[0].partition("(")[2],)


def test_below_the_floor_is_no_suspicion_however_sure(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    finding = only(check(composer.add({"a": 10.2})))
    assert finding.change is Change.UNCHANGED
    assert finding.p is not None
    assert finding.p < 0.01
    finding = only(check(composer.add({"a": 10.29})))
    assert finding.change is Change.INCONCLUSIVE
    assert finding.reasons[0].endswith("less than the 3 % that count")


def test_a_noisy_history_hides_what_lies_within_it(composer: Any, check: Check) -> None:
    composer.add_history(["a"], [1.0, 1.1, 0.9, 1.05, 0.95, 1.08, 0.93, 1.0])
    finding = only(check(composer.add({"a": 11.0})))
    assert finding.change is Change.INCONCLUSIVE
    assert finding.reasons[0].startswith("results scatter by 7.2 %, which hides changes of less than 25")


def test_better_is_never_suspect_and_never_improved(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    finding = only(check(composer.add({"a": 8.0})))
    assert (finding.change, finding.is_worse) == (Change.INCONCLUSIVE, False)
    assert "interleaved" in finding.reasons[0]


def test_a_higher_value_is_better_where_the_metric_says_so(composer: Any, check: Check) -> None:
    def with_rate(rate: float) -> RunRecord:
        from assay.core.records import MetricValue

        metric = (MetricValue("throughput_per_s", rate, "1/s", n=5),)
        run: RunRecord = composer.add({"a": 10.0}, changed={"a": {"metrics": metric}})
        return run

    for ratio in STEADY:
        with_rate(100 * ratio)
    slower = only(check(with_rate(80.0), metrics=["throughput_per_s"]))
    assert (slower.change, slower.is_worse) == (Change.SUSPECT, True)
    assert slower.ci_lo is not None
    assert slower.ci_lo < 1 < (slower.ci_hi or 0)
    assert only(check(with_rate(120.0), metrics=["throughput_per_s"])).change is Change.INCONCLUSIVE


def test_a_metric_that_has_no_column_is_found_in_the_list(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    finding = only(check(composer.add({"a": 12.0}), metrics=["load_ns"]))
    assert (finding.metric, finding.stat, finding.change) == ("load_ns", "median", Change.SUSPECT)
    assert finding.ratio == pytest.approx(1.2, rel=1e-3)


def test_few_results_are_counted_and_none_is_new(composer: Any, check: Check) -> None:
    finding = only(check(composer.add({"a": 10.0})))
    assert (finding.change, finding.reasons) == (Change.NEW, ("0 of 8 results",))
    composer.add({"a": 10.0})
    report = check(composer.add({"a": 99.0}))
    assert (only(report).change, only(report).reasons) == (Change.INCONCLUSIVE, ("2 of 8 results",))
    assert exit_code(report) == 0


def test_the_newest_thirty_count(composer: Any, check: Check) -> None:
    composer.add_history(["a"], [2.0] * 5 + list(STEADY) * 4)
    finding = only(check(composer.add({"a": 12.0})))
    assert finding.reference_n == 30
    assert finding.change is Change.SUSPECT


def test_what_does_not_count_is_left_out(composer: Any, check: Check) -> None:
    composer.add_history(["a"], STEADY[:7])
    composer.add({"a": 50.0}, changed={"a": {"verdict": Verdict.CONTAMINATED}})
    composer.add({"a": 50.0}, changed={"a": {"fidelity": Fidelity.FAILED}})
    composer.add({"a": 50.0}, changed={"a": {"marks": {Mark.CONSTANT: "made up"}}})
    composer.add({"a": 50.0}, changed={"a": {"launches_ok": 3}})
    composer.add({"a": 50.0}, tags=("trial",))
    composer.add({"a": 50.0}, provenance=Provenance.IMPORTED, changed={"a": {"provenance": Provenance.IMPORTED}})
    resumed = composer.add({"a": 50.0}, status=RunStatus.INTERRUPTED)
    composer.add({"a": 10.0}, parent_id=resumed.run_id)
    fresh = composer.add({"a": 50.0})
    run = composer.add({"a": 12.0})
    finding = only(check(run, leave_out=[fresh.run_id]))
    assert (finding.reference_n, finding.change) == (8, Change.SUSPECT)
    later = composer.add({"a": 10.0})
    assert later.started_at > run.started_at
    assert only(check(run, leave_out=[fresh.run_id])).reference_n == 8  # what came afterwards is no history


def test_what_was_called_suspect_does_not_become_the_level(composer: Any, check: Check, store: Store) -> None:
    composer.add_history(["a"])
    for _ in range(3):
        report = check(composer.add({"a": 12.0}))
        append_findings(store.location, report.findings)
        assert (only(report).change, only(report).reference_n) == (Change.SUSPECT, 8)
    assert only(check(composer.add({"a": 10.0}))).change is Change.UNCHANGED


def test_a_finding_against_something_else_leaves_the_history_alone(composer: Any, check: Check, store: Store) -> None:
    composer.add_history(["a"], STEADY[:7])
    run = composer.add({"a": 10.0})
    suspect = replace(only(check(run)), change=Change.SUSPECT, against="baseline old")
    append_findings(store.location, [suspect])
    assert only(check(composer.add({"a": 10.0}))).reference_n == 8


def test_a_history_reaches_back_beyond_the_runs_that_are_looked_at_first(composer: Any, check: Check) -> None:
    composer.add_history(["a", "rare"])
    composer.add_history(["a"], STEADY * 13)  # more runs than are looked at first
    report = check(composer.add({"a": 12.0, "rare": 12.0}))
    assert {only(report, name).change for name in ("a", "rare")} == {Change.SUSPECT}
    assert (only(report, "a").reference_n, only(report, "rare").reference_n) == (30, 8)


# -- chance ----------------------------------------------------------------------------------------------------


def test_one_of_forty_is_expected_by_chance(composer: Any, check: Check) -> None:
    names = [f"s{number}" for number in range(40)]
    logs = 0.02 * np.random.default_rng(5).standard_normal((10, 40))
    for row in logs:
        composer.add({name: float(10 * math.exp(log)) for name, log in zip(names, row, strict=True)})
    # 3.3 standard errors above: p is about .005 with 9 degrees of freedom, and 40 such tests give one below .025.
    slower = logs[:, 0].mean() + 3.3 * logs[:, 0].std(ddof=1) * math.sqrt(1 + 1 / 10)
    run = composer.add(dict.fromkeys(names, 10.0) | {"s0": float(10 * math.exp(slower))})
    alone = only(check(run, settles_chance=False), "s0")
    assert alone.change is Change.SUSPECT
    assert alone.p is not None
    assert alone.p < 0.01
    settled = only(check(run), "s0")
    assert settled.change is Change.INCONCLUSIVE
    assert settled.q is not None
    assert settled.q >= 0.05
    assert settled.reasons[-1].startswith("1 of 40 series: such a difference is expected by chance")


# -- environments ----------------------------------------------------------------------------------------------


def test_another_environment_is_a_break_and_no_alarm(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    report = check(composer.add({"a": 30.0, "b": 10.0}, env=runs.environment(torch="2.13.0")))
    assert set(changes(report).values()) == {Change.INCOMPARABLE}
    assert report.environment_break == "torch 2.12.0 -> 2.13.0"
    assert report.findings[0].reasons == ("the environment changed: torch 2.12.0 -> 2.13.0; a break, not a regression",)
    assert (report.alarms(), exit_code(report, strict=True)) == ((), 0)


def test_after_a_break_the_history_begins_anew_and_says_so(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    newer = runs.environment(torch="2.13.0")
    composer.add({"a": 30.0}, env=newer)
    finding = only(check(composer.add({"a": 30.0}, env=newer)))
    assert finding.change is Change.INCONCLUSIVE
    assert finding.reasons == ("1 of 8 results since torch 2.12.0 -> 2.13.0",)
    composer.add_history(["a"], [3 * one for one in STEADY[:6]], env=newer)
    report = check(composer.add({"a": 36.0}, env=newer))
    assert (only(report).change, only(report).reference_n) == (Change.SUSPECT, 8)
    assert report.notes[0].startswith("compared with 8 results since torch 2.12.0 -> 2.13.0 (")
    back = only(check(composer.add({"a": 10.0})))  # the old environment has its old history
    assert (back.change, back.reference_n) == (Change.UNCHANGED, 8)


def test_jobs_of_a_matrix_that_share_a_store_have_a_history_each(composer: Any, check: Check) -> None:
    newer = runs.environment(torch="2.13.0")
    for ratio in STEADY:
        composer.add({"a": 10 * ratio})
        composer.add({"a": 30 * ratio}, env=newer)
    report = check(composer.add({"a": 12.0}))
    assert (only(report).change, only(report).reference_n) == (Change.SUSPECT, 8)
    assert "compared with 8 results since 2026-11-02 (" in report.notes[0]
    third = runs.environment(torch="2.14.0")
    composer.add({"a": 5.0}, env=third)
    composer.add({"a": 10.0})
    assert only(check(composer.add({"a": 5.0}, env=third))).reasons == ("1 of 8 results",)


def test_the_users_own_package_is_no_break(composer: Any, check: Check) -> None:
    composer.add_history(["a"], STEADY[:4])
    for number, ratio in enumerate(STEADY[4:]):
        env = runs.environment()
        facts = {**env.facts, "python": {**env.facts["python"], "packages_hash": f"commit {number}"}}
        composer.add({"a": 10 * ratio}, env=replace(env, env_id=f"env-{number}", facts=facts))
    assert only(check(composer.add({"a": 12.0}))).reference_n == 8


def test_other_hardware_under_the_same_case_is_a_break(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    env = runs.environment(hardware="some cpu 4c 8GiB")
    facts = {**env.facts, "cpu": {**env.facts["cpu"], "usable_cores": 4}}
    report = check(composer.add({"a": 5.0}, env=replace(env, env_id="larger", facts=facts)))
    finding = only(report)
    assert (finding.change, finding.environment_break) == (Change.INCOMPARABLE, "usable cores 2 -> 4")
    assert exit_code(report) == 0


# -- missing and failed ----------------------------------------------------------------------------------------


def test_a_case_that_is_gone_is_an_alarm(composer: Any, check: Check) -> None:
    earlier = composer.add_history(["a", "b"])
    report = check(composer.add({"a": 10.0}))
    missing = only(report, "b")
    assert (missing.change, missing.result_id, missing.series_id) == (Change.MISSING, None, runs.series("b"))
    assert missing.reasons == (f"run {earlier[-1].run_id[-8:]} had it, this run has not",)
    assert (report.expected, exit_code(report)) == (2, 4)
    assert report.findings[0] is missing


def test_it_is_missed_for_five_runs_and_no_longer(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    later = [composer.add({"a": 10.0}) for _ in range(6)]
    assert [exit_code(check(one)) for one in later[-2:]] == [4, 0]


def test_other_suites_machines_and_trials_are_not_missed(composer: Any, check: Check) -> None:
    composer.add({"a": 10.0, "b": 10.0}, suite="other")
    composer.add({"a": 10.0, "b": 10.0}, tags=("trial",))
    composer.add({"a": 10.0, "b": 10.0}, env=runs.environment("elsewhere", "other cpu"))
    assert exit_code(check(composer.add({"a": 10.0}))) == 0
    composer.add({"a": 10.0, "b": 10.0}, suite="command-line")
    report = check(composer.add({"a": 10.0}, suite="command-line"))
    assert (exit_code(report), report.expected) == (0, 0)
    assert "runs of command-line have other cases each time, so none is missed" in report.notes


def test_a_device_that_is_gone_is_missed_on_the_same_machine(composer: Any, check: Check) -> None:
    composer.add_history(["a", "gpu"], env=runs.environment(hardware="a gpu"))
    report = check(composer.add({"a": 10.0}, env=runs.environment(hardware="a cpu")))
    assert only(report, "gpu").change is Change.MISSING


def test_what_was_not_even_tried_is_missing_where_it_ran_before(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    report = check(composer.add({"a": 10.0, "b": Status.UNSUPPORTED, "c": Status.SKIPPED}))
    assert changes(report) == {"a": Change.UNCHANGED, "b": Change.MISSING}
    assert only(report, "b").reasons == ("unsupported: unsupported on purpose",)


def test_an_interrupted_run_says_why_it_lacks_results(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    report = check(composer.add({"a": 10.0}, status=RunStatus.INTERRUPTED))
    assert only(report, "b").reasons[-1] == "the run was interrupted"


def test_a_failure_is_an_alarm_once(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    report = check(composer.add({"a": 10.0, "b": Status.OOM}))
    failed = only(report, "b")
    assert (failed.change, exit_code(report)) == (Change.FAILED, 4)
    assert failed.reasons[0] == "failed: out of memory: oom on purpose"
    again = check(composer.add({"a": 10.0, "b": Status.TIMEOUT}))
    assert (only(again, "b").change, exit_code(again)) == (Change.INCOMPARABLE, 0)
    assert "it failed before" in only(again, "b").reasons[1]
    first = check(composer.add({"a": 10.0, "b": 10.0, "c": Status.FAILED}))
    assert (only(first, "c").change, exit_code(first)) == (Change.FAILED, 4)


def test_wrong_answers_are_a_failure_where_they_were_right(composer: Any, check: Check) -> None:
    wrong = {"a": {"fidelity": Fidelity.FAILED, "fidelity_reason": "error 0.4"}}
    first = only(check(composer.add({"a": 1.0}, changed=wrong)))
    assert first.change is Change.INCOMPARABLE
    composer.add({"a": 10.0})
    finding = only(check(composer.add({"a": 1.0}, changed=wrong)))
    assert (finding.change, finding.reasons[0]) == (Change.FAILED, "its answers are wrong: error 0.4")
    assert only(check(composer.add({"a": 1.0}, changed=wrong))).change is Change.INCOMPARABLE


def test_disturbed_launches_say_nothing(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    disturbed = {"a": {"verdict": Verdict.CONTAMINATED, "verdict_reasons": ("a neighbour",)}}
    finding = only(check(composer.add({"a": 40.0}, changed=disturbed)))
    assert finding.change is Change.INCONCLUSIVE
    assert finding.reasons == ("the launches were disturbed: a neighbour; run it again",)


def test_a_number_that_is_no_longer_taken_is_missing(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    run = composer.add({"a": 10.0, "b": 10.0}, changed={"a": {"metrics": ()}, "b": {"metrics": ()}})
    report = check(run)
    assert (only(report).change, only(report).reasons) == (
        Change.MISSING, ("it has no latency_ns; earlier results have",)
    )  # fmt: skip
    assert "1 of 2 results have no latency_ns" in report.notes


# -- what people said ------------------------------------------------------------------------------------------


def test_an_accepted_result_is_the_new_normal(composer: Any, check: Check, store: Store) -> None:
    composer.add_history(["a"])
    run = composer.add({"a": 12.0})
    report = check(run)
    append_findings(store.location, report.findings)
    said = annotate(
        composer.flush().location, kind="accept", subject_kind="result", subject_id=only(report).result_id or "",
        text="a better model", author="ada",
    )  # fmt: skip
    again = only(check(run))
    assert (again.change, again.reasons) == (Change.NEW, ("this level was accepted: a better model (ada)",))
    finding = only(check(composer.add({"a": 12.0})))
    assert finding.reasons == ("1 of 8 results since the level was accepted: a better model (ada)",)
    composer.add_history(["a"], [1.2 * one for one in STEADY[:6]])
    assert only(check(composer.add({"a": 12.0}))).reference_n == 8
    retract(store.location, said.annotation_id, text="no")
    assert only(check(run)).change is Change.SUSPECT


def test_accepting_clears_the_alarms_that_came_before_it(composer: Any, check: Check, store: Store) -> None:
    composer.add_history(["a"])
    flagged = []
    for _ in range(2):
        flagged.append(check(composer.add({"a": 12.0})))
        append_findings(store.location, flagged[-1].findings)
    first = only(flagged[0]).result_id or ""
    annotate(composer.flush().location, kind="accept", subject_kind="result", subject_id=first, text="fine")
    finding = only(check(composer.add({"a": 12.0})))
    assert finding.reference_n == 2


def test_an_accepted_run_accepts_which_cases_there_are(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    run = composer.add({"a": 12.0})
    annotate(composer.flush().location, kind="accept", subject_kind="run", subject_id=run.run_id, text="b is gone")
    report = check(run)
    assert changes(report) == {"a": Change.NEW}
    assert changes(check(composer.add({"a": 12.0}))) == {"a": Change.INCONCLUSIVE}


def test_an_accepted_series_begins_with_what_was_seen_and_a_split_one_after_it(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    for kind, name in (("accept", "a"), ("split", "b")):
        annotate(
            composer.flush().location,
            kind=kind,
            subject_kind="series",
            subject_id=runs.series(name),
            text="new firmware",
        )
    composer.hours = round((datetime.now(UTC) - runs.STARTED_AT) / timedelta(hours=1)) + 1
    report = check(composer.add({"a": 12.0, "b": 12.0}))
    assert only(report, "a").reference_n == 1
    assert only(report, "b").change is Change.NEW


def test_an_accept_of_one_metric_leaves_the_others(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    run = composer.add({"a": 12.0})
    result = only(check(run)).result_id or ""
    annotate(
        composer.flush().location,
        kind="accept",
        subject_kind="result",
        subject_id=result,
        text="slower",
        metric="latency_ns",
    )
    report = check(run, metrics=["latency_ns", "load_ns"])
    assert {one.metric: one.change for one in report.findings} == {
        "latency_ns": Change.NEW, "load_ns": Change.SUSPECT
    }  # fmt: skip


def test_a_muted_finding_stays_and_does_not_count(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    until = datetime.now(UTC) + timedelta(days=14)
    for name in "ab":
        annotate(
            composer.flush().location, kind="mute", subject_kind="series", subject_id=runs.series(name), text="known",
            author="ada", expires_at=until,
        )  # fmt: skip
    report = check(composer.add({"a": 12.0}))
    assert changes(report) == {"a": Change.SUSPECT, "b": Change.MISSING}
    assert {one.muted for one in report.findings} == {f"known (ada, until {until:%Y-%m-%d})"}
    assert (report.alarms(), exit_code(report, strict=True)) == ((), 0)


def test_a_mute_of_another_metric_or_in_the_past_mutes_nothing(composer: Any, check: Check) -> None:
    composer.add_history(["a"])
    series, gone = runs.series("a"), datetime.now(UTC) - timedelta(days=1)
    annotate(
        composer.flush().location, kind="mute", subject_kind="series", subject_id=series, text="x", metric="load_ns"
    )
    annotate(
        composer.flush().location, kind="mute", subject_kind="series", subject_id=series, text="x", expires_at=gone
    )
    assert only(check(composer.add({"a": 12.0}))).muted is None


# -- floors ----------------------------------------------------------------------------------------------------


def test_a_calibrated_floor_is_held_to(composer: Any, check: Check, store: Store) -> None:
    composer.add_history(["a"])
    calibration = CalibrationRecord(
        calibration_id=new_id(), created_at=datetime.now(UTC), series_id=runs.series("a"), case_label="a",
        metric="latency_ns", stat="median", run_ids=(), env_id=runs.environment().env_id, hardware=None, launches=20,
        launches_a_side=5, sd_log=0.1, floor=0.25, false_alarm_rate=0.0, splits=10, smallest_change=0.3, power=0.95,
        launches_for_floor=None, is_bimodal=False,
    )  # fmt: skip
    append_calibrations(store.location, [calibration])
    finding = only(check(composer.add({"a": 12.0})))
    assert (finding.change, finding.floor) == (Change.UNCHANGED, 0.25)


# -- against one run -------------------------------------------------------------------------------------------


def test_against_a_run_a_worse_result_is_at_most_suspect(composer: Any, check: Check) -> None:
    reference = composer.add({"a": 10.0, "b": 10.0, "c": 10.0, "d": 10.0})
    composer.add({"a": 11.0})
    run = composer.add({"a": 12.0, "b": 8.0, "c": 10.0, "e": 10.0})
    report = check(run, against=Against.parse(f"run:{reference.run_id[-8:]}"))
    assert changes(report) == {
        "a": Change.SUSPECT, "b": Change.INCONCLUSIVE, "c": Change.UNCHANGED, "d": Change.MISSING, "e": Change.NEW,
    }  # fmt: skip
    worse, better = only(report, "a"), only(report, "b")
    assert worse.ratio == pytest.approx(1.2)
    assert (worse.method, worse.reference_n, worse.launches) == ("welch", 5, 5)
    assert worse.ci_lo is not None
    assert 1.15 < worse.ci_lo < 1.2 < (worse.ci_hi or 0) < 1.25
    assert worse.p_slower == 1.0
    assert worse.reasons == ("the launches were not interleaved",)
    assert better.reasons == ("better, but the launches were not interleaved",)
    assert report.reference_run_id == reference.run_id
    assert report.against == f"run {reference.run_id[-8:]}"
    assert exit_code(report) == 4


def test_against_a_run_of_few_launches_nothing_is_said(composer: Any, check: Check) -> None:
    reference = composer.add({"a": [10.0], "b": [10.0, 10.1]})
    report = check(composer.add({"a": 12.0, "b": 12.0}), against=Against.parse(f"run:{reference.run_id}"))
    assert set(changes(report).values()) == {Change.INCONCLUSIVE}
    assert only(report, "a").reasons == ("1 launch on one side has no spread",)


def test_against_a_run_in_another_environment_is_a_break(composer: Any, check: Check) -> None:
    reference = composer.add({"a": 10.0})
    run = composer.add({"a": 12.0}, env=runs.environment(numpy="2.1.0"))
    report = check(run, against=Against.parse(f"run:{reference.run_id}"))
    assert (only(report).change, report.environment_break) == (Change.INCOMPARABLE, "numpy 2.0.0 -> 2.1.0")
    assert exit_code(report) == 0


def test_against_a_run_in_which_it_failed_nothing_is_compared(composer: Any, check: Check) -> None:
    reference = composer.add({"a": Status.FAILED, "b": 10.0, "c": Status.FAILED})
    run = composer.add({"a": 10.0, "b": Status.FAILED, "c": Status.FAILED})
    report = check(run, against=Against.parse(f"run:{reference.run_id}"))
    assert changes(report) == {"a": Change.INCOMPARABLE, "b": Change.FAILED, "c": Change.INCOMPARABLE}


def test_against_a_disturbed_reference_nothing_is_said(composer: Any, check: Check) -> None:
    disturbed = {"a": {"verdict": Verdict.CONTAMINATED, "verdict_reasons": ("a neighbour",)}}
    reference = composer.add({"a": 10.0}, changed=disturbed)
    finding = only(check(composer.add({"a": 12.0}), against=Against.parse(f"run:{reference.run_id}")))
    assert finding.change is Change.INCONCLUSIVE
    assert "disturbed: a neighbour" in finding.reasons[0]


def test_a_run_of_another_suite_is_compared_and_nothing_missed(composer: Any, check: Check) -> None:
    reference = composer.add({"a": 10.0, "b": 10.0}, suite="other")
    report = check(composer.add({"a": 12.0}), against=Against.parse(f"run:{reference.run_id}"))
    assert changes(report) == {"a": Change.SUSPECT}
    assert "is of suite other, so no case of it is missed" in report.notes[0]


def test_a_baseline_may_have_a_run_of_its_own_for_one_series(composer: Any, check: Check) -> None:
    first, second = composer.add({"a": 10.0, "b": 10.0}), composer.add({"a": 20.0, "b": 20.0})
    pin_baseline(composer.flush().location, "release", first.run_id)
    pin_baseline(composer.flush().location, "release", second.run_id, series_id=runs.series("b"))
    report = check(composer.add({"a": 12.0, "b": 20.0}), against=Against.parse("baseline:release"))
    assert changes(report) == {"a": Change.SUSPECT, "b": Change.UNCHANGED}
    assert only(report, "b").reference_run_id == second.run_id
    with pytest.raises(UnknownNameError, match="Did you mean 'release'"):
        check(first, against=Against.parse("baseline:releas"))


def test_a_tag_means_the_newest_earlier_run_that_has_it(composer: Any, check: Check) -> None:
    composer.add({"a": 30.0}, tags=("v1",))
    tagged = composer.add({"a": 10.0}, tags=("v1", "good"))
    run = composer.add({"a": 12.0}, tags=("v1",))
    composer.add({"a": 50.0}, tags=("v1",))
    report = check(run, against=Against.parse("tag:v1"))
    assert (report.reference_run_id, only(report).change) == (tagged.run_id, Change.SUSPECT)
    with pytest.raises(NotFoundError, match="no earlier run with the tag 'v2'"):
        check(run, against=Against.parse("tag:v2"))


# -- order, ids, faults ----------------------------------------------------------------------------------------


def test_findings_are_worst_first_and_have_ids_in_that_order(composer: Any, check: Check, store: Store) -> None:
    composer.add_history(["good", "bad", "worse", "gone", "broken", "known"])
    annotate(composer.flush().location, kind="mute", subject_kind="series", subject_id=runs.series("known"), text="x")
    run = composer.add({"good": 10.0, "bad": 11.0, "worse": 13.0, "broken": Status.FAILED, "known": 90.0, "fresh": 1.0})
    report = check(run)
    assert list(changes(report)) == ["broken", "gone", "worse", "bad", "known", "fresh", "good"]
    ids = [one.finding_id for one in report.findings]
    assert ids == sorted(ids)
    assert {one.check_id for one in report.findings} == {report.check_id}
    append_findings(store.location, report.findings)
    assert store.findings(check_id=report.check_id) == list(report.findings)


def test_metrics_that_cannot_get_worse_are_refused(composer: Any, check: Check) -> None:
    run = composer.add({"a": 10.0})
    with pytest.raises(UsageError, match="average_power_w has no better side"):
        check(run, metrics=["average_power_w"])
    with pytest.raises(UnknownNameError, match="Did you mean 'latency_ns'"):
        check(run, metrics=["latency"])


def test_a_check_of_some_series_misses_none(composer: Any, check: Check) -> None:
    composer.add_history(["a", "b"])
    report = check(composer.add({"a": 12.0}), series_ids={runs.series("a")})
    assert changes(report) == {"a": Change.SUSPECT}
