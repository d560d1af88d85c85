"""Scores side by side, and how far they move when the models are drawn anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.predict.serving.nested import DEMANDS, names_of
from assay.predict.serving.pilot import read_pilot
from assay.predict.serving.protocol import choose_cheapest
from assay.predict.serving.published import MethodScore, resample, score_method, score_published, tell_scores

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "llm_pilot"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the published data of LLM-Pilot is not here")


@pytest.fixture(scope="module")
def published() -> list[MethodScore]:
    return score_published(read_pilot(DATA), DATA)


def test_published_methods_stand_beside_the_best_policies(published: list[MethodScore]) -> None:
    scores = {one.method: one for one in published}
    assert scores["LLM-Pilot"].published.so_score == pytest.approx(0.8007, abs=1e-4)
    assert scores["static: 4 of 1 x A100"].published.so_score == pytest.approx(0.6509, abs=1e-4)
    assert any("LLM-Pilot: S-O 0.801" in line for line in tell_scores(list(scores.values())))


def test_knowing_all_scores_one_however_models_are_drawn(published: list[MethodScore]) -> None:
    data = read_pilot(DATA)
    known = {
        demand: {model: choose_cheapest(held, data.price, demand) for model, held in data.truth(demand).items()}
        for demand in DEMANDS
    }
    pilot = published[0]
    best, other = resample([score_method("known", data, known), pilot], names_of(data), 0)
    assert best.published == (1.0, 1.0)
    assert best.mean[0] == pytest.approx(1.0)
    low, high = other.published
    assert low < pilot.published.so_score < high
