"""Compactions and vacuums on S3 that are killed at random, beside writers: nothing acknowledged is lost or doubled.

``ASSAY_TEST_ROUNDS=25`` makes a long run of it.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay.store import Store
from assay.store.address import list_objects, read_object
from assay.store.tables import live_files, open_table

SEED = 20261122
ROUNDS = int(os.environ.get("ASSAY_TEST_ROUNDS", "3"))
WAIT_S = 60.0
SWEPT = ("results", "launches")
KEPT = (
    (("compact", "compact"), '"remove"'),
    (("compact", "vacuum"), "VACUUM START"),
    (("compact", "compact", "vacuum"), None),
)
"""Who is at work in a round, and what the log of ``results`` has to show before they are killed."""
KEEPERS = Path(__file__).parent / "keepers.py"


class Log:
    """How often something happened according to the log of ``results``, of which each commit is read once."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._read = -1
        self.counts: Counter[str] = Counter()

    def count(self, word: str) -> int:
        opened = open_table(self._address, "results")
        newest = -1 if opened is None else opened.version()
        for version in range(self._read + 1, newest + 1):
            content = read_object(self._address, f"results/_delta_log/{version:020}.json") or b""
            self.counts.update(sign for sign in ('"remove"', "VACUUM START") if sign.encode() in content)
        self._read = max(self._read, newest)
        return self.counts[word]


class Keepers:
    """Housekeepers beside a store (see keepers.py)."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors
        with errors.open("w") as file:
            self._process = subprocess.Popen(
                [sys.executable, str(KEEPERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )

    def start(self, role: str, state: Path, address: str) -> str:
        return self._tell(f"start {role} {state} {address}")

    def kill(self, number: str) -> None:
        assert self._tell(f"kill {number}") == "True", self._errors.read_text()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@pytest.fixture
def keepers(s3_address: str, s3_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Keepers]:
    assert s3_address
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")  # a door would be the slowest part
    keepers = Keepers(tmp_path / "errors")
    yield keepers
    keepers.end()


@pytest.mark.slow
@pytest.mark.timeout(240 + 60 * ROUNDS)
def test_a_compaction_or_vacuum_killed_at_any_moment_costs_nothing(
    s3_address: str, keepers: Keepers, start_script: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    draw = random.Random(SEED)
    log = Log(s3_address)
    killed = 0
    Store.open(s3_address)
    paths = [tmp_path / f"acks{number}" for number in range(2)]
    writers = [start_script("append", s3_address, path, 10**6, number) for number, path in enumerate(paths)]
    while not all(path.exists() for path in paths):
        assert all(writer.poll() is None for writer in writers), "a writer ended by itself"
        time.sleep(0.1)
    for number in range(ROUNDS):
        roles, sign = KEPT[number % len(KEPT)]
        started = [keepers.start(role, tmp_path / f"machine{place}", s3_address) for place, role in enumerate(roles)]
        if sign:
            before, end = log.count(sign), time.monotonic() + WAIT_S
            while log.count(sign) == before and time.monotonic() < end:
                time.sleep(0.05)
        draw.shuffle(started)
        for keeper in started:
            time.sleep(draw.uniform(0.0, 0.7))
            keepers.kill(keeper)
            killed += 1
    for writer in writers:
        assert writer.poll() is None, f"a writer ended by itself: {writer.communicate()[1]}"
        writer.kill()
        writer.wait()

    rewritten, vacuumed = log.count('"remove"'), log.count("VACUUM START")
    assert min(rewritten, vacuumed) >= ROUNDS // 3, "the machine is too slow for this test to mean anything"
    acknowledged = {run_id for path in paths for run_id in path.read_text(encoding="ascii").split()}
    store = Store.open(s3_address, create=False)
    hold_to_account(store, acknowledged)
    assert store.repair().clean
    left = unnamed(s3_address)
    for table in SWEPT:
        opened = open_table(s3_address, table)
        opened.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    assert unnamed(s3_address) == set(), "a vacuum removes what the killed left"
    hold_to_account(store, acknowledged)
    print(  # noqa: T201  (the figures of this experiment, shown by pytest -rP)
        f"S3, 2 writers, {killed} housekeepers killed: {len(acknowledged)} acknowledged, 0 lost, "
        f"0 doubled; {rewritten} rewritings and {vacuumed} vacuums of results, {len(left)} objects left by the killed"
    )


def hold_to_account(store: Store, acknowledged: set[str]) -> None:
    runs = store.query("SELECT * FROM runs").to_pylist()
    assert acknowledged <= {run["run_id"] for run in runs}, "acknowledged runs were lost"
    assert store.query("SELECT count(*) AS n FROM raw.runs").to_pylist() == [{"n": len(runs)}]
    for table in ("results", "launches", "samples"):
        counted = store.query(f"SELECT run_id, count(*) AS n FROM {table} GROUP BY run_id").to_pylist()  # noqa: S608
        assert {row["run_id"]: row["n"] for row in counted} == {run["run_id"]: run[f"{table}_written"] for run in runs}
    for table, key in (("results", "result_id"), ("launches", "launch_id")):
        (keys,) = store.query(
            f"SELECT count(*) AS n, count(DISTINCT {key}) AS ids FROM raw.{table}"  # noqa: S608
        ).to_pylist()
        assert keys["n"] == keys["ids"], f"rows of {table} are there twice"


def unnamed(address: str) -> set[str]:
    """Return the objects of those tables that no snapshot names."""
    named = {path.removeprefix(f"{address}/") for table in SWEPT for path in live_files(address, table)}
    there = {one.name for table in SWEPT for one in list_objects(address, table) if one.name.endswith(".parquet")}
    return {name for name in there - named if "_delta_log" not in name}
