"""Witnesses of what disturbed a timed region: taken before and after it, never during it.

The spread of the samples does not show a neighbour (a steady disturbance gives steady wrong numbers), the
kernel's own accounts do. What a witness means, and where every limit was measured: docs/environment.md.
May import: standard library and core.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from assay.core.words import Verdict
from assay.probes.files import list_children, parse_float, parse_pairs, parse_stall_us, read_int, read_text
from assay.probes.processes import ProcessAccounts, read_accounts, sum_rise

_ROOT = Path("/")
_CLOCKS_READ = 16
"""Reading one core's clock can cost an interrupt on that core; sixteen show whether clocks fell."""
_SHORTEST_NS = 100_000_000
"""The kernel counts CPU time of the machine in ticks of 10 ms; below ten of them a share means nothing."""


@dataclass(frozen=True, slots=True)
class NoiseSnapshot:
    """The accounts at one moment, counting from an arbitrary start. None where this system keeps no such account.

    ``busy_ticks`` is CPU time spent on any process or interrupt of the machine, ``total_ticks`` that plus idle
    and stolen time, over ``cpus`` processors. ``throttle_events`` counts thermal limits. ``clock_mhz`` is the
    fastest core's clock now. ``children_cpu_ns`` is CPU time of the processes that this one has started and their own:
    they load its data or train beside it, and are nobody else. ``others`` are the accounts of processes that were
    named, where the model runs in those and not in this one: then they are timed, and not in ``children_cpu_ns``.
    """

    wall_ns: int
    process_cpu_ns: int
    involuntary_switches: int | None = None
    voluntary_switches: int | None = None
    major_faults: int | None = None
    minor_faults: int | None = None
    psi_cpu_us: int | None = None
    psi_memory_us: int | None = None
    psi_io_us: int | None = None
    busy_ticks: int | None = None
    steal_ticks: int | None = None
    total_ticks: int | None = None
    cpus: int | None = None
    clock_mhz: float | None = None
    throttle_events: int | None = None
    children_cpu_ns: int | None = None
    others: ProcessAccounts | None = None


def take_snapshot(pids: Collection[int] | None = None, *, root: Path = _ROOT) -> NoiseSnapshot:
    """Read every account once (about 0.3 ms on Linux). Never raises for an absent file.

    ``pids`` are the processes that the model runs in, where that is not this one.
    """
    switches = _read_usage()
    ticks = _read_ticks(root)
    return NoiseSnapshot(
        involuntary_switches=switches.get("involuntary"),
        voluntary_switches=switches.get("voluntary"),
        major_faults=switches.get("major"),
        minor_faults=switches.get("minor"),
        psi_cpu_us=_read_stall_us(root, "cpu"),
        psi_memory_us=_read_stall_us(root, "memory"),
        psi_io_us=_read_stall_us(root, "io"),
        busy_ticks=ticks.get("busy"),
        steal_ticks=ticks.get("steal"),
        total_ticks=ticks.get("total"),
        cpus=ticks.get("cpus"),
        clock_mhz=_read_clock_mhz(root),
        throttle_events=_read_throttle_events(root),
        children_cpu_ns=_read_children_cpu_ns(root, apart=pids or ()),
        others=None if pids is None else read_accounts(pids, root=root),
        # Last, so that the reading itself is not inside a region that starts here.
        process_cpu_ns=time.process_time_ns(),
        wall_ns=time.perf_counter_ns(),
    )


def measure_noise(
    before: NoiseSnapshot, after: NoiseSnapshot, *, samples: int, threads: int, cpus: int | None = None
) -> dict[str, float]:
    """Return the witnesses of the region between two snapshots; a key whose source is absent is left out.

    ``samples`` is how many readings were timed in the region, ``threads`` how many threads were to compute,
    ``cpus`` the machine's logical processors (default: as /proc/stat lists them). Shares are in 0..1 of the
    region's wall time, or of wall time x ``cpus`` for ``steal_share`` and ``other_cpu_share``.
    """
    wall_ns = after.wall_ns - before.wall_ns
    process_ns, switches, faults = _rise_of_timed(before, after)
    processors = cpus or before.cpus
    found: dict[str, float | None] = {
        "clock_before_mhz": before.clock_mhz,
        "clock_after_mhz": after.clock_mhz,
        "throttle_events": _rise(before.throttle_events, after.throttle_events),
        "major_faults": faults,
    }
    if samples > 0:
        found["involuntary_switches_per_sample"] = _scale(switches, 1 / samples)
    if process_ns > 0:
        found["involuntary_switches_per_cpu_s"] = _scale(switches, 1e9 / process_ns)
    if wall_ns > 0:
        found["cpu_share"] = process_ns / (wall_ns * threads) if threads > 0 else None
        found["psi_cpu_some_share"] = _share(_rise(before.psi_cpu_us, after.psi_cpu_us), wall_ns)
        found["psi_memory_some_share"] = _share(_rise(before.psi_memory_us, after.psi_memory_us), wall_ns)
        found["psi_io_some_share"] = _share(_rise(before.psi_io_us, after.psi_io_us), wall_ns)
    total = _rise(before.total_ticks, after.total_ticks)
    if total and wall_ns >= _SHORTEST_NS:
        found["steal_share"] = _scale(_rise(before.steal_ticks, after.steal_ticks), 1 / total)
        busy_share = _scale(_rise(before.busy_ticks, after.busy_ticks), 1 / total)
        if busy_share is not None and processors:
            # Ticks are coarser than the process clock, so the difference of an idle machine may fall below zero.
            own_ns = process_ns + (_rise(before.children_cpu_ns, after.children_cpu_ns) or 0)
            if before.others is not None:  # this process only told others what to do, but it is no neighbour
                own_ns += _process_ns(before, after)
            other_share = max(0.0, busy_share - own_ns / (wall_ns * processors))
            found["other_cpu_share"], found["other_cpus"] = other_share, other_share * processors
    if after.others is not None:
        found["timed_processes"] = len(after.others.cpu_ns)
    return {name: float(value) for name, value in found.items() if value is not None}


def cpu_ns_between(before: NoiseSnapshot, after: NoiseSnapshot) -> int:
    """Return the CPU time that was spent on the model: by this process and what it started, or by those named."""
    if before.others is not None:
        return _rise_of_timed(before, after)[0]
    return _process_ns(before, after) + (_rise(before.children_cpu_ns, after.children_cpu_ns) or 0)


def _rise_of_timed(before: NoiseSnapshot, after: NoiseSnapshot) -> tuple[int, int | None, int | None]:
    """CPU time, involuntary switches and major faults of what is timed: this process, or those named."""
    first, last = before.others, after.others
    if first is None or last is None:
        switches = _rise(before.involuntary_switches, after.involuntary_switches)
        return _process_ns(before, after), switches, _rise(before.major_faults, after.major_faults)
    switches = sum_rise(first.involuntary_switches, last.involuntary_switches)
    return sum_rise(first.cpu_ns, last.cpu_ns) or 0, switches, sum_rise(first.major_faults, last.major_faults)


def _process_ns(before: NoiseSnapshot, after: NoiseSnapshot) -> int:
    return after.process_cpu_ns - before.process_cpu_ns


def _rise(before: int | None, after: int | None) -> int | None:
    """Difference of two counters; None where one is missing. A counter that was reset counts as no rise."""
    return None if before is None or after is None else max(0, after - before)


def _share(stalled_us: int | None, wall_ns: int) -> float | None:
    """Share of the wall time; the accounts are read one after the other, so a full stall may come out just above 1."""
    return None if stalled_us is None else min(1.0, stalled_us * 1e3 / wall_ns)


def _scale(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _read_usage() -> dict[str, int]:
    """Switches and faults of all threads of this process."""
    try:
        import resource
    except ImportError:  # Windows keeps no such account
        return {}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "involuntary": usage.ru_nivcsw,
        "voluntary": usage.ru_nvcsw,
        "major": usage.ru_majflt,
        "minor": usage.ru_minflt,
    }


def _read_stall_us(root: Path, resource_name: str) -> int | None:
    return parse_stall_us(read_text(root / "proc/pressure" / resource_name))


def _read_ticks(root: Path) -> dict[str, int]:
    """Read /proc/stat: ``cpu user nice system idle iowait irq softirq steal guest guest_nice`` (guests are in user)."""
    text = read_text(root / "proc/stat") or ""
    lines = [line.split() for line in text.splitlines() if line.startswith("cpu")]
    if not lines or lines[0][0] != "cpu":
        return {}
    user, nice, system, idle, iowait, irq, softirq, steal = [*(int(field) for field in lines[0][1:9]), *[0] * 8][:8]
    busy = user + nice + system + irq + softirq
    return {"busy": busy, "steal": steal, "total": busy + idle + iowait + steal, "cpus": len(lines) - 1}


def _read_children_cpu_ns(root: Path, *, apart: Collection[int] = ()) -> int | None:
    """Sum the CPU time of all living descendants but those ``apart``; None where the kernel does not list them.

    Source: proc(5): ``/proc/PID/task/TID/children`` and fields 14 and 15 (utime, stime) of ``/proc/PID/stat``.
    """
    begin = root / "proc/self"
    if read_text(begin / f"task/{os.getpid()}/children") is None:
        return None
    waiting, ticks = [begin], 0
    while waiting:
        folder = waiting.pop()
        for listed in list_children(folder / "task", "*"):
            for pid in (read_text(listed / "children") or "").split():
                waiting.append(root / "proc" / pid)
                if int(pid) in apart:
                    continue
                # The name in parentheses may hold blanks, so fields are counted from behind it.
                fields = (read_text(root / "proc" / pid / "stat") or "").rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:13]))
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _read_clock_mhz(root: Path) -> float | None:
    """Return the fastest clock among the first processors this process may use, in MHz."""
    if root == _ROOT and hasattr(os, "sched_getaffinity"):
        numbers = sorted(os.sched_getaffinity(0))[:_CLOCKS_READ]
        folders = tuple(root / f"sys/devices/system/cpu/cpu{number}" for number in numbers)
    else:
        folders = list_children(root / "sys/devices/system/cpu", "cpu[0-9]*")[:_CLOCKS_READ]
    clocks = [read_int(folder / "cpufreq/scaling_cur_freq") for folder in folders]
    known = [clock / 1e3 for clock in clocks if clock]
    if known:
        return max(known)
    lines = parse_pairs(read_text(root / "proc/cpuinfo") or "")
    listed = [parse_float(value) for key, value in lines if key == "cpu MHz"]
    return max((clock for clock in listed if clock), default=None)


def _read_throttle_events(root: Path) -> int | None:
    """Sum the thermal limits hit by all cores and packages. Source: Linux drivers/thermal/intel/therm_throt.c."""
    files = list_children(root / "sys/devices/system/cpu", "cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [count for count in map(read_int, files) if count is not None]
    return sum(counts) if counts else None


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule of the verdict: above ``noisy`` or ``contaminated`` (None: never) the witness is a reason.

    ``text`` is a sentence with ``{value}`` and ``{limit}``; a share is shown in percent, anything else as it is.
    """

    witness: str
    noisy: float
    contaminated: float | None
    text: str
    is_share: bool = True


LIMITS = (
    Limit("other_cpu_share", 0.10, 0.20, "other processes used {value} of the machine's CPU while timing"),
    Limit("psi_cpu_some_share", 0.08, 0.20, "some process waited for a CPU during {value} of the timing"),
    Limit(
        "involuntary_switches_per_cpu_s", 60.0, 150.0,
        "the timed process was pushed off its CPU {value} times a second", is_share=False,
    ),
    Limit("steal_share", 0.05, 0.15, "the hypervisor gave {value} of the CPU time to other machines"),
    Limit("psi_memory_some_share", 0.01, 0.10, "some process waited for memory during {value} of the timing"),
    Limit("clock_fall", 0.10, None, "the CPU clock was {value} lower after the timing than before"),
    Limit("throttle_events", 0.0, None, "the CPU hit its thermal limit {value} times", is_share=False),
    Limit("device_other_processes", 0.0, 0.0, "{value} other processes used the device", is_share=False),
    Limit("device_throttled_share", 0.0, 0.10, "the device was throttled during {value} of the timing"),
    Limit("unwatched", 0.0, None, "nobody could see what else that device did while timing", is_share=False),
)  # fmt: skip
"""Every rule; docs/environment.md has the measurement behind each. ``device_`` witnesses come from a GPU's probe."""

_TREE_LIMITS: Mapping[str, tuple[float, float] | None] = {
    "other_cpu_share": (0.05, 0.20),
    "psi_cpu_some_share": (0.20, 0.40),
    "involuntary_switches_per_cpu_s": None,
}
"""Noisy and contaminated, where a program of several processes is timed; None: no witness there. They wake each other
and push each other off, undisturbed 44 to 1768 times a second, and beside a spinning neighbour no oftener. So what
others did is read where it stands alone, in the CPU time that they used, and that by a narrower limit."""

_ALONE_CPUS = 0.1
"""Below a tenth of one processor's time, nobody else can have caused waiting of the size that the limits name."""
_WAITING = ("psi_cpu_some_share", "involuntary_switches_per_cpu_s")
_WHEN_ALONE = {
    False: "nothing else was running, so use fewer threads",
    True: "nothing else was running, so its own processes waited for each other: use fewer threads",
}


def judge_noise(witnesses: Mapping[str, float]) -> tuple[Verdict, tuple[str, ...]]:
    """Return whether a timing with these witnesses can be believed, and every reason against it, worst first.

    A witness that is absent says nothing: without any, the verdict is trusted. The spread of the samples is not
    asked, and neither is ``cpu_share``: a model may have serial parts, or run elsewhere than on the CPU.
    """
    values = {**witnesses, **_measure_clock_fall(witnesses)}
    found: list[tuple[Verdict, str]] = []
    is_tree = witnesses.get("timed_processes", 1) > 1
    for limit in _limits_of_trees() if is_tree else LIMITS:
        value = values.get(limit.witness)
        if value is None or value <= limit.noisy:
            continue
        contaminated = limit.contaminated is not None and value > limit.contaminated
        verdict = Verdict.CONTAMINATED if contaminated else Verdict.NOISY
        text = _explain(limit, value, limit.contaminated if contaminated and limit.contaminated else limit.noisy)
        alone = limit.witness in _WAITING and witnesses.get("other_cpus", math.inf) < _ALONE_CPUS
        found.append((verdict, f"{text}; {_WHEN_ALONE[is_tree]}" if alone else text))
    order = list(Verdict)
    found.sort(key=lambda entry: -order.index(entry[0]))
    return Verdict.worst([verdict for verdict, _ in found]), tuple(text for _, text in found)


def _limits_of_trees() -> tuple[Limit, ...]:
    """`LIMITS`, with those of `_TREE_LIMITS` in the place of theirs."""
    found = []
    for limit in LIMITS:
        bounds = _TREE_LIMITS.get(limit.witness, (limit.noisy, limit.contaminated))
        if bounds is not None:
            found.append(replace(limit, noisy=bounds[0], contaminated=bounds[1]))
    return tuple(found)


def _measure_clock_fall(witnesses: Mapping[str, float]) -> dict[str, float]:
    before, after = witnesses.get("clock_before_mhz"), witnesses.get("clock_after_mhz")
    return {"clock_fall": 1 - after / before} if before and after is not None else {}


def _explain(limit: Limit, value: float, crossed: float) -> str:
    def show(number: float) -> str:
        return f"{number * 100:.0f} %" if limit.is_share else f"{number:.0f}"

    sentence = limit.text.format(value=show(value))
    return f"{sentence} (limit {show(crossed)})" if crossed else sentence
