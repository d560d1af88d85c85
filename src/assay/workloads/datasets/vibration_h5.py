"""Vibration recordings of the user's in PHM-Vibench's layout: a table, and beside it one ``<Name>.h5`` a data set.

``vibration-h5:FOLDER/metadata.xlsx`` (or the folder, where it holds one table). Settings: ``?name=RM_001_CWRU`` takes
one of the data sets of the table, ``&windowing=``, ``&stride=``, ``&count=`` and ``&normalisation=`` are those of a
window plan. Samples are read when a batch needs them. Every fourth recording of a class is for testing; where a class
has but one, all are split by time instead. May import: core, workloads; numpy and h5py inside functions.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, datasets
from assay.workloads.datasets.places import read_place
from assay.workloads.vibration.h5 import INSTALL_HINT, H5Signals
from assay.workloads.vibration.metadata import Recording, read_metadata
from assay.workloads.vibration.split import Windows, WindowSplit, limit_split, need_channels, read_shape
from assay.workloads.vibration.windows import WindowPlan, window_starts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAME = "vibration-h5"
_SETTINGS = ("name", "windowing", "stride", "count", "normalisation")
_EVERY = 4
_TRAIN_SHARE = 0.75
_HASHED_BYTES = 1 << 30
_RANDOM_MARK = 7


def open_vibration_h5(request: DatasetRequest) -> Dataset:
    """Open the recordings: ``window`` (1024) and ``channels`` (2: the first two) can be chosen.

    Raises WorkloadError for a table, a file or a recording that is missing or not as the table has it.
    """
    place = read_place(_NAME, request.where, _SETTINGS, example=f"{_NAME}:/data/metadata.csv")
    table = _find_table(Path(place.text).expanduser())
    rows = _choose(read_metadata(table), place.settings.get("name"))
    window, channels = read_shape(request.shape)
    plan = WindowPlan(
        window,
        stride=place.count("stride"),
        count=place.count("count"),
        windowing=place.settings.get("windowing", "sequential"),
        normalisation=place.settings.get("normalisation", "zscore"),
    )
    files = {name: H5Signals(table.parent / f"{name}.h5") for name in dict.fromkeys(one.name for one in rows)}
    labelled = [one for one in rows if one.label is not None]
    kept = labelled or rows
    classes = sorted({one.label for one in labelled if one.label is not None})
    notes = _check(kept, files, channels, window)
    train, test, how = _split(kept, classes, files, plan, channels)
    train = limit_split(train, request.limit, request.seed)
    checksum, hashed = _hash(table, [one.path for one in files.values()])
    names = {one.label: one.label_description for one in labelled}
    info = DatasetInfo(
        name=_NAME,
        task=DataTask.SIGNALS,
        classes=max(1, len(classes)),
        train_samples=len(train),
        test_samples=len(test),
        shape={"window": window, "channels": channels},
        is_synthetic=False,
        source=f"{table.name}: {', '.join(files)}",
        checksum=checksum,
        labels=tuple(names.get(label) or str(label) for label in classes) or ("not labelled",),
        notes=(*notes, how, hashed, *_say_left_out(len(rows) - len(kept))),
    )
    return Dataset(info, train, test)


def _find_table(path: Path) -> Path:
    if not path.is_dir():
        return path  # reading it says what is wrong with it
    tables = sorted(
        one for one in path.iterdir() if one.suffix.lower() in (".csv", ".xlsx") and one.name[0] not in ".~"
    )
    if len(tables) != 1:
        found = ", ".join(one.name for one in tables) or "none"
        raise WorkloadError(
            f"{path} holds {len(tables)} tables ({found}); expected one .csv or .xlsx.",
            hint=f"Name it: {_NAME}:{path}/metadata.csv",
        )
    return tables[0]


def _choose(rows: Sequence[Recording], name: str | None) -> Sequence[Recording]:
    if name is None:
        return rows
    chosen = [one for one in rows if one.name == name]
    if not chosen:
        raise UnknownNameError("data set of the metadata", name, {one.name for one in rows})
    return chosen


def _check(rows: Sequence[Recording], files: dict[str, H5Signals], channels: int, window: int) -> tuple[str, ...]:
    """Compare the table with the files. The files are believed where a length differs, and a note says so."""
    differing = 0
    for one in rows:
        length, have = files[one.name].shape(one.id)
        need_channels(f"Recording {one.id} of {one.name}", have, channels)
        if length < window:
            raise WorkloadError(
                f"Recording {one.id} of {one.name} has {length} samples, less than a window of {window}.",
                hint=f"Use --shape window={length} or less, or take it out of the table.",
            )
        differing += (one.length, one.channels) != (length, have) and one.length is not None
    return (f"{differing} of {len(rows)} recordings have another shape than their table says",) if differing else ()


def _split(
    rows: Sequence[Recording], classes: Sequence[int], files: dict[str, H5Signals], plan: WindowPlan, channels: int
) -> tuple[WindowSplit, WindowSplit, str]:
    import numpy as np

    counts = Counter(one.label for one in rows)
    is_by_time = min(counts.values()) < 2  # noqa: PLR2004  (one to learn from, one to be asked about)
    sides: tuple[list[Windows], list[Windows]] = ([], [])
    seen: Counter[int | None] = Counter()
    for number, one in enumerate(rows):
        length = files[one.name].shape(one.id)[0]
        generator = np.random.default_rng([_RANDOM_MARK, number])
        label = classes.index(one.label) if one.label is not None else 0
        seen[one.label] += 1
        if is_by_time:
            border = int(length * _TRAIN_SHARE)
            reaches = ((0, border), (border, length))
        else:
            # The last of a class too, so that one with fewer than four is asked about as well.
            is_test = seen[one.label] % _EVERY == 0 or (
                counts[one.label] < _EVERY and seen[one.label] == counts[one.label]
            )
            reaches = ((0, 0), (0, length)) if is_test else ((0, length), (0, 0))
        for side, (first, last) in zip(sides, reaches, strict=True):
            if last - first >= plan.size:
                starts: NDArray[np.int64] = first + window_starts(last - first, plan, generator)
                side.append(Windows(files[one.name], one.id, starts, label))
    train, test = (
        WindowSplit(side, size=plan.size, channels=channels, normalisation=plan.normalisation) for side in sides
    )
    how = "test: the last quarter of each recording" if is_by_time else "test: every fourth recording of each class"
    return train, test, how


def _hash(table: Path, files: Sequence[Path]) -> tuple[str, str]:
    """Hash the table and the files; of large ones, whose reading would take longer than training, the first part."""
    digest = hashlib.sha256(table.read_bytes())
    sizes = [file.stat().st_size for file in files]
    each = None if sum(sizes) <= _HASHED_BYTES else _HASHED_BYTES // len(files)
    for file, size in zip(files, sizes, strict=True):
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as opened:
            left = size if each is None else min(size, each)
            while left and (part := opened.read(min(left, 1 << 20))):
                digest.update(part)
                left -= len(part)
    return digest.hexdigest(), "checksum: of table and files" + (
        "" if each is None else f", the first {each} bytes of each"
    )


def _say_left_out(rows: int) -> tuple[str, ...]:
    return (f"{rows} recordings without a label left out",) if rows else ()


datasets.add(
    _NAME,
    DatasetSource(
        name=_NAME,
        summary="Vibration recordings of yours: a metadata table (CSV, XLSX) and one .h5 a data set",
        task=DataTask.SIGNALS,
        is_synthetic=False,
        open=open_vibration_h5,
        takes_place="required",
        packages=("h5py",),
        install_hint=INSTALL_HINT,
    ),
)
