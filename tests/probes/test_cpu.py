from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from assay.probes.cpu import collect_cpu
from assay.probes.files import parse_size_bytes

MakeTree = Callable[[Mapping[str, str]], Path]
CPUS = "sys/devices/system/cpu"


def x86_block(number: int, *, socket: int, core: int, vendor: str, model: str, flags: str) -> str:
    return (
        f"processor\t: {number}\nvendor_id\t: {vendor}\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: {model}\n"
        f"stepping\t: 8\nmicrocode\t: 0x2b000603\ncpu MHz\t\t: 2{number}00.000\nphysical id\t: {socket}\n"
        f"core id\t\t: {core}\nflags\t\t: {flags}\n\n"
    )


def topology(number: int, socket: int, siblings: str) -> dict[str, str]:
    folder = f"{CPUS}/cpu{number}/topology"
    return {f"{folder}/physical_package_id": f"{socket}\n", f"{folder}/thread_siblings_list": f"{siblings}\n"}


def test_reads_a_two_socket_intel_server_with_smt(make_tree: MakeTree) -> None:
    model = "Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz"
    flags = "fpu sse4_2 avx avx2 fma f16c avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8 avx_vnni"
    files = {
        "proc/cpuinfo": "".join(
            x86_block(number, socket=number % 2, core=number // 2 % 2, vendor="GenuineIntel", model=model, flags=flags)
            for number in range(8)
        ),
        "proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-2,6\n",
        f"{CPUS}/smt/active": "1\n",
        f"{CPUS}/intel_pstate/no_turbo": "0\n",
        f"{CPUS}/cpu0/cpufreq/scaling_governor": "performance\n",
        f"{CPUS}/cpu0/cpufreq/cpuinfo_max_freq": "3800000\n",
        f"{CPUS}/cpu0/cpufreq/cpuinfo_min_freq": "800000\n",
        "sys/devices/system/node/node0/cpulist": "0,2,4,6\n",
        "sys/devices/system/node/node1/cpulist": "1,3,5,7\n",
    }
    for index, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K"), ("3", "Unified", "107520K")]
    ):
        folder = f"{CPUS}/cpu0/cache/index{index}"
        files |= {f"{folder}/level": level, f"{folder}/type": kind, f"{folder}/size": size}
    for number in range(8):
        files |= topology(number, number % 2, f"{number % 4},{number % 4 + 4}")

    cpu = collect_cpu(root=make_tree(files))

    assert cpu["vendor"] == "Intel"
    assert cpu["model"] == "Intel Xeon Platinum 8480+"
    assert cpu["family_model_stepping"] == "6-143-8"
    assert (cpu["sockets"], cpu["physical_cores"], cpu["logical_cores"], cpu["threads_per_core"]) == (2, 4, 8, 2)
    assert cpu["usable_cores"] == 4
    assert (cpu["min_mhz"], cpu["max_mhz"], cpu["governor"]) == (800.0, 3800.0, "performance")
    assert (cpu["boost"], cpu["smt"], cpu["numa_nodes"]) == (True, True, 2)
    assert cpu["caches"] == {"l1d_bytes": 49152, "l1i_bytes": 32768, "l2_bytes": 2097152, "l3_bytes": 110100480}
    assert {"amx_bf16", "amx_int8", "avx512_bf16", "avx_vnni"} <= set(cpu["isa"])
    assert "fpu" not in cpu["isa"]


def test_reads_an_amd_machine_without_sys(make_tree: MakeTree) -> None:
    blocks = "".join(
        x86_block(number, socket=0, core=number // 2, vendor="AuthenticAMD", model=model, flags="avx2 fma")
        for model in ["AMD EPYC 7763 64-Core Processor"]
        for number in range(4)
    )
    cpu = collect_cpu(root=make_tree({"proc/cpuinfo": blocks}))
    assert (cpu["vendor"], cpu["model"]) == ("AMD", "AMD EPYC 7763")
    assert (cpu["sockets"], cpu["physical_cores"], cpu["logical_cores"], cpu["threads_per_core"]) == (1, 2, 4, 2)
    assert cpu["governor"] is None
    assert cpu["boost"] is None
    assert cpu["caches"]["l3_bytes"] is None


@pytest.mark.parametrize(
    ("implementer", "part", "model"),
    [("0x41", "0xd0c", "Neoverse-N1"), ("0x41", "0xd4f", "Neoverse-V2"), ("0x41", "0xfff", "ARM part 0xfff")],
)
def test_names_an_arm_server_by_its_core(make_tree: MakeTree, implementer: str, part: str, model: str) -> None:
    block = (
        "processor\t: {number}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimdhp asimddp sve i8mm bf16\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: {part}\n"
        "CPU revision\t: 1\n\n"
    )
    text = "".join(block.format(number=number) for number in range(2))
    cpu = collect_cpu(root=make_tree({"proc/cpuinfo": text, **topology(0, 0, "0"), **topology(1, 0, "1")}))
    assert (cpu["vendor"], cpu["model"], cpu["architecture"]) == ("ARM", model, "aarch64")
    assert (cpu["physical_cores"], cpu["threads_per_core"]) == (2, 1)
    assert cpu["isa"] == ["bf16", "dotprod", "fp16", "i8mm", "neon", "sve"]


def test_a_machine_that_shows_nothing_is_all_none(make_tree: MakeTree) -> None:
    cpu = collect_cpu(root=make_tree({}))
    assert cpu.pop("isa") == []
    assert set(cpu.pop("caches").values()) == {None}
    assert {value for value in cpu.values() if value is not None} == set()


def test_an_unreadable_file_is_none_not_an_error(make_tree: MakeTree) -> None:
    # A folder in place of the file fails to be read for every user, the superuser too.
    cpu = collect_cpu(root=make_tree({"proc/cpuinfo/inside": "", f"{CPUS}/smt/active/inside": ""}))
    assert (cpu["model"], cpu["smt"]) == (None, None)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no CPU affinity")
def test_this_machine() -> None:
    cpu = collect_cpu()
    assert cpu["usable_cores"] == len(os.sched_getaffinity(0))
    assert cpu["logical_cores"] >= cpu["physical_cores"] >= cpu["sockets"] >= 1


@pytest.mark.parametrize(("text", "size"), [("512K", 524288), ("32M", 33554432), ("64", 64), ("", None), ("xK", None)])
def test_cache_sizes(text: str, size: int | None) -> None:
    assert parse_size_bytes(text) == size
