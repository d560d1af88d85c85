"""Did it change: two sides of launches, one value a launch, compared on logarithms (METHOD 6).

Noise between launches multiplies, so everything here works on logs; a ratio is of typical launch to typical launch.
May import: core; numpy; scipy inside functions (it costs 0.7 s).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay.core.words import Change, Direction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.01
"""Two-sided level of the test that calls something changed."""
DEFAULT_FLOOR = 0.03
"""Smallest relative change that counts, unless a calibration says that this series needs a larger one."""
FEWEST_FOR_VERDICT = 5
FEWEST_FOR_SUSPICION = 3


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """B over A: the ratio of geometric means of launches, its intervals, and the test that it is 1.

    ``p_greater`` is the probability that a launch of B gives a greater value than one of A (ties count half):
    the Mann-Whitney U statistic over n_a n_b.
    """

    ratio: float
    lo95: float
    hi95: float
    lo90: float
    hi90: float
    p: float
    p_greater: float
    n_a: int
    n_b: int
    df: float
    sd_log: float
    """Root mean square of the two sides' standard deviations of the log."""

    @property
    def error_log(self) -> float:
        """Standard error of the ratio's logarithm, which the 95 % interval is made of."""
        from scipy.special import stdtrit

        if self.lo95 == self.hi95:
            return 0.0
        return math.log(self.hi95 / self.ratio) / float(stdtrit(self.df, 0.975))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on an estimate, why, and how many launches a side would decide where it is open."""

    change: Change
    reasons: tuple[str, ...] = ()
    launches_needed: int | None = None


def estimate_ratio(a: Sequence[float], b: Sequence[float]) -> RatioEstimate | None:
    """Compare launches of A and B, positive values in one unit, by Welch's t on logs. None below 2 a side.

    t = (m_b - m_a) / sqrt(s_a^2 / n_a + s_b^2 / n_b) of the logs (Welch 1947, Biometrika 34), with the degrees of
    freedom of Welch and Satterthwaite. Values that do not vary on either side give p 1 where the sides are equal, and
    p 0 where they are not: a deterministic number (bytes, say) that differs has changed. Raises ValueError for a value
    that is not positive and finite.
    """
    if min(len(a), len(b)) < 2:  # noqa: PLR2004  (a spread needs two)
        return None
    from scipy.special import stdtr, stdtrit

    values_a, values_b = _positive(a), _positive(b)
    (mean_a, variance_a), (mean_b, variance_b) = (_log_moments(side, values_a[0]) for side in (values_a, values_b))
    difference = mean_b - mean_a
    share_a, share_b = variance_a / len(a), variance_b / len(b)
    error = math.sqrt(share_a + share_b)
    if error == 0:
        df = float(len(a) + len(b) - 2)
        p = 1.0 if difference == 0 else 0.0
    else:
        weight = share_a / (share_a + share_b)  # of relative sizes: squares of tiny variances would underflow
        df = 1 / (weight**2 / (len(a) - 1) + (1 - weight) ** 2 / (len(b) - 1))
        p = 2 * float(stdtr(df, -abs(difference) / error))
    margin95, margin90 = (float(stdtrit(df, 0.5 + level / 2)) * error for level in (0.95, 0.90))
    with np.errstate(over="ignore"):  # two launches a factor of 10^100 apart bound nothing
        ratio, lo95, hi95, lo90, hi90 = np.exp(difference + np.array([0, -margin95, margin95, -margin90, margin90]))
    return RatioEstimate(
        ratio=float(ratio), lo95=float(lo95), hi95=float(hi95), lo90=float(lo90), hi90=float(hi90),
        p=p, p_greater=_share_greater(values_a, values_b), n_a=len(a), n_b=len(b), df=df,
        sd_log=math.sqrt((variance_a + variance_b) / 2),
    )  # fmt: skip


def judge_ratio(
    estimate: RatioEstimate, *, direction: Direction, floor: float = DEFAULT_FLOOR, alpha: float = ALPHA
) -> Judgement:
    """Apply METHOD 6 rule A to interleaved launches.

    Changed: p < alpha and the effect is at least the floor. Unchanged: the 90 % interval lies within the floor to both
    sides. Else inconclusive, with the launches a side that would decide. 3 or 4 launches: worse is at most suspect, and
    better is inconclusive; fewer: no verdict. A metric that has no better side can be unchanged, never better or worse.
    """
    from assay.stats.power import launches_to_decide

    n = min(estimate.n_a, estimate.n_b)
    if n < FEWEST_FOR_SUSPICION:
        reason = f"{n} launches a side; a verdict takes {FEWEST_FOR_VERDICT}, a suspicion {FEWEST_FOR_SUSPICION}"
        return Judgement(Change.INCONCLUSIVE, (reason,), FEWEST_FOR_VERDICT)
    is_large = not within_floor(estimate.ratio, floor)
    if estimate.p < alpha and is_large:
        is_worse = is_worse_ratio(estimate.ratio, direction)
        if is_worse is None:
            return Judgement(Change.INCONCLUSIVE, ("it differs, and neither way is better for this metric",))
        if n < FEWEST_FOR_VERDICT:
            reason = f"{n} launches a side are at most a suspicion; a verdict takes {FEWEST_FOR_VERDICT}"
            return Judgement(Change.SUSPECT if is_worse else Change.INCONCLUSIVE, (reason,), FEWEST_FOR_VERDICT)
        return Judgement(Change.REGRESSED if is_worse else Change.IMPROVED)
    if within_floor(estimate.lo90, floor) and within_floor(estimate.hi90, floor):
        return Judgement(Change.UNCHANGED)
    needed = launches_to_decide(estimate, floor=floor, alpha=alpha)
    noise = f"launches differ by {100 * estimate.sd_log:.1f} % among themselves"
    if is_large:
        found = f"{100 * (estimate.ratio - 1):+.1f} % may be chance (p {estimate.p:.2g}, a change takes {alpha:g})"
    else:
        found = f"the 90 % interval {_span(estimate.lo90, estimate.hi90)} reaches beyond {100 * floor:.3g} %"
    return Judgement(Change.INCONCLUSIVE, (f"{found}; {noise}",), needed)


def within_floor(ratio: float, floor: float) -> bool:
    """True where a ratio is less than the floor away from 1, to either side alike on the log scale."""
    return 1 / (1 + floor) < ratio < 1 + floor


def is_worse_ratio(ratio: float, direction: Direction) -> bool | None:
    """Say whether a ratio of new to old is worse; None where it is 1 or the metric has no better side."""
    if direction is Direction.NEITHER or ratio == 1:
        return None
    return (ratio > 1) == (direction is Direction.LOWER)


def _span(low: float, high: float) -> str:
    return f"{100 * (low - 1):+.1f} .. {100 * (high - 1):+.1f} %"


def _positive(values: Sequence[float]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"expected positive finite values, got {array.min()} to {array.max()}")
    return array


def _log_moments(values: Floats, unit: float) -> tuple[float, float]:
    """Mean and variance of log(value / unit). Around the first value, so that equal values have exactly no spread."""
    logs = np.log(values)
    rest = np.where(values == values[0], 0.0, logs - logs[0])
    first = 0.0 if values[0] == unit else float(logs[0]) - math.log(unit)
    return first + float(rest.mean()), float(rest.var(ddof=1))


def _share_greater(a: Floats, b: Floats) -> float:
    above = (b[:, None] > a[None, :]).mean()
    ties = (b[:, None] == a[None, :]).mean()
    return float(above + ties / 2)
