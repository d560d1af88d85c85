"""What a kernel takes on a device, by its tiles and the device's rates: a few constants for each family of kernels.

Products are computed tile by tile; each multiprocessor takes one tile after the other, so that the last round is
seldom full (the tiles and waves of NeuSight: Lee, Phanishayee, Mahajan 2025, ASPLOS, "Forecasting GPU Performance for
Deep Learning Training and Inference"; the law itself is ours). What only moves takes its bytes over the bandwidth.
May import: predict.values, predict.kernels.table, catalog by predict.devices; numpy and scipy inside functions.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from assay.catalog.hardware.load import load_catalogue
from assay.core.errors import AssayError
from assay.predict.devices import profile_of
from assay.predict.kernels.table import BYTES, PRODUCTS, Kernels
from assay.predict.values import DeviceProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_TILES = ((128, 128), (128, 64), (64, 64), (32, 128), (32, 32))
"""Rows and columns of the outcome that one block computes: sizes that libraries of matrix products use."""
_LARGEST_TILE = 128 * 128
CONSTANTS = {
    True: ("reached_compute", "power_exponent", "overhead_ns", "reached_bandwidth", "tile_traffic", "small_tile",
           "start_k"),
    False: ("overhead_ns", "reached_bandwidth"),
}  # fmt: skip
"""Names of the constants of a family's law, by whether it is a product."""
_START = {True: (0.85, 0.8, 30_000.0, 0.9, 0.05, 0.1, 16.0), False: (30_000.0, 0.8)}
_LEAST = {True: (0.4, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0), False: (0.0, 0.2)}
_MOST = {True: (1.2, 2.0, 80_000.0, 1.5, 1.0, 0.5, 200.0), False: (80_000.0, 1.5)}
_FEWEST_OF_ARCHITECTURE = 3


@dataclass(frozen=True, slots=True)
class Rates:
    """What devices give, a number for each kernel or one for all. ``power_share`` is that of ``power_share_of``."""

    flops_per_s: Any
    bandwidth_bytes_per_s: Any
    units: Any
    power_share: Any


def rates_of(profile: DeviceProfile) -> Rates:
    """Return a device's rates. Raises AssayError where its sheet lacks one."""
    found = (profile.vector_flops_per_s, profile.bandwidth_bytes_per_s, profile.units)
    if not all(found):
        names = ("peak in fp32", "bandwidth", "multiprocessors")
        lacks = ", ".join(name for name, value in zip(names, found, strict=True) if not value)
        raise AssayError(
            f"{profile.name}: its sheet lacks what kernels are told from: {lacks}.",
            hint="Add it: assay catalog add, or ask for another device.",
        )
    flops, bandwidth, units = found
    return Rates(flops, bandwidth, units, power_share_of(profile))


def rates_of_rows(profiles: Mapping[str, DeviceProfile], device: Array) -> Rates:
    """Return the rates of the device of each row, (n,)."""
    import numpy as np

    found = {name: rates_of(one) for name, one in profiles.items()}
    names = ("flops_per_s", "bandwidth_bytes_per_s", "units", "power_share")
    return Rates(*(np.array([getattr(found[one], name) for one in device]) for name in names))


def power_share_of(profile: DeviceProfile) -> float:
    """Return how much power it has for its peak beside the median of its architecture, at most 1.

    A card of 70 W with the units of one of 200 W cannot hold its clock when all of them work.
    """
    if not (profile.power_w and profile.vector_flops_per_s):
        return 1.0
    usual = _usual_power().get((profile.vendor, profile.architecture))
    return 1.0 if usual is None else min(1.0, profile.power_w / profile.vector_flops_per_s / usual)


@cache
def _usual_power() -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], list[float]] = {}
    for device in load_catalogue().values():
        one = profile_of(device)
        if one.kind == "gpu" and one.power_w and one.vector_flops_per_s:
            found.setdefault((one.vendor, one.architecture), []).append(one.power_w / one.vector_flops_per_s)
    return {name: statistics.median(values) for name, values in found.items() if len(values) >= _FEWEST_OF_ARCHITECTURE}


def expect_ns(family: str, constants: Array, kernels: Kernels, rates: Rates) -> Array:
    """Return the time of each kernel of one family by its law, (n,) ns."""
    import numpy as np

    if family not in PRODUCTS:
        overhead, reached = constants
        return np.asarray(overhead + kernels.moved_bytes / (reached * rates.bandwidth_bytes_per_s) * 1e9)
    compute, exponent, overhead, bandwidth, traffic, small, start_k = constants
    rate = compute * rates.flops_per_s * rates.power_share**exponent
    best = None
    for rows, columns in _TILES:
        blocks = kernels.batch * np.ceil(kernels.m / rows) * np.ceil(kernels.n / columns)
        waves = np.ceil(blocks / rates.units)
        work = waves * rates.units * 2 * rows * columns * (kernels.k + start_k)
        penalty = 1 + small * np.log2(_LARGEST_TILE / (rows * columns))
        tiles = BYTES * blocks * kernels.k * (rows + columns) / rates.bandwidth_bytes_per_s
        seconds = work * penalty / rate + tiles * traffic
        best = seconds if best is None else np.minimum(best, seconds)
    moving = kernels.moved_bytes / (bandwidth * rates.bandwidth_bytes_per_s)
    return np.asarray(overhead + (best + moving) * 1e9)


def fit_constants(family: str, kernels: Kernels, rates: Rates, latency_ns: Array) -> Array:
    """Learn the constants of one family: least absolute errors on logarithms, within bounds that make sense."""
    import numpy as np
    from scipy.optimize import least_squares

    is_product = family in PRODUCTS
    least, most = np.array(_LEAST[is_product]), np.array(_MOST[is_product])
    span = most - least
    target = np.log(latency_ns)

    def errors(scaled: Array) -> Array:
        return np.asarray(np.log(expect_ns(family, least + scaled * span, kernels, rates)) - target)

    start = (np.array(_START[is_product]) - least) / span
    found = least_squares(errors, start, bounds=(1e-9, 1), loss="soft_l1", f_scale=0.15)
    return np.asarray(least + found.x * span)
