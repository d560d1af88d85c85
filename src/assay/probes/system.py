"""The operating system, what it runs on (hypervisor, container), and its memory settings.

May import: standard library and core.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.probes.cgroup import read_cgroup_memory, read_cgroup_version, read_cpu_quota
from assay.probes.commands import CommandRunner, run_command
from assay.probes.files import parse_pairs, read_kib_table, read_text
from assay.probes.memory import total_memory_bytes

_ROOT = Path("/")

_DMI = {
    # Start of sys_vendor or product_name -> systemd's name (systemd src/basic/virt.c tells them apart the same way)
    "KVM": "kvm",
    "OpenStack": "kvm",
    "Amazon EC2": "amazon",
    "QEMU": "qemu",
    "VMware": "vmware",
    "VMW": "vmware",
    "innotek GmbH": "oracle",
    "VirtualBox": "oracle",
    "Xen": "xen",
    "Bochs": "bochs",
    "Parallels": "parallels",
    "Google Compute Engine": "google",
    "Virtual Machine": "microsoft",
}
_CONTAINER_MARKS = {".dockerenv": "docker", "run/.containerenv": "podman"}
_CONTAINER_GROUPS = (("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("lxc", "lxc"))


def collect_os(
    *, root: Path = _ROOT, run: CommandRunner = run_command, environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Return the facts about the operating system as plain data."""
    live = root == _ROOT
    return {
        "system": platform.system() if live else "Linux",
        "distribution": _read_distribution(root),
        "kernel": read_text(root / "proc/sys/kernel/osrelease") or (platform.release() if live else None),
        "virtualisation": _find_virtualisation(root, run),
        "container": _find_container(root, environ),
        "clocksource": read_text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
    }


def collect_memory(*, root: Path = _ROOT) -> dict[str, Any]:
    """Return the facts about host memory as plain data: sizes and limits in bytes, nothing that is in use."""
    limits = [limit.limit_bytes for limit in read_cgroup_memory(root)]
    quota = read_cpu_quota(root)
    return {
        "total_bytes": total_memory_bytes(root=root),
        "swap_total_bytes": read_kib_table(root / "proc/meminfo").get("SwapTotal"),
        "cgroup_version": read_cgroup_version(root),
        "cgroup_limit_bytes": min(limits, default=None),
        "cgroup_cpu_quota": None if quota is None else round(quota, 3),
        "transparent_hugepage": _find_choice(read_text(root / "sys/kernel/mm/transparent_hugepage/enabled")),
    }


def read_host_identity(*, root: Path = _ROOT) -> str | None:
    """Return what tells this machine from others: its machine id, else its name. To be hashed, never kept."""
    for name in ("etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname"):
        text = read_text(root / name)
        if text and text != "uninitialized":
            return text
    return platform.node() or None if root == _ROOT else None


def _read_distribution(root: Path) -> str | None:
    for name in ("etc/os-release", "usr/lib/os-release"):
        release = dict(parse_pairs(read_text(root / name) or "", "="))
        if release:
            words = (release.get("ID"), release.get("VERSION_ID"))
            return " ".join(word.strip("\"'") for word in words if word) or None
    if root == _ROOT and platform.system() == "Darwin":
        return f"macos {platform.mac_ver()[0]}"
    return None


def _find_virtualisation(root: Path, run: CommandRunner) -> str | None:
    """Return the hypervisor's name, ``none`` on bare metal, None where it cannot be told."""
    dmi = root / "sys/class/dmi/id"
    # EC2's bare-metal instances carry the same vendor; only the product name (m7i.metal-24xl) says so.
    if ".metal" not in (read_text(dmi / "product_name") or ""):
        for name in ("product_name", "sys_vendor", "board_vendor", "bios_vendor"):
            text = read_text(dmi / name) or ""
            known = next((kind for start, kind in _DMI.items() if text.startswith(start)), None)
            if known:
                return known
    hypervisor = read_text(root / "sys/hypervisor/type")
    if hypervisor:
        return hypervisor
    cpuinfo = read_text(root / "proc/cpuinfo") or ""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    if flags is not None and "hypervisor" not in flags[1].split():
        return "none"
    output = run(["systemd-detect-virt", "--vm"])
    if output is not None and output.stdout.strip():
        return output.stdout.strip()
    return "unknown hypervisor" if flags is not None else None


def _find_container(root: Path, environ: Mapping[str, str]) -> str | None:
    """Return what kind of container this process is in, ``none`` outside, as far as the usual marks tell."""
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    named = environ.get("container") or read_text(root / "run/systemd/container")
    if named:
        return named
    groups = read_text(root / "proc/1/cgroup") or ""
    for mark, kind in _CONTAINER_MARKS.items():
        if (root / mark).exists():
            return kind
    return next((kind for word, kind in _CONTAINER_GROUPS if f"/{word}" in groups), "none")


def _find_choice(text: str | None) -> str | None:
    """``always [madvise] never`` -> ``madvise``."""
    found = re.search(r"\[(\w+)\]", text or "")
    return found[1] if found else None
