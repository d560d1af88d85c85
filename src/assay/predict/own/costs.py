"""What each term of the roofline proved to cost, by engine: eager kernels pay for what a compiler fuses away.

Most probable costs under normal errors of the logarithm: what a term costs on all engines is drawn towards what the
probe says, what it costs on one of them towards what it costs on all. May import: numpy; scipy inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_SD_OF_TERM = 1.5
"""Of the logarithm of a cost that all engines share: a factor of four either way is no surprise, forty is."""
_SD_OF_ENGINE = 0.7
_SD_OF_ROW = 0.25


def weigh_terms(times: Floats, values: Floats, engines: NDArray[np.int64], count: int) -> Floats:
    """Return factors on the terms, (1 + count, terms): first those of an engine never seen, then of each engine.

    ``times`` (n, terms) and ``values`` (n,) in the same unit; ``engines`` (n,) are numbers below ``count``.
    """
    from scipy.optimize import least_squares

    terms = times.shape[1]
    logs = np.log(values)
    of_engine = engines[:, None] == np.arange(count)[None, :]

    def weighted(flat: Floats) -> Floats:
        shared, own = flat[:terms], flat[terms:].reshape(count, terms)
        return np.asarray(times * np.exp(shared + own[engines]))

    def misses(flat: Floats) -> Floats:
        errors = (np.log(weighted(flat).sum(axis=1)) - logs) / _SD_OF_ROW
        return np.concatenate([errors, flat[:terms] / _SD_OF_TERM, flat[terms:] / _SD_OF_ENGINE])

    def slopes(flat: Floats) -> Floats:
        parts = weighted(flat)
        shares = parts / parts.sum(axis=1, keepdims=True) / _SD_OF_ROW
        own = (of_engine[:, :, None] * shares[:, None, :]).reshape(len(values), count * terms)
        prior = np.diag([1 / _SD_OF_TERM] * terms + [1 / _SD_OF_ENGINE] * (count * terms))
        return np.vstack([np.hstack([shares, own]), prior])

    found = least_squares(misses, np.zeros(terms * (1 + count)), jac=slopes).x
    shared = found[:terms]
    return np.asarray(np.exp(np.vstack([shared[None, :], shared + found[terms:].reshape(count, terms)])))
