"""The same windows in each kind of file."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.vibration.storage import STORAGES, open_windows, write_windows

WINDOWS = np.random.default_rng(0).standard_normal((300, 2, 256)).astype(np.float32)


def _write(tmp_path: Path, kind: str) -> Path:
    if kind == "h5":
        pytest.importorskip("h5py", reason="needs h5py: pip install 'assay[vibration]'")
    return write_windows(WINDOWS, tmp_path, kind)


@pytest.mark.parametrize("kind", STORAGES)
def test_windows_are_read_by_position(tmp_path: Path, kind: str) -> None:
    stored = open_windows(_write(tmp_path, kind))
    assert len(stored) == 300
    assert stored.shape == (300, 2, 256)
    for positions in ([0], [299, 0, 7, 7, 150], list(range(300)), np.random.default_rng(1).permutation(300)):
        found = stored.take(positions)  # type: ignore[arg-type]  # an array is a sequence of positions too
        assert found.dtype == np.float32
        assert np.array_equal(found, WINDOWS[positions])
        found[:] = 0  # memory of its own
    assert np.array_equal(stored.take([5]), WINDOWS[[5]])
    copy = pickle.loads(pickle.dumps(stored))  # noqa: S301  (our own)
    assert np.array_equal(copy.take([3, 2]), WINDOWS[[3, 2]])


@pytest.mark.parametrize("kind", STORAGES)
def test_positions_outside_are_refused(tmp_path: Path, kind: str) -> None:
    stored = open_windows(_write(tmp_path, kind))
    for wrong in (-1, 300):
        with pytest.raises(WorkloadError, match=f"There is no sample {wrong}"):
            stored.take([0, wrong])


def test_wrong_windows_and_files(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Unknown storage 'hdf'"):
        write_windows(WINDOWS, tmp_path, "hdf")
    with pytest.raises(WorkloadError, match=r"expected \(n, channels, size\)"):
        write_windows(WINDOWS[0], tmp_path, "memmap")
    with pytest.raises(WorkloadError, match="There is no file"):
        open_windows(tmp_path / "windows.npy")
    (tmp_path / "windows.txt").touch()
    with pytest.raises(WorkloadError, match="no file of windows"):
        open_windows(tmp_path / "windows.txt")
