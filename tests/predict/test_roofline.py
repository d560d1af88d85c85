"""The roof of made-up graphs, and the shares of it that made-up devices reach. No time here goes into a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.roofline import call_kind, fit_roofline, load_roofline, roof_ns, validate_roofline
from assay.predict.values import (
    Abstention,
    Conditions,
    DeviceProfile,
    Example,
    GraphProfile,
    Layer,
    OpWork,
    Prediction,
    Question,
)


def make_device(name: str, scale: float = 1.0) -> DeviceProfile:
    return DeviceProfile(
        name, kind="gpu", flops_per_s={"fp16": 1e14 * scale, "fp32": 2e13 * scale}, bandwidth_bytes_per_s=1e12 * scale
    )


def make_question(device: DeviceProfile, family: str = "a", size: float = 1.0) -> Question:
    work = {"matmul": OpWork(10, 1e10 * size, 1e6 * size), "elementwise": OpWork(20, 0, 1e7 * size)}
    graph = GraphProfile(f"{family}/x", family, work, 8, parameters=1e6, units_per_call=8.0)
    return Question(f"{family}/x", family, device, Conditions(precision="fp16", batch=8), "latency_ns", graph)


def make_examples(devices: int = 12) -> list[Example]:
    random = np.random.default_rng(5)
    found = []
    for number in range(devices):
        device = make_device(f"device {number}", 1 + number / 4)
        of_device = random.lognormal(0, 0.2)
        for family in "abcdefghijkl":
            question = make_question(device, family, float(random.uniform(0.5, 4)))
            value = roof_ns(question) * 2.0 * of_device * random.lognormal(0, 0.1)
            found.append(Example(question, value, {"device": device.name, "family": family}, "computed"))
    return found


def test_the_roof_adds_up_the_longest_of_work_traffic_and_starting() -> None:
    question = make_question(make_device("x"))
    products = max(1e10 / 1e14 * 1e9, 1e6 * 2 / 1e12 * 1e9, 10 * 5_000)
    rest = max(0.0, 1e7 * 2 / 1e12 * 1e9, 20 * 5_000)
    assert roof_ns(question) == pytest.approx(products + rest)
    training = replace(question, conditions=replace(question.conditions, mode="training"))
    assert roof_ns(training) == pytest.approx(3 * (products + rest))
    assert call_kind(training) == "gpu fp16 training"


def test_an_answer_is_the_roof_times_the_usual_share_with_tested_intervals(
    through_file: Callable[[Payload], Payload],
) -> None:
    model = fit_roofline(Gathered(make_examples(), ()), 0)
    question = make_question(make_device("another", 2.0))
    (answer,) = model.answer([question])
    assert isinstance(answer, Prediction)
    assert answer.layer is Layer.ROOFLINE
    assert answer.value == pytest.approx(2 * roof_ns(question), rel=0.15)
    assert [one.level for one in answer.intervals] == [0.5, 0.8, 0.9]
    (rate,) = model.answer([replace(question, metric="throughput_per_s")])
    assert isinstance(rate, Prediction)
    assert rate.value == pytest.approx(8 / answer.value * 1e9)
    assert load_roofline(through_file(model.payload())).answer([question]) == [answer]


def test_few_devices_leave_the_highest_level_open_and_say_so() -> None:
    (answer,) = fit_roofline(Gathered(make_examples(4), ()), 0).answer([make_question(make_device("x"))])
    assert isinstance(answer, Prediction)
    assert answer.interval(0.9) is None
    assert answer.flags == ("only 4 devices to calibrate on",)


@pytest.mark.parametrize("split", ["device", "family"])
def test_held_out_groups_are_foretold_better_than_by_the_bare_roof(split: str) -> None:
    found = validate_roofline(Gathered(make_examples(), ()), split, 0)
    assert found.beaten_by == ()
    assert found.own.mean_error < 0.3
    assert found.own.n == 144
    assert found.own.coverage[0.9] >= 0.85


def test_what_has_no_roof_gets_an_abstention() -> None:
    model = fit_roofline(Gathered(make_examples(), ()), 0)
    question = make_question(make_device("x"))
    for wrong, reason in (
        (replace(question, graph=None), "graph"),
        (replace(question, device=DeviceProfile("bare")), "rate of arithmetic"),
        (replace(question, metric="average_power_w"), "not average_power_w"),
        (replace(question, conditions=replace(question.conditions, devices=4)), "one device"),
    ):
        (answer,) = model.answer([wrong])
        assert isinstance(answer, Abstention)
        assert reason in answer.reason


def test_too_few_examples_teach_nothing() -> None:
    with pytest.raises(AssayError, match=r"12 timings .* at least 30"):
        fit_roofline(Gathered(make_examples(1), ()), 0)
