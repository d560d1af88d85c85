from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from assay.probes.cgroup import read_cgroup_memory, read_cpu_quota
from assay.probes.memory import (
    available_memory_bytes,
    memory_limit_bytes,
    peak_rss_bytes,
    peak_rss_source,
    reset_peak_rss,
    rss_bytes,
)

MakeTree = Callable[[Mapping[str, str]], Path]
MIB = 1024**2
MEMINFO = "MemTotal:  16384 kB\nMemFree:  100 kB\nMemAvailable:  8192 kB\nSwapTotal: 0 kB\n"
UNLIMITED_V1 = "9223372036854771712\n"


ALLOCATE = """
import json
from assay.probes.memory import peak_rss_bytes, reset_peak_rss, rss_bytes
reset_peak_rss()
before = peak_rss_bytes()
block = b"\\x01" * (64 * 1024**2)
during, held = peak_rss_bytes(), rss_bytes()
del block
kept, was_reset = peak_rss_bytes(), reset_peak_rss()
print(json.dumps([before, during, held, kept, was_reset, peak_rss_bytes()]))
"""


def test_the_peak_rises_with_an_allocation_and_falls_after_a_reset() -> None:
    if peak_rss_source() != "VmHWM" or not reset_peak_rss():
        pytest.skip("this kernel cannot reset the peak (no writable /proc/self/clear_refs)")
    # In a process of its own: libraries that other tests loaded may keep what is freed, instead of giving it back.
    done = subprocess.run([sys.executable, "-c", ALLOCATE], check=True, capture_output=True, text=True)
    before, during, held, kept, was_reset, after = json.loads(done.stdout)
    assert was_reset
    assert during - before >= 60 * MIB
    assert held - before >= 60 * MIB
    assert kept >= during - MIB
    assert kept - after >= 56 * MIB


def test_readings_do_not_import_psutil_where_proc_answers() -> None:
    code = (
        "import sys; from assay.probes.memory import *; "
        "assert rss_bytes() > 0 and peak_rss_bytes() > 0 and available_memory_bytes() > 0; "
        "print('psutil' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    if not Path("/proc/self/status").exists():
        pytest.skip("this system has no /proc")
    assert done.stdout.strip() == "False"


def test_this_machine_leaves_less_than_it_could_give() -> None:
    available, limit = available_memory_bytes(), memory_limit_bytes()
    assert available is not None
    assert limit is not None
    assert 0 < available <= limit


def test_without_control_groups_the_machine_decides(make_tree: MakeTree) -> None:
    root = make_tree({"proc/meminfo": MEMINFO})
    assert memory_limit_bytes(root=root) == 16 * MIB
    assert available_memory_bytes(root=root) == 8 * MIB


def test_version_2_limits_count_up_to_the_root_without_file_cache(make_tree: MakeTree) -> None:
    groups = "sys/fs/cgroup"
    root = make_tree(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/jobs/mine\n",
            f"{groups}/cgroup.controllers": "cpu memory\n",
            f"{groups}/jobs/memory.max": f"{4 * MIB}\n",
            f"{groups}/jobs/memory.current": f"{3 * MIB}\n",
            f"{groups}/jobs/memory.stat": f"anon 1\ninactive_file {MIB}\n",
            f"{groups}/jobs/cpu.max": "150000 100000\n",
            f"{groups}/jobs/mine/memory.max": "max\n",
            f"{groups}/jobs/mine/memory.current": f"{MIB}\n",
            f"{groups}/jobs/mine/cpu.max": "max 100000\n",
        }
    )
    (limit,) = read_cgroup_memory(root)
    assert (limit.limit_bytes, limit.used_bytes) == (4 * MIB, 2 * MIB)
    assert memory_limit_bytes(root=root) == 4 * MIB
    assert available_memory_bytes(root=root) == 2 * MIB
    assert read_cpu_quota(root) == 1.5


def test_version_1_in_a_container_that_sees_only_its_own_mount(make_tree: MakeTree) -> None:
    groups = "sys/fs/cgroup"
    root = make_tree(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
            f"{groups}/memory/memory.limit_in_bytes": f"{10 * MIB}\n",
            f"{groups}/memory/memory.usage_in_bytes": f"{9 * MIB}\n",
            f"{groups}/memory/memory.stat": f"cache 5\ntotal_inactive_file {4 * MIB}\n",
            f"{groups}/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            f"{groups}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }
    )
    assert memory_limit_bytes(root=root) == 10 * MIB
    assert available_memory_bytes(root=root) == 5 * MIB
    assert read_cpu_quota(root) == 0.5


def test_version_1_says_unlimited_with_a_huge_number(make_tree: MakeTree) -> None:
    groups = "sys/fs/cgroup"
    root = make_tree(
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/a\n1:cpu:/\n",
            f"{groups}/memory/a/memory.limit_in_bytes": UNLIMITED_V1,
            f"{groups}/memory/memory.limit_in_bytes": UNLIMITED_V1,
            f"{groups}/cpu/cpu.cfs_quota_us": "-1\n",
            f"{groups}/cpu/cpu.cfs_period_us": "100000\n",
        }
    )
    assert read_cgroup_memory(root) == ()
    assert memory_limit_bytes(root=root) == 16 * MIB
    assert read_cpu_quota(root) is None


def test_a_system_that_shows_nothing_gives_none(make_tree: MakeTree) -> None:
    root = make_tree({})
    assert rss_bytes(root=root) is None
    assert peak_rss_bytes(root=root) is None
    assert peak_rss_source(root=root) is None
    assert available_memory_bytes(root=root) is None
    assert memory_limit_bytes(root=root) is None
    assert not reset_peak_rss(root=root)
    assert list(root.iterdir()) == []
