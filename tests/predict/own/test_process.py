"""The process of residuals: what is shared is learned, priors answer with few rows."""

from __future__ import annotations

import numpy as np
import pytest

from assay.predict.own import process as module
from assay.predict.own.process import Points, Process, choose_rows, expect, fit_process, leave_out


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


def test_rows_left_out_are_told_as_if_it_had_been_fitted_without_them() -> None:
    points, residuals = _points(50, 10), _residuals(_points(50, 10), 11)
    fitted = fit_process(points, residuals)
    # Other residuals than it was fitted to: costs are weighed anew for each fold.
    other = residuals + 0.1 * points.batch
    held = [3, 17, 18, 40]
    rest = [place for place in range(50) if place not in held]
    mean, sd = expect(Process(points.take(rest), other[rest], fitted.sds, fitted.noise), points.take(held))
    errors, spread = leave_out(fitted, other, held)
    assert errors == pytest.approx(other[held] - mean, rel=1e-6)
    assert spread == pytest.approx(sd, rel=1e-6)


def test_many_rows_are_answered_in_portions_to_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    points = _points(60, 12)
    fitted = fit_process(points, _residuals(points, 13))
    at_once = expect(fitted, _points(35, 14))
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 200)  # three rows
    assert [len(portion) for _, portion in module.in_portions(_points(35, 14), 60)] == [3] * 11 + [2]
    for whole, portions in zip(at_once, expect(fitted, _points(35, 14)), strict=True):
        assert portions == pytest.approx(whole, rel=1e-9)


def test_the_search_looks_at_some_of_many_rows_and_the_process_rests_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    points = _points(120, 15)
    residuals = _residuals(points, 16)
    of_all = fit_process(points, residuals)
    monkeypatch.setattr(module, "_MOST_FOR_SEARCH", 60)
    of_some = fit_process(points, residuals)
    assert of_some.sds != of_all.sds
    assert len(of_some.points) == 120
    assert of_some.noise == pytest.approx(of_all.noise, rel=0.5)


def test_rows_that_say_most_are_kept_before_those_like_them() -> None:
    points = _points(40, 17)
    again = points.take([*range(40), *[0] * 60])  # the first row 61 times
    kept = choose_rows(again, 40)
    assert kept == sorted(set(kept))
    assert len(kept) == 40
    # A quarter is drawn of all that are left, most of which are the first row.
    assert sum(place < 40 for place in kept) >= 30
    assert choose_rows(again, 40) == kept
    assert choose_rows(points, 40) == list(range(40))
