"""Shows what the store holds at scale: rows a second, bytes, and three queries, beside JSON and PostgreSQL.

Fills a store of its own with synthetic results (``synthetic.py``; no machine measured any of them), ten samples each,
and removes it again. Every time is the median of several repetitions in this process. PostgreSQL is compared where a
server is named; its tables are called ``assay_benchmark_*`` and are dropped. Rerun where nothing else runs:

    python benchmarks/store.py --rows 1000000 --rows 10000000
    python benchmarks/store.py --rows 1000000 --postgres postgresql://user@localhost/scratch
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.store import Store
from assay.store.append import Attempt, append_environment
from assay.store.codec import record_to_json
from assay.store.housekeeping import tidy_after_append
from assay.store.latest import latest_arrow, refresh_latest
from assay.store.query import fetch_rows, reading
from assay.store.rows import result_from_row
from assay.store.schema import RESULTS, RUNS, SAMPLES
from synthetic import RESULTS_PER_SERIES, SAMPLES_PER_RESULT, Piece, environment, pieces

TREND = "SELECT measured_at, latency_ns, latency_ns_lo, latency_ns_hi FROM results WHERE series_id = ? ORDER BY 1"
SHOWN_RESULTS = 100
SCALARS = (
    "result_id", "run_id", "series_id", "case_id", "workload", "engine", "device", "precision", "batch", "status",
    "verdict", "hardware", "measured_at", "latency_ns", "latency_ns_lo", "latency_ns_hi", "throughput_per_s",
    "memory_peak_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Targets:
    """What the queries ask for: one series, and one run of the usual size."""

    series_id: str
    run_id: str


def main() -> None:
    """Print everything for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="results; may be given several times")
    parser.add_argument("--rows-per-run", type=int, default=1_000_000, help="results that one attempt appends")
    parser.add_argument("--json-rows", type=int, default=100_000, help="results that are written as JSON and scanned")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--postgres", help="postgresql:// address of a scratch database")
    parser.add_argument("--work", type=Path, help="folder for the stores; about 1 GB for 1M results")
    chosen = parser.parse_args()
    busy = os.getloadavg()[0]
    print(f"SYNTHETIC results, {SAMPLES_PER_RESULT} samples each; {os.cpu_count()} processors, load {busy:.1f}")
    for rows in chosen.rows or [1_000_000]:
        with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
            measure(rows, Path(folder), chosen)


def measure(rows: int, folder: Path, chosen: argparse.Namespace) -> None:
    """Fill one store and print what is said of it."""
    location = str(folder / "store")
    print(f"\n== {rows:,} results of {rows // RESULTS_PER_SERIES:,} series, {rows * SAMPLES_PER_RESULT:,} samples")
    targets = fill(location, rows, chosen.rows_per_run)
    live = {table.name: table.live_bytes for table in Store.open(location).info().tables}
    share = min(rows, chosen.json_rows)
    as_json = folder / "results.ndjson"
    plain_bytes, compressed_bytes = write_json(location, as_json, share)
    print_sizes(live, rows, share, plain_bytes, compressed_bytes)
    ours = queries(location, targets)
    print(f"{'median of ' + str(chosen.repeats):>28} {'store':>12} {'cpu':>9}   JSON ({share:,} rows scanned)")
    scans = json_queries(as_json, targets)
    for name, query in ours.items():
        wall, cpu = median_s(query, chosen.repeats)
        scan, _ = median_s(scans[name], 3)
        scaled = scan * rows / share
        print(
            f"{name:>28} {wall * 1e3:9.1f} ms {cpu * 1e3:6.1f} ms   {scan * 1e3:9.1f} ms"
            f"  (x {rows / share:g} for all of them: {scaled / wall:,.0f} times ours)"
        )
    shutil.rmtree(Path(location) / "cache", ignore_errors=True)
    print(f"{'latest, without its cache':>28} {median_s(ours['latest of every series'], 3)[0] * 1e3:9.1f} ms")
    started = time.perf_counter()
    refresh_latest(location)
    print(f"{'making that cache':>28} {(time.perf_counter() - started) * 1e3:9.1f} ms")
    compare_postgres(chosen.postgres, location, targets, chosen.repeats)
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def fill(location: str, rows: int, rows_per_run: int) -> Targets:
    """Append everything as an importer would, print how fast that was, and return what to ask for."""
    Store.open(location)
    append_environment(location, environment(), 1)
    spent: dict[str, list[float]] = {RESULTS: [], SAMPLES: [], "cpu of results": [], "clustering and cache": []}
    series_id = ""
    for piece in pieces(rows, rows_per_run):
        series_id = series_id or piece.results["series_id"][0].as_py()
        _append(location, piece, spent)
    (usual,) = pieces(SHOWN_RESULTS, SHOWN_RESULTS, seed=7)
    _append(location, usual, None)
    for table in (RESULTS, SAMPLES):
        print(f"{table:>28} {rows / sum(spent[table]):12,.0f} rows/s  ({sum(spent[table]):.1f} s)")
    print(f"{'of a processor, results':>28} {rows / sum(spent['cpu of results']):12,.0f} rows/s")
    print(f"{'clustering and cache':>28} {sum(spent['clustering and cache']):12.1f} s after the appends")
    return Targets(series_id, usual.run.run_id)


def _append(location: str, piece: Piece, spent: dict[str, list[float]] | None) -> None:
    times = spent if spent is not None else {name: [] for name in (RESULTS, SAMPLES, "cpu of results")}
    with Attempt(location) as attempt:
        for table, content in ((RESULTS, piece.results), (SAMPLES, piece.samples)):
            started, cpu = time.perf_counter(), time.process_time()
            attempt.add_arrow(table, content)
            times[table].append(time.perf_counter() - started)
            if table == RESULTS:
                times["cpu of results"].append(time.process_time() - cpu)
        attempt.commit(piece.run)
        started = time.perf_counter()
    tidy_after_append(location, [RESULTS, SAMPLES, RUNS])
    if spent is not None:
        spent["clustering and cache"].append(time.perf_counter() - started)


def write_json(location: str, target: Path, share: int) -> tuple[int, int]:
    """Write some results, one JSON record a line, and their samples beside; return the bytes, plain and as zstd."""
    beside = target.with_name("samples.ndjson")
    columns = "result_id, launch_id, name, unit, calls_per_sample, rank, values"
    with reading(location, [RESULTS, SAMPLES]) as connection:
        _write_lines(
            connection.cursor().execute(f"SELECT * FROM results LIMIT {share}"),  # noqa: S608  (a number)
            target,
            lambda row: record_to_json(result_from_row(row)),
        )
        _write_lines(
            connection.cursor().execute(f"SELECT {columns} FROM samples LIMIT {share}"),  # noqa: S608  (a number)
            beside,
            lambda row: row,
        )
    plain = [path.read_bytes() for path in (target, beside)]
    return sum(map(len, plain)), sum(len(pa.Codec("zstd", 3).compress(content)) for content in plain)


def _write_lines(cursor: Any, target: Path, to_plain: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    names = [column[0] for column in cursor.description]
    with target.open("w", encoding="utf-8") as file:
        while found := cursor.fetchmany(10_000):
            rows = (dict(zip(names, row, strict=True)) for row in found)
            file.writelines(json.dumps(to_plain(row), separators=(",", ":")) + "\n" for row in rows)


def print_sizes(live: dict[str, int], rows: int, share: int, plain_bytes: int, compressed_bytes: int) -> None:
    """Print bytes of the store beside bytes of the same results as JSON."""
    stored = sum(live.values())
    plain, compressed = plain_bytes * rows / share, compressed_bytes * rows / share
    print(
        f"{'store':>28} {stored / 1e6:12,.1f} MB  "
        f"(results {live[RESULTS] / 1e6:,.1f}, samples {live[SAMPLES] / 1e6:,.1f})"
    )
    print(
        f"{'JSON':>28} {plain / 1e6:12,.1f} MB  ({share:,} of {rows:,} measured): {plain / stored:.1f} times the store"
    )
    print(f"{'JSON as zstd, level 3':>28} {compressed / 1e6:12,.1f} MB: {compressed / stored:.2f} times the store")


def queries(location: str, targets: Targets) -> dict[str, Callable[[], object]]:
    """Return the three queries as the product asks them."""
    return {
        "latest of every series": lambda: latest_arrow(location),
        "one trend": lambda: fetch_rows(location, TREND, [targets.series_id], tables=[RESULTS]),
        "one run's results": lambda: list(Store.open(location).results(run_id=targets.run_id, provenance="any")),
    }


def json_queries(path: Path, targets: Targets) -> dict[str, Callable[[], object]]:
    """Return the same over lines of JSON, reading no more fields than each needs."""
    import duckdb

    connection = duckdb.connect(":memory:")
    fields = "result_id: 'VARCHAR', run_id: 'VARCHAR', series_id: 'VARCHAR', measured_at: 'TIMESTAMP', metrics: 'JSON'"
    source = f"read_ndjson('{path}', columns = {{{fields}}})"
    newest = "row_number() OVER (PARTITION BY series_id ORDER BY measured_at DESC) = 1"
    latest = f"SELECT * FROM {source} QUALIFY {newest}"  # noqa: S608
    trend = f"SELECT measured_at, metrics FROM {source} WHERE series_id = ? ORDER BY 1"  # noqa: S608
    run = f"SELECT * FROM {source} WHERE run_id = ?"  # noqa: S608
    return {
        "latest of every series": lambda: connection.execute(latest).fetchall(),
        "one trend": lambda: connection.execute(trend, [targets.series_id]).fetchall(),
        "one run's results": lambda: connection.execute(run, [targets.run_id]).fetchall(),
    }


def compare_postgres(address: str | None, location: str, targets: Targets, repeats: int) -> None:
    """Load the columns that the queries need into PostgreSQL, indexed for them, and time the same there."""
    if address is None:
        print("PostgreSQL: not compared, as no --postgres is given")
        return
    try:
        dbapi = import_module("adbc_driver_postgresql.dbapi")
    except ImportError:
        print("PostgreSQL: not compared, as adbc-driver-postgresql is not installed")
        return
    with dbapi.connect(address) as connection, _benchmark_tables(connection) as cursor:
        started = time.perf_counter()
        names = ", ".join(SCALARS)
        with reading(location, [RESULTS]) as duck:
            batches = duck.sql(f"SELECT {names} FROM results").to_arrow_reader(100_000)  # noqa: S608  (names of ours)
            cursor.adbc_ingest("assay_benchmark_results", batches, mode="create")
        connection.commit()
        for statement in _POSTGRES_INDEXES:
            cursor.execute(statement)
        connection.commit()
        print(f"{'PostgreSQL: load and index':>28} {time.perf_counter() - started:9.1f} s")

        def ask(sql: str, *parameters: object) -> Callable[[], object]:
            def run() -> object:
                cursor.execute(sql, parameters or None)
                return cursor.fetch_arrow_table()

            return run

        for name, query in {
            "latest of every series": ask(_POSTGRES_LATEST),
            "one trend": ask(_POSTGRES_TREND, targets.series_id),
            "one run's results": ask("SELECT * FROM assay_benchmark_results WHERE run_id = $1", targets.run_id),
        }.items():
            print(f"{'PostgreSQL: ' + name:>36} {median_s(query, repeats)[0] * 1e3:9.1f} ms")


_POSTGRES_INDEXES = (
    "CREATE INDEX ON assay_benchmark_results (series_id, measured_at)",
    "CREATE INDEX ON assay_benchmark_results (run_id)",
    "CREATE TABLE assay_benchmark_series AS SELECT DISTINCT series_id FROM assay_benchmark_results",
    "ANALYZE assay_benchmark_results",
)
_POSTGRES_LATEST = """
SELECT r.* FROM assay_benchmark_series AS s CROSS JOIN LATERAL (
  SELECT * FROM assay_benchmark_results WHERE series_id = s.series_id ORDER BY measured_at DESC LIMIT 1
) AS r
"""
_POSTGRES_TREND = (
    "SELECT measured_at, latency_ns, latency_ns_lo, latency_ns_hi FROM assay_benchmark_results "
    "WHERE series_id = $1 ORDER BY measured_at"
)


@contextlib.contextmanager
def _benchmark_tables(connection: Any) -> Iterator[Any]:
    """Give a cursor; the benchmark's tables are gone before and after."""
    drop = "DROP TABLE IF EXISTS assay_benchmark_results, assay_benchmark_series"
    with connection.cursor() as cursor:
        cursor.execute(drop)
        connection.commit()
        try:
            yield cursor
        finally:
            connection.rollback()
            cursor.execute(drop)
            connection.commit()


def median_s(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median seconds of a call, by the clock and of processors, after one call that is not counted."""
    work()
    walls, processors = [], []
    for _ in range(repeats):
        started, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - started)
        processors.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(processors)


if __name__ == "__main__":
    main()
