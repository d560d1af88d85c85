"""Earlier states, copies, retention and upkeep of a store on object storage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from assay.core.records import RunBundle
from assay.core.words import ExportWhat as What
from assay.store import Store
from assay.store.copying import copy_runs
from assay.store.export import collect
from assay.store.retention import Policy, apply_retention, plan_retention
from assay.store.snapshots import restore, verify_snapshot
from assay.store.upkeep import compact, vacuum

MakeBundle = Callable[..., RunBundle]


def run_ids(store: Store) -> list[str]:
    return [run.run_id for run in store.runs()]


def test_states_are_named_read_and_restored(s3_store: Store, make_bundle: MakeBundle) -> None:
    first, second = make_bundle(cases=1), make_bundle(cases=2)
    s3_store.append(first)
    s3_store.snapshot("first")
    s3_store.append(second)
    assert run_ids(s3_store.as_of("first")) == [first.run.run_id]
    assert verify_snapshot(s3_store.location, "first") == []
    before = restore(s3_store.location, s3_store.as_of("first").versions or {})
    assert run_ids(s3_store) == [first.run.run_id]
    restore(s3_store.location, s3_store.as_of(before.name).versions or {})
    assert sorted(run_ids(s3_store)) == sorted([first.run.run_id, second.run.run_id])
    assert s3_store.check().clean


def test_a_local_store_is_copied_there_and_back(store: Store, s3_store: Store, make_bundle: MakeBundle) -> None:
    for _ in range(2):
        store.append(make_bundle(cases=1))
    assert copy_runs(store.location, s3_store.location).runs_copied == 2
    assert copy_runs(store.location, s3_store.location).runs_copied == 0
    assert list(s3_store.results()) == list(store.results())
    fresh = Store.open(f"{store.location}-fresh")
    copy_runs(s3_store.location, fresh.location)
    run = fresh.runs()[0]
    assert fresh.launches(run_id=run.run_id, with_samples=True) == store.launches(run_id=run.run_id, with_samples=True)


def test_upkeep_retention_and_export(s3_store: Store, make_bundle: MakeBundle) -> None:
    for _ in range(3):
        s3_store.append(make_bundle(cases=1))
    done = {one.table: (one.files_before, one.files_after) for one in compact(s3_store.location, ["results"])}
    assert done == {"results": (3, 1)}
    assert {one.files for one in vacuum(s3_store.location, ["results"], dry_run=True)} == {0}
    plan = plan_retention(s3_store.location, Policy(samples_older_than=timedelta(0), keep_last=1))
    assert len(plan.thin) == 2
    apply_retention(s3_store.location, plan)
    assert collect(s3_store.results(), What.SAMPLES, s3_store.location).num_rows == 2
    assert collect(s3_store.results(), What.RESULTS, s3_store.location).num_rows == 3
    assert s3_store.check().clean
