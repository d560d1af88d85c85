"""Predictions are kept under their own provenance, and held against what is measured later of the same case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import Provenance, RunStatus, Status, Verdict
from assay.predict.base import DataUse, Payload, PredictorKind
from assay.predict.drift import (
    FEWEST_NEW,
    FEWEST_PAIRS,
    ScoredPair,
    at_most,
    find_drift,
    judge_need,
    read_pairs,
    score_over_time,
)
from assay.predict.measured import MeasuredNumbers
from assay.predict.model_file import ModelRecord
from assay.predict.models import promote, save_model
from assay.predict.stored import case_of, store_predictions
from assay.predict.values import Abstention, Answer, Interval, Layer, Prediction, Question
from assay.report.base import ReportRequest
from assay.report.kinds.predictions import build
from assay.store import Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ENVIRONMENT = EnvironmentRecord("env", "host", "made-up", {}, NOW)


def foretell(value: float, metric: str = "latency_ns") -> Prediction:
    bounds = tuple(Interval(level, value / (1 + level), value * (1 + level)) for level in (0.5, 0.8, 0.9))
    return Prediction(metric, value, "ns", bounds, Layer.LEARNED, ("made up",), model="toy 12345678", flags=("beware",))


def of_batch(question: Question, batch: int) -> Question:
    return replace(question, conditions=replace(question.conditions, batch=batch))


def append_measured(
    store: Store, questions: Sequence[Question], values: Sequence[float], at: datetime, **changed: Any
) -> None:
    """Results of the same cases, as if they had been measured. Composed for this test."""
    run_id = new_id()
    results = tuple(
        ResultRecord(
            result_id=new_id(), run_id=run_id, series_id=f"series {place}", case=case_of(question), status=Status.OK,
            measured_at=at, hardware=question.device.name,
            metrics=(MetricValue("latency_ns", value, "ns", ci_lo=value * 0.99, ci_hi=value * 1.01, n=5),),
            **({"verdict": Verdict.TRUSTED} | changed),
        )
        for place, (question, value) in enumerate(zip(questions, values, strict=True))
    )  # fmt: skip
    run = RunRecord(
        run_id=run_id, suite="test", status=RunStatus.OK, started_at=at, finished_at=at, env_id="env", config={},
        cases_planned=len(results), assay_version="0", source_hash="0", provenance=Provenance.MEASURED,
    )  # fmt: skip
    store.append(RunBundle(run, ENVIRONMENT, results, ()))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def keep(store: Store, questions: Sequence[Question], answers: Sequence[Answer], now: datetime = NOW) -> None:
    assert store_predictions(store, questions, answers, ENVIRONMENT, now=now) is not None


def test_only_predictions_are_kept_with_all_that_was_said(store: Store, toy_question: Question) -> None:
    questions = [of_batch(toy_question, batch) for batch in (1, 2, 4)]
    known = replace(foretell(3.0), layer=Layer.MEASURED)
    keep(store, questions, [foretell(1e6), Abstention("latency_ns", "too far"), known])
    (result,) = store.results(provenance="predicted")
    assert result.provenance is Provenance.PREDICTED
    assert result.source == "toy 12345678"
    number = result.metric("latency_ns")
    assert number is not None
    assert [number.value, number.ci_lo, number.ci_hi] == pytest.approx([1e6, 1e6 / 1.9, 1.9e6])
    assert result.source_fields is not None
    assert result.source_fields["flags"] == ["beware"]
    assert len(result.source_fields["intervals"]) == 3
    assert list(store.results()) == []  # what is asked for without a word is what was measured


def test_nothing_is_kept_where_nothing_was_foretold(store: Store, toy_question: Question) -> None:
    answers = [Abstention("latency_ns", "too far")]
    assert store_predictions(store, [toy_question], answers, ENVIRONMENT) is None


def test_a_later_measurement_of_the_same_case_scores_it_and_an_earlier_one_does_not(
    store: Store, toy_question: Question
) -> None:
    questions = [of_batch(toy_question, batch) for batch in (1, 2, 4)]
    append_measured(store, questions[:1], [5e6], NOW - timedelta(days=1))
    keep(store, questions, [foretell(1e6), foretell(2e6), foretell(4e6)])
    assert read_pairs(store) == []
    append_measured(store, questions[1:2], [2.2e6], NOW + timedelta(days=40))
    append_measured(store, questions[1:], [9e6, 40e6], NOW + timedelta(days=50))
    pairs = read_pairs(store)
    assert [(one.predicted, one.measured, one.is_held) for one in pairs] == [(2e6, 2.2e6, True), (4e6, 40e6, False)]
    found = score_over_time(pairs)
    assert {one.by for one in found} == {"toy 12345678"}
    scores = {one.when: one.score for one in found}
    assert scores.keys() == {"all", "2026-12"}
    assert scores["all"].n == scores["2026-12"].n == 2
    assert scores["all"].coverage == {0.9: 0.5}
    assert scores["all"].mean_error == pytest.approx((0.2 / 2.2 + 0.9) / 2)


def test_the_report_of_predictions_reads_what_was_kept(store: Store, toy_question: Question) -> None:
    keep(store, [toy_question], [foretell(1e6)])
    append_measured(store, [toy_question], [1.1e6], NOW + timedelta(days=1))
    report = build(store, ReportRequest())
    assert report.provenance()[Provenance.PREDICTED] >= 1
    assert report.provenance()[Provenance.MEASURED] >= 1


def test_contaminated_measurements_and_other_hardware_score_nothing(store: Store, toy_question: Question) -> None:
    keep(store, [toy_question], [foretell(1e6)])
    elsewhere = replace(toy_question, device=replace(toy_question.device, name="another"))
    append_measured(store, [elsewhere], [1e6], NOW + timedelta(days=1))
    assert read_pairs(store) == []


def test_the_newest_undisturbed_measurement_of_a_case_answers_for_it(store: Store, toy_question: Question) -> None:
    question = replace(toy_question, graph=None)
    for days, value, verdict in ((1, 1e6, Verdict.TRUSTED), (2, 2e6, Verdict.NOISY), (3, 9e6, Verdict.CONTAMINATED)):
        append_measured(store, [question], [value], NOW + timedelta(days=days), verdict=verdict)
    keep(store, [question], [foretell(5e6)])
    known = MeasuredNumbers.of(store)
    found = known.find(question)
    assert found is not None
    assert (found.value, found.layer) == (2e6, Layer.MEASURED)
    assert (found.intervals[0].lo, found.intervals[0].hi) == (2e6 * 0.99, 2e6 * 1.01)
    assert "over 5 launches" in found.reasons[0]
    assert known.find(of_batch(question, 64)) is None
    assert known.find(replace(question, device=replace(question.device, name="another", hw_id=None))) is None


def pairs_of(ratios: Sequence[float]) -> list[ScoredPair]:
    return [
        ScoredPair(
            "toy 1", "learned", "latency_ns", "toy/one", "made-up", NOW, NOW, 1.0, 0.8, 1.25, ratio, str(place), "m"
        )
        for place, ratio in enumerate(ratios)
    ]


def test_drift_is_intervals_that_hold_too_little_or_errors_to_one_side() -> None:
    fair = [1.05, 0.95] * FEWEST_PAIRS
    assert find_drift(pairs_of(fair)) is None
    assert find_drift(pairs_of(fair[: FEWEST_PAIRS // 2])) is None
    wide = find_drift(pairs_of([1.5, 0.6] * FEWEST_PAIRS))
    assert wide is not None
    assert "held 0 of 24" in wide
    one_sided = find_drift(pairs_of([1.1] * FEWEST_PAIRS))
    assert one_sided is not None
    assert "12 of 12 later measurements are above" in one_sided
    assert find_drift(pairs_of([1.5] * (FEWEST_PAIRS - 1))) is None


def test_the_probability_of_at_most_so_many_is_exact() -> None:
    assert at_most(0, 10, 0.5) == pytest.approx(0.5**10)
    assert at_most(10, 10, 0.5) == pytest.approx(1)
    assert at_most(8, 10, 0.9) == pytest.approx(1 - 10 * 0.9**9 * 0.1 - 0.9**10)
    assert math.isclose(at_most(3, 7, 0.3), sum(math.comb(7, k) * 0.3**k * 0.7 ** (7 - k) for k in range(4)))


def test_enough_that_is_new_asks_for_learning_and_too_little_does_not(
    store: Store, toy_question: Question, toy: PredictorKind, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    use = DataUse("the store's own results", 300, "ab" * 32)
    record = ModelRecord(toy.name, NOW, "0", Payload({}), (use,))
    version = save_model(record, shelf).stem.rpartition("-")[2]
    promote(toy.name, version, shelf, why="for this test")
    questions = [of_batch(toy_question, batch) for batch in range(1, 62)]
    append_measured(store, questions[:FEWEST_NEW], [1e6] * FEWEST_NEW, NOW + timedelta(days=1))
    few = judge_need(toy.name, store, shelf)
    assert not few.is_needed
    assert few.known == "30 of 60 new results, 0 predictions measured later"
    append_measured(store, questions[FEWEST_NEW:], [1e6] * 31, NOW + timedelta(days=1))
    enough = judge_need(toy.name, store, shelf)
    assert enough.reasons == (f"61 results are new since {version}",)


def test_a_kind_that_was_never_learned_waits_for_enough_results(
    store: Store, toy_question: Question, toy: PredictorKind, tmp_path: Path
) -> None:
    assert not judge_need(toy.name, store, tmp_path).is_needed
    questions = [of_batch(toy_question, batch) for batch in range(1, FEWEST_NEW + 1)]
    append_measured(store, questions, [1e6] * FEWEST_NEW, NOW)
    assert judge_need(toy.name, store, tmp_path).reasons == ("30 results are new since nothing",)


def test_a_version_whose_intervals_no_longer_hold_is_to_be_learned_anew(
    store: Store, toy_question: Question, toy: PredictorKind, tmp_path: Path
) -> None:
    shelf = tmp_path / "shelf"
    version = save_model(ModelRecord(toy.name, NOW, "0", Payload({})), shelf).stem.rpartition("-")[2]
    promote(toy.name, version, shelf, why="for this test")
    questions = [of_batch(toy_question, batch) for batch in range(1, FEWEST_PAIRS + 1)]
    said = replace(foretell(1e6), model=f"{toy.name} {version[:8]}")
    keep(store, questions, [said] * len(questions))
    append_measured(store, questions, [5e6] * len(questions), NOW + timedelta(days=1))
    need = judge_need(toy.name, store, shelf)
    assert need.reasons == ("its 90% intervals held 0 of 12 later measurements",)


def test_a_damaged_version_is_a_reason(store: Store, toy: PredictorKind, tmp_path: Path) -> None:
    path = save_model(ModelRecord(toy.name, NOW, "0", Payload({})), tmp_path)
    promote(toy.name, path.stem.rpartition("-")[2], tmp_path, why="for this test")
    path.write_bytes(b"x")
    need = judge_need(toy.name, store, tmp_path)
    assert need.is_needed
    assert "damaged" in need.reasons[0]
