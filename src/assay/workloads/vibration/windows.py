"""Cut windows out of a long signal: where they start, and how each is scaled.

The starts are computed apart from the cutting, so that a reader of files fetches only what a window covers. May import:
core; numpy inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import WorkloadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOWINGS = ("sequential", "random", "even")
NORMALISATIONS = ("none", "zscore", "minmax")
_TINY = 1e-8
"""Added to a spread, so that a dead channel becomes zeros and not NaN."""


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Which windows of a signal, in samples.

    ``sequential``: from the start, every ``stride`` samples, ``count`` at most. ``random``: ``count`` starts drawn
    uniformly; they may overlap. ``even``: ``count`` starts spread from the first possible to the last. ``count`` None
    is as many as fit sequentially. ``normalisation`` is of each window and channel: ``zscore`` to mean 0 and deviation
    1, ``minmax`` to 0 .. 1.
    """

    size: int
    stride: int | None = None
    count: int | None = None
    windowing: str = "sequential"
    normalisation: str = "zscore"

    def __post_init__(self) -> None:
        if self.windowing not in WINDOWINGS:
            raise WorkloadError(f"got windowing {self.windowing!r}, expected one of {', '.join(WINDOWINGS)}.")
        if self.normalisation not in NORMALISATIONS:
            raise WorkloadError(
                f"got normalisation {self.normalisation!r}, expected one of {', '.join(NORMALISATIONS)}."
            )
        if self.size < 1 or self.step < 1 or (self.count is not None and self.count < 1):
            raise WorkloadError(
                f"got size={self.size}, stride={self.stride}, count={self.count}, expected 1 or more each."
            )

    @property
    def step(self) -> int:
        """Samples from one start to the next: the stride, or the size where none was given (no overlap)."""
        return self.size if self.stride is None else self.stride


def window_starts(length: int, plan: WindowPlan, generator: np.random.Generator | None = None) -> NDArray[np.int64]:
    """Return the first sample of each window of a signal of ``length`` samples.

    ``generator`` is needed for random windows only. Raises WorkloadError where not even one window fits.
    """
    import numpy as np

    last = length - plan.size
    if last < 0:
        raise WorkloadError(
            f"A signal of {length} samples has no window of {plan.size}.",
            hint=f"Use a window of {length} or less, or longer recordings.",
        )
    fitting = last // plan.step + 1
    if plan.windowing == "random":
        if generator is None:
            raise WorkloadError("Random windows need a generator.", hint="Pass numpy.random.default_rng(seed).")
        return generator.integers(0, last + 1, size=plan.count or fitting)
    if plan.windowing == "even":
        return np.linspace(0, last, plan.count or fitting).round().astype(np.int64)
    return plan.step * np.arange(min(fitting, plan.count or fitting))


def cut_windows(
    signal: NDArray[np.floating], plan: WindowPlan, generator: np.random.Generator | None = None
) -> NDArray[np.float32]:
    """Cut (length, channels) into float32 (n, channels, size). Raises WorkloadError as `window_starts` does."""
    import numpy as np

    if signal.ndim != 2:  # noqa: PLR2004  (length and channels)
        raise WorkloadError(f"A signal of shape {signal.shape}; expected (length, channels).")
    starts = window_starts(len(signal), plan, generator)
    views = np.lib.stride_tricks.sliding_window_view(signal, plan.size, axis=0)  # (length - size + 1, channels, size)
    return normalise(views[starts].astype(np.float32, copy=False), plan.normalisation)


def normalise(windows: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """Scale each channel of each window, float32 (n, channels, size); ``how`` as in `WindowPlan`."""
    if how == "zscore":
        centred: NDArray[np.float32] = windows - windows.mean(axis=-1, keepdims=True)
        centred /= centred.std(axis=-1, keepdims=True) + _TINY
        return centred
    if how == "minmax":
        low, high = windows.min(axis=-1, keepdims=True), windows.max(axis=-1, keepdims=True)
        ranged: NDArray[np.float32] = (windows - low) / (high - low + _TINY)
        return ranged
    return windows
