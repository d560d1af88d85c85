"""What a process expects of several rows together: a curve of latencies is off as a whole, not point by point.

Source: Rasmussen, Williams 2006, Gaussian Processes for Machine Learning, equations 2.23, 2.24 and, for rows left out,
5.12 by blocks. May import: predict.system.process; numpy inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.predict.system.process import Process, Rows, covary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]


def expect_jointly(process: Process, rows: Rows) -> tuple[Floats, Floats]:
    """Return the mean, (n,), and the covariance, (n, n), noise of one outcome each included."""
    import numpy as np

    across, own = np.zeros((rows.n, process.rows.n)), np.zeros((rows.n, rows.n))
    for term, variance in zip(process.terms, process.variances, strict=True):
        across += variance * covary(term, rows, process.rows)
        own += variance * covary(term, rows, rows)
    covariance = own - across @ process.inverse @ across.T
    covariance[np.diag_indices(rows.n)] += process.noise
    return process.mean + across @ process.weights, (covariance + covariance.T) / 2


def leave_out_jointly(process: Process, own: Floats) -> tuple[Floats, Floats]:
    """Return mean and covariance of the rows of a process at the places ``own``, as the others tell them."""
    import numpy as np

    covariance = np.linalg.inv(process.inverse[np.ix_(own, own)])
    return process.values[own] - covariance @ process.weights[own], (covariance + covariance.T) / 2


def draw_jointly(mean: Floats, covariance: Floats, count: int, seed: int) -> Floats:
    """Draw ``count`` outcomes of rows together, (count, n)."""
    import numpy as np

    values, vectors = np.linalg.eigh(covariance)
    normal = np.random.default_rng(seed).standard_normal((count, len(mean)))
    return np.asarray(mean + normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)
