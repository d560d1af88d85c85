"""Pipelines of vibration signals: generating them, cutting windows, preparing batches at three complexities.

May import: core, workloads.vibration; numpy inside functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.workloads.datasets.base import Batch
from assay.workloads.pipelines.base import Opened, PipelineKind, PipelineRequest, generator_for
from assay.workloads.vibration.bearings import Fault, SignalPlan, generate_signal
from assay.workloads.vibration.windows import WindowPlan, cut_windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNALS = len(Fault)
"""Signals that windows are cut from: one of each fault."""
_SPARE = 4
"""How many times the windows of a batch a signal has room for, so that random windows differ from batch to batch."""
_MASKED = 0.1
_JITTER = 0.05


def make_signals(window: int, channels: int, count: int, seed: int) -> tuple[NDArray[np.float32], ...]:
    """Generate one signal of each fault, (length, channels), long enough for ``count`` windows and some more."""
    import numpy as np

    length = window + (_SPARE * count - 1) * _stride(window)
    plans = [SignalPlan(length=length, channels=channels, fault=fault) for fault in Fault]
    return tuple(generate_signal(plan, np.random.default_rng((seed, number))) for number, plan in enumerate(plans))


@dataclass(frozen=True, slots=True)
class GenerateSignals:
    """Generate whole signals, faults drawn at random: ``length`` samples on each of ``channels``."""

    batch: int
    length: int
    channels: int
    seed: int

    def make_batch(self, index: int) -> Batch:
        """``signal`` (batch, length, channels) float32 and ``labels`` (batch) int64, the fault."""
        import numpy as np

        generator = generator_for(self.seed, index)
        faults = list(Fault)
        labels = generator.integers(len(faults), size=self.batch)
        plans = [SignalPlan(length=self.length, channels=self.channels, fault=faults[label]) for label in labels]
        return {"signal": np.stack([generate_signal(plan, generator) for plan in plans]), "labels": labels}


@dataclass(frozen=True, slots=True)
class CutWindows:
    """Cut a batch of windows out of one signal in memory, the next signal for the next batch."""

    signals: tuple[NDArray[np.float32], ...]
    plan: WindowPlan
    seed: int

    def make_batch(self, index: int) -> Batch:
        """``signal`` (batch, channels, window) float32 and ``labels`` (batch) int64."""
        import numpy as np

        label = index % len(self.signals)
        windows = cut_windows(self.signals[label], self.plan, generator_for(self.seed, index))
        return {"signal": windows, "labels": np.full(len(windows), label)}


@dataclass(frozen=True, slots=True)
class PrepareBatch:
    """Prepare a batch from windows in memory. Complexities, each with the work of the one before.

    ``low``: gather the windows and scale them (zscore). ``medium``: and augment them (gain, noise). ``high``: two views
    as contrastive learning takes them, each also shifted in time and masked, and the spectrum of the first.
    """

    windows: NDArray[np.float32]
    labels: NDArray[np.int64]
    batch: int
    complexity: str
    seed: int

    def make_batch(self, index: int) -> Batch:
        """``signal``; of ``high`` also ``second`` (batch, channels, window) and ``spectrum`` (.., window // 2 + 1)."""
        import numpy as np

        from assay.workloads.vibration.windows import normalise

        generator = generator_for(self.seed, index)
        chosen = generator.integers(len(self.windows), size=self.batch)
        windows = normalise(self.windows[chosen], "zscore")
        labels = self.labels[chosen]
        if self.complexity == "low":
            return {"signal": windows, "labels": labels}
        if self.complexity == "medium":
            return {"signal": _scale_and_jitter(windows, generator), "labels": labels}
        first, second = (_shift_and_mask(_scale_and_jitter(windows, generator), generator) for _ in range(2))
        spectrum = np.abs(np.fft.rfft(first)).astype(np.float32)
        return {"signal": first, "second": second, "spectrum": spectrum, "labels": labels}


def _scale_and_jitter(windows: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    import numpy as np

    gain = generator.uniform(0.8, 1.2, size=(len(windows), windows.shape[1], 1)).astype(np.float32)
    return windows * gain + np.float32(_JITTER) * generator.standard_normal(windows.shape, dtype=np.float32)


def _shift_and_mask(windows: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Turn each window round by a step of its own, and silence a tenth of it somewhere."""
    import numpy as np

    size = windows.shape[-1]
    positions = (np.arange(size) + generator.integers(size, size=(len(windows), 1))) % size
    shifted = np.take_along_axis(windows, positions[:, None, :], axis=-1)
    starts = generator.integers(size, size=(len(windows), 1))
    is_masked = (np.arange(size) - starts) % size < round(_MASKED * size)
    shifted[np.broadcast_to(is_masked[:, None, :], shifted.shape)] = 0.0
    return shifted


def _stride(window: int) -> int:
    return max(1, window // 2)


def _open_signals(request: PipelineRequest) -> Opened:
    shape = request.shape
    return Opened(GenerateSignals(request.batch, shape["length"], shape["channels"], request.seed), _SYNTHETIC)


def _open_windows(request: PipelineRequest) -> Opened:
    window = request.shape["window"]
    windowing = str(request.options.get("windowing", "sequential"))
    signals = make_signals(window, request.shape["channels"], request.batch, request.seed)
    plan = WindowPlan(window, _stride(window), request.batch, windowing)
    facts = {"windowing": windowing, "stride": str(plan.step), "normalisation": plan.normalisation}
    return Opened(CutWindows(signals, plan, request.seed), {**_SYNTHETIC, **facts})


def _open_batches(request: PipelineRequest, *, complexity: str) -> Opened:
    windows, labels = cut_pool(request)
    return Opened(PrepareBatch(windows, labels, request.batch, complexity, request.seed), _SYNTHETIC)


def cut_pool(request: PipelineRequest) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cut several batches of windows, of every fault: (n, channels, window) float32 as recorded, and (n) int64."""
    import numpy as np

    window = request.shape["window"]
    each = -(-_SPARE * request.batch // SIGNALS)
    signals = make_signals(window, request.shape["channels"], each, request.seed)
    plan = WindowPlan(window, _stride(window), each, normalisation="none")
    # Contiguous: sums over a window come out the same to the last bit wherever it was copied to.
    windows = np.ascontiguousarray(np.concatenate([cut_windows(signal, plan) for signal in signals]))
    return windows, np.repeat(np.arange(len(signals)), each)


_SYNTHETIC = {"dataset": "bearings-synthetic", "dataset_kind": "synthetic"}
_WINDOW = {"window": 1024, "channels": 2}
_COMPLEXITIES: dict[str, str] = {
    "low": "gathered and scaled",
    "medium": "gathered, scaled and augmented",
    "high": "two augmented, shifted and masked views and a spectrum",
}
_open_of: dict[str, Callable[[PipelineRequest], Opened]] = {
    name: functools.partial(_open_batches, complexity=name) for name in _COMPLEXITIES
}

KINDS = (
    PipelineKind("windows", "windows cut from signals in memory", _WINDOW, _open_windows, options=("windowing",)),
    PipelineKind("signals", "vibration signals, generated", {"length": 12_000, "channels": 2}, _open_signals, batch=8),
    *(
        PipelineKind(f"batches-{name}", f"batches prepared from windows in memory: {what}", _WINDOW, _open_of[name])
        for name, what in _COMPLEXITIES.items()
    ),
)
