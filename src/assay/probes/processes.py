"""Accounts of other processes, by their ids: CPU time, involuntary switches, page faults, resident memory.

For models that run in programs of their own, such as a browser with its renderer and GPU processes: what counts there
is not what this process did. May import: standard library, psutil (where /proc is absent).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.probes.files import list_children, parse_int, read_kib_table, read_text

_ROOT = Path("/")
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ProcessAccounts:
    """The accounts of several processes at one moment, counting from each one's start. None where none are kept.

    CPU time and faults by process id, ended threads included; switches by thread id, because only living threads
    have any: a sum would fall as threads end.
    """

    cpu_ns: Mapping[int, int]
    involuntary_switches: Mapping[int, int] | None = None
    major_faults: Mapping[int, int] | None = None


def read_accounts(pids: Iterable[int], *, root: Path = _ROOT) -> ProcessAccounts:
    """Read the accounts of processes (0.2 ms a thread on a busy Linux machine); those that are gone are left out.

    CPU time is read last, since reading the others takes longer.
    """
    known = tuple(dict.fromkeys(pids))
    if not _has_proc(root):
        return ProcessAccounts({pid: spent for pid in known if (spent := cpu_ns(pid, root=root)) is not None})
    switches: dict[int, int] = {}
    faults: dict[int, int] = {}
    for pid in known:
        for thread in list_children(root / "proc" / str(pid) / "task", "*"):
            count = _read_switches(thread / "status")
            if count is not None:
                switches[int(thread.name)] = count
        fields = _read_stat(pid, root)
        if fields:
            faults[pid] = fields[9]
    spent_ns = {pid: spent for pid in known if (spent := cpu_ns(pid, root=root)) is not None}
    return ProcessAccounts(spent_ns, switches, faults)


def sum_rise(before: Mapping[int, int] | None, after: Mapping[int, int] | None) -> int | None:
    """Sum what rose between two accounts; None where one is missing.

    Who came in between counts from 0, and of who went nothing is known.
    """
    if before is None or after is None:
        return None
    return sum(max(0, count - before.get(one, 0)) for one, count in after.items())


def cpu_ns(pid: int, *, root: Path = _ROOT) -> int | None:
    """Return the CPU time of all threads of a process, ended ones included, in ns; None where it is gone.

    On Linux by the process's own clock, which counts ns; the ticks of /proc are 10 ms. Its number is made as the kernel
    makes it. Source: Linux include/linux/posix-timers_types.h, MAKE_PROCESS_CPUCLOCK and CPUCLOCK_SCHED.
    """
    if root != _ROOT:
        fields = _read_stat(pid, root)
        return sum(fields[11:13]) * _NS // os.sysconf("SC_CLK_TCK") if fields else None
    if _has_proc(root):
        try:
            return time.clock_gettime_ns((~pid << 3) | 2)
        except OSError:
            return None
    import psutil

    try:
        spent = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return round((spent.user + spent.system) * 1e9)


def resident_bytes(pid: int, *, root: Path = _ROOT) -> int | None:
    """Return the resident size of a process in bytes, pages that it shares with others included; None where gone."""
    if _has_proc(root):
        return read_kib_table(root / "proc" / str(pid) / "status").get("VmRSS")
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def _has_proc(root: Path) -> bool:
    return root != _ROOT or sys.platform == "linux"


def _read_switches(status: Path) -> int | None:
    for line in (read_text(status) or "").splitlines():
        if line.startswith("nonvoluntary_ctxt_switches:"):
            return parse_int(line.partition(":")[2])
    return None


def _read_stat(pid: int, root: Path) -> tuple[int, ...]:
    """Return the numbers of ``/proc/PID/stat`` from its third field on, a zero for the state; empty where it is gone.

    Source: proc(5). The name in parentheses may hold blanks, so fields are counted from behind it.
    """
    fields = (read_text(root / "proc" / str(pid) / "stat") or "").rpartition(")")[2].split()
    return tuple(parse_int(field) or 0 for field in fields)
