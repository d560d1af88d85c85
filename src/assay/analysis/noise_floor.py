"""How far launches of the same thing differ: the noise floor of a series, from A/A launches alone.

The floor is taken over *random splits* of the launches into two sides, not over neighbouring blocks of them. It is used
where sides are interleaved, launch by launch in a random order, and a random split is just such an assignment: drawn
without replacement, its difference has the variance 2 s^2 / n exactly (s^2 with N - 1), however many launches there
are. Neighbouring blocks also hold what the machine drifted meanwhile, which interleaving takes out. Were that part of
the floor, a real change smaller than the drift would be called unchanged. So it is reported beside the floor, as what
sides that were *not* interleaved may differ by.

Splits of one set of launches share them: a thousand splits of 20 launches are not a thousand comparisons but two. The
share of splits that the rule calls changed is therefore given without a bound; the bound is of comparisons that share
no launch, over all series together. And s of few launches is itself unsure, which a percentile of splits cannot see:
the floor is at least t(.995, N - 1) s sqrt(2 / n), the limit for two sides drawn anew. By simulation, which the tests
repeat, new pairs of sides exceed the floor of 20 launches in 1.0 % of trials if launches are normal, 0.4 % if bimodal,
3 % if as heavy-tailed as t(3).

May import: core, stats; numpy; scipy inside functions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay.stats.change import ALPHA, DEFAULT_FLOOR, FEWEST_FOR_VERDICT, estimate_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_SPLITS = 2_000
_EXCEEDED = 0.01
"""Share of equal sides that differ by more than the floor."""
_SMALLEST_GROUP = 3
_SMALLEST_GROUP_SHARE = 0.15
_LEAST_GROUP_RATIO = 1.01
"""Groups closer than this are of no consequence: the smallest floor is three times as wide."""


@dataclass(frozen=True, slots=True)
class Group:
    """One of the two groups that launches fall into: how many, and their typical value."""

    launches: int
    value: float


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What launches of the same thing showed. ``typical`` is in their unit; what is relative is 0.03 for 3 %.

    ``floor`` is the difference that two interleaved sides of ``launches_a_side`` exceed in 1 % of trials;
    ``false_alarms`` of ``splits`` splits were called changed by METHOD 6 with its floor of 3 %. ``comparisons`` share
    no launch with each other, and ``alarms`` of them were called changed. ``block_difference`` is the largest
    difference of two neighbouring blocks of ``launches_a_side``. ``drift_ratio`` is the later half over the earlier,
    ``drift_p`` Welch's p of it. ``groups`` are set where the launches fall into two.
    """

    launches: int
    launches_a_side: int
    typical: float
    sd_log: float
    floor: float
    false_alarms: int
    splits: int
    alarms: int
    comparisons: int
    block_difference: float
    drift_ratio: float
    drift_p: float
    groups: tuple[Group, Group] | None

    @property
    def false_alarm_rate(self) -> float:
        """Share of splits called changed. They share launches, so no bound follows from their number."""
        return self.false_alarms / self.splits

    @property
    def has_drifted(self) -> bool:
        """True where the earlier and the later half differ more than chance explains."""
        return self.drift_p < ALPHA


def measure_noise_floor(
    values: Sequence[float], *, launches_a_side: int = FEWEST_FOR_VERDICT, seed: int = 0
) -> NoiseFloor:
    """Measure the floor from one positive value a launch, in the order the launches were made.

    Raises ValueError for fewer than two sides of launches, and for a value that is not positive and finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2 * launches_a_side:
        raise ValueError(f"got {array.size} launches; two sides of {launches_a_side} take {2 * launches_a_side}")
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"expected positive finite values, got {array.min()} to {array.max()}")
    logs = np.log(array / array[0])  # relative to one of them, so that equal launches have exactly no spread
    a, b = _splits(logs, launches_a_side, seed)
    in_turn = _comparisons(logs, launches_a_side)
    half = array.size // 2
    drift = estimate_ratio(array[:half].tolist(), array[half:].tolist())
    if drift is None:
        raise AssertionError("two sides were asked for, so each half has a spread")
    return NoiseFloor(
        launches=int(array.size),
        launches_a_side=launches_a_side,
        typical=float(array[0] * np.exp(logs.mean())),
        sd_log=float(logs.std(ddof=1)),
        floor=_floor(logs, b.mean(axis=1) - a.mean(axis=1), launches_a_side),
        false_alarms=int(call_changed(a, b).sum()),
        splits=len(a),
        alarms=int(call_changed(*in_turn).sum()),
        comparisons=len(in_turn[0]),
        block_difference=_block_difference(logs, launches_a_side),
        drift_ratio=drift.ratio,
        drift_p=drift.p,
        groups=find_groups(array),
    )


def call_changed(a: Floats, b: Floats, *, floor: float = DEFAULT_FLOOR, alpha: float = ALPHA) -> NDArray[np.bool_]:
    """Say which rows METHOD 6 calls changed: logarithms of launches, one comparison a row, (m, n_a) and (m, n_b).

    The same answers as ``stats.change.judge_ratio``, for thousands of comparisons at once.
    """
    from scipy.special import stdtr

    difference = np.abs(b.mean(axis=1) - a.mean(axis=1))
    share_a, share_b = a.var(axis=1, ddof=1) / a.shape[1], b.var(axis=1, ddof=1) / b.shape[1]
    squares = share_a**2 / (a.shape[1] - 1) + share_b**2 / (b.shape[1] - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = (share_a + share_b) ** 2 / squares
        p = 2 * stdtr(df, -difference / np.sqrt(share_a + share_b))
    # Without any spread, what differs at all has p 0, as in stats.change.
    p = np.where(squares == 0, np.where(difference == 0, 1.0, 0.0), p)
    called: NDArray[np.bool_] = (p < alpha) & (difference >= math.log1p(floor))
    return called


def find_groups(values: Sequence[float] | Floats) -> tuple[Group, Group] | None:
    """Say whether positive values fall into two groups, and which; None where one group explains them.

    The sorted logarithms are cut where the variance within the parts is least. Two groups it is where their means are
    more than 4 + 50 / N pooled standard deviations apart (Ashman's D, 1994, Astronomical Journal 108), each has three
    launches and 15 % of all, and they differ by 1 %. The limit was set by simulation (20 000 sets each of 10 to 100
    values, which the test repeats): at most .4 % of uniform, .1 % of normal and t(3), 2 % of exponential samples pass
    it; of equal mixtures of two normals 10 standard deviations apart, 65 % with 10 launches, 99 % with 20.
    """
    logs = np.sort(np.log(np.asarray(values, dtype=np.float64)))
    n = logs.size
    fewest = max(_SMALLEST_GROUP, math.ceil(_SMALLEST_GROUP_SHARE * n))
    cuts = range(fewest, n - fewest + 1)
    if not cuts:
        return None
    cut = min(cuts, key=lambda k: _squares(logs[:k]) + _squares(logs[k:]))
    low, high = logs[:cut], logs[cut:]
    distance = float(high.mean() - low.mean())
    spread = math.sqrt((_squares(low) + _squares(high)) / (n - 2))
    if distance < math.log(_LEAST_GROUP_RATIO) or distance <= (4 + 50 / n) * spread:
        return None
    first, second = (Group(part.size, float(np.exp(part.mean()))) for part in (low, high))
    return first, second


def wilson_interval(count: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Bound a share by Wilson's score interval (1927, JASA 22): honest also where ``count`` is 0 or all of ``of``."""
    if of < 1 or not 0 <= count <= of:
        raise ValueError(f"got {count} of {of}; expected 0 <= count <= of, and at least one")
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    share = count / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    margin = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    low, high = max(0.0, centre - margin), min(1.0, centre + margin)
    return (0.0 if count == 0 else low), (1.0 if count == of else high)


def _splits(logs: Floats, n: int, seed: int) -> tuple[Floats, Floats]:
    """Two sides of ``n`` launches, a split a row: every one where there are no more launches, else drawn at random."""
    if logs.size == 2 * n and math.comb(2 * n, n) // 2 <= MOST_SPLITS:
        # The first launch stays on side A: which side is called A makes no difference.
        chosen = [(0, *rest) for rest in itertools.combinations(range(1, 2 * n), n - 1)]
        sides = np.array([[*one, *(i for i in range(2 * n) if i not in one)] for one in chosen])
    else:
        draw = np.random.default_rng(seed)
        sides = np.argsort(draw.random((MOST_SPLITS, logs.size)), axis=1)[:, : 2 * n]
    return logs[sides[:, :n]], logs[sides[:, n:]]


def _comparisons(logs: Floats, n: int) -> tuple[Floats, Floats]:
    """Comparisons that share no launch: each of 2n launches in a row, sides in the order AB BA AB ..."""
    count = logs.size // (2 * n)
    pairs = logs[: count * 2 * n].reshape(count, n, 2)
    flipped = np.arange(n) % 2
    rows = np.arange(n)
    return pairs[:, rows, flipped], pairs[:, rows, 1 - flipped]


def _floor(logs: Floats, differences: Floats, n: int) -> float:
    from scipy.special import stdtrit

    seen = float(np.quantile(np.abs(differences), 1 - _EXCEEDED, method="higher"))
    anew = float(stdtrit(logs.size - 1, 1 - _EXCEEDED / 2)) * float(logs.std(ddof=1)) * math.sqrt(2 / n)
    return math.expm1(max(seen, anew))


def _block_difference(logs: Floats, n: int) -> float:
    means = np.lib.stride_tricks.sliding_window_view(logs, n).mean(axis=1)
    return math.expm1(float(np.abs(means[n:] - means[:-n]).max()))


def _squares(logs: Floats) -> float:
    return float(logs.var() * logs.size)
