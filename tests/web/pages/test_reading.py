"""An unchanged store is read once for a page; what is stored meanwhile is on the next one."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.store import Store
from assay.store.annotations import annotate
from assay.web.app import create_app
from assay.web.reading import Readings, StateReader
from assay.web.settings import ServeSettings
from assay.web.sparkline import draw_sparkline
from assay.web.static_files import static_files

SMALL_STORE = Path(__file__).parents[1] / "browser" / "small_store.py"


@pytest.fixture
def bare(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "bare")


@pytest.fixture
def own(tmp_path: Path) -> tuple[Store, Any]:
    found = importlib.util.spec_from_file_location("reading_small_store", SMALL_STORE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    facts = module.fill_store(tmp_path / "store")
    return Store.open(tmp_path / "store"), facts


def test_a_stored_change_is_on_the_next_page_and_an_unchanged_page_is_not_sent_again(own: tuple[Store, Any]) -> None:
    store, facts = own
    client = TestClient(
        create_app(ServeSettings(store=store.location, requests_per_minute=10**6)), base_url="http://localhost:8337"
    )
    path = f"/series/{facts.series_id}"
    first = client.get(path)
    tag = first.headers["etag"]
    again = client.get(path, headers={"if-none-match": tag})
    assert again.status_code == 304
    assert not again.content
    assert client.get(path).text == first.text
    annotate(store.location, kind="note", subject_kind="series", subject_id=facts.series_id, text="A new fan.")
    changed = client.get(path, headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert "A new fan." in changed.text
    assert "A new fan." not in first.text


def test_the_state_follows_every_commit_even_within_one_tick_of_the_clock(own: tuple[Store, Any]) -> None:
    store, facts = own
    reader = StateReader(store)
    log = Path(store.location) / "annotations" / "_delta_log"
    seen = {reader.read()}
    for number in range(3):
        annotate(store.location, kind="note", subject_kind="run", subject_id=facts.run_id, text=f"{number}")
        os.utime(log, ns=(10**18, 10**18))  # a file system whose clock stands still
        reader = reader if number else StateReader(store, clock_ns=lambda: 10**18)
        seen.add(reader.read())
    assert len(seen) == 4


def test_several_who_ask_at_once_have_it_made_once(bare: Store) -> None:
    readings = Readings(bare)
    made: list[int] = []
    gate = threading.Barrier(6)

    def ask() -> None:
        gate.wait()
        readings.get("page", lambda: made.append(1), (("runs", 1),))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    readings.get("page", lambda: made.append(2), (("runs", 2),))
    assert made == [1, 2]


def test_only_so_many_answers_are_kept(bare: Store) -> None:
    readings = Readings(bare, kept=2)
    made: list[str] = []
    for name in ("a", "b", "c", "a"):
        readings.get(name, lambda name=name: made.append(name), ())  # type: ignore[misc]
    assert made == ["a", "b", "c", "a"]


def test_a_failure_is_not_kept(bare: Store) -> None:
    readings = Readings(bare)
    with pytest.raises(ZeroDivisionError):
        readings.get("page", lambda: 1 // 0, ())
    assert readings.get("page", lambda: 7, ()) == 7


def test_static_files_never_change_under_their_address(bare: Store) -> None:
    client = TestClient(create_app(ServeSettings(store=bare.location)), base_url="http://localhost:8337")
    for name, file in static_files().items():
        answer = client.get(f"/static/{name}?v={file.digest}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.content == file.content
        assert client.get(f"/static/{name}", headers={"if-none-match": f'"{file.digest}"'}).status_code == 304
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/",
    ):
        assert client.get(path).status_code == 404


def test_a_sparkline_is_flat_where_values_are() -> None:
    assert draw_sparkline([1.0]) == ""
    assert draw_sparkline([None, 3.0, 0.0]) == ""
    flat, steep = draw_sparkline([100.0, 100.1]), draw_sparkline([100.0, 200.0])
    heights = [
        [float(pair.split(",")[1]) for pair in svg.split('points="')[1].split('"')[0].split()] for svg in (flat, steep)
    ]
    assert abs(heights[0][0] - heights[0][1]) < 2
    assert abs(heights[1][0] - heights[1][1]) > 20
    assert "style=" not in steep
    assert draw_sparkline([1.0, 2.0, 3.0], unused=[False, True, False]).count("spark-unused") == 1
