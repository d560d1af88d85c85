"""Accounts of other processes: from a replayed tree, and of a real child that works."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from assay.probes.noise import NoiseSnapshot, cpu_ns_between, judge_noise, measure_noise, take_snapshot
from assay.probes.processes import ProcessAccounts, cpu_ns, read_accounts, resident_bytes, sum_rise

MakeTree = Callable[[Mapping[str, str]], Path]
S = 1_000_000_000
GONE = 2**22 + 1
"""Above the largest process id that Linux gives (PID_MAX_LIMIT)."""


def stat(pid: int, faults: int, ticks: tuple[int, int]) -> str:
    return f"{pid} (a (bad) name) R " + "0 " * 8 + f"{faults} 0 {ticks[0]} {ticks[1]} 0 0\n"


def status(switches: int, rss_kib: int = 0) -> str:
    return f"Name:\tx\nVmRSS:\t{rss_kib} kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t{switches}\n"


def test_a_replayed_machine_is_read(make_tree: MakeTree) -> None:
    root = make_tree(
        {
            "proc/71/stat": stat(71, 3, (10, 5)),
            "proc/71/status": status(9, rss_kib=2048),
            "proc/71/task/71/status": status(4),
            "proc/71/task/80/status": status(5),
            "proc/72/stat": stat(72, 0, (1, 0)),
            "proc/72/task/72/status": status(1),
        }
    )
    tick_ns = S // os.sysconf("SC_CLK_TCK")
    found = read_accounts([71, 72, 71, 99], root=root)
    assert found == ProcessAccounts({71: 15 * tick_ns, 72: tick_ns}, {71: 4, 80: 5, 72: 1}, {71: 3, 72: 0})
    assert (resident_bytes(71, root=root), resident_bytes(99, root=root)) == (2 << 20, None)


def test_who_comes_counts_from_nothing_and_who_goes_is_left_out() -> None:
    assert sum_rise({1: 10, 2: 5}, {1: 14, 3: 2}) == 6
    assert sum_rise({1: 10}, {1: 4}) == 0
    assert sum_rise(None, {1: 4}) is None
    assert sum_rise({1: 4}, None) is None


BEFORE = NoiseSnapshot(
    0, 0, involuntary_switches=0, major_faults=0, busy_ticks=0, total_ticks=0, children_cpu_ns=0,
    others=ProcessAccounts({8: 0, 9: S}, {8: 10, 9: 20}, {8: 1}),
)  # fmt: skip
AFTER = NoiseSnapshot(
    S, S // 10, involuntary_switches=500, major_faults=70, busy_ticks=190, total_ticks=200, children_cpu_ns=S // 5,
    others=ProcessAccounts({8: S // 2, 9: 2 * S}, {8: 13, 9: 26}, {8: 5}),
)  # fmt: skip


def test_the_named_processes_are_what_is_timed_and_nobody_of_ours_is_a_neighbour() -> None:
    found = measure_noise(BEFORE, AFTER, samples=3, threads=2, cpus=2)
    assert found["cpu_share"] == pytest.approx(0.75)
    assert found["involuntary_switches_per_sample"] == 3.0
    assert found["involuntary_switches_per_cpu_s"] == pytest.approx(6.0)
    assert found["major_faults"] == 4.0
    assert found["timed_processes"] == 2.0
    assert found["other_cpu_share"] == pytest.approx(0.95 - (1.5 + 0.1 + 0.2) / 2)
    assert cpu_ns_between(BEFORE, AFTER) == 3 * S // 2


def test_without_named_processes_the_cpu_time_is_that_of_this_process_and_its_children() -> None:
    before, after = (replace(one, others=None) for one in (BEFORE, AFTER))
    assert cpu_ns_between(before, after) == S // 10 + S // 5
    found = measure_noise(before, after, samples=1, threads=1, cpus=2)
    assert found["major_faults"] == 70.0
    assert "timed_processes" not in found


def test_a_device_that_nobody_watches_is_never_trusted() -> None:
    verdict, reasons = judge_noise({"unwatched": 1.0})
    assert verdict.value == "noisy"
    assert reasons == ("nobody could see what else that device did while timing",)


def test_a_process_that_is_gone_has_no_accounts() -> None:
    assert cpu_ns(GONE) is None
    assert resident_bytes(GONE) is None
    assert read_accounts([GONE]).cpu_ns == {}


def test_a_child_that_works_is_read_and_is_not_counted_twice() -> None:
    code = "import sys\nprint('begun', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            before = take_snapshot([child.pid])
            after, deadline = before, time.monotonic() + 30
            while cpu_ns_between(before, after) < S // 10 and time.monotonic() < deadline:
                time.sleep(0.05)
                after = take_snapshot([child.pid])
            held = resident_bytes(child.pid)
        finally:
            child.kill()
    assert cpu_ns_between(before, after) >= S // 10
    assert held is not None
    assert held > 1 << 20
    if after.children_cpu_ns is not None and before.children_cpu_ns is not None:
        assert after.children_cpu_ns - before.children_cpu_ns < S // 10
