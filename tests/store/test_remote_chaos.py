"""Writers on S3 that are killed, and a network that loses answers: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.store import Store

SEED = 20261122
WRITERS = 4
KILLS = 6
FAULTY_RUNS = 6
LOST_SHARE = 0.01

Start = Callable[..., "subprocess.Popen[str]"]


def hold_to_account(address: str, acknowledged: list[str], heading: str) -> None:
    """Compare what writers were told with what the store holds, before and after it is mended."""
    store = Store.open(address, create=False)
    runs = store.query("SELECT * FROM runs").to_pylist()
    visible = {run["run_id"] for run in runs}
    raw = store.query("SELECT count(*) AS n FROM raw.runs").to_pylist()[0]["n"]
    lost = set(acknowledged) - visible
    print(  # noqa: T201  (the figures of this experiment, shown by pytest -rP)
        f"{heading}: {len(acknowledged)} acknowledged, {len(visible)} visible, {len(lost)} lost, "
        f"{raw - len(visible)} doubled"
    )
    assert not lost, "acknowledged runs were lost"
    assert raw == len(visible)
    for table in ("results", "launches", "samples"):
        counted = store.query(f"SELECT run_id, count(*) AS n FROM {table} GROUP BY run_id").to_pylist()  # noqa: S608
        found = {row["run_id"]: row["n"] for row in counted}
        assert found == {run["run_id"]: run[f"{table}_written"] for run in runs}, f"{table} of half a run are visible"
    assert store.repair().clean
    assert {row["run_id"] for row in store.query("SELECT run_id FROM runs").to_pylist()} == visible
    leftovers = "SELECT count(*) AS n FROM raw.results WHERE write_id NOT IN (SELECT write_id FROM raw.runs)"
    assert store.query(leftovers).to_pylist() == [{"n": 0}]


@pytest.mark.slow
def test_writers_killed_at_random_lose_nothing_that_was_acknowledged(
    s3_address: str,
    s3_port: int,
    kill_writers: Callable[..., tuple[int, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")  # the door would be the slowest part
    kills, acknowledged = kill_writers(s3_address, writers=WRITERS, seed=SEED, pause_s=(1.0, 4.0), kills=KILLS)
    assert kills >= KILLS
    hold_to_account(s3_address, acknowledged, f"S3, {WRITERS} writers, {kills} kills")


@pytest.mark.slow
def test_answers_that_are_lost_double_nothing(
    s3_address: str, s3_door: Any, tmp_path: Path, start_script: Start
) -> None:
    """The server has done what it was asked, and the writer asks again: a commit must not count twice.

    What failed in the end is tried again, as `recover` would.
    """
    Store.open(s3_address)
    s3_door.lose(LOST_SHARE, seed=SEED)
    writers = [start_script("insist", s3_address, tmp_path / f"acks{number}", FAULTY_RUNS, number) for number in (1, 2)]
    for writer in writers:
        _, errors = writer.communicate(timeout=280)
        assert writer.returncode == 0, errors
    lost = s3_door.lose(0)
    acknowledged = [run_id for number in (1, 2) for run_id in (tmp_path / f"acks{number}").read_text().split()]
    assert lost > 0
    assert len(acknowledged) == 2 * FAULTY_RUNS
    hold_to_account(s3_address, acknowledged, f"S3, 2 writers, {lost} answers lost")
