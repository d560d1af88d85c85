"""Comparing composed runs: which results are paired, which verdict they get, and why."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.loading import load_module

from assay.analysis.compare import AT_OTHER_TIMES, OTHER_MACHINES, compare_groups, compare_runs, were_interleaved
from assay.analysis.floors import Floors, read_floors
from assay.analysis.pairing import explain_no_pair, find_varied
from assay.analysis.sides import find_named_run, gather_sides, split_run
from assay.analysis.values import CompareReport, Side
from assay.core.case import series_id
from assay.core.errors import NotFoundError, UnknownNameError, UsageError
from assay.core.ids import new_id
from assay.core.records import CalibrationRecord, MetricValue
from assay.core.words import Change, Direction, Fidelity, Mark, Provenance, Status, Verdict
from assay.runner.plan import PlannedCase
from assay.runner.schedule import SideLaunches, schedule_together
from assay.store import Store
from assay.store.annotations import pin_baseline
from assay.store.findings import append_calibrations
from assay.workloads.base import find_workload

runs = load_module("analysis.compared_runs")
Made = runs.Made
times = runs.times
case = runs.case


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def compare(store: Store, *run_ids: str, **asked: Any) -> CompareReport:
    """Compare whole runs, called a, b, c."""
    named = [Side("abc"[nth], (run_id,), (), (runs.HARDWARE,)) for nth, run_id in enumerate(run_ids)]
    return compare_runs(store, named, **asked)


def batches(*values: Sequence[float], **fields: Any) -> list[Any]:
    """A case for each series of launches, told apart by their batch."""
    return [Made(case(batch=nth), value, **fields) for nth, value in enumerate(values, start=1)]


def changes(report: CompareReport) -> list[str]:
    return [one.change.value for one in report.comparisons]


# -- verdicts ----------------------------------------------------------------------------------------------------


def test_launches_that_took_turns_give_verdicts(store: Store) -> None:
    noisy = (1.0e6, 1.3e6, 0.8e6, 1.2e6, 0.9e6)
    a = runs.append_run(store, *batches(runs.STEADY, runs.STEADY, runs.STEADY, noisy, runs.STEADY[:3], runs.STEADY[:2]))
    b = runs.append_run(
        store, *batches(times(1.1), times(0.8), times(1.001), times(1.1, noisy), times(2)[:3], times(2)[:2]), place=3
    )
    report = compare(store, a, b)
    assert changes(report) == ["regressed", "improved", "unchanged", "inconclusive", "suspect", "inconclusive"]
    assert report.is_interleaved
    first, faster, _, open_one, _, few = report.comparisons
    assert first.estimate is not None
    assert (first.value_a, first.floor) == (1.0e6, 0.03)
    assert first.value_b == pytest.approx(1.1e6)
    assert first.estimate.ratio == pytest.approx(1.1)
    assert (first.estimate.p_greater, first.estimate.n_a, first.estimate.n_b) == (1.0, 5, 5)
    assert faster.speedup(report.direction) == pytest.approx(1.25)
    assert open_one.launches_needed is not None
    assert open_one.launches_needed > 5
    assert few.reasons[0] == "2 launches a side; a verdict takes 5, a suspicion 3"
    assert report.counts() == {
        Change.REGRESSED: 1, Change.IMPROVED: 1, Change.UNCHANGED: 1, Change.INCONCLUSIVE: 2, Change.SUSPECT: 1,
    }  # fmt: skip
    (mean,) = report.means
    ratios = [one.estimate.ratio for one in report.comparisons if one.estimate]
    assert mean.ratio == pytest.approx(math.prod(ratios) ** (1 / 6))
    assert (mean.n, mean.of) == (6, 6)
    assert mean.lo95 is not None
    assert mean.hi95 is not None
    assert mean.lo95 < mean.ratio < mean.hi95
    # Where more is better the same launches are judged the other way round.
    assert changes(compare(store, a, b, metric="throughput_per_s")) == changes(report)


def test_launches_at_other_times_are_at_most_suspect(store: Store) -> None:
    a = runs.append_run(store, *batches(runs.STEADY, runs.STEADY, runs.STEADY))
    b = runs.append_run(store, *batches(times(1.1), times(0.8), times(1.001)), at=runs.EVENING)
    report = compare(store, a, b)
    assert changes(report) == ["suspect", "inconclusive", "unchanged"]
    assert [AT_OTHER_TIMES in one.reasons for one in report.comparisons] == [True, True, False]
    assert not report.is_interleaved
    assert report.comparisons[1].speedup(report.direction) == pytest.approx(1.25)
    assert changes(compare(store, a, b, is_interleaved=True)) == ["regressed", "improved", "unchanged"]
    taking_turns = runs.append_run(store, *batches(times(1.1), times(0.8), times(1.001)), place=3)
    assert changes(compare(store, a, taking_turns, is_interleaved=False)) == ["suspect", "inconclusive", "unchanged"]


def test_other_machines_never_take_turns(store: Store) -> None:
    """Of one kind they prove nothing, however their launches fell; of two kinds the machine is the question."""
    a = runs.append_run(store, Made())
    twin = runs.append_run(store, Made(values=times(1.1)), place=3, made_in=runs.environment("other host"))
    assert changes(compare(store, a, twin)) == ["suspect"]
    larger = runs.environment("other host", "some gpu")
    gpu = runs.append_run(store, Made(values=times(0.1), hardware="some gpu"), made_in=larger)
    report = compare(store, a, gpu)
    assert (changes(report), report.varied) == (["improved"], ("hardware",))
    assert OTHER_MACHINES in report.comparisons[0].reasons


def test_a_calibration_raises_the_floor(store: Store) -> None:
    a = runs.append_run(store, Made())
    b = runs.append_run(store, Made(values=times(1.1)), place=3)
    series = series_id(case().case_id, runs.HARDWARE)
    env_id = runs.environment().env_id
    append_calibrations(store.location, [_calibration(series, env_id, 0.04), _calibration(series, env_id, 0.2)])
    (one,) = compare(store, a, b).comparisons
    assert (one.floor, one.change) == (0.2, Change.UNCHANGED)
    floors = read_floors(store)
    assert floors.floor(series, "latency_ns", "another environment") == 0.2
    assert floors.floor(series, "throughput_per_s", env_id) == 0.2  # has the noise of the time that it is over
    assert floors.floor(series, "load_ns", env_id) == 0.03
    assert floors.floor(None, "latency_ns") == Floors().floor(series, "latency_ns") == 0.03


def test_an_environment_of_its_own_has_the_floor_that_was_calibrated_there(store: Store) -> None:
    append_calibrations(store.location, [_calibration("s", "old", 0.1), _calibration("s", "new", 0.01)])
    floors = read_floors(store)
    assert [floors.floor("s", "latency_ns", env_id) for env_id in ("old", "new", "third")] == [0.1, 0.03, 0.03]


def test_a_metric_without_a_better_side_gets_no_verdict(store: Store) -> None:
    draws = [
        Made(launch={"metrics": (MetricValue("average_power_w", watts, "W", phase="energy"),)})
        for watts in (50.0, 90.0)
    ]
    a, b = (runs.append_run(store, made, place=place) for place, made in enumerate(draws))
    report = compare(store, a, b, metric="average_power_w")
    assert (report.direction, changes(report)) == (Direction.NEITHER, ["inconclusive"])
    assert report.comparisons[0].reasons == ("it differs, and neither way is better for this metric",)
    assert report.comparisons[0].speedup(report.direction) is None


def test_disturbed_launches_are_kept_and_said(store: Store) -> None:
    verdicts = [Verdict.CONTAMINATED] * 2 + [Verdict.TRUSTED] * 3
    a = runs.append_run(store, Made())
    b = runs.append_run(store, Made(values=times(1.1), verdicts=verdicts, effective_precision="tf32"), place=3)
    (one,) = compare(store, a, b).comparisons
    assert one.change is Change.REGRESSED
    assert one.reasons == ("b: 2 of 5 launches were disturbed", "ran fp32 in a, tf32 in b")


@given(st.integers(0, 2**31), st.integers(3, 12), st.integers(1, 4))
def test_a_trial_is_seen_to_have_taken_turns_and_two_runs_are_not(seed: int, launches: int, cases: int) -> None:
    workload = find_workload("bert/tiny")
    planned = [PlannedCase(case(batch=nth + 1), workload, 1) for nth in range(cases)]
    order = schedule_together([SideLaunches(planned, launches), SideLaunches(planned, launches)], seed=seed)
    made: dict[tuple[int, int], list[Any]] = {}
    for second, (side, scheduled) in enumerate(order):
        made.setdefault((side, scheduled.planned.case.batch), []).append(runs.MORNING + timedelta(seconds=second))
    for nth in range(1, cases + 1):
        assert were_interleaved(made[0, nth], made[1, nth])
        assert not were_interleaved(made[0, nth], [time + timedelta(days=1) for time in made[1, nth]])


def test_taking_turns_needs_times_and_balance() -> None:
    at = [runs.MORNING + timedelta(seconds=second) for second in range(12)]
    assert were_interleaved(at[0::2], at[1::2])
    assert were_interleaved([at[0], at[3], at[4], at[7], at[8]], [at[1], at[2], at[5], at[6], at[9]])
    assert not were_interleaved([*at[:3], *at[9:]], at[3:9])  # all of B between the halves of A
    assert not were_interleaved([], at)
    assert not were_interleaved([None, *at[0:6:2]], at[1:7:2])


# -- what cannot be compared -------------------------------------------------------------------------------------


def test_what_keeps_results_apart_is_said(store: Store) -> None:
    broken = {"status": Status.TIMEOUT, "values": (None,), "reason": "still in load"}
    unsupported = {"status": Status.UNSUPPORTED, "values": (), "reason": "no bf16 there"}
    zeros = [{"max_relative_error": 0.0}] * 5
    a = runs.append_run(
        store, Made(case(batch=1)), Made(case(batch=2)), Made(case(batch=3), fidelity=Fidelity.FAILED),
        Made(case(batch=4), marks={Mark.CONSTANT: "all equal"}), Made(case(batch=5)), Made(case(batch=6)),
        Made(case(batch=7)), Made(case(batch=8)),
    )  # fmt: skip
    b = runs.append_run(
        store, Made(case(batch=1), **broken), Made(case(batch=2), **unsupported), Made(case(batch=3)),
        Made(case(batch=4)), Made(case(batch=5), unit_of_work="token"), Made(case(batch=6), units_per_call=6.0),
        Made(case(batch=9)), Made(case(batch=8), values=(None,) * 5), place=3,
    )  # fmt: skip
    report = compare(store, a, b)
    found = {one.case_label.split()[4]: (one.change.value, one.reasons[0]) for one in report.comparisons}
    assert found == {
        "b1": ("failed", "b: failed: time limit: still in load"),
        "b2": ("incomparable", "b: unsupported: no bf16 there"),
        "b3": ("incomparable", "a: its answers are wrong: off by 3"),
        "b4": ("incomparable", "a: not to be used: constant: all equal"),
        "b5": ("incomparable", "other units of work: sample in a, token in b"),
        "b6": ("incomparable", "one call does other work: 1 and 6 samples"),
        "b7": ("missing", "b has no such case"),
        "b8": ("incomparable", "b: its launches count in a later run that took them over"),
        "b9": ("new", "a has no such case"),
    }
    assert report.means == ()
    c = runs.append_run(store, Made(launch={"fidelity": zeros}))
    d = runs.append_run(store, Made(launch={"fidelity": zeros}), place=3)
    (one,) = compare(store, c, d, metric="fidelity_max_relative_error").comparisons
    assert (one.change, one.reasons) == (Change.INCOMPARABLE, ("a: a launch gave 0, which has no ratio",))
    (one,) = compare(store, c, d, metric="time_to_first_token_ns").comparisons
    assert (one.change, one.reasons) == (Change.INCOMPARABLE, ("a: the launch did not record it",))


def test_imported_numbers_stand_beside_measured_ones_only_where_asked(store: Store) -> None:
    a = runs.append_run(store, Made())
    b = runs.append_run(
        store, Made(values=(), metrics=(MetricValue("latency_ns", 5e5, "ns"),)), provenance=Provenance.IMPORTED
    )
    (one,) = compare(store, a, b).comparisons
    assert one.change is Change.INCOMPARABLE
    assert one.reasons == ("measured in a, imported in b: these are compared only where that is asked for",)
    (one,) = compare(store, a, b, with_imported=True).comparisons
    assert (one.value_a, one.value_b, one.estimate) == (1e6, 5e5, None)
    assert (one.change, one.reasons) == (Change.INCOMPARABLE, ("b: imported results have no launches",))


# -- which results belong together -------------------------------------------------------------------------------


def test_three_sides_are_held_against_the_first(store: Store) -> None:
    a = runs.append_run(store, *batches(runs.STEADY, runs.STEADY))
    b = runs.append_run(store, *batches(times(2), times(2)), place=2)
    c = runs.append_run(store, *batches(times(0.5)), place=4)
    report = compare(store, a, b, c)
    assert [(one.side, one.change.value) for one in report.comparisons] == [
        (1, "regressed"), (1, "regressed"), (2, "improved"), (2, "missing"),
    ]  # fmt: skip
    assert [(mean.side, mean.n, mean.of) for mean in report.means] == [(1, 2, 2), (2, 1, 2)]
    assert [mean.ratio for mean in report.means] == pytest.approx([2, 0.5])


def test_what_the_sides_differ_in_is_found(store: Store) -> None:
    a = runs.append_run(store, *(Made(case(batch=nth, precision="fp32")) for nth in (1, 8)))
    b = runs.append_run(
        store,
        *(Made(case(batch=nth, engine="openvino", precision="bf16", options={"hint": "latency"})) for nth in (1, 8)),
        place=3,
    )
    report = compare(store, a, b)
    assert set(report.varied) == {"engine", "precision", "hint"}
    assert [one.case_label for one in report.comparisons] == ["bert/tiny cpu b1 seq128", "bert/tiny cpu b8 seq128"]
    # Two engines on a side: what is to be held against what is no longer one question.
    both = runs.append_run(store, Made(), Made(case(engine="openvino")), place=5)
    assert compare(store, a, both).varied == ()


def test_the_work_itself_varies_only_where_asked(store: Store) -> None:
    a = runs.append_run(store, Made(case(batch=1)))
    b = runs.append_run(store, Made(case(batch=8), times(4), units_per_call=8.0), place=3)
    apart = compare(store, a, b)
    assert changes(apart) == ["missing", "new"]
    a_results, b_results = (list(store.results(run_id=one)) for one in (a, b))
    assert explain_no_pair([a_results, b_results], ["a", "b"]) == {"batch": "1 in a, 8 in b"}
    (one,) = compare(store, a, b, across=["batch"]).comparisons
    assert (one.case_label, one.change) == ("bert/tiny torch cpu fp32 seq128", Change.REGRESSED)
    assert one.reasons == ("one call does 1 and 8 samples: throughput_per_s compares the work",)
    (one,) = compare(store, a, b, across=["batch"], metric="throughput_per_s").comparisons
    assert (one.change, one.reasons) == (Change.IMPROVED, ())
    assert one.estimate is not None
    assert one.estimate.ratio == pytest.approx(2)
    with pytest.raises(UnknownNameError, match="Did you mean 'batch'"):
        compare(store, a, b, across=["batches"])


def test_of_several_results_of_one_case_the_newest_counts(store: Store) -> None:
    a = runs.append_run(store, Made())
    older = runs.append_run(store, Made(values=times(3)), place=2)
    newer = runs.append_run(store, Made(values=times(2)), at=runs.EVENING)
    side = Side("both", (newer, older), (), ())
    (one,) = compare_runs(store, [Side("a", (a,), (), ()), side]).comparisons
    assert one.value_b == 2e6
    assert "both has 2 results of it: the newest counts" in one.reasons


def test_cases_that_differ_in_hardware_alone_are_told_apart_by_name(store: Store) -> None:
    pair = [Made(), Made(hardware="other cpu")]
    a, b = (runs.append_run(store, *pair, place=place) for place in (0, 3))
    assert [one.case_label for one in compare(store, a, b).comparisons] == [
        "bert/tiny torch cpu fp32 b1 seq128 on some cpu 2c 8GiB", "bert/tiny torch cpu fp32 b1 seq128 on other cpu",
    ]  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(["torch", "openvino"]), min_size=1, max_size=3), min_size=2, max_size=3))
def test_a_field_varies_where_each_side_has_one_value_of_it(engines: list[list[str]]) -> None:
    draw = random.Random(str(engines))
    sides = [[_bare_result(engine, draw.randint(1, 8)) for engine in side] for side in engines]
    is_one_each = all(len(set(side)) == 1 for side in engines) and len({side[0] for side in engines}) > 1
    assert find_varied(sides) == (("engine",) if is_one_each else ())


# -- sides that a person names -----------------------------------------------------------------------------------


def test_runs_are_found_by_baseline_tag_and_age(store: Store) -> None:
    old = runs.append_run(store, Made(), tags=("nightly",))
    new = runs.append_run(store, Made(), at=runs.EVENING, tags=("nightly",))
    newest = runs.append_run(store, Made(), at=runs.EVENING + timedelta(hours=1))
    pin_baseline(store.location, "main", old, author="me")
    series = series_id(case().case_id, runs.HARDWARE)
    pin_baseline(store.location, "main", new, series_id=series, author="me")
    assert find_named_run(store, "tag:nightly").run.run_id == new
    assert find_named_run(store, "last").run.run_id == newest
    pinned = find_named_run(store, "baseline:main")
    assert (pinned.run.run_id, {key: run.run_id for key, run in pinned.by_series.items()}) == (old, {series: new})
    groups = gather_sides(store, [pinned, find_named_run(store, "last")])
    assert [[one.run_id for one in group.results] for group in groups] == [[new], [newest]]
    with pytest.raises(NotFoundError, match="no run with the tag 'weekly'"):
        find_named_run(store, "tag:weekly")
    with pytest.raises(UsageError, match="'last' and 'last~0' are the same run"):
        gather_sides(store, [find_named_run(store, "last"), find_named_run(store, "last~0")])


def test_sides_say_what_differs_between_them(store: Store) -> None:
    runs.append_run(store, Made(), made_in=runs.environment(torch="2.12"), git_commit="a" * 40, git_dirty=True)
    suite = {"suite": {"seed": 0, "timing": {"min_time_s": 2.0}}}
    runs.append_run(store, Made(), at=runs.EVENING, made_in=runs.environment(torch="2.13", scipy="1.17"), config=suite)
    first, second = gather_sides(store, [find_named_run(store, "last~1"), find_named_run(store, "last")])
    assert dict(first.side.described) == {
        "made": "2026-11-06 08:00 UTC", "commit": "aaaaaaaaaaaa with uncommitted changes", "torch": "2.12",
        "scipy": "none", "seed": "none", "min_time_s": "none",
    }  # fmt: skip
    assert dict(second.side.described) == {
        "made": "2026-11-06 18:00 UTC", "commit": "none", "torch": "2.13", "scipy": "1.17", "seed": "0",
        "min_time_s": "2.0",
    }  # fmt: skip
    assert first.side.hardware == (runs.HARDWARE,)


def test_the_parts_of_one_run_are_held_against_one_of_them(store: Store) -> None:
    """A run makes its launches in turns, so its parts get full verdicts."""
    engines = {"torch": 1.0, "onnxruntime": 0.5, "openvino": 0.4}
    made = [Made(case(engine=name, batch=nth), times(factor)) for name, factor in engines.items() for nth in (1, 8)]
    run = find_named_run(store, runs.append_run(store, *made))
    groups = split_run(store, run, "engine", baseline="onnxruntime")
    assert [group.side.label for group in groups] == ["onnxruntime", "torch", "openvino"]
    report = compare_groups(store, groups, across=["engine"])
    assert report.varied == ("engine",)
    assert changes(report) == ["regressed", "regressed", "improved", "improved"]
    assert [mean.ratio for mean in report.means] == pytest.approx([2, 0.8])
    assert [group.side.label for group in split_run(store, run, "batch")] == ["1", "8"]
    with pytest.raises(UsageError, match="has the same device, cpu: there is nothing to compare") as error:
        split_run(store, run, "device")
    assert error.value.hint == "Fields that vary there: engine, batch."
    with pytest.raises(UnknownNameError, match="Did you mean 'torch'"):
        split_run(store, run, "engine", baseline="troch")
    with pytest.raises(UnknownNameError, match="field of a case 'colour'"):
        split_run(store, run, "colour")


def _bare_result(engine: str, batch: int) -> Any:
    made = Made(case(engine=engine, batch=batch))
    return runs._result(new_id(), new_id(), made, runs.MORNING, Provenance.MEASURED)


def _calibration(series: str, env_id: str, floor: float) -> CalibrationRecord:
    return CalibrationRecord(
        calibration_id=new_id(), created_at=runs.MORNING, series_id=series, case_label="x", metric="latency_ns",
        stat="median", run_ids=("r",), env_id=env_id, hardware=runs.HARDWARE, launches=20, launches_a_side=5,
        sd_log=0.01, floor=floor, false_alarm_rate=0.0, splits=100, smallest_change=0.05, power=0.95,
        launches_for_floor=9, is_bimodal=False,
    )  # fmt: skip
