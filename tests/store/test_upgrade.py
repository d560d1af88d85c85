"""A store that an older assay wrote: upgraded once, with every row, by whoever comes first."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from assay.core.errors import StoreError
from assay.core.records import SCHEMA_VERSION, RunBundle
from assay.store import Store, upgrade
from assay.store.address import read_object, storage_options, table_uri, write_object
from assay.store.location import MARKER
from assay.store.schema import LAUNCHES, RESULTS, arrow_schema
from assay.store.tables import open_table
from assay.store.upgrade import upgrade_if_older

NEW_IN_3 = {RESULTS: ["source_place", "source_fields", "conversions", "simulated", "marks", "fingerprint"]}
NEW_IN_2 = {RESULTS: ["fidelity_reason"], LAUNCHES: ["fidelity", "fidelity_reason", "placement", "metrics"]}
REQUIRED_UNTIL_3 = {
    RESULTS: ["engine", "device", "precision", "batch", "measured_at"],
    LAUNCHES: ["started_at", "wall_ns"],
}


def make_old(location: str, version: int) -> None:
    """Take away what later schemas added, and require what they no longer do."""
    for table in (RESULTS, LAUNCHES):
        gone = (NEW_IN_3.get(table, []) if version < 3 else []) + (NEW_IN_2[table] if version == 1 else [])
        uri, options = table_uri(location, table), storage_options(location)
        content = DeltaTable(uri, storage_options=options).to_pyarrow_table().drop_columns(gone)
        required = REQUIRED_UNTIL_3[table] if version < 3 else []
        fields = [field.with_nullable(field.nullable and field.name not in required)
                  for field in arrow_schema(table) if field.name not in gone]  # fmt: skip
        old = content.cast(pa.schema(fields))
        write_deltalake(uri, old, mode="overwrite", schema_mode="overwrite", storage_options=options)
    marker = json.loads(read_object(location, MARKER) or b"")
    write_object(location, MARKER, json.dumps(marker | {"schema_version": version}).encode())


def version_of(location: str) -> int:
    return int(json.loads(read_object(location, MARKER) or b"")["schema_version"])


@pytest.fixture
def bundle(make_bundle: Callable[..., RunBundle]) -> RunBundle:
    return make_bundle()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest) -> str:
    """Where the store is: the upgrade is the same in a folder and on object storage."""
    where = request.getfixturevalue("tmp_path") / "old" if request.param == "folder" else None
    return str(where or request.getfixturevalue("s3_address"))


@pytest.fixture
def old_store(store: Store, bundle: RunBundle) -> str:
    store.append(bundle)
    make_old(store.location, 2)
    return store.location


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_row_is_there_afterwards_and_new_columns_are_empty(place: str, version: int, bundle: RunBundle) -> None:
    Store.open(place).append(bundle)
    make_old(place, version)
    opened = open_table(place, RESULTS)
    assert (version == 3) == ({"marks", "fingerprint"} <= {field.name for field in opened.schema().fields})
    assert version_of(place) == version

    store = Store.open(place)
    assert version_of(place) == SCHEMA_VERSION
    results = sorted(store.results(run_id=bundle.run.run_id), key=lambda one: one.result_id)
    assert results == sorted(bundle.results, key=lambda one: one.result_id)
    assert all((one.fidelity_reason, one.fingerprint, one.marks) == (None, None, {}) for one in results)
    launches = store.launches(run_id=bundle.run.run_id, with_samples=True)
    assert launches == list(bundle.launches)
    for table in (RESULTS, LAUNCHES):
        found = {field.name: field.nullable for field in open_table(place, table).schema().fields}
        assert found == {field.name: field.nullable for field in arrow_schema(table)}
    assert store.check().problems == ()


def test_an_upgraded_store_takes_new_runs(old_store: str, make_bundle: Callable[..., RunBundle]) -> None:
    store = Store.open(old_store)
    store.append(make_bundle())
    assert len(store.runs()) == 2


def test_it_is_done_once(old_store: str) -> None:
    assert upgrade_if_older(old_store)
    assert not upgrade_if_older(old_store)


def test_a_table_is_copied_in_batches(
    store: Store, make_bundle: Callable[..., RunBundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        store.append(make_bundle(cases=4))
    make_old(store.location, 1)
    sizes = []
    really_fit = upgrade._fitted

    def fit(batch: Any, schema: Any) -> Any:
        sizes.append(batch.num_rows)
        return really_fit(batch, schema)

    monkeypatch.setattr(upgrade, "_fitted", fit)
    monkeypatch.setattr(upgrade, "BATCH_ROWS", 5)
    Store.open(store.location)
    assert max(sizes) <= 5
    assert sum(sizes) == 12 + 24  # results and launches
    assert store.check().problems == ()


def test_rows_that_came_meanwhile_are_kept(old_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    really_read = upgrade._batches
    calls: list[str] = []

    def read(location: str, table: str, opened: Any) -> Any:
        found = really_read(location, table, opened)
        if not calls:  # an older assay appends, between the reading and the commit
            calls.append(table)
            uri = table_uri(location, table)
            old = DeltaTable(uri).to_pyarrow_table()
            write_deltalake(uri, old, mode="append")
        return found

    monkeypatch.setattr(upgrade, "_batches", read)
    upgrade_if_older(old_store)
    content = open_table(old_store, RESULTS).to_pyarrow_table()
    assert content.num_rows == 4
    assert content.column("marks").null_count == 0


def upgrade_and_tell(location: str, queue: Any) -> None:
    queue.put(upgrade_if_older(location))


def test_of_several_at_once_one_upgrades(old_store: str, bundle: RunBundle) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=upgrade_and_tell, args=(old_store, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    told = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(told) == [False, False, True]
    assert len(Store.open(old_store).results(run_id=bundle.run.run_id)) == len(bundle.results)


def test_one_that_cannot_be_written_says_so(old_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("assay.store.upgrade.write_marker", refuse)
    expected = rf"older assay \(schema 2, this is {SCHEMA_VERSION}\).*permission was denied"
    with pytest.raises(StoreError, match=expected):
        Store.open(old_store)


@pytest.mark.slow
def test_machines_that_upgrade_at_once_lose_nothing(
    s3_store: Store, bundle: RunBundle, start_script: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Each with a state folder of its own, as locks of one machine say nothing to another."""
    s3_store.append(bundle)
    make_old(s3_store.location, 2)
    writers = []
    for number in range(2):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"machine-{number}"))
        writers.append(start_script("append", s3_store.location, tmp_path / f"acks{number}", 2, number))
    for writer in writers:
        _, errors = writer.communicate(timeout=200)
        assert writer.returncode == 0, errors
    store = Store.open(s3_store.location)
    assert len(store.runs()) == 5
    assert store.results(run_id=bundle.run.run_id) == list(bundle.results)
    assert store.check().problems == ()
