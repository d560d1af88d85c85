"""Earlier states: by name, by time, going back, and what vacuum must leave alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assay.core.errors import NotFoundError, StoreError, UsageError
from assay.core.ids import new_id
from assay.core.records import RunBundle
from assay.store import Store, snapshots
from assay.store.locks import create_locked
from assay.store.schema import RUNS, SNAPSHOTS, TABLES
from assay.store.snapshots import diff_states, remove_snapshot, restore, verify_snapshot
from assay.store.tables import live_files, open_table
from assay.store.upkeep import compact, vacuum
from assay.store.versions import DATA_TABLES, current_versions, resolve_versions
from assay.store.writes import delete_rows

MakeBundle = Callable[..., RunBundle]


def run_ids(store: Store) -> set[str]:
    return {run.run_id for run in store.runs()}


def test_every_table_but_the_list_of_snapshots_has_states() -> None:
    assert (DATA_TABLES[0], set(DATA_TABLES)) == (RUNS, set(TABLES) - {SNAPSHOTS})


def test_a_snapshot_reads_what_was_there(store: Store, make_bundle: MakeBundle) -> None:
    first = make_bundle(cases=2)
    store.append(first)
    made = store.snapshot("release-1", note="before the new driver")
    store.append(make_bundle(cases=3))
    then = store.as_of("release-1")
    assert run_ids(then) == {first.run.run_id}
    assert {one.result_id for one in then.results()} == {one.result_id for one in first.results}
    assert then.query("SELECT count(*) AS n FROM results").to_pylist() == [{"n": 2}]
    assert then.query_readonly("SELECT count(*) AS n FROM samples").to_pylist() == [{"n": len(first.launches)}]
    assert (made.rows["runs"], made.rows["results"], made.rows["launches"]) == (1, 2, len(first.launches))
    assert store.snapshots() == [made]
    assert len(store.results()) == 5


def test_a_time_and_an_age_are_states_too(store: Store, make_bundle: MakeBundle) -> None:
    before = datetime.now(UTC)
    time.sleep(0.02)
    store.append(make_bundle(cases=1))
    time.sleep(0.02)
    between = datetime.now(UTC)
    time.sleep(0.02)
    store.append(make_bundle(cases=1))
    assert len(store.as_of(before).runs()) == 0
    assert len(store.as_of(between.isoformat()).runs()) == 1
    assert len(store.as_of(between.astimezone().replace(tzinfo=None).isoformat()).runs()) == 1
    assert len(store.as_of("2 d").runs()) == 0
    assert len(store.as_of(datetime.now(UTC)).runs()) == 2


def test_what_is_no_state_is_refused_with_the_nearest(store: Store) -> None:
    store.snapshot("release-1")
    with pytest.raises(NotFoundError, match=r"There is no snapshot 'release-2'.*The nearest is 'release-1'"):
        store.as_of("release-2")
    with pytest.raises(NotFoundError, match=r"Name a snapshot, a time \(2026-11-22T10:00\) or an age"):
        store.as_of("yesterday")


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65, "käse"])
def test_a_name_that_is_none_is_refused(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a snapshot"):
        store.snapshot(name)


def test_a_name_is_taken_once_and_can_be_ended(store: Store) -> None:
    store.snapshot("a")
    with pytest.raises(UsageError, match="There is a snapshot 'a' already"):
        store.snapshot("a")
    remove_snapshot(store.location, "a")
    assert store.snapshots() == []
    store.snapshot("a")
    with pytest.raises(NotFoundError, match=r"There is no snapshot 'b'\. There are: a\."):
        remove_snapshot(store.location, "b")


def test_going_back_and_undoing_it(store: Store, make_bundle: MakeBundle) -> None:
    first, second = make_bundle(cases=2), make_bundle(cases=1)
    store.append(first)
    store.snapshot("first")
    store.append(second)
    before = restore(store.location, store.as_of("first").versions or {})
    assert run_ids(store) == {first.run.run_id}
    assert len(store.launches(run_id=first.run.run_id, with_samples=True)) == len(first.launches)
    assert store.check().clean
    restore(store.location, store.as_of(before.name).versions or {})
    assert run_ids(store) == {first.run.run_id, second.run.run_id}
    assert store.launches(run_id=second.run.run_id, with_samples=True) == list(second.launches)
    assert store.check().clean
    assert [verify_snapshot(store.location, name) for name in ("first", before.name)] == [[], []]


def test_going_back_to_before_the_first_run(store: Store, make_bundle: MakeBundle) -> None:
    store.snapshot("nothing")
    store.append(make_bundle())
    restore(store.location, store.as_of("nothing").versions or {})
    assert (store.runs(), list(store.results())) == ([], [])
    assert store.check().clean


def test_nobody_goes_back_while_others_write(store: Store, make_bundle: MakeBundle) -> None:
    store.append(make_bundle())
    store.snapshot("here")
    store.check_writable()
    mark = create_locked(Path(store.location) / "writing" / new_id())
    try:
        with pytest.raises(StoreError, match="1 runs are being written"):
            restore(store.location, store.as_of("here").versions or {})
    finally:
        mark.remove()


@pytest.mark.parametrize("table", ["runs", "results", "samples"])
def test_killed_on_the_way_back_nothing_is_half_there(store: Store, make_bundle: MakeBundle, table: str) -> None:
    first = make_bundle(cases=1)
    store.append(first)
    store.snapshot("first")
    store.append(make_bundle(cases=1))
    script = """
import os, signal, sys
from assay.store import Store, snapshots
store = Store.open(sys.argv[1])
whole = snapshots._restore_table
def restore_table(location, table, version):
    if table == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(location, table, version)
snapshots._restore_table = restore_table
snapshots.restore(store.location, store.as_of("first").versions)
"""
    command = [sys.executable, "-c", script, store.location, table]
    assert subprocess.run(command, check=False, env=os.environ).returncode == -signal.SIGKILL
    assert run_ids(store) == {first.run.run_id}
    store.repair()
    assert store.check().clean
    restore(store.location, store.as_of("first").versions or {})
    assert run_ids(store) == {first.run.run_id}
    assert store.check().clean


def test_two_states_are_compared_by_run(store: Store, make_bundle: MakeBundle) -> None:
    first, second = make_bundle(cases=1), make_bundle(cases=2)
    store.append(first)
    store.snapshot("first")
    store.append(second)
    found = diff_states(store.location, store.as_of("first").versions, None)
    assert (found.only_in_first, found.only_in_second, found.in_both) == ((), (second.run.run_id,), 1)
    assert found.rows["results"] == (1, 3)
    assert found.rows["annotations"] == (0, 0)


def test_a_row_that_is_changed_lost_or_doubled_is_noticed(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle(cases=3)
    store.append(bundle)
    rows, checksums = snapshots.summarise(store.location, None)
    again = snapshots.summarise(store.location, current_versions(store.location))
    assert again == (rows, checksums)
    compact(store.location)
    assert snapshots.summarise(store.location, None) == (rows, checksums)
    table = open_table(store.location, "results")
    table.update(updates={"latency_ns": "latency_ns + 1"}, predicate=f"result_id = '{bundle.results[0].result_id}'")
    changed_rows, changed = snapshots.summarise(store.location, None)
    assert changed_rows == rows
    assert {name for name in checksums if changed[name] != checksums[name]} == {"results"}
    delete_rows(store.location, "results", "result_id", [bundle.results[0].result_id])
    assert snapshots.summarise(store.location, None)[0]["results"] == 2


def test_vacuum_leaves_the_files_of_a_snapshot(store: Store, make_bundle: MakeBundle) -> None:
    for _ in range(3):
        store.append(make_bundle(cases=1))
    store.snapshot("kept")
    for _ in range(3):
        store.append(make_bundle(cases=1))
    compact(store.location)
    old = datetime.now(UTC) - timedelta(days=30)
    for path in Path(store.location).glob("*/*.parquet"):
        os.utime(path, (old.timestamp(), old.timestamp()))
    _age_the_log(store)
    vacuum(store.location, keep_hours=24)
    assert len(store.runs()) == 6
    assert len(store.as_of("kept").runs()) == 3
    assert verify_snapshot(store.location, "kept") == []
    remove_snapshot(store.location, "kept")
    done = {one.table: one.files for one in vacuum(store.location, keep_hours=24, dry_run=True)}
    assert done["results"] >= 3
    vacuum(store.location, keep_hours=24)
    assert len(store.results()) == 6
    assert store.check().clean


def test_compacting_makes_few_files_and_says_so(store: Store, make_bundle: MakeBundle) -> None:
    for _ in range(4):
        store.append(make_bundle(cases=1))
    before = {run.run_id for run in store.runs()}
    done = {one.table: (one.files_before, one.files_after) for one in compact(store.location, ["results", "runs"])}
    assert done == {"results": (4, 1), "runs": (4, 1)}
    assert len(live_files(store.location, "results")) == 1
    assert run_ids(store) == before


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda place: vacuum(place, keep_hours=0), "Keeping 0 hours is too little"),
        (lambda place: compact(place, ["result"]), "There is no table 'result'"),
        (lambda place: resolve_versions(place, "9999999 w"), "is before every store"),
    ],
)
def test_what_makes_no_sense_is_refused(store: Store, act: Callable[[str], object], message: str) -> None:
    with pytest.raises((UsageError, NotFoundError), match=message):
        act(store.location)


def _age_the_log(store: Store) -> None:
    """Let the removals in the log look a month old, as vacuum goes by the times that it holds."""
    shift = 30 * 24 * 3600 * 1000
    for path in Path(store.location).glob("*/_delta_log/*.json"):
        text = path.read_text()
        lines = []
        for line in text.splitlines():
            if '"deletionTimestamp":' in line:
                head, _, tail = line.partition('"deletionTimestamp":')
                digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
                line = f'{head}"deletionTimestamp":{int(digits) - shift}{tail[len(digits) :]}'  # noqa: PLW2901
            lines.append(line)
        path.write_text("\n".join(lines))
