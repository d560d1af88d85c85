"""Eight processes append while random ones are killed: nothing acknowledged is lost, nothing half done is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from assay.store import Store

SEED = 20261105
WRITERS = 8
KILLS = 14


@pytest.mark.slow
def test_writers_killed_at_random_lose_nothing_that_was_acknowledged(
    tmp_path: Path, kill_writers: Callable[..., tuple[int, list[str]]]
) -> None:
    location = tmp_path / "store"
    kills, acknowledged = kill_writers(location, writers=WRITERS, seed=SEED, pause_s=(0.2, 1.2), kills=KILLS)
    assert kills >= KILLS

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
