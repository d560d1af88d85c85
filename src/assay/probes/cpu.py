"""The processor: what it is, which instructions it has, and what of it this process may use.

May import: standard library, core, psutil (where there is neither /proc nor sysctl).
"""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from assay.probes.apple import read_sysctl
from assay.probes.commands import CommandRunner, run_command
from assay.probes.files import list_children, parse_int, parse_pairs, parse_size_bytes, read_int, read_text

_ROOT = Path("/")
_CPUS = "sys/devices/system/cpu"

# Names as in Linux arch/x86/include/asm/cpufeatures.h and Documentation/arch/arm64/elf_hwcaps.rst
_SAME_NAME = """
sse4_2 avx avx2 fma f16c avx_vnni avx_vnni_int8 avx_ne_convert avx10
avx512f avx512bw avx512vl avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16 amx_fp16
neon sve sve2 i8mm bf16 svebf16 svei8mm sme sme2
"""
_ISA = {name: name for name in _SAME_NAME.split()} | {"asimd": "neon", "asimdhp": "fp16", "asimddp": "dotprod"}
"""Flag of the kernel -> name in the facts, for instructions that matrix libraries choose kernels by."""

_ARM_CORES = {
    # (implementer, part): Linux arch/arm64/include/asm/cputype.h
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD83): "Neoverse-V3",
    (0x41, 0xD8E): "Neoverse-N3",
    (0xC0, 0xAC3): "Ampere-1",
    (0xC0, 0xAC4): "Ampere-1a",
}
_ARM_MAKERS = {0x41: "ARM", 0x46: "Fujitsu", 0x48: "HiSilicon", 0x4E: "NVIDIA", 0x51: "Qualcomm", 0x61: "Apple"}
_ARM_MAKERS[0xC0] = "Ampere"
_X86_MAKERS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD", "HygonGenuine": "Hygon"}


def collect_cpu(*, root: Path = _ROOT, run: CommandRunner = run_command) -> dict[str, Any]:
    """Return the facts about the processor as plain data; what is not known is None."""
    if sys.platform == "darwin" and root == _ROOT:
        return _collect_darwin(run)
    blocks = _read_cpuinfo(root)
    first = blocks[0] if blocks else {}
    topology = _read_topology(root, blocks)
    return {
        "vendor": _find_vendor(first),
        "model": find_cpu_model(first, root),
        "architecture": _find_architecture(root, first),
        "family_model_stepping": _join_numbers(first),
        "microcode": first.get("microcode"),
        **topology,
        "usable_cores": count_usable_cores(root=root, default=topology["logical_cores"]),
        "min_mhz": _read_mhz(root, "cpuinfo_min_freq"),
        "max_mhz": _read_mhz(root, "cpuinfo_max_freq"),
        "governor": read_text(root / _CPUS / "cpu0/cpufreq/scaling_governor"),
        "frequency_driver": read_text(root / _CPUS / "cpu0/cpufreq/scaling_driver"),
        "boost": _read_boost(root),
        "smt": _read_switch(root / _CPUS / "smt/active"),
        "numa_nodes": len(list_children(root / "sys/devices/system/node", "node[0-9]*")) or None,
        "caches": _read_caches(root),
        "isa": _find_isa(first),
    }


def count_usable_cores(*, root: Path = _ROOT, default: int | None = None) -> int | None:
    """Return how many logical processors the scheduler lets this process use (its affinity)."""
    for key, value in parse_pairs(read_text(root / "proc/self/status") or ""):
        if key == "Cpus_allowed_list" and root != _ROOT:
            return _count_list(value)
    if root != _ROOT:
        return default
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else default


def find_cpu_model(block: dict[str, str], root: Path = _ROOT) -> str | None:
    """Return the marketing name, without trademark signs, clock and core counts; for ARM servers the core's name."""
    name = block.get("model name") or block.get("cpu model")
    if name and not name.startswith("ARMv8 Processor"):
        return _clean_model(name)
    maker, part = parse_int(block.get("CPU implementer")), parse_int(block.get("CPU part"))
    if maker is not None and part is not None:
        unknown = f"{_ARM_MAKERS.get(maker, f'implementer {maker:#04x}')} part {part:#05x}"
        return _ARM_CORES.get((maker, part), unknown)
    device_tree = read_text(root / "proc/device-tree/model")
    if device_tree:
        return device_tree.rstrip("\0")
    return _clean_model(platform.processor()) or None if root == _ROOT else None


def _clean_model(name: str) -> str:
    without_marks = re.sub(r"\((?:R|TM|C)\)", "", name, flags=re.IGNORECASE)
    plain = re.sub(r"\s+@.*$|\b\d+-Core\b|\b(?:CPU|Processor)\b", "", without_marks)
    return " ".join(plain.split())


def _read_cpuinfo(root: Path) -> list[dict[str, str]]:
    blocks = (read_text(root / "proc/cpuinfo") or "").split("\n\n")
    parsed = [dict(parse_pairs(block)) for block in blocks if block.strip()]
    # The last block of an ARM board describes the board, not a processor.
    return [block for block in parsed if "processor" in block]


def _find_vendor(block: dict[str, str]) -> str | None:
    vendor = block.get("vendor_id")
    if vendor:
        return _X86_MAKERS.get(vendor, vendor)
    maker = parse_int(block.get("CPU implementer"))
    return None if maker is None else _ARM_MAKERS.get(maker, f"{maker:#04x}")


def _find_architecture(root: Path, block: dict[str, str]) -> str | None:
    if root == _ROOT:
        return platform.machine() or None
    return "aarch64" if "CPU implementer" in block else "x86_64" if "flags" in block else None


def _join_numbers(block: dict[str, str]) -> str | None:
    """``25-1-1``: what distinguishes processors that hypervisors give the same name."""
    numbers = [block.get(key) for key in ("cpu family", "model", "stepping")]
    if any(numbers):
        return "-".join(number or "?" for number in numbers)
    arm = [block.get(key) for key in ("CPU implementer", "CPU part", "CPU variant", "CPU revision")]
    return "-".join(number or "?" for number in arm) if any(arm) else None


def _read_topology(root: Path, blocks: list[dict[str, str]]) -> dict[str, int | None]:
    """Count sockets, cores and threads: from /sys, else from /proc/cpuinfo, else (live only) from psutil."""
    folders = [path / "topology" for path in list_children(root / _CPUS, "cpu[0-9]*")]
    packages = {text for folder in folders if (text := read_text(folder / "physical_package_id"))}
    cores = {text for folder in folders if (text := read_text(folder / "thread_siblings_list"))}
    logical = len(blocks) or len(folders) or None
    if not packages:
        packages = {block["physical id"] for block in blocks if "physical id" in block}
    if not cores:
        cores = {f"{block.get('physical id')}/{block['core id']}" for block in blocks if "core id" in block}
    physical = len(cores) or None
    if root == _ROOT and logical is None:
        import psutil

        logical, physical = psutil.cpu_count(), psutil.cpu_count(logical=False)
    return {
        "sockets": len(packages) or None,
        "physical_cores": physical,
        "logical_cores": logical,
        "threads_per_core": logical // physical if logical and physical else None,
    }


def _read_mhz(root: Path, name: str) -> float | None:
    """Return the highest value over the processors: mixed cores have different limits."""
    khz = [read_int(path / "cpufreq" / name) for path in list_children(root / _CPUS, "cpu[0-9]*")]
    return max((value / 1e3 for value in khz if value), default=None)


def _read_boost(root: Path) -> bool | None:
    no_turbo = _read_switch(root / _CPUS / "intel_pstate/no_turbo")
    return _read_switch(root / _CPUS / "cpufreq/boost") if no_turbo is None else not no_turbo


def _read_switch(path: Path) -> bool | None:
    return {"0": False, "1": True}.get(read_text(path) or "")


def _read_caches(root: Path) -> dict[str, int | None]:
    """Return the bytes of one instance of each cache, as the first processor sees them."""
    sizes: dict[str, int | None] = {"l1d_bytes": None, "l1i_bytes": None, "l2_bytes": None, "l3_bytes": None}
    suffixes = {"Data": "d", "Instruction": "i", "Unified": ""}
    for folder in list_children(root / _CPUS / "cpu0/cache", "index*"):
        name = f"l{read_text(folder / 'level')}{suffixes.get(read_text(folder / 'type') or '', '')}_bytes"
        if name in sizes:
            sizes[name] = parse_size_bytes(read_text(folder / "size"))
    return sizes


def _find_isa(block: dict[str, str]) -> list[str]:
    flags = (block.get("flags") or block.get("Features") or "").split()
    return sorted({_ISA[flag] for flag in flags if flag in _ISA})


def _count_list(text: str) -> int | None:
    """``0-3,8`` -> 5."""
    total = 0
    for part in text.split(","):
        low, _, high = part.strip().partition("-")
        if not low.isdigit():
            return None
        total += int(high or low) - int(low) + 1
    return total


def _collect_darwin(run: CommandRunner) -> dict[str, Any]:
    def number(name: str) -> int | None:
        return parse_int(read_sysctl(name, run=run))

    logical, physical = number("hw.logicalcpu"), number("hw.physicalcpu")
    model = read_sysctl("machdep.cpu.brand_string", run=run)
    arm = ["neon", *(name for name in ("bf16", "i8mm", "sme") if number(f"hw.optional.arm.FEAT_{name.upper()}") == 1)]
    x86 = {"avx2_0": "avx2", "fma": "fma", "f16c": "f16c", "avx512f": "avx512f"}
    intel = [name for flag, name in x86.items() if number(f"hw.optional.{flag}") == 1]
    architecture = platform.machine()
    return {
        "vendor": "Apple" if architecture == "arm64" else "Intel",
        "model": None if model is None else _clean_model(model),
        "architecture": architecture,
        "family_model_stepping": None,
        "microcode": None,
        "sockets": number("hw.packages"),
        "physical_cores": physical,
        "logical_cores": logical,
        "threads_per_core": logical // physical if logical and physical else None,
        "usable_cores": logical,
        "min_mhz": None,
        "max_mhz": None,
        "governor": None,
        "frequency_driver": None,
        "boost": None,
        "smt": None if logical is None or physical is None else logical > physical,
        "numa_nodes": None,
        "caches": {
            "l1d_bytes": number("hw.perflevel0.l1dcachesize") or number("hw.l1dcachesize"),
            "l1i_bytes": number("hw.perflevel0.l1icachesize") or number("hw.l1icachesize"),
            "l2_bytes": number("hw.perflevel0.l2cachesize") or number("hw.l2cachesize"),
            "l3_bytes": number("hw.l3cachesize"),
        },
        "isa": sorted(arm if architecture == "arm64" else intel),
    }
