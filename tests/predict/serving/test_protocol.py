"""The scorer: by hand, and against every score that was published with the predictions."""

from __future__ import annotations

import ast
import csv
from pathlib import Path

import pytest

from assay.predict.serving.pilot import METHODS, read_pilot, read_published
from assay.predict.serving.protocol import (
    Choice,
    Curve,
    Demand,
    apply_policy,
    choose_cheapest,
    list_policies,
    replicas_for,
    score_choices,
    score_so,
    users_within,
)

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "llm_pilot"
DEMAND = Demand()
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the published data of LLM-Pilot is not here")


def test_users_stop_at_the_first_that_breaks_a_limit() -> None:
    assert users_within((1, 2, 4), (10.0, 50.0, 60.0), 50.0) == 2
    assert users_within((1, 2, 4), (60.0, 10.0, 10.0), 50.0) == 0
    assert Curve("m", "s", (1, 2), (1.0, 101.0), (1.0, 1.0)).held(DEMAND) == 1


def test_replicas_round_up_and_none_holds_nobody() -> None:
    assert replicas_for(64, DEMAND) == 4
    assert replicas_for(0, DEMAND) is None


def test_a_choice_is_scored_by_success_and_by_what_it_costs_above_the_cheapest() -> None:
    truth = {"a": {"small": 32, "large": 128}, "b": {"small": 0, "large": 64}}
    price = {"small": 1.0, "large": 5.0}
    assert choose_cheapest(truth["a"], price, DEMAND) == Choice("small", 7)
    score = score_choices({"a": Choice("large", 2), "b": Choice("small", 50)}, truth, price, DEMAND)
    assert score.success_rate == 0.5
    assert score.overspend == pytest.approx(10 / 7 - 1)
    assert score.so_score == pytest.approx(score_so(0.5, 10 / 7 - 1))
    assert score_choices({}, truth, price, DEMAND).overspend is None
    assert score_so(1.0, 1.5) == 0.0


@needs_data
def test_published_scores_come_out_of_published_predictions() -> None:
    data = read_pilot(DATA)
    truth = data.truth(DEMAND)
    with (DATA / "expected_recommendation_scores.csv").open(newline="") as file:
        published = {row[""]: row for row in csv.DictReader(file)}
    for method in METHODS:
        said = read_published(DATA, method, data, DEMAND)
        chosen = {model: choose_cheapest(held, data.price, DEMAND) for model, held in said.items()}
        score = score_choices(chosen, truth, data.price, DEMAND)
        row = published[method]
        assert score.so_score == pytest.approx(float(row["so_score"]), abs=1e-12)
        assert 100 * score.success_rate == pytest.approx(float(row["success_rate"]))
        assert score.overspend is not None
        assert 100 * score.overspend == pytest.approx(float(row["overspend"]))


@needs_data
def test_published_static_policies_come_out_alike() -> None:
    data = read_pilot(DATA)
    truth = data.truth(DEMAND)
    with (DATA / "expected_recommendation_scores_static_policies.csv").open(newline="") as file:
        published = {str(ast.literal_eval(row["policy"])): row for row in csv.DictReader(file)}
    policies = list_policies(data.setups)
    assert len(policies) == len(published)
    for policy in policies:
        row = published[str({"gpu": policy.setup, "n": policy.replicas})]
        score = score_choices(apply_policy(policy, truth), truth, data.price, DEMAND)
        assert score.so_score == pytest.approx(float(row["so_score"]), abs=1e-12)
        assert 100 * score.success_rate == pytest.approx(float(row["success_rate"]))
