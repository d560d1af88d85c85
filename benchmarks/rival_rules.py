"""How other tools decide whether something changed: their published rules with their defaults, for comparison only.

Every rule gets what assay's own gets: two sides of launches, each a list of samples of one process (times: less is
better), or a series of results, oldest first. What a tool would have measured otherwise is said in its docstring. No
code was copied; sources are named, and what could be checked against the tool's own package was. Used by
benchmarks/decision_rules.py and benchmarks/planted.py.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rival_fits import Step, energy_of_splits, energy_of_window, find_regressions, fit_steps, student_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Launches = Sequence[Sequence[float]]


class Rule(Protocol):
    """A way to decide. Each method answers None where the tool has no rule for the question."""

    @property
    def name(self) -> str:
        """The tool, and what of its defaults was set otherwise."""

    @property
    def source(self) -> str:
        """Where the rule is published."""

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """Say whether B is called slower than A."""

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Return the indices at which a new level is said to begin, ascending."""


@dataclass(frozen=True, slots=True)
class Pyperf:
    """``pyperf compare_to``: Student's t with pooled variance on all values of all processes, at 95 %."""

    name: str = "pyperf compare_to"
    source: str = "pyperf 2.10, pyperf/_utils.py (is_significant, tscore)"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """Pool every value of every process, as ``Benchmark.get_values`` does."""
        from scipy.stats import ttest_ind

        all_a, all_b = _pool(a), _pool(b)
        return bool(ttest_ind(all_b, all_a).pvalue <= 0.05 and np.mean(all_b) > np.mean(all_a))

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Pyperf keeps no history."""
        del series
        return None


@dataclass(frozen=True, slots=True)
class GoogleBenchmark:
    """``compare.py``: Mann-Whitney's U at .05 on the repetitions.

    Its repetitions share a process. Here each is a launch, which is generous: it then sees the noise between launches.
    """

    name: str = "google/benchmark compare.py"
    source: str = "google/benchmark, tools/compare.py (--alpha 0.05) and tools/gbench/report.py (calc_utest)"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """Take the median of a launch as one repetition."""
        from scipy.stats import mannwhitneyu

        medians_a, medians_b = _medians(a), _medians(b)
        p = mannwhitneyu(medians_a, medians_b, alternative="two-sided").pvalue
        return bool(p < 0.05 and np.median(medians_b) > np.median(medians_a))

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """compare.py keeps no history."""
        del series
        return None


@dataclass(frozen=True, slots=True)
class GithubAction:
    """``github-action-benchmark``: an alert where the new value is more than a threshold times the previous one."""

    threshold: float = 2.0
    source: str = "benchmark-action/github-action-benchmark, action.yml (alert-threshold: 200%)"

    @property
    def name(self) -> str:
        """The tool and its threshold."""
        return f"github-action-benchmark at {100 * self.threshold:.0f} %"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """One number a side: the mean of all samples, as its readers of pytest-benchmark and others take it."""
        return float(np.mean(_pool(b))) > self.threshold * float(np.mean(_pool(a)))

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Every result is held against the one before."""
        return [i for i in range(1, len(series)) if series[i] > self.threshold * series[i - 1]]


@dataclass(frozen=True, slots=True)
class AsvContinuous:
    """``asv continuous``: medians more than ``factor`` apart, and Mann-Whitney's U on the pooled samples at .002."""

    factor: float = 1.1
    source: str = "asv 0.6.6, asv/_stats.py (is_different) and commands/compare.py (--factor 1.1)"

    @property
    def name(self) -> str:
        """The tool and its factor."""
        return f"asv continuous, factor {self.factor:g}"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """Pool the samples of all processes; ``asv continuous`` records them by default."""
        from scipy.stats import mannwhitneyu

        all_a, all_b = _pool(a), _pool(b)
        is_far = float(np.median(all_a)) < float(np.median(all_b)) / self.factor
        return is_far and bool(mannwhitneyu(all_a, all_b, alternative="two-sided").pvalue < 0.002)

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """It compares two commits; ``Asv`` looks at histories."""
        del series
        return None


@dataclass(frozen=True, slots=True)
class Asv:
    """``asv publish``: a piecewise constant fit by least absolute deviations, and the regressions in it.

    A BIC-like measure chooses the number of pieces. A regression is an upward step of more than ``threshold`` that was
    not taken back. ``threshold`` None: every step of the fit, which is what asv's plots show.
    """

    threshold: float | None = 0.05
    source: str = "asv 0.6.6, asv/step_detect.py and plugins/regressions.py (threshold 0.05)"

    @property
    def name(self) -> str:
        """The tool, and which of its two readings."""
        return "asv publish, every step" if self.threshold is None else "asv publish, regressions"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """It looks at histories; ``AsvContinuous`` compares two commits."""
        del a, b
        return None

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Fit steps; return where the regressions begin, or every step."""
        steps = _fit_steps_once(tuple(series))
        if self.threshold is None:
            return [step.begin for step in steps[1:]]
        return find_regressions(steps, self.threshold)


@dataclass(frozen=True, slots=True)
class EDivisive:
    """E-divisive by permutation, as MongoDB's signal processing library sets it: .05, 100 permutations."""

    level: float = 0.05
    permutations: int = 100
    seed: int = 0
    source: str = "Matteson and James 2014, JASA 109; MongoDB signal-processing-algorithms 2.1.6 (e_divisive)"

    @property
    def name(self) -> str:
        """The method and its level."""
        return f"E-divisive at {self.level:g} (MongoDB)"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """It judges series only."""
        del a, b
        return None

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Split where the energy statistic is largest, while few permutations within the pieces reach it."""
        random = np.random.default_rng(self.seed)
        values = np.asarray(series, dtype=np.float64)
        found: list[int] = []
        while True:
            bounds = [0, *sorted(found), values.size]
            pieces = [values[low:high] for low, high in itertools.pairwise(bounds)]
            peaks = [energy_of_splits(piece[None, :])[0] for piece in pieces]
            best = max(range(len(pieces)), key=lambda i: float(peaks[i].max()))
            largest, place = float(peaks[best].max()), int(peaks[best].argmax())
            if largest <= 0:
                return sorted(found)
            shuffled = np.zeros(self.permutations)
            for piece in pieces:
                many = random.permuted(np.tile(piece, (self.permutations, 1)), axis=1)
                np.maximum(shuffled, energy_of_splits(many).max(axis=1), out=shuffled)
            if np.count_nonzero(shuffled >= largest) / (self.permutations + 1) > self.level:
                return sorted(found)
            found.append(bounds[best] + place)


@dataclass(frozen=True, slots=True)
class Otava:
    """Apache Otava (Hunter): E-divisive's statistic in windows of 50, t-tests at .01 to split and .001 to keep."""

    window: int = 50
    level: float = 0.001
    name: str = "Otava (Hunter)"
    source: str = "Fleming and others 2023, ICPE; apache-otava 0.8.0, otava/analysis.py (compute_change_points)"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """It judges series only."""
        del a, b
        return None

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Collect weak change points window by window, then drop the weakest until all are significant."""
        values = np.asarray(series, dtype=np.float64)
        weak: set[int] = set()
        start = 0
        while start < values.size:
            found = self._split(values[start : start + self.window], start)
            weak |= set(found)
            start = max([start + self.window // 2, *found[-1:]])
        points = sorted(weak)
        while points:
            bounds = [0, *points, values.size]
            p = [student_p(values[a:b], values[b:c]) for a, b, c in zip(bounds, bounds[1:], bounds[2:], strict=False)]
            if max(p) < self.level:
                return points
            del points[p.index(max(p))]
        return []

    def _split(self, values: Floats, offset: int) -> list[int]:
        found: list[int] = []
        while True:
            bounds = [0, *found, values.size]
            candidates = [
                (*energy_of_window(values[low:high]), low, high)
                for low, high in itertools.pairwise(bounds)
                if high - low > 1
            ]
            if not candidates:
                break
            _, place, low, high = max(candidates)
            if student_p(values[low : low + place], values[low + place : high]) > 10 * self.level:
                break
            found = sorted([*found, low + place])
        return [offset + point for point in found]


@lru_cache(maxsize=1)
def _fit_steps_once(series: tuple[float, ...]) -> list[Step]:
    """Both readings of the fit, regressions and every step, are asked for one after the other."""
    return fit_steps(np.asarray(series, dtype=np.float64))


def _pool(launches: Launches) -> list[float]:
    return [value for launch in launches for value in launch]


def _medians(launches: Launches) -> list[float]:
    return [statistics.median(launch) for launch in launches]


RIVALS: tuple[Rule, ...] = (
    Pyperf(),
    GoogleBenchmark(),
    GithubAction(),
    GithubAction(1.1),
    AsvContinuous(),
    AsvContinuous(1.03),
    Asv(),
    Asv(None),
    EDivisive(),
    Otava(),
)
