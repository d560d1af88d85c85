"""Copies of a store: complete, compared, gone on with after a kill, and copied back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import StoreError, UsageError
from assay.core.records import RunBundle
from assay.store import Store, copying
from assay.store.annotations import annotate, pin_baseline
from assay.store.copying import copy_runs
from assay.store.tables import open_table

MakeBundle = Callable[..., RunBundle]


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "backup")


def equal(first: Store, second: Store) -> bool:
    def content(store: Store) -> object:
        runs = store.runs()
        launches = [store.launches(run_id=run.run_id, with_samples=True) for run in runs]
        return (
            runs, list(store.results(provenance="any")), launches, store.annotations(), store.baselines(),
            [store.environment(run.env_id) for run in runs],
        )  # fmt: skip

    return content(first) == content(second)


def test_a_copy_is_equal_and_repeating_it_moves_nothing(store: Store, target: Store, make_bundle: MakeBundle) -> None:
    bundles = [make_bundle(cases=2), make_bundle(cases=1, launches=3)]
    for bundle in bundles:
        store.append(bundle)
    annotate(store.location, kind="note", subject_kind="run", subject_id=bundles[0].run.run_id, text="new driver")
    pin_baseline(store.location, "main", bundles[1].run.run_id)
    report = copy_runs(store.location, target.location)
    assert (report.runs_copied, report.runs_there, report.verified) == (2, 0, 2)
    assert (report.rows["results"], report.rows["launches"], report.rows["samples"]) == (3, 7, 7)
    assert equal(store, target)
    assert target.check().clean
    versions = [table.version for table in target.info().tables]
    report = copy_runs(store.location, target.location)
    assert (report.runs_copied, report.runs_there) == (0, 2)
    assert [table.version for table in target.info().tables] == versions
    store.append(make_bundle(cases=1))
    assert copy_runs(store.location, target.location).runs_copied == 1
    assert equal(store, target)


def test_a_lost_store_comes_back_from_its_copy(
    store: Store, target: Store, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    store.append(make_bundle(cases=2))
    copy_runs(store.location, target.location)
    fresh = Store.open(tmp_path / "fresh")
    copy_runs(target.location, fresh.location)
    assert equal(store, fresh)


def test_some_runs_only(store: Store, target: Store, make_bundle: MakeBundle) -> None:
    bundles = [make_bundle(cases=1) for _ in range(3)]
    for bundle in bundles:
        store.append(bundle)
    copy_runs(store.location, target.location, run_ids=[bundles[1].run.run_id])
    assert [run.run_id for run in target.runs()] == [bundles[1].run.run_id]


def test_killed_midway_it_is_gone_on_with(store: Store, target: Store, make_bundle: MakeBundle) -> None:
    for _ in range(3):
        store.append(make_bundle(cases=1))
    script = """
import os, signal, sys
from assay.store import append, copying
copying.RUNS_AT_ONCE = 1
whole, seen = append.append_arrow, []
def append_arrow(location, table, content):
    seen.append(table)
    if seen.count("launches") == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(location, table, content)
append.append_arrow = append_arrow
copying.copy_runs(sys.argv[1], sys.argv[2])
"""
    command = [sys.executable, "-c", script, store.location, target.location]
    assert subprocess.run(command, check=False, env=os.environ).returncode == -signal.SIGKILL
    assert len(target.runs()) == 1
    report = copy_runs(store.location, target.location)
    assert (report.runs_copied, report.runs_there) == (2, 1)
    assert equal(store, target)
    target.repair()
    assert target.check().clean


def test_groups_share_an_attempt_and_check_understands_it(
    store: Store, target: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "RUNS_AT_ONCE", 2)
    heard: list[tuple[int, int]] = []
    for number in range(5):
        store.append(make_bundle(cases=1, launches=number))
    copy_runs(store.location, target.location, progress=lambda done, whole: heard.append((done, whole)))
    assert heard == [(2, 5), (4, 5), (5, 5)]
    assert len(set(target.query("SELECT DISTINCT write_id FROM runs").column(0).to_pylist())) == 3
    assert target.check().clean
    assert equal(store, target)


def test_a_copy_that_differs_is_an_error(store: Store, target: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle(cases=1)
    store.append(bundle)
    target.append(replace(bundle, results=(replace(bundle.results[0], unit_of_work="sample"),)))
    with pytest.raises(StoreError, match=r"The copy of 'results' in .* differs from .*, with other content"):
        copy_runs(store.location, target.location)
    open_table(target.location, "samples").delete()
    with pytest.raises(StoreError, match="differs"):
        copy_runs(store.location, target.location)


def test_a_store_is_not_copied_to_itself(store: Store) -> None:
    with pytest.raises(UsageError, match="cannot be copied to itself"):
        copy_runs(store.location, store.location)
