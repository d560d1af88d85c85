"""Results of browsers and of native engines beside them, composed as the runner keeps them.

Loaded by path from several test modules, since tests are no package. Every number is a test's own: no browser took it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.core.adapters import name_adapter
from assay.core.case import Case
from assay.core.records import MetricValue
from assay.core.words import Fidelity, Status
from assay.store import Store


def load_runs() -> Any:
    """The module that composes runs for tests of comparing."""
    name = "web_tests_compared_runs"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("compared_runs.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


runs: Any = load_runs()
MACHINE = runs.HARDWARE
SWIFTSHADER = name_adapter("SwiftShader Device (Subzero)", MACHINE, is_software=True)
REAL = name_adapter("Radeon 780M", MACHINE, is_software=False)
DIGEST = "ab" * 32
PHASES = {
    "browser_launch": 640_000_000, "page": 90_000_000, "runtime_init": 210_000_000, "fetch": 8_000_000,
    "compile": 120_000_000, "first_infer": 9_000_000, "warmup": 2_100_000_000, "measure": 1_000_000_000,
    "unload": 70_000_000, "spawn": 30_000_000, "import": 60_000_000, "load": 4_000_000, "prepare_onnx": 10**9,
}  # fmt: skip
NATIVE_COSTS = {
    "spawn": 30_000_000, "import": 200_000_000, "load": 5_000_000, "compile": 40_000_000, "first_infer": 3_000_000,
    "prepare_onnx": 10**9,
}  # fmt: skip
VERSIONS = {"chromium": "141.0.7390.54", "firefox": "140.4.0esr", "sparticuz": "147.0.2"}
STEADY = runs.STEADY


def native(
    workload: str = "bert/tiny", *, engine: str = "onnxruntime", threads: int = 2, factor: float = 1.0,
    hardware: str = MACHINE, device: str = "cpu", facts: Mapping[str, str] | None = None,
    more: Mapping[str, float] | None = None, **fields: Any,
) -> Any:  # fmt: skip
    """A result outside of a browser: its launches take ``factor`` ms."""
    case = {"shape": {"seq": 128}, "options": {"threads": threads}, **fields.pop("case", {})}
    return runs.Made(
        Case.make(workload=workload, engine=engine, device=device, **case),
        runs.times(factor), hardware=hardware, fidelity=Fidelity.PASSED,
        launch={"threads": threads, "engine_facts": dict(facts or {}), "costs_ns": NATIVE_COSTS},
        metrics=tuple(_metrics(more or {})), **fields,
    )  # fmt: skip


def web(  # noqa: PLR0913  (fields that tests choose)
    backend: str = "wasm", workload: str = "bert/tiny", *, device: str | None = None, browser: str | None = "chromium",
    threads: int | None = 2, used: int | None = None, factor: float = 2.5, hardware: str | None = None,
    facts: Mapping[str, str] | None = None, placement: Mapping[str, int] | None = None,
    values: Sequence[float] | None = None, more: Mapping[str, float] | None = None, **fields: Any,
) -> Any:  # fmt: skip
    """A result of a browser, with the facts, phases and memory that its launches leave."""
    device = device or {"wasm": "cpu", "webgpu": "webgpu", "webnn": "cpu"}[backend]
    options = {name: one for name, one in (("browser", browser), ("threads", threads)) if one is not None}
    case = {"shape": {"seq": 128}, **fields.pop("case", {})}
    options |= case.pop("options", {})
    said = {
        "browser": browser or "chromium", "browser_version": VERSIONS.get(browser or "chromium", "1.0"),
        "onnxruntime_web": "1.30.0",
        "backend": backend, "simd": "true", "cross_origin_isolated": "true", "clock_resolution_ns": "5000",
        "headless": "true", "user_agent": "Mozilla/5.0",
        **({"threads_used": str(used or threads)} if threads is not None else {}), **(facts or {}),
    }  # fmt: skip
    memory = {"browser_memory_bytes": 410e6, "renderer_memory_bytes": 190e6, "cpu_time_ns": 2.1e6 * factor}
    error = {"fidelity_max_relative_error": 2.1e-6, "error_vs_native": 3.4e-7}
    provider = {"wasm": "CPUExecutionProvider", "webgpu": "JsExecutionProvider"}.get(backend, "WebNN")
    is_ok = fields.get("status", Status.OK) is Status.OK
    return runs.Made(
        Case.make(workload=workload, engine=f"web-{backend}", device=device, options=options, **case),
        (values or runs.times(factor)) if is_ok else (), hardware=hardware or MACHINE,
        **{"fidelity": Fidelity.PASSED if is_ok else None, **fields},
        launch={
            "threads": threads or 1, "engine_facts": said, "costs_ns": PHASES,
            "placement": placement or {provider: 80},
        },
        metrics=tuple(_metrics({**memory, **error, **(more or {})})) if is_ok else (),
    )  # fmt: skip


def _metrics(values: Mapping[str, float]) -> list[MetricValue]:
    kinds = {
        "browser_memory_bytes": ("B", "max"), "renderer_memory_bytes": ("B", "max"),
        "gpu_process_memory_bytes": ("B", "max"), "cpu_time_ns": ("ns", "median"), "preprocess_ns": ("ns", "median"),
        "real_time_factor": ("1", "median"), "real_time_factor_whole": ("1", "median"),
        "fidelity_max_relative_error": ("1", "worst"), "error_vs_native": ("1", "median"),
    }  # fmt: skip
    return [MetricValue(name, value, kinds[name][0], kinds[name][1], n=5) for name, value in values.items()]


def fill(store: Store) -> str:
    """Keep one run with some of everything that a report on browsers shows; return its id."""
    audio: dict[str, Any] = {"case": {"shape": {"seconds": 5}}}
    results = [
        native(), native(threads=1, factor=1.8), native("vit/tiny", factor=1.4, case={"shape": {"image": 96}}),
        native("whisper-encoder/tiny", factor=4.1, more={"real_time_factor": 1219.0, "preprocess_ns": 2.4e6}, **audio),
        native("wav2vec2/tiny", factor=6.0, more={"real_time_factor": 833.0}, **audio),
        web(), web(threads=1, factor=3.9), web(browser="firefox", factor=3.1),
        web("webnn", browser="sparticuz", threads=None, factor=1.7, facts={"webnn_device": "cpu"},
            placement={"WebNN": 76}),
        web("wasm", "vit/tiny", factor=3.3, case={"shape": {"image": 96}}),
        web("wasm", "whisper-encoder/tiny", factor=11.0, **audio,
            more={"real_time_factor": 454.0, "preprocess_ns": 6.1e6, "real_time_factor_whole": 292.0}),
        web("wasm", "wav2vec2/tiny", factor=15.1, more={"real_time_factor": 331.0, "preprocess_ns": 0.2e6}, **audio),
        web("webgpu", threads=None, factor=412.0, hardware=SWIFTSHADER,
            facts={"adapter": "SwiftShader Device (Subzero)", "adapter_kind": "software"},
            more={"gpu_process_memory_bytes": 260e6}),
        web("webnn", "vit/tiny", device="webnn:gpu", threads=None, status=Status.UNSUPPORTED, browser="sparticuz",
            case={"shape": {"image": 96}}, reason="createContext gave a context without a GPU behind it"),
        web("wasm", "resnet/tiny", factor=5.0, case={"shape": {"image": 96}}),
    ]  # fmt: skip
    run_id: str = runs.append_run(store, *results, suite="web")
    return run_id
