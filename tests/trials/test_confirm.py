"""Settling suspects: which launches would do it, and what is made of what they say.

The launches themselves are composed here; tests/cli/test_check_end_to_end.py makes real ones.
"""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.analysis.against import AGAINST_HISTORY, Against
from assay.analysis.check import check_run
from assay.analysis.values import CheckReport, Side, exit_code
from assay.core.errors import AssayError
from assay.core.records import EnvironmentRecord, FindingRecord, RunRecord
from assay.core.words import Change, RunStatus, Verdict
from assay.runner.request import FinishedRun, RunRequest
from assay.store import Store
from assay.store.annotations import annotate
from assay.trials.confirm import Launchers, confirm_suspects
from assay.trials.confirm_plan import ConfirmationPlan, plan_confirmation
from assay.trials.values import Trial, TrialRequest


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"confirm_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runs = _load(Path(__file__).parents[1] / "analysis" / "composed_runs.py")
STEADY_MS = (10.0, 10.1, 9.9, 10.05, 9.95)
SLOW_MS = tuple(1.2 * one for one in STEADY_MS)
NOISY_MS = (9.0, 14.0, 10.0, 16.0, 8.0)


def suite_of(*models: str) -> dict[str, Any]:
    cases = [{"model": list(models), "engine": "torch", "device": "cpu", "batch": [1]}]
    return {"suite": {"name": "nightly", "launches": 3, "cases": cases}}


class Place:
    """A repository with two commits, and a store whose history is of the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repo"
        self.folder.mkdir()
        self._git("init", "-q", "-b", "main")
        self.good, self.bad = self.commit("1"), self.commit("2")
        self.composer = runs.Composer(Store.open(folder / "store"))
        self.here: EnvironmentRecord = runs.environment()

    def commit(self, text: str) -> str:
        (self.folder / "mine.py").write_text(text)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", text)
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        command = [
            "/usr/bin/env",
            "git",
            "-C",
            str(self.folder),
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def judge(self, *names: str, given: float = 12.0, **fields: Any) -> tuple[RunRecord, CheckReport]:
        """Add a history of eight good runs and one that is slower, and check that."""
        names = names or ("a",)
        self.composer.add_history(names, git_commit=self.good)
        models = [runs.case(name).workload for name in names]
        fields = {"git_commit": self.bad, "config": suite_of(*models)} | fields
        run: RunRecord = self.composer.add(dict.fromkeys(names, given), **fields)
        return run, check_run(self.composer.flush(), run, settles_chance=False)

    def plan(self, run: RunRecord, report: CheckReport, **more: Any) -> ConfirmationPlan:
        given: dict[str, Any] = {"folder": self.folder, "here": self.here} | more
        return plan_confirmation(self.composer.flush(), run, report, **given)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# -- what would be launched ------------------------------------------------------------------------------------


def test_own_code_of_another_commit_is_launched_beside_that_commit(place: Place) -> None:
    run, report = place.judge("a", "b")
    plan = place.plan(run, report)
    assert [(one.before, one.now, one.sides, len(one.findings)) for one in plan.launches] == [(place.good, ".", 2, 2)]
    assert plan.launches[0].case_ids == {runs.case(name).case_id for name in "ab"}
    assert (plan.count, plan.seconds, plan.refused) == (20, 20.0, {})


def test_a_clean_run_of_an_earlier_commit_is_launched_from_that_commit(place: Place) -> None:
    run, report = place.judge()
    place.commit("3")
    assert [(one.before, one.now) for one in place.plan(run, report).launches] == [(place.good, place.bad)]


def test_uncommitted_code_is_the_tree_as_it_is_or_gone(place: Place) -> None:
    (place.folder / "mine.py").write_text("changed")
    run, report = place.judge(git_commit=place.good, git_dirty=True)
    place._git("checkout", "-q", "--", ".")
    gone = place.plan(run, report)
    assert list(gone.refused.values()) == [
        f"the run measured {place.good[:12]} with changes that were not committed, which cannot be had again"
    ]
    place._git("checkout", "-q", place.good)
    (place.folder / "mine.py").write_text("changed")
    assert [(one.before, one.now) for one in place.plan(run, report).launches] == [(place.good, ".")]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("bert/base", {}),  # built in: the user's commits do not change it
        ("a", {"git_commit": None}),  # no repository
    ],
)
def test_where_there_is_one_code_only_it_is_launched_alone(place: Place, name: str, fields: dict[str, Any]) -> None:
    run, report = place.judge(name, **fields)
    plan = place.plan(run, report)
    assert [(one.before, one.sides) for one in plan.launches] == [(None, 1)]
    assert (plan.count, plan.seconds) == (5, 5.0)


def test_the_same_commit_is_launched_alone_while_the_tree_is_of_it(place: Place) -> None:
    run, report = place.judge(git_commit=place.good)
    assert list(place.plan(run, report).refused.values()) == [
        f"the code here is no longer that of the run, {place.good[:12]}"
    ]
    place._git("checkout", "-q", place.good)
    assert [one.before for one in place.plan(run, report).launches] == [None]


def test_what_cannot_be_made_again_is_refused_with_the_reason(place: Place) -> None:
    run, report = place.judge()
    reasons = [
        place.plan(replace(run, config={}), report),
        place.plan(run, report, here=runs.environment(hardware="a gpu")),
        place.plan(run, report, here=runs.environment(torch="2.13.0")),
        place.plan(replace(run, git_commit="0" * 40), report),
    ]
    assert [next(iter(one.refused.values())).partition(" (")[0] for one in reasons] == [
        "the run was not made by `assay run`, so it cannot be launched again",
        "the run was made on other hardware",
        "the environment has changed since the run: torch 2.12.0 -> 2.13.0",
        f"--ref {'0' * 40!r} is no commit here. Expected a branch, a tag, a commit, or . for the tree as it is.",
    ]
    assert all(one.count == 0 for one in reasons)


def test_muted_suspects_are_left_alone(place: Place) -> None:
    place.composer.add_history(["a"])
    location = place.composer.flush().location
    annotate(location, kind="mute", subject_kind="series", subject_id=runs.series("a"), text="known")
    run, report = place.judge()
    assert report.findings[0].muted is not None
    assert place.plan(run, report) == ConfirmationPlan()


# -- what is made of it ----------------------------------------------------------------------------------------


class Bench:
    """Launchers that give composed launches, and remember what they were asked for."""

    def __init__(
        self, place: Place, before: Sequence[float] = (), now: Sequence[float] = SLOW_MS, **fields: Any
    ) -> None:
        self._place, self._before, self._now, self._fields = place, before, now, fields
        self.trials: list[TrialRequest] = []
        self.requests: list[RunRequest] = []

    @property
    def launchers(self) -> Launchers:
        return Launchers(trial=self._trial, run=self._run)

    def _trial(self, request: TrialRequest) -> Trial:
        self.trials.append(request)
        made = []
        for spec, times in zip(request.sides, (self._before, self._now), strict=True):
            tags = (*request.tags, "trial:1", f"side:{spec.label}")
            made.append(self._add(times, tags=tags, git_commit=spec.ref, suite=request.suite.name))
        sides = tuple(
            Side(spec.label, (one.run.run_id,), (one.run.env_id,), (runs.HARDWARE,))
            for spec, one in zip(request.sides, made, strict=True)
        )
        return Trial(tuple(made), sides)

    def _run(self, request: RunRequest) -> FinishedRun:
        self.requests.append(request)
        return self._add(self._now, tags=request.tags, suite=request.plan.suite.name)

    def _add(self, times: Sequence[float], **fields: Any) -> FinishedRun:
        name = self._fields.pop("name", "a")
        run = self._place.composer.add({name: list(times)}, **fields, **self._fields)
        store = self._place.composer.flush()
        return FinishedRun(run, tuple(store.results(run_id=run.run_id)))


def settle(
    place: Place, bench: Bench, run: RunRecord, report: CheckReport, against: Against = AGAINST_HISTORY
) -> CheckReport:
    return confirm_suspects(
        place.composer.flush(), run, report, place.plan(run, report), against=against, folder=place.folder,
        here=place.here, launchers=bench.launchers,
    )  # fmt: skip


def only(report: CheckReport) -> FindingRecord:
    assert len(report.findings) == 1
    return report.findings[0]


def test_fresh_launches_that_are_slower_make_a_regression(place: Place) -> None:
    run, report = place.judge()
    bench = Bench(place, STEADY_MS, SLOW_MS)
    after = settle(place, bench, run, report)
    finding = only(after)
    assert (finding.change, finding.method, exit_code(after)) == (Change.REGRESSED, "fresh-welch", 1)
    assert finding.ratio == pytest.approx(1.2)
    assert (finding.reference_n, finding.launches, finding.q) == (5, 5, None)
    assert finding.p is not None
    assert finding.p < 0.01
    assert len(finding.confirmed_by) == 2
    assert finding.reasons[0] == only(report).reasons[0]
    assert finding.reasons[1].startswith("confirmed by 5 + 5 interleaved launches: +20.0 % (+1")
    assert after.notes[-1] == "1 launched again: 1 confirmed, 0 taken back"
    (request,) = bench.trials
    assert (request.suite.launches, request.tags, [side.ref for side in request.sides]) == (
        5, ("confirm",), [place.good, "."]
    )  # fmt: skip


@pytest.mark.parametrize("now", [STEADY_MS, tuple(0.8 * one for one in STEADY_MS)])
def test_fresh_launches_that_are_not_slower_take_it_back(place: Place, now: Sequence[float]) -> None:
    run, report = place.judge()
    after = settle(place, Bench(place, STEADY_MS, now), run, report)
    assert (only(after).change, exit_code(after, strict=True)) == (Change.UNCHANGED, 0)
    assert only(after).reasons[-1].startswith("not confirmed: 5 + 5 interleaved launches gave ")


def test_fresh_launches_that_do_not_decide_leave_it_suspect(place: Place) -> None:
    run, report = place.judge()
    finding = only(settle(place, Bench(place, STEADY_MS, NOISY_MS), run, report))
    assert finding.change is Change.SUSPECT
    assert finding.launches_needed is None or finding.launches_needed > 5
    assert finding.reasons[1].startswith("5 + 5 interleaved launches do not decide: ")


def test_a_before_side_that_has_no_such_case_leaves_it_suspect(place: Place) -> None:
    run, report = place.judge()
    finding = only(settle(place, Bench(place, STEADY_MS, SLOW_MS, name="another"), run, report))
    assert finding.change is Change.SUSPECT
    assert finding.reasons[-1].startswith("fresh launches could not be compared: ")


def test_launches_that_cannot_be_made_leave_it_suspect(place: Place) -> None:
    run, report = place.judge()

    def fail(_request: TrialRequest) -> Trial:
        raise AssayError("git could not check it out.")

    after = confirm_suspects(
        place.composer.store, run, report, place.plan(run, report), against=AGAINST_HISTORY, folder=place.folder,
        here=place.here, launchers=Launchers(trial=fail),
    )  # fmt: skip
    assert only(after).change is Change.SUSPECT
    assert only(after).reasons[-1] == "not confirmed: it could not be launched again: git could not check it out."


def test_an_interruption_is_no_confirmation(place: Place) -> None:
    run, report = place.judge()
    bench = Bench(place, (10.0,), (12.0,), status=RunStatus.INTERRUPTED)
    finding = only(settle(place, bench, run, report))
    assert finding.change is Change.SUSPECT
    assert "1 and 1 launches" in finding.reasons[-1]


def builtin(place: Place, now: Sequence[float], **fields: Any) -> tuple[FindingRecord, Bench]:
    run, report = place.judge("bert/tiny")
    bench = Bench(place, now=now, name="bert/tiny", **fields)
    return only(settle(place, bench, run, report)), bench


def test_one_code_that_is_still_slower_stays_suspect(place: Place) -> None:
    finding, bench = builtin(place, SLOW_MS)
    assert (finding.change, len(finding.confirmed_by)) == (Change.SUSPECT, 1)
    assert finding.reasons[-1] == "the same code is still worse (+20.0 %): has the machine changed?"
    (request,) = bench.requests
    assert request.tags == ("confirm", "trial")
    assert [(one.case.workload, request.plan.suite.launches) for one in request.plan.cases] == [("bert/tiny", 5)]


def test_one_code_that_is_slower_no_longer_is_taken_back(place: Place) -> None:
    finding, _ = builtin(place, STEADY_MS)
    assert finding.change is Change.UNCHANGED
    assert finding.reasons[-1].startswith("not confirmed: fresh launches of the same code gave ")


def test_disturbed_launches_of_one_code_settle_nothing(place: Place) -> None:
    disturbed = {"bert/tiny": {"verdict": Verdict.CONTAMINATED, "verdict_reasons": ("a neighbour",)}}
    finding, _ = builtin(place, STEADY_MS, changed=disturbed)
    assert finding.change is Change.SUSPECT
    assert finding.reasons[-1] == "fresh launches of the same code were disturbed: a neighbour"


def test_against_a_run_the_fresh_launches_are_judged_by_that_run(place: Place) -> None:
    reference = place.composer.add({"bert/tiny": list(STEADY_MS)})
    run = place.composer.add({"bert/tiny": list(SLOW_MS)}, config=suite_of("bert/tiny"))
    against = Against.parse(f"run:{reference.run_id}")
    report = check_run(place.composer.flush(), run, against=against, settles_chance=False)
    assert only(report).change is Change.SUSPECT
    bench = Bench(place, now=STEADY_MS, name="bert/tiny")
    assert only(settle(place, bench, run, report, against)).change is Change.UNCHANGED


def test_what_was_not_launched_again_is_left_to_chance(place: Place) -> None:
    """Of two suspects that so many tests give by chance, the one that was launched again keeps what that said."""
    run, report = place.judge("a", "b")
    doubted = replace(report, findings=tuple(replace(one, q=0.3) for one in report.findings))
    refused = replace(run, config={})
    settled = settle(place, Bench(place), refused, doubted)
    assert {one.change for one in settled.findings} == {Change.INCONCLUSIVE}
    assert all("expected by chance" in one.reasons[-1] for one in settled.findings)
