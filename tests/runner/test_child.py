"""What a process of ours does at its start: it dies with the one that started it, or at once where that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from assay.runner.program import PARENT, WorkerProgram
from assay.runner.supervise import worker_environment

CHILD = "import os; from assay.runner.child import die_with_parent; die_with_parent(); print(sorted(os.environ))"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")


def start(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CHILD], env=environ, capture_output=True, text=True, check=False)


def test_who_was_started_by_a_process_that_is_gone_dies_at_once() -> None:
    gone = start({**os.environ, PARENT: str(os.getppid())})
    assert (gone.returncode, gone.stdout) == (-signal.SIGKILL, "")


def test_who_was_started_by_its_parent_lives_and_passes_the_name_on_to_nobody() -> None:
    there = start(worker_environment(os.environ, threads=1))
    assert there.returncode == 0, there.stderr
    assert "OMP_NUM_THREADS" in there.stdout
    assert PARENT not in there.stdout


def test_another_python_may_be_a_shim_and_is_told_no_parent() -> None:
    clean = worker_environment({}, threads=1)
    assert clean[PARENT] == str(os.getpid())
    assert PARENT in WorkerProgram().environment(clean)
    assert PARENT not in WorkerProgram(python=WorkerProgram().python.with_name("python-of-pyenv")).environment(clean)
