"""Learning one of both times: coefficients of its law, and trees for what the law leaves.

May import: core, predict; numpy, scipy and lightgbm inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.llm.features import Measures
from assay.predict.llm.gather import Served
from assay.predict.llm.setups import BETWEEN, FIRST
from assay.predict.trees import Forest, learn_forest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

FEWEST = 100
_ROUNDS = 120
_TREES = {
    "objective": "l1", "learning_rate": 0.05, "num_leaves": 12, "min_data_in_leaf": 20, "lambda_l2": 5.0,
    "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1,
}  # fmt: skip
_LEAST_ERROR = 0.05
"""Errors of the logarithm below this weigh as squares, above as themselves: one odd run does not rule the others."""
_STEPS = 25


@dataclass(frozen=True, slots=True)
class Law:
    """What was learned of one metric: a coefficient of each term, and trees that correct the logarithm.

    ``step`` are the coefficients of the law between tokens, which that of the first token rests on.
    """

    metric: str
    coefficients: Floats
    step: Floats
    forest: Forest

    def expect(self, told: Measures) -> Floats:
        """Return the times expected of set-ups, ns, (n,)."""
        import numpy as np

        terms = told.terms(self.metric, self.step)
        return terms @ self.coefficients * np.exp(self.forest.predict(told.columns(terms, self.coefficients)))


def times_of(metric: str, rows: Sequence[Served]) -> Floats:
    """Return the measured times of rows, ns, (n,)."""
    import numpy as np

    return np.array([one.first_ns if metric == FIRST else one.between_ns for one in rows])


def fit_law(metric: str, rows: Sequence[Served], told: Measures, seed: int) -> Law:
    """Learn; every configuration weighs the same however often it was measured. Raises AssayError for too few."""
    import numpy as np

    if len(rows) < FEWEST:
        raise AssayError(f"{len(rows)} published times of served models; expected at least {FEWEST}.")
    weights = weigh(rows)
    step = fit_coefficients(told.between, times_of(BETWEEN, rows), weights)
    terms, truth, coefficients = told.between, times_of(metric, rows), step
    if metric == FIRST:
        terms = told.terms(FIRST, step)
        coefficients = fit_coefficients(terms, truth, weights)
    left = np.log(truth / (terms @ coefficients))
    columns = told.columns(terms, coefficients)
    forest = learn_forest(columns, left, weight=weights, rounds=_ROUNDS, seed=seed, **_TREES)
    return Law(metric, coefficients, step, forest)


def weigh(rows: Sequence[Served]) -> Floats:
    """Return a weight for each row, (n,), by which configurations weigh the same."""
    import numpy as np

    counts: dict[str, int] = {}
    for one in rows:
        counts[one.configuration] = counts.get(one.configuration, 0) + 1
    return np.array([1 / counts[one.configuration] for one in rows])


def fit_coefficients(terms: Floats, truth: Floats, weights: Floats) -> Floats:
    """Return coefficients (terms,), none negative, of least absolute errors of logarithms.

    Least squares with coefficients that are not negative (Lawson, Hanson 1974, Solving Least Squares Problems),
    reweighted until their slopes are those of absolute errors of logarithms.
    """
    import numpy as np
    from scipy.optimize import nnls

    guess, found = truth, np.zeros(terms.shape[1])
    for _ in range(_STEPS):
        # The slope of a weighted square, 2 w (guess - truth), is that of |log(truth / guess)|, 1 / guess, for this w.
        scale = np.sqrt(weights / (guess * np.maximum(np.abs(truth - guess), _LEAST_ERROR * guess)))
        found, _rest = nnls(terms * scale[:, None], truth * scale)
        guess = np.maximum(terms @ found, 1.0)
    return np.asarray(found, dtype=np.float64)
