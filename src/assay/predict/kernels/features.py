"""The shape of a kernel as features: sizes, how full its tiles and rounds are, alignment. None of them names a device.

The device enters by how many multiprocessors share the tiles, and by how its rates compare with the time of starting.
May import: predict.kernels.table, predict.kernels.law; numpy inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.predict.kernels.law import Rates
from assay.predict.kernels.table import PRODUCTS, Kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FEATURES = {
    True: (
        "batch", "rows", "columns", "depth", "time over start", "tiles a unit", "small tiles a unit",
        "last round", "last round of small tiles", "padding", "padding of small tiles", "rows by 4", "columns by 4",
        "depth by 4", "columns and depth by 2", "depth by 32", "columns by 32",
    ),
    False: ("rows", "row length", "time over start", "row length by 4", "rows a unit", "bytes"),
}  # fmt: skip
"""Names by whether the family is a product."""
_LARGE, _SMALL = 128, 64


def describe_shapes(family: str, kernels: Kernels, rates: Rates, overhead_ns: float) -> Array:
    """Return (n, features) for kernels of one family; ``overhead_ns`` is what its law takes for starting one."""
    import numpy as np

    m, n, k, batch = kernels.m, kernels.n, kernels.k, kernels.batch
    plain_ns = (kernels.flops / rates.flops_per_s + kernels.moved_bytes / rates.bandwidth_bytes_per_s) * 1e9
    over_start = np.log(plain_ns / max(overhead_ns, 1.0))
    if family not in PRODUCTS:
        found = [np.log2(m), np.log2(n), over_start, n % 4 == 0, np.log2(m / rates.units), np.log2(kernels.moved_bytes)]
        return np.column_stack([np.asarray(one, dtype=np.float64) for one in found])
    large = batch * np.ceil(m / _LARGE) * np.ceil(n / _LARGE) / rates.units
    small = batch * np.ceil(m / _SMALL) * np.ceil(n / _SMALL) / rates.units
    outcome = batch * m * n / rates.units
    found = [
        np.log2(batch), np.log2(m), np.log2(n), np.log2(k), over_start,
        np.log(large), np.log(small), np.ceil(large) / large, np.ceil(small) / small,
        large * _LARGE**2 / outcome, small * _SMALL**2 / outcome,
        m % 4 == 0, n % 4 == 0, k % 4 == 0, (n % 2 == 0) & (k % 2 == 0), k % 32 == 0, n % 32 == 0,
    ]  # fmt: skip
    return np.column_stack([np.asarray(one, dtype=np.float64) for one in found])
