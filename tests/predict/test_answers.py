from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from assay.core.errors import UnknownNameError, UsageError
from assay.predict.answers import COLUMNS, answer_to_row, ask, read_level, read_metric
from assay.predict.numbers import Numbers, from_answers
from assay.predict.values import Abstention, Interval, Layer, Prediction, Question, Situation

ANSWER = Prediction(
    "latency_ns", 10.0, "ns", (Interval(0.5, 9.0, 11.0), Interval(0.9, 5.0, 20.0)), Layer.LEARNED, ("made up",),
    calibrated_on=Situation.UNSEEN_MODEL, calibration_n=9, calibration_groups=4, model="toy 1",
)  # fmt: skip


class Counting:
    """Answers everything, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def numbers(self, questions: Sequence[Question]) -> Numbers:
        self.asked += questions
        return from_answers([replace(ANSWER, value=float(one.conditions.batch)) for one in questions])


def test_what_a_device_cannot_compute_is_refused_before_anybody_is_asked(toy_question: Question) -> None:
    def of(precision: str, batch: int) -> Question:
        return replace(toy_question, conditions=replace(toy_question.conditions, precision=precision, batch=batch))

    estimator = Counting()
    answers = ask(estimator, [of("fp32", 1), of("bf16", 2), of("fp16", 3)])
    assert [one.conditions.batch for one in estimator.asked] == [1, 3]
    first, second, third = answers
    assert isinstance(first, Prediction)
    assert isinstance(third, Prediction)
    assert (first.value, third.value) == (1.0, 3.0)
    assert isinstance(second, Abstention)
    assert "bf16" in second.reason


def test_a_row_is_plain_data_with_the_interval_of_the_level(toy_question: Question) -> None:
    row = answer_to_row(toy_question, ANSWER, 0.9)
    assert (row["lo"], row["hi"], row["level"], row["provenance"]) == (5.0, 20.0, 0.9, "predicted")
    assert answer_to_row(toy_question, ANSWER, 0.8)["lo"] is None
    assert set(COLUMNS) <= row.keys()
    json.dumps(row, allow_nan=False)


def test_a_measurement_keeps_its_own_interval_and_provenance(toy_question: Question) -> None:
    measured = replace(ANSWER, layer=Layer.MEASURED, intervals=(Interval(0.95, 9.5, 10.5),))
    row = answer_to_row(toy_question, measured, 0.9)
    assert (row["provenance"], row["level"], row["lo"]) == ("measured", 0.95, 9.5)


def test_an_abstention_has_no_number(toy_question: Question) -> None:
    row = answer_to_row(toy_question, Abstention("latency_ns", "too far", ("measure one",)), 0.9)
    assert row["value"] is row["lo"] is row["provenance"] is None
    assert (row["reason"], row["measure"]) == ("too far", ["measure one"])
    assert set(COLUMNS) <= row.keys()


def test_levels_and_metrics_are_read_as_people_write_them() -> None:
    assert (read_level(90), read_level(0.8), read_level(50)) == (0.9, 0.8, 0.5)
    assert (read_metric("latency"), read_metric("latency_ns")) == ("latency_ns", "latency_ns")
    for word in ("throughput", "memory", "power", "ttft", "tpot"):
        assert read_metric(word)
    with pytest.raises(UsageError, match=r"0\.77"):
        read_level(0.77)
    with pytest.raises(UnknownNameError, match="latency_ns"):
        read_metric("latency_nss")
