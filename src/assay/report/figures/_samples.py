"""The samples of a result's launches as times of a call: what both figures of a distribution read.

May import: core, report; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.records import LaunchRecord
from assay.core.words import Status, Verdict
from assay.report.figures._words import say_reasons

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METRIC_OF_SERIES = {
    "latency": "latency_ns",
    "query_latency": "latency_ns",
    "generation": "generation_ns",
    "prefill": "time_to_first_token_ns",
    "decode_step": "inter_token_latency_ns",
}
"""Series of samples that a result sums up, the one to draw first, and the metric that it becomes."""
NS = "ns"


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one launch: times in ns, sorted. ``is_blocked`` where a reading spans several calls."""

    record: LaunchRecord
    times: NDArray[np.float64]
    is_blocked: bool

    @property
    def verdict(self) -> Verdict:
        """Whether the launch can be believed."""
        return self.record.verdict or Verdict.TRUSTED

    @property
    def name(self) -> str:
        """``launch 3``: as people count, from 1."""
        return f"launch {self.record.ordinal + 1}"

    @property
    def median_ns(self) -> float:
        """Median time of a call."""
        import numpy as np

        return float(np.median(self.times))


def find_series(launches: Sequence[LaunchRecord]) -> str:
    """Return the name of the samples to draw: the first of ``METRIC_OF_SERIES`` that a launch has, else any in ns."""
    names = [one.name for launch in launches for one in launch.samples if one.unit == NS and one.values]
    return next((name for name in METRIC_OF_SERIES if name in names), names[0] if names else "latency")


def read_calls(launch: LaunchRecord, series: str) -> Calls | None:
    """Return the calls of a launch, None where it failed or kept no such samples.

    A reading over ``calls_per_sample`` calls counts as one value, their mean. Several ranks count together.
    """
    import numpy as np

    if launch.status is not Status.OK:
        return None
    found = [one for one in launch.samples if one.name == series and one.unit == NS and one.values]
    if not found:
        return None
    times = np.sort(np.concatenate([np.asarray(one.values, np.float64) / one.calls_per_sample for one in found]))
    return Calls(launch, times, any(one.calls_per_sample > 1 for one in found))


def why_no_calls(launches: Sequence[LaunchRecord], series: str) -> str:
    """Why there is nothing to draw of a result: no launches, all failed, or no samples kept."""
    if not launches:
        return "This result has no launches: only what was measured here keeps them, or what a source gave as samples."
    failed = [one for one in launches if one.status.is_failure]
    if len(failed) == len(launches):
        return f"Every launch failed: {say_reasons([one.reason for one in failed], otherwise='no reason recorded')}."
    return f"The launches of this result have no {series} samples: they were not kept, or were removed later."
