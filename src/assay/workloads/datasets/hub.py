"""Data sets of the Hugging Face hub, by their own library: ``hub:OWNER/NAME``, or a folder that it can read.

What there is to be learned follows from the columns: a picture, or else a text. Settings: ``?config=``, ``revision=``,
``train=`` and ``test=`` (names of splits), ``text=``, ``image=`` and ``label=`` (names of columns). No code of the
repository is executed. May import: core, workloads.datasets; numpy and datasets inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from assay.workloads.datasets.places import Place, read_place

_SETTINGS = ("config", "revision", "train", "test", "text", "image", "label")
_TEST_NAMES = ("test", "validation", "valid", "dev")
_TEXT_COLUMNS, _IMAGE_COLUMNS = ("text", "sentence", "review", "content"), ("image", "img")
_LABEL_COLUMNS = ("label", "labels", "fine_label", "class")
_HINT = "pip install 'assay[hub]'"


@dataclass(frozen=True, slots=True)
class HubPictures:
    """Pictures of a table of the hub, decoded when a batch needs them."""

    table: Any
    image: str
    labels: tuple[int, ...]
    side: int
    channels: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Sequence[int]) -> Batch:
        """Decode these pictures."""
        import numpy as np

        from assay.workloads.datasets.arrays import check_positions, normalise_pixels, resize_smooth

        chosen = check_positions(positions, len(self)).tolist()
        mode = "L" if self.channels == 1 else "RGB"
        pixels = np.empty((len(chosen), self.channels, self.side, self.side), dtype=np.uint8)
        for row, position in enumerate(chosen):
            found = np.asarray(self.table[position][self.image].convert(mode))
            planes = found[None] if self.channels == 1 else np.moveaxis(found, -1, 0)
            pixels[row] = resize_smooth(planes, self.side)
        labels = np.array([self.labels[position] for position in chosen], dtype=np.int64)
        return {"pixel_values": normalise_pixels(pixels), "labels": labels}


def open_hub(request: DatasetRequest) -> Dataset:
    """Open a data set of the hub, from its cache where it is there: ``image``, ``channels`` and ``seq`` can be chosen.

    Raises WorkloadError where the library is not installed, the hub cannot be reached, or columns are not found.
    """
    place = read_place("hub", request.where, _SETTINGS, example="hub:stanfordnlp/sst2?text=sentence")
    parts = _load(place)
    train = parts[_choose(place, "train", ("train",), parts, "split")]
    test = parts[_choose(place, "test", _TEST_NAMES, parts, "split")]
    columns = train.column_names
    label = _choose(place, "label", _LABEL_COLUMNS, columns, "column")
    names = getattr(train.features[label], "names", None)
    checksum = _checksum(train, test)
    has_pictures = "text" not in place.settings and (
        "image" in place.settings or any(one in columns for one in _IMAGE_COLUMNS)
    )
    if has_pictures:
        image = _choose(place, "image", _IMAGE_COLUMNS, columns, "column")
        return _open_pictures(place, request, (train, test), (image, label), names, checksum)
    from assay.workloads.datasets.tables import Labelled, make_text_dataset

    text = _choose(place, "text", _TEXT_COLUMNS, columns, "column")
    splits = [Labelled([str(one) for one in part[text]], [str(one) for one in part[label]]) for part in (train, test)]
    return make_text_dataset(
        "hub",
        splits[0],
        splits[1],
        request,
        vocabulary=None,
        source=_describe_source(place),
        checksum=checksum,
        labels=tuple(names or ()),
    )


def _load(place: Place) -> Mapping[str, Any]:
    try:
        import datasets as hub
    except ImportError as error:
        raise WorkloadError("The library datasets is not installed.", hint=_HINT) from error
    folder = Path(place.text).expanduser()
    try:
        if (folder / "dataset_dict.json").is_file():
            found = hub.load_from_disk(str(folder))
        else:
            where = str(folder) if folder.is_dir() else place.text
            found = hub.load_dataset(where, place.settings.get("config"), revision=place.settings.get("revision"))
    except Exception as error:  # the library lets through whatever its file systems and readers raise
        first_line = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WorkloadError(
            f"{place.text!r} could not be loaded from the hub or its cache: {first_line}",
            hint="Without a network: load it once where there is one (its cache is HF_HOME), give a folder, or take a "
            "stand-in such as cifar10-synthetic or sst2-synthetic.",
        ) from error
    return dict(found)


def _choose(place: Place, role: str, usual: Sequence[str], have: Any, what: str) -> str:
    asked = place.settings.get(role)
    found = next((name for name in ((asked,) if asked else usual) if name in have), None)
    if found is None:
        raise WorkloadError(
            f"{place.text} has no {what} {asked or ' or '.join(usual)!r}; it has {', '.join(have)}.",
            hint=f"Name it: ?{role}=NAME",
        )
    return found


def _open_pictures(
    place: Place,
    request: DatasetRequest,
    parts: tuple[Any, Any],
    columns: tuple[str, str],
    names: Sequence[str] | None,
    checksum: str | None,
) -> Dataset:
    from assay.workloads.datasets.arrays import limit_samples

    image, label = columns
    train, test = parts
    kept = limit_samples(len(train), request.limit, seed=request.seed)
    if not isinstance(kept, slice):
        train = train.select(kept.tolist())
    first = train[0][image]
    side = request.shape.get("image", min(first.size))
    channels = request.shape.get("channels", 1 if first.mode in {"L", "1"} else 3)
    labels = [tuple(int(one) for one in part[label]) for part in (train, test)]
    classes = len(names) if names else 1 + max(map(max, labels))
    if min(map(min, labels)) < 0:
        raise WorkloadError(
            f"{place.text} has samples without a label (-1).", hint="Name a split that has labels: ?test=validation"
        )
    info = DatasetInfo(
        name="hub",
        task=DataTask.IMAGES,
        classes=classes,
        train_samples=len(train),
        test_samples=len(test),
        shape={"image": side, "channels": channels},
        is_synthetic=False,
        source=_describe_source(place),
        checksum=checksum,
        labels=tuple(names or map(str, range(classes))),
    )
    made = [HubPictures(part, image, of, side, channels) for part, of in zip((train, test), labels, strict=True)]
    return Dataset(info, made[0], made[1])


def _describe_source(place: Place) -> str:
    revision = place.settings.get("revision")
    name = Path(place.text).name if Path(place.text).expanduser().is_dir() else place.text
    return f"Hugging Face datasets: {name}" + (f" at {revision}" if revision else "")


def _checksum(*parts: Any) -> str | None:
    """Hash the Arrow files that were read; None where the library keeps none, or they are many."""
    from assay.workloads.datasets.checksums import HASHED_BYTES, hash_file

    files = list(dict.fromkeys(Path(one["filename"]) for part in parts for one in part.cache_files))
    with contextlib.suppress(OSError):
        if files and sum(one.stat().st_size for one in files) <= HASHED_BYTES:
            import hashlib

            return hashlib.sha256("".join(hash_file(one) for one in files).encode()).hexdigest()
    return None


datasets.add(
    "hub",
    DatasetSource(
        name="hub",
        summary="a data set of the Hugging Face hub, from its cache or the network: pictures or texts",
        task=DataTask.TEXTS,
        is_synthetic=False,
        open=open_hub,
        takes_place="required",
        packages=("datasets",),
        install_hint=_HINT,
        other_tasks=(DataTask.IMAGES,),
    ),
)
