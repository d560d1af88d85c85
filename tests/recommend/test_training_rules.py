"""Advice on trainings: a batch far from the noise scale, steps that wait for data, and silence otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from assay.core.case import Case, series_id
from assay.core.ids import new_id
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Mode, Status
from assay.recommend.base import Ground
from assay.recommend.rules.training import advise_batch, advise_loading


def ground(*metrics: MetricValue, batch: int = 32, mode: Mode = Mode.TRAINING, **options: Any) -> Ground:
    case = Case.make(workload="resnet/tiny", engine="torch", device="cpu", mode=mode, batch=batch, options=options)
    result = ResultRecord(
        result_id=new_id(), run_id="run", series_id=series_id(case.case_id, "cpu"), case=case, status=Status.OK,
        measured_at=datetime(2026, 11, 22, tzinfo=UTC), metrics=metrics,
    )  # fmt: skip
    return Ground((result,), (result,))


def noise(scale: float | None, suggested: float | None) -> tuple[MetricValue, MetricValue]:
    reason = "lost in noise" if scale is None else None
    return (
        MetricValue("gradient_noise_scale", scale, "1", reason=reason),
        MetricValue("suggested_batch", suggested, "1", reason=reason),
    )


# -- batch -----------------------------------------------------------------------------------------------------


def test_a_batch_far_below_the_noise_scale_should_grow() -> None:
    (found,) = advise_batch(ground(*noise(1000.0, 1024.0)))
    assert found.action == "train with 1024 samples a step"
    assert "a noise scale of 1000 samples, and a step takes 32" in found.because
    assert found.cost == "the learning rate has to be chosen anew; more memory"
    assert [one.value for one in found.evidence] == [1000.0, 32.0]


def test_a_batch_far_above_it_is_wasted() -> None:
    (found,) = advise_batch(ground(*noise(8.0, 8.0)))
    assert "most of them add nothing" in found.because
    assert found.cost == "the learning rate has to be chosen anew"


@pytest.mark.parametrize("suggested", [16.0, 32.0, 64.0])
def test_a_batch_near_it_is_left_alone(suggested: float) -> None:
    assert list(advise_batch(ground(*noise(suggested, suggested)))) == []


def test_what_is_summed_over_micro_batches_and_ranks_counts() -> None:
    assert list(advise_batch(ground(*noise(1000.0, 1024.0), accumulate=4, ranks=4))) == []


def test_without_a_noise_scale_there_is_no_advice() -> None:
    assert list(advise_batch(ground(*noise(None, None)))) == []
    assert list(advise_batch(ground())) == []
    assert list(advise_batch(ground(*noise(1000.0, 1024.0), mode=Mode.INFERENCE))) == []


# -- data ------------------------------------------------------------------------------------------------------


def waiting(share: float) -> tuple[MetricValue, MetricValue]:
    return MetricValue("data_wait_share", share, "1"), MetricValue("data_wait_ns", share * 10e6, "ns")


def test_steps_that_wait_should_have_their_data_loaded_beside_them() -> None:
    (found,) = advise_loading(ground(*waiting(0.5), dataset="digits"))
    assert found.action == "load data in processes of their own: workers=2"
    assert found.because == "50 % of a step is waiting for its batch"
    assert found.gain == pytest.approx(2.0)
    assert [one.value for one in found.evidence] == [0.5, 5e6]


def test_where_processes_load_already_more_are_asked_for() -> None:
    (found,) = advise_loading(ground(*waiting(0.2), dataset="digits", workers=2))
    assert found.action == "use more than 2 workers"


def test_a_wait_that_is_short_or_not_of_loading_is_left_alone() -> None:
    assert list(advise_loading(ground(*waiting(0.05), dataset="digits"))) == []
    assert list(advise_loading(ground(*waiting(0.5)))) == []  # the own task goes round a pool in memory
