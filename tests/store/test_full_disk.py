"""A disk that fills up costs the run that did not fit, and an error that says so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.errors import StoreError
from assay.core.records import RunBundle
from assay.store import Journal, Store

MakeBundle = Callable[..., RunBundle]
WriteAll = Callable[[Journal, RunBundle], None]


def fill(disk: Path, *, leave_bytes: int) -> Path:
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * max(0, status.f_bavail * status.f_frsize - leave_bytes))
    return ballast


def write_forever(journal: Journal, bundle: RunBundle) -> None:
    for _ in range(200):
        journal.record(bundle.launches[0])


def test_a_run_that_does_not_fit_is_refused_whole(
    small_disk: Callable[[int], Path], make_bundle: MakeBundle, write_all: WriteAll
) -> None:
    disk = small_disk(24)
    store = Store.open(disk / "store")
    kept, lost = make_bundle(), make_bundle(samples=200)
    store.append(kept)
    journal = store.journal(lost.run.run_id)
    write_all(journal, lost)
    ballast = fill(disk, leave_bytes=300_000)
    with pytest.raises(StoreError, match=r"the disk is full.*Free some space.*assay store recover"):
        store.publish(lost, journal)
    assert store.runs() == [kept.run]
    assert store.results() == list(kept.results)
    assert store.query_readonly("SELECT count(*) AS n FROM samples").to_pylist() == [{"n": 4}]
    ballast.unlink()
    journal.close()
    assert [each.run_id for each in store.recover()] == [lost.run.run_id]
    assert {run.run_id for run in store.runs()} == {kept.run.run_id, lost.run.run_id}
    assert store.launches(run_id=lost.run.run_id, with_samples=True) == list(lost.launches)
    assert store.check().clean


def test_a_disk_that_fills_up_in_the_middle_of_a_write_leaves_nothing_visible(
    small_disk: Callable[[int], Path], make_bundle: MakeBundle
) -> None:
    """The look at the free space is answered with a lie, as if another program took it in that moment.

    In a process of its own, because deltalake's background threads complain on stderr when it ends.
    """
    disk = small_disk(24)
    store = Store.open(disk / "store")
    kept = make_bundle()
    store.append(kept)
    ballast = fill(disk, leave_bytes=60_000)
    script = """
import sys
sys.path.insert(0, sys.argv[2])
import bundles
from assay.core.errors import StoreError
from assay.store import Store, tables
tables.free_bytes = lambda location: 10**12
try:
    Store.open(sys.argv[1]).append(bundles.make_bundle(cases=4, launches=3, samples=3000))
except StoreError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, store.location, str(Path(__file__).parent)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert outcome.returncode == 0, outcome.stderr
    assert "the disk is full" in outcome.stdout
    assert store.runs() == [kept.run]
    assert store.results() == list(kept.results)
    assert store.launches(run_id=kept.run.run_id, with_samples=True) == list(kept.launches)
    ballast.unlink()
    assert store.repair().clean
    store.append(make_bundle())
    assert len(store.runs()) == 2


def test_a_journal_on_a_full_disk_keeps_what_it_has(
    small_disk: Callable[[int], Path], make_bundle: MakeBundle, write_all: WriteAll
) -> None:
    disk = small_disk(24)
    store = Store.open(disk / "store")
    bundle = make_bundle(cases=1, launches=1)
    journal = store.journal(bundle.run.run_id)
    write_all(journal, bundle)
    ballast = fill(disk, leave_bytes=0)
    with pytest.raises(StoreError, match="the disk is full"):
        write_forever(journal, bundle)
    ballast.unlink()
    journal.close()
    (recovered,) = store.recover()
    assert (recovered.results, recovered.launches, recovered.unreadable_lines) == (1, 1, 0)
