"""What can this machine run, and what would bend its timings: findings, each with what to do about it.

Nothing heavy is imported into this process: whether PyTorch works is asked in a process of its own. May import:
core, engines, probes, store, workloads.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.absence import installed_version
from assay.core.errors import AssayError
from assay.core.units import format_bytes
from assay.engines.base import engines
from assay.probes.devices import detect_devices
from assay.probes.environment import collect_environment
from assay.probes.memory import available_memory_bytes
from assay.probes.telemetry.choose import choose_sources, close_sources
from assay.runner.plan import default_threads
from assay.store import Store
from assay.store.spool import free_bytes

_LITTLE_DISK = 1 << 30
_ASK_TORCH_S = 120
_ASK_TORCH = """
import json, torch
print(json.dumps({
    "version": torch.__version__,
    "cuda": torch.cuda.is_available() and torch.version.hip is None,
    "rocm": torch.cuda.is_available() and torch.version.hip is not None,
    "mps": torch.backends.mps.is_available(),
    "xpu": torch.xpu.is_available(),
    "blas": "MKL" if torch.backends.mkl.is_available() else "other",
    "onednn": torch.backends.mkldnn.is_available(),
}))
"""
_ASK_RUNTIMES = {
    "onnxruntime": "import onnxruntime as r; print('providers', ', '.join(r.get_available_providers()))",
    # Without the first statement OpenVINO leaves a client id in the user's home folder.
    "openvino": (
        "import sys; sys.modules['openvino_telemetry'] = None; import openvino as r; "
        "print('devices', ', '.join(r.Core().available_devices))"
    ),
}
"""What each runtime can drive is known to itself alone; asked in a process of its own."""
_TOOLS = (
    ("onnx", "exporting to ONNX", "pip install 'assay[onnx]'"),
    ("onnxscript", "exporting to ONNX", "pip install 'assay[onnx]'"),
    ("nncf", "int8 and int4 on openvino", "pip install 'assay[openvino]'"),
    ("torchao", "int8 and int4 on torch and torch-compile", "pip install 'assay[torchao]'"),
    ("mlperf_loadgen", "serving scenarios", "pip install 'assay[mlperf]'"),
)
_ASK_TRANSFORMERS = "from transformers.models.bert.modeling_bert import BertModel"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis. ``level`` is ok, note, warning, missing or error."""

    area: str
    level: str
    what: str
    advice: str | None = None


def diagnose(store: str | None = None) -> list[Finding]:
    """Look at everything. Never raises: what cannot be found out is a finding."""
    facts = collect_environment().facts
    torch = _ask_torch()
    return [
        *_diagnose_hardware(facts, torch),
        *_diagnose_engines(torch),
        *_diagnose_meters(),
        *_diagnose_timing(facts),
        *_diagnose_store(store),
    ]


def _diagnose_hardware(facts: Mapping[str, Any], torch: Mapping[str, Any] | None) -> Iterator[Finding]:
    area = "hardware"
    for device in detect_devices():
        memory = f", {format_bytes(device.memory_bytes)}" if device.memory_bytes else ""
        usable = device.kind == "cpu" or (torch is not None and torch.get(device.kind))
        if usable:
            yield Finding(area, "ok", f"{device.name}: {device.hardware}{memory}")
        else:
            advice = f"install a PyTorch built for {device.kind}, and the driver"
            yield Finding(area, "warning", f"{device.name}: {device.hardware}{memory}: PyTorch cannot use it", advice)
    available = available_memory_bytes()
    yield Finding(area, "note", f"{default_threads()} threads by default; {format_bytes(available)} memory available")
    flags = facts["cpu"]["isa"] or []
    if not {"avx512_bf16", "amx_bf16", "bf16"} & set(flags):
        yield Finding(area, "note", "this CPU has no native bf16: bf16 runs, by conversion, at its own speed")


def _diagnose_engines(torch: Mapping[str, Any] | None) -> Iterator[Finding]:
    area = "engines"
    for name in engines.names():
        try:
            engine = engines.get(name)
        except AssayError as error:
            yield Finding(area, "error", str(error))
            continue
        kinds = engine.capabilities.device_kinds
        absence = engine.availability("cpu" if "cpu" in kinds else kinds[0])
        if absence is not None:
            yield Finding(area, "missing", f"{name}: {absence.reason}", absence.install_hint)
        elif "browser" in engine.capabilities.options:
            yield Finding(area, "ok", f"{name}: available; what each browser can do: assay doctor --web")
        elif name == "torch" and (torch is None or "error" in torch):
            reason = torch["error"] if torch else "it did not answer"
            yield Finding(area, "error", f"torch: installed, but it cannot be imported: {reason}", "reinstall torch")
        elif name in _ASK_RUNTIMES:
            yield _diagnose_runtime(area, name, _versions(engine.capabilities.packages))
        else:
            yield Finding(area, "ok", f"{name}: {_versions(engine.capabilities.packages)}")
    yield from _diagnose_packages(area, torch)
    for module, purpose, hint in _TOOLS:
        if importlib.util.find_spec(module) is None:
            yield Finding(area, "missing", f"{module}: needed for {purpose}", hint)


def _diagnose_runtime(area: str, name: str, versions: str) -> Finding:
    answer, error = _run_python(_ASK_RUNTIMES[name])
    if error:
        return Finding(area, "error", f"{name}: installed, but it cannot be used: {error}", f"reinstall {name}")
    return Finding(area, "ok", f"{name}: {versions}; {answer.strip()}")


def _diagnose_packages(area: str, torch: Mapping[str, Any] | None) -> Iterator[Finding]:
    if torch is None or "error" in torch:
        return
    if importlib.util.find_spec("transformers") is None:
        yield Finding(area, "missing", "transformers: needed by every family but unet", "pip install 'assay[torch]'")
        return
    error = _run_python(_ASK_TRANSFORMERS)[1]
    if error:
        # A torchvision that was not built for this torch breaks every import of transformers' models.
        culprit = importlib.util.find_spec("torchvision") is not None
        advice = "pip uninstall torchvision (assay does not need it)" if culprit else "pip install -U transformers"
        yield Finding(area, "error", f"transformers' models cannot be imported: {error}", advice)
    elif importlib.util.find_spec("torchvision") is not None:
        yield Finding(area, "note", "torchvision is installed; one that does not match torch breaks transformers")


def _diagnose_meters() -> Iterator[Finding]:
    """Whether joules can be read, device by device; where not, what each source lacks."""
    area = "energy"
    for device in detect_devices():
        sources, absent = choose_sources(device.name)
        meters = [source.name for source in sources if source.counter_period_s is not None]
        close_sources(sources)
        if meters:
            yield Finding(area, "ok", f"{device.name}: read from {', '.join(meters)} (assay run --energy)")
        for name, why in absent.items():
            yield Finding(area, "missing", f"{device.name}: {name}: {why.reason}", why.install_hint)


def _diagnose_timing(facts: Mapping[str, Any]) -> Iterator[Finding]:
    area = "timing"
    cpu, system = facts["cpu"], facts["os"]
    governor = cpu.get("governor")
    if governor not in (None, "performance"):
        yield Finding(area, "warning", f"the CPU governor is {governor}", "cpupower frequency-set -g performance")
    if system.get("virtualisation"):
        yield Finding(area, "note", f"a virtual machine ({system['virtualisation']}): neighbours can take time unseen")
    if not Path("/proc/pressure/cpu").exists():
        yield Finding(area, "note", "no pressure stall information: the noise verdict has one witness less")
    quota = facts["memory"].get("cgroup_cpu_quota")
    if quota:
        yield Finding(area, "note", f"a cgroup limits this process to {quota:g} CPUs")
    load = _load_average()
    if load is not None and load > 0.5:  # noqa: PLR2004  (half a core busy is enough to disturb two)
        yield Finding(area, "warning", f"the machine is busy (load {load:.1f})", "stop other work before measuring")
    elif load is not None:
        yield Finding(area, "ok", f"the machine is quiet (load {load:.1f})")


def _diagnose_store(location: str | None) -> Iterator[Finding]:
    area = "store"
    try:
        store = Store.open(location)
        store.check_writable()
        runs, orphans = len(store.runs()), len(store.orphans())
    except AssayError as error:
        yield Finding(area, "error", error.message, error.hint)
        return
    yield Finding(area, "ok", f"{store.location}: {runs} runs, writable")
    free = free_bytes(store.location)
    if free < _LITTLE_DISK:
        yield Finding(area, "warning", f"only {format_bytes(free)} free on its disk")
    if orphans:
        yield Finding(area, "warning", f"{orphans} run(s) of processes that are gone", "assay store recover")


def _ask_torch() -> dict[str, Any] | None:
    if importlib.util.find_spec("torch") is None:
        return None
    output, error = _run_python(_ASK_TORCH)
    if error:
        return {"error": error}
    answer: dict[str, Any] = json.loads(output)
    return answer


def _run_python(code: str) -> tuple[str, str | None]:
    """Run code in a process of its own; return its last line of output, and the last line of its error if it failed."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_ASK_TORCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {_ASK_TORCH_S} s"
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return "", lines[-1] if lines else f"exit code {done.returncode}"
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else "", None


def _versions(packages: tuple[str, ...]) -> str:
    return ", ".join(f"{package} {installed_version(package) or 'not installed'}" for package in packages)


def _load_average() -> float | None:
    import os

    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None
