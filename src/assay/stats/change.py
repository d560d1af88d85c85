"""Did it change: two sides of launches, one value a launch, compared on logarithms (METHOD 6).

Noise between launches multiplies, so everything here works on logs; a ratio is of typical launch to typical launch.
May import: core; numpy; scipy inside functions (it costs 0.7 s).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.core.words import Change, Direction

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


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on an estimate, why, and how many launches a side would decide where it is open."""

    change: Change
    reasons: tuple[str, ...] = ()
    launches_needed: int | None = None


def estimate_ratio(a: Sequence[float], b: Sequence[float]) -> RatioEstimate | None:
    """Compare launches of A and B, positive values in one unit, by Welch's t on logs. None below 2 a side.

    Welch 1947, Biometrika 34; degrees of freedom by Welch and Satterthwaite. Equal values on both sides without any
    spread give p 1 where the sides are equal, and p 0 where they are not: as in scipy, what never varies tells apart.
    Raises ValueError for a value that is not positive and finite.
    """
    if min(len(a), len(b)) < 2:  # noqa: PLR2004  (a spread needs two)
        return None
    from scipy.special import stdtr, stdtrit

    logs_a, logs_b = _logs(a), _logs(b)
    difference = float(logs_b.mean() - logs_a.mean())
    share_a, share_b = float(logs_a.var(ddof=1)) / len(a), float(logs_b.var(ddof=1)) / len(b)
    error = math.sqrt(share_a + share_b)
    if error == 0:
        df = float(len(a) + len(b) - 2)
        p = 1.0 if difference == 0 else 0.0
        margins = {0.95: 0.0, 0.90: 0.0}
    else:
        df = (share_a + share_b) ** 2 / (share_a**2 / (len(a) - 1) + share_b**2 / (len(b) - 1))
        p = 2 * float(stdtr(df, -abs(difference) / error))
        margins = {level: float(stdtrit(df, 0.5 + level / 2)) * error for level in (0.95, 0.90)}
    return RatioEstimate(
        ratio=math.exp(difference),
        lo95=math.exp(difference - margins[0.95]), hi95=math.exp(difference + margins[0.95]),
        lo90=math.exp(difference - margins[0.90]), hi90=math.exp(difference + margins[0.90]),
        p=p, p_greater=_share_greater(logs_a, logs_b), n_a=len(a), n_b=len(b), df=df,
        sd_log=math.sqrt((float(logs_a.var(ddof=1)) + float(logs_b.var(ddof=1))) / 2),
    )  # fmt: skip


def judge_ratio(
    estimate: RatioEstimate, *, direction: Direction, floor: float = DEFAULT_FLOOR, alpha: float = ALPHA
) -> Judgement:
    """Apply METHOD 6 rule A to interleaved launches.

    Changed: p < alpha and the effect is at least the floor. Unchanged: the 90 % interval lies within the floor to both
    sides. Else inconclusive, with the launches a side that would decide. 3 or 4 launches: at most suspect; fewer: no
    verdict.
    """
    from assay.stats.power import launches_to_decide

    n = min(estimate.n_a, estimate.n_b)
    if n < FEWEST_FOR_SUSPICION:
        reason = f"{n} launches a side; a verdict takes {FEWEST_FOR_VERDICT}, a suspicion {FEWEST_FOR_SUSPICION}"
        return Judgement(Change.INCONCLUSIVE, (reason,), FEWEST_FOR_VERDICT)
    is_large = not within_floor(estimate.ratio, floor)
    if estimate.p < alpha and is_large:
        if n < FEWEST_FOR_VERDICT:
            reason = f"{n} launches a side are at most a suspicion; a verdict takes {FEWEST_FOR_VERDICT}"
            is_worse = is_worse_ratio(estimate.ratio, direction)
            return Judgement(Change.SUSPECT if is_worse else Change.INCONCLUSIVE, (reason,), FEWEST_FOR_VERDICT)
        return Judgement(Change.REGRESSED if is_worse_ratio(estimate.ratio, direction) else Change.IMPROVED)
    if within_floor(estimate.lo90, floor) and within_floor(estimate.hi90, floor):
        return Judgement(Change.UNCHANGED)
    needed = launches_to_decide(estimate, floor=floor, alpha=alpha)
    noise = f"launches differ by {100 * estimate.sd_log:.1f} % among themselves"
    reason = f"the 90 % interval {_span(estimate.lo90, estimate.hi90)} reaches beyond {100 * floor:.3g} %; {noise}"
    return Judgement(Change.INCONCLUSIVE, (reason,), needed)


def within_floor(ratio: float, floor: float) -> bool:
    """True where a ratio is less than the floor away from 1, to either side alike on the log scale."""
    return abs(math.log(ratio)) < math.log1p(floor)


def is_worse_ratio(ratio: float, direction: Direction) -> bool | None:
    """Say whether a ratio of new to old is worse; None where it is 1 or the metric has no better side."""
    if direction is Direction.NEITHER or ratio == 1:
        return None
    return (ratio > 1) == (direction is Direction.LOWER)


def _span(low: float, high: float) -> str:
    return f"{100 * (low - 1):+.1f} .. {100 * (high - 1):+.1f} %"


def _logs(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"expected positive finite values, got {array.min()} to {array.max()}")
    return np.log(array)


def _share_greater(
    a: np.ndarray[tuple[int], np.dtype[np.float64]], b: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> float:
    above = (b[:, None] > a[None, :]).mean()
    ties = (b[:, None] == a[None, :]).mean()
    return float(above + ties / 2)
