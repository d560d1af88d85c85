"""A store that an older assay wrote: upgraded once, with every row, by whoever comes first."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from assay.core.errors import StoreError
from assay.core.records import SCHEMA_VERSION, RunBundle
from assay.store import Store
from assay.store.location import MARKER
from assay.store.schema import LAUNCHES, RESULTS
from assay.store.upgrade import upgrade_if_older

NEW_IN_2 = {RESULTS: ["fidelity_reason"], LAUNCHES: ["fidelity", "fidelity_reason", "placement", "metrics"]}


def make_old(location: str) -> None:
    """Take away what schema 2 added, as a store of schema 1 lacks it."""
    for table, columns in NEW_IN_2.items():
        path = str(Path(location) / table)
        content = DeltaTable(path).to_pyarrow_table().drop_columns(columns)
        write_deltalake(path, content, mode="overwrite", schema_mode="overwrite")
    marker = Path(location) / MARKER
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"schema_version": 1}))


@pytest.fixture
def bundle(make_bundle: Callable[..., RunBundle]) -> RunBundle:
    return make_bundle()


@pytest.fixture
def old_store(tmp_path: Path, bundle: RunBundle) -> str:
    store = Store.open(tmp_path / "old")
    store.append(bundle)
    make_old(store.location)
    return store.location


def test_every_row_is_there_afterwards_and_new_columns_are_empty(old_store: str, bundle: RunBundle) -> None:
    store = Store.open(old_store)
    assert json.loads((Path(old_store) / MARKER).read_text())["schema_version"] == SCHEMA_VERSION
    results = store.results(run_id=bundle.run.run_id)
    assert {one.result_id for one in results} == {one.result_id for one in bundle.results}
    assert all(one.fidelity_reason is None for one in results)
    launches = store.launches(run_id=bundle.run.run_id, with_samples=True)
    assert [one.samples for one in launches] == [one.samples for one in bundle.launches]
    assert all(one.fidelity == {} and one.placement == {} for one in launches)
    assert store.check().problems == ()


def test_an_upgraded_store_takes_new_runs(old_store: str, make_bundle: Callable[..., RunBundle]) -> None:
    store = Store.open(old_store)
    store.append(make_bundle())
    assert len(store.runs()) == 2


def test_it_is_done_once(old_store: str) -> None:
    assert upgrade_if_older(old_store)
    assert not upgrade_if_older(old_store)


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
    with pytest.raises(StoreError, match=r"older assay \(schema 1, this is 2\).*permission was denied"):
        Store.open(old_store)
