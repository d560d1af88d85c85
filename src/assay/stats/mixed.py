"""What groups differ by when their values share witnesses: a linear model with random effects, fitted by REML.

Fifty results of one submitter are not fifty witnesses. Here what a submitter, a device or a workload has in common is
an effect of its own with a variance, so a mean over many values of few witnesses keeps the interval of few. May import:
numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.stats.resampling import number_groups

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

HUBER = 2.5
"""Residuals beyond this many standard deviations count less (Huber 1964, Annals of Mathematical Statistics 35)."""
_ROUNDS = 3
_MAD = 1.482602218505602
"""Median absolute deviation of a normal distribution to its standard deviation."""
_FREE = 1e6
"""A variance of the first factor, over that of a value, at which nothing is shrunk any more."""
_WIDTH = 0.5
"""Mode of the density of a standard deviation, of logarithms: a typical factor of 1.6 either way."""
_BOUNDS = (math.log(1e-3), math.log(1e5))
_LEAST = 1e-4
"""Least standard deviation of a value: numbers are written with some four digits, and equal ones prove nothing."""


@dataclass(frozen=True, slots=True)
class MixedFit:
    """Effects of the ``levels`` of the first random factor on what is modelled, in its units.

    ``plain`` takes each level as it is, against the mean of all levels; ``shrunk`` draws it towards that mean by as
    much as it is uncertain. The covariances, (levels, levels), have in them what the other factors and the fixed levels
    leave open. ``fixed`` is the estimated level of each fixed group. ``spreads`` are the standard deviations of the
    random factors in the order given, ``residual`` that of a single value beside all of them; ``ratios`` are the first
    over the second. ``outlying`` values of ``n`` were given less weight.
    """

    levels: tuple[Hashable, ...]
    shrunk: Floats
    shrunk_covariance: Floats
    plain: Floats
    plain_covariance: Floats
    fixed: Mapping[Hashable, float]
    spreads: tuple[float, ...]
    residual: float
    ratios: tuple[float, ...]
    n: int
    outlying: int


@dataclass(frozen=True, slots=True)
class _Design:
    """Values, the places of their fixed levels, and their levels of the random factors (``sizes`` of each)."""

    values: Floats
    fixed: NDArray[np.int64]
    fixed_count: int
    random: Any
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Moments:
    """Cross products of the random factors and the values once the fixed levels are taken off, by weight."""

    matrix: Floats
    vector: Floats
    square: float
    freedom: int


def fit_mixed(
    values: ArrayLike,
    *,
    fixed: Sequence[Hashable],
    random: Sequence[Sequence[Hashable]],
    ratios: Sequence[float] | None = None,
    huber: float | None = HUBER,
    width: float = _WIDTH,
) -> MixedFit:
    """Fit value = level of ``fixed`` + an effect of each ``random`` factor + rest, for values that share levels.

    Variances maximise the restricted likelihood with the fixed levels integrated out (Bates et al. 2015, Journal of
    Statistical Software 67(1)) times a gamma density of shape 2 for each standard deviation, whose mode is ``width``:
    zero only because there are few levels, and wide only because nothing bounds it, are both no answers (Chung et al.
    2013, Psychometrika 78). ``ratios``, standard deviations over that of the rest, are taken as given where there are
    some. Values far from their fit are given less weight (Huber), so the result is that of most values; None switches
    this off.

    Raises ValueError for unequal lengths, for a value that is not finite, and where values less fixed levels leave
    nothing to estimate from.
    """
    design = _prepare(values, fixed, random)
    weights = np.ones(design.values.size)
    given = None if ratios is None else tuple(ratios)
    found = given or (1.0,) * len(design.sizes)
    for turn in range(_ROUNDS if huber else 1):
        moments = _moments(design, weights)
        found = given or _estimate_ratios(moments, design.sizes, width, found)
        effects, covariance, residual = _solve(moments, _scales(found, design.sizes))
        if huber is None or turn == _ROUNDS - 1:
            break
        left = np.abs(_left(design, weights, effects))
        scale = max(_MAD * float(np.median(left)), 1e-12)
        new = np.minimum(1.0, huber * scale / np.maximum(left, 1e-300))
        if np.allclose(new, weights, atol=0.01):
            break
        weights = new
    first = design.sizes[0]
    free = (math.sqrt(_FREE), *found[1:])
    plain, plain_covariance, _ = _solve(moments, _scales(free, design.sizes), residual)
    centre = np.eye(first) - 1 / first
    return MixedFit(
        levels=tuple(dict.fromkeys(random[0])),
        shrunk=effects[:first],
        shrunk_covariance=covariance[:first, :first],
        plain=centre @ plain[:first],
        plain_covariance=centre @ plain_covariance[:first, :first] @ centre,
        fixed=_fixed_levels(design, weights, effects, tuple(dict.fromkeys(fixed))),
        spreads=tuple(ratio * residual for ratio in found),
        residual=residual,
        ratios=found,
        n=design.values.size,
        outlying=int((weights < 1).sum()),
    )


def connect(fixed: Sequence[Hashable], groups: Sequence[Hashable]) -> dict[Hashable, int]:
    """Number the groups by what can be compared: two share a number where a chain of shared fixed levels links them.

    0 is the number of the largest part by values.
    """
    leader: dict[Hashable, Hashable] = {}

    def find(one: Hashable) -> Hashable:
        while leader.setdefault(one, one) != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for level, group in zip(fixed, groups, strict=True):
        leader[find(("fixed", level))] = find(("group", group))
    counts: dict[Hashable, int] = {}
    for group in groups:
        root = find(("group", group))
        counts[root] = counts.get(root, 0) + 1
    order = {root: place for place, root in enumerate(sorted(counts, key=lambda root: -counts[root]))}
    return {group: order[find(("group", group))] for group in dict.fromkeys(groups)}


def _prepare(values: ArrayLike, fixed: Sequence[Hashable], random: Sequence[Sequence[Hashable]]) -> _Design:
    from scipy import sparse

    array = np.asarray(values, dtype=np.float64)
    if not random or {array.size} != {len(fixed), *(len(factor) for factor in random)}:
        lengths = [len(fixed), *(len(factor) for factor in random)]
        raise ValueError(f"got {array.size} values and factors of {lengths}; expected the same length")
    if not np.isfinite(array).all():
        raise ValueError("got a value that is not finite")
    places, count = number_groups(fixed)
    if array.size - count < 1:
        raise ValueError(f"got {array.size} values of {count} fixed levels: nothing is left to estimate from")
    blocks, sizes = [], []
    for factor in random:
        at, levels = number_groups(factor)
        blocks.append(sparse.csr_array((np.ones(array.size), (np.arange(array.size), at)), shape=(array.size, levels)))
        sizes.append(levels)
    return _Design(array, places, count, sparse.hstack(blocks, format="csr"), tuple(sizes))


def _moments(design: _Design, weights: Floats) -> _Moments:
    from scipy import sparse

    rows = np.arange(weights.size)
    member = sparse.csr_array((weights, (rows, design.fixed)), shape=(weights.size, design.fixed_count))
    total = np.bincount(design.fixed, weights, design.fixed_count)
    of_values = member.T @ design.values
    of_random = (member.T @ design.random).tocsr()
    scaled = of_random.multiply((1 / total)[:, None])
    weighted = design.random.multiply(weights[:, None])
    matrix = np.asarray((weighted.T @ design.random - of_random.T @ scaled).todense(), dtype=np.float64)
    vector = np.asarray(weighted.T @ design.values - of_random.T @ (of_values / total), dtype=np.float64)
    square = float((weights * design.values**2).sum() - (of_values**2 / total).sum())
    return _Moments(matrix, vector, max(square, 0.0), weights.size - design.fixed_count)


def _scales(ratios: Sequence[float] | Floats, sizes: Sequence[int]) -> Floats:
    return np.repeat(np.asarray(ratios, dtype=np.float64), sizes)


def _solve(moments: _Moments, scales: Floats, residual: float | None = None) -> tuple[Floats, Floats, float]:
    """Effects, their covariance, and the standard deviation of the rest (taken from the fit unless given)."""
    inner = scales[:, None] * moments.matrix * scales + np.eye(scales.size)
    inverse = np.linalg.inv(inner)
    effects = scales * (inverse @ (scales * moments.vector))
    if residual is None:
        residual = math.sqrt(_rest(moments, effects) / moments.freedom)
    return effects, residual**2 * (scales[:, None] * inverse * scales), residual


def _rest(moments: _Moments, effects: Floats) -> float:
    """The sum of squares, penalty included, that the effects leave."""
    return max(moments.square - float(moments.vector @ effects), moments.freedom * _LEAST**2)


def _estimate_ratios(
    moments: _Moments, sizes: Sequence[int], width: float, start: Sequence[float]
) -> tuple[float, ...]:
    """The standard deviations of the factors over that of the rest."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.optimize import minimize

    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    eye = np.eye(sum(sizes))

    def deviance(logs: Floats) -> tuple[float, Floats]:
        ratios = np.exp(logs)
        scales = _scales(ratios, sizes)
        factor = cho_factor(scales[:, None] * moments.matrix * scales + eye, lower=True)
        inverse = cho_solve(factor, eye)
        effects = scales * (inverse @ (scales * moments.vector))
        rest = _rest(moments, effects)
        # Along the logarithm of a ratio: of the determinant, and of what is left.
        of_spread = 2 * np.add.reduceat(1 - np.diag(inverse), starts)
        of_rest = -2 * np.add.reduceat(effects**2, starts) / ratios**2
        spread = 2 * float(np.log(np.diag(factor[0])).sum())
        widths = ratios * math.sqrt(rest / moments.freedom) / width
        penalty = -2 * float((np.log(widths) - widths).sum())
        value = spread + moments.freedom * math.log(rest) + penalty
        share = moments.freedom - float((1 - widths).sum())
        return value, of_spread + share * of_rest / rest - 2 * (1 - widths)

    found = minimize(
        deviance, np.log(start), jac=True, method="L-BFGS-B", bounds=[_BOUNDS] * len(sizes),
        options={"maxiter": 100, "ftol": 1e-8},
    )  # fmt: skip
    return tuple(float(one) for one in np.exp(found.x))


def _left(design: _Design, weights: Floats, effects: Floats) -> Floats:
    beside, means = _means_beside(design, weights, effects)
    left: Floats = beside - means[design.fixed]
    return left


def _fixed_levels(
    design: _Design, weights: Floats, effects: Floats, names: Sequence[Hashable]
) -> dict[Hashable, float]:
    _, means = _means_beside(design, weights, effects)
    return {name: float(mean) for name, mean in zip(names, means, strict=True)}


def _means_beside(design: _Design, weights: Floats, effects: Floats) -> tuple[Floats, Floats]:
    """The values beside the random effects, and the weighted mean of them for each fixed level."""
    beside: Floats = design.values - np.asarray(design.random @ effects)
    total = np.bincount(design.fixed, weights, design.fixed_count)
    means: Floats = np.bincount(design.fixed, weights * beside, design.fixed_count) / total
    return beside, means
