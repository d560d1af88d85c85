"""What the diagnosis says of browsers, of answers put together here; real browsers are asked in tests/engines/web."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.core.errors import UsageError
from assay.engines.web.abilities import (
    BrowserAbilities,
    WasmAbilities,
    WebGpuAbilities,
    WebNnAbilities,
)
from assay.runner.diagnose import Finding
from assay.runner.diagnose_web import describe_browsers

WASM = WasmAbilities(has_simd=True, has_threads=True, is_isolated=True, clock_resolution_ns=5000, cores=8)
GPU = WebGpuAbilities(
    "some GPU", "hardware", has_f16=True, features=(), limits={"maxStorageBufferBindingSize": 1 << 31}
)
NN = WebNnAbilities(("cpu",), {"gpu": "no GPU here"})
BROWSER = BrowserAbilities("chromium", "chromium", "150.0", wasm=WASM, webgpu=GPU, webnn=NN)


def describe(browser: BrowserAbilities = BROWSER, runtime: object = "somewhere") -> list[Finding]:
    return describe_browsers([browser], runtime=runtime)


def test_a_browser_that_can_do_it_all() -> None:
    assert describe() == [
        Finding("browsers", "ok", "chromium 150.0: web-wasm: SIMD and threads, 8 cores, clock of 5.00 µs"),
        Finding("browsers", "ok", "chromium: web-webgpu: some GPU, f16, tensors up to 2.00 GiB"),
        Finding("browsers", "ok", "chromium: web-webnn: cpu"),
        Finding("browsers", "missing", "chromium: web-webnn: gpu: no GPU here"),
    ]


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"has_threads": False}, "warning", "SIMD, no threads, 8 cores"),
        ({"has_simd": False, "has_threads": None}, "warning", "neither SIMD nor threads, 8 cores"),
        ({"is_isolated": False}, "warning", "not cross-origin isolated: one thread, a coarse clock"),
        ({"clock_resolution_ns": 100_000}, "warning", "clock of 100 µs"),
        ({"clock_resolution_ns": None, "cores": None}, "ok", "web-wasm: SIMD and threads"),
    ],
)
def test_what_bends_timings_is_a_warning(changes: dict[str, Any], level: str, said: str) -> None:
    finding = describe(replace(BROWSER, wasm=replace(WASM, **changes)))[0]
    assert finding.level == level
    assert said in finding.what


def test_a_software_adapter_is_called_one() -> None:
    adapter = replace(GPU, adapter="SwiftShader", kind="software", has_f16=False)
    finding = describe(replace(BROWSER, webgpu=adapter))[1]
    assert (finding.level, finding.what.partition("; its")[0]) == (
        "note", "chromium: web-webgpu: SwiftShader (software adapter), no f16, tensors up to 2.00 GiB",
    )  # fmt: skip


def test_what_a_browser_lacks_is_missing_with_the_reason() -> None:
    absent = replace(
        BROWSER,
        webgpu=replace(GPU, adapter=None, absence="no adapter"),
        webnn=WebNnAbilities((), {}, absence="no WebNN"),
    )
    advice = "assay web fetch sparticuz brings a Chromium that has it on the CPU (Linux, x86-64)"
    assert describe(absent)[1:] == [
        Finding("browsers", "missing", "chromium: web-webgpu: no adapter"),
        Finding("browsers", "missing", "chromium: web-webnn: no WebNN"),
        Finding("browsers", "note", "WebNN works in none of them", advice),
    ]


def test_a_browser_that_is_not_there_is_missing_and_one_that_fails_an_error() -> None:
    missing = BrowserAbilities("edge", problem="Edge is not installed", advice="install it", is_missing=True)
    broken = BrowserAbilities("chrome", "chrome", "150.0", problem="it ended at once")
    note = "any other browser can be opened by hand: assay run -o browser=visit -o visitor=NAME"
    assert describe_browsers([missing, broken], runtime=None) == [
        Finding("browsers", "missing", "edge: Edge is not installed", "install it"),
        Finding("browsers", "error", "chrome: it ended at once"),
        Finding("browsers", "note", "no browser can be started here", note),
    ]


def test_a_missing_runtime_is_said_first() -> None:
    absent = Unavailable("it is not here", "assay web fetch")
    assert describe(runtime=absent)[0] == Finding(
        "browsers", "missing", "onnxruntime-web: it is not here", "assay web fetch"
    )


def test_the_command_puts_browsers_behind_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.cli import doctor
    from assay.runner import diagnose, diagnose_web

    began = []

    def pretend(*, again: bool, on_start: Callable[[str], None]) -> list[Finding]:
        on_start("chromium")
        began.append(again)
        return describe()

    others = [Finding(area, "ok", area) for area in ("hardware", "engines", "store")]
    monkeypatch.setattr(diagnose, "diagnose", lambda _store: others)
    monkeypatch.setattr(diagnose_web, "diagnose_browsers", pretend)
    monkeypatch.setattr(doctor, "_find_in_catalogue", lambda: iter(()))
    shown: list[Finding] = []
    monkeypatch.setattr(doctor, "_print_findings", shown.extend)
    doctor.doctor(web=True, again=True)
    assert [one.area for one in shown] == ["hardware", "engines", *["browsers"] * 4, "store"]
    assert began == [True]
    with pytest.raises(UsageError, match="--again was given without --web"):
        doctor.doctor(again=True)
