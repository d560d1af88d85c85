"""What a process expects of several rows together: a curve of latencies is off as a whole, not point by point.

Source: Rasmussen, Williams 2006, Gaussian Processes for Machine Learning, equations 2.23 and 2.24. May import:
predict.system.process; numpy inside functions.
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
