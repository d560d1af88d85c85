"""How often the interval over launches holds what it should: the table of docs/method.md.

Simulates the medians of a few launches many times, and counts how often each of two intervals holds the typical
launch: assay's own (Student's t on logarithms, the very function that results are made with) and, for comparison,
the percentile interval of the bootstrap of the median. Seeded; no clock is read. Usage:
python benchmarks/interval_coverage.py
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay.stats.summary import launch_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TRIALS = 20_000
SEED = 20_260_101
LAUNCHES = (3, 5, 10)
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Noise:
    """What multiplies a launch's median: a lognormal spread, and in a share of launches a slower mode."""

    text: str
    log_sd: float
    slow_share: float = 0.0
    slow_factor: float = 1.0

    def draw(self, random: np.random.Generator, trials: int, launches: int) -> Floats:
        """Return ``trials`` x ``launches`` medians of a workload that takes 1."""
        logs = random.normal(0.0, self.log_sd, (trials, launches))
        slow = random.random((trials, launches)) < self.slow_share
        medians: Floats = np.exp(logs + slow * math.log(self.slow_factor))
        return medians

    @property
    def mean(self) -> float:
        """Geometric mean over all launches, what Student's t on logarithms estimates."""
        return math.exp(self.slow_share * math.log(self.slow_factor))

    @property
    def median(self) -> float:
        """Median over all launches, by bisection of the mixture's distribution function."""
        low, high = -1.0, 1.0
        while high - low > 1e-12:
            middle = (low + high) / 2
            below = (1 - self.slow_share) * self._share_below(middle)
            below += self.slow_share * self._share_below(middle - math.log(self.slow_factor))
            low, high = (middle, high) if below < 0.5 else (low, middle)
        return math.exp(low)

    def _share_below(self, log: float) -> float:
        return (1 + math.erf(log / self.log_sd / math.sqrt(2))) / 2


NOISES = (
    Noise("lognormal, 1 %", 0.01),
    Noise("lognormal, 3 %", 0.03),
    Noise("two modes: 1 %, and 3 of 10 slower by 10 %", 0.01, 0.3, 1.1),
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """One row: shares of trials in which each interval held the target, and the intervals' median full widths."""

    noise: str
    launches: int
    target: str
    of_student: float
    of_bootstrap: float
    student_width: float
    bootstrap_width: float


def measure_coverage(*, trials: int = TRIALS, seed: int = SEED) -> Iterator[Coverage]:
    """Simulate every row of the table, each from a stream of its own."""
    for index, noise in enumerate(NOISES):
        for launches in LAUNCHES:
            medians = noise.draw(np.random.default_rng([seed, index, launches]), trials, launches)
            student = student_bounds(medians)
            bootstrap = bootstrap_bounds(medians)
            targets = {"both alike": noise.mean}
            if noise.slow_share:
                targets = {"geometric mean": noise.mean, "median": noise.median}
            for text, target in targets.items():
                yield Coverage(
                    noise=noise.text,
                    launches=launches,
                    target=text,
                    of_student=_share_holding(student, target),
                    of_bootstrap=_share_holding(bootstrap, target),
                    student_width=_median_width(student),
                    bootstrap_width=_median_width(bootstrap),
                )


def student_bounds(medians: Floats) -> Floats:
    """Return lower and upper bounds (trials x 2) of the interval that assay prints."""
    bounds = []
    for row in medians.tolist():
        interval = launch_interval(row, LEVEL)
        if interval is None:
            raise ValueError(f"got {len(row)} launches; expected enough for an interval")
        bounds.append((interval.lo, interval.hi))
    return np.array(bounds)


def bootstrap_bounds(medians: Floats) -> Floats:
    """Return the percentile interval of the ideal bootstrap of the median: all resamples, exactly weighted."""
    ordered = np.sort(medians, axis=1)
    pairs, weights = zip(*_resampled_medians(medians.shape[1]), strict=True)
    lower, upper = np.array(pairs).T
    values = (ordered[:, lower] + ordered[:, upper]) / 2
    order = np.argsort(values, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    reached = np.cumsum(np.array(weights)[order], axis=1)
    tail = (1 - LEVEL) / 2
    bounds = [np.argmax(reached >= share, axis=1) for share in (tail, 1 - tail)]
    return np.stack([np.take_along_axis(values, bound[:, None], axis=1)[:, 0] for bound in bounds], axis=1)


def _resampled_medians(n: int) -> Iterator[tuple[tuple[int, int], float]]:
    """Give the two middle ranks (from 0, equal where ``n`` is odd) of a resample of ``n``, with their probability."""
    half = (n + 1) // 2
    for i in range(n):
        single = _share_at_most(n, i + 1, half) - _share_at_most(n, i, half)
        if n % 2:
            yield (i, i), single
            continue
        for j in range(i + 1, n):
            # Half of the draws end at rank i and the other half begin at rank j.
            below = (i + 1) ** half - i**half
            above = (n - j) ** half - (n - j - 1) ** half
            both = math.comb(n, half) * below * above / n**n
            single -= both
            yield (i, j), both
        yield (i, i), single


def _share_at_most(n: int, ranks: int, order: int) -> float:
    """Probability that the ``order``-th smallest of ``n`` draws with replacement is among the lowest ``ranks``."""
    share = ranks / n
    return sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(order, n + 1))


def _share_holding(bounds: Floats, target: float) -> float:
    return float(np.mean((bounds[:, 0] <= target) & (target <= bounds[:, 1])))


def _median_width(bounds: Floats) -> float:
    return float(np.median(bounds[:, 1] - bounds[:, 0]))


def main() -> None:
    """Print the table as Markdown."""
    print("| noise between launches | launches | target | t on logs | its width | bootstrap | its width |")
    print("|---|---|---|---|---|---|---|")
    for row in measure_coverage():
        shares = (row.of_student, row.student_width, row.of_bootstrap, row.bootstrap_width)
        cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
        print(f"| {row.noise} | {row.launches} | {row.target} | {cells} |")


if __name__ == "__main__":
    main()
