"""What the browsers of this machine can run, as findings. Each is started and asked, which takes seconds.

May import: core, engines, runner.diagnose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assay.core.absence import Unavailable
from assay.core.adapters import SOFTWARE_ADAPTER
from assay.core.units import format_bytes, format_duration_ns
from assay.engines.web.abilities import (
    SOFTWARE,
    BrowserAbilities,
    WasmAbilities,
    WebGpuAbilities,
    WebNnAbilities,
)
from assay.runner.diagnose import Finding

AREA = "browsers"
_COARSE_CLOCK_NS = 50_000
"""Isolated pages have a clock of 5 us in Chromium and 20 us in Firefox; others one of 100 us or 1 ms."""
_WEBNN = "assay web fetch sparticuz brings a Chromium that has it on the CPU (Linux, x86-64)"
_VISIT = "any other browser can be opened by hand: assay run -o browser=visit -o visitor=NAME"


def diagnose_browsers(*, again: bool = False, on_start: Callable[[str], None] = lambda _name: None) -> list[Finding]:
    """Start every browser that is here and say what works in it; never raises. ``again``: even if answers are kept."""
    from assay.engines.web.assets import find_runtime
    from assay.engines.web.detect import detect_browsers

    return describe_browsers(detect_browsers(again=again, on_start=on_start), runtime=find_runtime())


def describe_browsers(browsers: Sequence[BrowserAbilities], *, runtime: object) -> list[Finding]:
    """Turn what browsers can do into findings. ``runtime`` is where ONNX Runtime Web lies, or why it does not."""
    findings = []
    if isinstance(runtime, Unavailable):
        findings.append(Finding(AREA, "missing", f"onnxruntime-web: {runtime.reason}", runtime.install_hint))
    for browser in browsers:
        findings.extend(_describe(browser))
    able = [browser for browser in browsers if browser.problem is None]
    if not able:
        findings.append(Finding(AREA, "note", "no browser can be started here", _VISIT))
    elif not any(browser.webnn is not None and browser.webnn.devices for browser in able):
        findings.append(Finding(AREA, "note", "WebNN works in none of them", _WEBNN))
    return findings


def _describe(browser: BrowserAbilities) -> Iterator[Finding]:
    name = browser.browser
    if browser.problem is not None:
        level = "missing" if browser.is_missing else "error"
        yield Finding(AREA, level, f"{name}: {browser.problem}", browser.advice)
        return
    version = f" {browser.version}" if browser.version else ""
    if browser.wasm is not None:
        yield _describe_wasm(f"{name}{version}: web-wasm", browser.wasm)
    if browser.webgpu is not None:
        yield _describe_webgpu(f"{name}: web-webgpu", browser.webgpu)
    if browser.webnn is not None:
        yield from _describe_webnn(f"{name}: web-webnn", browser.webnn)


def _describe_wasm(label: str, wasm: WasmAbilities) -> Finding:
    has = [word for word, it_has in (("SIMD", wasm.has_simd), ("threads", wasm.has_threads)) if it_has]
    lacks = [word for word, it_has in (("SIMD", wasm.has_simd), ("threads", wasm.has_threads)) if not it_has]
    parts = [" and ".join(has) if has else "neither SIMD nor threads"]
    if has and lacks:
        parts.append(f"no {lacks[0]}")
    if wasm.cores:
        parts.append(f"{wasm.cores} cores")
    if wasm.clock_resolution_ns:
        parts.append(f"clock of {format_duration_ns(float(wasm.clock_resolution_ns))}")
    what = f"{label}: {', '.join(parts)}"
    if wasm.is_isolated is False:
        return Finding(AREA, "warning", f"{what}; the page is not cross-origin isolated: one thread, a coarse clock")
    is_coarse = wasm.clock_resolution_ns is not None and wasm.clock_resolution_ns > _COARSE_CLOCK_NS
    return Finding(AREA, "warning" if lacks or is_coarse else "ok", what)


def _describe_webgpu(label: str, webgpu: WebGpuAbilities) -> Finding:
    if webgpu.absence is not None:
        return Finding(AREA, "missing", f"{label}: {webgpu.absence}")
    parts = [f"{webgpu.adapter} {SOFTWARE_ADAPTER}" if webgpu.kind == SOFTWARE else f"{webgpu.adapter}"]
    parts.append("f16" if webgpu.has_f16 else "no f16")
    largest = webgpu.limits.get("maxStorageBufferBindingSize")
    if largest:
        parts.append(f"tensors up to {format_bytes(float(largest))}")
    what = f"{label}: {', '.join(parts)}"
    if webgpu.kind == SOFTWARE:
        return Finding(AREA, "note", f"{what}; its times say nothing of a GPU, and are ranked nowhere")
    return Finding(AREA, "ok", what)


def _describe_webnn(label: str, webnn: WebNnAbilities) -> Iterator[Finding]:
    if webnn.absence is not None:
        yield Finding(AREA, "missing", f"{label}: {webnn.absence}")
        return
    if webnn.devices:
        yield Finding(AREA, "ok", f"{label}: {', '.join(webnn.devices)}")
    for device, reason in webnn.refused.items():
        yield Finding(AREA, "missing", f"{label}: {device}: {reason}")
