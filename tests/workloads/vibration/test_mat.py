"""MATLAB files of Case Western Reserve's kind, composed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from assay.core.errors import WorkloadError
from assay.workloads.vibration.bearings import Fault
from assay.workloads.vibration.mat import KnownTest, describe_test, read_cwru


def _series(number: int, length: int = 50, places: str = "DE FE") -> dict[str, object]:
    names = {f"X{number:03d}_{place}_time": np.full((length, 1), number / 1000) for place in places.split()}
    return {**names, f"X{number:03d}RPM": np.array([[1772]])}


def test_a_test_is_read_with_its_fault_and_speed(tmp_path: Path) -> None:
    savemat(tmp_path / "106.mat", {**_series(106, places="DE FE BA"), "ans": "text", "odd": {"a": 1}})
    found = read_cwru(tmp_path / "106.mat")
    assert (found.number, found.shaft_rpm, found.known) == (106, 1772.0, KnownTest(Fault.INNER, 12_000.0, "DE"))
    assert list(found.series) == ["DE", "FE", "BA"]
    stacked = found.stack(("FE", "DE"))
    assert stacked.shape == (50, 2)
    assert stacked.dtype == np.float32
    with pytest.raises(WorkloadError, match="has no XX"):
        found.stack(("XX",))


def test_a_file_with_two_tests_gives_the_one_it_is_called_by(tmp_path: Path) -> None:
    both = {**_series(98, length=40), **_series(99, length=60)}
    savemat(tmp_path / "98.mat", both)
    savemat(tmp_path / "Normal_2.mat", both)
    assert read_cwru(tmp_path / "98.mat").number == 98
    assert len(read_cwru(tmp_path / "98.mat").series["DE"]) == 40
    assert read_cwru(tmp_path / "Normal_2.mat").number == 99


def test_series_of_different_length_are_cut_to_the_shortest(tmp_path: Path) -> None:
    savemat(tmp_path / "105.mat", {"X105_DE_time": np.zeros((9, 1)), "X105_FE_time": np.zeros((7, 1))})
    found = read_cwru(tmp_path / "105.mat")
    assert found.stack(("DE", "FE")).shape == (7, 2)
    assert found.shaft_rpm is None


@pytest.mark.parametrize(
    ("number", "stem", "expected"),
    [
        (97, "", KnownTest(Fault.HEALTHY, 48_000.0)),
        (130, "", KnownTest(Fault.OUTER, 12_000.0, "DE")),
        (188, "", KnownTest(Fault.BALL, 12_000.0, "DE")),
        (109, "", KnownTest(Fault.INNER, 48_000.0, "DE")),
        (278, "", KnownTest(Fault.INNER, 12_000.0, "FE")),
        (9, "OR014@6_2", KnownTest(Fault.OUTER)),
        (9, "12k_DE_IR007_1", KnownTest(Fault.INNER)),
        (9, "B021_3", KnownTest(Fault.BALL)),
        (9, "Normal_0", KnownTest(Fault.HEALTHY)),
        (9, "RB_1", KnownTest(None)),
        (9, "9", KnownTest(None)),
    ],
)
def test_tests_are_known_by_number_or_name(number: int, stem: str, expected: KnownTest) -> None:
    assert describe_test(number, stem) == expected


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="There is no file"):
        read_cwru(tmp_path / "1.mat")
    savemat(tmp_path / "2.mat", {"other": np.zeros(3)})
    with pytest.raises(WorkloadError, match="no series of an accelerometer; it has other"):
        read_cwru(tmp_path / "2.mat")
    (tmp_path / "3.mat").write_bytes(b"no matlab" * 100)
    with pytest.raises(WorkloadError, match="no MATLAB file that can be read"):
        read_cwru(tmp_path / "3.mat")
    savemat(tmp_path / "4.mat", {"X004_DE_time": "text"})
    with pytest.raises(WorkloadError, match="not an array of numbers"):
        read_cwru(tmp_path / "4.mat")
