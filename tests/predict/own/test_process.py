"""The process of residuals: what is shared is learned, priors answer with few rows."""

from __future__ import annotations

import numpy as np

from assay.predict.own.process import Points, expect, fit_process


def _points(rows: int, seed: int) -> Points:
    random = np.random.default_rng(seed)
    codes = np.stack([random.integers(0, 3, rows), random.integers(0, 6, rows), np.arange(rows) // 2,
                      np.zeros(rows, int), np.zeros(rows, int)], axis=1)  # fmt: skip
    return Points(codes.astype(np.int64), np.log(random.choice([1, 8], rows)), random.normal(0, 1, (rows, 3)))


def _residuals(points: Points, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    of_engine, of_family = random.normal(0, 0.5, 3), random.normal(0, 0.3, 6)
    return of_engine[points.codes[:, 0]] + of_family[points.codes[:, 1]] + random.normal(0, 0.03, len(points))


def test_effects_that_rows_share_carry_over_to_new_rows() -> None:
    points = _points(90, 1)
    residuals = _residuals(points, 2)
    train = Points(points.codes[:60], points.batch[:60], points.make_up[:60])
    test = Points(points.codes[60:], points.batch[60:], points.make_up[60:])
    process = fit_process(train, residuals[:60])
    mean, sd = expect(process, test)
    errors = residuals[60:] - mean
    assert np.sqrt(np.mean(errors**2)) < 0.35 * np.std(residuals)
    assert np.mean(np.abs(errors) < 2 * sd) > 0.85


def test_few_rows_leave_the_priors_as_they_are() -> None:
    points = _points(6, 5)
    one, other = fit_process(points, _residuals(points, 6)), fit_process(points, 10 * _residuals(points, 7))
    assert one.sds == other.sds


def test_a_row_that_shares_nothing_is_as_uncertain_as_can_be() -> None:
    points = _points(40, 8)
    process = fit_process(points, _residuals(points, 9))
    strange = Points(np.full((1, 5), -1, dtype=np.int64), np.zeros(1), np.full((1, 3), 50.0))
    _, sd = expect(process, strange)
    _, usual = expect(process, points)
    assert sd[0] > 2 * np.median(usual)
