"""The environment of a run: everything about machine and software that a later reader would ask for.

Nothing here changes by the minute (free memory, load, temperature, the present clock), so that two runs on an
untouched machine share one ``env_id``; METHOD 6 takes another id as a new segment of a trend. Every fact, its
unit and its source: docs/environment.md. May import: standard library and core.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.core.ids import content_hash
from assay.core.records import EnvironmentRecord
from assay.probes.commands import CommandRunner, run_command
from assay.probes.cpu import collect_cpu
from assay.probes.devices import VENDOR_KINDS, find_gpus
from assay.probes.nvidia import NvmlLoader, load_nvml
from assay.probes.software import collect_assay, collect_env, collect_python, collect_threads, source_hash
from assay.probes.system import collect_memory, collect_os, read_host_identity

__all__ = ["collect_environment", "hardware_class", "round_memory_gib", "source_hash"]

_ROOT = Path("/")
_SALT = "assay host"


def collect_environment(
    *,
    root: Path = _ROOT,
    run: CommandRunner = run_command,
    environ: Mapping[str, str] = os.environ,
    nvml: NvmlLoader = load_nvml,
    now: datetime | None = None,
) -> EnvironmentRecord:
    """Describe this machine and its software.

    ``root`` is where proc, sys and etc are read, ``run`` starts vendor tools, ``nvml`` loads NVIDIA's binding;
    tests replace them. Never raises for what is absent or forbidden: such a fact is None. ``now`` (UTC) becomes
    ``first_seen_at``.
    """
    facts: dict[str, Any] = {
        "cpu": collect_cpu(root=root, run=run),
        "memory": collect_memory(root=root),
        "gpus": [gpu.to_facts() for gpu in find_gpus(root=root, run=run, environ=environ, nvml=nvml)],
        "os": collect_os(root=root, run=run, environ=environ),
        "python": collect_python(),
        "threads": collect_threads(environ),
        "env": collect_env(environ),
        "assay": collect_assay(),
    }
    return EnvironmentRecord(
        env_id=content_hash(facts),
        host_id=content_hash([_SALT, read_host_identity(root=root)]),
        hardware_class=_describe_machine(facts),
        facts=facts,
        first_seen_at=now or datetime.now(UTC),
    )


def hardware_class(facts: Mapping[str, Any], device: str) -> str:
    """Return the text that series on ``device`` are keyed by: what would have to be bought to repeat them.

    A CPU is its model, the processors this process may use and the memory (``AMD EPYC 2c 24GiB``); a GPU is its
    name. A device these facts do not know keeps its own name beside the CPU's (``openvino:NPU | AMD EPYC 2c 24GiB``).
    """
    kind, _, number = device.removeprefix("openvino:").lower().partition(":")
    if kind == "cpu":
        return _describe_cpu(facts)
    index = int(number) if number.isdigit() else 0
    vendor = next((vendor for vendor, word in VENDOR_KINDS.items() if word == kind), None)
    for gpu in facts.get("gpus", ()):
        if gpu["vendor"] == vendor and gpu["index"] == index:
            return _describe_gpu(gpu)
    return f"{device} | {_describe_cpu(facts)}"


def round_memory_gib(total_bytes: float) -> float:
    """Round up to the next of eight steps per power of two, in GiB: 23.5 -> 24, 62.7 -> 64, 503 -> 512.

    Kernels keep 1 to 4 % of the installed memory to themselves, each version another share; the steps are wider
    than that, and the sizes in which memory is sold lie on them.
    """
    gib = total_bytes / 1024**3
    step = 2.0 ** (math.floor(math.log2(gib)) - 3)
    return math.ceil(gib / step) * step


def _describe_cpu(facts: Mapping[str, Any]) -> str:
    cpu, memory = facts["cpu"], facts["memory"]
    total = memory["total_bytes"]
    words = [_describe_cpu_cores(cpu, memory["cgroup_cpu_quota"]), f"{round_memory_gib(total):g}GiB" if total else None]
    return " ".join(word for word in words if word)


def _describe_cpu_cores(cpu: Mapping[str, Any], quota: float | None) -> str:
    limits = [limit for limit in (cpu["usable_cores"], quota) if limit]
    model = cpu["model"] or f"{cpu['architecture'] or 'unknown'} CPU"
    return f"{model} {min(limits):g}c" if limits else str(model)


def _describe_gpu(gpu: Mapping[str, Any]) -> str:
    return f"{gpu['name']} (MIG)" if gpu["mig"] and "MIG" not in gpu["name"] else str(gpu["name"])


def _describe_machine(facts: Mapping[str, Any]) -> str:
    """Return the text for the whole machine: its visible GPUs with their count, then its CPU."""
    names = [_describe_gpu(gpu) for gpu in facts["gpus"] if gpu["index"] is not None]
    if not names:
        return _describe_cpu(facts)
    counted = [f"{names.count(name)}x {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return " | ".join([*counted, _describe_cpu_cores(facts["cpu"], facts["memory"]["cgroup_cpu_quota"])])
