"""Real runs of the real command, killed, interrupted and made at once: what was measured is there afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from assay.core.records import RunRecord
from assay.core.words import RunStatus
from assay.store import Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are killed and interrupted by signals")

Assay = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]
Wait = Callable[[Callable[[], object]], None]
Marked = Callable[[], list[psutil.Process]]

SUITE = """\
name: two-cases
launches: 3
launch_limit_s: 60
timing: {min_time_s: 0.1, max_time_s: 0.3, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}
cases:
  - {model: "plain_models:good", engine: plain, batch: [1, 2]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def finished_launches(store: Store) -> int:
    """How many launches the journal of the run that is going on holds."""
    lines = [line for path in Path(store.location).glob("journal/*.jsonl") for line in path.read_bytes().splitlines()]
    return sum(line.startswith(b'{"kind":"launch"') or b'"kind": "launch"' in line[:20] for line in lines)


def assert_complete(store: Store, run: RunRecord, parent: RunRecord) -> None:
    assert (run.status, run.parent_id) == (RunStatus.OK, parent.run_id)
    results = store.results(run_id=run.run_id)
    assert sorted((one.case.batch, one.launches_ok) for one in results) == [(1, 3), (2, 3)]
    launches = store.launches(run_id=run.run_id, with_samples=True)
    assert sorted(one.ordinal for one in launches) == [0, 0, 1, 1, 2, 2]
    assert all(one.samples and one.median_ns for one in launches)
    made_before = [one for one in launches if one.origin_run_id == parent.run_id]
    assert len(made_before) == len(store.launches(run_id=parent.run_id))


def test_a_run_that_is_killed_can_be_recovered_and_completed(
    assay: Assay, start_assay: Start, suite: Path, store: Store, wait_until: Wait, marked: Marked
) -> None:
    run = start_assay("run", "--suite", suite)
    wait_until(lambda: finished_launches(store) >= 2)
    run.kill()
    run.communicate()
    wait_until(lambda: not marked())  # its worker went with it

    assert store.runs() == []  # a run without its last row is invisible, and the store is sound
    said = assay("ls")
    assert (said.returncode, said.stdout.startswith("No runs yet in")) == (0, True)
    assert said.stderr == (
        "1 unfinished run(s) of a process that is gone; keep what they measured with: assay store recover\n"
    )
    said = assay("store", "recover", "--json")
    assert said.returncode == 0
    (recovered,) = json.loads(said.stdout)
    assert (recovered["outcome"], recovered["status"]) == ("published", "interrupted")
    assert recovered["launches"] >= 2
    (parent,) = store.runs()
    assert parent.status is RunStatus.INTERRUPTED
    assert len(store.launches(run_id=parent.run_id)) == recovered["launches"] < 6
    assert store.check().clean

    said = assay("run", "--resume", "last")
    assert (said.returncode, said.stderr) == (0, "")
    completed, interrupted = store.runs()
    assert interrupted == parent
    assert_complete(store, completed, parent)


def test_resuming_recovers_by_itself(
    assay: Assay, start_assay: Start, suite: Path, store: Store, wait_until: Wait
) -> None:
    run = start_assay("run", "--suite", suite)
    wait_until(lambda: finished_launches(store) >= 1)
    assert store.recover() == []  # a run that goes on is no orphan
    run.kill()
    run.communicate()
    assert assay("run", "--resume", "last", "--json").returncode == 0
    completed, parent = store.runs()
    assert_complete(store, completed, parent)


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    assay: Assay, start_assay: Start, suite: Path, tmp_path: Path, wait_until: Wait, marked: Marked
) -> None:
    store = Store.open(tmp_path / "my store")
    run = start_assay("run", "--suite", suite, "--json", "--store", store.location)
    wait_until(lambda: finished_launches(store) >= 2)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate()
    assert run.returncode == 130
    assert marked() == []
    (parent,) = store.runs()
    command = f"assay run --resume {parent.run_id[-8:]} --store '{store.location}'"
    assert err == f"Interrupted. What was done is kept; finish with: {command}\n"
    content: dict[str, Any] = json.loads(out)
    assert content["run"]["status"] == "interrupted"
    assert 2 <= sum(result["launches_ok"] for result in content["results"]) < 6
    said = assay(*shlex.split(command)[1:])
    assert (said.returncode, said.stderr) == (0, "")
    assert_complete(store, store.runs()[0], parent)


def test_two_runs_at_once_both_land(start_assay: Start, suite: Path, store: Store) -> None:
    runs = [start_assay("run", "--suite", suite, "--launches", 1, "--note", number) for number in range(2)]
    for run in runs:
        out, err = run.communicate()
        assert (run.returncode, err) == (0, ""), out
    assert {run.note for run in store.runs()} == {"0", "1"}
    for record in store.runs():
        assert sum(one.launches_ok for one in store.results(run_id=record.run_id)) == 2
    assert store.check().problems == ()


def read_terminal(descriptor: int) -> str:
    """Everything shown until the last program has left the terminal, which Linux says with an error."""
    shown = b""
    with os.fdopen(descriptor, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while part := terminal.read(65536):
            shown += part
    return shown.decode()


def test_a_person_at_a_terminal_sees_progress_and_a_file_gets_the_table_alone(
    suite: Path, worker_environ: dict[str, str], tmp_path: Path
) -> None:
    import pty

    ours, theirs = pty.openpty()
    environ = worker_environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    command = [sys.executable, "-P", "-m", "assay.cli.main", "run", "--suite", str(suite), "--launches", "1"]
    with subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True) as run:
        os.close(theirs)
        shown = read_terminal(ours)
        printed = run.stdout.read() if run.stdout else ""
    assert run.returncode == 0
    for words in ("two-cases: 2 cases × 1 launch on", "plain_models:good plain cpu fp32 b2", "1/2 launches", "waiting"):
        assert words in shown
    assert "\x1b" not in printed
    assert "launches ·" not in printed
    assert printed.startswith("two-cases · run ")
