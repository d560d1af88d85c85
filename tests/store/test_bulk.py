"""Many rows at once: written as several files in one commit, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError

from assay.core.records import RunBundle
from assay.store import Store, writing
from assay.store.log import added_files, newest_version, read_changes, read_snapshot
from assay.store.tables import append_arrow, ensure_table, open_table
from assay.store.writing import append_bulk, write_parts, writer_properties

MakeBundle = Callable[..., RunBundle]
TABLES = ("results", "launches", "samples", "telemetry")


@pytest.fixture
def stored(store: Store, make_bundle: MakeBundle) -> Store:
    for _ in range(4):
        store.append(make_bundle(cases=3, launches=2))
    return store


def rows_of(store: Store, table: str) -> Any:
    """The rows of a table as they would be appended."""
    snapshot = read_snapshot(Path(store.location) / table)
    assert snapshot is not None
    return pa.concat_tables(pq.read_table(file.path) for file in snapshot.files)


@pytest.mark.parametrize("table", TABLES)
def test_rows_come_back_as_they_were_through_either_writer(
    stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(writing, "BULK_ROWS", 8)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    content = rows_of(stored, table)
    other = Store.open(tmp_path / "other").location
    opened = ensure_table(other, table)
    append_bulk(opened, Path(other) / table, table, content, max_retries=0)
    snapshot = read_snapshot(Path(other) / table)
    assert snapshot is not None
    assert (snapshot.version, len(snapshot.files)) == (1, 3)
    assert rows_of(Store.open(other), table).to_pylist() == content.to_pylist()
    assert content.num_rows == sum(json.loads(file.stats or "{}")["numRecords"] for file in snapshot.files)

    from deltalake import write_deltalake

    third = Store.open(tmp_path / "third").location
    write_deltalake(ensure_table(third, table), content, mode="append", writer_properties=writer_properties(table))
    # deltalake does not keep the order of a table's chunks
    assert sorted(rows_of(Store.open(third), table).to_pylist(), key=str) == sorted(content.to_pylist(), key=str)


def test_the_log_knows_the_smallest_and_the_largest_values(stored: Store, tmp_path: Path) -> None:
    content = rows_of(stored, "results")
    (part,) = write_parts(tmp_path, "results", content)
    stats = json.loads(part.stats)
    for name in ("series_id", "run_id", "result_id"):
        values = content.column(name).to_pylist()
        assert (stats["minValues"][name], stats["maxValues"][name]) == (min(values), max(values))
    assert stats["minValues"]["measured_at"] == "2026-11-05T12:30:15.123456Z"
    assert part.rows == stats["numRecords"] == content.num_rows
    assert part.size_bytes == (tmp_path / part.name).stat().st_size


def test_a_column_of_nulls_has_no_bounds(stored: Store, tmp_path: Path) -> None:
    content = rows_of(stored, "results")
    place = content.schema.get_field_index("measured_at")
    empty = pa.nulls(content.num_rows, content.schema.field(place).type)
    (part,) = write_parts(tmp_path, "results", content.set_column(place, content.schema.field(place), empty))
    assert "measured_at" not in json.loads(part.stats)["minValues"]
    assert "series_id" in json.loads(part.stats)["minValues"]


def test_a_failure_leaves_no_file(stored: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(stored.location) / "results"
    content, before = rows_of(stored, "results"), sorted(folder.glob("*.parquet"))
    monkeypatch.setattr(writing, "BULK_ROWS", 8)
    described = writing.describe_part

    def fail(path: Path) -> Any:
        described(path)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "describe_part", fail)
        with pytest.raises(OSError, match="No space"):
            write_parts(folder, "results", content)
    assert sorted(folder.glob("*.parquet")) == before

    class Beaten:
        def create_write_transaction(self, *_: object, **__: object) -> None:
            raise CommitFailedError("another was first")

    with pytest.raises(CommitFailedError):
        append_bulk(Beaten(), folder, "results", content, max_retries=0)
    assert sorted(folder.glob("*.parquet")) == before


def test_changes_are_followed_from_any_version(stored: Store, make_bundle: MakeBundle) -> None:
    folder = Path(stored.location) / "results"
    version = newest_version(folder)
    assert added_files(folder, version) == []
    assert added_files(folder, version + 1) is None, "no such version"
    everything = read_changes(folder, -1)
    assert everything is not None
    assert everything.rows == 12
    stored.append(make_bundle(cases=1))
    (new,) = added_files(folder, version) or []
    assert pq.read_metadata(new).num_rows == 1
    open_table(stored.location, "results").optimize.compact()
    merged = read_changes(folder, version)
    assert merged is not None
    assert (merged.rows, merged.rows_removed) == (13, False), "new rows lie beside old ones now"
    assert added_files(folder, version + 1) == [], "seen from after the append nothing is new"
    open_table(stored.location, "results").delete(f"result_id = '{rows_of(stored, 'results')['result_id'][0]}'")
    assert added_files(folder, version) is None


def test_a_log_made_anew_is_not_mistaken_for_the_old_one(stored: Store, tmp_path: Path) -> None:
    folder = Path(stored.location) / "results"
    content = rows_of(stored, "results")
    assert read_snapshot(folder) is not None
    folder.rename(tmp_path / "away")
    append_arrow(stored.location, "results", content.slice(0, 2))
    assert rows_of(stored, "results").num_rows == 2
    assert stored.query("SELECT count(*) AS n FROM raw.results").to_pylist() == [{"n": 2}]


def test_a_second_reading_sees_what_was_written_between(stored: Store, make_bundle: MakeBundle) -> None:
    assert len(stored.runs()) == 4
    stored.append(make_bundle())
    assert len(stored.runs()) == 5
    assert len(stored.runs()) == 5
