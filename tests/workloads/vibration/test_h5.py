"""Recordings in HDF5, written and read back, in this process and in others, whole and damaged."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest

from assay.core.errors import WorkloadError
from assay.workloads.vibration.h5 import H5Signals, write_h5

h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'assay[vibration]'")

SIGNAL = np.random.default_rng(0).standard_normal((1_000, 3)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_h5(tmp_path / "Rig.h5", [(7, SIGNAL), ("8", SIGNAL[:10, :1].astype(np.float64))])


def test_what_is_written_is_read(path: Path) -> None:
    with H5Signals(path) as signals:
        assert signals.ids() == ("7", "8")
        assert signals.shape(7) == (1_000, 3)
        assert signals.shape("8") == (10, 1)
        part = signals.read(7, 100, 164)
        assert part.dtype == np.float32
        assert np.array_equal(part, SIGNAL[100:164])
        assert np.array_equal(signals.read("7"), SIGNAL)
        assert signals.read(8).dtype == np.float32


def test_the_layout_is_one_dataset_a_recording_under_its_id(path: Path) -> None:
    with h5py.File(path) as file:
        assert sorted(file) == ["7", "8"]
        assert file["7"].shape == (1_000, 3)
        assert file["7"].dtype == np.float32
        assert file["8"].dtype == np.float64


def test_files_of_older_writers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "Old.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("1", data=SIGNAL, chunks=(64, 3), compression="gzip")
    assert np.array_equal(H5Signals(path).read(1, 5, 900), SIGNAL[5:900])


def test_nothing_is_opened_before_it_is_read_and_each_process_opens_for_itself(path: Path) -> None:
    signals = H5Signals(path)
    assert signals._file is None
    signals.read(7, 0, 1)
    copy = pickle.loads(pickle.dumps(signals))  # noqa: S301  (our own)
    assert copy._file is None
    assert np.array_equal(copy.read(7, 0, 9), SIGNAL[:9])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_fork_does_not_share_the_handle(path: Path) -> None:
    signals = H5Signals(path)
    signals.read(7, 0, 1)
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        total = pool.apply(_sum_in_child, (signals, id(signals._file)))
    assert total == pytest.approx(float(SIGNAL.sum()), rel=1e-3)
    assert signals.read(7, 5, 6)[0, 0] == SIGNAL[5, 0]


def _sum_in_child(signals: H5Signals, parents: int) -> float:
    total = float(signals.read(7).sum())
    assert id(signals._file) != parents
    return total


def test_a_file_that_is_still_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "Live.h5"
    with h5py.File(path, "w", libver="latest") as file:
        growing = file.create_dataset("1", shape=(4, 1), maxshape=(None, 1), dtype="f4", chunks=(4, 1))
        file.swmr_mode = True
        growing.resize((8, 1))
        growing[:] = 1
        growing.flush()
        assert H5Signals(path).read(1, 0, 8).sum() == 8


def test_errors_say_what_is_there(path: Path, tmp_path: Path) -> None:
    signals = H5Signals(path)
    with pytest.raises(WorkloadError, match="holds no recording '9'; it holds 7, 8"):
        signals.read(9)
    for start, stop in ((0, 1_001), (-1, 5), (5, 5)):
        with pytest.raises(WorkloadError, match=f"{start} to {stop} was asked for"):
            signals.read(7, start, stop)
    with pytest.raises(WorkloadError, match="There is no file"):
        H5Signals(tmp_path / "Other.h5")
    broken = tmp_path / "Broken.h5"
    for content in (path.read_bytes()[:-500], b"no HDF5", b""):
        broken.write_bytes(content)
        with pytest.raises(WorkloadError, match="no HDF5 file that can be read"):
            H5Signals(broken).ids()


def test_other_things_in_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "Odd.h5"
    with h5py.File(path, "w") as file:
        file.create_group("group")
        file.create_dataset("flat", data=np.zeros(4))
        file.create_dataset("text", data=[[b"a"]])
    for name in ("group", "flat", "text"):
        with pytest.raises(WorkloadError, match="expected an array of numbers"):
            H5Signals(path).read(name)


def test_a_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"Recording 2 has the shape \(5,\)"):
        write_h5(tmp_path / "Half.h5", [(1, SIGNAL), (2, np.zeros(5))])
    assert list(tmp_path.iterdir()) == []
