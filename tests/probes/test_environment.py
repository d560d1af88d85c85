from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.core.ids import canonical_json
from assay.core.records import EnvironmentRecord
from assay.probes.commands import CommandOutput, CommandRunner, run_nothing
from assay.probes.environment import collect_environment, hardware_class, round_memory_gib
from assay.probes.software import REDACTED, collect_env, list_packages, looks_secret, redact_value, source_hash

MakeTree = Callable[[Mapping[str, str]], Path]
Replay = Callable[[Mapping[str, CommandOutput]], CommandRunner]
GIB = 1024**3

CPUINFO = (
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz\n"
    "cpu MHz\t\t: {mhz}\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: avx2 avx512f{hypervisor}\n\n"
)
MACHINE = {
    "proc/cpuinfo": CPUINFO.format(mhz="2000.000", hypervisor=""),
    "proc/self/status": "Cpus_allowed_list:\t0-15\n",
    "proc/meminfo": "MemTotal: 131900000 kB\nMemFree: 5000 kB\nMemAvailable: 9000 kB\nSwapTotal: 1024 kB\n",
    "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
    "etc/os-release": 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n',
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "proc/driver/nvidia/version": "NVRM\n",
}
TWO_H100 = "".join(
    f"NVIDIA H100 80GB HBM3, 550.54.15, 81559, 700.00, 00000000:{bus}:00.0, GPU-{bus}, Default, Enabled, Disabled, "
    "9.0, Enabled\n"
    for bus in ("19", "3B")
)


def collect(
    root: Path, run: CommandRunner = run_nothing, environ: Mapping[str, str] | None = None
) -> EnvironmentRecord:
    return collect_environment(root=root, run=run, environ=environ or {}, nvml=lambda: None)


def test_two_collections_of_this_machine_share_one_id() -> None:
    first, second = collect_environment(), collect_environment()
    assert canonical_json(first.facts) == canonical_json(second.facts)
    assert (first.env_id, first.host_id) == (second.env_id, second.host_id)
    assert re.fullmatch(r"[0-9a-f]{16}", first.env_id)


def test_another_process_in_another_folder_finds_the_same_id(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    code = "from assay.probes.environment import collect_environment as c; print(c().env_id)"
    ids = set()
    for folder in (tmp_path, Path.cwd()):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=environ, check=True, capture_output=True, text=True
        )
        ids.add(done.stdout)
    assert len(ids) == 1


def test_a_replayed_machine(make_tree: MakeTree, replay: Replay) -> None:
    record = collect(make_tree(MACHINE), replay({"nvidia-smi": CommandOutput(0, TWO_H100)}))
    facts = record.facts
    assert facts["cpu"]["model"] == "Intel Xeon Gold 6338"
    assert facts["memory"]["total_bytes"] == 131900000 * 1024
    assert facts["memory"]["swap_total_bytes"] == 1024**2
    assert facts["memory"]["transparent_hugepage"] == "madvise"
    assert facts["os"] == {
        "system": "Linux",
        "distribution": "ubuntu 24.04",
        "kernel": "6.8.0-45-generic",
        "virtualisation": "none",
        "container": "none",
        "clocksource": "tsc",
    }
    assert [gpu["index"] for gpu in facts["gpus"]] == [0, 1]
    assert record.hardware_class == "2x NVIDIA H100 80GB HBM3 | Intel Xeon Gold 6338 16c"
    assert hardware_class(facts, "cpu") == "Intel Xeon Gold 6338 16c 128GiB"
    assert hardware_class(facts, "cuda:1") == hardware_class(facts, "cuda") == "NVIDIA H100 80GB HBM3"
    assert hardware_class(facts, "openvino:CPU") == hardware_class(facts, "cpu")
    assert hardware_class(facts, "cuda:2") == "cuda:2 | Intel Xeon Gold 6338 16c 128GiB"


def test_what_changes_by_the_minute_changes_nothing(make_tree: MakeTree) -> None:
    first = collect(make_tree(MACHINE))
    changed = {
        "proc/cpuinfo": CPUINFO.format(mhz="3411.222", hypervisor=""),
        "proc/meminfo": MACHINE["proc/meminfo"].replace("MemFree: 5000", "MemFree: 77"),
        "proc/uptime": "12.0 13.0\n",
        "proc/loadavg": "9.1 8.2 7.3 4/100 1234\n",
    }
    second = collect(make_tree(changed))
    assert first.env_id == second.env_id


def test_a_new_kernel_is_another_environment_on_the_same_hardware(make_tree: MakeTree) -> None:
    first = collect(make_tree(MACHINE))
    changed = MACHINE["proc/meminfo"].replace("131900000", "131400000")
    second = collect(make_tree({"proc/sys/kernel/osrelease": "6.11.0\n", "proc/meminfo": changed}))
    assert first.env_id != second.env_id
    assert first.host_id == second.host_id
    assert first.hardware_class == second.hardware_class


def test_a_machine_that_shows_nothing_is_described_all_the_same(make_tree: MakeTree) -> None:
    record = collect(make_tree({}))
    assert record.hardware_class == "unknown CPU"
    assert record.facts["gpus"] == []
    assert record.facts["memory"]["total_bytes"] is None


def test_files_that_cannot_be_read_are_none(make_tree: MakeTree) -> None:
    # A folder in place of each file: reading it fails for every user, the superuser too.
    record = collect(make_tree({f"{name}/inside": "" for name in MACHINE}))
    assert record.facts["cpu"]["model"] is None
    assert record.facts["os"]["kernel"] is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, "qemu"),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m7i.large\n"}, "amazon"),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "m7i.metal-24xl\n"}, "none"),
        ({"sys/class/dmi/id/product_name": "Virtual Machine\n"}, "microsoft"),
        ({"sys/hypervisor/type": "xen\n"}, "xen"),
        ({"proc/cpuinfo": CPUINFO.format(mhz="1", hypervisor=" hypervisor")}, "unknown hypervisor"),
    ],
)
def test_virtualisation(make_tree: MakeTree, files: dict[str, str], expected: str) -> None:
    assert collect(make_tree({**MACHINE, **files})).facts["os"]["virtualisation"] == expected


def test_systemd_names_a_hypervisor_that_only_shows_its_flag(make_tree: MakeTree, replay: Replay) -> None:
    root = make_tree({**MACHINE, "proc/cpuinfo": CPUINFO.format(mhz="1", hypervisor=" hypervisor")})
    run = replay({"systemd-detect-virt --vm": CommandOutput(0, "kvm\n")})
    assert collect(root, run).facts["os"]["virtualisation"] == "kvm"


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {}, "podman"),
        ({"proc/1/cgroup": "0::/kubepods/burstable/pod1\n"}, {}, "kubernetes"),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({}, {"container": "lxc"}, "lxc"),
    ],
)
def test_containers(make_tree: MakeTree, files: dict[str, str], environ: dict[str, str], expected: str) -> None:
    assert collect(make_tree({**MACHINE, **files}), environ=environ).facts["os"]["container"] == expected


def test_a_cpu_quota_bounds_the_hardware_class(make_tree: MakeTree) -> None:
    root = make_tree(
        {**MACHINE, "sys/fs/cgroup/cgroup.controllers": "cpu memory\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}
    )
    assert hardware_class(collect(root).facts, "cpu") == "Intel Xeon Gold 6338 1.5c 128GiB"


@pytest.mark.parametrize(
    ("reported_gib", "rounded"),
    [(23.54, 24), (31.2, 32), (62.7, 64), (125.6, 128), (503.5, 512), (755.2, 768), (3.83, 4), (7.63, 8), (0.94, 1)],
)
def test_memory_is_rounded_to_what_is_sold(reported_gib: float, rounded: float) -> None:
    assert round_memory_gib(reported_gib * GIB) == rounded


def test_no_framework_is_imported_and_no_path_of_python_is_kept() -> None:
    code = (
        "import sys, json; from assay.probes.environment import collect_environment as c; "
        "from assay.probes.devices import detect_devices; detect_devices(); "
        "print(json.dumps([sorted(sys.modules), c().facts]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules, facts = json.loads(done.stdout)
    assert {"torch", "numpy", "transformers", "psutil"} & set(modules) == set()
    assert sys.executable not in json.dumps(facts)
    assert sys.prefix not in json.dumps(facts["python"])


def test_versions_are_those_of_the_package_metadata() -> None:
    installed = list_packages()
    relevant: dict[str, str] = collect_environment().facts["python"]["packages"]
    assert "numpy" in relevant
    for name, version in relevant.items():
        assert importlib.metadata.version(name) == version
        assert installed[name] == version


def test_the_first_package_on_the_path_wins(tmp_path: Path) -> None:
    for folder, version in (("first", "2.1.0+cpu"), ("second", "1.0")):
        (tmp_path / folder / f"Torch_Thing-{version}.dist-info").mkdir(parents=True)
    (tmp_path / "second" / "old-3.2-py3.11.egg-info").mkdir()
    found = list_packages([str(tmp_path / "first"), str(tmp_path / "absent"), str(tmp_path / "second")])
    assert found == {"old": "3.2", "torch-thing": "2.1.0+cpu"}


SECRETS = {
    "CUDA_API_KEY": "short",
    "ORT_AUTH_HEADER": "abc",
    "TORCH_HUB_TOKEN": "t",
    "OPENVINO_PASSWORD": "hunter2",
    "TORCH_INNOCENT": "hf_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3x",
    "NVIDIA_INNOCENT": "wJalrXUtnFEMI/K7MDENG/bPxRfiCY9z8Q1w2e3r4t5",
    "HIP_INNOCENT": "sk-proj-" + "A1b2-C3d4_E5f6-G7h8_I9j0-K1l2",
    "OMP_INNOCENT": "https://user:hunter2@example.org/index",
}


def test_planted_secrets_leave_no_trace(make_tree: MakeTree) -> None:
    unrelated = {"HF_TOKEN": "planted-unrelated", "AWS_SECRET_ACCESS_KEY": "planted-other", "PATH": "/planted/path"}
    record = collect(make_tree(MACHINE), environ={**SECRETS, **unrelated})
    text = canonical_json(record.facts)
    assert {record.facts["env"][name] for name in SECRETS} == {REDACTED}
    assert set(record.facts["env"]) == set(SECRETS)
    for value in (*SECRETS.values(), *unrelated.values(), MACHINE["etc/machine-id"].strip()):
        if len(value) > 4:
            assert value not in text
    assert MACHINE["etc/machine-id"].strip() not in record.host_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True,max_split_size_mb:128,roundup_power2_divisions:16"),
        ("PYTORCH_CUDA_ALLOC_CONF", "garbage_collection_threshold:0.8,max_split_size_mb:512"),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=2:glibc.malloc.trim_threshold=131072"),
        ("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"),
        ("KMP_AFFINITY", "granularity=fine,compact,1,0"),
        ("OMP_PLACES", "{0:4},{4:4},{8:4},{12:4},{16:4},{20:4}"),
        ("GOMP_CPU_AFFINITY", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"),
        ("NVIDIA_REQUIRE_CUDA", "cuda>=12.4 brand=tesla,driver>=470,driver<471 brand=unknown,driver>=535"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("CUDA_VISIBLE_DEVICES", "0,1,2,3"),
    ],
)
def test_ordinary_settings_stay_readable(name: str, value: str) -> None:
    assert not looks_secret(value)
    assert collect_env({name: value}) == {name: value}


def test_the_home_folder_is_not_kept() -> None:
    assert redact_value("CUDA_CACHE_PATH", "/home/someone/.nv/cache", home="/home/someone") == "~/.nv/cache"


def test_thread_settings_are_named_even_where_unset(make_tree: MakeTree) -> None:
    threads: dict[str, Any] = collect(make_tree(MACHINE), environ={"OMP_NUM_THREADS": "4"}).facts["threads"]
    assert threads["OMP_NUM_THREADS"] == "4"
    assert threads["MKL_NUM_THREADS"] is None


def test_the_source_hash_is_sixteen_digits_and_cached() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", source_hash())
    assert source_hash() is source_hash()
