"""An unchanged store is read once for a page; what is stored meanwhile is on the next one."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.core.ids import new_id
from assay.core.records import RunBundle
from assay.store import Store
from assay.store.annotations import annotate
from assay.web.app import create_app
from assay.web.inventory import read_counts
from assay.web.page import Ask
from assay.web.query import Query
from assay.web.reading import Made, Readings, StateReader
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


def publish_copy(store: Store, run_id: str, hardware: str | None = None) -> RunBundle:
    """Store a copy of a run under new ids, as somebody who measures meanwhile does; on other hardware where named."""
    pattern, now = store.find_run(run_id), datetime.now(UTC)
    results, new = list(store.results(run_id=run_id)), new_id()
    bundle = RunBundle(
        replace(pattern, run_id=new, started_at=now, finished_at=now, suite="copied"),
        store.environment(pattern.env_id),
        tuple(
            replace(one, run_id=new, result_id=new_id(), measured_at=now, hardware=hardware or one.hardware)
            for one in results
        ),
        (),
    )
    store.append(bundle)
    return bundle


def test_an_answer_of_before_is_given_while_a_new_one_takes_its_time(
    bare: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings, gate = Readings(bare), threading.Event()
    old, new = (("runs", 1),), (("runs", 2),)
    monkeypatch.setattr("assay.web.reading.WAIT_S", 0.01)

    def slow() -> str:
        gate.wait(60)
        return "new"

    assert readings.get_within("page", lambda: "old", old, old, oldest_s=100) == Made("old", old)
    found = readings.get_within("page", slow, new, new, oldest_s=100)
    assert (found.value, found.state) == ("old", old)
    assert 0 < found.age_s < 100
    gate.set()
    assert readings.get("page", lambda: "never made", new) == "new"
    assert readings.get_within("page", lambda: "never made", new, new, oldest_s=100) == Made("new", new)


def test_what_is_too_old_is_made_before_it_is_answered(bare: Store) -> None:
    readings = Readings(bare)
    readings.get("page", lambda: "old", (("runs", 1),))
    made = readings.get_within("page", lambda: "new", (("runs", 2),), (("runs", 2),), oldest_s=0)
    assert made == Made("new", (("runs", 2),))


def test_an_old_page_says_so_in_its_header_and_in_words(
    own: tuple[Store, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, facts = own
    monkeypatch.setattr("assay.web.reading.WAIT_S", 0.0)
    settings = ServeSettings(store=store.location, requests_per_minute=10**6, oldest_answer_s=1000)
    client = TestClient(create_app(settings), base_url="http://localhost:8337")
    first = client.get("/runs")
    publish_copy(store, facts.run_id)
    meanwhile = client.get("/runs")
    assert "x-assay-as-of" not in first.headers
    assert meanwhile.headers["etag"] == first.headers["etag"]
    assert int(meanwhile.headers["age"]) >= 1
    assert "As of" in meanwhile.text
    assert "As of" not in first.text
    fresh = TestClient(create_app(replace(settings, oldest_answer_s=0)), base_url="http://localhost:8337").get("/runs")
    assert "copied" in fresh.text
    assert "copied" not in meanwhile.text


def test_what_a_new_run_changes_is_made_anew_and_other_pages_are_not(own: tuple[Store, Any]) -> None:
    store, facts = own
    client = TestClient(
        create_app(ServeSettings(store=store.location, requests_per_minute=10**6)), base_url="http://localhost:8337"
    )
    series = {one.series_id for one in store.results(run_id=facts.run_id)}
    others = sorted({one.series_id for one in store.results()} - series)
    paths = [f"/series/{one}" for one in [*sorted(series)[:1], *others[:1]]]
    before = {path: client.get(path).headers["etag"] for path in paths}
    publish_copy(store, facts.run_id)
    after = {path: client.get(path).headers["etag"] for path in paths}
    assert before[paths[0]] != after[paths[0]]
    assert [path for path in paths[1:] if before[path] != after[path]] == []


def test_counts_that_grow_by_a_run_are_those_of_a_store_read_afresh(own: tuple[Store, Any]) -> None:
    store, facts = own
    settings = ServeSettings(store=store.location)
    readings = Readings(store)

    def ask_now(kept: Readings) -> Ask:
        return Ask(store, settings, Query.of(""), "/", {}, readings=kept, state=kept.states.read())

    first = read_counts(ask_now(readings))
    bundle = publish_copy(store, facts.run_id)
    grown, fresh = read_counts(ask_now(readings)), read_counts(ask_now(Readings(store)))
    assert grown == fresh
    assert grown.runs[bundle.run.run_id] == len(bundle.results)
    assert sum(grown.runs.values()) == sum(first.runs.values()) + len(bundle.results)
    assert read_counts(ask_now(readings)) is grown


def test_a_long_order_of_devices_begins_with_the_best_and_its_data_has_all(
    own: tuple[Store, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, facts = own
    monkeypatch.setattr("assay.web.pages.decide._BEST", 2)
    for name in ("One", "Two", "Three"):
        publish_copy(store, facts.run_id, hardware=f"Test Accelerator {name}")
    client = TestClient(create_app(ServeSettings(store=store.location)), base_url="http://localhost:8337")
    path = f"/decide?workload={facts.workload}"
    short = client.get(path).text
    every = client.get(f"/decide.csv?workload={facts.workload}&table=ranking").text.strip().splitlines()[1:]
    assert len(every) >= 3
    assert f"Show all {len(every)} devices" in short
    whole = client.get(f"{path}&all=1").text
    names = [f"Test Accelerator {name}</a>" for name in ("One", "Two", "Three")]
    assert all(name in whole for name in names)
    assert not all(name in short for name in names)
    assert "Show all" not in whole


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
