"""What this process's control groups allow it, in versions 1 and 2.

A container's limit is often far below the machine's, and the machine's numbers alone then promise memory that
the kernel will kill for. Source: Linux Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.
May import: standard library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assay.probes.files import parse_int, parse_pairs, read_int, read_text

_UNLIMITED_BYTES = 1 << 60
"""Version 1 says "no limit" with the largest page-aligned number (about 2**63)."""


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """One memory limit on the way from this process to the root, and what is used under it.

    ``used_bytes`` leaves out file cache that the kernel would drop first (``inactive_file``).
    """

    limit_bytes: int
    used_bytes: int | None


def read_cgroup_version(root: Path = Path("/")) -> int | None:
    """Return 2 where the unified hierarchy controls memory, 1 for the older one, None without control groups."""
    if (root / "sys/fs/cgroup/cgroup.controllers").exists():
        return 2
    return 1 if (root / "sys/fs/cgroup/memory").is_dir() else None


def read_cgroup_memory(root: Path = Path("/")) -> tuple[CgroupMemory, ...]:
    """Return every memory limit that applies to this process, nearest first."""
    if read_cgroup_version(root) == 2:  # noqa: PLR2004  (the name of the interface, not a quantity)
        names = ("memory.max", "memory.current", "inactive_file")
        folders = _walk_up(root / "sys/fs/cgroup", _find_path(root, ""))
    else:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        folders = _walk_up(root / "sys/fs/cgroup/memory", _find_path(root, "memory"))
    return tuple(_read_limits(folders, *names))


def read_cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the CPUs' worth of time the control groups grant (quota / period), None where unlimited."""
    quotas = []
    if read_cgroup_version(root) == 2:  # noqa: PLR2004
        for folder in _walk_up(root / "sys/fs/cgroup", _find_path(root, "")):
            quota, _, period = (read_text(folder / "cpu.max") or "").partition(" ")
            quotas.append(_divide(parse_int(quota), parse_int(period)))
    else:
        for controller in ("cpu", "cpu,cpuacct"):
            for folder in _walk_up(root / "sys/fs/cgroup" / controller, _find_path(root, "cpu")):
                quota_us, period_us = read_int(folder / "cpu.cfs_quota_us"), read_int(folder / "cpu.cfs_period_us")
                quotas.append(_divide(quota_us, period_us))
    return min((quota for quota in quotas if quota is not None), default=None)


def _divide(quota: int | None, period: int | None) -> float | None:
    return quota / period if quota is not None and period and quota > 0 else None


def _find_path(root: Path, controller: str) -> str:
    """Return this process's path in the hierarchy of ``controller`` ('' for version 2)."""
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            return path.strip("/")
    return ""


def _walk_up(mount: Path, inner: str) -> tuple[Path, ...]:
    """Folders from the process's group up to the mount; a container often sees only the mount itself."""
    own = mount / inner
    if not own.is_dir():
        own = mount
    return (own, *(parent for parent in own.parents if parent == mount or mount in parent.parents))


def _read_limits(folders: tuple[Path, ...], limit: str, usage: str, cache: str) -> Iterator[CgroupMemory]:
    for folder in folders:
        limit_bytes = read_int(folder / limit)
        if limit_bytes is None or limit_bytes >= _UNLIMITED_BYTES:
            continue
        used_bytes = read_int(folder / usage)
        if used_bytes is not None:
            stat = dict(parse_pairs(read_text(folder / "memory.stat") or "", " "))
            used_bytes = max(0, used_bytes - (parse_int(stat.get(cache)) or 0))
        yield CgroupMemory(limit_bytes, used_bytes)
