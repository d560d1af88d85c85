"""The bearing recordings of Case Western Reserve University, from the ``.mat`` files that the user has.

``cwru:FOLDER`` reads every ``.mat`` below a folder; ``?rate=48000`` takes the tests recorded at that rate (12 000
without it; healthy recordings, which are at 48 000, are brought down to it), ``&bearing=FE`` those with the fault in
the fan-end bearing, ``&places=DE,FE,BA`` says which accelerometers are the channels. There is one recording a test, so
the split is by time: of each, the first 70 % are for training. May import: core, workloads; numpy and scipy inside
functions.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, datasets
from assay.workloads.datasets.places import Place, read_folder, read_place
from assay.workloads.vibration.bearings import Fault
from assay.workloads.vibration.mat import PLACES, MatRecording, read_cwru
from assay.workloads.vibration.split import HeldSignals, Windows, WindowSplit, limit_split, read_shape
from assay.workloads.vibration.windows import WindowPlan, window_starts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAME = "cwru"
_RATE_HZ = 12_000
_TRAIN_SHARE = 0.7
_BEARINGS = ("DE", "FE")
_FAULTS = (Fault.HEALTHY, Fault.INNER, Fault.OUTER, Fault.BALL)


def open_cwru(request: DatasetRequest) -> Dataset:
    """Read the files: ``window`` (1024) and ``channels`` (2: drive end and fan end) can be chosen.

    Raises WorkloadError for a folder without such files, or a file that is damaged.
    """
    place = read_place(_NAME, request.where, ("rate", "places", "bearing"), example=f"{_NAME}:/data/cwru")
    folder = read_folder(_NAME, place)
    rate_hz = place.count("rate") or _RATE_HZ
    window, channels = read_shape(request.shape)
    places = _read_places(place, channels)
    bearing = place.settings.get("bearing", "DE").upper()
    if bearing not in _BEARINGS:
        raise UnknownNameError("bearing", bearing, _BEARINGS)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".mat")
    if not files:
        raise WorkloadError(
            f"There is no .mat file in {folder}.", hint="The data: engineering.case.edu/bearingdatacenter"
        )
    signals: dict[str, NDArray[np.float32]] = {}
    labels: dict[str, int] = {}
    digest = hashlib.sha256()
    left_out = 0
    for file in files:
        recording = read_cwru(file)
        known = recording.known
        signal = _resample(recording, places, rate_hz)
        if signal is None or known.fault not in _FAULTS or known.bearing not in (bearing, None):
            left_out += 1
            continue
        name = file.relative_to(folder).as_posix()
        digest.update(file.read_bytes())
        signals[name], labels[name] = signal, _FAULTS.index(known.fault)
    if not signals:
        raise WorkloadError(
            f"None of the {len(files)} files in {folder} is a test at {rate_hz} Hz with {', '.join(places)}.",
            hint="Files are known by the number that the data center gave them, or by names such as IR007_1.mat.",
        )
    train, test = _split_by_time(signals, labels, window, channels)
    train = limit_split(train, request.limit, request.seed)
    info = DatasetInfo(
        name=_NAME,
        task=DataTask.SIGNALS,
        classes=len(_FAULTS),
        train_samples=len(train),
        test_samples=len(test),
        shape={"window": window, "channels": channels},
        is_synthetic=False,
        source="Case Western Reserve University bearing data center",
        checksum=digest.hexdigest(),
        labels=tuple(map(str, _FAULTS)),
        notes=(
            (
                f"{len(signals)} recordings at {rate_hz} Hz of the bearing {bearing}, channels {', '.join(places)}; "
                f"{left_out} files left out"
            ),
            "test: the last 30 % of each recording, so the same bearings as in training",
        ),
    )
    return Dataset(info, train, test)


def _read_places(place: Place, channels: int) -> tuple[str, ...]:
    given = tuple(filter(None, place.settings.get("places", "").upper().split(",")))
    for one in given:
        if one not in PLACES:
            raise UnknownNameError("place of an accelerometer", one, PLACES)
    places = given or PLACES[:channels]
    if len(places) != channels:
        raise WorkloadError(
            f"{len(places)} accelerometer{'s' * (len(places) > 1)} ({', '.join(places)}) make no {channels} channels.",
            hint=f"Use --shape channels={len(places)}.",
        )
    return places


def _resample(recording: MatRecording, places: tuple[str, ...], rate_hz: int) -> NDArray[np.float32] | None:
    """Return (length, channels) at the rate, None where the test is of another or lacks a place.

    A file that does not tell its rate is taken to be at the one that is asked for. Only healthy recordings are brought
    down, because those of each fault exist at both rates.
    """
    import numpy as np

    if any(one not in recording.series for one in places):
        return None
    signal = recording.stack(places)
    own_hz = recording.known.sample_rate_hz
    if own_hz is None or own_hz == rate_hz:
        return signal
    if recording.known.fault is not Fault.HEALTHY or own_hz % rate_hz:
        return None
    from scipy.signal import decimate

    return np.ascontiguousarray(decimate(signal, int(own_hz // rate_hz), axis=0), dtype=np.float32)


def _split_by_time(
    signals: dict[str, NDArray[np.float32]], labels: dict[str, int], window: int, channels: int
) -> tuple[WindowSplit, WindowSplit]:
    held = HeldSignals(signals)
    parts: tuple[list[Windows], list[Windows]] = ([], [])
    plan = WindowPlan(window)
    for name, signal in signals.items():
        border = int(len(signal) * _TRAIN_SHARE)
        for side, (first, last) in zip(parts, ((0, border), (border, len(signal))), strict=True):
            if last - first >= window:
                side.append(Windows(held, name, first + window_starts(last - first, plan), labels[name]))
    train, test = (WindowSplit(side, size=window, channels=channels) for side in parts)
    return train, test


datasets.add(
    _NAME,
    DatasetSource(
        name=_NAME,
        summary="Bearing faults of Case Western Reserve University, from .mat files of yours",
        task=DataTask.SIGNALS,
        is_synthetic=False,
        open=open_cwru,
        takes_place="required",
        packages=("scipy",),
        install_hint="The data: engineering.case.edu/bearingdatacenter",
    ),
)
