"""Quantized weights through torchao on the CPU, for real: what was quantized, what it computes, and what is refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.engines.base import LoadRequest, Session
from assay.engines.torch_eager import TorchEager
from assay.engines.torch_quantize import count_model_bytes, find_method, quantize_model
from assay.workloads.base import find_workload

ENGINE = TorchEager()
Load = Callable[..., Session]

needs_torchao = pytest.mark.skipif(
    importlib.util.find_spec("torchao") is None, reason="torchao is not installed: pip install 'assay[torchao]'"
)


def _request(name: str, precision: str, **options: str) -> LoadRequest:
    workload = find_workload(name)
    request = LoadRequest(workload, "cpu", Precision(precision), 2, workload.resolve_shape({}), threads=1, seed=7)
    return replace(request, options=options)


@pytest.fixture
def load(settings: None) -> Iterator[Load]:
    del settings
    sessions: list[Session] = []

    def begin(name: str, precision: str, **options: str) -> Session:
        sessions.append(ENGINE.load(_request(name, precision, **options)))
        return sessions[-1]

    yield begin
    for session in reversed(sessions):
        session.unload()


def _relative_error(session: Session, reference: Session) -> float:
    assert session.read_outputs is not None
    assert reference.read_outputs is not None
    pairs = zip(session.read_outputs(session.infer()), reference.read_outputs(reference.infer()), strict=True)
    return max(float(np.linalg.norm(one - other) / np.linalg.norm(other)) for one, other in pairs)


@needs_torchao
@pytest.mark.parametrize(
    ("precision", "options", "words", "limit"),
    [
        ("int8", {}, "int8 dynamic (linear layers; 9 % of weights; the rest fp32)", 0.05),
        (
            "int8",
            {"quantization": "weight-only"},
            "int8 weight-only (linear layers; 9 % of weights; the rest fp32)",
            0.05,
        ),
        ("int4", {}, "int4 weight-only (linear layers; 9 % of weights; the rest fp32)", 0.3),
    ],
)
def test_linear_layers_are_quantized_and_compute_nearly_the_same(
    load: Load, precision: str, options: dict[str, str], words: str, limit: float
) -> None:
    session = load("bert", precision, **options)
    assert session.effective_precision == words
    assert session.facts["quantized_linears"] == "13 of 13"
    assert 0.09 < float(session.facts["quantized_share"]) < 0.1
    assert session.parameters == find_workload("bert").size.parameters
    error = _relative_error(session, load("bert", "fp32"))
    assert 0 < error < limit


@needs_torchao
def test_most_of_a_language_model_is_quantized_and_it_becomes_small(load: Load) -> None:
    whole, eight, four = (load("llama", precision) for precision in ("fp32", "int8", "int4"))
    assert eight.facts["quantized_linears"] == "22 of 22"
    sizes = [int(session.facts["model_bytes"]) for session in (whole, eight, four)]
    assert sizes[0] > 2 * sizes[1] > 2 * sizes[2]


@needs_torchao
def test_a_model_without_linear_layers_is_refused_with_the_reason(load: Load) -> None:
    with pytest.raises(UnsupportedError) as caught:
        load("unet", "int8")
    assert caught.value.message == "unet/tiny has no linear layers that torchao can quantize to int8."


@needs_torchao
def test_of_a_convolutional_network_only_the_classifier_is_quantized_and_that_is_said(torch: Any, load: Load) -> None:
    session = load("resnet", "int8")
    assert session.facts["quantized_linears"] == "1 of 1"
    assert 0 < float(session.facts["quantized_share"]) < 0.6
    assert torch.isfinite(session.infer().logits).all()


@needs_torchao
def test_layers_of_a_shape_without_kernels_stay_as_they_are_and_are_counted(torch: Any) -> None:
    shapes = [(128, 96), (96, 48), (48, 40), (40, 32)]
    model = torch.nn.Sequential(*(torch.nn.Linear(*shape) for shape in shapes))
    done = quantize_model(model, _request("bert", "int4"))
    assert done.facts["quantized_linears"] == "2 of 4"
    assert done.facts["int4_groups"] == "128, 32"
    assert torch.isfinite(model(torch.ones(2, 128))).all()


@needs_torchao
def test_quantizing_leaves_fp32_arithmetic_alone(torch: Any, load: Load) -> None:
    load("bert", "int8")
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32


def test_bytes_are_counted_once_for_what_is_shared(torch: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 4, bias=False))
    assert count_model_bytes(model) == 2 * 4 * 4 * 4
    model[1].weight = model[0].weight
    assert count_model_bytes(model) == 4 * 4 * 4


@pytest.mark.parametrize(
    ("precision", "method", "message"),
    [
        ("int8", "static", "PyTorch has no 'static' quantization to int8. Expected 'dynamic' or 'weight-only'."),
        ("int4", "dynamic", "PyTorch has no 'dynamic' quantization to int4. Expected 'weight-only'."),
    ],
)
def test_a_method_that_torchao_lacks_is_refused_before_anything_is_loaded(
    precision: str, method: str, message: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        ENGINE.plan_artefacts(_request("bert", precision, quantization=method))
    assert str(caught.value).startswith(message)


def test_the_methods_by_default() -> None:
    assert find_method(_request("bert", "int8")) == "dynamic"
    assert find_method(_request("bert", "int4")) == "weight-only"


def test_without_torchao_the_way_to_get_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torchao" else found(name))
    with pytest.raises(UnsupportedError) as caught:
        ENGINE.plan_artefacts(_request("bert", "int8"))
    assert str(caught.value) == (
        "PyTorch runs int8 through torchao, which is not installed. pip install 'assay[torchao]'"
    )
    assert ENGINE.plan_artefacts(_request("bert", "fp32")) == ()
