"""What is learned about one limit: squeezing, draws of rows together and left out, and users held."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.predict.serving.joint import draw_jointly, expect_jointly, leave_out_jointly
from assay.predict.serving.near import USERS, held_in_draws, squeeze
from assay.predict.system.process import Rows, Term, rebuild


def test_squeezing_keeps_sides_and_order_and_ends_at_the_width() -> None:
    logs = np.log([1.0, 40.0, 50.0, 55.0, 5000.0])
    found = squeeze(logs, math.log(50.0), 0.1)
    assert found[2] == pytest.approx(0.0)
    assert (np.diff(found) > 0).all()
    assert found[0] == pytest.approx(-0.1)
    assert found[4] == pytest.approx(0.1)
    assert found[3] == pytest.approx(math.log(1.1), rel=0.3)
    assert squeeze(logs, 0.0, math.inf) == pytest.approx(logs)


def test_users_are_held_up_to_the_first_over() -> None:
    first = np.ones((1, 2 * len(USERS)), dtype=bool)
    between = first.copy()
    between[0, 3] = False  # 8 users of the first set-up
    assert held_in_draws(first, between).tolist() == [[4, 128]]
    between[0, 0] = False
    assert held_in_draws(first, between).tolist() == [[0, 128]]


def test_rows_left_out_are_told_as_if_they_had_never_been_there() -> None:
    rng = np.random.default_rng(0)
    column = rng.normal(size=12)
    rows = Rows({"model": np.arange(12) // 3}, {"x": column}, 12)
    values = 0.5 * column + rng.normal(0, 0.1, 12)
    terms = (Term("all"), Term("x", columns=("x",), shape="near"), Term("model", ("model",)))
    variances, noise, mean = (1.0, 0.5, 0.1), 0.01, 0.0
    own, rest = np.array([0, 1, 2]), np.arange(3, 12)
    whole = rebuild(terms, variances, noise, mean, rows, values, np.ones(12))
    without = rebuild(terms, variances, noise, mean, rows.take(rest), values[rest], np.ones(9))
    left, told = leave_out_jointly(whole, own), expect_jointly(without, rows.take(own))
    assert left[0] == pytest.approx(told[0])
    assert left[1] == pytest.approx(told[1])
    drawn = draw_jointly(*told, 20_000, 0)
    assert drawn.mean(axis=0) == pytest.approx(told[0], abs=0.02)
    assert np.cov(drawn.T) == pytest.approx(told[1], abs=0.02)
