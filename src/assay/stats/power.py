"""How many launches: the power of the rules of METHOD 6, and its inverses.

Everything here is of two sides of ``n`` launches each, normal on the log scale with one standard deviation. Two random
quantities then decide, and they are independent of the difference of means: the pooled variance (chi-squared with
2n - 2 degrees of freedom), which sets the error, and how it divides between the sides (a Beta((n-1)/2, (n-1)/2)
share), which sets Welch's degrees of freedom. Given both, the estimated difference is normal. So power is a smooth
double integral, taken by Gauss-Legendre quadrature: exact for Welch's test with its estimated degrees of freedom, where
the usual non-central t assumes 2n - 2 (it is the special case for Student's test), and exact with the floor.

May import: numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from assay.stats.change import ALPHA, DEFAULT_FLOOR, FEWEST_FOR_VERDICT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assay.stats.change import RatioEstimate

    Floats = NDArray[np.float64]

POWER = 0.95
MOST_LAUNCHES = 1_000
"""Launches a side beyond which an answer is of no use."""
EQUIVALENCE_LEVEL = 0.90
"""Level of the interval that must lie within the floor: two one-sided tests at 5 % (Schuirmann 1987)."""

_SHARE_NODES, _SPREAD_NODES = 24, 64
_TAIL = 1e-10  # probability that the quadrature leaves out at either end


def power_to_find(sd_log: float, effect: float, n: int, *, alpha: float = ALPHA, floor: float = 0.0) -> float:
    """Probability that ``n`` launches a side show a true relative change ``effect`` as a change to the right side.

    That is: Welch's two-sided p < alpha, and the estimated ratio at least ``floor`` from 1 (0: the test alone).
    ``effect`` is B / A - 1, above -1; ``sd_log`` the standard deviation of a launch's logarithm. With D normal of mean
    d = abs(log(1 + effect)) and error e = sd sqrt(2 / n), and S the estimated error: P(D > max(t S, log(1 + floor))).
    Welch 1947, Biometrika 34. Raises ValueError for n below 2 or a spread or effect that cannot be.
    """
    _check(sd_log, n)
    difference, least = _log_size(effect), _log_size(floor)
    if sd_log == 0:
        return float(difference > 0 and difference >= least)
    from scipy.special import chdtr, ndtr

    error = sd_log * math.sqrt(2 / n)
    critical, weights = _welch_quantiles(n, 1 - alpha / 2)
    turn = least / (critical * error)  # below this estimated spread the floor decides, above it the test
    floor_decides = chdtr(2 * n - 2, (2 * n - 2) * turn**2) * ndtr((difference - least) / error)
    spread, density = _spreads(n, turn, None)
    test_decides = (density * ndtr(difference / error - critical[:, None] * spread)).sum(axis=1)
    return float(weights @ (floor_decides + test_decides))


def power_to_exclude(sd_log: float, effect: float, n: int, *, floor: float = DEFAULT_FLOOR) -> float:
    """Probability that the 90 % interval of ``n`` launches a side lies within the floor, at a true change ``effect``.

    With L = log(1 + floor), D and S as in ``power_to_find``, and t the 95 % quantile: P(abs(D) < L - t S), the power of
    Schuirmann's two one-sided tests (1987, Journal of Pharmacokinetics and Biopharmaceutics 15) with Welch's degrees
    of freedom. Raises ValueError as ``power_to_find`` does.
    """
    _check(sd_log, n)
    difference, most = _log_size(effect), _log_size(floor)
    if sd_log == 0 or most == 0:
        return float(difference < most)
    from scipy.special import ndtr

    error = sd_log * math.sqrt(2 / n)
    critical, weights = _welch_quantiles(n, 0.5 + EQUIVALENCE_LEVEL / 2)
    spread, density = _spreads(n, np.zeros_like(critical), most / (critical * error))
    room = most / error - critical[:, None] * spread
    inside = ndtr(room - difference / error) - ndtr(-room - difference / error)
    return float(weights @ (density * inside).sum(axis=1))


def required_launches(
    sd_log: float, effect: float, *, alpha: float = ALPHA, power: float = POWER, floor: float = 0.0
) -> int | None:
    """Fewest launches a side with which a relative change ``effect`` is found with ``power``, at least 2.

    None where ``MOST_LAUNCHES`` do not: where there is no effect, or none beyond the floor. Formula and errors: see
    ``power_to_find``.
    """
    guess = _guess_to_find(sd_log, effect, alpha, power, floor)
    return _fewest(lambda n: power_to_find(sd_log, effect, n, alpha=alpha, floor=floor), power, 2, MOST_LAUNCHES, guess)


def smallest_change(
    sd_log: float, n: int, *, alpha: float = ALPHA, power: float = POWER, floor: float = DEFAULT_FLOOR
) -> float:
    """Smallest relative change (0.05: 5 % more) that ``n`` launches a side find with ``power``, by bisection.

    A change of just the floor is found in half of the trials at most, so this lies above the floor unless there is
    no noise at all. Formula and errors: see ``power_to_find``.
    """
    _check(sd_log, n)
    low, high = math.log1p(floor), math.log1p(floor) + sd_log
    if sd_log == 0:
        return floor

    def finds(log: float) -> bool:
        return power_to_find(sd_log, math.expm1(log), n, alpha=alpha, floor=floor) >= power

    while not finds(high):
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return math.expm1(high)


def launches_to_decide(
    estimate: RatioEstimate,
    *,
    floor: float,
    alpha: float = ALPHA,
    power: float = POWER,
    most: int = MOST_LAUNCHES,
) -> int | None:
    """Launches a side that would turn an inconclusive estimate into a verdict with ``power``, were it true.

    Taking the estimated ratio and spread at their word: beyond the floor, as many as would call it changed
    (``power_to_find`` with the floor); within it, as many as would show it unchanged (``power_to_exclude``). More than
    the launches there are, and at least what any verdict takes. None where more than ``most`` would be needed: where
    the ratio lies on the floor, no number decides.
    """
    sd_log, effect = estimate.sd_log, math.expm1(abs(math.log(estimate.ratio)))
    fewest = max(FEWEST_FOR_VERDICT, min(estimate.n_a, estimate.n_b) + 1)
    if effect >= floor:
        guess = _guess_to_find(sd_log, effect, alpha, power, floor)
        return _fewest(lambda n: power_to_find(sd_log, effect, n, alpha=alpha, floor=floor), power, fewest, most, guess)
    guess = _guess_to_exclude(sd_log, effect, power, floor)
    return _fewest(lambda n: power_to_exclude(sd_log, effect, n, floor=floor), power, fewest, most, guess)


def _fewest(power_of: Callable[[int], float], power: float, fewest: int, most: int, guess: float) -> int | None:
    """Find the smallest n in fewest..most that reaches ``power``, which never falls with n, looking near ``guess``."""
    if fewest > most:
        return None
    low, n = fewest - 1, int(min(max(guess, fewest), most))
    step = max(1, n // 16)
    if power_of(n) >= power:
        high = n
        while high - step > low and power_of(high - step) >= power:
            high, step = high - step, 2 * step
        low = max(low, high - step)
    else:
        low, high = n, min(most, n + step)
        while power_of(high) < power:
            if high == most:
                return None
            step *= 2
            low, high = high, min(most, high + step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


def _guess_to_find(sd_log: float, effect: float, alpha: float, power: float, floor: float) -> float:
    """Return about how many launches a side it takes were the spread known, for the test and for the floor."""
    from scipy.special import ndtri

    difference, least = _log_size(effect), _log_size(floor)
    if difference <= least:
        return math.inf
    reach = float(ndtri(power))
    return 2 * sd_log**2 * max((reach - float(ndtri(alpha / 2))) / difference, reach / (difference - least)) ** 2


def _guess_to_exclude(sd_log: float, effect: float, power: float, floor: float) -> float:
    from scipy.special import ndtri

    room = _log_size(floor) - _log_size(effect)
    if room <= 0:
        return math.inf
    return 2 * (sd_log * float(ndtri(0.5 + EQUIVALENCE_LEVEL / 2) + ndtri(power)) / room) ** 2


def _check(sd_log: float, n: int) -> None:
    if n < 2:  # noqa: PLR2004  (a spread needs two)
        raise ValueError(f"got {n} launches a side; a spread takes at least 2")
    if not 0 <= sd_log < math.inf:
        raise ValueError(f"got a standard deviation of {sd_log}; expected a finite number, 0 or above")


def _log_size(change: float) -> float:
    if not -1 < change < math.inf:
        raise ValueError(f"got a relative change of {change}; expected a finite number above -1")
    return abs(math.log1p(change))


@lru_cache(maxsize=8)
def _legendre(nodes: int) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss-Legendre quadrature on 0..1."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return (points + 1) / 2, weights / 2


@lru_cache(maxsize=512)
def _welch_quantiles(n: int, quantile: float) -> tuple[Floats, Floats]:
    """Quantiles of t at Welch's degrees of freedom, and the probability of each.

    Side A's share of the two variances is sin^2 of an angle whose density goes as (sin cos)^(n - 2), without a pole at
    n = 2. Half of its range is enough: the degrees of freedom, (n - 1) / (share^2 + (1 - share)^2), are symmetric.
    """
    from scipy.special import betaincinv, betaln, stdtrit

    half = (n - 1) / 2
    start = math.asin(math.sqrt(float(betaincinv(half, half, _TAIL))))
    points, weights = _legendre(_SHARE_NODES)
    angle = start + points * (math.pi / 4 - start)
    share = np.sin(angle) ** 2
    log_density = (n - 2) * np.log(np.sin(angle) * np.cos(angle)) - betaln(half, half)
    probability = 4 * weights * (math.pi / 4 - start) * np.exp(log_density)
    df = (n - 1) / (share**2 + (1 - share) ** 2)
    return stdtrit(df, quantile), probability


def _spreads(n: int, low: Floats, high: Floats | None) -> tuple[Floats, Floats]:
    """Estimated over true spread between bounds, a row for each, and the probability of every node.

    The squared quotient is chi-squared over its 2n - 2 degrees of freedom.
    """
    from scipy.special import chdtri, gammaln

    df = 2 * n - 2
    least, most = (math.sqrt(float(chdtri(df, tail)) / df) for tail in (1 - _TAIL, _TAIL))
    low = np.clip(low, least, most)
    high = np.full_like(low, most) if high is None else np.clip(high, least, most)
    width = np.maximum(high - low, 0.0)
    points, weights = _legendre(_SPREAD_NODES)
    spread = low[:, None] + points * width[:, None]
    log_density = math.log(2) + df / 2 * math.log(df / 2) - gammaln(df / 2)
    log_density = log_density + (df - 1) * np.log(spread) - df / 2 * spread**2
    return spread, weights * width[:, None] * np.exp(log_density)
