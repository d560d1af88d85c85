"""A Gaussian process over what is left of a time once the roofline is taken out: what cases share, they err alike in.

The logarithm of time over roofline is a sum of effects: of the engine, the family, both, the model on an engine, the
device, the batch, and a smooth one over how the call is made up. Each has a variance, chosen by marginal likelihood
under log-normal priors (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, sections 2.2, 5.4.1 and
5.4.2).
May import: numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]
    Codes = NDArray[np.int64]

EFFECTS = (
    "level",
    "engine",
    "family",
    "family on engine",
    "model on engine",
    "device",
    "device and engine",
    "make-up",
    "batch",
)
_PRIOR_SD = (0.5, 0.4, 0.3, 0.25, 0.25, 0.3, 0.2, 0.3, 0.25)
"""Where the search starts: a factor of 1.3 to 1.6 for each effect, as timings of runtimes differ."""
_PRIOR_NOISE = 0.08
_PRIOR_WIDTH = 0.7
"""Standard deviation of the logarithm of each: a factor of two either way is no surprise."""
_BATCH_LENGTH = 2.0
"""Batches that differ by this (of ln) still err nearly alike."""
_FEWEST_FOR_SEARCH = 12
_MOST_FOR_SEARCH = 500
"""Rows that the search looks at: each of its steps costs their cube, and ten numbers need no more."""
_TELLING_SHARE = 0.75
_PAIRS_AT_ONCE = 1_000_000
"""Of new rows and known ones: ten arrays of 8 MB."""


@dataclass(frozen=True, slots=True)
class Points:
    """Rows by ``codes`` of what they share, (n, 5): engine, family, model, device, precision.

    ``batch`` (n,) is its logarithm, ``make_up`` (n, d) logarithms of times, scaled.
    """

    codes: Codes
    batch: Floats
    make_up: Floats

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, places: Any) -> Points:
        """Return the rows at ``places``: numbers or a slice."""
        return Points(self.codes[places], self.batch[places], self.make_up[places])


@dataclass(frozen=True)
class Process:
    """What was learned: ``sds`` of the effects in the order of ``EFFECTS``, and ``noise``, that of a single row.

    It answers for the ``points`` and ``residuals`` (n,) that it was fitted to.
    """

    points: Points
    residuals: Floats
    sds: tuple[float, ...]
    noise: float

    @cached_property
    def inverse(self) -> Floats:
        """Of the covariance of the rows, (n, n): made when it is first asked for, as many who load never ask."""
        covariance = _covariance(_parts(self.points, self.points), self.sds)
        return np.asarray(np.linalg.inv(covariance + self.noise**2 * np.eye(len(self.points))))

    @cached_property
    def weights(self) -> Floats:
        """What each row adds to an answer for its covariance with it, (n,)."""
        return np.asarray(self.inverse @ self.residuals)


def fit_process(points: Points, residuals: Floats) -> Process:
    """Fit to residuals (n,) on the log scale. With few rows the priors answer alone."""
    start = np.log([*_PRIOR_SD, _PRIOR_NOISE])
    found = start
    if len(points) >= _FEWEST_FOR_SEARCH:
        from scipy.optimize import minimize

        some, of_some = points, residuals
        if len(points) > _MOST_FOR_SEARCH:
            drawn = np.sort(np.random.default_rng(0).choice(len(points), _MOST_FOR_SEARCH, replace=False))
            some, of_some = points.take(drawn), residuals[drawn]
        parts = _parts(some, some)
        result = minimize(
            lambda logs: _loss(parts, of_some, logs, start), start, method="L-BFGS-B", jac=True,
            bounds=[(one - 3, one + 3) for one in start], options={"maxiter": 60},
        )  # fmt: skip
        found = result.x
    return Process(points, residuals, tuple(np.exp(found[:-1]).tolist()), float(np.exp(found[-1])))


def expect(process: Process, points: Points) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (n,) of the residual of new rows, noise included."""
    own = sum(sd**2 for sd in process.sds) + process.noise**2
    mean, variance = np.empty(len(points)), np.empty(len(points))
    for rows, portion in in_portions(points, len(process.points)):
        cross = _covariance(_parts(portion, process.points), process.sds)
        mean[rows] = cross @ process.weights
        variance[rows] = own - ((cross @ process.inverse) * cross).sum(axis=1)
    return mean, np.sqrt(np.maximum(variance, process.noise**2))


def leave_out(process: Process, residuals: Floats, places: Sequence[int]) -> tuple[Floats, Floats]:
    """Return what the rows at ``places`` would be off by had they not been there, and the standard deviation of that.

    ``residuals`` (n,) of all rows may be others than it was fitted to: what the effects are worth stays.
    """
    held = np.asarray(places)
    spread = np.linalg.inv(process.inverse[np.ix_(held, held)])
    errors = spread @ (process.inverse[held] @ residuals)
    return errors, np.sqrt(np.maximum(np.diag(spread), process.noise**2))


def choose_rows(points: Points, most: int) -> list[int]:
    """Return the places of at most ``most`` rows, in order: three quarters say most about all, the others are drawn.

    Of the former the next is always the one that those before leave most in doubt, by the effects' priors (a pivoted
    Cholesky factorisation; Fine and Scheinberg 2001, Efficient SVM Training Using Low-Rank Kernel Representations).
    They alone would err least, and lie far from one another: intervals of 90 % that were tested on them held 81 %.
    """
    count = len(points)
    if count <= most:
        return list(range(count))
    telling = max(1, int(most * _TELLING_SHARE))
    doubt = np.full(count, sum(sd**2 for sd in _PRIOR_SD) + _PRIOR_NOISE**2)
    factor = np.zeros((telling, count))
    chosen: list[int] = []
    for step in range(telling):
        place = int(doubt.argmax())
        shared = _covariance(_parts(points.take(slice(place, place + 1)), points), _PRIOR_SD)[0]
        shared[place] += _PRIOR_NOISE**2
        factor[step] = (shared - factor[:step, place] @ factor[:step]) / np.sqrt(doubt[place])
        doubt -= factor[step] ** 2
        doubt[place] = -np.inf
        chosen.append(place)
    others = np.setdiff1d(np.arange(count), chosen)
    drawn = np.random.default_rng(0).choice(others, most - telling, replace=False)
    return sorted([*chosen, *drawn.tolist()])


def in_portions(points: Points, against: int) -> Iterator[tuple[slice, Points]]:
    """Yield rows and where they are, so few at once that arrays over pairs with ``against`` others stay small."""
    step = max(1, _PAIRS_AT_ONCE // max(1, against))
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        yield rows, points.take(rows)


def squared_distance(left: Points, right: Points) -> Floats:
    """Return how far apart calls are made up, (left, right)."""
    columns = range(left.make_up.shape[1])
    return sum(
        ((left.make_up[:, column, None] - right.make_up[None, :, column]) ** 2 for column in columns),
        np.zeros((len(left), len(right))),
    )


def _parts(left: Points, right: Points) -> list[Floats]:
    """The shape of each effect: 1 where two rows share all of it, (left, right) each."""
    engine, family, model, device, precision = (
        (left.codes[:, place, None] == right.codes[None, :, place]).astype(np.float64) for place in range(5)
    )
    # A runtime in another precision has other kernels, and still is that runtime.
    engine *= 0.5 + 0.5 * precision
    batch = np.exp(-0.5 * ((left.batch[:, None] - right.batch[None, :]) / _BATCH_LENGTH) ** 2)
    smooth = np.exp(-0.5 * squared_distance(left, right)) * engine
    level = np.ones_like(engine)
    # What the roofline's times and their costs leave of a batch, they leave of every model; engines differ by half.
    of_batch = batch * (0.5 + 0.5 * engine)
    return [level, engine, family, family * engine, model * engine * batch, device, device * engine, smooth, of_batch]


def _covariance(parts: Sequence[Floats], sds: Sequence[float]) -> Floats:
    total = np.zeros_like(parts[0])
    for part, sd in zip(parts, sds, strict=True):
        total += sd**2 * part
    return total


def _loss(parts: Sequence[Floats], residuals: Floats, logs: Floats, start: Floats) -> tuple[float, Floats]:
    """Minus the logarithms of marginal likelihood and prior, and the gradient by the logarithms of the deviations."""
    sds = np.exp(logs)
    n = len(residuals)
    covariance = _covariance(parts, sds[:-1].tolist()) + sds[-1] ** 2 * np.eye(n)
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return math.inf, np.zeros_like(logs)
    inverse = np.linalg.inv(covariance)
    weights = inverse @ residuals
    value = 0.5 * residuals @ weights + np.log(np.diag(factor)).sum() + 0.5 * n * math.log(2 * math.pi)
    middle = inverse - np.outer(weights, weights)
    slopes = [sd**2 * float((middle * part).sum()) for part, sd in zip(parts, sds[:-1], strict=True)]
    slopes.append(sds[-1] ** 2 * float(np.trace(middle)))
    away = (logs - start) / _PRIOR_WIDTH
    return float(value + 0.5 * (away**2).sum()), np.array(slopes) + away / _PRIOR_WIDTH
