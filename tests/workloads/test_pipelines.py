"""Every pipeline makes the batches it promises, the same ones in any process, and refuses what it cannot do."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.case import Scalar
from assay.core.errors import UnknownNameError, UnsupportedError, WorkloadError
from assay.workloads.base import find_workload
from assay.workloads.datasets.base import Batch, Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, datasets
from assay.workloads.pipelines.base import Opened, PipelineRequest, count_bytes
from assay.workloads.pipelines.kinds import KINDS, check_options, find_kind, missing_package, open_pipeline

WINDOW = {"window": 64, "channels": 2}
SMALL: dict[str, dict[str, int]] = {
    "windows": WINDOW, "signals": {"length": 600, "channels": 3}, "storage": WINDOW, "images": {"image": 32},
    "texts": {"seq": 16}, "dataset": {}, "batches-low": WINDOW, "batches-medium": WINDOW, "batches-high": WINDOW,
}  # fmt: skip
BATCH = 6


@dataclass(frozen=True)
class Squares:
    """Twenty samples, each the square of its position."""

    def __len__(self) -> int:
        return 20

    def take(self, positions: Sequence[int]) -> Batch:
        return {"labels": np.asarray(positions) ** 2}


@pytest.fixture(autouse=True)
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    info = DatasetInfo(
        "squares", DataTask.IMAGES, 2, 20, 20, {}, is_synthetic=False, source="this test", checksum="abc"
    )
    source = DatasetSource(
        "squares", "squares", DataTask.IMAGES, is_synthetic=False, open=lambda _: Dataset(info, Squares(), Squares())
    )
    monkeypatch.setitem(datasets._loaded, "squares", source)


def open_kind(name: str, folder: Path, *, batch: int = BATCH, seed: int = 0, **options: Scalar) -> Opened:
    kind = find_kind(name)
    missing = missing_package(kind, options)
    if missing is not None:
        pytest.skip(f"{missing[0]} is not installed: {missing[1]}")
    if name == "dataset":
        options.setdefault("dataset", "squares")
    return open_pipeline(kind, PipelineRequest(batch, SMALL[name], seed, folder, options))


def equal(one: Batch, other: Batch) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_follows_from_its_number_alone(name: str, tmp_path: Path) -> None:
    opened = open_kind(name, tmp_path)
    first, second = opened.pipeline.make_batch(0), opened.pipeline.make_batch(1)
    assert not equal(first, second)
    sent: Any = pickle.loads(pickle.dumps(opened.pipeline))  # noqa: S301  (our own, as loading processes get it)
    assert equal(sent.make_batch(1), second)
    assert equal(sent.make_batch(0), first), "whatever came before"
    assert not equal(open_kind(name, tmp_path, seed=1).pipeline.make_batch(0), first)
    assert {len(array) for array in first.values()} == {BATCH}
    assert all(np.isfinite(array).all() for array in first.values())
    assert opened.facts["dataset_kind"] in {"synthetic", "real"}


def test_the_batches_have_the_shapes_that_their_dimensions_say(tmp_path: Path) -> None:
    made = functools.partial(open_kind, folder=tmp_path)
    assert made("windows").pipeline.make_batch(0)["signal"].shape == (BATCH, 2, 64)
    assert made("signals").pipeline.make_batch(0)["signal"].shape == (BATCH, 600, 3)
    high = made("batches-high").pipeline.make_batch(0)
    assert (high["signal"].shape, high["spectrum"].shape) == ((BATCH, 2, 64), (BATCH, 2, 33))
    assert not np.array_equal(high["signal"], high["second"]), "two views"
    assert ((high["signal"] == 0).sum(axis=-1) >= 6).all(), "a tenth is masked"


def test_images_and_texts_look_as_models_want_them(tmp_path: Path) -> None:
    pixels = open_kind("images", tmp_path).pipeline.make_batch(0)["pixel_values"]
    assert pixels.shape == (BATCH, 3, 32, 32)
    assert pixels.dtype == np.float32
    assert -3 < pixels.mean() < 3
    assert pixels.std() > 0.3
    tokens = open_kind("texts", tmp_path).pipeline.make_batch(0)
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    assert ids.shape == mask.shape == (BATCH, 16)
    assert (ids[:, 0] == 2).all(), "[CLS]"
    assert ((ids == 0) == (mask == 0)).all(), "padding is masked"
    assert (ids == 1).mean() < 0.05, "words are known, or fall into pieces"


def test_every_storage_gives_the_same_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.workloads.pipelines import storage

    monkeypatch.setattr(storage, "_LEAST_BYTES", 1 << 16)
    kept = {
        name: open_kind("storage", tmp_path, storage=name).pipeline for name in ("memory", "h5", "parquet", "memmap")
    }
    expected = kept.pop("memory").make_batch(3)
    for name, pipeline in kept.items():
        assert equal(pipeline.make_batch(3), expected), name
    assert count_bytes(expected) == BATCH * (2 * 64 * 4 + 8)


def test_a_data_set_is_read_in_epochs_each_in_an_order_of_its_own(tmp_path: Path) -> None:
    opened = open_kind("dataset", tmp_path, batch=5)
    first, second = (
        np.concatenate([opened.pipeline.make_batch(epoch * 4 + place)["labels"] for place in range(4)]).tolist()
        for epoch in range(2)
    )
    assert sorted(first) == sorted(second) == [n**2 for n in range(20)]
    assert first != second
    assert (opened.facts["dataset_kind"], opened.facts["dataset_checksum"]) == ("real", "abc")


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="squares has 20 training samples, and a batch of 21"):
        open_kind("dataset", tmp_path, batch=21)


def test_options_without_effect_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"pipeline/images has no storage\. .*pin, prefetch, threads, workers"):
        check_options(find_kind("images"), ("storage", "workers"))
    with pytest.raises(UnsupportedError, match="needs a data set"):
        check_options(find_kind("dataset"), ("workers",))
    with pytest.raises(UnknownNameError, match="windos"):
        find_kind("windos")


def test_there_is_no_model_to_build() -> None:
    workload = find_workload("pipeline/windows")
    assert (workload.family.format, workload.family.is_general) == ("data", False)
    assert workload.resolve_shape({"window": 512}) == {"window": 512, "channels": 2}
    with pytest.raises(UnsupportedError, match="data without a model"):
        workload.family.build(workload.size)


def test_the_request_of_a_data_set_is_the_one_that_training_makes() -> None:
    assert DatasetRequest(where="x") == DatasetRequest("x", 0, {}, None)
