"""Windows of recordings as a split of a data set: which window is where, and how it is fetched.

Both splits of a data set share one source of signals. Where recordings are few, a split by windows would put neighbours
of one recording on both sides and flatter every model; so a split is by recording, or by time within each. May import:
core, workloads.datasets; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Batch
from assay.workloads.vibration.windows import normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 1024
CHANNELS = 2
"""What a window is where nothing else was asked for: the default shape of the family ``contrastive``."""


class Signals(Protocol):
    """Where samples are read from: `HeldSignals`, or a file of `assay.workloads.vibration.h5`."""

    def read(self, identity: str, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Return float32 (stop - start, channels)."""
        ...


@dataclass(frozen=True, slots=True)
class HeldSignals:
    """Signals in memory, by name: float32 (length, channels) each."""

    signals: Mapping[str, NDArray[np.float32]]

    def read(self, identity: str, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Return a view. Raises KeyError for a name that is not held."""
        return self.signals[identity][start:stop]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one recording: in ``source``, under ``identity``, at ``starts``, all of one class."""

    source: Signals
    identity: str
    starts: NDArray[np.int64]
    label: int


class WindowSplit:
    """A `Split` of windows: ``signal`` float32 (batch, channels, size) and ``labels`` int64 (batch).

    Only what a batch needs is read. ``channels`` are the first so many of each recording.
    """

    def __init__(self, parts: Sequence[Windows], *, size: int, channels: int, normalisation: str = "zscore") -> None:
        """Raises WorkloadError where there is no window at all."""
        import numpy as np

        self._sources = [(one.source, one.identity) for one in parts]
        self._part = np.repeat(np.arange(len(parts)), [len(one.starts) for one in parts])
        self._start = np.concatenate([one.starts for one in parts] or [np.empty(0, dtype=np.int64)])
        self._label = np.repeat(
            np.array([one.label for one in parts], dtype=np.int64), [len(one.starts) for one in parts]
        )
        self._size, self._channels, self._normalisation = size, channels, normalisation
        if not len(self._start):
            raise WorkloadError(
                "No recording has a window for this split.", hint="Use a shorter window or more recordings."
            )

    def __len__(self) -> int:
        return len(self._start)

    def keep(self, positions: NDArray[np.int64] | slice) -> None:
        """Drop all other windows, in place: what a limit does before anything is read."""
        self._part, self._start, self._label = self._part[positions], self._start[positions], self._label[positions]

    def take(self, positions: Sequence[int]) -> Batch:
        """Return these windows. Raises WorkloadError for a position or a recording that is not there."""
        import numpy as np

        from assay.workloads.datasets.arrays import check_positions

        chosen = check_positions(positions, len(self))
        signal = np.empty((len(chosen), self._channels, self._size), dtype=np.float32)
        for row, position in enumerate(chosen):
            source, identity = self._sources[self._part[position]]
            start = int(self._start[position])
            signal[row] = source.read(identity, start, start + self._size)[:, : self._channels].T
        return {"signal": normalise(signal, self._normalisation), "labels": self._label[chosen]}


def read_shape(asked: Mapping[str, int]) -> tuple[int, int]:
    """Return (window, channels) as asked for, else the defaults."""
    return asked.get("window", WINDOW), asked.get("channels", CHANNELS)


def need_channels(name: str, have: int, channels: int) -> None:
    """Raise WorkloadError where a recording has too few."""
    if have < channels:
        raise WorkloadError(
            f"{name} has {have} channel{'s' * (have > 1)}, and channels={channels} was asked for.",
            hint=f"Use --shape channels={have}.",
        )


def limit_split(split: WindowSplit, limit: int | None, seed: int) -> WindowSplit:
    """Keep ``limit`` windows of a training split, drawn by the seed; all where it is None."""
    from assay.workloads.datasets.arrays import limit_samples

    split.keep(limit_samples(len(split), limit, seed=seed))
    return split
