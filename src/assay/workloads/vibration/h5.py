"""Recordings in HDF5: one ``<Name>.h5`` a data set, under each recording's Id a float array (length, channels).

The layout is PHM-Vibench's. Signals stay on disk until a part of one is asked for; a file that another process still
writes can be read (single writer, multiple readers). May import: core; numpy and h5py inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from assay.core.errors import WorkloadError

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

INSTALL_HINT = "pip install 'assay[vibration]'"


def write_h5(path: Path, signals: Mapping[Any, NDArray[Any]] | Iterable[tuple[Any, NDArray[Any]]]) -> Path:
    """Write recordings, each under ``str(Id)``, and return the path. Floats keep their width; integers become float32.

    Pairs may come from a generator, so that a data set larger than memory can be written. The file appears whole: it is
    written beside its place and then moved there. Raises WorkloadError for an array that is not (length, channels).
    """
    import numpy as np

    h5py = import_h5py()
    pairs = signals.items() if isinstance(signals, Mapping) else signals
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with h5py.File(unfinished, "w", libver="latest") as file:  # what single-writer-multiple-reader needs
            for identity, signal in pairs:
                values = np.asarray(signal)
                if values.ndim != 2 or 0 in values.shape:  # noqa: PLR2004  (length and channels)
                    raise WorkloadError(
                        f"Recording {identity} has the shape {values.shape}; expected (length, channels), neither 0."
                    )
                kept = values if values.dtype.kind == "f" else values.astype(np.float32)
                file.create_dataset(str(identity), data=kept)  # contiguous: a window is one read
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


class H5Signals:
    """One file of recordings, opened when it is first read.

    It can be pickled: each process opens the file for itself, since HDF5 handles must not cross a fork.
    """

    def __init__(self, path: Path) -> None:
        """Raises WorkloadError where there is no such file."""
        if not path.is_file():
            raise WorkloadError(
                f"There is no file {path}.", hint="A data set called NAME is read from NAME.h5 beside its metadata."
            )
        self.path = path
        self._file: Any = None
        self._found: dict[str, Any] = {}
        self._process = 0

    def ids(self) -> tuple[str, ...]:
        """The recordings, in the file's order."""
        return tuple(self._open())

    def shape(self, identity: object) -> tuple[int, int]:
        """(length, channels) of a recording, without reading it."""
        length, channels = self._find(identity).shape
        return int(length), int(channels)

    def read(self, identity: object, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Read samples from ``start`` up to ``stop`` (the end): float32 (stop - start, channels).

        Raises WorkloadError for an unknown recording, a range outside it, or a file that is damaged.
        """
        import numpy as np

        found = self._find(identity)
        length = found.shape[0]
        end = length if stop is None else stop
        if not 0 <= start < end <= length:
            raise WorkloadError(
                f"Recording {identity} of {self.path.name} has samples 0 to {length}; {start} to {end} was asked for."
            )
        try:
            part: NDArray[np.float32] = found[start:end].astype(np.float32, copy=False)
        except OSError as error:
            raise WorkloadError(f"Recording {identity} of {self.path} cannot be read: {error}.") from error
        return part

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._found = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.path = path
        self._file = None
        self._found = {}
        self._process = 0

    def _open(self) -> Any:
        # A handle that a fork inherited shares its place in the file with the parent's: it is left alone, not closed.
        if self._file is None or self._process != os.getpid():
            self._process = os.getpid()
            self._found = {}
            self._file = _open_file(self.path)
        return self._file

    def _find(self, identity: object) -> Any:
        """Return the array, checked once: looking it up costs more than reading a window."""
        file, name = self._open(), str(identity)
        if name not in self._found:
            found = file.get(name)
            if found is None:
                raise WorkloadError(
                    f"{self.path.name} holds no recording {name!r}; it holds {_shorten(self.ids())}.",
                    hint="Keys are the Ids of the metadata, as text.",
                )
            if not isinstance(found, import_h5py().Dataset) or found.ndim != 2 or found.dtype.kind not in "fiu":  # noqa: PLR2004  (length and channels)
                raise WorkloadError(
                    f"{name!r} of {self.path.name} is {found!r}; expected an array of numbers, (length, channels)."
                )
            self._found[name] = found
        return self._found[name]


def _open_file(path: Path) -> Any:
    """Open for reading beside a writer. That mode takes a file cut short for one that grows, so it is checked first."""
    h5py = import_h5py()
    try:
        try:
            h5py.File(path, "r").close()
        except OSError as error:
            if "SWMR" not in str(error) and "open for write" not in str(error):
                raise
        return h5py.File(path, "r", libver="latest", swmr=True)
    except OSError as error:
        raise WorkloadError(
            f"{path} is no HDF5 file that can be read: {error}.",
            hint="Is it complete? Compare its size with where it came from.",
        ) from error


def _shorten(ids: tuple[str, ...], most: int = 5) -> str:
    shown = ", ".join(ids[:most]) or "nothing"
    return shown if len(ids) <= most else f"{shown}, ... ({len(ids)} in all)"


def import_h5py() -> Any:
    """Return the module. Raises WorkloadError where it is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise WorkloadError("Reading .h5 needs the package h5py.", hint=INSTALL_HINT) from error
    return h5py
