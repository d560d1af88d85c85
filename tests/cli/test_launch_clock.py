"""The time left: by the launches of the same case, and never less than what goes on has taken."""

from __future__ import annotations

import pytest

from assay.cli.launch_clock import LaunchClock


def test_before_anything_is_over_what_was_expected_counts() -> None:
    clock = LaunchClock(["quick", "slow"], expected_s=5.0)
    assert clock.left_s(4, 0.0) == 20.0
    clock.begin("quick", 10.0)
    assert clock.left_s(4, 12.0) == 18.0


def test_a_launch_that_goes_on_longer_than_expected_says_so_of_the_others() -> None:
    clock = LaunchClock(["one"], expected_s=5.0)
    clock.begin("one", 0.0)
    assert clock.left_s(10, 60.0) == 540.0


def test_each_case_counts_by_its_own_launches() -> None:
    clock = LaunchClock(["quick", "slow"], expected_s=5.0)
    clock.end("quick", 2.0)
    assert clock.left_s(3, 0.0) == pytest.approx(6.0), "of the slow one nothing is known yet"
    clock.end("slow", 20.0)
    assert clock.left_s(8, 0.0) == pytest.approx(4 * 2.0 + 4 * 20.0)
    clock.end("quick", 2.0)
    assert clock.left_s(7, 0.0) == pytest.approx(3 * 2.0 + 4 * 20.0)
    clock.begin("slow", 100.0)
    assert clock.left_s(7, 105.0) == pytest.approx(3 * 2.0 + 4 * 20.0 - 5.0)


def test_nothing_left_takes_nothing() -> None:
    clock = LaunchClock(["one"], expected_s=5.0)
    clock.end("one", 3.0)
    assert clock.left_s(0, 9.0) == 0.0
    assert LaunchClock([], expected_s=5.0).left_s(0, 0.0) == 0.0
