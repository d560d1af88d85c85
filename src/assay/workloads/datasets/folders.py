"""Folders of pictures: one folder a class (torchvision's ImageFolder), or pictures beside their masks.

``image-folder:PATH`` with ``PATH/train/CLASS/file`` and ``PATH/test/CLASS/file`` (or ``val``), or ``PATH/CLASS/file``
alone, whose fifth is then taken for testing, by the hash of the name. ``segmentation-folder:PATH`` with
``images/NAME.png`` and ``masks/NAME.png``, split likewise. Pictures are decoded when a batch needs them. May import:
core, workloads.datasets; numpy inside functions.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import (
    Batch,
    Dataset,
    DatasetInfo,
    DatasetRequest,
    DatasetSource,
    DataTask,
    datasets,
)
from assay.workloads.datasets.checksums import check_files
from assay.workloads.datasets.places import Place, read_folder, read_place

_T = TypeVar("_T")
TEST_SHARE = 5
"""One sample in so many is for testing where the data do not say which."""
_TRAIN_NAMES, _TEST_NAMES = ("train", "training"), ("test", "val", "valid", "validation")


@dataclass(frozen=True, slots=True)
class ClassFiles:
    """Pictures with a class each; ``side`` and ``channels`` are what they are brought to."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    side: int
    channels: int

    def __len__(self) -> int:
        return len(self.files)

    def take(self, positions: Sequence[int]) -> Batch:
        """Decode these pictures. Raises WorkloadError for one that cannot be read, by its name."""
        import numpy as np

        from assay.workloads.datasets.arrays import check_positions, normalise_pixels, resize_smooth
        from assay.workloads.datasets.pictures import read_picture

        chosen = check_positions(positions, len(self)).tolist()
        pixels = np.empty((len(chosen), self.channels, self.side, self.side), dtype=np.uint8)
        for row, position in enumerate(chosen):
            pixels[row] = resize_smooth(read_picture(self.files[position], self.channels), self.side)
        labels = np.array([self.labels[position] for position in chosen], dtype=np.int64)
        return {"pixel_values": normalise_pixels(pixels), "labels": labels}


@dataclass(frozen=True, slots=True)
class MaskFiles:
    """Pictures and their masks; masks are resized by the nearest pixel, so that classes stay what they are."""

    files: tuple[Path, ...]
    masks: tuple[Path, ...]
    classes: int
    side: int
    channels: int

    def __len__(self) -> int:
        return len(self.files)

    def take(self, positions: Sequence[int]) -> Batch:
        """Decode these pictures and masks. Raises WorkloadError for one that cannot be read or has a wrong class."""
        import numpy as np

        from assay.workloads.datasets.arrays import check_positions, normalise_pixels, resize_nearest, resize_smooth
        from assay.workloads.datasets.pictures import read_mask, read_picture

        chosen = check_positions(positions, len(self)).tolist()
        pixels = np.empty((len(chosen), self.channels, self.side, self.side), dtype=np.uint8)
        labels = np.empty((len(chosen), self.side, self.side), dtype=np.int64)
        for row, position in enumerate(chosen):
            mask, picture = read_mask(self.masks[position]), read_picture(self.files[position], self.channels)
            if mask.shape != picture.shape[1:]:
                raise WorkloadError(
                    f"{self.masks[position]} is {mask.shape[1]} x {mask.shape[0]} and its picture "
                    f"{picture.shape[2]} x {picture.shape[1]}; expected one size."
                )
            if mask.max() >= self.classes:
                raise WorkloadError(
                    f"{self.masks[position]} holds the value {mask.max()}; expected classes below {self.classes}.",
                    hint="Give pixels that belong to nothing a class of their own, or set ?classes=.",
                )
            pixels[row], labels[row] = resize_smooth(picture, self.side), resize_nearest(mask, self.side)
        return {"pixel_values": normalise_pixels(pixels), "labels": labels}


def open_image_folder(request: DatasetRequest) -> Dataset:
    """Open one folder a class: ``image`` (the first picture's shorter side) and ``channels`` (its) can be chosen.

    Raises WorkloadError for a folder without classes, a class without pictures, or splits that do not agree.
    """
    name = "image-folder"
    place = read_place(name, request.where, (), example=f"{name}:/data/flowers")
    root = read_folder(name, place)
    parts = _find_parts(root)
    classes = tuple(sorted(one.name for one in _folders(parts[0])))
    if not classes:
        raise WorkloadError(f"{parts[0]} holds no folders.", hint="Expected one folder a class, with pictures in it.")
    if len(parts) > 1:
        _compare_classes(parts[1], classes)
    listed = [
        [(file, number) for number, one in enumerate(classes) for file in _pictures(part / one)] for part in parts
    ]
    train, test = listed if len(listed) > 1 else _divide(listed[0], root)
    _need_samples(root, train, test)
    train = _limit(train, request)
    side, channels = _choose_shape(train[0][0], request)
    made = [
        ClassFiles(tuple(file for file, _ in rows), tuple(number for _, number in rows), side, channels)
        for rows in (train, test)
    ]
    checked = check_files(root, (file for part in listed for file, _ in part))
    notes = (*checked.notes, *_say_divided(parts))
    info = _describe(name, DataTask.IMAGES, root, classes, made, (side, channels), checked.checksum, notes)
    return Dataset(info, made[0], made[1])


def open_segmentation_folder(request: DatasetRequest) -> Dataset:
    """Open pictures with masks. Classes: the lines of ``classes.txt``, else ``?classes=``, else the masks are all read.

    Raises WorkloadError for a picture without a mask, or the other way round.
    """
    name = "segmentation-folder"
    place = read_place(name, request.where, ("classes",), example=f"{name}:/data/cells")
    root = read_folder(name, place)
    parts = _find_parts(root)
    listed = [_pair(part) for part in parts]
    train, test = listed if len(listed) > 1 else _divide(listed[0], root)
    _need_samples(root, train, test)
    labels = _read_classes(root, place, [mask for part in listed for _, mask in part])
    train = _limit(train, request)
    side, channels = _choose_shape(train[0][0], request)
    made = [
        MaskFiles(tuple(file for file, _ in rows), tuple(mask for _, mask in rows), len(labels), side, channels)
        for rows in (train, test)
    ]
    checked = check_files(root, (file for part in listed for pair in part for file in pair))
    notes = (*checked.notes, *_say_divided(parts))
    info = _describe(name, DataTask.SEGMENTATION, root, labels, made, (side, channels), checked.checksum, notes)
    return Dataset(info, made[0], made[1])


def is_for_testing(key: str) -> bool:
    """True for a fifth of all keys, always the same."""
    return zlib.crc32(key.encode()) % TEST_SHARE == 0


def _find_parts(root: Path) -> list[Path]:
    """Return the folders of the training and the test split, or the one folder that holds all."""
    train = next((root / one for one in _TRAIN_NAMES if (root / one).is_dir()), None)
    test = next((root / one for one in _TEST_NAMES if (root / one).is_dir()), None)
    if train is None and test is None:
        return [root]
    if train is None or test is None:
        has, lacks = ("train", "test or val") if test is None else ("test", "train")
        raise WorkloadError(f"{root} has a folder {has} and none called {lacks}.", hint="Give both, or neither.")
    return [train, test]


def _folders(root: Path) -> list[Path]:
    return [one for one in root.iterdir() if one.is_dir() and not one.name.startswith(".")]


def _pictures(folder: Path) -> list[Path]:
    from assay.workloads.datasets.pictures import ENDS, is_picture

    found = sorted(one for one in folder.rglob("*") if is_picture(one) and one.is_file()) if folder.is_dir() else []
    if not found:
        raise WorkloadError(f"There are no pictures in {folder}.", hint=f"Expected files such as {', '.join(ENDS)}.")
    return found


def _compare_classes(test: Path, classes: tuple[str, ...]) -> None:
    others = {one.name for one in _folders(test)}
    if others != set(classes):
        odd = ", ".join(sorted(others ^ set(classes)))
        raise WorkloadError(f"The splits have different classes: {odd} is in one alone, of {test} and its neighbour.")


def _pair(part: Path) -> list[tuple[Path, Path]]:
    images, masks = ({one.stem: one for one in _pictures(part / kind)} for kind in ("images", "masks"))
    alone = sorted(images.keys() ^ masks.keys())
    if alone:
        lacks = "mask" if alone[0] in images else "picture"
        raise WorkloadError(
            f"{part}: {alone[0]!r} has no {lacks}, as {len(alone) - 1} others.",
            hint="Expected images/NAME and masks/NAME with the same names before the dot.",
        )
    return [(images[stem], masks[stem]) for stem in sorted(images)]


def _read_classes(root: Path, place: Place, masks: Iterable[Path]) -> tuple[str, ...]:
    file = root / "classes.txt"
    if file.is_file():
        return tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    count = place.count("classes")
    if count is None:
        from assay.workloads.datasets.pictures import read_mask

        count = 1 + max(int(read_mask(one).max()) for one in masks)
    return tuple(map(str, range(count)))


def _divide(rows: list[tuple[Path, _T]], root: Path) -> tuple[list[tuple[Path, _T]], list[tuple[Path, _T]]]:
    marks = [is_for_testing(file.relative_to(root).with_suffix("").as_posix()) for file, _ in rows]
    return (
        [row for row, is_test in zip(rows, marks, strict=True) if not is_test],
        [row for row, is_test in zip(rows, marks, strict=True) if is_test],
    )


def _need_samples(root: Path, *splits: Sequence[object]) -> None:
    if not all(splits):
        raise WorkloadError(
            f"{root} holds too few pictures: {len(splits[0])} to train with and {len(splits[1])} to test with.",
            hint="Make folders train and test.",
        )


def _limit(rows: list[_T], request: DatasetRequest) -> list[_T]:
    from assay.workloads.datasets.arrays import limit_samples

    kept = limit_samples(len(rows), request.limit, seed=request.seed)
    return rows if isinstance(kept, slice) else [rows[position] for position in kept.tolist()]


def _choose_shape(first: Path, request: DatasetRequest) -> tuple[int, int]:
    from assay.workloads.datasets.pictures import read_picture

    channels, height, width = read_picture(first).shape
    return request.shape.get("image", min(height, width)), request.shape.get("channels", channels)


def _say_divided(parts: Sequence[Path]) -> tuple[str, ...]:
    return () if len(parts) > 1 else ("no split was given: a fifth is for testing, by the hash of the name",)


def _describe(
    name: str,
    task: DataTask,
    root: Path,
    labels: tuple[str, ...],
    made: Sequence[ClassFiles] | Sequence[MaskFiles],
    shape: tuple[int, int],
    checksum: str,
    notes: tuple[str, ...],
) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        task=task,
        classes=len(labels),
        train_samples=len(made[0]),
        test_samples=len(made[1]),
        shape={"image": shape[0], "channels": shape[1]},
        is_synthetic=False,
        source=f"the folder {root.name}",
        checksum=checksum,
        labels=labels,
        notes=notes,
    )


datasets.add(
    "image-folder",
    DatasetSource(
        name="image-folder",
        summary="a folder of yours with one folder a class, as torchvision's ImageFolder",
        task=DataTask.IMAGES,
        is_synthetic=False,
        open=open_image_folder,
        takes_place="required",
    ),
)
datasets.add(
    "segmentation-folder",
    DatasetSource(
        name="segmentation-folder",
        summary="a folder of yours with images and masks of the same names",
        task=DataTask.SEGMENTATION,
        is_synthetic=False,
        open=open_segmentation_folder,
        takes_place="required",
    ),
)
