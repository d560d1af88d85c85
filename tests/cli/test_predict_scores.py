"""`assay predict scores`: stored predictions against what was measured later, in all three forms."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import RunStatus, Status, Verdict
from assay.predict.drift import FEWEST_PAIRS
from assay.predict.model_file import read_model
from assay.predict.models import find_active
from assay.predict.stored import case_of, store_predictions
from assay.predict.values import Conditions, DeviceProfile, Interval, Layer, Prediction, Question
from assay.store import Store

Here = Callable[..., Any]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
ENVIRONMENT = EnvironmentRecord("env", "host", "made-up", {}, NOW)


def ask(batch: int) -> Question:
    return Question("toy/one", "toy", DeviceProfile("made-up"), Conditions(batch=batch))


def answering() -> str:
    """The shipped version that answers: drift of another is nobody's need."""
    path = find_active("graph", None)
    assert path is not None
    return f"graph {read_model(path).version[:8]}"


def foretell(value: float) -> Prediction:
    bounds = tuple(Interval(level, value / 1.2, value * 1.2) for level in (0.5, 0.8, 0.9))
    return Prediction("latency_ns", value, "ns", bounds, Layer.LEARNED, ("made up",), model=answering())


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Predictions of 1 ms, and measurements a month later of one and a half. Composed for this test."""
    store = Store.open(tmp_path / "store")
    monkeypatch.setenv("ASSAY_STORE", store.location)
    questions = [ask(batch) for batch in range(1, FEWEST_PAIRS + 1)]
    store_predictions(store, questions, [foretell(1e6) for _ in questions], ENVIRONMENT, now=NOW)
    run_id, at = new_id(), NOW + timedelta(days=40)
    results = tuple(
        ResultRecord(
            result_id=new_id(), run_id=run_id, series_id=f"series {place}", case=case_of(question), status=Status.OK,
            measured_at=at, hardware="made-up", metrics=(MetricValue("latency_ns", 1.5e6, "ns", n=5),),
            verdict=Verdict.TRUSTED,
        )
        for place, question in enumerate(questions)
    )  # fmt: skip
    run = RunRecord(
        run_id=run_id, suite="test", status=RunStatus.OK, started_at=at, finished_at=at, env_id="env", config={},
        cases_planned=len(results), assay_version="0", source_hash="0",
    )  # fmt: skip
    store.append(RunBundle(run, ENVIRONMENT, results, ()))
    return store


def test_errors_and_what_the_intervals_held_are_told_by_version_and_month(here: Here, scored: Store) -> None:
    assert scored.location
    said = here("predict", "scores")
    assert said.code == 0, said.err
    rows = [line.split() for line in said.out.splitlines() if answering() in line]
    assert [row[2] for row in rows] == ["2026-12", "all"]
    assert rows[0][3:] == rows[1][3:] == [str(FEWEST_PAIRS), "33.3%", "33.3%", "0%", "0%", "0%", "1.44"]
    assert f"held 0 of {FEWEST_PAIRS}" in said.out
    assert "learn it anew: assay predict train --kind graph" in said.out
    found = json.loads(here("predict", "scores", "--json").out)
    assert found["scores"][0]["mean_error"] == pytest.approx(1 / 3)
    assert {one["kind"] for one in found["needs"] if one["reasons"]} >= {"graph"}
    lines = list(csv.DictReader(io.StringIO(here("predict", "scores", "--csv").out)))
    assert [(line["when"], line["n"], line["coverage_90"]) for line in lines] == [
        ("2026-12", str(FEWEST_PAIRS), "0.0"), ("all", str(FEWEST_PAIRS), "0.0"),
    ]  # fmt: skip


def test_without_pairs_it_says_how_to_come_by_some(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORE", Store.open(tmp_path / "empty").location)
    said = here("predict", "scores")
    assert said.code == 0, said.err
    assert "assay predict ... --save" in said.out
