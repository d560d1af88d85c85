"""Who answers: the measured, then the narrowest tested interval; who was beaten does not, and nobody is a reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from assay.predict.base import Payload
from assay.predict.layers import Estimator, LoadedKind, open_estimator
from assay.predict.model_file import ModelRecord
from assay.predict.scores import Score, SplitOutcome
from assay.predict.values import (
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

DEVICE = DeviceProfile("x", flops_per_s={"fp32": 1e12}, bandwidth_bytes_per_s=1e11, memory_bytes=8 * 2**30)
QUESTION = Question("a/b", "a", DEVICE, Conditions(), "latency_ns")


@dataclass(frozen=True)
class Always:
    """A kind that gives one answer."""

    said: Answer

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [self.said for _ in questions]

    def payload(self) -> Payload:
        return Payload({})


def make_kind(name: str, said: Answer, outcomes: tuple[SplitOutcome, ...] = ()) -> LoadedKind:
    record = ModelRecord(name, datetime(2026, 1, 1, tzinfo=UTC), "0", Payload({}), outcomes=outcomes, version=name * 4)
    return LoadedKind(record, Always(said))


def make_answer(value: float, breadth: float | None, layer: Layer = Layer.LEARNED) -> Prediction:
    half = None if breadth is None else math.sqrt(breadth)
    intervals = () if half is None else tuple(Interval(level, value / half, value * half) for level in (0.5, 0.8, 0.9))
    return Prediction("latency_ns", value, "ns", intervals, layer, ("because",), calibrated_on=Situation.UNSEEN_FAMILY)


def make_outcome(*, own: float, naive: float) -> SplitOutcome:
    methods = {"assay": Score(9, own, own, 0, 0), "nearest": Score(9, naive, naive, 0, 0)}
    return SplitOutcome("k", "family", "?", "latency_ns", methods)


def test_the_narrowest_tested_interval_answers_and_the_others_are_named() -> None:
    kinds = (
        make_kind("wide", make_answer(1.0, 4.0)),
        make_kind("narrow", make_answer(2.0, 1.5)),
        make_kind("none", make_answer(3.0, None)),
        make_kind("silent", Abstention("latency_ns", "no idea")),
    )
    (found,) = Estimator(kinds).estimate([QUESTION])
    assert isinstance(found, Prediction)
    assert found.value == 2.0
    assert found.model == "narrow narrowna"
    assert found.reasons == (
        "because",
        "not wide: hi / lo at 80% is 4.00",
        "not none: it has no interval",
        "not silent: no idea",
    )


def test_a_kind_that_a_naive_baseline_beat_does_not_answer_there() -> None:
    beaten = make_kind("beaten", make_answer(1.0, 1.1), (make_outcome(own=0.3, naive=0.2),))
    better = make_kind("better", make_answer(2.0, 3.0), (make_outcome(own=0.2, naive=0.3),))
    (found,) = Estimator((beaten, better)).estimate([QUESTION])
    assert isinstance(found, Prediction)
    assert found.value == 2.0
    assert "not beaten: beaten by nearest on the split family" in found.reasons
    (alone,) = Estimator((beaten,)).estimate([QUESTION])
    assert isinstance(alone, Abstention)
    assert alone.reason == "beaten: beaten by nearest on the split family"


def test_nobody_to_ask_is_said_with_what_to_do() -> None:
    (found,) = Estimator(()).estimate([QUESTION])
    assert isinstance(found, Abstention)
    assert found.reason == "no predictor has been learned or shipped"
    assert found.measure == ("assay predict train",)
    (broken,) = Estimator((), broken={"graph": "damaged"}).estimate([QUESTION])
    assert isinstance(broken, Abstention)
    assert "graph: could not be loaded: damaged" in broken.reason


def test_what_fits_no_memory_gets_no_time() -> None:
    graph = GraphProfile(
        "a/b", "a", {"matmul": OpWork(1, 1e9, 1e6)}, parameters=7e9, weight_elements=7e9, activation_peak_elements=1e6
    )
    kinds = (make_kind("any", make_answer(1.0, 2.0)),)
    (found,) = Estimator(kinds).estimate([replace(QUESTION, graph=graph)])
    assert isinstance(found, Abstention)
    assert "it does not fit: about 26.1 GiB are needed and x has 8 GiB" in found.reason
    (small,) = Estimator(kinds).estimate([replace(QUESTION, graph=replace(graph, parameters=1e6))])
    assert isinstance(small, Prediction)
    close = replace(graph, parameters=1.6e9)
    (risky,) = Estimator(kinds).estimate([replace(QUESTION, graph=close)])
    assert isinstance(risky, Prediction)
    assert any("may run out of memory" in flag for flag in risky.flags)


def test_answers_keep_the_order_of_questions() -> None:
    kinds = (make_kind("any", make_answer(1.0, 2.0)),)
    found = Estimator(kinds).estimate([QUESTION, replace(QUESTION, workload="c/d"), QUESTION])
    assert len(found) == 3


def test_memory_is_told_without_anything_learned_and_says_so() -> None:
    estimator = open_estimator(None, kinds=["memory"])
    graph = GraphProfile(
        "a/b", "a", {"matmul": OpWork(1, 1e9, 1e6)}, parameters=1e8, weight_elements=1e8, activation_peak_elements=1e6
    )
    asked = replace(QUESTION, metric="device_memory_peak_bytes", graph=graph, device=replace(DEVICE, kind="gpu"))
    (found,) = estimator.estimate([asked])
    assert isinstance(found, Prediction)
    assert found.value == 4 * (1e8 + 1e6)
    assert found.intervals == ()
    assert "its error untested" in found.flags[0]
