"""Vibration as data sets: generated, from MATLAB files, from HDF5 with a table."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from assay.core.errors import UnknownNameError, UsageError, WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetRequest, DataTask, datasets
from assay.workloads.vibration.bearings import Fault, SignalPlan, generate_signal
from assay.workloads.vibration.h5 import write_h5
from assay.workloads.vibration.metadata import Recording, write_metadata


def _open(name: str, where: str | None = None, *, limit: int | None = None, **shape: int) -> Dataset:
    return datasets.get(name).open(DatasetRequest(where=where, shape=shape, limit=limit))


def _check_batch(dataset: Dataset) -> None:
    """What every data set of signals must be."""
    info = dataset.info
    assert info.task is DataTask.SIGNALS
    assert (info.train_samples, info.test_samples) == (len(dataset.train), len(dataset.test))
    batch = dataset.train.take([0, len(dataset.train) - 1, 0])
    assert batch["signal"].shape == (3, info.shape["channels"], info.shape["window"])
    assert batch["signal"].dtype == np.float32
    assert batch["labels"].dtype == np.int64
    assert np.array_equal(batch["signal"][0], batch["signal"][2])
    again = pickle.loads(pickle.dumps(dataset.train)).take([0])  # noqa: S301  (our own)
    assert np.array_equal(again["signal"][0], batch["signal"][0])
    labels = dataset.test.take(range(len(dataset.test)))["labels"]
    assert set(labels) == set(range(info.classes)) == set(range(len(info.labels)))
    with pytest.raises(WorkloadError, match="There is no sample"):
        dataset.test.take([len(dataset.test)])


# -- generated -------------------------------------------------------------------------------------------------


def test_generated_bearings_are_synthetic_and_the_same_each_time() -> None:
    one = _open("bearings-synthetic", "60", window=128, channels=1)
    _check_batch(one)
    assert one.info.is_synthetic
    assert one.info.checksum is None
    assert len(one.train) == 60
    two = _open("bearings-synthetic", "60", window=128, channels=1)
    assert np.array_equal(one.train.take([9])["signal"], two.train.take([9])["signal"])
    other = _open("bearings-synthetic", "60?seed=1", window=128, channels=1)
    assert not np.array_equal(one.train.take([9])["signal"], other.train.take([9])["signal"])


def test_generated_bearings_have_every_class_alike_and_can_be_limited() -> None:
    whole = _open("bearings-synthetic", window=64)
    labels = whole.train.take(range(len(whole.train)))["labels"]
    assert np.bincount(labels).tolist() == [240] * 5
    few = _open("bearings-synthetic", "301", window=64, limit=20)
    assert len(few.train) == 20
    assert len(few.test) == len(whole.test)


def test_wrong_places_are_refused() -> None:
    with pytest.raises(WorkloadError, match="training windows='many'"):
        _open("bearings-synthetic", "many")
    with pytest.raises(UnknownNameError, match="Unknown setting of bearings-synthetic 'sead'"):
        _open("bearings-synthetic", "10?sead=3")


# -- Case Western Reserve --------------------------------------------------------------------------------------


def _write_cwru(folder: Path, number: int, fault: Fault, *, rate_hz: float = 12_000.0, length: int = 4_000) -> None:
    plan = SignalPlan(length, 2, fault, sample_rate_hz=rate_hz)
    signal = generate_signal(plan, np.random.default_rng(number))
    folder.mkdir(exist_ok=True)
    named = {f"X{number:03d}_{place}_time": signal[:, [index]] for index, place in enumerate(("DE", "FE"))}
    savemat(folder / f"{number}.mat", {**named, f"X{number:03d}RPM": 1772.0})


@pytest.fixture
def cwru(tmp_path: Path) -> Path:
    _write_cwru(tmp_path, 97, Fault.HEALTHY, rate_hz=48_000.0, length=16_000)
    _write_cwru(tmp_path / "faults", 105, Fault.INNER)
    _write_cwru(tmp_path / "faults", 130, Fault.OUTER)
    _write_cwru(tmp_path / "faults", 118, Fault.BALL)
    _write_cwru(tmp_path / "faults", 109, Fault.INNER, rate_hz=48_000.0)
    _write_cwru(tmp_path / "faults", 278, Fault.INNER)
    return tmp_path


def test_matlab_files_of_one_rate_are_taken(cwru: Path) -> None:
    found = _open("cwru", str(cwru), window=256)
    _check_batch(found)
    assert not found.info.is_synthetic
    assert found.info.labels == ("healthy", "inner race", "outer race", "ball")
    assert found.info.notes[0] == "4 recordings at 12000 Hz of the bearing DE, channels DE, FE; 2 files left out"
    # 4 000 samples each, the healthy one brought down from 16 000: 2 800 for training, 1 200 for testing.
    assert (len(found.train), len(found.test)) == (4 * 10, 4 * 4)
    assert found.info.checksum == _open("cwru", str(cwru), window=64).info.checksum
    _write_cwru(cwru, 97, Fault.HEALTHY, rate_hz=48_000.0, length=16_001)
    assert found.info.checksum != _open("cwru", str(cwru), window=256).info.checksum


def test_other_rates_and_places_can_be_chosen(cwru: Path) -> None:
    found = _open("cwru", f"{cwru}?rate=48000&places=FE", window=128, channels=1)
    assert found.info.notes[0] == "2 recordings at 48000 Hz of the bearing DE, channels FE; 4 files left out"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (None, "no place was given. Such as cwru:/data/cwru"),
        ("{0}/none", "is not there"),
        ("{0}?places=DE", r"1 accelerometer \(DE\) make no 2 channels. Use --shape channels=1"),
        ("{0}?places=DE,BA", "None of the 6 files"),
        ("{0}?places=DE,XY", "Unknown place of an accelerometer 'XY'"),
        ("{0}?rate=fast", "got rate='fast'"),
        ("{0}?bearing=middle", "Unknown bearing 'MIDDLE'. Expected one of: DE, FE"),
    ],
)
def test_wrong_folders_and_settings(cwru: Path, where: str | None, message: str) -> None:
    with pytest.raises((WorkloadError, UsageError), match=message):
        _open("cwru", where and where.format(cwru))


def test_an_empty_folder_says_where_the_data_are(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"There is no \.mat file in .* engineering\.case\.edu"):
        _open("cwru", str(tmp_path))


# -- HDF5 with a table -----------------------------------------------------------------------------------------


def _write_rig(
    folder: Path, labels: list[int | None], *, length: int = 2_000, channels: int = 2, said: int | None = None
) -> Path:
    pytest.importorskip("h5py", reason="needs h5py: pip install 'assay[vibration]'")
    random = np.random.default_rng(0)
    signals = {number: random.standard_normal((length, channels)).astype(np.float32) for number in range(len(labels))}
    write_h5(folder / "Rig.h5", signals)
    rows = [
        Recording(
            str(number), "Rig", label=label, label_description=f"kind {label}", length=said or length, channels=channels
        )
        for number, label in enumerate(labels)
    ]
    return write_metadata(folder / "metadata.csv", rows)


def test_recordings_are_split_whole_where_there_are_enough(tmp_path: Path) -> None:
    table = _write_rig(tmp_path, [5, 5, 5, 5, 9, 9, 9, 9])
    found = _open("vibration-h5", str(tmp_path), window=500)
    _check_batch(found)
    assert found.info.labels == ("kind 5", "kind 9")
    assert (len(found.train), len(found.test)) == (6 * 4, 2 * 4)
    assert "test: every fourth recording of each class" in found.info.notes
    assert len(found.info.checksum or "") == 64
    windows = {one.tobytes() for one in found.train.take(range(len(found.train)))["signal"]}
    assert not windows & {one.tobytes() for one in found.test.take(range(len(found.test)))["signal"]}
    assert _open("vibration-h5", f"{table}?name=Rig", window=500).info == found.info


def test_single_recordings_are_split_by_time(tmp_path: Path) -> None:
    _write_rig(tmp_path, [0, 1, None])
    found = _open("vibration-h5", str(tmp_path), window=250)
    _check_batch(found)
    assert (len(found.train), len(found.test)) == (2 * 6, 2 * 2)
    assert "test: the last quarter of each recording" in found.info.notes
    assert "1 recordings without a label left out" in found.info.notes


def test_recordings_without_labels_are_of_one_class(tmp_path: Path) -> None:
    _write_rig(tmp_path, [None, None])
    found = _open("vibration-h5", str(tmp_path), window=250)
    _check_batch(found)
    assert found.info.labels == ("not labelled",)


def test_window_plans_come_from_the_place(tmp_path: Path) -> None:
    table = _write_rig(tmp_path, [0, 0, 1, 1], said=1_999)
    where = f"{table}?windowing=random&count=7&normalisation=minmax"
    found = _open("vibration-h5", where, window=100)
    assert (len(found.train), len(found.test)) == (14, 14)
    assert found.train.take([0])["signal"].min() == 0
    assert "4 of 4 recordings have another shape than their table says" in found.info.notes
    same = _open("vibration-h5", where, window=100)
    assert np.array_equal(found.train.take([3])["signal"], same.train.take([3])["signal"])
    assert len(_open("vibration-h5", f"{table}?stride=50&count=9", window=100, limit=5).train) == 5


@pytest.mark.parametrize(
    ("where", "shape", "message"),
    [
        ("{0}?name=Rigg", {}, "Unknown data set of the metadata 'Rigg'. Did you mean 'Rig'"),
        ("{0}", {"channels": 3}, "Recording 0 of Rig has 2 channels, and channels=3 was asked for"),
        ("{0}", {"window": 2_001}, "has 2000 samples, less than a window of 2001"),
        ("{0}?windowing=some", {}, "expected one of sequential, random, even"),
        ("{0}?stride=0", {}, "got stride='0'"),
        ("{0}/none.csv", {}, "There is no metadata file"),
        ("", {}, "no place was given"),
    ],
)
def test_wrong_tables_and_settings(tmp_path: Path, where: str, shape: dict[str, int], message: str) -> None:
    _write_rig(tmp_path, [0, 1])
    with pytest.raises((WorkloadError, UsageError), match=message):
        _open("vibration-h5", where.format(tmp_path), **shape)


def test_missing_files_and_recordings_are_named(tmp_path: Path) -> None:
    table = _write_rig(tmp_path, [0, 1])
    write_metadata(table, [Recording("7", "Rig", label=0)])
    with pytest.raises(WorkloadError, match="holds no recording '7'; it holds 0, 1"):
        _open("vibration-h5", str(table))
    (tmp_path / "Rig.h5").unlink()
    with pytest.raises(WorkloadError, match=r"There is no file .*Rig\.h5"):
        _open("vibration-h5", str(table))
    (tmp_path / "other.csv").touch()
    with pytest.raises(WorkloadError, match=r"holds 2 tables \(metadata\.csv, other\.csv\)"):
        _open("vibration-h5", str(tmp_path))
