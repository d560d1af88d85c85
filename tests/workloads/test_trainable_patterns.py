"""The answer is in the input: labels of the families' own tasks can be read from what is drawn, without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.core.errors import WorkloadError
from assay.workloads.trainables import patterns


def sign_kind(colour: Any) -> Any:
    """Read a kind from the signs of red, green and blue: (..., 3) -> (...)."""
    return (np.asarray(colour) > 0) @ np.array([4, 2, 1])


def test_the_colour_and_the_direction_of_stripes_tell_their_kind() -> None:
    generator = np.random.default_rng(1)
    kinds = np.repeat(np.arange(8), 4)
    pixels = patterns.draw_gratings(kinds, 64, generator)
    assert pixels.dtype == np.float32
    assert pixels.shape == (32, 3, 64, 64)
    assert (sign_kind(pixels.mean(axis=(2, 3))) == kinds).all()
    grey = pixels.mean(axis=1) - pixels.mean(axis=(1, 2, 3))[:, None, None]
    power = np.abs(np.fft.fft2(grey)) ** 2
    row, column = np.unravel_index(power[:, :32].reshape(len(kinds), -1).argmax(axis=1), (32, 64))
    angle = np.arctan2(row, np.where(column > 32, column - 64, column))
    assert (np.abs(np.angle(np.exp(2j * (angle - np.pi * kinds / 8)))) < np.pi / 8).all()


def test_objects_lie_in_their_boxes_and_have_the_colour_of_their_kind() -> None:
    generator = np.random.default_rng(2)
    kinds = generator.integers(8, size=(6, 1))
    pixels, boxes = patterns.draw_objects(kinds, 64, generator)
    for image, box, kind in zip(pixels, boxes[:, 0], kinds[:, 0], strict=True):
        (left, top), (right, bottom) = (box[:2] - box[2:] / 2) * 64, (box[:2] + box[2:] / 2) * 64
        inside = image[:, round(top) + 1 : round(bottom) - 1, round(left) + 1 : round(right) - 1]
        assert sign_kind(inside.mean(axis=(1, 2))) == kind
        assert np.abs(inside).mean() > 1.5
        assert np.abs(np.delete(image, np.s_[int(top) : int(bottom) + 1], axis=1)).mean() < 0.5
    assert boxes.min() >= 0
    assert boxes.max() <= 1


def test_a_disc_is_where_its_mask_is() -> None:
    pixels, mask = patterns.draw_discs(16, 4, 48, np.random.default_rng(3))
    assert (pixels.shape, mask.shape) == ((16, 3, 48, 48), (16, 48, 48))
    assert mask.dtype == np.int64
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    found = np.abs(pixels).min(axis=1) > 1
    assert (found == (mask > 0)).mean() > 0.99
    assert 0.05 < (mask > 0).mean() < 0.25


def test_three_words_of_four_belong_to_the_label() -> None:
    labels = np.array([0, 1, 2, 1])
    texts = patterns.draw_texts(labels, 400, 10, 1000, np.random.default_rng(4))
    owner = np.where(texts < 74, -1, (texts - 74) // 8)
    assert all(set(row) == {-1, label} for row, label in zip(owner, labels, strict=True))
    assert (owner[:, 0] == labels).all()
    assert (owner >= 0).mean() == pytest.approx(0.75, abs=0.05)


def test_each_word_of_a_walk_fixes_the_next() -> None:
    walks = patterns.draw_walks(5, 61, 3, np.random.default_rng(5)) - 3
    assert (walks[:, 1:] == 2 * walks[:, :-1] % 61).all()
    assert all(sorted(walk[:60]) == list(range(1, 61)) for walk in walks)


def test_an_identity_is_what_its_picture_sound_and_name_say() -> None:
    generator = np.random.default_rng(6)
    identities = patterns.draw_identities(512, generator)
    assert len(np.unique(identities, axis=0)) == 512
    assert len(patterns.draw_identities(600, generator)) == 600
    some = identities[:9]
    levels = patterns.scale_levels(some)
    assert np.abs(patterns.paint_identities(some, 32, generator).mean(axis=(2, 3)) - levels).max() < 0.1
    sound = patterns.sound_identities(some, 50, 60, generator)[:, 0].reshape(9, 50, 3, 20)
    assert np.abs(sound.mean(axis=(1, 3)) - levels).max() < 0.1
    words = patterns.name_identities(some, 7, 100)
    assert words.shape == (9, 7)
    assert ((words[:, :3] - 100 - np.array([0, 8, 16])) == some).all()
    assert (words[:, 3:6] == words[:, :3]).all()


def test_tones_have_the_pitch_of_their_kind() -> None:
    generator = np.random.default_rng(7)
    kinds = np.array([[0, 3, 7, 4], [5, 5, 1, 2]])
    clips = patterns.sound_tones(kinds, 16_000, 16_000, generator).reshape(2, 4, 4000)
    peak_hz = np.abs(np.fft.rfft(clips)).argmax(axis=2) * 4
    assert np.abs(np.log2(peak_hz / 200) * 2 - kinds).max() < 0.2
    bands = patterns.draw_tones(kinds, 40, 80, generator).reshape(2, 8, 10, 4, 10).mean(axis=(2, 4))
    assert (bands.argmax(axis=1) == kinds).all()


def test_marked_texts_need_their_words() -> None:
    with pytest.raises(WorkloadError, match="needs 1080 token ids; the vocabulary has 1079"):
        patterns.draw_texts(np.array([0, 1]), 4, 1000, 1079, np.random.default_rng(0))
