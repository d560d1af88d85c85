"""The features of sound made in the page, beside the model: its own clips, calls and clock.

The page's side is `page/audio.js`. May import: core, workloads, engines; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import EngineError
from assay.engines.web.stopwatch import PageStopwatch
from assay.workloads.audio import FeatureSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assay.engines.web.page import Page

_LIMIT_S = 120.0
"""A phone makes the features of 8 clips of 30 s in a second; what takes a hundred times as long hangs."""
_CLIPS = "clips.bin"

Publish = Callable[[str, bytes], str]
"""Serve bytes to the page under a name, and return the path that it fetches them by."""


@dataclass(frozen=True, slots=True)
class PagePreprocessor:
    """Clips that lie in the page, and what makes features of them there (`assay.engines.base.Preprocessor`)."""

    stopwatch: PageStopwatch
    dims: tuple[int, ...]

    @property
    def resolution_ns(self) -> int:
        """The smallest step of the page's clock."""
        return self.stopwatch.resolution_ns

    def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
        """Let the page make the features again and again; see `assay.engines.base.Stopwatch`."""
        return self.stopwatch.time_calls(samples, calls_per_sample=calls_per_sample, limit_ns=limit_ns)

    def read_features(self) -> NDArray[Any]:
        """Let the page make the features once and send them. Raises EngineError where it sends too few."""
        import numpy as np

        page = self.stopwatch.page
        answer = page.call("preprocess_outputs", {}, limit_s=_LIMIT_S)
        features = np.frombuffer(page.blob(answer["blob"]), dtype="<f4")
        expected = int(np.prod(self.dims))
        if features.size != expected:
            raise EngineError(f"The page sent {features.size} numbers as features, and {expected} were expected.")
        return features.reshape(self.dims)


def preprocess_in_page(
    page: Page, publish: Publish, resolution_ns: int, spec: FeatureSpec, clips: NDArray[Any]
) -> PagePreprocessor:
    """Give the page its clips and make everything ready there.

    With the first three arguments bound it is what `Session.preprocess` wants. ``clips`` are (batch, samples). Raises
    EngineError where the page cannot.
    """
    batch, samples = clips.shape
    address = publish(_CLIPS, clips.astype("<f4").tobytes())
    args = {"spec": spec.to_dict(), "clips": address, "batch": batch, "samples": samples}
    answer = page.call("preprocess", args, limit_s=_LIMIT_S)
    dims = tuple(int(dim) for dim in answer["dims"])
    return PagePreprocessor(PageStopwatch(page, resolution_ns, verb="preprocess_chunk"), dims)
