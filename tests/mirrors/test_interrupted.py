"""Whatever is killed midway, each run is in the mirror whole or not at all, and the next mirroring ends it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.mirrors import plan
from assay.mirrors.connection import Connection, ConnectionLostError, MirrorError
from assay.mirrors.plan import Progress
from assay.mirrors.transfer import mirror_store
from assay.mirrors.verify import verify_mirror
from assay.store import Store

COMPOSED = Path(__file__).parent / "composed.py"
RUNS = 5
ROWS_TOGETHER = 30


@pytest.fixture(scope="module")
def many(bundles: Any, composed: Any, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that takes several transactions to mirror."""
    store = Store.open(tmp_path_factory.mktemp("many") / "store")
    for number in range(RUNS - 1):
        store.append(bundles.make_bundle(cases=2 + number % 3, samples=50))
    composed.add_import(store)
    return store


@pytest.fixture
def start(many: Store, url: str) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start a process that mirrors the store, and writes a line for each step."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, str(COMPOSED), many.location, url, str(ROWS_TOGETHER)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_process_leaves_whole_runs_and_the_next_one_goes_on(
    many: Store, url: str, start: Callable[[], subprocess.Popen[str]]
) -> None:
    draw = random.Random(20261107)
    done = 0
    for _ in range(2):
        process = start()
        assert process.stdout is not None
        for _ in range(draw.randint(2, 30)):
            if process.stdout.readline().strip() in {"", "-1"}:
                break
        time.sleep(draw.random() * 0.02)
        process.kill()
        process.wait()
        found = verify_when_quiet(many, url)
        assert [table for table in found.tables if not table.is_equal] == []
        assert found.runs_compared >= done
        done = found.runs_compared
    report = mirror_store(many.location, url)
    assert report.runs_copied == RUNS - done
    assert verify_mirror(many.location, url).is_equal
    assert mirror_store(many.location, url).moved == 0


def test_a_server_that_dies_midway_loses_nothing_that_was_committed(
    many: Store, url: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROWS_TOGETHER", ROWS_TOGETHER)
    seen: list[Progress] = []

    def kill_after_two_runs(progress: Progress) -> None:
        seen.append(progress)
        if progress.runs_done == 2:
            server.kill()

    with pytest.raises(ConnectionLostError, match="was lost") as raised:
        mirror_store(many.location, url, on_progress=kill_after_two_runs)
    assert "the same command goes on" in str(raised.value)
    assert seen[-1].runs_done < RUNS
    with pytest.raises(MirrorError, match="could not be reached"):
        mirror_store(many.location, url)
    server.start()
    report = mirror_store(many.location, url)
    assert (report.created, report.runs_copied) == (False, RUNS - 2)
    assert verify_mirror(many.location, url).is_equal


def test_an_error_midway_undoes_its_transaction_alone(many: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "ROWS_TOGETHER", ROWS_TOGETHER)

    def stop(progress: Progress) -> None:
        if progress.runs_done == 2 and progress.rows > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mirror_store(many.location, url, on_progress=stop)
    assert verify_when_quiet(many, url).runs_compared == 2
    assert mirror_store(many.location, url).runs_copied == RUNS - 2


def test_two_at_once_wait_for_each_other(
    many: Store, url: str, start: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = [start(), start()]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert verify_mirror(many.location, url).is_equal
    from assay.mirrors import transfer

    monkeypatch.setattr(transfer, "_LOCK_WAIT", "50ms")
    with Connection(url) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended('assay mirror assay', 0))")
        with pytest.raises(MirrorError, match="Another process mirrors into 'assay'"):
            mirror_store(many.location, url)


def verify_when_quiet(store: Store, url: str) -> Any:
    """Compare once the server has noticed that the killed process is gone and has undone its transaction."""
    database = url.rpartition("/")[2]
    deadline = time.monotonic() + 60
    with Connection(url) as connection:
        while True:
            others = connection.fetch(
                "SELECT FROM pg_stat_activity "
                "WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
                [database],
            )
            connection.commit()
            if not others:
                break
            assert time.monotonic() < deadline, "the killed process's session is still there"
            time.sleep(0.05)
        exists = connection.fetch("SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'assay'")
    if not exists:
        mirror_store(store.location, url)  # killed before anything was made: it starts from nothing
    return verify_mirror(store.location, url)
