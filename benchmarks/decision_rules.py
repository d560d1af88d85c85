"""How often each rule calls what did not change, and finds what did: the tables of docs/statistics.md.

assay's default rules beside those of other tools (rival_rules.py), on the same simulated launches and series. Rates are
percentages of ``--trials`` with Wilson's 95 % bounds. Seeded; no clock is read. Usage:
python benchmarks/decision_rules.py [--trials 1000] [--part compare|check|trend|intervals]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from assay.core.words import Change, Direction
from assay.stats import cusum
from assay.stats.bootstrap import bootstrap_ratio
from assay.stats.change import DEFAULT_FLOOR, estimate_ratio, judge_ratio, within_floor
from assay.stats.prediction import judge_next
from assay.stats.summary import median_absolute_deviation
from rival_rules import RIVALS, GithubAction, Launches, Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SEED = 20_261_122
TRIALS = 1_000
LAUNCHES, SAMPLES = 5, 20
WITHIN_LAUNCH = 0.01
HISTORY = 30
NEAR = 2
"""A change point counts as found this close to where it was planted."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What multiplies a value: the logarithm's standard deviation, and what else the machine does."""

    text: str
    sd: float
    tail: int | None = None  # degrees of freedom of Student's t, in units of sd
    slow_share: float = 0.0  # of a state that is 10 % slower
    phi: float = 0.0  # lag-1 autocorrelation

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Return factors around 1; the last axis is time."""
        shocks = random.normal(0, 1, shape) if self.tail is None else random.standard_t(self.tail, shape)
        logs = self.sd * shocks
        for i in range(1, shape[-1] if self.phi else 0):
            logs[..., i] = self.phi * logs[..., i - 1] + math.sqrt(1 - self.phi**2) * logs[..., i]
        factors: Floats = np.exp(logs + np.where(random.random(shape) < self.slow_share, math.log(1.1), 0.0))
        return factors


QUIET, LOUD = Noise("1 %", 0.01), Noise("3 %", 0.03)
BIMODAL = Noise("bimodal", 0.01, slow_share=0.3)
HEAVY = Noise("t3", 0.02, tail=3)
MEMORY = tuple(Noise(f"AR {phi:.1f}", 0.03, phi=phi) for phi in (0.3, 0.5))


class Assay:
    """The default rules of METHOD 6."""

    name = "assay"
    source = "docs/statistics.md"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """Rule A on launch medians."""
        estimate = estimate_ratio(*([float(np.median(launch)) for launch in side] for side in (a, b)))
        return estimate is not None and judge_ratio(estimate, direction=Direction.LOWER).change is Change.REGRESSED

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Permutation CUSUM, kept where memory does not explain it."""
        return [point.index for point in cusum.find_change_points(series)]


class ShufflesOnly:
    """assay's change points without the step that knows of memory: what it is worth."""

    name = "assay without step 4"
    source = "docs/statistics.md"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """It judges series only."""
        del a, b
        return None

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Shuffles and the floor alone."""
        logs = np.log(np.asarray(series))
        finder = cusum._Finder(cusum.ALPHA, cusum.MIN_SEGMENT, 0)  # noqa: SLF001  (half a rule exists nowhere else)
        points = [index for index, _ in sorted(finder.find(logs, 0))]
        bounds = [0, *points, logs.size]
        means = [logs[low:high].mean() for low, high in pairwise(bounds)]
        steps = zip(points, np.diff(means), strict=True)
        return [index for index, step in steps if abs(step) >= math.log1p(DEFAULT_FLOOR)]


class PlainCusum:
    """The rule in its plainest form, to see what was added to it: every split weighted alike, one split at a time."""

    name = "plain permutation CUSUM"
    source = "docs/statistics.md"

    def compare(self, a: Launches, b: Launches) -> bool | None:
        """It judges series only."""
        del a, b
        return None

    def detect(self, series: Sequence[float]) -> list[int] | None:
        """Normal scores, binary segmentation at .001, segments of 5, a floor of 3 %."""
        return sorted(self._split(np.log(np.asarray(series)), 0))

    def _split(self, logs: Floats, start: int) -> list[int]:
        n, shortest = logs.size, cusum.MIN_SEGMENT
        if n < 2 * shortest:
            return []
        statistics = self._statistics(np.cumsum(cusum.normal_scores(logs)))
        split = int(statistics.argmax()) + shortest
        p = float(np.mean(_plain_maxima(n) >= statistics.max() - 1e-9))
        if p > cusum.ALPHA or abs(logs[split:].mean() - logs[:split].mean()) < math.log1p(DEFAULT_FLOOR):
            return []
        return [start + split, *self._split(logs[:split], start), *self._split(logs[split:], start + split)]

    @staticmethod
    def _statistics(sums: Floats) -> Floats:
        n = sums.shape[-1]
        sizes = np.arange(cusum.MIN_SEGMENT, n - cusum.MIN_SEGMENT + 1)
        statistics: Floats = np.abs(sums[..., sizes - 1]) / np.sqrt(sizes * (n - sizes) / n)
        return statistics


@lru_cache
def _plain_maxima(n: int) -> Floats:
    random = np.random.default_rng([SEED, 5, n])
    scores = cusum.normal_scores(np.arange(n, dtype=np.float64))
    sums = np.cumsum(random.permuted(np.broadcast_to(scores, (10_000, n)), axis=1), axis=1)
    maxima: Floats = PlainCusum._statistics(sums).max(axis=1)  # noqa: SLF001  (its own)
    return maxima


RULES: tuple[Rule, ...] = (Assay(), ShufflesOnly(), PlainCusum(), *RIVALS)


def rate(hits: int, trials: int) -> str:
    """Write a share in per cent with Wilson's 95 % bounds (Wilson 1927, JASA 22)."""
    z = 1.959963984540054
    share = hits / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return f"{100 * share:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def simulate_sides(noise: Noise, factor: float, trials: int, seed: int) -> Iterator[tuple[Launches, Launches]]:
    """Two sides of launches, each with samples of its own; B takes ``factor`` times as long."""
    random = np.random.default_rng([SEED, 1, seed])
    for _ in range(trials):
        sides = noise.draw(random, (2, LAUNCHES, 1)) * np.exp(random.normal(0, WITHIN_LAUNCH, (2, LAUNCHES, SAMPLES)))
        sides[1] *= factor
        yield sides[0].tolist(), sides[1].tolist()


def compare_table(trials: int) -> None:
    """Two sides: called slower."""
    columns = [(noise, 1.0) for noise in (QUIET, LOUD, BIMODAL)]
    columns += [(QUIET, 1.05), (QUIET, 1.10), (LOUD, 1.10)]
    rules = [rule for rule in RULES if rule.compare([[1.0, 1.1]] * 5, [[1.0, 1.1]] * 5) is not None]
    hits = {rule.name: [0] * len(columns) for rule in rules}
    for column, (noise, factor) in enumerate(columns):
        for a, b in simulate_sides(noise, factor, trials, column):
            for rule in rules:
                hits[rule.name][column] += bool(rule.compare(a, b))
    heads = [f"{noise.text}, {'A/A' if factor == 1 else f'+{100 * (factor - 1):.0f} %'}" for noise, factor in columns]
    show(f"compare: {LAUNCHES} launches a side of {SAMPLES} samples; called slower, % of {trials}", heads, hits, trials)


def check_table(trials: int) -> None:
    """Judge the next value of a history."""

    def with_deviation(spread: Callable[[Floats], float], history: Floats, value: float) -> bool:
        from scipy.special import stdtrit

        logs, n = np.log(history), history.size
        limit = float(stdtrit(n - 1, 0.99)) * spread(logs) * math.sqrt(1 + 1 / n)
        ratio = value / math.exp(float(logs.mean()))
        return math.log(ratio) > limit and not within_floor(ratio, DEFAULT_FLOOR)

    def by_assay(history: Floats, value: float) -> bool:
        return judge_next(history, value, direction=Direction.LOWER, floor=DEFAULT_FLOOR).is_suspect

    def by_previous(rule: GithubAction, history: Floats, value: float) -> bool:
        return bool(rule.detect([float(history[-1]), value]))

    rules: dict[str, Callable[[Floats, float], bool]] = {
        "assay": by_assay,
        "assay with MAD for SD": partial(with_deviation, median_absolute_deviation),
    }
    for threshold in (2.0, 1.1, 1.05):
        rule = GithubAction(threshold)
        rules[rule.name] = partial(by_previous, rule)
    for n in (8, HISTORY):
        columns = [(noise, 1.0) for noise in (QUIET, LOUD, HEAVY, BIMODAL, *MEMORY)] + [(QUIET, 1.05), (LOUD, 1.10)]
        hits = {name: [0] * len(columns) for name in rules}
        for column, (noise, factor) in enumerate(columns):
            random = np.random.default_rng([SEED, 2, n, column])
            for values in noise.draw(random, (trials, n + 1)):
                for name, judge in rules.items():
                    hits[name][column] += judge(values[:-1], factor * float(values[-1]))
        heads = [f"{noise.text}{'' if factor == 1 else f', +{100 * (factor - 1):.0f} %'}" for noise, factor in columns]
        show(f"check: the next value after {n}; called worse, % of {trials}", heads, hits, trials)


@dataclass(frozen=True, slots=True)
class Series:
    """A history: so many values at each factor in turn."""

    text: str
    noise: Noise
    levels: tuple[tuple[int, float], ...]

    @property
    def planted(self) -> list[int]:
        """Where a new level begins."""
        return [int(place) for place in np.cumsum([count for count, _ in self.levels])[:-1]]

    def simulate(self, trials: int, seed: int) -> Floats:
        """Draw ``trials`` histories."""
        level = np.concatenate([np.full(count, factor) for count, factor in self.levels])
        random = np.random.default_rng([SEED, 3, seed])
        return level * self.noise.draw(random, (trials, level.size))


SERIES = (
    *(Series(noise.text, noise, ((40, 1.0),)) for noise in (QUIET, LOUD, HEAVY, BIMODAL, *MEMORY)),
    Series("1 %: 20, then 5 at +5 %", QUIET, ((20, 1.0), (5, 1.05))),
    Series("1 %: 30, then 5 at +5 %", QUIET, ((30, 1.0), (5, 1.05))),
    Series("3 %: 30, then 10 at +10 %", LOUD, ((30, 1.0), (10, 1.1))),
    Series("1 %: 20, 10 at +5 %, 20", QUIET, ((20, 1.0), (10, 1.05), (20, 1.0))),
)


def trend_table(trials: int) -> None:
    """Find change points: any in series without one, all of the planted ones (and how many more) in others."""
    rules = [rule for rule in RULES if rule.detect([1.0, 1.0, 1.0, 1.1]) is not None]
    hits = {rule.name: [0] * len(SERIES) for rule in rules}
    for column, kind in enumerate(SERIES):
        for values in kind.simulate(trials, column):
            series = values.tolist()
            for rule in rules:
                found = rule.detect(series) or []
                is_found = all(any(abs(index - place) <= NEAR for index in found) for place in kind.planted)
                hits[rule.name][column] += bool(found) and is_found
    nulls = sum(not kind.planted for kind in SERIES)
    show(
        f"trend: 40 results without a change; any called, % of {trials}",
        [kind.text for kind in SERIES[:nulls]],
        {name: row[:nulls] for name, row in hits.items()},
        trials,
    )
    show(
        f"trend: planted changes; all found within {NEAR} results, % of {trials}",
        [kind.text for kind in SERIES[nulls:]],
        {name: row[nulls:] for name, row in hits.items()},
        trials,
    )


def interval_table(trials: int) -> None:
    """Count how often 95 % intervals of the ratio hold 1 where nothing changed."""
    columns = [(noise, launches) for noise in (QUIET, LOUD, BIMODAL) for launches in (3, 5, 10)]
    hits = {"Welch on logs of launch medians": [0] * len(columns), "hierarchical bootstrap": [0] * len(columns)}
    widths = {name: [0.0] * len(columns) for name in hits}
    for column, (noise, launches) in enumerate(columns):
        random = np.random.default_rng([SEED, 4, column])
        for trial in range(trials):
            within = np.exp(random.normal(0, WITHIN_LAUNCH, (2, launches, SAMPLES)))
            sides = noise.draw(random, (2, launches, 1)) * within
            estimate = estimate_ratio(*np.median(sides, axis=2).tolist())
            if estimate is None:
                raise ValueError(f"got {launches} launches a side; expected enough for an interval")
            resampled = bootstrap_ratio(sides[0], sides[1], seed=trial)
            bounds = ((estimate.lo95, estimate.hi95), (resampled.lo, resampled.hi))
            for name, (lo, hi) in zip(hits, bounds, strict=True):
                hits[name][column] += lo <= 1 <= hi
                widths[name][column] += (hi - lo) / trials
    heads = [f"{noise.text}, {launches} launches" for noise, launches in columns]
    show(f"intervals: hold 1 in A/A launches, % of {trials}", heads, hits, trials)
    print("| mean width | " + " | ".join(heads) + " |")
    print("|" + "---|" * (len(heads) + 1))
    for name, row in widths.items():
        print(f"| {name} | " + " | ".join(f"{100 * width:.1f} %" for width in row) + " |")
    print()


def show(title: str, heads: list[str], hits: dict[str, list[int]], trials: int) -> None:
    """Print a table as Markdown."""
    print(f"{title}\n")
    print("| rule | " + " | ".join(heads) + " |")
    print("|" + "---|" * (len(heads) + 1))
    for name, row in hits.items():
        print(f"| {name} | " + " | ".join(rate(count, trials) for count in row) + " |")
    print(flush=True)


PARTS = {"compare": compare_table, "check": check_table, "trend": trend_table, "intervals": interval_table}


def main() -> None:
    """Print the tables, and where each rule comes from."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=TRIALS, help="simulations a cell")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this table; may be given again")
    arguments = parser.parse_args()
    for part in arguments.part or PARTS:
        PARTS[part](arguments.trials)
    print("Rules: " + "; ".join(dict.fromkeys(rule.source for rule in RULES)))


if __name__ == "__main__":
    main()
