"""Data sets that come with assay or are generated: shapes, repeatability, honesty about what they are."""

from __future__ import annotations

import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.datasets.arrays import (
    ArraySplit,
    choose_channels,
    limit_samples,
    normalise_pixels,
    resize_nearest,
    resize_smooth,
)
from assay.workloads.datasets.base import Dataset, DatasetRequest, DataTask, datasets
from assay.workloads.datasets.check import Level, check_dataset
from assay.workloads.datasets.drawn_figures import BLOCK, FIGURES, draw_figures, draw_scenes
from assay.workloads.datasets.places import read_place
from assay.workloads.datasets.resolve import open_reference
from assay.workloads.datasets.tokens import HashingTokenizer, encode_texts, read_vocabulary, split_words
from assay.workloads.datasets.written_sentences import write_sentences

STAND_INS = ("cifar10-synthetic:300", "sst2-synthetic:300", "segmentation-synthetic:60")


def _faults(dataset: Dataset) -> list[str]:
    return [one.text for one in check_dataset(dataset) if one.level is Level.FAULT]


def test_digits_are_the_known_ones_and_the_last_fifth_is_for_testing() -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn: pip install 'assay[training]'")
    digits = open_reference("digits")
    assert (digits.info.train_samples, digits.info.test_samples, digits.info.classes) == (1437, 360, 10)
    assert digits.info.shape == {"image": 8, "channels": 1}
    assert not digits.info.is_synthetic
    assert not _faults(digits)
    pixels = digits.train.take(range(1437))["pixel_values"]
    assert (pixels.min(), pixels.max()) == (-1.0, 1.0)
    larger = open_reference("digits", shape={"image": 32, "channels": 3}, limit=50)
    assert larger.info.train_samples == 50
    assert larger.test.take([0])["pixel_values"].shape == (1, 3, 32, 32)
    assert np.array_equal(
        larger.test.take([7])["pixel_values"][0, 0, ::4, ::4], digits.test.take([7])["pixel_values"][0, 0]
    )


@pytest.mark.parametrize("reference", STAND_INS)
def test_stand_ins_say_that_they_are_and_keep_their_promises(reference: str) -> None:
    opened = open_reference(reference)
    assert opened.info.is_synthetic
    assert opened.info.name.endswith("-synthetic")
    assert opened.info.checksum is None
    assert opened.info.train_samples == int(reference.partition(":")[2])
    assert not [one for one in check_dataset(opened) if one.level is Level.FAULT]
    again = open_reference(reference, seed=5)  # a launch's seed changes nothing: a published set is the same for all
    for name, array in opened.train.take(range(20)).items():
        assert np.array_equal(array, again.train.take(range(20))[name])
    other = open_reference(f"{reference}?seed=1")
    name = "input_ids" if opened.info.task is DataTask.TEXTS else "pixel_values"
    assert not np.array_equal(opened.train.take([0])[name], other.train.take([0])[name])
    copy = pickle.loads(pickle.dumps(opened.train))  # noqa: S301  (made a moment ago)
    assert np.array_equal(copy.take([3])["labels"], opened.train.take([3])["labels"])


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [("cifar10-synthetic", 50_000, 10_000), ("sst2-synthetic", 67_349, 872), ("segmentation-synthetic", 3_680, 3_669)],
)
def test_stand_ins_have_the_counts_of_what_they_stand_for(name: str, train: int, test: int) -> None:
    from assay.workloads.datasets.stand_ins import _STAND_INS, _plan

    kind = next(one for one in _STAND_INS if one.name == name)
    plan = _plan(kind, DatasetRequest())
    assert (plan.train, plan.test) == (train, test)
    with pytest.raises(WorkloadError, match="at most"):
        _plan(kind, DatasetRequest(where=str(train + 1)))


def test_a_smaller_stand_in_is_the_beginning_of_a_larger_one() -> None:
    small, large = draw_figures(40, side=16, key=(0, 0)), draw_figures(BLOCK + 20, side=16, key=(0, 0))
    assert np.array_equal(small[0], large[0][:40])
    assert np.array_equal(small[1], large[1][:40])
    assert np.bincount(large[1][:BLOCK], minlength=len(FIGURES)).tolist() == [BLOCK // len(FIGURES)] * len(FIGURES)


def test_the_colour_of_a_figure_tells_nothing_of_its_class() -> None:
    """Classes by the nearest mean colour: chance is 10 %, and what form does to area may add a little."""
    pixels, labels = draw_figures(1000, side=32, key=(0, 0))
    colours = pixels.mean(axis=(2, 3))
    centres = np.stack([colours[:500][labels[:500] == kind].mean(axis=0) for kind in range(10)])
    distance = np.square(colours[500:, None] - centres[None]).sum(axis=2)
    assert (distance.argmin(axis=1) == labels[500:]).mean() < 0.2


def test_scenes_have_all_classes() -> None:
    pixels, classes = draw_scenes(20, side=48, key=(3, 0))
    assert pixels.shape == (20, 3, 48, 48)
    assert classes.shape == (20, 48, 48)
    assert set(np.unique(classes)) == {0, 1, 2}


def test_sentences_cannot_be_read_off_single_words() -> None:
    """Counting each word's share of positive sentences is right often, but not always; 5 % of labels are wrong."""
    texts, labels = write_sentences(3000, key=(0, 0))
    assert 0.45 < np.mean(labels) < 0.55
    weights: dict[str, list[int]] = {}
    for text, label in zip(texts[:2000], labels[:2000], strict=True):
        for word in set(text.split()):
            weights.setdefault(word, []).append(2 * label - 1)
    score = {word: float(np.mean(found)) for word, found in weights.items()}
    right = [
        (sum(score.get(word, 0.0) for word in set(text.split())) > 0) == bool(label)
        for text, label in zip(texts[2000:], labels[2000:], strict=True)
    ]
    assert 0.55 < np.mean(right) < 0.85


def test_tokens_are_hashed_cut_and_padded() -> None:
    words = HashingTokenizer()
    assert split_words("It's GOOD, très-bien!", lower=True) == ["it", "'", "s", "good", ",", "tres", "-", "bien", "!"]
    ids = words.encode("Good good BAD")
    assert ids[0] == ids[1] != ids[2]
    assert ids[0] == 999 + zlib.crc32(b"good") % (30522 - 999)
    split = encode_texts(["good", "good bad good bad good bad"], [1, 0], words, seq=5)
    batch = split.take([1, 0])
    assert batch["input_ids"].tolist() == [[101, ids[0], ids[2], ids[0], 102], [101, ids[0], 102, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert batch["labels"].tolist() == [0, 1]
    with pytest.raises(WorkloadError, match="at least 3"):
        encode_texts([], [], words, seq=2)


def test_word_pieces_are_those_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers to compare with")
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "film",
        "un",
        "##believ",
        "##able",
        "##s",
        "!",
        "'",
        "good",
    ]
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    theirs = transformers.BertTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, do_lower_case=True
    )
    ours = read_vocabulary(file)
    for text in ("The films' UNBELIEVABLE!", "góod_un xyz films", "好film", "believable"):
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False), text


def test_a_vocabulary_without_special_tokens_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("the\nfilm\n", encoding="utf-8")
    with pytest.raises(WorkloadError, match=r"lacks \[PAD\]"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_pictures_are_resized_and_normalised() -> None:
    picture = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    assert resize_nearest(picture, 2).tolist() == [[[5, 7], [13, 15]]]
    assert resize_smooth(picture, 2).tolist() == [[[2, 4], [10, 12]]]
    assert resize_smooth(picture, 8).shape == (1, 8, 8)
    assert resize_smooth(picture, 1).tolist() == [[[8]]]
    assert normalise_pixels(np.array([0, 255], np.uint8)).tolist() == [-1.0, 1.0]
    assert choose_channels(picture[None], 3, "x").shape == (1, 3, 4, 4)
    with pytest.raises(WorkloadError, match="have 3 channels"):
        choose_channels(np.zeros((1, 3, 2, 2), np.uint8), 1, "x")


def test_positions_beyond_the_end_are_refused() -> None:
    split = ArraySplit({"labels": np.arange(3)})
    assert split.take([2, 0])["labels"].tolist() == [2, 0]
    for wrong in (3, -1):
        with pytest.raises(WorkloadError, match=f"no sample {wrong}"):
            split.take([wrong])
    assert limit_samples(10, None, seed=0) == slice(None)
    with pytest.raises(WorkloadError, match="at least 1"):
        limit_samples(10, 0, seed=0)


def test_references_without_a_place_that_is_needed_are_refused() -> None:
    with pytest.raises(WorkloadError, match="needs a place"):
        open_reference("cifar10")
    with pytest.raises(WorkloadError, match="takes no place"):
        open_reference("digits:/data")
    with pytest.raises(UnknownNameError, match="digits"):
        open_reference("digitz")
    with pytest.raises(UnknownNameError, match="setting of csv"):
        read_place("csv", "a.csv?txt=x", ("text",))


def test_every_source_is_registered_under_its_own_name() -> None:
    for name in datasets.names():
        source = datasets.get(name)
        assert source.name == name
        assert source.summary
        assert source.is_synthetic == name.endswith("-synthetic")


def test_the_check_finds_what_is_wrong() -> None:
    opened = open_reference("cifar10-synthetic:50")

    class Wrong:
        def __len__(self) -> int:
            return 50

        def take(self, positions: Any) -> dict[str, Any]:
            count = len(positions)
            return {"pixel_values": np.zeros((count, 3, 16, 32)), "labels": np.full(count, 10)}

    found = _faults(Dataset(opened.info, Wrong(), opened.test))
    assert any("pixel_values is float64" in text for text in found)
    assert any("labels are 10 to 10, expected 0 to 9" in text for text in found)
    leaking = check_dataset(Dataset(opened.info, opened.train, opened.train))
    assert any("also in the training split" in one.text for one in leaking)
    assert any("the info says 200" in one.text for one in leaking)
