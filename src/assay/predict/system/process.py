"""A Gaussian process over rows that share words (a benchmark, a round) and numbers (ratios of data sheets).

The covariance is a sum of named terms, each with a variance of its own: what a benchmark's rows share, how it leans on
a ratio, how alike devices with near ratios are. A device's own effect is a term too: it is drawn towards nothing, so
that a device with hundreds of rows counts as one, and a new device gets its variance and not its value.
Source: Rasmussen, Williams 2006, Gaussian Processes for Machine Learning, chapters 2, 4 and 5 (equation 5.12 for rows
left out). May import: standard library; numpy and scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_MOST_ROWS = 400
"""Rows that variances are learned from: they change little with more, and time grows with the cube."""
_STEPS = 25
_PRIOR_WIDTH = 2.0
"""Standard deviation of the logarithm of a variance, about what is written down for its term."""
_NOISE = 0.005
_MOST_REPEATS = 16


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the covariance: zero between rows whose ``same`` words differ, else a function of ``columns``.

    ``shape``: ``constant``; ``linear``, the product of one column; ``near``, falling with the squared distance in
    columns over ``length``; ``steps``, the smaller of one column's values, at least 0: a walk that goes on with time.
    """

    name: str
    same: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    shape: str = "constant"
    variance: float = 0.05
    length: float = 1.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a process: numbers of words, (n,) each by name, and columns of numbers, (n,) each."""

    words: Mapping[str, Floats]
    columns: Mapping[str, Floats]
    n: int

    def take(self, places: Floats) -> Rows:
        """Only some rows, in that order."""
        words = {name: one[places] for name, one in self.words.items()}
        return Rows(words, {name: one[places] for name, one in self.columns.items()}, len(places))


@dataclass(frozen=True, slots=True)
class Process:
    """What was learned: variances by term, noise, and the rows with what is to be explained of them, (n,).

    ``repeats`` (n,) is how many outcomes each row is the median of. ``inverse`` is that of the covariance, (n, n).
    """

    terms: tuple[Term, ...]
    variances: tuple[float, ...]
    noise: float
    mean: float
    rows: Rows
    values: Floats
    repeats: Floats
    inverse: Floats
    weights: Floats


def fit_process(terms: Sequence[Term], rows: Rows, values: Floats, repeats: Floats, seed: int) -> Process:
    """Learn variances by their highest posterior, from at most 400 rows drawn with ``seed``; then take all rows."""
    import numpy as np
    from scipy.optimize import minimize

    drawn = np.random.default_rng(seed).permutation(rows.n)[:_MOST_ROWS]
    few = rows.take(drawn)
    start = np.log([one.variance for one in terms] + [_NOISE])
    parts = [covary(one, few, few) for one in terms]
    middle = float(np.median(values[drawn]))  # a system or two draw twice what their sheets say
    found = minimize(
        _posterior, start, args=(start, parts, values[drawn] - middle, _noise_of(repeats[drawn])), jac=True,
        method="L-BFGS-B", options={"maxiter": _STEPS},
    )  # fmt: skip
    learned = np.exp(found.x).tolist()
    return rebuild(terms, learned[:-1], learned[-1], float(np.median(values)), rows, values, repeats)


def rebuild(
    terms: Sequence[Term], variances: Sequence[float], noise: float, mean: float, rows: Rows, values: Floats,
    repeats: Floats,
) -> Process:  # fmt: skip
    """Make a process of what was learned before. Raises numpy.linalg.LinAlgError where that is not sound."""
    import numpy as np

    covariance = _covary_all(terms, variances, rows, rows)
    covariance[np.diag_indices(rows.n)] += noise * _noise_of(repeats)
    np.linalg.cholesky(covariance)  # an inverse is made of what is no covariance, too
    inverse = np.linalg.inv(covariance)
    return Process(
        tuple(terms), tuple(variances), noise, mean, rows, values, repeats, inverse, inverse @ (values - mean)
    )


def expect(process: Process, rows: Rows) -> tuple[Floats, Floats]:
    """Return what is expected of rows and its standard deviation, noise of one outcome included, (n,) each."""
    import numpy as np

    across = _covary_all(process.terms, process.variances, rows, process.rows)
    own = sum(
        variance * _own_variance(one, rows) for one, variance in zip(process.terms, process.variances, strict=True)
    )
    known = np.einsum("ij,ij->i", across @ process.inverse, across)
    return process.mean + across @ process.weights, np.sqrt(np.maximum(own - known, 0.0) + process.noise)


def nearest(process: Process, rows: Rows) -> Floats:
    """Return the place of the known row that each of these shares most with, (n,)."""
    import numpy as np

    return np.asarray(_covary_all(process.terms, process.variances, rows, process.rows).argmax(axis=1))


def leave_out(process: Process, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """Return each row's outcome minus what is expected without its group, and the standard deviation, (n,) each.

    All rows of a group are left out together; variances stay. Rasmussen, Williams 2006, equation 5.12, by blocks.
    """
    import numpy as np

    names = np.asarray(groups, dtype=object)
    errors, sds = np.empty(process.rows.n), np.empty(process.rows.n)
    for name in dict.fromkeys(groups):
        own = np.flatnonzero(names == name)
        block = np.linalg.inv(process.inverse[np.ix_(own, own)])
        errors[own] = block @ process.weights[own]
        sds[own] = np.sqrt(np.maximum(np.diag(block), process.noise))
    return errors, sds


def covary(term: Term, left: Rows, right: Rows) -> Floats:
    """Return the covariance of rows by one term at a variance of 1, (left, right)."""
    import numpy as np

    result = np.ones((left.n, right.n))
    for name in term.same:
        result *= left.words[name][:, None] == right.words[name][None, :]
    if term.shape == "linear":
        (column,) = term.columns
        result *= np.outer(left.columns[column], right.columns[column])
    elif term.shape == "steps":
        (column,) = term.columns
        result *= np.minimum(left.columns[column][:, None], right.columns[column][None, :])
    elif term.shape == "near":
        away = sum((left.columns[name][:, None] - right.columns[name][None, :]) ** 2 for name in term.columns)
        result *= np.exp(-0.5 * np.asarray(away) / term.length**2)
    return result


def _own_variance(term: Term, rows: Rows) -> Floats:
    import numpy as np

    if term.shape == "linear":
        return np.asarray(rows.columns[term.columns[0]] ** 2)
    if term.shape == "steps":
        return np.asarray(rows.columns[term.columns[0]])
    return np.ones(rows.n)


def _covary_all(terms: Sequence[Term], variances: Sequence[float], left: Rows, right: Rows) -> Floats:
    import numpy as np

    total = np.zeros((left.n, right.n))
    for part, variance in _parts(terms, variances, left, right):
        total += variance * part
    return total


def _parts(
    terms: Sequence[Term], variances: Sequence[float], left: Rows, right: Rows
) -> Iterator[tuple[Floats, float]]:
    for one, variance in zip(terms, variances, strict=True):
        yield covary(one, left, right), variance


def _noise_of(repeats: Floats) -> Floats:
    """The noise of a median of repeats, as a share of one's. They are not independent, so it falls with the root."""
    import numpy as np

    return np.asarray(1 / np.sqrt(np.minimum(repeats, _MOST_REPEATS)))


def _posterior(
    logs: Floats, start: Floats, parts: Sequence[Floats], values: Floats, noise: Floats
) -> tuple[float, Floats]:
    """Minus the logarithms of marginal likelihood and prior, and the gradient by the logarithms of the variances."""
    import numpy as np

    variances = np.exp(logs)
    covariance = np.diag(variances[-1] * noise)
    for part, variance in zip(parts, variances[:-1], strict=True):
        covariance += variance * part
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return math.inf, np.zeros_like(logs)
    inverse = np.linalg.inv(covariance)
    weights = inverse @ values
    slope = inverse - np.outer(weights, weights)
    away = (logs - start) / _PRIOR_WIDTH
    value = 0.5 * float(values @ weights) + float(np.log(np.diag(factor)).sum()) + 0.5 * float(away @ away)
    slopes = [
        0.5 * variance * float(np.vdot(slope, part)) for part, variance in zip(parts, variances[:-1], strict=True)
    ]
    slopes.append(0.5 * float(variances[-1]) * float(np.diag(slope) @ noise))
    return value, np.array(slopes) + away / _PRIOR_WIDTH
