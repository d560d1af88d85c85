"""How sure a choice is: probabilities and regrets of options whose outcomes are lognormal. Pure arithmetic.

May import: predict.values; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.predict.values import Layer, Prediction

_QUANTILES = {0.5: 0.6744897501960817, 0.8: 1.2815515655446004, 0.9: 1.6448536269514722, 0.95: 1.959963984540054}
"""Of the standard normal distribution, for an interval of each level."""
_MEASURED_SPREAD = 0.03
"""Of a measurement without an interval: what launches of one case differ by at the least."""
UNTESTED_SPREAD = 0.7
"""Of a prediction without any tested interval: a factor of two either way."""
_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Outcome:
    """A number to be small: its middle, and the standard deviation of its logarithm.

    Outcomes with the same ``shared`` hang on one number (two and four of a device): they are off together.
    """

    middle: float
    spread: float
    shared: str | None = None


def spread_of(answer: Prediction) -> float:
    """Return the standard deviation of the logarithm that the widest tested interval speaks for."""
    known = [one for one in answer.intervals if one.level in _QUANTILES and one.lo > 0]
    if not known:
        return _MEASURED_SPREAD if answer.layer is Layer.MEASURED else UNTESTED_SPREAD
    widest = max(known, key=lambda one: one.level)
    return max(math.log(widest.hi / widest.lo) / 2 / _QUANTILES[widest.level], 1e-6)


def probability_below(middle: float, spread: float, limit: float) -> float:
    """Return the probability that a lognormal outcome is not above ``limit``."""
    return 0.5 * math.erfc(-(math.log(limit) - math.log(middle)) / spread / math.sqrt(2))


def find_odds(outcomes: Sequence[Outcome], *, seed: int = 0) -> list[tuple[float, float]]:
    """Return for each option the probability that it is the best, and its expected regret.

    Regret is by what share the option is worse than whichever turns out best, on average over seeded draws that are
    independent between options that share nothing.
    """
    import numpy as np

    if not outcomes:
        return []
    draws = np.random.default_rng(seed).standard_normal((_DRAWS, len(outcomes)))
    first: dict[str, int] = {}
    for place, one in enumerate(outcomes):
        if one.shared is not None:
            draws[:, place] = draws[:, first.setdefault(one.shared, place)]
    logs = np.log([one.middle for one in outcomes]) + draws * np.array([one.spread for one in outcomes])
    best = logs.min(axis=1, keepdims=True)
    wins = (logs == best).mean(axis=0)
    regret = np.expm1(logs - best).mean(axis=0)
    return [(float(win), float(lost)) for win, lost in zip(wins, regret, strict=True)]
