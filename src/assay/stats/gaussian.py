"""Means and covariances of a table with gaps, and the regression on whatever a row happens to know.

One fit answers for every pattern of gaps, where ordinary regression would need a fit for each. Expectation and
maximisation (Little and Rubin 2019, Statistical Analysis with Missing Data, section 11.2) with a ridge prior (Schafer
1997, Analysis of Incomplete Multivariate Data, section 5.2.3): some rows in which nothing depends on anything are
added, so that few rows do not make certain what they cannot know. May import: numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

PRIOR_ROWS = 3.0
"""How many rows the prior counts for."""
_MOST_ROUNDS = 30
_STILL = 5e-3
"""Once no covariance of standardised columns moves more than this, the fit has settled."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A multivariate normal of standardised columns: ``mean``, ``scale`` (columns,), ``covariance`` of the used ones.

    ``used`` are the places of the columns that were known often enough and differed.
    """

    mean: Floats
    scale: Floats
    used: NDArray[np.int64]
    centre: Floats
    covariance: Floats

    def expect(self, row: Floats, column: int) -> float:
        """Return the expected value of ``column`` given what else ``row`` (columns,) knows; NaN to abstain."""
        places = np.flatnonzero(self.used == column)
        if not places.size:
            # A column that never differed is its mean, whatever else is known.
            return float(self.mean[column]) if self.scale[column] == 0 else math.nan
        place = int(places[0])
        scaled = (row[self.used] - self.mean[self.used]) / self.scale[self.used]
        known = np.isfinite(scaled)
        known[place] = False
        if not known.any():
            return math.nan
        inner = self.covariance[np.ix_(known, known)]
        weights = np.linalg.solve(inner, self.covariance[known, place])
        expected = self.centre[place] + float(weights @ (scaled[known] - self.centre[known]))
        return float(self.mean[column] + self.scale[column] * expected)


def fit_gaussian(values: Floats, *, fewest: int) -> Gaussian:
    """Fit (rows, columns) values, NaN where there is none; columns with fewer than ``fewest`` values are left out."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = np.where(counts >= fewest, filled.sum(axis=0) / np.maximum(counts, 1), np.nan)
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    scale = np.where(counts >= fewest, np.sqrt(squares / np.maximum(counts, 1)), np.nan)
    scale = np.where(scale < np.finfo(float).eps * 100, 0.0, scale)
    used = np.flatnonzero(scale > 0)
    scaled = (values[:, used] - mean[used]) / scale[used]
    scaled = scaled[np.isfinite(scaled).any(axis=1)]
    centre, covariance = _maximise(scaled)
    return Gaussian(mean, scale, used, centre, covariance)


def _maximise(scaled: Floats) -> tuple[Floats, Floats]:
    rows, columns = scaled.shape
    centre, covariance = np.zeros(columns), np.eye(columns)
    if not rows or not columns:
        return centre, covariance
    known = np.isfinite(scaled)
    patterns, members = np.unique(known, axis=0, return_inverse=True)
    members, counts = members.reshape(-1), np.bincount(members.reshape(-1))
    filled = np.where(known, scaled, 0.0)
    for _ in range(_MOST_ROUNDS):
        weights, spread = _regress(patterns, covariance)
        deviations = np.where(known, filled - centre, 0.0)
        expected = centre + np.einsum("rk,rkg->rg", deviations, weights[members])
        completed = np.where(known, filled, expected)
        centre = completed.mean(axis=0)
        moments = (completed - centre).T @ (completed - centre) + np.einsum("p,pij->ij", counts, spread)
        renewed = (moments + PRIOR_ROWS * np.eye(columns)) / (rows + PRIOR_ROWS)
        moved = float(np.abs(renewed - covariance).max())
        covariance = renewed
        if moved < _STILL:
            break
    return centre, covariance


def _regress(patterns: Flags, covariance: Floats) -> tuple[Floats, Floats]:
    """Of every pattern of known columns: weights of the known for each gap, and the covariance left in the gaps.

    Both are (patterns, columns, columns) and 0 outside of their block. All patterns are inverted at once, each with
    ones on the diagonal where it has gaps.
    """
    both = patterns[:, :, None] & patterns[:, None, :]
    cross = patterns[:, :, None] & ~patterns[:, None, :]
    gaps = ~patterns[:, :, None] & ~patterns[:, None, :]
    padded = np.where(both, covariance, 0.0) + np.eye(len(covariance)) * ~patterns[:, None, :]
    known_to_gap = np.where(cross, covariance, 0.0)
    weights = np.asarray(np.linalg.solve(padded, known_to_gap), dtype=np.float64)
    left: Floats = np.where(gaps, covariance - known_to_gap.transpose(0, 2, 1) @ weights, 0.0)
    return weights, left
