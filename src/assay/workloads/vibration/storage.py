"""The same windows in three kinds of file, to compare how fast they are read: HDF5, Parquet, and a memory map.

Each is written once, whole, and read by position in any order, as a shuffling loader does. May import: core; numpy,
pyarrow and h5py inside functions.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.vibration.h5 import import_h5py

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STORAGES = ("h5", "parquet", "memmap")
_SUFFIXES = {"h5": ".h5", "parquet": ".parquet", "memmap": ".npy"}
_KEY = "windows"
_GROUP_BYTES = 1 << 17
"""Parquet decodes whole row groups: small ones make reading by position bearable, at some cost in metadata."""


class StoredWindows(Protocol):
    """Windows in a file, float32. Opened when first read; can be pickled into processes that load."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(windows, channels, size)."""
        ...

    def __len__(self) -> int:
        """How many windows."""
        ...

    def take(self, positions: Sequence[int]) -> NDArray[np.float32]:
        """Return float32 (len(positions), channels, size) in this order, in memory of its own. Raises WorkloadError."""
        ...


def write_windows(windows: NDArray[np.float32], folder: Path, kind: str) -> Path:
    """Write float32 (n, channels, size) into ``folder`` and return the file. Raises UnknownNameError, WorkloadError."""
    import numpy as np

    if kind not in STORAGES:
        raise UnknownNameError("storage", kind, STORAGES)
    if windows.ndim != 3 or 0 in windows.shape:  # noqa: PLR2004  (n, channels, size)
        raise WorkloadError(f"Windows of shape {windows.shape}; expected (n, channels, size), none of them 0.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"windows{_SUFFIXES[kind]}"
    unfinished = folder / f".{path.name}.part"
    try:
        _WRITERS[kind](np.ascontiguousarray(windows, dtype=np.float32), unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def open_windows(path: Path) -> StoredWindows:
    """Open what `write_windows` wrote; the ending says what it is. Raises WorkloadError."""
    if not path.is_file():
        raise WorkloadError(f"There is no file {path}.")
    for kind, suffix in _SUFFIXES.items():
        if path.suffix == suffix:
            return _READERS[kind](path)
    raise WorkloadError(f"{path.name} is no file of windows.", hint=f"Expected {', '.join(_SUFFIXES.values())}.")


def _check(positions: Sequence[int], windows: int) -> NDArray[np.int64]:
    """Return positions as an index. Raises WorkloadError for one that there is not."""
    from assay.workloads.datasets.arrays import check_positions as check

    return check(positions, windows)


class _Lazy(ABC):
    """Opens its file when first asked, and again in each process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getstate__(self) -> Mapping[str, Any]:
        return {"path": self.path}

    def __len__(self) -> int:
        return self.shape[0]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]: ...


def _write_h5(windows: NDArray[np.float32], path: Path) -> None:
    with import_h5py().File(path, "w", libver="latest") as file:
        file.create_dataset(_KEY, data=windows)


class _H5(_Lazy):
    @functools.cached_property
    def _windows(self) -> Any:
        return import_h5py().File(self.path, "r", libver="latest", swmr=True)[_KEY]

    @functools.cached_property
    def _spaces(self) -> tuple[Any, Any]:
        one = import_h5py().h5s.create_simple((1, *self.shape[1:]))
        return one, self._windows.id.get_space()

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self._windows.shape)

    def take(self, positions: Sequence[int]) -> NDArray[np.float32]:
        import numpy as np

        chosen = _check(positions, len(self))
        # One selection moved along: a list of rows would have to ascend, and indexing costs several times the reading.
        out = np.empty((len(chosen), *self.shape[1:]), dtype=np.float32)
        here, there = self._spaces
        for row, position in enumerate(chosen):
            there.select_hyperslab((int(position), 0, 0), (1, *self.shape[1:]))
            self._windows.id.read(here, there, out[row : row + 1])
        return out


def _write_memmap(windows: NDArray[np.float32], path: Path) -> None:
    import numpy as np

    with path.open("wb") as file:
        np.save(file, windows, allow_pickle=False)


class _Memmap(_Lazy):
    @functools.cached_property
    def _windows(self) -> NDArray[np.float32]:
        import numpy as np

        mapped: NDArray[np.float32] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return mapped

    @property
    def shape(self) -> tuple[int, int, int]:
        windows, channels, size = self._windows.shape
        return windows, channels, size

    def take(self, positions: Sequence[int]) -> NDArray[np.float32]:
        return self._windows[_check(positions, len(self))]


def _write_parquet(windows: NDArray[np.float32], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    count, channels, size = windows.shape
    column = pa.FixedSizeListArray.from_arrays(pa.array(windows.reshape(-1)), channels * size)
    schema = pa.schema([(_KEY, column.type)], metadata={"channels": str(channels), "size": str(size)})
    table = pa.Table.from_arrays([column], schema=schema)
    group = max(1, min(count, _GROUP_BYTES // (4 * channels * size)))
    # Floats of noise do not compress, and a dictionary of them is larger than they are.
    parquet.write_table(table, path, row_group_size=group, compression="none", use_dictionary=False)


class _Parquet(_Lazy):
    @functools.cached_property
    def _file(self) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(self.path, memory_map=True)

    @functools.cached_property
    def _group(self) -> int:
        return int(self._file.metadata.row_group(0).num_rows)

    @functools.cached_property
    def _shape(self) -> tuple[int, int, int]:
        said = self._file.schema_arrow.metadata
        return int(self._file.metadata.num_rows), int(said[b"channels"]), int(said[b"size"])

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    def take(self, positions: Sequence[int]) -> NDArray[np.float32]:
        import numpy as np

        chosen = _check(positions, len(self))
        _, channels, size = self.shape
        out = np.empty((len(chosen), channels, size), dtype=np.float32)
        groups, which = np.unique(chosen // self._group, return_inverse=True)
        column = self._file.read_row_groups(groups.tolist(), columns=[_KEY]).column(0)
        parts = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in column.chunks]
        rows = np.concatenate(parts).reshape(-1, channels, size)
        first = np.concatenate(
            ([0], np.cumsum([self._file.metadata.row_group(int(group)).num_rows for group in groups]))
        )
        np.take(rows, first[which] + chosen % self._group, axis=0, out=out)
        return out


_WRITERS: dict[str, Callable[[NDArray[np.float32], Path], None]] = {
    "h5": _write_h5,
    "parquet": _write_parquet,
    "memmap": _write_memmap,
}
_READERS: dict[str, Callable[[Path], StoredWindows]] = {"h5": _H5, "parquet": _Parquet, "memmap": _Memmap}
