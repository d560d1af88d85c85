"""Host memory: what this process holds and held at most, and what the machine would still give it.

Readings come from the kernel's own accounts (VmRSS 25 us, VmHWM the same), because unique-set sizes cost
milliseconds a reading. May import: standard library, psutil (where /proc is absent).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from assay.probes.cgroup import read_cgroup_memory
from assay.probes.files import read_kib_table

_ROOT = Path("/")
_RESET_PEAK = "5"
"""What resets VmHWM when written to clear_refs. Source: Linux Documentation/filesystems/proc.rst."""


def rss_bytes(*, root: Path = _ROOT) -> int | None:
    """Return the resident size of this process in bytes (VmRSS; psutil where there is no /proc)."""
    status = read_kib_table(root / "proc/self/status")
    if "VmRSS" in status or root != _ROOT:
        return status.get("VmRSS")
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_rss_bytes(*, root: Path = _ROOT) -> int | None:
    """Return the largest resident size since the last reset, in bytes; ``peak_rss_source`` says how it is known."""
    status = read_kib_table(root / "proc/self/status")
    if "VmHWM" in status or root != _ROOT:
        return status.get("VmHWM")
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_rss_source(*, root: Path = _ROOT) -> str | None:
    """Name the account behind ``peak_rss_bytes``: ``VmHWM``, ``ru_maxrss`` or ``peak_wset``.

    Only VmHWM can be reset; ru_maxrss is the peak of the whole process, and on Linux starts at the *parent's*
    resident size.
    """
    if "VmHWM" in read_kib_table(root / "proc/self/status"):
        return "VmHWM"
    if root != _ROOT:
        return None
    return "peak_wset" if sys.platform == "win32" else "ru_maxrss"


def reset_peak_rss(*, root: Path = _ROOT) -> bool:
    """Set the peak to the present resident size. False where this system cannot (the peak then spans the process)."""
    try:
        # O_WRONLY without O_CREAT: in a tree that has no such file nothing must appear.
        descriptor = os.open(root / "proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(descriptor, _RESET_PEAK.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def total_memory_bytes(*, root: Path = _ROOT) -> int | None:
    """Return the machine's memory in bytes (MemTotal: what the kernel manages, below what is installed)."""
    return _read_machine(root, "MemTotal", "total")


def available_memory_bytes(*, root: Path = _ROOT) -> int | None:
    """Return the bytes that can be allocated without swapping or being killed.

    The least of MemAvailable and, for every control group above this process, limit minus usage.
    """
    rooms = [limit.limit_bytes - limit.used_bytes for limit in read_cgroup_memory(root) if limit.used_bytes is not None]
    machine = _read_machine(root, "MemAvailable", "available")
    if machine is not None:
        rooms.append(machine)
    return max(0, min(rooms)) if rooms else None


def memory_limit_bytes(*, root: Path = _ROOT) -> int | None:
    """Return the bytes this process could ever hold: the least of MemTotal and the control groups' limits."""
    limits = [limit.limit_bytes for limit in read_cgroup_memory(root)]
    total = total_memory_bytes(root=root)
    return min(limits + ([] if total is None else [total]), default=None)


def _read_machine(root: Path, name: str, psutil_name: str) -> int | None:
    table = read_kib_table(root / "proc/meminfo")
    if table or root != _ROOT:
        return table.get(name)
    import psutil

    return int(getattr(psutil.virtual_memory(), psutil_name))
