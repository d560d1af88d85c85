"""The web engines for real: a small model in real browsers, beside ONNX Runtime itself, and each trap planted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import pytest

from assay.artefacts.cache import make_artefact
from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UnknownNameError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session, engines
from assay.engines.web import http
from assay.engines.web import session as session_module
from assay.engines.web.abilities import read_abilities
from assay.engines.web.assets import find_runtime
from assay.engines.web.backends import WASM, WEBGPU, WEBNN
from assay.engines.web.browsers import find_browser
from assay.engines.web.engine import WebEngine
from assay.engines.web.gone import PageError, PageGoneError
from assay.engines.web.graph import make_feeds, read_graph
from assay.engines.web.launch import choose_browser
from assay.engines.web.page import Page, PageRequest, open_page
from assay.engines.web.session import Model, load_model
from assay.workloads.inputs import make_inputs
from assay.workloads.resolve import resolve_workload

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx: pip install 'assay[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="the native side needs it: pip install 'assay[onnx]'")

WIDTH = 64
LIMIT_S = 60.0
CPU, WEBGPU_PROVIDER, WEBNN_PROVIDER = "CPUExecutionProvider", "WebGpuExecutionProvider", "WebNNExecutionProvider"
CLOSE_ENOUGH = 1e-5


def make_graph(file: Path) -> Path:
    """Two layers on 64 features, whose batch is a symbol."""
    helper, kinds = onnx.helper, onnx.TensorProto
    random = np.random.default_rng(0)
    weights = [random.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8 for _ in range(2)]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "first"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("MatMul", ["b", "second"], ["y"]),
        ],
        "two_layers",
        [helper.make_tensor_value_info("x", kinds.FLOAT, ["batch", WIDTH])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, ["batch", WIDTH])],
        [onnx.numpy_helper.from_array(array, name) for array, name in zip(weights, ("first", "second"), strict=True)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_graph(tmp_path_factory.mktemp("graph") / "two_layers.onnx")


def need(browser: str | None = None) -> None:
    """Skip, with the reason, where the browser or the runtime is not here."""
    for found in (find_runtime(), find_browser(browser)):
        if isinstance(found, Unavailable):
            pytest.skip(f"{browser or 'no browser'}: {found}")


def ask(file: Path, device: str = "cpu", precision: str = "fp32", threads: int = 1, **options: Any) -> LoadRequest:
    workload = resolve_workload(str(file))
    shape = workload.resolve_shape({})
    return LoadRequest(workload, device, Precision(precision), 2, shape, threads=threads, seed=7, options=options)


def engine_of(name: str) -> WebEngine:
    found = engines.get(name)
    assert isinstance(found, WebEngine)
    return found


@contextmanager
def opened(name: str, request: LoadRequest, cache: Path) -> Iterator[Session]:
    """A session whose processes are all gone afterwards."""
    engine = engine_of(name)
    made = {
        wanted.recipe: make_artefact(wanted, request.workload, cache, threads=1).folder
        for wanted in engine.plan_artefacts(request)
    }
    engine.import_libraries(request.workload)
    session = engine.load(replace(request, artefacts=made))
    assert session.processes is not None
    running = session.processes()
    try:
        yield session
    finally:
        session.unload()
    assert not [pid for pid in running if psutil.pid_exists(pid)]


def expect(file: Path) -> list[Any]:
    request = ask(file)
    feeds = make_inputs(request.workload, batch=2, shape=request.shape, seed=7)
    outputs: list[Any] = onnxruntime.InferenceSession(str(file), providers=[CPU]).run(None, feeds)
    return outputs


def assert_same_outputs(session: Session, file: Path) -> None:
    assert session.read_outputs is not None
    for got, expected in zip(session.read_outputs(session.infer()), expect(file), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=CLOSE_ENOUGH, atol=CLOSE_ENOUGH * np.max(np.abs(expected)))


def placement_of(session: Session) -> dict[str, int]:
    assert session.find_placement is not None
    return dict(session.find_placement().nodes)


@pytest.mark.parametrize(("threads", "options"), [(2, {}), (1, {"sharded": "on", "parallel_load": 2})])
def test_wasm_computes_what_the_native_runtime_does(
    graph: Path, tmp_path: Path, threads: int, options: dict[str, Any]
) -> None:
    need()
    with opened("web-wasm", ask(graph, threads=threads, **options), tmp_path) as session:
        assert session.stopwatch is not None
        durations = session.stopwatch.time_calls(5, calls_per_sample=3)
        assert len(durations) == 5
        assert all(duration > 0 for duration in durations)
        assert len(session.stopwatch.time_calls(100_000, limit_ns=1)) == 1
        assert 0 < session.stopwatch.resolution_ns <= 100_000
        assert_same_outputs(session, graph)
        assert placement_of(session) == {CPU: 3}
        assert session.process_memory is not None
        assert session.process_memory()["renderer"] > 0
    assert (session.threads, session.hardware) == (threads, "")
    phases = {"browser_launch", "page", "runtime_init", "fetch", "compile"}
    assert phases == set(session.costs_ns)
    assert all(cost > 0 for cost in session.costs_ns.values())
    facts = session.facts
    assert (facts["backend"], facts["onnxruntime_web"], facts["threads_used"]) == ("wasm", "1.30.0", str(threads))
    assert facts["cross_origin_isolated"] == "true"
    assert len(facts["model_sha256"]) == 64
    assert ("parallel_load_ms" in facts) == bool(options)
    assert facts.get("shards") == ("2" if options else None)


def test_weights_in_eight_bits(graph: Path, tmp_path: Path) -> None:
    need()
    with opened("web-wasm", ask(graph, precision="int8", quantization="dynamic"), tmp_path) as session:
        assert session.read_outputs is not None
        got, expected = session.read_outputs(session.infer())[0], expect(graph)[0]
        assert np.max(np.abs(got - expected)) < 0.05 * np.max(np.abs(expected))
    assert session.effective_precision.startswith("int8 (dynamic int8")


def test_webgpu_says_on_what_it_computes(graph: Path, tmp_path: Path) -> None:
    need()
    with opened("web-webgpu", ask(graph, "webgpu"), tmp_path) as session:
        assert_same_outputs(session, graph)
        assert placement_of(session).get(WEBGPU_PROVIDER, 0) == 3
        assert session.facts["adapter_kind"] in {"hardware", "software"}
        assert ("(software adapter)" in session.hardware) == (session.facts["adapter_kind"] == "software")
        assert session.facts["shader_cache"] == "cold"


@pytest.mark.parametrize(
    ("features", "largest", "said"),
    [
        (["shader-f16"], 16384, None),
        ([], 16384, "has no half precision .shader-f16."),
        (["shader-f16"], 1, "maxBufferSize"),
    ],
)
def test_a_gpu_must_have_what_the_case_needs(graph: Path, features: list[str], largest: int, said: str | None) -> None:
    """By what the page would answer: here is no GPU with half precision."""
    adapter = {"description": "planted", "features": features, "limits": {"maxBufferSize": largest}}

    class Answering:
        def call(self, verb: str, **_limits: float) -> dict[str, Any]:
            assert verb == "adapter"
            return adapter

    model = Model("two_layers", read_graph(graph), {}, {}, {})
    asked = (cast("Page", Answering()), ask(graph, "webgpu", "fp16"), WEBGPU, model)
    if said is None:
        assert session_module._check_adapter(*asked) == adapter
        return
    with pytest.raises(UnsupportedError, match=said):
        session_module._check_adapter(*asked)


def test_a_gpu_process_that_ends_is_noticed(graph: Path, tmp_path: Path) -> None:
    need()
    with opened("web-webgpu", ask(graph, "webgpu"), tmp_path) as session:
        assert session.stopwatch is not None
        session.stopwatch.time_calls(1)
        threading.Timer(0.3, lambda: kill(session, "gpu-process")).start()
        with pytest.raises((PageError, PageGoneError), match=r"(?s)GPU (device was lost|process ended)"):
            session.stopwatch.time_calls(10_000_000)


def kill(session: Session, kind: str) -> None:
    assert session.processes is not None
    for pid in session.processes():
        if f"--type={kind}" in psutil.Process(pid).cmdline():
            os.kill(pid, signal.SIGKILL)


def test_webnn_computes_on_the_cpu_and_loses_its_context(graph: Path, tmp_path: Path) -> None:
    need("sparticuz")
    with opened("web-webnn", ask(graph, browser="sparticuz"), tmp_path) as session:
        assert_same_outputs(session, graph)
        assert placement_of(session) == {WEBNN_PROVIDER: 3}
        assert session.facts["webnn_device"] == "cpu"
        assert session.hardware == ""
        assert session.stopwatch is not None
        threading.Timer(0.3, lambda: kill(session, "gpu-process")).start()
        with pytest.raises((PageError, PageGoneError), match=r"(?s)WebNN context was lost|GPU process ended"):
            session.stopwatch.time_calls(10_000_000)


@pytest.fixture(scope="module")
def webnn_page() -> Iterator[Page]:
    need("sparticuz")
    with open_page(PageRequest(browser=choose_browser({"browser": "sparticuz"}, WEBNN, "cpu"))) as page:
        yield page


def fresh(page: Page) -> Page:
    """The same page with a Worker that holds nothing."""
    page.call("restart_worker", limit_s=LIMIT_S)
    return page


@pytest.mark.parametrize("is_told", [False, True])
def test_a_dynamic_shape_keeps_webnn_out_and_is_seen(webnn_page: Page, graph: Path, *, is_told: bool) -> None:
    """Planted: without numbers for its symbols the model runs all the same, and hardly anything of it on WebNN."""
    page, request = fresh(webnn_page), ask(graph)
    read = read_graph(graph)
    feeds, overrides = make_feeds(read, make_inputs(request.workload, batch=2, shape={}, seed=7), "two_layers")
    assert overrides == {"batch": 2}
    model = Model("two_layers", read, feeds, overrides if is_told else {}, {})
    loaded = load_model(page, request, WEBNN, model)
    assert page.call("chunk", {"samples": 1}, limit_s=LIMIT_S)["durations_ms"]
    nodes = page.call("placement", {**loaded.fetch, "options": model.options}, limit_s=LIMIT_S)["nodes"]
    share = nodes.get(WEBNN_PROVIDER, 0) / sum(nodes.values())
    assert (share >= WEBNN.least_share) == is_told


def test_a_context_for_a_gpu_that_is_not_there_is_not_believed(webnn_page: Page) -> None:
    page = fresh(webnn_page)
    if page.call("adapter", limit_s=LIMIT_S)["kind"] == "hardware":
        pytest.skip("this machine has a GPU, which WebNN may well drive")
    init = {"backend": "webnn", "ort": page.path(f"ort/{WEBNN.bundle}"), "threads": 1, "device": "gpu"}
    with pytest.raises(PageError, match="NoDevice: WebNN gave a context for gpu, but the browser has no GPU"):
        page.call("init", init, limit_s=LIMIT_S)


def test_nor_is_one_for_an_npu(graph: Path, tmp_path: Path) -> None:
    need("sparticuz")  # whose only backend is the CPU's
    request = ask(graph, "webnn:npu", browser="sparticuz")
    with (
        pytest.raises(UnsupportedError, match=r"WebNN gave a context for npu, but .* the same backend"),
        opened("web-webnn", request, tmp_path),
    ):
        pass


def test_a_page_without_isolation_gets_no_threads(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need()
    monkeypatch.delitem(http._ISOLATION, "Cross-Origin-Opener-Policy")
    with (
        pytest.raises(PageError, match=r"NotIsolated: .* would drop 2 threads to 1"),
        opened("web-wasm", ask(graph, threads=2), tmp_path),
    ):
        pass


def test_another_model_than_the_one_served_is_refused(
    plain_page: Page, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve: Callable[[Page, str, Path | bytes], str] = Page.add_file

    def tamper(page: Page, name: str, content: Path | bytes) -> str:
        changed = content.read_bytes().replace(b"two_layers", b"TWO_LAYERS") if isinstance(content, Path) else content
        return serve(page, name, changed)

    monkeypatch.setattr(Page, "add_file", tamper)
    request = ask(graph)
    read = read_graph(graph)
    feeds, overrides = make_feeds(read, make_inputs(request.workload, batch=2, shape={}, seed=7), "two_layers")
    with pytest.raises(EngineError, match=r"got another model .* SHA-256"):
        load_model(fresh(plain_page), request, WASM, Model("two_layers", read, feeds, overrides, {}))


FAKE = """
let runs = 0, read = 0;
const device = Object.assign(new EventTarget(), { features: new Set(), limits: {}, adapterInfo: {}, destroy() {} });
device.lost = new Promise((resolve) => { device.lose = () => resolve({ reason: 'unknown', message: 'planted' }); });
const tensor = () => ({
  type: 'float32', dims: [2], location: 'gpu-buffer',
  getData: async () => { read += 1; return Float32Array.of(runs, read); },
});
const session = {
  inputMetadata: [], outputMetadata: [], outputNames: ['y'], release: async () => {},
  run: async () => {
    runs += 1;
    if (globalThis.planted === 'exception') throw 123456;
    if (globalThis.planted === 'lost') { device.lose(); await new Promise(() => {}); }
    if (globalThis.planted === 'refused') {
      device.dispatchEvent(Object.assign(new Event('uncapturederror'), { error: new RangeError('too big') }));
    }
    return { y: tensor() };
  },
};
export const env = { wasm: {}, versions: { web: 'fake' }, webgpu: { device: Promise.resolve(device) } };
export const InferenceSession = {
  create: async () => {
    if (globalThis.planted === 'threads') env.wasm.numThreads = 1;
    return session;
  },
};
"""
"""A runtime that leaves its outputs on a device, and does at a word what runtimes should not."""


@pytest.fixture(scope="module")
def plain_page() -> Iterator[Page]:
    need()
    with open_page(PageRequest(browser=choose_browser({}, WASM, "cpu"))) as page:
        yield page


def start_fake(page: Page, word: str = "", threads: int = 1) -> Page:
    fresh(page)
    bundle = page.add_file("fake.mjs", f"globalThis.planted = {word!r};\n{FAKE}".encode())
    page.call("init", {"backend": "webgpu", "ort": bundle, "threads": threads}, limit_s=LIMIT_S)
    page.call("fetch", {"model": page.add_file("model.onnx", b"model")}, limit_s=LIMIT_S)
    page.call("session", {}, limit_s=LIMIT_S)
    page.call("feeds", {"inputs": []}, limit_s=LIMIT_S)
    return page


def test_outputs_that_stay_on_a_device_are_waited_for(plain_page: Page) -> None:
    page = start_fake(plain_page)
    assert len(page.call("chunk", {"samples": 4, "calls_per_sample": 5}, limit_s=LIMIT_S)["durations_ms"]) == 4
    answer = page.call("outputs", limit_s=LIMIT_S)
    runs, read = np.frombuffer(page.blob(answer["outputs"][0]["blob"]), dtype=np.float32)
    assert (runs, read) == (21, 21), "every call of the series was read back, and so was this one"


@pytest.mark.parametrize(
    ("word", "threads", "said"),
    [
        ("exception", 1, "an exception inside WebAssembly .address 123456., most often std::bad_alloc"),
        ("lost", 1, "DeviceLost: the GPU device was lost .unknown.: planted"),
        ("refused", 1, "GpuError: the GPU refused work .RangeError.: too big"),
        ("threads", 2, "ThreadsDropped: 2 threads were asked for and the runtime took 1"),
    ],
)
def test_what_goes_wrong_in_the_runtime_is_said(plain_page: Page, word: str, threads: int, said: str) -> None:
    with pytest.raises(PageError, match=said) as caught:
        start_fake(plain_page, word, threads).call("chunk", {"samples": 1}, limit_s=LIMIT_S)
    assert engine_of("web-wasm").is_out_of_memory(caught.value) == (word == "exception")


def test_nothing_runs_on_a_lost_device(plain_page: Page) -> None:
    page = start_fake(plain_page, "lost")
    for verb in ("chunk", "outputs", "chunk"):
        with pytest.raises(PageError, match="the GPU device was lost"):
            page.call(verb, {"samples": 1}, limit_s=LIMIT_S)
    assert page.call("release", limit_s=LIMIT_S) == {}


def test_a_browser_says_what_it_can_do(plain_page: Page) -> None:
    page = fresh(plain_page)
    read = read_abilities("chromium", {"hello": {}, "features": page.call("features", limit_s=LIMIT_S)})
    assert read.wasm is not None
    assert read.wasm.has_simd
    assert read.wasm.has_threads
    assert read.webgpu is not None
    assert read.webnn is not None
    assert (read.webgpu.adapter is None) == (read.webgpu.absence is not None)


def test_verbs_out_of_order_or_unknown_are_refused(plain_page: Page) -> None:
    page = fresh(plain_page)
    with pytest.raises(PageError, match='RangeError: the page has no verb "nonsense"'):
        page.call("nonsense", limit_s=LIMIT_S)
    with pytest.raises(PageError, match="the runtime was not started: init comes first"):
        page.call("chunk", {"samples": 1}, limit_s=LIMIT_S)
    assert page.call("memory", limit_s=LIMIT_S)["wasm_bytes"] == 0


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("web-wasm", {"precision": Precision.BF16}, "have no bfloat16"),
        ("web-wasm", {"options": {"quantization": "static"}}, "quantization=static makes no fp32 model"),
        ("web-wasm", {"options": {"prune": "magnitude:0.5"}}, "is a file, whose weights cannot be pruned"),
        ("web-wasm", {"options": {"visitor": "pixel9"}}, "was given without browser=visit"),
        ("web-wasm", {"options": {"browser": "visit"}}, "no visitor"),
        ("web-webnn", {"device": "webnn"}, "Expected cpu, webnn:gpu or webnn:npu"),
    ],
)
def test_what_no_browser_can_do_is_refused_while_planning(
    graph: Path, name: str, changes: dict[str, Any], said: str
) -> None:
    need()
    with pytest.raises(UnsupportedError, match=said):
        engine_of(name).plan_artefacts(replace(ask(graph), **changes))


def test_a_browser_that_is_not_here_is_said_while_planning(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_BROWSER_EDGE", "/nowhere/edge")
    with pytest.raises(UnsupportedError, match="ASSAY_BROWSER_EDGE names /nowhere/edge"):
        engine_of("web-wasm").plan_artefacts(ask(graph, browser="edge"))
    with pytest.raises(UnknownNameError, match="browser 'netscape'"):
        engine_of("web-wasm").plan_artefacts(ask(graph, browser="netscape"))


def test_engines_know_their_devices_and_how_long_to_warm_up() -> None:
    wasm, webgpu, webnn = (engine_of(f"web-{name}") for name in ("wasm", "webgpu", "webnn"))
    assert (wasm.capabilities.device_kinds, webgpu.capabilities.device_kinds) == (("cpu",), ("webgpu",))
    assert webnn.capabilities.device_kinds == ("cpu", "webnn")
    assert wasm.capabilities.least_warmup_calls == 20
    assert wasm.capabilities.least_warmup_s == 2.0
    assert isinstance(webgpu.availability("cpu"), Unavailable)
