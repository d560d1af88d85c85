"""Several processes at once: nobody waits for a lock, nobody loses a row."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.records import RunBundle
from assay.store import Store, tables
from assay.store.housekeeping import tidy_table
from assay.store.tables import live_files, open_table

if TYPE_CHECKING:
    import pytest

TABLES = ("runs", "results", "launches", "samples", "environments")


def test_processes_that_find_no_store_make_one_together(
    tmp_path: Path, start_script: Callable[..., subprocess.Popen[str]]
) -> None:
    location = tmp_path / "store"  # neither the folder nor a table exists yet
    writers = [start_script("append", location, tmp_path / f"acks{number}", 4, number) for number in range(3)]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    acknowledged = {
        line for number in range(3) for line in (tmp_path / f"acks{number}").read_text(encoding="ascii").split()
    }
    store = Store.open(location, create=False)
    assert len(acknowledged) == 12
    assert {run.run_id for run in store.runs()} == acknowledged
    assert store.check().clean
    for table in TABLES:  # one of them made it; a second creation would fail the appends of others
        made = [entry for entry in open_table(store.location, table).history() if entry["operation"] == "CREATE TABLE"]
        assert len(made) == 1


def test_compaction_keeps_every_row_and_disturbs_no_reader_or_writer(
    store: Store,
    make_bundle: Callable[..., RunBundle],
    start_script: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    made = [make_bundle(cases=1) for _ in range(4)]
    for bundle in made:
        store.append(bundle)
    old_files = live_files(store.location, "results")
    writer = start_script("append", store.location, tmp_path / "acks", 8, 1)
    compacted = 0
    while writer.poll() is None:
        compacted += sum(tidy_table(store.location, table, after_files=4) for table in TABLES)
    _, errors = writer.communicate()
    assert writer.returncode == 0, errors
    assert compacted > 0
    assert all(Path(path).exists() for path in old_files), "a reader of the old snapshot still needs these"
    for table in TABLES:
        tidy_table(store.location, table, after_files=2)
        # A large file is not rewritten for the sake of a small one, so a few sizes may stay.
        assert len(live_files(store.location, table)) <= 3
    for bundle in made:
        assert store.launches(run_id=bundle.run.run_id, with_samples=True) == list(bundle.launches)
    acknowledged = set((tmp_path / "acks").read_text(encoding="ascii").split())
    assert {run.run_id for run in store.runs()} == acknowledged | {bundle.run.run_id for bundle in made}
    assert store.check().clean


def test_appending_compacts_by_itself(
    store: Store, make_bundle: Callable[..., RunBundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "COMPACT_AFTER_FILES", 3)
    for _ in range(4):
        store.append(make_bundle(cases=1, launches=1))
    assert len(live_files(store.location, "runs")) == 2
    assert len(store.runs()) == 4
