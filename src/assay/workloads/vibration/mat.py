"""Recordings of the Case Western Reserve University bearing data center: MATLAB files, one a test.

A file has the time series of up to three accelerometers as ``X097_DE_time``, ``X097_FE_time`` and ``X097_BA_time``
(drive end, fan end, base) and perhaps the speed as ``X097RPM``. What was wrong with the bearing is not in the file: it
follows from its number, or from the name that many collections give it (``IR007_1.mat``, ``OR014@6_2.mat``,
``Normal_0.mat``). Source: engineering.case.edu/bearingdatacenter ("Download a data file"). May import: core; numpy and
scipy inside functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import WorkloadError
from assay.workloads.vibration.bearings import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

PLACES = ("DE", "FE", "BA")
_SERIES = re.compile(r"^X(?P<number>\d+)_?(?P<place>DE|FE|BA)_time$")
_SPEED = re.compile(r"^X(?P<number>\d+)RPM$")
_NAMED = re.compile(
    r"(?<![A-Za-z])(?P<fault>IR|OR|B|Normal)(?P<mils>\d{3})?(?:@\d+)?_(?P<load>\d)(?!\d)", re.IGNORECASE
)
_FAULTS = {"ir": Fault.INNER, "or": Fault.OUTER, "b": Fault.BALL, "normal": Fault.HEALTHY}


def _span(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(number for first, last in ranges for number in range(first, last + 1))


_HEALTHY = _span((97, 100))
_DRIVE_END_12K = {
    Fault.INNER: _span((105, 108), (169, 172), (209, 212), (3001, 3004)),
    Fault.BALL: _span((118, 121), (185, 188), (222, 225), (3005, 3008)),
    Fault.OUTER: _span((130, 133), (144, 147), (156, 156), (158, 160), (197, 200), (234, 237), (246, 249), (258, 261)),
}
_DRIVE_END_48K = {
    Fault.INNER: _span((109, 112), (174, 177), (213, 215), (217, 217)),
    Fault.BALL: _span((122, 125), (189, 192), (226, 229)),
    Fault.OUTER: _span((135, 138), (148, 151), (161, 164), (201, 204), (238, 241), (250, 253), (262, 265)),
}
_FAN_END_12K = {
    Fault.INNER: _span((270, 281)),
    Fault.BALL: _span((282, 293)),
    Fault.OUTER: _span((294, 318)),
}
_TABLES = (("DE", 12_000.0, _DRIVE_END_12K), ("DE", 48_000.0, _DRIVE_END_48K), ("FE", 12_000.0, _FAN_END_12K))


@dataclass(frozen=True, slots=True)
class KnownTest:
    """What is known of a test beside its signals: what was wrong, its rate, and with which bearing (``DE``, ``FE``)."""

    fault: Fault | None
    sample_rate_hz: float | None = None
    bearing: str | None = None


@dataclass(frozen=True, slots=True)
class MatRecording:
    """One file: float32 series by place (``DE``, ``FE``, ``BA``), all of one length.

    ``shaft_rpm`` is None where the file lacks it; what is in ``known`` where neither number nor name tells.
    """

    path: Path
    number: int
    series: Mapping[str, NDArray[np.float32]]
    shaft_rpm: float | None
    known: KnownTest

    def stack(self, places: tuple[str, ...]) -> NDArray[np.float32]:
        """Return float32 (length, channels), in this order. Raises WorkloadError where a place was not recorded."""
        import numpy as np

        missing = [place for place in places if place not in self.series]
        if missing:
            raise WorkloadError(f"{self.path.name} has no {', '.join(missing)}; it has {', '.join(self.series)}.")
        return np.stack([self.series[place] for place in places], axis=1)


def read_cwru(path: Path) -> MatRecording:
    """Read one ``.mat`` file. Raises WorkloadError for what is none of these files.

    Only the numeric variables named as above are read, so that nothing else in the file is even decoded. Normal_2.mat
    and a few others carry the series of a second test beside their own; the one whose number the file is called by is
    taken, else the one with most sensors.
    """
    import numpy as np
    from scipy.io import loadmat, whosmat

    if not path.is_file():
        raise WorkloadError(f"There is no file {path}.", hint="The data: engineering.case.edu/bearingdatacenter")
    try:
        present = {name for name, _, _ in whosmat(path)}
        wanted = sorted(name for name in present if _SERIES.match(name) or _SPEED.match(name))
        content = loadmat(path, variable_names=wanted) if wanted else {}
    except NotImplementedError as error:
        raise WorkloadError(f"{path.name} is a MATLAB 7.3 file; those of the data center are older.") from error
    except Exception as error:  # scipy raises whatever a damaged file makes it stumble over
        raise WorkloadError(
            f"{path.name} is no MATLAB file that can be read: {type(error).__name__}: {error}."
        ) from error
    tests: dict[int, dict[str, NDArray[np.float32]]] = {}
    speeds: dict[int, float] = {}
    for name in wanted:
        values = np.asarray(content[name]).ravel()
        if values.dtype.kind not in "fiu" or not len(values):
            raise WorkloadError(f"{path.name}: {name} is not an array of numbers.")
        if match := _SERIES.match(name):
            tests.setdefault(int(match["number"]), {})[match["place"]] = values.astype(np.float32)
        elif match := _SPEED.match(name):
            speeds[int(match["number"])] = float(values[0])
    if not tests:
        raise WorkloadError(
            f"{path.name} has no series of an accelerometer; it has {', '.join(sorted(present)) or 'nothing'}.",
            hint="Expected variables such as X097_DE_time.",
        )
    called = int(path.stem) if path.stem.isdecimal() else None
    number = called if called in tests else max(tests, key=lambda one: (len(tests[one]), one))
    series = {place: tests[number][place] for place in PLACES if place in tests[number]}
    shortest = min(len(values) for values in series.values())
    return MatRecording(
        path=path,
        number=number,
        series={place: values[:shortest] for place, values in series.items()},
        shaft_rpm=speeds.get(number),
        known=describe_test(called if called is not None else number, path.stem),
    )


def describe_test(number: int, stem: str = "") -> KnownTest:
    """Say what the number of a test tells, else the name of its file; None for what neither tells.

    The healthy recordings are taken to be at 48 000 samples a second, as most users of the data do: they are four times
    as long as the others of ten seconds, beside which the page lists them without a rate.
    """
    if number in _HEALTHY:
        return KnownTest(Fault.HEALTHY, 48_000.0)
    for bearing, rate_hz, table in _TABLES:
        for fault, numbers in table.items():
            if number in numbers:
                return KnownTest(fault, rate_hz, bearing)
    named = _NAMED.search(stem)
    return KnownTest(_FAULTS[named["fault"].lower()] if named else None)
