"""CIFAR-10 as published: 60 000 pictures of 32 x 32 in ten classes (Krizhevsky 2009).

``cifar10:PLACE`` is the folder ``cifar-10-batches-bin`` or ``cifar-10-batches-py``, the folder that holds one of them,
or either archive (``.tar.gz``), which is read without being unpacked. Pickles of the Python version are only opened
when their MD5 is the published one, and then by a reader that knows arrays and nothing else. May import: core,
workloads.datasets; numpy inside functions.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, datasets
from assay.workloads.datasets.places import read_place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Part = tuple[NDArray[np.uint8], NDArray[np.uint8]]

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCH_SAMPLES = 10_000
_SIDE, _CHANNELS = 32, 3
_PIXELS = _CHANNELS * _SIDE * _SIDE
_BINARY, _PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
_TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST_FILE = "test_batch"
PICKLE_MD5: Mapping[str, str] = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""Source: torchvision, datasets/cifar.py. The archives' own are on www.cs.toronto.edu/~kriz/cifar.html."""
_WHERE_FROM = (
    "It can be had from www.cs.toronto.edu/~kriz/cifar.html; without a network: cifar10-synthetic, of the same shape."
)

Read = Callable[[str], bytes]
"""From a file's name to its content."""


def open_cifar10(request: DatasetRequest) -> Dataset:
    """Read all pictures into memory (180 MB); ``image`` can be chosen. Raises WorkloadError as the module says."""
    from assay.workloads.datasets.arrays import PictureSplit, limit_samples, resize_smooth

    place = read_place("cifar10", request.where, (), example="cifar10:/data/cifar-10-batches-py")
    read, names, is_pickled = _find_files(Path(place.text).expanduser())
    digest = hashlib.sha256()
    parts = [_read_part(read, names[file], file, digest, is_pickled=is_pickled) for file in (*_TRAIN_FILES, _TEST_FILE)]
    train_pixels, train_labels = _join(parts[:-1])
    test_pixels, test_labels = parts[-1]
    kept = limit_samples(len(train_labels), request.limit, seed=request.seed)
    side = request.shape.get("image", _SIDE)
    train = PictureSplit(resize_smooth(train_pixels[kept], side), train_labels[kept])
    test = PictureSplit(resize_smooth(test_pixels, side), test_labels)
    info = DatasetInfo(
        name="cifar10",
        task=DataTask.IMAGES,
        classes=len(LABELS),
        train_samples=len(train),
        test_samples=len(test),
        shape={"image": side, "channels": _CHANNELS},
        is_synthetic=False,
        source="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
        checksum=digest.hexdigest(),
        labels=LABELS,
        notes=(f"read from the {'Python' if is_pickled else 'binary'} version",),
    )
    return Dataset(info, train, test)


def _find_files(path: Path) -> tuple[Read, Mapping[str, str], bool]:
    """Return how files are read, the name of each, and whether they are pickles."""
    if path.is_dir():
        for folder in (path, path / _BINARY, path / _PYTHON):
            for end in (".bin", ""):
                if (folder / f"{_TEST_FILE}{end}").is_file():
                    names = {file: str(folder / f"{file}{end}") for file in (*_TRAIN_FILES, _TEST_FILE)}
                    return _read_file, names, not end
        raise WorkloadError(
            f"There is no CIFAR-10 in {path}: neither test_batch.bin nor test_batch was found.", hint=_WHERE_FROM
        )
    if path.is_file():
        read, members = _open_archive(path)
        for prefix, end in ((_BINARY, ".bin"), (_PYTHON, "")):
            if f"{prefix}/{_TEST_FILE}{end}" in members:
                return read, {file: f"{prefix}/{file}{end}" for file in (*_TRAIN_FILES, _TEST_FILE)}, not end
        raise WorkloadError(f"{path} holds no CIFAR-10: expected {_BINARY}/ or {_PYTHON}/ in it.", hint=_WHERE_FROM)
    raise WorkloadError(f"There is no file or folder {str(path)!r}.", hint=_WHERE_FROM)


def _read_file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise WorkloadError(
            f"CIFAR-10 is not complete: {name}: {error.strerror or error}.", hint=_WHERE_FROM
        ) from error


def _open_archive(path: Path) -> tuple[Read, Mapping[str, bytes]]:
    """Take the batches out of an archive, in one pass: going back in a compressed file means to begin again."""
    wanted = {
        f"{folder}/{file}{end}"
        for folder, end in ((_BINARY, ".bin"), (_PYTHON, ""))
        for file in (*_TRAIN_FILES, _TEST_FILE)
    }
    largest = 2 * BATCH_SAMPLES * (_PIXELS + 1)
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name in wanted and member.isreg() and member.size <= largest:
                    stream = archive.extractfile(member)
                    members[member.name] = stream.read() if stream is not None else b""
    except (OSError, tarfile.TarError, EOFError) as error:
        raise WorkloadError(f"{path} could not be read as an archive: {error}.", hint=_WHERE_FROM) from error

    def read(name: str) -> bytes:
        if name not in members:
            raise WorkloadError(f"CIFAR-10 is not complete: {path} holds no {name}.", hint=_WHERE_FROM)
        return members[name]

    return read, members


def _read_part(read: Read, name: str, file: str, digest: Any, *, is_pickled: bool) -> Part:
    import numpy as np

    content = read(name)
    digest.update(content)
    if is_pickled:
        return _read_pickle(name, file, content)
    record = _PIXELS + 1
    if len(content) != BATCH_SAMPLES * record:
        raise WorkloadError(
            f"{name} has {len(content)} bytes, expected {BATCH_SAMPLES * record}: {BATCH_SAMPLES} records of {record}.",
            hint=_WHERE_FROM,
        )
    rows = np.frombuffer(content, np.uint8).reshape(BATCH_SAMPLES, record)
    return _check(name, rows[:, 1:], rows[:, 0])


def _read_pickle(name: str, file: str, content: bytes) -> Part:
    import numpy as np

    found_md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found_md5 != PICKLE_MD5[file]:
        raise WorkloadError(
            f"{name} is not the published file: MD5 {found_md5}, expected {PICKLE_MD5[file]}.", hint=_WHERE_FROM
        )
    try:
        found = _ArrayReader(io.BytesIO(content), encoding="bytes").load()
        return _check(name, np.asarray(found[b"data"]), np.asarray(found[b"labels"]))
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError) as error:
        raise WorkloadError(f"{name} could not be read: {error}.", hint=_WHERE_FROM) from error


class _ArrayReader(pickle.Unpickler):
    """Reads numbers, texts, lists, dicts and arrays; anything else that a pickle can name is refused."""

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np

        allowed: Mapping[tuple[str, str], Any] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _encode,  # how Python 3 writes bytes in the old protocol
        }
        if module in {"numpy.core.multiarray", "numpy._core.multiarray"} and name == "_reconstruct":
            from numpy._core import multiarray

            return multiarray._reconstruct  # noqa: SLF001  (what pickles name)
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no array needs")
        return allowed[module, name]


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes as {encoding}, which no bytes need")
    return text.encode("latin1")


def _check(name: str, pixels: NDArray[Any], labels: NDArray[Any]) -> Part:
    import numpy as np

    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), _PIXELS) or not len(labels):
        raise WorkloadError(
            f"{name} holds {pixels.dtype} {pixels.shape} and {len(labels)} labels; expected 3072 bytes."
        )
    if labels.min() < 0 or labels.max() >= len(LABELS):
        raise WorkloadError(f"{name} holds the label {labels.max()}; expected 0 to {len(LABELS) - 1}.")
    return pixels.reshape(-1, _CHANNELS, _SIDE, _SIDE), labels.astype(np.uint8)


def _join(parts: list[Part]) -> Part:
    import numpy as np

    return np.concatenate([pixels for pixels, _ in parts]), np.concatenate([labels for _, labels in parts])


datasets.add(
    "cifar10",
    DatasetSource(
        name="cifar10",
        summary="CIFAR-10 as published, from its folder or archive: 50 000 + 10 000 pictures, 3 x 32 x 32",
        task=DataTask.IMAGES,
        is_synthetic=False,
        open=open_cifar10,
        takes_place="required",
        shape={"image": _SIDE},
    ),
)
