"""A quick look through a suite: one launch a case, short windows, and without the entries that the suite spares it.

What comes out is a suite of its own name, so that its results are never taken for those of the whole one. May import:
core, runner.
"""

from __future__ import annotations

from dataclasses import replace

from assay.core.errors import UsageError
from assay.runner.suite_model import Suite
from assay.runner.timing import Timing

SUFFIX = "-quick"
QUICK = Timing(
    min_time_s=0.3,
    max_time_s=1.0,
    min_samples=5,
    target_ci=0.05,
    warmup_min_s=0.1,
    warmup_max_s=0.5,
    warmup_max_calls=20,
)


def quicken(suite: Suite) -> Suite:
    """Return the quick form of a suite. Raises UsageError where the suite spares it every entry."""
    if suite.name.endswith(SUFFIX):
        return suite
    kept = [number for number, matrix in enumerate(suite.cases) if matrix.is_quick]
    if not kept:
        raise UsageError(
            f"Every entry of the suite {suite.name} says 'quick: false', so nothing is left for --quick.",
            hint="Leave --quick out, or let an entry have 'quick: true'.",
        )
    return replace(
        suite,
        name=suite.name + SUFFIX,
        cases=tuple(suite.cases[number] for number in kept),
        entry_numbers=tuple(kept),
        launches=1,
        timing=QUICK,
    )
