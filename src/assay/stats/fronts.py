"""Fronts in any number of numbers: what nothing is at least as good as in all, and better in one.

May import: numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def find_layers(costs: ArrayLike, *, most: int | None = None) -> NDArray[np.int64]:
    """Return the layer of each row of (n, numbers) costs, all of them better when smaller: 1 is the front.

    Layer 2 is the front once layer 1 is taken away, and so on (non-dominated sorting: Deb and others 2002, IEEE
    Transactions on Evolutionary Computation 6). Equal rows do not beat each other. Layers beyond ``most`` are not told
    apart: 0. Raises ValueError for NaN.
    """
    table = np.atleast_2d(np.asarray(costs, dtype=np.float64))
    if np.isnan(table).any():
        raise ValueError("got a cost that is not known; leave out what lacks one of the numbers")
    beats = _beats(table)
    layers = np.zeros(len(table), dtype=np.int64)
    left = np.ones(len(table), dtype=bool)
    layer = 0
    while left.any() and layer != most:
        layer += 1
        front = left & ~beats[left].any(axis=0)
        layers[front] = layer
        left &= ~front
    return layers


def _beats(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Does the one of the row beat the one of the column: (n, n)."""
    n = len(table)
    as_good, better = np.ones((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    for line in np.ascontiguousarray(table.T):
        as_good &= line[:, None] <= line
        better |= line[:, None] < line
    found: NDArray[np.bool_] = as_good & better
    return found


def find_beater(costs: ArrayLike, place: int, among: NDArray[np.bool_]) -> int | None:
    """Return the first row ``among`` those given that is at least as good as ``place`` in all and better in one."""
    table = np.asarray(costs, dtype=np.float64)
    beats = (table <= table[place]).all(axis=1) & (table < table[place]).any(axis=1) & among
    found = np.flatnonzero(beats)
    return int(found[0]) if found.size else None
