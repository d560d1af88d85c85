"""Groups whose values share witnesses: planted effects come back, and many values of one witness stay one witness."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
import pytest

from assay.stats.mixed import MixedFit, connect, fit_mixed


@dataclass
class Planted:
    """Values of groups, by witnesses, at subjects of their own levels."""

    seed: int
    values: list[float] = field(default_factory=list)
    subjects: list[Hashable] = field(default_factory=list)
    groups: list[Hashable] = field(default_factory=list)
    witnesses: list[Hashable] = field(default_factory=list)

    def add(
        self, effects: dict[str, float], *, witnesses: int, spread: float, each: int = 6, noise: float = 0.05
    ) -> None:
        random = np.random.default_rng(self.seed)
        levels = random.normal(0, 2, each)
        for group, effect in effects.items():
            for witness in range(witnesses):
                own = random.normal(0, spread)
                for subject in range(each):
                    self.values.append(levels[subject] + effect + own + random.normal(0, noise))
                    self.subjects.append(subject)
                    self.groups.append(group)
                    self.witnesses.append((group, witness))

    def fit(self, **settings: float | None) -> MixedFit:
        return fit_mixed(self.values, fixed=self.subjects, random=[self.groups, self.witnesses], **settings)  # type: ignore[arg-type]


def test_planted_effects_come_back_whatever_the_levels_of_subjects() -> None:
    planted = Planted(1)
    planted.add({"a": -0.5, "b": 0.0, "c": 0.5}, witnesses=8, spread=0.05)
    found = planted.fit()
    assert found.levels == ("a", "b", "c")
    assert found.plain == pytest.approx([-0.5, 0.0, 0.5], abs=0.1)
    assert abs(found.spreads[1] - 0.05) < 0.05
    assert found.residual == pytest.approx(0.05, rel=0.3)
    assert found.n == len(planted.values)


def test_what_is_uncertain_is_drawn_towards_the_mean() -> None:
    planted = Planted(2)
    planted.add({"a": -0.6, "b": 0.6}, witnesses=2, spread=0.6)
    found = planted.fit()
    assert np.all(np.abs(found.shrunk) < np.abs(found.plain))
    assert np.all(np.diag(found.shrunk_covariance) < found.spreads[0] ** 2)


def test_fifty_values_of_one_witness_are_not_fifty_witnesses() -> None:
    """Ten times the values of the same witnesses leave the interval as wide; ten times the witnesses do not."""
    widths = {}
    for name, witnesses, each in (("few", 4, 6), ("more values", 4, 60), ("more witnesses", 40, 6)):
        planted = Planted(3)
        planted.add({"a": 0.0, "b": 0.3}, witnesses=witnesses, spread=0.3, each=each)
        found = planted.fit()
        widths[name] = math.sqrt(found.plain_covariance[0, 0])
    assert widths["more values"] > 0.6 * widths["few"]
    assert widths["more witnesses"] < 0.5 * widths["few"]


def test_values_far_from_the_rest_decide_nothing() -> None:
    planted = Planted(4)
    planted.add({"a": 0.0, "b": 0.4}, witnesses=6, spread=0.03)
    planted.values[3] -= 5.0
    robust, plain = planted.fit(), planted.fit(huber=None)
    assert abs(robust.plain[1] - 0.2) < 0.05
    assert abs(plain.plain[1] - 0.2) > 0.05
    assert robust.outlying >= 1


def test_one_witness_each_is_no_certainty() -> None:
    """Nothing says how far a second witness would differ: the width that is assumed keeps the interval open."""
    planted = Planted(5)
    planted.add({"a": 0.0, "b": 0.4}, witnesses=1, spread=0.0, each=30, noise=0.01)
    found = planted.fit()
    assert 0.02 < found.spreads[1] < 5
    assert math.sqrt(found.plain_covariance[0, 0]) > 0.02


def test_intervals_hold_as_often_as_they_say() -> None:
    """95 % intervals of plain effects over planted hierarchies: at least 90 % of them hold, and not all for nothing."""
    from scipy.special import stdtrit

    random = np.random.default_rng(6)
    held = []
    for seed in range(60):
        true = dict(zip("abcd", random.normal(0, 0.3, 4), strict=True))
        planted = Planted(seed + 100)
        planted.add(true, witnesses=4, spread=0.2, each=4)
        found = planted.fit()
        mean = sum(true.values()) / 4
        t = float(stdtrit(12, 0.975))
        for place, level in enumerate(found.levels):
            half = t * math.sqrt(found.plain_covariance[place, place])
            held.append(abs(found.plain[place] - (true[str(level)] - mean)) <= half)
    assert np.mean(held) > 0.9


def test_given_ratios_are_taken() -> None:
    planted = Planted(7)
    planted.add({"a": 0.0, "b": 0.4}, witnesses=3, spread=0.1)
    assert planted.fit(ratios=(2.0, 1.0)).ratios == (2.0, 1.0)  # type: ignore[arg-type]


def test_groups_that_nothing_links_get_numbers_of_their_own() -> None:
    subjects, groups = [1, 1, 2, 2, 2, 3, 3], ["a", "b", "b", "c", "c", "x", "y"]
    assert connect(subjects, groups) == {"a": 0, "b": 0, "c": 0, "x": 1, "y": 1}
    assert connect([], []) == {}


@pytest.mark.parametrize(
    ("values", "fixed", "random", "words"),
    [
        ([1.0, 2.0], ["s"], [["a", "b"]], "same length"),
        ([1.0, 2.0], ["s", "s"], [], "same length"),
        ([1.0, math.nan], ["s", "s"], [["a", "b"]], "not finite"),
        ([1.0, 2.0], ["s", "t"], [["a", "b"]], "nothing is left"),
    ],
)
def test_what_is_no_sample_is_refused(
    values: list[float], fixed: list[str], random: list[list[str]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fit_mixed(values, fixed=fixed, random=random)
