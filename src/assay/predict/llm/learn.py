"""Learning a whole predictor from rows: laws of the metrics asked for, and the calibrations asked for.

May import: predict, stats.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.predict.llm.deals import calibrate_law
from assay.predict.llm.features import Measures
from assay.predict.llm.fit import fit_law
from assay.predict.llm.gather import Served
from assay.predict.llm.model import LlmModel, Seen, key_of, sizes_of


def learn_llm(
    rows: Sequence[Served], told: Measures, metrics: Sequence[str], calibrations: Sequence[str], seed: int
) -> LlmModel:
    """Learn. Raises AssayError for too few rows."""
    laws = {name: fit_law(name, rows, told, seed) for name in metrics}
    held = {
        metric: {
            name: found for name in calibrations if (found := calibrate_law(metric, rows, told, name, seed)) is not None
        }
        for metric in metrics
    }
    return LlmModel(laws, held, see(rows), len(rows))


def see(rows: Sequence[Served]) -> Seen:
    """Return what rows are of."""
    most: dict[str, float] = {}
    ranges: dict[str, tuple[float, float]] = {}
    for one in rows:
        key = key_of(one.setup, one.system)
        most[key] = max(most.get(key, 0.0), one.setup.users)
        for size, value in sizes_of(one.setup).items():
            low, high = ranges.get(size, (value, value))
            ranges[size] = (min(low, value), max(high, value))
    return Seen(
        frozenset(one.setup.shape.name for one in rows), frozenset(one.system for one in rows),
        frozenset(one.vendor for one in rows), ranges, most,
    )  # fmt: skip
