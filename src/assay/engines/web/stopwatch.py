"""Calls that a page makes and times: series go down, durations come up. May import: engines.

The page reads its own clock around each sample, so the way to it is in no duration; and a series is long enough that
it is rarely gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import EngineError

if TYPE_CHECKING:
    from assay.engines.web.page import Page

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_LONGEST_CALL_S = 600.0
"""What one call may take beyond the limit of a series, before the page counts as hung: on a software GPU, minutes."""


@dataclass(frozen=True, slots=True)
class PageStopwatch:
    """The page's clock. ``resolution_ns`` was measured there."""

    page: Page
    resolution_ns: int
    verb: str = "chunk"

    def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
        """Let the page make the calls; see `assay.engines.base.Stopwatch`."""
        limit_s = _LONGEST_CALL_S if limit_ns is None else limit_ns / _NS_PER_S + _LONGEST_CALL_S
        arguments = {
            "samples": samples,
            "calls_per_sample": calls_per_sample,
            "limit_ms": None if limit_ns is None else limit_ns / _NS_PER_MS,
        }
        answer = self.page.call(self.verb, arguments, limit_s=limit_s)
        durations = [round(value * _NS_PER_MS) for value in answer["durations_ms"]]
        if not 0 < len(durations) <= samples:
            raise EngineError(f"The page made {len(durations)} samples, and {samples} were asked for.")
        return durations
