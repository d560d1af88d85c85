"""Memory told beforehand: its parts by hand, what is learned from measurements, whether a device has it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from assay.core.errors import AssayError, UnknownNameError, UnsupportedError
from assay.predict.base import ExampleSource, Gathered, Payload
from assay.predict.graphs import profile_workload
from assay.predict.memory import (
    MemoryCorrection,
    MemoryParts,
    add_bytes,
    count_memory,
    estimate_memory,
    load_correction,
)
from assay.predict.memory_kind import MemoryModel, fit_memory, gather_kind, load_memory, validate_memory
from assay.predict.memory_learn import HOST_METRIC, learn_correction
from assay.predict.values import (
    Abstention,
    Conditions,
    DeviceProfile,
    Example,
    GraphProfile,
    Layer,
    Prediction,
    Question,
    Situation,
)

GRAPH = GraphProfile(
    workload="own/net", family="own", work={}, batch=4, parameters=1e6, weight_elements=1e6,
    activation_peak_elements=2e5, saved_elements=3e6,
)  # fmt: skip
INFERENCE = Conditions(engine="torch", batch=4)


def ask(graph: GraphProfile | None, metric: str = HOST_METRIC) -> Question:
    return Question("own/net", "own", DeviceProfile("one", kind="cpu"), INFERENCE, metric, graph)


def made_examples(spread: float, seed: int = 0) -> list[Example]:
    """Peaks of an engine that takes weights twice, activations three times and 50 MB."""
    random_source = random.Random(seed)
    made = []
    for place in range(60):
        weights, activations = random_source.uniform(1e6, 5e7), random_source.uniform(1e5, 1e7)
        graph = replace(GRAPH, parameters=weights, activation_peak_elements=activations)
        peak = (2 * 4 * weights + 3 * 4 * activations + 50e6) * math.exp(random_source.gauss(0, spread))
        groups = {
            "family": f"family {place % 15}",
            "model": str(place),
            "engine": "torch",
            "mode": "inference",
            "device": "one",
        }
        made.append(Example(ask(graph), peak, groups, str(place)))
    return made


# -- the analytic sum --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "weights", "activations"),
    [("fp32", 4e6, 8e5), ("fp16", 2e6, 4e5), ("int8", 1e6, 8e5), ("int4", 0.5e6, 8e5)],
)
def test_inference_holds_weights_and_the_most_that_is_alive(precision: str, weights: float, activations: float) -> None:
    found = count_memory(GRAPH, replace(INFERENCE, precision=precision))
    assert found == MemoryParts(weights, activations)


@pytest.mark.parametrize(
    ("optimizer", "state"), [("adamw", 8e6), ("sgd", 4e6), ("adamw-8bit", 2e6), ("adafactor", 1e5)]
)
def test_training_holds_gradients_state_and_what_is_saved(optimizer: str, state: float) -> None:
    training = replace(INFERENCE, mode="training", options=(("optimizer", optimizer),))
    assert count_memory(GRAPH, training) == MemoryParts(4e6, 12e6, 4e6, state)


def test_under_autocast_weights_are_there_twice_and_activations_are_narrow() -> None:
    training = replace(INFERENCE, mode="training", precision="bf16")
    assert count_memory(GRAPH, training) == MemoryParts(6e6, 6e6, 4e6, 8e6)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="alive at once"):
        count_memory(replace(GRAPH, activation_peak_elements=None), INFERENCE)
    with pytest.raises(UnsupportedError, match="forward pass saves"):
        count_memory(replace(GRAPH, saved_elements=None), replace(INFERENCE, mode="training"))
    with pytest.raises(UnsupportedError, match="'lion'"):
        count_memory(GRAPH, replace(INFERENCE, mode="training", options=(("optimizer", "lion"),)))
    with pytest.raises(UnsupportedError, match="'fp3'"):
        count_memory(GRAPH, replace(INFERENCE, precision="fp3"))
    with pytest.raises(ValueError, match="batch 4"):
        count_memory(GRAPH, replace(INFERENCE, batch=1))


def test_what_is_alive_at_once_is_followed_through_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    class Net(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy (pyproject)
        """The input of 100 is alive throughout; then 100, 200, 300 come, the last from the two before it."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            one = x + 1
            two = torch.cat([one, one])
            three = torch.cat([one, two])
            del one, two
            return three[:50] * 2

    module = ModuleType("memory_of_net")
    module.make = lambda batch=1: (Net(), (torch.zeros(100 * batch),))  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "memory_of_net", module)
    assert profile_workload("memory_of_net:make", cache=tmp_path).activation_peak_elements == 100 + 100 + 200 + 300


def test_what_training_saves_is_what_autograd_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType

    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 4))
    module = ModuleType("saved_of_net")
    module.make = lambda batch=1: (net, (torch.zeros(batch, 8),))  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "saved_of_net", module)
    # The input of the first layer, that of GELU, that of the second layer.
    assert profile_workload("saved_of_net:make", batch=3, cache=tmp_path).saved_elements == 3 * (8 + 16 + 16)


# -- what is learned ---------------------------------------------------------------------------------------------


def test_factors_are_found_and_intervals_hold_what_they_promise() -> None:
    found = learn_correction(made_examples(0.1))
    factors = found.factors["torch inference on cpu"]
    assert factors.weights == pytest.approx(2, rel=0.1)
    assert factors.activations == pytest.approx(3, rel=0.2)
    assert factors.base_bytes == pytest.approx(50e6, rel=0.3)
    fresh = made_examples(0.1, seed=1)
    held = 0
    for one in fresh:
        wanted = MemoryModel(found).estimate(one.question)
        inner, _, outer = wanted.intervals
        assert outer.lo < inner.lo < wanted.value_bytes < inner.hi < outer.hi
        held += outer.lo <= one.value <= outer.hi
    assert held / len(fresh) >= 0.85
    assert "60 results" in estimate_memory(GRAPH, INFERENCE, found).reasons[1]


def test_a_correction_survives_json() -> None:
    found = learn_correction(made_examples(0.1))
    assert load_correction(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    "content", [{}, {"factors": {"a": [1]}, "calibrations": {}}, {"factors": 1, "calibrations": 2}]
)
def test_a_damaged_correction_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(AssayError, match="cannot be read"):
        load_correction(content)


def test_three_measurements_teach_nothing() -> None:
    found = learn_correction(made_examples(0.1)[:3])
    assert found == MemoryCorrection()
    estimate = estimate_memory(GRAPH, INFERENCE, found)
    assert estimate.value_bytes == 4.8e6
    assert estimate.intervals == ()
    assert "untested" in estimate.flags[0]


def test_the_kind_answers_and_survives_its_file(through_file: Callable[[Payload], Payload]) -> None:
    model = fit_memory(Gathered(made_examples(0.1), ()), 0)
    again = load_memory(through_file(model.payload()))
    questions = [ask(GRAPH), ask(None), ask(GRAPH, "latency_ns")]
    answers = model.answer(questions)
    assert again.answer(questions) == answers
    known, without, other = answers
    assert isinstance(known, Prediction)
    assert (known.layer, known.calibrated_on) == (Layer.LEARNED, Situation.UNSEEN_FAMILY)
    assert (known.unit, known.calibration_n, known.calibration_groups) == ("B", 60, 15)
    assert isinstance(without, Abstention)
    assert isinstance(other, Abstention)
    (alone,) = MemoryModel().answer([ask(GRAPH)])
    assert isinstance(alone, Prediction)
    assert (alone.layer, alone.intervals) == (Layer.ROOFLINE, ())


def test_families_left_out_are_foretold_better_than_by_the_sum_alone() -> None:
    outcome = validate_memory(Gathered(made_examples(0.1), ()), "family", 0)
    assert outcome.own.n == 60
    assert outcome.own.mean_error < 0.15
    assert outcome.beaten_by == ()
    assert 0.85 <= outcome.own.coverage[0.9] <= 1
    assert {one.group for one in outcome.stratified["engine"]} == {"torch"}
    with pytest.raises(UnknownNameError, match="'weather'"):
        validate_memory(Gathered(made_examples(0.1), ()), "weather", 0)
    with pytest.raises(AssayError, match="Nothing could be held out"):
        validate_memory(Gathered(made_examples(0.1)[:4], ()), "family", 0)


def test_without_a_store_nothing_is_learned() -> None:
    found = gather_kind(ExampleSource())
    assert not found.examples
    with pytest.raises(AssayError, match="Of no engine"):
        fit_memory(found, 0)


# -- whether it fits ---------------------------------------------------------------------------------------------


def test_the_probability_of_running_out_rises_as_memory_shrinks() -> None:
    estimate = estimate_memory(GRAPH, INFERENCE)
    odds = [estimate.oom_probability(share * estimate.value_bytes) for share in (4, 2, 1, 0.5, 0.25)]
    assert odds == sorted(odds)
    assert odds[0] < 0.01
    assert odds[2] == pytest.approx(0.5)
    assert odds[4] > 0.99
    assert estimate.oom_probability(1e9, context_bytes=2e9) == 1


def test_what_the_graph_does_not_know_of_is_added_with_its_reason() -> None:
    found = estimate_memory(GRAPH, INFERENCE, learn_correction(made_examples(0.1)))
    more = add_bytes(found, found.value_bytes, "a cache of keys and values")
    assert more.value_bytes == 2 * found.value_bytes
    assert more.intervals[0].hi == pytest.approx(2 * found.intervals[0].hi)
    assert more.reasons[-1] == "a cache of keys and values"
