"""All of a run is visible, or none of it, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import StoreError
from assay.core.records import RunBundle
from assay.store import Store, tables
from assay.store import append as appending
from assay.store.maintenance import Flaw, unfinished_writes

MakeBundle = Callable[..., RunBundle]
VIEWS = ("runs", "results", "launches", "samples", "metrics")


def fail_at(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def append_arrow(location: str, table: str, content: Any) -> None:
        if table == broken:
            raise StoreError(f"no more at {broken}")
        tables.append_arrow(location, table, content)

    monkeypatch.setattr(appending, "append_arrow", append_arrow)


def visible(store: Store) -> dict[str, int]:
    return {view: store.query(f"SELECT count(*) AS n FROM {view}").to_pylist()[0]["n"] for view in VIEWS}  # noqa: S608


@pytest.mark.parametrize("broken", ["results", "launches", "samples", "runs"])
def test_a_failed_append_shows_nothing_and_a_second_one_shows_all_once(
    store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    other, bundle = make_bundle(cases=1), make_bundle()
    store.append(other)
    before = visible(store)
    with monkeypatch.context() as patch:
        fail_at(patch, broken)
        with pytest.raises(StoreError):
            store.append(bundle)
    assert visible(store) == before
    store.append(bundle)  # the leavings of the first attempt stay invisible
    assert visible(store) == {"runs": 2, "results": 3, "launches": 6, "samples": 6, "metrics": 12}
    assert store.launches(run_id=bundle.run.run_id, with_samples=True) == list(bundle.launches)


def test_a_first_append_that_fails_at_once_shows_nothing(
    store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, "environments")
    with pytest.raises(StoreError, match="no more at environments"):
        store.append(make_bundle())
    assert set(visible(store).values()) == {0}
    assert store.check().clean


def test_a_process_killed_before_the_last_row_leaves_what_repair_removes(store: Store) -> None:
    script = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import bundles
from assay.store import Store, append, tables
def append_arrow(location, table, content):
    if table == "runs":
        os.kill(os.getpid(), signal.SIGKILL)
    tables.append_arrow(location, table, content)
append.append_arrow = append_arrow
Store.open(sys.argv[1]).append(bundles.make_bundle())
"""
    command = [sys.executable, "-c", script, store.location, str(Path(__file__).parent)]
    assert subprocess.run(command, check=False).returncode == -9
    assert set(visible(store).values()) == {0}
    found = {problem.flaw for problem in store.check().problems}
    assert found == {Flaw.UNFINISHED_ROWS, Flaw.LEFTOVER_FILE}
    mended = store.repair()
    assert mended.clean
    assert any("results: rows of 1 unfinished writes removed" in line for line in mended.repaired)
    assert store.query("SELECT count(*) AS n FROM raw.results").to_pylist() == [{"n": 0}]


def test_repair_leaves_a_living_writer_alone(
    store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle()
    at_the_last_row, go_on = threading.Event(), threading.Event()

    def append_arrow(location: str, table: str, content: Any) -> None:
        if table == "runs":
            at_the_last_row.set()
            assert go_on.wait(60)
        tables.append_arrow(location, table, content)

    monkeypatch.setattr(appending, "append_arrow", append_arrow)
    writer = threading.Thread(target=store.append, args=(bundle,))
    writer.start()
    assert at_the_last_row.wait(60)
    report = store.repair()
    assert report.clean
    assert report.being_written == 1
    assert unfinished_writes(store.location) == ({}, 1)
    go_on.set()
    writer.join(60)
    assert store.launches(run_id=bundle.run.run_id, with_samples=True) == list(bundle.launches)
    assert store.check().clean


def test_a_run_written_twice_is_shown_once_and_repaired(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    store.append(bundle)
    with pytest.MonkeyPatch.context() as patch:  # as if two processes had both found the run missing
        patch.setattr(appending, "has_run", lambda *_: False)
        store.append(bundle)
    assert store.runs() == [bundle.run]
    assert len(store.results()) == 2
    assert Flaw.REPEATED_RUN in {problem.flaw for problem in store.check().problems}
    assert store.repair().clean
    assert store.query("SELECT count(*) AS n FROM raw.runs").to_pylist() == [{"n": 1}]
    assert store.launches(run_id=bundle.run.run_id, with_samples=True) == list(bundle.launches)
