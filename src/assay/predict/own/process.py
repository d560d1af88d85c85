"""A Gaussian process over what is left of a time once the roofline is taken out: what cases share, they err alike in.

The logarithm of time over roofline is a sum of effects: of the engine, the family, both, the model on an engine, the
device, the batch, and a smooth one over how the call is made up. Each has a variance, chosen by marginal likelihood
under log-normal priors (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, sections 2.2 and 5.4.1).
May import: numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Process:
    """What was learned: ``sds`` of the effects in the order of ``EFFECTS``, and ``noise``, that of a single row.

    ``weights`` (n,) and ``inverse`` (n, n) answer for the ``points`` that it was fitted to.
    """

    points: Points
    residuals: Floats
    sds: tuple[float, ...]
    noise: float
    weights: Floats
    inverse: Floats


def fit_process(points: Points, residuals: Floats) -> Process:
    """Fit to residuals (n,) on the log scale. With few rows the priors answer alone."""
    start = np.log([*_PRIOR_SD, _PRIOR_NOISE])
    found = start
    if len(points) >= _FEWEST_FOR_SEARCH:
        from scipy.optimize import minimize

        parts = _parts(points, points)
        result = minimize(
            lambda logs: _loss(parts, residuals, logs, start), start, method="L-BFGS-B", jac=True,
            bounds=[(one - 3, one + 3) for one in start], options={"maxiter": 60},
        )  # fmt: skip
        found = result.x
    return rebuild(points, residuals, tuple(np.exp(found[:-1]).tolist()), float(np.exp(found[-1])))


def rebuild(points: Points, residuals: Floats, sds: Sequence[float], noise: float) -> Process:
    """Return the process of these effects, without a search."""
    covariance = _covariance(_parts(points, points), sds) + noise**2 * np.eye(len(points))
    inverse = np.linalg.inv(covariance)
    weights: Floats = inverse @ residuals
    return Process(points, residuals, tuple(sds), noise, weights, inverse)


def expect(process: Process, points: Points) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (n,) of the residual of new rows, noise included."""
    cross = _covariance(_parts(points, process.points), process.sds)
    mean = cross @ process.weights
    own = sum(sd**2 for sd in process.sds) + process.noise**2
    variance = own - np.einsum("ij,jk,ik->i", cross, process.inverse, cross)
    return mean, np.sqrt(np.maximum(variance, process.noise**2))


def _parts(left: Points, right: Points) -> list[Floats]:
    """The shape of each effect: 1 where two rows share all of it, (left, right) each."""
    engine, family, model, device, precision = (
        (left.codes[:, place, None] == right.codes[None, :, place]).astype(np.float64) for place in range(5)
    )
    # A runtime in another precision has other kernels, and still is that runtime.
    engine *= 0.5 + 0.5 * precision
    batch = np.exp(-0.5 * ((left.batch[:, None] - right.batch[None, :]) / _BATCH_LENGTH) ** 2)
    distance = ((left.make_up[:, None, :] - right.make_up[None, :, :]) ** 2).sum(axis=2)
    smooth = np.exp(-0.5 * distance) * engine
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
