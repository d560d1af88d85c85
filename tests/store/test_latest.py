"""The view ``latest`` equals its definition, whatever was appended, left unfinished, rewritten or removed before."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.core.ids import new_id
from assay.core.records import RunBundle
from assay.store import Store, cluster, latest
from assay.store.append import Attempt, append_environment
from assay.store.housekeeping import tidy_table
from assay.store.latest import latest_arrow, latest_results, refresh_if_stale, refresh_latest
from assay.store.latest_cache import CACHE, read_latest_cache
from assay.store.query import LATEST_VIEW, reading
from assay.store.repair import repair
from assay.store.rows import result_row
from assay.store.schema import RESULTS
from assay.store.tables import open_table

MakeBundle = Callable[..., RunBundle]
START = datetime(2026, 11, 5, tzinfo=UTC)
DEFINITION = """
SELECT * FROM results
QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY measured_at DESC NULLS LAST, result_id DESC) = 1
ORDER BY series_id
"""
STEPS = ("append", "begin", "finish", "cluster", "compact", "refresh", "forget", "lose", "repeat")


def assert_exact(store: Store) -> None:
    with reading(store.location, [RESULTS, LATEST_VIEW]) as connection:
        expected = connection.sql(DEFINITION).to_arrow_table().to_pylist()
        assert connection.sql("SELECT * FROM latest ORDER BY series_id").to_arrow_table().to_pylist() == expected


class Scene:
    """A store and a source of steps to take in it."""

    def __init__(self, store: Store, make_bundle: MakeBundle, seed: int) -> None:
        self.store = store
        self.location = store.location
        self.draw = random.Random(seed)
        self.template = make_bundle(cases=1, launches=1)
        self.open: list[tuple[Attempt, str]] = []
        append_environment(self.location, self.template.environment, self.template.run.schema_version)

    def take(self, step: str) -> None:
        getattr(self, step)()

    def begin(self, run_id: str | None = None) -> None:
        """Add rows of a run that is not visible yet: few series, times that repeat and may be missing."""
        attempt = Attempt(self.location).__enter__()
        row = result_row(self.template.results[0])
        rows = [
            row
            | {
                "result_id": new_id(),
                "run_id": run_id or new_id(),
                "series_id": f"series-{self.draw.randrange(4)}",
                "measured_at": self.draw.choice([None, *(START + timedelta(days=day) for day in range(3))]),
            }
            for _ in range(self.draw.randint(1, 4))
        ]
        rows = [each | {"run_id": rows[0]["run_id"]} for each in rows]
        attempt.add("results", rows)
        self.open.append((attempt, rows[0]["run_id"]))

    def finish(self) -> None:
        if self.open:
            self._commit(self.draw.randrange(len(self.open)))

    def _commit(self, number: int) -> None:
        attempt, run_id = self.open.pop(number)
        attempt.commit(replace(self.template.run, run_id=run_id))
        attempt.__exit__(None, None, None)

    def append(self) -> None:
        self.begin()
        self._commit(-1)

    def repeat(self) -> None:
        """Write a run twice, the second attempt first: when the other is done, its rows count instead."""
        run_id = new_id()
        self.begin(run_id)
        self.begin(run_id)
        for _ in range(2):
            self._commit(-1)
            assert_exact(self.store)

    def cluster(self) -> None:
        tidy_table(self.location, "results", after_files=2)

    def compact(self) -> None:
        opened = open_table(self.location, "results")
        if opened is not None:
            opened.optimize.compact()

    def refresh(self) -> None:
        refresh_latest(self.location)

    def lose(self) -> None:
        """Take out a run with its rows, as retention does."""
        rows = self.store.query("SELECT run_id FROM runs ORDER BY run_id LIMIT 1").to_pylist()
        for row in rows:
            for table in ("runs", "results"):
                open_table(self.location, table).delete(f"run_id = '{row['run_id']}'")

    def forget(self) -> None:
        shutil.rmtree(Path(self.location) / CACHE, ignore_errors=True)

    def close(self) -> None:
        for attempt, _ in self.open:
            attempt.__exit__(None, None, None)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=10), seed=st.integers(0, 2**32))
def test_the_view_equals_its_definition_after_any_history(
    tmp_path_factory: pytest.TempPathFactory, make_bundle: MakeBundle, steps: list[str], seed: int
) -> None:
    scene = Scene(Store.open(tmp_path_factory.mktemp("latest") / "store"), make_bundle, seed)
    try:
        for step in ["append", *steps, "finish", "refresh", "finish", "append"]:
            scene.take(step)
            assert_exact(scene.store)
    finally:
        scene.close()


def test_rows_that_were_unfinished_when_the_cache_was_written_are_found_once_they_are_not(
    store: Store, make_bundle: MakeBundle
) -> None:
    scene = Scene(store, make_bundle, 1)
    scene.append()
    scene.begin()
    assert refresh_latest(store.location)
    cache = read_latest_cache(store.location)
    assert cache is not None
    assert cache.pending == (scene.open[0][0].write_id,)
    assert cache.added == ()
    scene.finish()
    assert_exact(store)


def test_what_a_repair_removes_is_gone_from_the_cache_too(store: Store, make_bundle: MakeBundle) -> None:
    scene = Scene(store, make_bundle, 9)
    scene.append()
    scene.begin()
    scene.repeat()
    scene.open.pop()[0].__exit__(None, None, None)  # as if its process had died
    assert refresh_latest(store.location)
    assert_exact(store)
    repair(store.location)
    assert_exact(store)


def test_records_and_arrow_are_the_same_rows(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle(cases=3)
    store.append(bundle)
    assert latest_results(store.location) == sorted(bundle.results, key=lambda result: result.series_id)
    assert latest_arrow(store.location).column("result_id").to_pylist() == [
        result.result_id for result in latest_results(store.location)
    ]


def test_a_cache_serves_until_rows_are_removed(store: Store, make_bundle: MakeBundle) -> None:
    scene = Scene(store, make_bundle, 2)
    assert not refresh_latest(store.location)
    for _ in range(3):
        scene.append()
    assert refresh_latest(store.location)
    scene.cluster()
    cache = read_latest_cache(store.location)
    assert cache is not None
    assert cache.added == (), "a rewriting brings no rows"
    scene.append()
    cache = read_latest_cache(store.location)
    assert cache is not None
    assert len(cache.added) == 1
    scene.lose()
    assert read_latest_cache(store.location) is None
    assert_exact(store)
    assert refresh_latest(store.location)
    assert read_latest_cache(store.location) is not None


def test_the_cache_is_used_and_not_needed(store: Store, make_bundle: MakeBundle) -> None:
    scene = Scene(store, make_bundle, 3)
    scene.append()
    assert refresh_latest(store.location)
    expected = latest_arrow(store.location).to_pylist()
    cache = read_latest_cache(store.location)
    assert cache is not None
    pq.write_table(pq.read_table(cache.file).slice(0, 0), cache.file)
    assert latest_arrow(store.location).num_rows == 0, "the table was read although the cache holds"
    (Path(store.location) / CACHE / "latest.json").write_text("{")
    assert latest_arrow(store.location).to_pylist() == expected
    assert store.query_readonly("SELECT count(*) AS n FROM latest").to_pylist() == [{"n": len(expected)}]


def test_people_may_ask_for_the_latest_through_the_sandbox(store: Store, make_bundle: MakeBundle) -> None:
    scene = Scene(store, make_bundle, 4)
    for _ in range(3):
        scene.append()
    assert refresh_latest(store.location)
    scene.append()
    sql = "SELECT result_id FROM latest ORDER BY series_id"
    expected = [row["result_id"] for row in store.query(DEFINITION).to_pylist()]
    assert [row["result_id"] for row in store.query_readonly(sql).to_pylist()] == expected


def test_another_table_in_its_place_is_noticed(store: Store, make_bundle: MakeBundle, tmp_path: Path) -> None:
    scene = Scene(store, make_bundle, 5)
    scene.append()
    assert refresh_latest(store.location)
    other = Scene(Store.open(tmp_path / "other"), make_bundle, 6)
    other.append()
    shutil.copytree(Path(store.location) / CACHE, Path(other.location) / CACHE)
    assert read_latest_cache(other.location) is None
    assert_exact(other.store)


def test_it_is_renewed_where_that_pays(store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(store, make_bundle, 7)
    scene.append()
    assert not refresh_if_stale(store.location)
    scene.append()
    monkeypatch.setattr(latest, "REFRESH_AFTER_FILES", 2)
    assert refresh_if_stale(store.location)
    assert not refresh_if_stale(store.location)
    scene.append()
    scene.append()  # which renews it by itself
    assert not refresh_if_stale(store.location)


@pytest.mark.skipif(os.name != "posix", reason="modes of folders are POSIX")
def test_where_it_cannot_be_written_nothing_fails(
    store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(store, make_bundle, 8)
    for _ in range(2):
        scene.append()
    (Path(store.location) / CACHE).write_text("a file where the folder should be")
    assert not refresh_latest(store.location)
    monkeypatch.setattr(cluster, "UNSORTED_ROWS", 1)
    assert not tidy_table(store.location, "results", after_files=1)
    assert_exact(store)
