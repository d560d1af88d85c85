"""Opening, versions, places that cannot be written, and finding what was stored."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assay.core.errors import NotFoundError, StoreError, StoreVersionError, UsageError
from assay.core.records import SCHEMA_VERSION, RunBundle
from assay.store import Store
from assay.store.schema import TABLES

MakeBundle = Callable[..., RunBundle]
T0 = datetime(2026, 11, 1, tzinfo=UTC)


def test_opening_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from assay.store import Store; Store.open(sys.argv[1]); "
        "print([m for m in ('deltalake', 'duckdb', 'pyarrow', 'numpy', 'psutil') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "store")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_listing_runs_does_not_need_arrow(tmp_path: Path, make_bundle: MakeBundle) -> None:
    Store.open(tmp_path / "store").append(make_bundle())
    script = (
        "import sys; from assay.store import Store; assert Store.open(sys.argv[1]).runs(); "
        "print('pyarrow' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "store")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_an_empty_store_answers_every_question(store: Store) -> None:
    assert store.runs() == []
    assert store.results() == []
    assert store.launches(run_id="x") == []
    assert store.query("SELECT count(*) AS n FROM metrics").to_pylist() == [{"n": 0}]
    assert store.query_readonly("SELECT latency_ns, shape FROM results").num_rows == 0
    assert store.check().clean
    assert [table.version for table in store.info().tables] == [None] * len(TABLES)
    with pytest.raises(NotFoundError, match="no runs yet"):
        store.find_run("last")
    with pytest.raises(NotFoundError, match="no environment 'e'"):
        store.environment("e")


def test_the_place_is_argument_then_variable_then_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "named"))
    assert Store.open().location == str(tmp_path / "named")
    assert Store.open(tmp_path / "given").location == str(tmp_path / "given")
    monkeypatch.delenv("ASSAY_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(StoreError, match=r"There is no store in .*assay.*store"):
        Store.open(create=False)


@pytest.mark.parametrize("name", ["with space", "größe µ", "50% done", "it's", "a#b&c"])
def test_odd_folder_names_work(tmp_path: Path, make_bundle: MakeBundle, name: str) -> None:
    store = Store.open(tmp_path / name)
    bundle = make_bundle(cases=1)
    store.append(bundle)
    assert store.runs() == [bundle.run]
    assert store.query_readonly("SELECT count(*) AS n FROM samples").to_pylist() == [{"n": 2}]
    assert store.check().clean


@pytest.mark.parametrize("name", ["what?", "all*", "[x]"])
def test_names_that_queries_would_expand_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="queries would expand"):
        Store.open(tmp_path / name)


def test_a_newer_store_is_refused(store: Store) -> None:
    marker = Path(store.location) / "assay-store.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "schema_version": SCHEMA_VERSION + 1}))
    expected = (
        f"written by assay schema {SCHEMA_VERSION + 1}; this assay reads up to {SCHEMA_VERSION}.*[Uu]pgrade assay"
    )
    with pytest.raises(StoreVersionError, match=expected):
        Store.open(store.location)


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other", "schema_version": 1}', '{"format": "assay-store"}'])
def test_a_broken_version_file_is_refused(store: Store, content: str) -> None:
    (Path(store.location) / "assay-store.json").write_text(content)
    with pytest.raises(StoreError, match="not the version file of a store"):
        Store.open(store.location)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(StoreError, match=r"not empty and holds no store.*letters\.txt"):
        Store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_missing_store_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store in"):
        Store.open(tmp_path / "nowhere", create=False)
    assert not (tmp_path / "nowhere").exists()


def test_below_a_file_no_store_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"No store could be made in .*a part of the path is a file.*--store"):
        Store.open(tmp_path / "file" / "store")


def test_a_read_only_medium_can_be_read_and_says_why_it_cannot_be_written(
    small_disk: Callable[[int], Path], make_bundle: MakeBundle
) -> None:
    disk = small_disk(64)
    bundle = make_bundle()
    Store.open(disk / "store").append(bundle)
    subprocess.run(["/bin/mount", "-o", "remount,ro", str(disk)], check=True)
    store = Store.open(disk / "store")
    assert store.runs() == [bundle.run]
    assert len(store.launches(run_id=bundle.run.run_id, with_samples=True)) == 4
    assert store.query_readonly("SELECT count(*) AS n FROM results").to_pylist() == [{"n": 2}]
    assert store.check().clean
    assert store.orphans() == []
    for attempt in (
        store.check_writable,
        lambda: store.append(make_bundle()),
        lambda: store.journal("r"),
        store.repair,
        lambda: Store.open(disk / "other"),
    ):
        with pytest.raises(StoreError, match="read-only"):
            attempt()


def test_check_writable_passes_and_leaves_nothing_behind(store: Store) -> None:
    store.check_writable()
    assert not [path for path in Path(store.location).iterdir() if path.name.startswith(".")]


def test_a_nearly_full_disk_is_refused_before_a_run(small_disk: Callable[[int], Path]) -> None:
    store = Store.open(small_disk(8) / "store")
    with pytest.raises(StoreError, match="nearly full"):
        store.check_writable()


def test_appending_twice_keeps_one(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    store.append(bundle)
    store.append(bundle)
    store.publish(bundle, None)
    assert store.runs() == [bundle.run]
    assert len(store.results()) == 2
    assert {table.name: table.version for table in store.info().tables}["results"] == 1


def test_a_time_without_a_zone_is_refused(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    naive = replace(bundle.run, started_at=bundle.run.started_at.replace(tzinfo=None))
    with pytest.raises(StoreError, match="has no time zone"):
        store.append(replace(bundle, run=naive))
    assert store.runs() == []


def test_a_value_that_does_not_fit_names_its_column(store: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    huge = replace(bundle.results[0], parameters=2**70)
    with pytest.raises(StoreError, match=r"results\.parameters"):
        store.append(replace(bundle, results=(huge,)))
    assert store.runs() == []


def test_runs_are_listed_newest_first_and_filtered(store: Store, make_bundle: MakeBundle) -> None:
    made = [
        make_bundle(cases=1, launches=1, suite="nightly" if day % 2 else "quick", started_at=T0 + timedelta(days=day))
        for day in (1, 0, 2)
    ]
    for bundle in made:
        store.append(bundle)
    assert [run.started_at.day for run in store.runs()] == [3, 2, 1]
    assert store.runs(limit=1) == [made[2].run]
    assert store.runs(suite="nightly") == [made[0].run]
    assert [run.started_at.day for run in store.runs(since=T0 + timedelta(days=1))] == [3, 2]


def test_results_are_filtered(store: Store, make_bundle: MakeBundle) -> None:
    first, second = make_bundle(started_at=T0), make_bundle(started_at=T0 + timedelta(days=1))
    store.append(first)
    store.append(second)
    wanted = first.results[1]
    assert store.results(run_id=first.run.run_id) == list(first.results)
    assert store.results(case_id=wanted.case.case_id) == [wanted, second.results[1]]
    assert store.results(series_id=wanted.series_id, limit=1) == [second.results[1]]
    assert store.results(since=T0 + timedelta(days=1)) == list(second.results)
    assert len(store.results(env_id=first.environment.env_id)) == 4
    assert store.results(env_id="other") == []


def test_a_resumed_run_takes_over_from_its_parent(store: Store, make_bundle: MakeBundle) -> None:
    parent = make_bundle(cases=1, started_at=T0)
    store.append(parent)
    assert store.query("SELECT superseded FROM runs").to_pylist() == [{"superseded": False}]
    child = make_bundle(cases=1, started_at=T0 + timedelta(hours=1), parent_id=parent.run.run_id)
    taken = replace(parent.launches[0], run_id=child.run.run_id, result_id=child.results[0].result_id)
    store.append(replace(child, launches=(taken, *child.launches)))
    flags = store.query("SELECT run_id, superseded FROM runs ORDER BY started_at").to_pylist()
    assert [flag["superseded"] for flag in flags] == [True, False]
    assert store.results() == list(child.results)
    assert len(store.results(include_superseded=True)) == 2
    assert store.results(run_id=parent.run.run_id) == list(parent.results)
    assert store.launches(run_id=child.run.run_id, with_samples=True)[0] == taken
    assert store.check().clean


def test_runs_are_found_as_people_type_them(store: Store, make_bundle: MakeBundle) -> None:
    made = [make_bundle(cases=1, launches=1, started_at=T0 + timedelta(hours=hour)) for hour in range(3)]
    for bundle in made:
        store.append(bundle)
    run = made[0].run
    assert store.find_run(run.run_id) == run
    assert store.find_run(run.run_id[-8:].upper()) == run
    assert store.find_run(" last ") == made[2].run
    assert store.find_run("last~2") == run
    with pytest.raises(NotFoundError, match="the store holds 3"):
        store.find_run("last~3")
    with pytest.raises(UsageError, match=r"fits 3 runs.*Give more characters"):
        store.find_run(run.run_id[:6])
    mistyped = run.run_id[-8:-1] + ("0" if run.run_id[-1] != "0" else "1")
    with pytest.raises(NotFoundError, match=run.run_id):
        store.find_run(mistyped)
    with pytest.raises(NotFoundError, match="newest are"):
        store.find_run("zzzzzz")


def test_every_environment_is_kept_once(store: Store, make_bundle: MakeBundle) -> None:
    first = make_bundle(cases=1)
    later = replace(first.environment, first_seen_at=first.environment.first_seen_at + timedelta(days=1))
    store.append(first)
    store.append(replace(make_bundle(cases=1), environment=later))
    assert store.query("SELECT count(*) AS n FROM raw.environments").to_pylist() == [{"n": 1}]
    assert store.environment(later.env_id) == first.environment
