"""Results are kept by series, and no row is lost, changed or doubled by it, whoever is killed or writes meanwhile."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from assay.core.records import RunBundle
from assay.store import Store, cluster, tables
from assay.store.cluster import SORTED_PREFIX, TableFile, choose_batches
from assay.store.housekeeping import tidy_after_append, tidy_table
from assay.store.locks import take_abandoned
from assay.store.log import read_changes
from assay.store.tables import live_files, open_table
from assay.store.writing import Part, describe_part, live_sizes, replace_files

MakeBundle = Callable[..., RunBundle]
SEED = 20261122
ROUNDS = 8
ENOUGH = 3
WAIT_S = 20.0


def file(name: str, rows: int, *, size_bytes: int = 1000) -> TableFile:
    return TableFile(name, size_bytes, rows, 0)


def fill(store: Store, make_bundle: MakeBundle, runs: int) -> list[RunBundle]:
    made = [make_bundle(cases=3, launches=1) for _ in range(runs)]
    for bundle in made:
        store.append(bundle)
    return made


def everything(store: Store) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.query("SELECT * FROM raw.results ORDER BY result_id").to_pylist()
    return rows


def test_rows_stay_as_they_are_and_lie_by_series(store: Store, make_bundle: MakeBundle) -> None:
    made = fill(store, make_bundle, 4)
    before = everything(store)
    assert tidy_table(store.location, "results", after_files=4)
    assert everything(store) == before
    (only,) = live_files(store.location, "results")
    assert Path(only).name.startswith(SORTED_PREFIX)
    stored = pq.read_table(only, columns=["series_id", "measured_at"]).to_pylist()
    assert stored == sorted(stored, key=lambda row: (row["series_id"], row["measured_at"]))
    for bundle in made:
        assert store.results(run_id=bundle.run.run_id) == list(bundle.results)
    assert store.check().clean
    assert not tidy_table(store.location, "results", after_files=4), "there is nothing left to do"


def test_the_log_says_that_no_row_changed(store: Store, make_bundle: MakeBundle) -> None:
    fill(store, make_bundle, 3)
    folder = Path(store.location) / "results"
    version = open_table(store.location, "results").version()
    assert tidy_table(store.location, "results", after_files=2)
    changes = read_changes(folder, version)
    assert changes is not None
    assert (changes.files, changes.rows, changes.rows_removed) == ((), 0, False)
    lines = (folder / "_delta_log" / f"{version + 1:020}.json").read_text(encoding="utf-8").splitlines()
    actions = [json.loads(line) for line in lines]
    assert [action["add"]["dataChange"] for action in actions if "add" in action] == [False]
    assert [action["remove"]["dataChange"] for action in actions if "remove" in action] == [False] * 3
    added = json.loads(next(action["add"]["stats"] for action in actions if "add" in action))
    assert added["numRecords"] == 9


def test_small_files_are_merged_by_tiers_and_settled_ones_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "SETTLED_ROWS", 1000)
    monkeypatch.setattr(cluster, "UNSORTED_ROWS", 500)
    settled = file(f"{SORTED_PREFIX}a.parquet", 900)
    merged = file(f"{SORTED_PREFIX}b.parquet", 300)
    small = [file(f"part-{number}.parquet", 5) for number in range(10)]
    assert choose_batches([settled, merged, *small[:9]], after_files=11) == []
    assert choose_batches([settled, merged, *small], after_files=11) == [small]
    more = [file(f"part-{number}.parquet", 10) for number in range(10)]
    assert choose_batches([settled, merged, *more], after_files=11) == [[merged, *more]]
    bulk = [file("part-x.parquet", 600), file("part-y.parquet", 600), file("part-z.parquet", 100)]
    assert choose_batches([settled, *bulk], after_files=100) == [bulk[:1], bulk[1:]]
    assert choose_batches([settled, file("part-lone.parquet", 100)], after_files=1) == []
    assert choose_batches([settled, file("part-large.parquet", 500)], after_files=100) == [
        [file("part-large.parquet", 500)]
    ]
    assert choose_batches([settled, file(f"{SORTED_PREFIX}c.parquet", 480)], after_files=1) == []


def test_of_two_that_rewrite_the_same_files_one_gives_up(store: Store, make_bundle: MakeBundle) -> None:
    fill(store, make_bundle, 2)
    before = everything(store)
    folder = Path(store.location) / "results"
    first, second = (open_table(store.location, "results") for _ in range(2))
    replaced = live_sizes(first)
    parts = [copy_of(folder, list(replaced), name) for name in ("series-one.parquet", "series-two.parquet")]
    assert replace_files(first, folder, "results", parts[0], replaced)
    assert not replace_files(second, folder, "results", parts[1], replaced)
    assert not (folder / "series-two.parquet").exists()
    assert everything(store) == before
    assert replace_files(first, folder, "results", parts[0], replaced), "it is done already"


def test_rows_that_were_deleted_meanwhile_do_not_come_back(store: Store, make_bundle: MakeBundle) -> None:
    made = fill(store, make_bundle, 2)
    folder = Path(store.location) / "results"
    opened = open_table(store.location, "results")
    replaced = live_sizes(opened)
    part = copy_of(folder, list(replaced), "series-one.parquet")
    open_table(store.location, "results").delete(f"run_id = '{made[0].run.run_id}'")
    assert not replace_files(opened, folder, "results", part, replaced)
    assert {row["run_id"] for row in everything(store)} == {made[1].run.run_id}


def test_appends_in_between_only_delay_it(store: Store, make_bundle: MakeBundle) -> None:
    fill(store, make_bundle, 2)
    folder = Path(store.location) / "results"
    opened = open_table(store.location, "results")
    replaced = live_sizes(opened)
    part = copy_of(folder, list(replaced), "series-one.parquet")
    fill(store, make_bundle, 3)
    before = everything(store)
    assert replace_files(opened, folder, "results", part, replaced)
    assert everything(store) == before
    assert len(live_files(store.location, "results")) == 4


def copy_of(folder: Path, names: list[str], target: str) -> Part:
    pq.write_table(pq.ParquetDataset([folder / name for name in names]).read(), folder / target)
    return describe_part(folder / target)


def test_a_damaged_file_or_another_process_at_it_changes_nothing(store: Store, make_bundle: MakeBundle) -> None:
    fill(store, make_bundle, 2)
    mark = Path(store.location) / "cache" / "clustering.lock"
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    lock = take_abandoned(mark)
    assert lock is not None
    assert not tidy_table(store.location, "results", after_files=2)
    lock.close()
    files = live_files(store.location, "results")
    content = Path(files[0]).read_bytes()
    Path(files[0]).write_bytes(content[: len(content) // 2])
    assert not tidy_table(store.location, "results", after_files=2)
    assert live_files(store.location, "results") == files
    assert not list((Path(store.location) / "results").glob(f"{SORTED_PREFIX}*"))
    Path(files[0]).write_bytes(content)
    assert tidy_table(store.location, "results", after_files=2)


def test_a_trend_reads_few_row_groups(store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ROW_GROUP_ROWS", 8)
    fill(store, make_bundle, 16)
    assert tidy_table(store.location, "results", after_files=16)
    (only,) = live_files(store.location, "results")
    metadata = pq.ParquetFile(only).metadata
    place = metadata.schema.names.index("series_id")
    groups: list[Any] = [
        metadata.row_group(number).column(place).statistics for number in range(metadata.num_row_groups)
    ]
    assert len(groups) == 6
    for series in {row["series_id"] for row in everything(store)}:
        assert sum(group.min <= series <= group.max for group in groups) <= 3


def rewritings(location: Path) -> int:
    commits = (location / "results" / "_delta_log").glob("*.json")
    return sum('"remove"' in commit.read_text(encoding="utf-8") for commit in commits)


@pytest.mark.slow
def test_a_clustering_or_vacuum_killed_at_any_moment_costs_nothing(tmp_path: Path, forks: Callable[[], Any]) -> None:
    draw = random.Random(SEED)
    location = tmp_path / "store"
    Store.open(location)
    source = forks()
    writers = [source.start("append", location, tmp_path / f"acks{number}", number) for number in range(2)]
    for number in range(ROUNDS):
        keeper = source.start("tidy", location)
        before, end = rewritings(location), time.monotonic() + WAIT_S
        while number % 2 and rewritings(location) == before and time.monotonic() < end:
            time.sleep(0.05)  # every other one gets as far as to change something
        time.sleep(draw.uniform(0.0, 1.0))
        source.kill(keeper)
    for writer in writers:
        source.kill(writer)

    store = Store.open(location, create=False)
    assert rewritings(location) >= ENOUGH, "the machine is too slow for this test to mean anything"
    acknowledged = {
        run_id for number in range(2) for run_id in (tmp_path / f"acks{number}").read_text(encoding="ascii").split()
    }
    runs = store.query("SELECT * FROM runs").to_pylist()
    assert acknowledged - {run["run_id"] for run in runs} == set(), "acknowledged runs were lost"
    for table in ("results", "launches", "samples"):
        counted = store.query(f"SELECT run_id, count(*) AS n FROM {table} GROUP BY run_id").to_pylist()  # noqa: S608
        assert {row["run_id"]: row["n"] for row in counted} == {run["run_id"]: run[f"{table}_written"] for run in runs}
    keys = store.query("SELECT count(*) AS n, count(DISTINCT result_id) AS ids FROM raw.results").to_pylist()[0]
    assert keys["n"] == keys["ids"]
    assert store.repair().clean
    assert store.check().clean
    tidy_after_append(store.location, ["results"])
    assert store.check().clean


def test_other_tables_are_merged_in_the_order_they_came(
    store: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(store, make_bundle, 3)
    monkeypatch.setattr(tables, "COMPACT_AFTER_FILES", 3)
    tidy_after_append(store.location, ["results", "launches", "samples"])
    for table in ("results", "launches", "samples"):
        assert len(live_files(store.location, table)) == 1
    order = [row["run_id"] for row in pq.read_table(live_files(store.location, "samples")[0]).to_pylist()]
    assert order == [bundle.run.run_id for bundle in made for _ in bundle.launches]
    for bundle in made:
        assert store.launches(run_id=bundle.run.run_id, with_samples=True) == list(bundle.launches)
    large = [file(f"part-{number}.parquet", 1_500_000) for number in range(300)]
    assert choose_batches(large, after_files=200, by_series=False) == []
    assert store.check().clean
