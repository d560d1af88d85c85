"""Eight processes append while random ones are killed: nothing acknowledged is lost, nothing half done is seen."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.store import Store

SEED = 20261105
WRITERS = 8
WALL_S = 25.0
LIMIT_S = 200.0
"""A loaded machine needs longer until every writer could have acknowledged a run."""


@pytest.mark.slow
def test_writers_killed_at_random_lose_nothing_that_was_acknowledged(
    tmp_path: Path, start_script: Callable[..., subprocess.Popen[str]]
) -> None:
    draw = random.Random(SEED)
    location = tmp_path / "store"
    acknowledgements: list[Path] = []

    def start() -> subprocess.Popen[str]:
        acknowledgements.append(tmp_path / f"acknowledged-{len(acknowledgements)}")
        return start_script("append", location, acknowledgements[-1], 10**6, draw.randrange(2**32))

    def acknowledged_runs() -> list[str]:
        there = [path for path in acknowledgements if path.exists()]
        return [run_id for path in there for run_id in path.read_text(encoding="ascii").split()]

    writers = [start() for _ in range(WRITERS)]
    current = dict(enumerate(acknowledgements))
    kills = 0
    begin = time.monotonic()
    while time.monotonic() < begin + WALL_S or len(acknowledged_runs()) < WRITERS:
        assert time.monotonic() < begin + LIMIT_S, "the machine is too slow for this test to mean anything"
        time.sleep(draw.uniform(0.4, 1.6))
        # Mostly one that has got somewhere: where starting takes longer than a life, nobody would ever write.
        at_work = [number for number, path in current.items() if path.exists()]
        victim = draw.choice(at_work) if at_work and draw.random() < 0.75 else draw.randrange(WRITERS)
        assert writers[victim].poll() is None, _errors(writers[victim])
        writers[victim].kill()
        kills += 1
        writers[victim] = start()
        current[victim] = acknowledgements[-1]
    for writer in writers:
        assert writer.poll() is None, _errors(writer)
        writer.kill()
        writer.wait()

    acknowledged = acknowledged_runs()
    assert kills >= WALL_S / 1.6 / 2

    store = Store.open(location, create=False)
    runs = store.query("SELECT * FROM runs").to_pylist()
    lost = set(acknowledged) - {run["run_id"] for run in runs}
    print(  # noqa: T201  (the figures of this experiment, shown by pytest -rP)
        f"folder, {WRITERS} writers, {kills} kills: {len(acknowledged)} acknowledged, {len(runs)} visible, "
        f"{len(lost)} lost, {len(runs) - len({run['run_id'] for run in runs})} doubled"
    )
    assert not lost, "acknowledged runs were lost"
    assert len(runs) == len({run["run_id"] for run in runs})
    assert store.query("SELECT count(*) AS n FROM raw.runs").to_pylist() == [{"n": len(runs)}]
    for table in ("results", "launches", "samples"):
        counted = store.query(f"SELECT run_id, count(*) AS n FROM {table} GROUP BY run_id").to_pylist()  # noqa: S608
        found = {row["run_id"]: row["n"] for row in counted}
        assert found == {run["run_id"]: run[f"{table}_written"] for run in runs}, f"{table} of half a run are visible"

    assert store.repair().clean
    assert store.check().clean
    assert {run["run_id"] for run in store.query("SELECT run_id FROM runs").to_pylist()} == {
        run["run_id"] for run in runs
    }
    leftovers = store.query(
        "SELECT count(*) AS n FROM raw.results WHERE write_id NOT IN (SELECT write_id FROM raw.runs)"
    )
    assert leftovers.to_pylist() == [{"n": 0}]


def _errors(process: subprocess.Popen[str]) -> str:
    return f"a writer ended by itself: {process.communicate()[1]}"
