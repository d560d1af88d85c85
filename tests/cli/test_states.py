"""`assay store snapshot | restore | diff | backup | retain | compact | vacuum`, `--as-of` and `assay export`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet
import pytest

from assay.store import Store


class Said(Protocol):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]


@pytest.fixture
def store(kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Here) -> Store:
    """A store of its own with two runs, which commands find by themselves."""
    assert here is not None  # it clears the environment, so it must come first
    shutil.copytree(kept, tmp_path / "own")
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "own"))
    return Store.open(tmp_path / "own")


def loaded(said: Said) -> Any:
    assert said.code == 0, said.err
    return json.loads(said.out)


@pytest.mark.usefixtures("store")
def test_a_snapshot_is_made_listed_proved_and_ended(here: Here) -> None:
    assert here("store", "snapshot", "ls").out == ("No snapshots yet. Make one with: assay store snapshot make NAME\n")
    assert here("store", "snapshot", "make", "first", "--note", "old driver").out == (
        "snapshot first: 2 runs, 4 results\n"
    )
    listed = here("store", "snapshot", "ls").out
    assert "first" in listed
    assert "old driver" in listed
    assert here("store", "snapshot", "verify", "first").out == "snapshot first: every row is as it was\n"
    assert here("store", "snapshot", "rm", "first").out == "snapshot first ended\n"
    again = here("store", "snapshot", "rm", "first")
    assert (again.code, again.err) == (2, "error: There is no snapshot 'first'.\n  There are: none.\n")


def test_listings_show_an_earlier_state(store: Store, here: Here) -> None:
    newest, oldest = store.runs()
    between = oldest.finished_at + (newest.started_at - oldest.finished_at) / 2
    state = between.isoformat()
    assert [run["run_id"] for run in loaded(here("ls", "--as-of", state, "--json"))] == [oldest.run_id]
    assert loaded(here("show", "--as-of", state, "--json"))["run"]["run_id"] == oldest.run_id
    assert loaded(here("sql", "SELECT count(*) AS n FROM runs", "--as-of", state, "--json")) == [{"n": 1}]
    assert {row["run_id"] for row in loaded(here("export", "--as-of", state))} == {oldest.run_id}
    wrong = here("ls", "--as-of", "last week")
    assert wrong.code == 2
    assert "There is no snapshot 'last week', and it is no time." in wrong.err


def test_going_back_asks_first_and_can_be_undone(store: Store, here: Here) -> None:
    newest, oldest = store.runs()
    state = (oldest.finished_at + (newest.started_at - oldest.finished_at) / 2).isoformat()
    refused = here("store", "restore", state)
    assert refused.code == 2
    assert "1 runs would vanish and 0 come back. Go on? There is nobody to ask.\n  Say --yes." in refused.err
    assert len(store.runs()) == 2
    done = loaded(here("store", "restore", state, "--yes", "--json"))
    assert [run.run_id for run in store.runs()] == [oldest.run_id]
    back = here("store", "restore", done["undo"], "--yes")
    assert "0 runs vanished, 1 came back" in back.out
    assert [run.run_id for run in store.runs()] == [newest.run_id, oldest.run_id]
    assert here("store", "check").code == 0


def test_two_states_are_compared(store: Store, here: Here) -> None:
    here("store", "snapshot", "make", "now-ish")
    said = here("store", "diff", datetime(2020, 1, 1, tzinfo=UTC).isoformat(), "now-ish")
    assert "runs: 0 in both" in said.out
    assert all(run.run_id[-8:] in said.out for run in store.runs())
    assert loaded(here("store", "diff", "now-ish", "--json"))["rows"]["results"] == [4, 4]


def test_a_backup_is_repeated_and_copied_back(store: Store, here: Here, tmp_path: Path) -> None:
    target = str(tmp_path / "copy")
    first = here("store", "backup", target)
    assert first.out.startswith("2 runs copied (")
    assert first.out.endswith("0 were there; 2 runs compared, equal on both sides\n")
    assert "0 runs copied (0 rows), 2 were there" in here("store", "backup", target).out
    fresh = str(tmp_path / "fresh")
    report = loaded(here("store", "restore", "--from", target, "--store", fresh, "--json"))
    assert report["runs_copied"] == 2
    assert Store.open(fresh).runs() == store.runs()
    assert here("store", "backup", target, "--store", str(tmp_path / "nowhere")).code == 2
    assert here("store", "restore").code == 2


def test_retention_says_what_would_go(store: Store, here: Here) -> None:
    assert here("store", "retain").code == 2
    assert here("store", "retain", "--runs-older-than", "a while").err == (
        "error: 'a while' is no age.\n  Expected for instance 90d, 12h or 8w.\n"
    )
    said = here("store", "retain", "--samples-older-than", "0d", "--dry-run")
    assert said.out.count("among the newest 30 of its suite") == 2
    dry = loaded(here("store", "retain", "--samples-older-than", "0d", "--keep-last", "0", "--dry-run", "--json"))
    assert (dry["applied"], len(dry["thin"])) == (False, 2)
    done = loaded(here("store", "retain", "--samples-older-than", "0d", "--keep-last", "0", "--yes", "--json"))
    assert done["applied"]
    assert store.query("SELECT count(*) AS n FROM samples").to_pylist() == [{"n": 0}]
    assert len(store.results()) == 4
    assert here("store", "check").code == 0


def test_upkeep_says_what_it_did(store: Store, here: Here) -> None:
    assert {"table": "runs", "files_before": 2, "files_after": 1} in loaded(here("store", "compact", "--json"))
    assert "runs: 0 files would be removed" in here("store", "vacuum", "--dry-run").out
    assert here("store", "vacuum", "--keep-hours", "0").code == 2
    assert here("store", "compact", "--tables", "result").code == 2
    assert len(store.results()) == 4


def test_exports_by_ending_by_flag_and_to_a_pipe(store: Store, here: Here, tmp_path: Path) -> None:
    parquet = tmp_path / "all.parquet"
    said = here("export", "-o", parquet)
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith(f"{parquet}: 4 results, ")
    assert pyarrow.parquet.read_table(parquet).num_rows == 4
    rows = list(csv.DictReader(io.StringIO(here("export", "--format", "csv", "--what", "numbers").out, newline="")))
    assert {row["provenance"] for row in rows} == {"measured"}
    failed = loaded(here("export", "--status", "failed"))
    assert [row["status"] for row in failed] == ["failed"]
    newest = store.runs()[0].run_id
    chosen = loaded(here("export", "last", "--usable", "--engine", "pl*,torch"))
    assert {row["run_id"] for row in chosen} == {newest}
    assert [row["usable"] for row in chosen] == [True]
    assert "not measured here" not in here("export", "--suite", "nothing", "-o", tmp_path / "none.csv").err
    assert here("export", "-o", "x.xlsx").code == 2
    assert "status 'fine' is not known" in here("export", "--status", "fine").err


def test_an_export_without_measurements_says_that_there_are_others(here: Here, tmp_path: Path) -> None:
    seeds = Path(__file__).parents[1] / "importers" / "seeds" / "timm"
    store = tmp_path / "imported"
    assert here("import", seeds, "--store", store).code == 0
    said = here("export", "-o", tmp_path / "x.csv", "--store", store)
    assert "0 results" in said.err
    assert "Results that were not measured here fit: --provenance imported, predicted, or any." in said.err
    every = here("export", "-o", tmp_path / "y.csv", "--store", store, "--provenance", "any")
    assert "5 results" in every.err
    assert "not measured here" not in every.err
