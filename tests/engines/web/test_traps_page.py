"""Traps of a browser, planted in a real one: code that warms up, a coarse clock, memory beside the heap, endless calls.

Those of WebNN, of lost devices and of crashed processes are in ``test_web_engines.py`` and ``test_page.py``; the whole
list is in ``docs/web-traps.md``.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from assay.artefacts.cache import make_artefact
from assay.core.absence import Unavailable
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session, engines
from assay.engines.web import http
from assay.engines.web.assets import find_runtime
from assay.engines.web.backends import WASM, WEBGPU
from assay.engines.web.browsers import find_browser
from assay.engines.web.gone import PageGoneError
from assay.engines.web.launch import choose_browser
from assay.engines.web.page import Page, PageRequest, open_page
from assay.engines.web.stopwatch import PageStopwatch
from assay.runner.measure import take_samples, warm_up
from assay.runner.stopwatch import shortest_sample_ns
from assay.runner.timing import Timing
from assay.workloads.resolve import resolve_workload

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")

LIMIT_S = 60.0
SHORT_S = 2.0
HASTY = Timing(min_time_s=0.05, max_time_s=0.1, min_samples=5, warmup_min_s=0.0, warmup_max_s=0.0)
"""A suite that would rather not wait."""
LARGE = (16, 1024, 1024)
LARGE_BYTES = 4 * 16 * 1024 * 1024


def give_up(reason: str) -> None:
    """Skip with a reason; in CI every browser must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need(browser: str | None = None) -> None:
    for found in (find_runtime(), find_browser(browser)):
        if isinstance(found, Unavailable):
            give_up(f"{browser or 'no browser'}: {found}")


def save(nodes: list[Any], shape: tuple[int, ...], constants: dict[str, Any], file: Path) -> Path:
    """A graph from ``x``, one float, to ``y``."""
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        nodes,
        "planted",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [1])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, list(shape))],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


def small_graph(file: Path) -> Path:
    return save([onnx.helper.make_node("Relu", ["x"], ["y"])], (1,), {}, file)


def large_graph(file: Path) -> Path:
    """One float, and 64 MiB of output."""
    node = onnx.helper.make_node("Expand", ["x", "shape"], ["y"])
    return save([node], LARGE, {"shape": np.array(LARGE, dtype=np.int64)}, file)


def endless_graph(file: Path) -> Path:
    """A loop of 2**60 rounds, which a checker finds nothing wrong with."""
    helper, kinds = onnx.helper, onnx.TensorProto
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Sin", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("round", kinds.INT64, []),
            helper.make_tensor_value_info("go", kinds.BOOL, []),
            helper.make_tensor_value_info("a", kinds.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("go_on", kinds.BOOL, []),
            helper.make_tensor_value_info("b", kinds.FLOAT, [1]),
        ],
    )
    node = helper.make_node("Loop", ["rounds", "start", "x"], ["y"], body=body)
    return save([node], (1,), {"rounds": np.array(2**60, dtype=np.int64), "start": np.array(True)}, file)  # noqa: FBT003


def load(file: Path, cache: Path) -> Session:
    """The model in a fresh browser, by the engine itself."""
    engine, workload = engines.get("web-wasm"), resolve_workload(str(file))
    request = LoadRequest(workload, "cpu", Precision.FP32, 1, workload.resolve_shape({}), threads=1, seed=7)
    made = {
        wanted.recipe: make_artefact(wanted, workload, cache, threads=1).folder
        for wanted in engine.plan_artefacts(request)
    }
    engine.import_libraries(workload)
    return engine.load(replace(request, artefacts=made))


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of its own, of which nothing is left afterwards."""
    need()
    with open_page(PageRequest(browser=choose_browser({}, WASM, "cpu"))) as opened:
        pids = opened.pids()
        yield opened
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def start(page: Page, bundle: str, backend: str, model: Path) -> None:
    """Runtime, model and one input of one float, by the verbs that the engine uses."""
    page.call("init", {"backend": backend, "ort": bundle, "threads": 1}, limit_s=LIMIT_S)
    page.call("fetch", {"model": page.add_file("model.onnx", model)}, limit_s=LIMIT_S)
    page.call("session", {}, limit_s=LIMIT_S)
    one = page.add_file("x.bin", np.ones(1, dtype=np.float32).tobytes())
    feeds = [{"name": "x", "type": "float32", "dims": [1], "url": one}]
    page.call("feeds", {"inputs": feeds}, limit_s=LIMIT_S)


# -- warm-up -------------------------------------------------------------------------------------------------

TIERS = """
let runs = 0;
const session = {
  inputMetadata: [], outputMetadata: [], outputNames: ['y'], release: async () => {},
  run: async () => {
    runs += 1;
    const until = performance.now() + (runs <= 19 ? 50 : 5);
    while (performance.now() < until);
    return { y: { type: 'float32', dims: [1], location: 'cpu', getData: async () => Float32Array.of(runs) } };
  },
};
export const env = { wasm: {}, versions: { web: 'fake' } };
export class Tensor {}
export const InferenceSession = { create: async () => session };
"""
"""A runtime whose calls are ten times slower until the second compiler is done with them, after the nineteenth."""


def test_no_sample_is_taken_of_code_that_is_still_being_compiled(page: Page) -> None:
    bundle = page.add_file("tiers.mjs", TIERS.encode())
    page.call("init", {"backend": "wasm", "ort": bundle, "threads": 1}, limit_s=LIMIT_S)
    page.call("fetch", {"model": page.add_file("model.onnx", b"model")}, limit_s=LIMIT_S)
    page.call("session", {}, limit_s=LIMIT_S)
    page.call("feeds", {"inputs": []}, limit_s=LIMIT_S)
    session = Session(
        infer=lambda: None, unload=lambda: None, effective_precision="fp32", threads=1, hardware="", parameters=None,
        facts={}, stopwatch=PageStopwatch(page, 5000),
    )  # fmt: skip
    able = engines.get("web-wasm").capabilities
    warm = warm_up(session, HASTY, least_calls=able.least_warmup_calls, least_s=able.least_warmup_s)
    answer = page.call("outputs", limit_s=LIMIT_S)
    (runs,) = np.frombuffer(page.blob(answer["outputs"][0]["blob"]), dtype=np.float32)
    assert runs == warm.calls + 1, "every call of the warm-up was made, and the one that brought this"
    assert warm.calls >= able.least_warmup_calls == 20
    assert warm.wall_ns >= able.least_warmup_s * 1e9 == 2e9


# -- the clock -----------------------------------------------------------------------------------------------


def test_without_isolation_the_clock_is_coarse_and_samples_become_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one thread such a page is only imprecise, so it is measured, and says so."""
    need()
    monkeypatch.delitem(http._ISOLATION, "Cross-Origin-Opener-Policy")
    session = load(small_graph(tmp_path / "small.onnx"), tmp_path / "cache")
    try:
        assert session.facts["cross_origin_isolated"] == "false"
        stopwatch = session.stopwatch
        assert stopwatch is not None
        assert stopwatch.resolution_ns >= 50_000, "100 us in Chromium, 1 ms in others"
        able = engines.get("web-wasm").capabilities
        warm = warm_up(session, HASTY, least_calls=able.least_warmup_calls, least_s=able.least_warmup_s)
        timed = take_samples(session, HASTY, call_ns=warm.last_call_ns)
    finally:
        session.unload()
    assert shortest_sample_ns(stopwatch) >= 100 * stopwatch.resolution_ns
    assert timed.calls_per_sample > 10, "a call takes microseconds: one alone would be read as nothing"
    assert min(timed.values) > 0


# -- large outputs and memory --------------------------------------------------------------------------------


def test_large_outputs_arrive_whole_and_memory_is_that_of_the_processes(tmp_path: Path) -> None:
    """64 MiB of output: far beyond a message, and nowhere in what the page calls its heap."""
    need()
    session = load(large_graph(tmp_path / "large.onnx"), tmp_path / "cache")
    try:
        assert session.process_memory is not None
        (output,) = session.infer()
        assert isinstance(session.stopwatch, PageStopwatch)
        page = session.stopwatch.page
        inside = page.call("memory", limit_s=LIMIT_S)
        outside = session.process_memory()
        (again,) = session.infer()
    finally:
        session.unload()
    assert output.shape == LARGE
    assert output.nbytes == LARGE_BYTES
    assert np.all(output == output.flat[0])
    assert np.array_equal(output, again)
    assert inside["wasm_bytes"] >= LARGE_BYTES, "the output lay in WebAssembly's memory"
    assert inside["js_heap_bytes"] is None or inside["js_heap_bytes"] < LARGE_BYTES, "which the heap does not count"
    assert (inside["js_heap_bytes"] is None) == (inside["js_heap_reason"] is not None)
    assert outside["renderer"] >= LARGE_BYTES
    assert outside["gpu"] > 0


# -- what never ends -----------------------------------------------------------------------------------------


def test_a_model_that_never_ends_is_ended(page: Page, tmp_path: Path) -> None:
    """No planted Worker: the loop is the model's own, inside WebAssembly, which nothing in the page can stop."""
    start(page, page.path(f"ort/{WASM.bundle}"), "wasm", endless_graph(tmp_path / "endless.onnx"))
    with pytest.raises(PageGoneError, match=r"within 2 s: its main thread still answers, so its Worker is in a call"):
        page.call("chunk", {"samples": 1, "limit_ms": 1}, limit_s=SHORT_S)
    assert page.pids() == ()


def test_a_renderer_that_is_frozen_is_ended(page: Page) -> None:
    """Stopped and not killed: the socket stays open and every process is there."""
    assert page.process is not None
    renderers = [pid for pid, kind in page.process.kinds().items() if kind == "renderer"]
    assert renderers
    for pid in renderers:
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PageGoneError, match="within 2 s: neither does its main thread") as gone:
        page.call("memory", limit_s=SHORT_S)
    assert gone.value.cause == "hang"
    assert page.pids() == ()


def test_a_renderer_that_crashes_inside_webassembly_is_named(page: Page, tmp_path: Path) -> None:
    assert page.process is not None
    start(page, page.path(f"ort/{WASM.bundle}"), "wasm", endless_graph(tmp_path / "endless.onnx"))
    (renderer, *_) = [pid for pid, kind in page.process.kinds().items() if kind == "renderer"]
    threading.Timer(0.3, os.kill, (renderer, signal.SIGSEGV)).start()
    with pytest.raises(PageGoneError, match=r"went away in its calls: its renderer process ended") as gone:
        page.call("chunk", {"samples": 1}, limit_s=LIMIT_S)
    assert gone.value.cause == "renderer"


# -- outputs that stay on a device ---------------------------------------------------------------------------

ON_DEVICE = """
import * as real from BUNDLE;
export const { env, Tensor } = real;
let calls = 0, read = 0;
globalThis.isAwaited = true;
export const InferenceSession = { create: async (model, options) => {
  const session = await real.InferenceSession.create(model, { ...options, preferredOutputLocation: 'gpu-buffer' });
  return {
    inputMetadata: session.inputMetadata, outputMetadata: session.outputMetadata, outputNames: session.outputNames,
    release: () => session.release(),
    run: async (feeds) => {
      const outputs = await session.run(feeds);
      calls += 1;
      for (const tensor of Object.values(outputs)) {
        if (tensor.location !== 'gpu-buffer') throw new Error(`planted outputs are at ${tensor.location}`);
        const getData = tensor.getData.bind(tensor);
        tensor.getData = async (release) => { const data = await getData(release); read += 1; return data; };
      }
      if (read < calls - 1) throw new Error(`${calls} calls and only ${read} outputs read`);
      return outputs;
    },
  };
} };
"""
"""The real runtime with its outputs left on the GPU: a call may not begin before those of the last one were read."""


def test_outputs_on_a_real_gpu_are_read_before_a_call_counts_as_over(tmp_path: Path) -> None:
    need()
    with open_page(PageRequest(browser=choose_browser({}, WEBGPU, "webgpu"))) as page:
        source = ON_DEVICE.replace("BUNDLE", repr(page.path(f"ort/{WEBGPU.bundle}")))
        start(page, page.add_file("on_device.mjs", source.encode()), "webgpu", small_graph(tmp_path / "small.onnx"))
        durations = page.call("chunk", {"samples": 3, "calls_per_sample": 2}, limit_s=LIMIT_S)["durations_ms"]
        assert len(durations) == 3
        answer = page.call("outputs", limit_s=LIMIT_S)
        assert np.frombuffer(page.blob(answer["outputs"][0]["blob"]), dtype=np.float32) == [1.0]
