"""What a process has started itself is not a neighbour: loading processes and ranks count as its own."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay.probes.noise import NoiseSnapshot, measure_noise, take_snapshot

BEFORE = NoiseSnapshot(wall_ns=0, process_cpu_ns=0, busy_ticks=0, total_ticks=0, children_cpu_ns=0)
AFTER = NoiseSnapshot(
    wall_ns=1_000_000_000, process_cpu_ns=100_000_000, busy_ticks=190, total_ticks=200, children_cpu_ns=1_700_000_000
)


def test_time_of_children_is_not_time_of_others() -> None:
    own = measure_noise(BEFORE, AFTER, samples=1, threads=1, cpus=2)
    assert own["other_cpu_share"] == pytest.approx(0.95 - 1.8 / 2)
    assert own["cpu_share"] == pytest.approx(0.1), "the threads of the process itself"
    without = [dataclasses.replace(one, children_cpu_ns=None) for one in (BEFORE, AFTER)]
    assert measure_noise(*without, samples=1, threads=1, cpus=2)["other_cpu_share"] == pytest.approx(0.9)


def write_process(proc: Path, pid: int | str, children: str, ticks: tuple[int, int], threads: int = 1) -> None:
    for thread in range(threads):
        folder = proc / str(pid) / "task" / str(os.getpid() if pid == "self" else int(pid) + thread)
        folder.mkdir(parents=True)
        (folder / "children").write_text(children if thread == 0 else "")
    (proc / str(pid) / "stat").write_text(f"{pid} (a (bad) name) R " + "0 " * 10 + f"{ticks[0]} {ticks[1]} 0 0\n")


def test_descendants_are_summed(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    write_process(proc, "self", "71 72 ", (9, 9))
    write_process(proc, 71, "", (10, 5))
    write_process(proc, 72, "73 ", (20, 0), threads=2)
    write_process(proc, 73, "", (1, 4))
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    assert take_snapshot(root=tmp_path).children_cpu_ns == 40 * tick_ns


def test_where_the_kernel_does_not_list_children_nothing_is_claimed(tmp_path: Path) -> None:
    assert take_snapshot(root=tmp_path).children_cpu_ns is None


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="this kernel does not list children"
)
def test_a_child_that_works_is_seen() -> None:
    code = "import sys\nprint('begun', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            before = take_snapshot()
            after, deadline = before, time.monotonic() + 30
            while after.children_cpu_ns == before.children_cpu_ns and time.monotonic() < deadline:
                time.sleep(0.05)
                after = take_snapshot()
        finally:
            child.kill()
    assert before.children_cpu_ns is not None
    assert after.children_cpu_ns is not None
    assert after.children_cpu_ns > before.children_cpu_ns
