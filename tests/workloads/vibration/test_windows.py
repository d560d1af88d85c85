"""Windows: where they start, what is in them, how they are scaled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import WorkloadError
from assay.workloads.vibration.windows import (
    NORMALISATIONS,
    WINDOWINGS,
    WindowPlan,
    cut_windows,
    normalise,
    window_starts,
)

SIGNAL = np.stack((np.arange(100.0), -np.arange(100.0)), axis=1)


def test_sequential_windows_follow_each_other() -> None:
    windows = cut_windows(SIGNAL, WindowPlan(30, normalisation="none"))
    assert windows.shape == (3, 2, 30)
    assert windows.dtype == np.float32
    assert windows[1, 0].tolist() == list(range(30, 60))
    assert windows[1, 1].tolist() == [-value for value in range(30, 60)]
    assert window_starts(100, WindowPlan(30, stride=10, count=4)).tolist() == [0, 10, 20, 30]


def test_even_windows_reach_from_the_first_sample_to_the_last() -> None:
    assert window_starts(100, WindowPlan(20, count=5, windowing="even")).tolist() == [0, 20, 40, 60, 80]
    assert window_starts(100, WindowPlan(30, count=2, windowing="even")).tolist() == [0, 70]
    assert window_starts(100, WindowPlan(30, count=1, windowing="even")).tolist() == [0]


def test_random_windows_follow_from_the_generator() -> None:
    plan = WindowPlan(10, count=50, windowing="random")
    one, two = (window_starts(100, plan, np.random.default_rng(4)) for _ in range(2))
    assert one.tolist() == two.tolist()
    assert len(set(one.tolist())) > 20
    with pytest.raises(WorkloadError, match="need a generator"):
        window_starts(100, plan)


@given(
    length=st.integers(1, 500),
    size=st.integers(1, 500),
    stride=st.none() | st.integers(1, 50),
    count=st.none() | st.integers(1, 20),
    windowing=st.sampled_from(WINDOWINGS),
)
def test_every_window_lies_within_the_signal(
    length: int, size: int, stride: int | None, count: int | None, windowing: str
) -> None:
    plan = WindowPlan(size, stride, count, windowing)
    if size > length:
        with pytest.raises(WorkloadError, match=f"A signal of {length} samples has no window of {size}"):
            window_starts(length, plan, np.random.default_rng(0))
        return
    starts = window_starts(length, plan, np.random.default_rng(0))
    assert len(starts) >= 1
    assert starts.min() >= 0
    assert starts.max() + size <= length
    if count is not None:
        assert len(starts) <= count
    assert len(cut_windows(np.zeros((length, 1)), plan, np.random.default_rng(0))) == len(starts)


def test_normalisation_is_of_each_channel_of_each_window() -> None:
    windows = cut_windows(SIGNAL * [1.0, 1e4], WindowPlan(25))
    assert np.allclose(windows.mean(axis=-1), 0, atol=1e-5)
    assert np.allclose(windows.std(axis=-1), 1, atol=1e-5)
    ranged = cut_windows(SIGNAL, WindowPlan(25, normalisation="minmax"))
    assert ranged.min() == 0
    assert ranged.max() == pytest.approx(1)


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_a_dead_channel_becomes_zeros_and_not_nan(how: str) -> None:
    assert not normalise(np.zeros((2, 1, 8), dtype=np.float32), how).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 8, "stride": 0}, "stride=0"),
        ({"size": 8, "windowing": "all"}, "expected one of sequential, random, even"),
        ({"size": 8, "normalisation": "l2"}, "expected one of none, zscore, minmax"),
    ],
)
def test_wrong_plans_are_refused(arguments: dict[str, int | str], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        WindowPlan(**arguments)  # type: ignore[arg-type]  # wrong values are the point


def test_a_flat_signal_is_refused() -> None:
    with pytest.raises(WorkloadError, match=r"expected \(length, channels\)"):
        cut_windows(np.zeros(100), WindowPlan(10))
