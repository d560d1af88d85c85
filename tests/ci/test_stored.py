"""A check read back from the store: which one is meant, and that it is the same as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assay.analysis.values import CheckReport, exit_code
from assay.ci.stored import describe_environment, read_context, read_feed_findings, read_report
from assay.core.errors import NotFoundError, UsageError
from assay.core.records import FindingRecord
from assay.core.words import Change
from assay.store import Store
from assay.store.findings import append_findings

MakeFinding = Callable[..., FindingRecord]


@pytest.fixture
def checked(store: Store, bundles: Any, make_finding: MakeFinding) -> CheckReport:
    """A store with two runs and one check of the second against the first; the check as it was made."""
    first, second = bundles.make_bundle(suite="ci"), bundles.make_bundle(suite="ci")
    first = replace(first, run=replace(first.run, git_commit="a" * 40, git_branch="main"))
    second = replace(
        second, run=replace(second.run, git_commit="b" * 40, git_branch="feature", git_dirty=True),
    )  # fmt: skip
    for bundle in (first, second):
        store.append(bundle)
    more = {"run_id": second.run.run_id, "reference_run_id": first.run.run_id, "reference_git_commit": "a" * 40}
    findings = [make_finding(f"case/{change}", change, **more) for change in (Change.REGRESSED, Change.UNCHANGED)]
    findings.append(make_finding("case/new", Change.NEW, run_id=second.run.run_id))
    append_findings(store.location, findings)
    return CheckReport(
        check_id="0197-check", run_id=second.run.run_id, created_at=findings[0].created_at, suite="ci",
        against="history", findings=(findings[0], findings[2], findings[1]), expected=2,
        git_commit="b" * 40, git_branch="feature",
        git_dirty=True, reference_run_id=first.run.run_id, reference_git_commit="a" * 40,
    )  # fmt: skip


def test_a_check_comes_back_as_it_was(store: Store, checked: CheckReport) -> None:
    for ref in (
        "last",
        "last~0",
        "0197-check",
        "0197",
        "CHECK",
        checked.run_id,
        checked.run_id[-8:],
        checked.run_id[:30],
    ):
        assert read_report(store, ref) == checked
    assert exit_code(read_report(store)) == 1


def test_what_stood_around_it(store: Store, checked: CheckReport) -> None:
    context = read_context(store, checked, link="https://x.example", commit_url="https://y.example/")
    assert (context.reference_branch, context.link, context.commit_url) == (
        "main", "https://x.example", "https://y.example/",
    )  # fmt: skip
    gone = replace(checked, run_id="gone", reference_run_id="gone too")
    assert read_context(store, gone).environment == ()


def test_the_last_word_on_a_series_counts(store: Store, checked: CheckReport, make_finding: MakeFinding) -> None:
    later = checked.created_at + timedelta(seconds=9)
    append_findings(
        store.location,
        [make_finding("case/regressed", Change.UNCHANGED, run_id=checked.run_id, created_at=later, finding_id="z")],
    )
    report = read_report(store)
    assert [one.change for one in report.findings] == [Change.NEW, Change.UNCHANGED, Change.UNCHANGED]
    assert report.created_at == later


def test_the_newest_check_of_a_run_and_the_ones_before(
    store: Store, checked: CheckReport, make_finding: MakeFinding
) -> None:
    later = checked.created_at + timedelta(hours=1)
    append_findings(
        store.location,
        [make_finding(run_id=checked.run_id, check_id="0198-again", created_at=later, against="baseline main"),
         make_finding("b", run_id=checked.run_id, check_id="0198-again", created_at=later, against="baseline b"),
         make_finding("c", run_id=checked.run_id, check_id="0198-again", created_at=later, against="baseline main")],
    )  # fmt: skip
    assert read_report(store).check_id == read_report(store, checked.run_id).check_id == "0198-again"
    assert read_report(store).against == "baseline main and 1 more"
    assert read_report(store, "last~1") == checked
    with pytest.raises(UsageError, match=r"'019' fits 2 checks: 0198-again, 0197-check\."):
        read_report(store, "019")


def test_a_break_of_everything_is_the_checks(store: Store, make_finding: MakeFinding) -> None:
    append_findings(
        store.location,
        [make_finding("a", Change.INCOMPARABLE, environment_break="kernel"), make_finding("b", Change.MISSING),
         make_finding("c", Change.NEW)],
    )  # fmt: skip
    report = read_report(store)
    assert report.environment_break == "kernel"
    assert (report.suite, report.git_branch) == ("unknown", None)  # its run is not in this store
    append_findings(store.location, [make_finding("d", Change.UNCHANGED)])
    assert read_report(store).environment_break is None


def test_what_is_not_there(store: Store, make_finding: MakeFinding) -> None:
    with pytest.raises(NotFoundError, match=r"There is no check in the store .*`assay check` makes one"):
        read_report(store)
    append_findings(store.location, [make_finding()])
    with pytest.raises(NotFoundError, match="There is no check 'last~1': the store holds 1"):
        read_report(store, "last~1")
    for ref in ("nothing", ""):
        with pytest.raises(
            NotFoundError, match=f"There is no check '{ref}', nor one of a run '{ref}'. The newest: 0197"
        ):
            read_report(store, ref)


def test_findings_of_all_checks_with_the_names_of_their_suites(store: Store, checked: CheckReport) -> None:
    findings, suites = read_feed_findings(store)
    assert len(findings) == 3
    assert suites[checked.run_id] == "ci"
    assert len(read_feed_findings(store, "last")[0]) == 3


def test_an_environment_in_words() -> None:
    facts = {
        "cpu": {"model": "AMD EPYC", "usable_cores": 2}, "memory": {"total_bytes": 8 * 1024**3},
        "gpus": [{"name": "NVIDIA H100", "driver": "580.1", "power_limit_w": 700.0}, {"name": "NVIDIA H100"}],
        "os": {"system": "Linux", "distribution": "debian 12", "kernel": "6.1", "virtualisation": "kvm"},
        "python": {"version": "3.12.1", "packages": {"aaa": "1", "numpy": "2.4", "torch": "2.13.0+cpu"}},
        "threads": {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": None}, "assay": {"version": "0.1.0"},
    }  # fmt: skip
    assert dict(describe_environment(facts)) == {
        "CPU": "AMD EPYC, 2 cores", "memory": "8.00 GiB", "GPU": "NVIDIA H100 driver 580.1 700 W, NVIDIA H100",
        "system": "debian 12, 6.1", "machine": "kvm", "Python": "3.12.1",
        "packages": "torch 2.13.0+cpu, numpy 2.4, aaa 1", "threads": "OMP_NUM_THREADS=2", "assay": "0.1.0",
    }  # fmt: skip
    many = {"python": {"packages": {f"p{n:02}": "1" for n in range(20)}}}
    assert dict(describe_environment(many))["packages"].endswith("p11 1, and 8 more")


@pytest.mark.parametrize("facts", [{}, {"os": "linux", "cpu": None, "python": [], "gpus": "none", "threads": 3}])
def test_facts_of_another_form_are_left_out(facts: dict[str, Any]) -> None:
    assert describe_environment(facts) == ()
