"""A server over a store that grows keeps what it needs of the newest state: each connection holds a database's threads.

DuckDB's objects are looked at through weak references: one that is alive has its threads, buffers and open files.
"""

from __future__ import annotations

import gc
import importlib.util
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'assay[serve]'")

from assay.store import Store, query
from assay.store.schema import ENVIRONMENTS, RESULTS

if TYPE_CHECKING:
    from starlette.testclient import TestClient

HERE = Path(__file__).parent
STARTED = datetime(2026, 11, 20, tzinfo=UTC)
ASKED = (
    "health", "runs?limit=2", "results?limit=2", "series?limit=2", "imports", "runs/last", "runs/last/launches",
    "runs/last/samples",
)  # fmt: skip
"""Operations that read different tables, from the fewest on."""
MOST_OF_ONE = 3
"""Sets of tables that one operation reads."""


@pytest.fixture(scope="module")
def made() -> Any:
    spec = importlib.util.spec_from_file_location("web_tests_connections_store", HERE / "api_store.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def store(made: Any, make_once: Callable[[str, Callable[[Path], None]], Path], tmp_path: Path) -> Store:
    filled = make_once("api-store", made.fill) / "store"
    return Store.open(shutil.copytree(filled, tmp_path / "store"))


@pytest.fixture
def client(made: Any, store: Store) -> Iterator[TestClient]:
    with made.serve(store) as found:
        yield found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """Every database that is opened from now on."""
    found: list[weakref.ref[Any]] = []
    connect = query._connect

    def watched(*arguments: Any, **named: Any) -> Any:
        connection = connect(*arguments, **named)
        found.append(weakref.ref(connection))
        return connection

    monkeypatch.setattr(query, "_connect", watched)
    return found


@pytest.fixture
def alive(opened: list[weakref.ref[Any]]) -> Callable[[], int]:
    """Count the databases that were opened since, and are still there."""

    def count() -> int:
        gc.collect()
        return sum(one() is not None for one in opened)

    return count


def test_nothing_is_kept_of_states_that_are_past(
    client: TestClient, store: Store, made: Any, alive: Callable[[], int]
) -> None:
    bundles = made.load("store/bundles.py")
    kept = []
    for turn, address in enumerate(ASKED):
        store.append(bundles.make_bundle(started_at=STARTED + timedelta(hours=turn)))
        # Of each state something else is asked for, as by clients that know nothing of each other.
        assert client.get(f"/api/v1/{address}").status_code == 200
        kept.append(alive())
    assert max(kept) <= MOST_OF_ONE, kept


def test_who_asks_for_the_same_at_once_shares_one_connection(store: Store, opened: list[weakref.ref[Any]]) -> None:
    count = 8
    together = threading.Barrier(count)

    def ask(_number: int) -> int:
        together.wait()
        return len(query.fetch_rows(store.location, "SELECT result_id FROM results", tables=[RESULTS]))

    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(ask, range(count)))
    assert len(set(found)) == 1
    assert len(opened) == 1


def test_one_that_shows_more_takes_the_place_of_those_that_show_less(store: Store, alive: Callable[[], int]) -> None:
    for tables in ((), (RESULTS,), (ENVIRONMENTS,), query.ALL_TABLES):
        query.fetch_rows(store.location, "SELECT count(*) FROM runs", tables=tables)
    assert alive() == 1


def test_a_pinned_state_and_the_newest_do_not_push_each_other_out(
    store: Store, made: Any, alive: Callable[[], int]
) -> None:
    """Comparing with a state of before asks for both in turn: making either anew each time would take seconds."""
    from assay.web.reading import StateReader

    before = {table: int(version) for table, version in StateReader(store).read()}
    bundle = made.load("store/bundles.py").make_bundle(started_at=STARTED)
    store.append(bundle)
    counts = []
    for _ in range(3):
        for versions in (None, before):
            (row,) = query.fetch_rows(store.location, "SELECT count(*) AS n FROM runs", tables=(), versions=versions)
            counts.append(row["n"])
    assert counts == [counts[1] + 1, counts[1]] * 3
    assert alive() == 2
