"""Handwritten digits that come inside scikit-learn: real data that needs no download.

1 797 pictures of 8 x 8 pixels in 17 levels of grey: the test part of the Optical Recognition of Handwritten Digits
(E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49). Neighbours in the published
order are by the same writer, so the split follows the order and is not shuffled: the last fifth, the same for every
seed, is for testing. May import: core, workloads.datasets; numpy and scikit-learn inside functions.
"""

from __future__ import annotations

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, datasets

_SIDE, _WHITE, _CLASSES = 8, 16, 10
_SAMPLES, _TRAIN_SAMPLES = 1797, 1437
_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of the pixels and labels as bytes, checked with scikit-learn 1.9."""


def open_digits(request: DatasetRequest) -> Dataset:
    """Read the digits: ``image`` (8; others by nearest pixel) and ``channels`` (1, or repeated) can be chosen.

    Raises WorkloadError where scikit-learn is not installed, or holds other data than it did.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise WorkloadError(
            "The digits come with scikit-learn, which is not installed.", hint="pip install 'assay[training]'"
        ) from error
    import numpy as np

    from assay.workloads.datasets.arrays import (
        PictureSplit,
        choose_channels,
        hash_arrays,
        limit_samples,
        resize_nearest,
    )

    found = load_digits()
    pixels = np.asarray(found.images).astype(np.uint8)[:, None]
    labels = np.asarray(found.target).astype(np.uint8)
    checksum = hash_arrays(pixels, labels)
    if checksum != _SHA256:
        raise WorkloadError(
            f"scikit-learn's digits are not the known ones: SHA-256 {checksum}, expected {_SHA256}.",
            hint="Install scikit-learn anew; if that does not help, results would not be comparable.",
        )
    channels = request.shape.get("channels", 1)
    side = request.shape.get("image", _SIDE)
    pixels = choose_channels(resize_nearest(pixels, side), channels, "digits")
    kept = limit_samples(_TRAIN_SAMPLES, request.limit, seed=request.seed)
    train = PictureSplit(pixels[:_TRAIN_SAMPLES][kept], labels[:_TRAIN_SAMPLES][kept], _WHITE)
    test = PictureSplit(pixels[_TRAIN_SAMPLES:], labels[_TRAIN_SAMPLES:], _WHITE)
    info = DatasetInfo(
        name="digits",
        task=DataTask.IMAGES,
        classes=_CLASSES,
        train_samples=len(train),
        test_samples=len(test),
        shape={"image": side, "channels": channels},
        is_synthetic=False,
        source="scikit-learn's load_digits: UCI, Optical Recognition of Handwritten Digits, doi:10.24432/C50P49",
        licence="CC BY 4.0",
        checksum=checksum,
        labels=tuple(map(str, range(_CLASSES))),
        notes=("test: the last 360 in the published order, which no seed changes",),
    )
    return Dataset(info, train, test)


datasets.add(
    "digits",
    DatasetSource(
        name="digits",
        summary="1 797 real handwritten digits, 8 x 8, inside scikit-learn",
        task=DataTask.IMAGES,
        is_synthetic=False,
        open=open_digits,
        packages=("sklearn",),
        install_hint="pip install 'assay[training]'",
        shape={"image": _SIDE},
    ),
)
