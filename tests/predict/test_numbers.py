"""Answers as arrays: the numbers are those of the answers that are made where somebody looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from assay.predict.graph.model import GraphModel
from assay.predict.layers import Estimator, open_estimator
from assay.predict.narrowest import Narrowest
from assay.predict.numbers import LAYERS, NONE, SITUATIONS, Numbers, find_alike, from_answers
from assay.predict.values import (
    LEVELS,
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    GraphProfile,
    Interval,
    Layer,
    OpWork,
    Prediction,
    Question,
    Situation,
)

DEVICES = (
    DeviceProfile(
        "NVIDIA A100 40GB PCIe", vendor="NVIDIA", flops_per_s={"fp32": 19.5e12, "fp16": 312e12},
        vector_flops_per_s=19.5e12, bandwidth_bytes_per_s=1.5e12, memory_bytes=40 * 2**30, cache_bytes=40e6, units=108,
    ),
    DeviceProfile(
        "new", vendor="NVIDIA", flops_per_s={"fp32": 3e13}, bandwidth_bytes_per_s=9e11, memory_bytes=2**30,
        origin={"bandwidth": "derated"}, notes=("made up",),
    ),
    DeviceProfile("unknown", vendor="Nobody", flops_per_s={"fp32": 1e13}, bandwidth_bytes_per_s=4e11),
    DeviceProfile("bare", vendor="NVIDIA"),
    DeviceProfile("cpu", vendor="Intel", kind="cpu", flops_per_s={"fp32": 2e12}, bandwidth_bytes_per_s=1e11),
)  # fmt: skip


def make_graph(scale: float, batch: int = 1) -> GraphProfile:
    work = {
        "conv": OpWork(20, 4e9 * scale * batch, 2e7 * scale * batch),
        "matmul": OpWork(1, 4e6 * batch, 2e6),
        "norm": OpWork(20, 1e7 * scale * batch, 2e7 * scale * batch),
    }
    return GraphProfile(
        f"net/{scale:g}", "net", work, batch=batch, parameters=2.5e7 * scale, weight_elements=2.5e7 * scale
    )


def make_questions() -> list[Question]:
    """Of every kind: told, far away, without a graph, without rates, too large, of metrics and modes of others."""
    graphs = [make_graph(0.5), make_graph(1.0), make_graph(1.0, 64), make_graph(1e6), make_graph(1e-4), None]
    empty = replace(make_graph(1.0), work={"norm": OpWork(1)})
    under = [
        Conditions(precision="fp32"), Conditions(precision="fp16"), Conditions(precision="fp8"),
        Conditions(mode="training"), Conditions(devices=2), Conditions(engine="web-webgpu"), Conditions(engine="odd"),
        Conditions(options=(("torch", "9.9"),)),
    ]  # fmt: skip
    metrics = ("latency_ns", "throughput_per_s", "memory_peak_bytes", "average_power_w", "accuracy")
    return [
        Question(
            "none" if graph is None else graph.workload, "net", device,
            replace(one, batch=1 if graph is None else graph.batch), metric, graph,
        )
        for graph in (*graphs, empty) for device in DEVICES for one in under for metric in metrics
    ]  # fmt: skip


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return open_estimator(None)


def check(found: Numbers, answers: Sequence[Answer]) -> int:
    """The arrays say what the answers say; returns how many numbers there are."""
    numbers = 0
    for place, answer in enumerate(answers):
        if isinstance(answer, Abstention):
            assert np.isnan(found.values[place])
            assert np.isnan(found.lo[place]).all()
            assert found.layers[place] == NONE
            continue
        numbers += 1
        assert found.values[place] == answer.value
        assert LAYERS[found.layers[place]] is answer.layer
        code = found.situations[place]
        assert (None if code == NONE else SITUATIONS[code]) is answer.calibrated_on
        for level, lo, hi in zip(LEVELS, found.lo[place].tolist(), found.hi[place].tolist(), strict=True):
            assert answer.interval(level) == (None if np.isnan(lo) else Interval(level, lo, hi))
        if found.by is not None and found.by[place] != NONE:
            assert found.models[found.by[place]] == answer.model
    return numbers


def test_numbers_are_those_of_the_answers(estimator: Estimator) -> None:
    questions = make_questions()
    found = estimator.numbers(questions)
    answers = found.answers()
    told = check(found, answers)
    assert 100 < told < len(questions) - 100
    assert {LAYERS[one] for one in found.layers.tolist() if one != NONE} >= {Layer.LEARNED, Layer.ROOFLINE}
    # One by one, the same is answered.
    for place in range(0, len(questions), 37):
        assert estimator.estimate([questions[place]]) == [answers[place]]


def test_each_kind_tells_the_same_as_arrays_and_as_answers(estimator: Estimator) -> None:
    questions = make_questions()
    for kind in estimator.kinds:
        if hasattr(kind.fitted, "numbers"):
            found = kind.fitted.numbers(questions)
            assert check(found, kind.fitted.answer(questions)) > 0


def test_many_rows_in_threads_give_the_same_bits_as_few(estimator: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = next(kind.fitted for kind in estimator.kinds if isinstance(kind.fitted, GraphModel))
    questions = [
        Question(graph.workload, "net", device, Conditions(), graph=graph)
        for graph in [make_graph(0.2 + place / 20) for place in range(40)] for device in DEVICES
    ]  # fmt: skip
    whole = graphs.numbers(questions)
    monkeypatch.setattr("assay.predict.graph.model._CHUNK", 7)
    parts = graphs.numbers(questions)
    assert np.array_equal(whole.values, parts.values, equal_nan=True)
    assert np.array_equal(whole.lo, parts.lo, equal_nan=True)
    assert np.count_nonzero(~np.isnan(whole.values)) > 20


def test_what_questions_share_is_found_once() -> None:
    graph, device = make_graph(1.0), DEVICES[0]
    questions = [
        Question("a", "f", device, Conditions(batch=2), graph=graph),
        Question("a", "f", device, Conditions(batch=2), "throughput_per_s", graph),
        Question("b", "f", replace(device), Conditions(batch=3), graph=None),
    ]
    found = find_alike(questions)
    assert found.graphs == (graph, None)
    assert len(found.devices) == 2  # equal, and another object
    assert found.conditions == (Conditions(batch=2), Conditions(batch=3))
    assert found.models == (("a", "f"), ("b", "f"))
    assert found.of_metric.tolist() == [0, 1, 0]
    pairs, of_pair = found.pairs()
    assert [pairs[place][1].batch for place in of_pair.tolist()] == [2, 2, 3]
    assert found.take(np.array([2])).of_graph.tolist() == [1]
    assert find_alike([]).pairs()[0] == []


def test_of_equally_narrow_answers_the_surer_layer_wins_whatever_the_order() -> None:
    def say(layer: Layer, wide: float, value: float) -> Numbers:
        bounds = tuple(Interval(level, value / wide, value * wide) for level in LEVELS)
        return from_answers([Prediction("latency_ns", value, "ns", bounds, layer, (), None, Situation.KNOWN)])  # type: ignore[arg-type]

    place, stands = np.array([0]), np.array([True])
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        said = [say(Layer.LEARNED, 2.0, 2.0), say(Layer.TRANSFER, 2.0, 4.0), say(Layer.ROOFLINE, 4.0, 8.0)]
        best = Narrowest.of(1)
        for who in order:
            best.consider(who, place, said[who], stands)
        assert (best.by[0], best.values[0]) == (1, 4.0)
    nobody = Narrowest.of(1)
    nobody.consider(0, place, say(Layer.LEARNED, 2.0, 2.0), np.array([False]))
    assert nobody.by[0] == NONE
