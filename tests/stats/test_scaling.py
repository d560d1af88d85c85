"""Curves whose answers are known: where they bend, what is best, what is enough, why they end."""

from __future__ import annotations

import math

import pytest

from assay.core.words import Status
from assay.stats.scaling import End, Point, Scaling, analyse_scaling, find_knee


def curve(rates: dict[int, float], noise: float = 0.01) -> list[Point]:
    """Points of a batch curve from its rates; intervals of +- ``noise``."""
    return [
        Point(
            x=x,
            status=Status.OK,
            latency_ns=1e9 * x / rate,
            latency_lo_ns=1e9 * x / rate * (1 - noise),
            latency_hi_ns=1e9 * x / rate * (1 + noise),
            rate=rate,
            rate_lo=rate * (1 - noise),
            rate_hi=rate * (1 + noise),
        )
        for x, rate in rates.items()
    ]


def saturating(half: float, sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)) -> dict[int, float]:
    """A fixed cost and a cost for each sample: rate = x / (half + x)."""
    return {x: 1000 * x / (half + x) for x in sizes}


# --- the knee -------------------------------------------------------------------------------------------------


def test_a_roofline_bends_at_its_corner() -> None:
    corner = {x: float(min(x, 16)) for x in (1, 2, 4, 8, 16, 32, 64, 128, 256)}
    assert find_knee(curve(corner)) == (16, None)


def test_a_saturating_curve_bends_later_the_larger_its_fixed_cost() -> None:
    knees = [find_knee(curve(saturating(half)))[0] or math.inf for half in (0.5, 2, 8)]
    assert knees == sorted(knees)
    assert 1 < knees[0] < knees[2] <= 64
    # Half way up at 32 of 256, the curve has hardly begun to bend.
    assert find_knee(curve(saturating(32)))[0] is None


def test_a_rate_that_falls_again_bends_before_it_falls() -> None:
    rates = {1: 10.0, 2: 20.0, 4: 38.0, 8: 60.0, 16: 62.0, 32: 40.0}
    assert find_knee(curve(rates)) == (8, None)


@pytest.mark.parametrize(
    ("rates", "noise", "reason"),
    [
        ({1: 10.0, 2: 20.0, 4: 30.0}, 0.01, "needs 4 measured sizes, has 3"),
        ({}, 0.01, "needs 4 measured sizes, has 0"),
        ({1: 100.0, 2: 101.0, 4: 99.0, 8: 102.0}, 0.05, "the rate does not rise with the size beyond its noise"),
        ({1: 100.0, 2: 90.0, 4: 80.0, 8: 70.0}, 0.01, "the rate does not rise with the size beyond its noise"),
        ({x: 10.0 + math.log2(x) for x in (1, 2, 4, 8, 16)}, 1e-4, "still rises in proportion"),
        ({x: float(x) for x in (1, 2, 4, 8, 16)}, 0.01, "still rises in proportion"),
    ],
)
def test_what_has_no_knee_says_why(rates: dict[int, float], noise: float, reason: str) -> None:
    knee, why = find_knee(curve(rates, noise))
    assert knee is None
    assert why is not None
    assert reason in why


# --- best and enough ------------------------------------------------------------------------------------------


def test_the_smallest_size_within_the_tolerance_is_enough() -> None:
    scaling = analyse_scaling(curve(saturating(8)))
    assert (scaling.best, scaling.enough) == (256, 128)  # 94.1 and 97.0 % of the limit
    assert analyse_scaling(curve({1: 50.0, 2: 90.0, 4: 96.0, 8: 100.0})).enough == 4
    assert analyse_scaling(curve({1: 50.0, 2: 90.0, 4: 96.0, 8: 100.0}), tolerance=0.2).enough == 2
    assert analyse_scaling(curve({1: 50.0, 2: 90.0, 4: 96.0, 8: 100.0}), tolerance=0.0).enough == 8


def test_sizes_that_intervals_do_not_rule_out_are_named() -> None:
    rates = {1: 50.0, 2: 93.0, 4: 96.0, 8: 100.0}
    assert analyse_scaling(curve(rates, 0.001)).undecided == ()
    assert analyse_scaling(curve(rates, 0.03)).undecided == (2,)


def test_a_latency_target_chooses_the_highest_rate_that_surely_meets_it() -> None:
    points = curve({1: 100.0, 2: 180.0, 4: 300.0, 8: 400.0})  # 10, 11.1, 13.3 and 20 ms a call
    assert analyse_scaling(points, latency_target_ns=15e6).enough == 4
    assert analyse_scaling(points, latency_target_ns=13.35e6).enough == 2  # the interval of 4 reaches 13.5 ms
    missed = analyse_scaling(points, latency_target_ns=1e6)
    assert (missed.enough, missed.enough_reason) == (None, "no size meets the latency target")


def test_points_without_intervals_count_by_their_value() -> None:
    points = [Point(x, Status.OK, latency_ns=1e6 * x, rate=rate) for x, rate in ((1, 10.0), (2, 20.0), (4, 19.5))]
    scaling = analyse_scaling(points, latency_target_ns=2e6)
    assert (scaling.best, scaling.enough) == (2, 2)


# --- the end --------------------------------------------------------------------------------------------------


def ended(*statuses: Status) -> Scaling:
    known = curve({1: 10.0, 2: 19.0, 4: 30.0})
    rest = [Point(8 * 2**i, status, reason=f"reason {i}") for i, status in enumerate(statuses)]
    return analyse_scaling([*rest, *known])


@pytest.mark.parametrize(
    ("statuses", "end", "x", "reason"),
    [
        ((), End.RANGE, 4, None),
        ((Status.OOM, Status.SKIPPED), End.MEMORY, 8, "reason 0"),
        ((Status.TIMEOUT, Status.SKIPPED), End.TIME, 8, "reason 0"),
        ((Status.FAILED, Status.SKIPPED), End.FAILURE, 8, "reason 0"),
        ((Status.UNSUPPORTED,), End.UNSUPPORTED, 8, "reason 0"),
        ((Status.SKIPPED, Status.SKIPPED), End.LEFT_OUT, 8, "reason 0"),
    ],
)
def test_why_a_curve_ends(statuses: tuple[Status, ...], end: End, x: int, reason: str | None) -> None:
    scaling = ended(*statuses)
    assert (scaling.end, scaling.end_x, scaling.end_reason) == (end, x, reason)
    assert scaling.best == 4
    assert [point.x for point in scaling.points] == sorted(point.x for point in scaling.points)


def test_a_curve_without_a_single_number() -> None:
    scaling = analyse_scaling([Point(1, Status.OOM, reason="out of memory in load")])
    assert (scaling.best, scaling.enough, scaling.enough_reason) == (None, None, "no size was measured")
    assert scaling.exponents == ()
    assert analyse_scaling([]).end_x is None


def test_exponents_say_how_latency_grows() -> None:
    points = [Point(x, Status.OK, latency_ns=float(x**2), rate=1.0) for x in (1, 2, 4)]
    points.append(Point(8, Status.OOM))
    first, second, last = analyse_scaling(points).exponents
    assert first == pytest.approx(2.0)
    assert second == pytest.approx(2.0)
    assert last is None
