"""One store on an S3 server of loopback, written by many processes as the nodes of a fleet do, then read by others.

    python benchmarks/fleet_store.py [--writers 16] [--runs 20]

Needs moto; Polars and PySpark (with Java) are used where they are.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleet import HERE, await_port, free_port, make_environ, say


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--runs", type=int, default=20, help="runs that each writer appends")
    parser.add_argument("--write", metavar="ADDRESS", help="be one writer (this program starts them)")
    asked = parser.parse_args()
    if asked.write:
        say(json.dumps(write(asked.write, asked.runs)))
        return
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        bench_s3(Path(folder), asked.writers, asked.runs)


def bench_s3(folder: Path, writers: int, runs: int) -> None:
    """Processes that append to one store on an S3 server of loopback; then three readers of the same files."""
    environ = make_environ(folder)
    port = free_port()
    environ |= {
        "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    os.environ.update({name: value for name, value in environ.items() if name.startswith(("AWS_", "NO_PROXY", "XDG_"))})
    server = subprocess.Popen(
        [sys.executable, str(HERE.parent / "tests" / "store" / "s3_server.py"), str(port)], env=environ,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await_port(port)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("PUT", "/fleet")
        connection.getresponse().read()
        address = "s3://fleet/store"
        write(address, 1)  # the tables are made by the first
        words = [sys.executable, str(Path(__file__).resolve()), "--write", address, "--runs", str(runs)]
        begin = time.perf_counter()
        processes = [subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(writers)]
        told = [json.loads(one.communicate()[0] or "{}") for one in processes]
        seconds = time.perf_counter() - begin
        acknowledged = sum(one.get("appended", 0) for one in told)
        at_work = max(one["end"] for one in told if one) - min(one["begin"] for one in told if one)
        say(
            f"{writers} processes: {acknowledged} of {writers * runs} runs appended in {seconds:.1f} s with start-up, "
            f"{at_work:.1f} s from first to last: {acknowledged / at_work:.1f} runs/s; "
            f"failed: {sum(one.get('failed', 1) for one in told)}"
        )
        read_all(address, acknowledged + 1, folder)
    finally:
        server.kill()
        server.wait()


def write(address: str, count: int) -> dict[str, float]:
    """One writer: so many runs of one case, each appended as an attempt of a fleet appends it. Says what it did."""
    from assay.core.errors import StoreError
    from assay.fleet.simulate import make_bundle
    from assay.store import Store

    store = Store.open(address)
    begin, appended, failed = time.time(), 0, 0
    for _ in range(count):
        try:
            store.append(make_bundle())
            appended += 1
        except StoreError as error:
            print(error, file=sys.stderr)
            failed += 1
    return {"appended": appended, "failed": failed, "begin": begin, "end": time.time()}


def read_all(address: str, expected: int, folder: Path) -> None:
    """The same numbers by DuckDB (through assay and by itself), Polars and PySpark."""
    readers: tuple[tuple[str, Callable[[], tuple[int, int]]], ...] = (
        ("DuckDB, through assay", lambda: read_by_assay(address)),
        ("deltalake + DuckDB", lambda: read_by_duckdb(address)),
        ("Polars", lambda: read_by_polars(address)),
        ("PySpark", lambda: read_by_spark(address, folder)),
    )
    for name, reader in readers:
        begin = time.perf_counter()
        try:
            runs, results = reader()
        except (ImportError, OSError, RuntimeError) as error:
            say(f"{name}: not read: {str(error).splitlines()[0][:200]}")
            continue
        agree = runs == results == expected
        seconds = time.perf_counter() - begin
        say(f"{name}: {runs} runs, {results} results, as many as were acknowledged: {agree}; {seconds:.1f} s")


def read_by_assay(address: str) -> tuple[int, int]:
    """Read with the store's own queries."""
    from assay.store import Store

    store = Store.open(address)
    (runs,) = store.query("SELECT count(*) AS n FROM runs").to_pylist()
    (results,) = store.query("SELECT count(*) AS n FROM results WHERE latency_ns > 0").to_pylist()
    return runs["n"], results["n"]


def read_by_duckdb(address: str) -> tuple[int, int]:
    """Read as a stranger: the tables by deltalake, the question by DuckDB."""
    import duckdb

    counts = []
    for table in ("runs", "results"):
        tables = delta_table(address, table).to_pyarrow_table()
        counts.append(int(duckdb.from_arrow(tables).count("*").fetchall()[0][0]))
    return counts[0], counts[1]


def read_by_polars(address: str) -> tuple[int, int]:
    """Read with Polars' own reader of Delta tables."""
    import polars as pl

    counts = [
        pl.scan_delta(f"{address}/{table}", storage_options=storage()).select(pl.len()).collect().item()
        for table in ("runs", "results")
    ]
    return counts[0], counts[1]


def read_by_spark(address: str, folder: Path) -> tuple[int, int]:
    """Read with PySpark: the files that the log names, brought here, as Spark has no S3 without Hadoop's jars."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    counts = []
    for table in ("runs", "results"):
        place = folder / "spark" / table
        place.mkdir(parents=True)
        opened = delta_table(address, table)
        from pyarrow import fs

        store = fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"], region="us-east-1")
        for number, uri in enumerate(opened.file_uris()):
            with store.open_input_stream(uri.removeprefix("s3://")) as source:
                (place / f"{number}.parquet").write_bytes(source.read())
        counts.append(session.read.parquet(str(place)).count())
    session.stop()
    return counts[0], counts[1]


def delta_table(address: str, table: str) -> Any:
    """Open a table without assay."""
    from deltalake import DeltaTable

    return DeltaTable(f"{address}/{table}", storage_options=storage())


def storage() -> dict[str, str]:
    """What object storage needs, from the environment."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


if __name__ == "__main__":
    main()
