"""``assay run`` into object storage, end to end, and what it leaves when the server goes away meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.words import RunStatus
from assay.store import Store
from assay.store.spool import state_folder

SUITE = """\
name: fast
launches: 1
launch_limit_s: 60
timing: {min_time_s: 0.05, max_time_s: 0.2, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}
cases:
  - model: ["plain_models:good"]
    engine: plain
    batch: 1
"""

Assay = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "fast.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def to_s3(s3_address: str, assay: Assay) -> Assay:
    """Run a command whose store is the one on S3."""
    settings = {name: os.environ[name] for name in os.environ if name.startswith(("AWS_", "XDG_STATE", "NO_PROXY"))}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return assay(*arguments, **settings, ASSAY_STORE=s3_address)

    return run


def test_a_run_is_kept_and_shown(to_s3: Assay, suite: Path, s3_address: str) -> None:
    ran = to_s3("run", "--suite", suite, "--json")
    assert ran.returncode == 0, ran.stderr
    run = json.loads(ran.stdout)["run"]
    store = Store.open(s3_address, create=False)
    assert [one.run_id for one in store.runs()] == [run["run_id"]]
    (launch,) = store.launches(run_id=run["run_id"], with_samples=True)
    assert launch.samples
    assert store.orphans() == []
    shown = to_s3("show", "last")
    assert f"kept in {s3_address}" in shown.stdout, shown.stderr
    assert to_s3("store", "check").returncode == 0


def test_a_server_that_is_down_is_told_before_time_is_spent(to_s3: Assay, s3_door: Any, suite: Path) -> None:
    s3_door.shut()
    ran = to_s3("run", "--suite", suite)
    assert ran.returncode != 0
    assert "the server is down" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_was_measured_is_recovered_once_the_server_is_back(
    to_s3: Assay,
    s3_door: Any,
    s3_address: str,
    suite: Path,
    worker_environ: dict[str, str],
    wait_until: Callable[[Callable[[], object]], None],
    tmp_path: Path,
) -> None:
    """The server goes away while the launches of a run are under way."""
    store = Store.open(s3_address)
    suite.write_text(SUITE.replace("launches: 1", "launches: 4"))
    aws = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "XDG_STATE", "NO_PROXY"))}
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "assay.cli.main", "run", "--suite", str(suite)],
        env=worker_environ | aws | {"ASSAY_STORE": s3_address},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journals = state_folder(s3_address) / "journal"
    wait_until(lambda: any(b'"launch"' in path.read_bytes() for path in journals.glob("*.jsonl")))
    s3_door.shut()
    _, errors = running.communicate(timeout=200)
    assert running.returncode != 0
    assert "the server is down" in errors
    assert "Traceback" not in errors
    s3_door.open()
    assert store.runs() == []
    recovered = to_s3("store", "recover")
    assert "published: 1 results from 4 launches" in recovered.stdout, recovered.stderr
    (run,) = store.runs()
    assert run.status is RunStatus.OK
    assert len(store.launches(run_id=run.run_id)) == 4
