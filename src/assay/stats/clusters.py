"""Groups of things that are alike, and whether there are any: Ward's method, silhouettes, agreement of two groupings.

May import: numpy; scipy inside functions.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Labels = NDArray[np.int64]


def standardise(values: ArrayLike) -> Floats:
    """Take the mean off each column and divide by its standard deviation. Raises ValueError for a constant column."""
    table = np.asarray(values, dtype=np.float64)
    spread = table.std(axis=0, ddof=1)
    if not (np.isfinite(table).all() and (spread > 0).all()):
        raise ValueError("got a column with gaps, or one that never differs; it tells nothing apart")
    scaled: Floats = (table - table.mean(axis=0)) / spread
    return scaled


def build_tree(points: ArrayLike) -> Any:
    """Join points, then groups, always the two whose union adds least to the squares within: a linkage of scipy.

    Ward 1963, Journal of the American Statistical Association 58. No start is drawn, so the same points always give the
    same tree, and one tree has the groupings of every size.
    """
    from scipy.cluster.hierarchy import linkage

    return linkage(np.asarray(points, dtype=np.float64), method="ward")


def cut_tree(tree: Any, k: int) -> Labels:
    """Return which of ``k`` groups each point is in, 0 ... k - 1."""
    from scipy.cluster.hierarchy import fcluster

    labels: Labels = fcluster(tree, k, criterion="maxclust").astype(np.int64) - 1
    return labels


def distances(points: ArrayLike) -> Floats:
    """Euclidean distances of every two rows."""
    table = np.asarray(points, dtype=np.float64)
    squares = (table**2).sum(axis=1)
    found: Floats = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * table @ table.T, 0.0))
    np.fill_diagonal(found, 0.0)
    return found


def mean_silhouette(apart: Floats, labels: Labels) -> float:
    """Mean of (b - a) / max(a, b): a the mean distance within a point's group, b that to the nearest other group.

    1: far apart; 0: one cloud; a point alone in its group counts 0 (Rousseeuw 1987, Journal of Computational and
    Applied Mathematics 20). ``apart`` are the distances of every two points. Raises ValueError for a single group.
    """
    k = int(labels.max()) + 1
    if k < 2:  # noqa: PLR2004  (nothing lies apart from nothing)
        raise ValueError("got one group; a silhouette takes two")
    member = np.eye(k)[labels]
    sizes = member.sum(axis=0)
    sums = apart @ member
    own = sizes[labels]
    rows = np.arange(len(labels))
    with np.errstate(invalid="ignore", divide="ignore"):
        within = sums[rows, labels] / (own - 1)
        others = sums / sizes
        others[rows, labels] = np.inf
        nearest = others.min(axis=1)
        score = (nearest - within) / np.maximum(nearest, within)
    # Points that lie on each other in both groups are 0 / 0: as near to the one as to the other.
    return float(np.where(own > 1, np.nan_to_num(score), 0.0).mean())


def adjusted_rand(one: Sequence[Hashable] | Labels, other: Sequence[Hashable] | Labels) -> float:
    """Return how far two groupings of the same things agree: 1 the same, 0 what chance gives.

    Hubert and Arabie 1985, Journal of Classification 2. Two groupings that put everything together, or everything
    apart, agree. Raises ValueError for unequal lengths.
    """
    if len(one) != len(other):
        raise ValueError(f"got groupings of {len(one)} and {len(other)} things; expected the same")
    first, second = (np.unique(np.asarray(each), return_inverse=True)[1] for each in (one, other))
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1))
    np.add.at(table, (first, second), 1)
    pairs = float((table * (table - 1) / 2).sum())
    rows, columns = (float((sums * (sums - 1) / 2).sum()) for sums in (table.sum(axis=1), table.sum(axis=0)))
    every = len(one) * (len(one) - 1) / 2
    expected, most = rows * columns / every if every else 0.0, (rows + columns) / 2
    return 1.0 if most == expected else (pairs - expected) / (most - expected)


def draw_one_cloud(points: Floats, families: NDArray[Any], random: np.random.Generator) -> Floats:
    """Draw points without groups, but in families: what has no clusters looks like where points come in families.

    Centres of families ((n,) names) are drawn from one normal cloud with the mean and covariance that they have, and
    points around them from one with the covariance of all points beside their centres, as wide as that family is.
    Points of one family that lie close to each other would else pass for a cluster.
    """
    names, place = np.unique(families, return_inverse=True)
    counts = np.bincount(place)
    centres = np.stack([np.bincount(place, weights=column) / counts for column in points.T], axis=1)
    beside = points - centres[place]
    # A family's width: the root mean square of its points' distances, of which its centre takes one away.
    width = np.sqrt(np.bincount(place, weights=(beside**2).sum(axis=1)) / np.maximum(counts - 1, 1))
    shape = beside.T @ beside
    shape /= max(float(np.trace(shape)), 1e-300)
    flat = np.zeros(points.shape[1])
    around = random.multivariate_normal(flat, shape, size=len(points), method="eigh") * width[place][:, None]
    covariance = np.atleast_2d(np.cov(centres, rowvar=False))
    drawn = random.multivariate_normal(centres.mean(axis=0), covariance, size=names.size, method="eigh")
    # Around a centre that is no longer their mean: the spread of centres has that of the means in it already.
    around -= np.stack([np.bincount(place, weights=column) / counts for column in around.T], axis=1)[place]
    found: Floats = drawn[place] + around
    return found
