from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.report.renderers.thinning import thin_line, thin_marks
from assay.report.renderers.ticks import Ticks, choose_ticks, span_ticks, top_down
from assay.report.renderers.time_ticks import seconds_of
from assay.report.values import Axis, Scale

LINEAR, LOG = Scale.LINEAR, Scale.LOG


def ticks(unit: str | None, *values: float, scale: Scale = LINEAR, from_zero: bool = False) -> Ticks:
    return choose_ticks(Axis("", unit, scale), values, from_zero=from_zero)


@pytest.mark.parametrize(
    ("unit", "values", "labels", "shown"),
    [
        ("ns", (11.9e6, 13.1e6), ("12.0", "12.5", "13.0"), "ms"),
        ("ns", (0.0, 4.2e9), ("0", "1", "2", "3", "4"), "s"),
        ("B", (1.2e9, 8.1e9), ("0", "2", "4", "6"), "GiB"),
        ("1/s", (120.0, 9300.0), ("0", "2000", "4000", "6000", "8000"), "1/s"),
        (None, (1e6, 110e6), ("0", "20\u00a0M", "40\u00a0M", "60\u00a0M", "80\u00a0M", "100\u00a0M"), ""),
        (
            "pixels/s",
            (1.34e8, 1.36e8),
            ("134.0\u00a0M", "134.5\u00a0M", "135.0\u00a0M", "135.5\u00a0M", "136.0\u00a0M"),
            "pixels/s",
        ),
        ("share", (0.02, 0.97), ("0", "20", "40", "60", "80", "100"), "%"),
        ("J", (0.12, 0.95), ("0", "200", "400", "600", "800"), "mJ"),
        ("W", (-4.0, 6.0), ("−4", "−2", "0", "2", "4", "6"), "W"),
        ("ratio", (0.93, 1.12), ("−5\u00a0%", "0\u00a0%", "+5\u00a0%", "+10\u00a0%"), ""),
        ("FLOP/s", (1e13, 3.1e14), ("0", "100", "200", "300"), "TFLOP/s"),
    ],
)
def test_linear_axes_have_round_numbers_in_one_unit(
    unit: str, values: tuple[float, ...], labels: tuple[str, ...], shown: str
) -> None:
    found = ticks(unit, *values)
    assert found.labels == labels
    assert found.unit == shown


@pytest.mark.parametrize(
    ("unit", "values", "labels", "shown"),
    [
        ("ns", (1e5, 1e9), ("0.1", "1", "10", "100", "1000"), "ms"),
        (
            "ns",
            (1e3, 6e10),
            (
                "1\u00a0µs",
                "10\u00a0µs",
                "100\u00a0µs",
                "1\u00a0ms",
                "10\u00a0ms",
                "100\u00a0ms",
                "1\u00a0s",
                "10\u00a0s",
                "100\u00a0s",
            ),
            "",
        ),
        ("1/s", (900.0, 27_000.0), ("1000", "2000", "5000", "10\u00a0k", "20\u00a0k"), "1/s"),
        ("B", (2.0**20, 2.0**33), ("1", "8", "64", "512", "4096"), "MiB"),
        ("samples/s", (80.0, 72_000.0), ("100", "1000", "10\u00a0k"), "samples/s"),
        (None, (1, 2, 4, 8, 16, 32, 64, 128), ("1", "2", "4", "8", "16", "32", "64", "128"), ""),
        ("ns", (11e6, 14e6), ("11", "12", "13", "14"), "ms"),
        ("ratio", (0.95, 1.2), ("−5\u00a0%", "0\u00a0%", "+5\u00a0%", "+10\u00a0%", "+15\u00a0%", "+20\u00a0%"), ""),
        ("ratio", (0.2, 9.0), ("÷4", "÷2", "×1", "×2", "×4", "×8"), ""),
    ],
)
def test_logarithmic_axes_can_be_read_without_exponents(
    unit: str, values: tuple[float, ...], labels: tuple[str, ...], shown: str
) -> None:
    found = ticks(unit, *values, scale=LOG)
    assert found.labels == labels
    assert found.unit == shown
    assert found.is_log


SIZES = st.floats(1e-3, 1e15) | st.floats(-1e15, -1e-3) | st.just(0.0)


@given(st.lists(SIZES, min_size=1, max_size=8), st.sampled_from([None, "ns", "B", "J", "1/s", "ratio", "share"]))
def test_every_value_and_every_tick_lies_on_the_axis(values: list[float], unit: str | None) -> None:
    for scale in (LINEAR, LOG):
        found = ticks(unit, *values, scale=scale)
        assert found.low < found.high
        assert len(found.places) == len(found.labels) <= 16
        assert not any("e" in label for label in found.labels)
        for place in found.places:
            assert -0.01 <= found.share(place) <= 1.01
        for value in values:
            if scale is LINEAR or value > 0:
                assert -1e-9 <= found.share(value) <= 1 + 1e-9


def test_bars_stand_on_zero_and_small_changes_do_not() -> None:
    assert ticks("W", 98.0, 100.0, from_zero=True).low == 0.0
    assert ticks("W", 98.0, 100.0).low > 97
    assert ticks("W", 20.0, 100.0).low == 0.0
    below = ticks("W", -98.0, -100.0, from_zero=True)
    assert (below.low < -100, below.high) == (True, 0.0)


def test_nothing_known_has_no_labels() -> None:
    assert ticks("ns").labels == ()
    assert ticks("ns", -1.0, 0.0, scale=LOG).labels == ()
    assert ticks("ns", float("nan"), float("inf")).labels == ()
    assert choose_ticks(Axis("", None, Scale.CATEGORY), ()).labels == ()


@pytest.mark.parametrize(
    ("length", "labels", "note"),
    [
        (
            timedelta(seconds=50),
            ("14:00:00", "14:00:10", "14:00:20", "14:00:30", "14:00:40", "14:00:50"),
            "2026-03-01, UTC",
        ),
        (timedelta(hours=5), ("14:00", "15:00", "16:00", "17:00", "18:00", "19:00"), "2026-03-01, UTC"),
        (timedelta(hours=30), ("03-01 18:00", "03-02 00:00", "03-02 06:00", "03-02 12:00", "03-02 18:00"), "UTC"),
        (timedelta(days=8), ("2026-03-02", "2026-03-04", "2026-03-06", "2026-03-08"), "UTC"),
        (timedelta(days=50), ("2026-03-02", "2026-03-16", "2026-03-30", "2026-04-13"), "UTC"),
        (timedelta(days=400), ("2026-04", "2026-07", "2026-10", "2027-01", "2027-04"), "UTC"),
        (timedelta(days=3000), ("2026", "2028", "2030", "2032", "2034"), "UTC"),
    ],
)
def test_times_are_told_in_utc_at_round_moments(length: timedelta, labels: tuple[str, ...], note: str) -> None:
    start = datetime(2026, 3, 1, 14, tzinfo=UTC)
    found = choose_ticks(Axis("", None, Scale.TIME), [seconds_of(start), seconds_of(start + length)])
    assert found.labels == labels
    assert found.note == note


def test_the_ends_of_the_calendar_are_no_trouble() -> None:
    ends = [seconds_of(datetime.min.replace(tzinfo=UTC)), seconds_of(datetime.max.replace(tzinfo=UTC))]
    assert choose_ticks(Axis("", None, Scale.TIME), ends).labels


def test_a_colour_bar_ends_at_its_ends_and_names_go_down() -> None:
    found = span_ticks(Axis("", None), -1.0, 1.0)
    assert (found.low, found.high, found.labels) == (-1.0, 1.0, ("−1.0", "−0.5", "0", "0.5", "1.0"))
    turned = top_down(choose_ticks(Axis("", None, Scale.CATEGORY, None, ("a", "b")), ()))
    assert turned.share(0.0) > turned.share(1.0)


def test_marks_are_thinned_only_where_they_coincide() -> None:
    near = [(0.1 * number % 50, 7.0) for number in range(600)]
    kept, grid = thin_marks([near, [(300.0, 300.0)]], 100)
    assert grid > 0
    assert kept[1] == [0]
    assert 10 < len(kept[0]) <= 99
    assert thin_marks([near], 600) == ([list(range(600))], 0.0)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=400))
def test_a_thinned_line_keeps_the_extremes_of_every_px(values: list[float]) -> None:
    points = [(number / 9, value) for number, value in enumerate(values)]
    kept = thin_line(points)
    assert set(kept) <= set(points)
    for px in range(int(points[-1][0]) + 1):
        before = [value for x, value in points if int(x) == px]
        after = [value for x, value in kept if int(x) == px]
        assert (min(before), max(before), before[0], before[-1]) == (min(after), max(after), after[0], after[-1])
