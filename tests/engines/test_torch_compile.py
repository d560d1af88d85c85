"""Engine `torch-compile` on the CPU, for real: small models are compiled, and what cannot be is refused in words."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import EngineError, UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session, engines
from assay.engines.torch_compile import TorchCompile
from assay.engines.torch_eager import TorchEager
from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, Workload, find_workload, per_sample

ENGINE = TorchCompile()
Load = Callable[..., Session]

needs_compiler = pytest.mark.skipif(
    ENGINE.availability("cpu") is not None, reason=f"torch.compile cannot be used here: {ENGINE.availability('cpu')}"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for Inductor of this module's own, so that the first compilation is one, on any machine."""
    folder = tmp_path_factory.mktemp("inductor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture
def load(cache: Path, settings: None) -> Iterator[Load]:
    del cache, settings
    sessions: list[Session] = []

    def begin(workload: Workload, precision: str = "fp32", engine: Any = ENGINE, **options: str) -> Session:
        request = LoadRequest(workload, "cpu", Precision(precision), 3, workload.resolve_shape({}), threads=1, seed=7)
        sessions.append(engine.load(replace(request, options=options)))
        return sessions[-1]

    yield begin
    for session in reversed(sessions):
        session.unload()


def _make(forward: Callable[[Any, Mapping[str, Any]], Any] | None = None, width: int = 24) -> Workload:
    """A perceptron of its own width, so that no two tests compile the same graph."""

    def build(_size: Size) -> Any:
        from torch import nn

        return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    size = Size(Tier.TINY, {}, None, "a test's own", constants={"width": width})
    family = Family(
        name="perceptron",
        task="regression",
        modality="table",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={"tiny": size},
        inputs=(InputSpec("features", ("batch", "width"), "float32", Fill.NORMAL),),
        default_shape={},
        default_batches=(1,),
        build=build,
        forward=forward or (lambda model, inputs: model(inputs["features"])),
        reference="a test's own",
        requires=("torch",),
    )
    return Workload("perceptron/tiny", family, size)


def _outputs(session: Session) -> np.ndarray[Any, Any]:
    assert session.read_outputs is not None
    return np.asarray(session.read_outputs(session.infer())[0])


# -- compiling -----------------------------------------------------------------------------------------------


@needs_compiler
def test_what_is_compiled_computes_the_same_and_its_time_is_told_apart(torch: Any, load: Load) -> None:
    session = load(_make(width=20))
    assert session.costs_ns.keys() == {"compile"}
    assert session.costs_ns["compile"] > 0
    assert {name: session.facts[name] for name in ("graphs", "graph_breaks", "recompiles", "compile_cache")} == {
        "graphs": "1",
        "graph_breaks": "0",
        "recompiles": "0",
        "compile_cache": "miss",
    }
    assert session.facts["compile_mode"] == "default"
    assert "graph_break_reason" not in session.facts
    assert torch.is_inference_mode_enabled()
    compiled = _outputs(session)
    session.unload()
    assert not torch.is_inference_mode_enabled()
    assert np.allclose(compiled, _outputs(load(_make(width=20), engine=TorchEager())), rtol=1e-4, atol=1e-5)


@needs_compiler
def test_a_compilation_from_the_cache_has_another_name(load: Load) -> None:
    load(_make()).unload()
    session = load(_make())
    assert session.costs_ns.keys() == {"compile_cached"}
    assert session.facts["compile_cache"] == "hit"


@needs_compiler
def test_a_cold_cache_is_empty_and_leaves_nothing(load: Load, cache: Path) -> None:
    load(_make()).unload()
    session = load(_make(), compile_cache="cold")
    folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    assert folder != cache
    assert session.costs_ns.keys() == {"compile"}
    assert session.facts["compile_cache"] == "cold"
    assert _outputs(session).shape == (3, 24)
    session.unload()
    assert not folder.exists()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(cache)


@needs_compiler
def test_calls_after_loading_compile_nothing(torch: Any, load: Load) -> None:
    session = load(_make())
    before = torch._dynamo.utils.counters["frames"]["total"]
    for _ in range(3):
        session.infer()
    assert torch._dynamo.utils.counters["frames"]["total"] == before


@needs_compiler
def test_graph_breaks_are_counted_and_the_reason_is_kept(torch: Any, load: Load) -> None:
    def forward(model: Any, inputs: Mapping[str, Any]) -> Any:
        middle = model[1](model[0](inputs["features"]))
        torch._dynamo.graph_break()
        return model[2](middle)

    session = load(_make(forward))
    assert session.facts["graphs"] == "2"
    assert int(session.facts["graph_breaks"]) >= 1  # Dynamo counts one in each of the nested functions that it parts
    assert "graph_break" in session.facts["graph_break_reason"]
    assert _outputs(session).shape == (3, 24)


@needs_compiler
@pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="torchao is not installed")
def test_quantized_layers_are_compiled_too(load: Load) -> None:
    workload = _make(width=32)
    session, eager = load(workload, "int8"), load(workload, "int8", engine=TorchEager())
    assert session.facts["quantized_linears"] == "2 of 2"
    assert session.facts["graphs"] == "1"
    assert np.allclose(_outputs(session), _outputs(eager), rtol=1e-2, atol=1e-2)


@needs_compiler
def test_no_compile_worker_is_left_beside_the_measurement(load: Load) -> None:
    session = load(_make())
    from torch._inductor import async_compile

    assert not async_compile._pool_set
    assert session.infer() is not None


# -- what it refuses -----------------------------------------------------------------------------------------


@needs_compiler
def test_a_model_of_which_nothing_can_be_compiled_is_no_compiled_model(torch: Any, load: Load) -> None:
    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch is not followed by mypy (pyproject)
    def forward(model: Any, inputs: Mapping[str, Any]) -> Any:
        return model(inputs["features"])

    with pytest.raises(EngineError) as caught:
        load(_make(forward))
    assert str(caught.value) == (
        "torch.compile compiled nothing of perceptron/tiny: all of it would run in eager mode. Use the engine torch."
    )
    assert not torch.is_inference_mode_enabled()


@needs_compiler
def test_a_compiler_that_fails_is_named_with_its_reason(torch: Any, load: Load) -> None:
    def broken(*_args: Any) -> Any:
        raise RuntimeError("no such instruction")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._inductor.graph.GraphLowering, "run", broken)
        with pytest.raises(
            EngineError, match=r"torch\.compile could not compile perceptron/tiny: .*no such instruction"
        ):
            load(_make(width=32))


@needs_compiler
def test_what_the_model_itself_raises_keeps_its_class(load: Load) -> None:
    def forward(model: Any, inputs: Mapping[str, Any]) -> Any:
        return model(inputs["features"].reshape(5, 5))

    with pytest.raises(Exception, match=r"shape|size") as caught:
        load(_make(forward))
    assert not ENGINE.is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compile_mode": "fastest"}, "torch.compile has no compile_mode 'fastest'. Expected 'default', "),
        ({"compile_cache": "lukewarm"}, "torch.compile has no compile_cache 'lukewarm'. Expected 'warm' or 'cold'."),
    ],
)
def test_an_option_that_it_lacks_is_refused_before_anything_is_loaded(options: dict[str, str], message: str) -> None:
    request = LoadRequest(find_workload("bert"), "cpu", Precision.FP32, 1, {}, threads=1, seed=7, options=options)
    with pytest.raises(UnsupportedError) as caught:
        ENGINE.plan_artefacts(request)
    assert str(caught.value).startswith(message)


def test_a_precision_that_a_device_lacks_is_refused_before_anything_is_loaded() -> None:
    request = LoadRequest(find_workload("bert"), "mps", Precision.INT8, 1, {}, threads=1, seed=7)
    with pytest.raises(UnsupportedError, match=r"torch\.compile cannot load bert/tiny in int8 on mps\."):
        ENGINE.plan_artefacts(request)


# -- what it needs -------------------------------------------------------------------------------------------


def test_it_registers_under_its_name() -> None:
    assert engines.get("torch-compile").name == "torch-compile"
    assert engines.get("torch-compile").capabilities.device_kinds == ("cpu", "cuda", "rocm", "mps", "xpu")


def test_without_a_compiler_it_is_unavailable_and_says_what_to_install(
    torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del torch
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr("assay.engines.torch_common.is_cpu_build", lambda: False)
    monkeypatch.setenv("CXX", "no-such-compiler -v")
    assert "the compiler 'no-such-compiler -v' is not on the path" in str(ENGINE.availability("cpu"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "triton" else name)
    assert "triton is not installed (pip install triton)" in str(ENGINE.availability("cuda"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert "Triton needs a C compiler" in str(ENGINE.availability("rocm"))


def test_without_the_headers_of_python_it_is_unavailable(
    torch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del torch
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    assert "its headers are missing (Python.h)" in str(ENGINE.availability("cpu"))


def test_a_kind_of_device_that_it_lacks_is_named(torch: Any) -> None:
    del torch
    assert str(ENGINE.availability("npu")) == "torch.compile has no device kind 'npu'; it has cpu, cuda, rocm, mps, xpu"
