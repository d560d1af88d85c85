"""Features of sound as each audio family wants them, held against transformers' own extractors."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import assay.workloads.families.whisper_parts
from assay.workloads.audio import (
    FeatureSpec,
    count_frames,
    make_clips,
    make_extractor,
    make_mel_bands,
    relative_error,
)
from assay.workloads.base import families, find_workload
from assay.workloads.inputs import resolve_dims

TOLERANCE = 1e-4
"""What the features may differ by; transformers keeps its spectrum in float32."""

HEARING = ("clap", "wav2vec2", "whisper", "whisper-encoder")

assert assay.workloads.families.whisper_parts  # registers families of its own


def _spec(family: str) -> FeatureSpec:
    spec = families.get(family).features
    assert spec is not None
    return spec


def _make(family: str, *, seconds: int, batch: int = 2, seed: int = 0) -> tuple[np.ndarray[Any, Any], Any]:
    spec = _spec(family)
    clips = make_clips(spec, batch=batch, seconds=seconds, seed=seed)
    return clips, make_extractor(spec)(clips)


@pytest.mark.parametrize("seconds", [1, 5, 30])
def test_whisper_hears_what_transformers_extractor_hears(seconds: int) -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers' extractor")
    theirs = transformers.WhisperFeatureExtractor(chunk_length=seconds)
    clips, ours = _make("whisper-encoder", seconds=seconds)
    expected = theirs(list(clips), sampling_rate=16_000, return_tensors="np").input_features
    assert ours.shape == (2, 80, 100 * seconds)
    assert relative_error(ours, expected) < TOLERANCE


def test_clap_hears_what_transformers_extractor_hears() -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers' extractor")
    # As preprocessor_config.json of laion/clap-htsat-unfused has it.
    theirs = transformers.ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, truncation="rand_trunc")
    clips, ours = _make("clap", seconds=10)
    expected = theirs(list(clips), sampling_rate=48_000, return_tensors="np").input_features
    assert ours.shape == (2, 1, 1001, 64)
    assert relative_error(ours, expected) < TOLERANCE


def test_wav2vec2_hears_what_transformers_extractor_hears() -> None:
    transformers = pytest.importorskip("transformers", reason="compares with transformers' extractor")
    clips, ours = _make("wav2vec2", seconds=3)
    expected = transformers.Wav2Vec2FeatureExtractor()(list(clips), sampling_rate=16_000, return_tensors="np")
    assert ours.shape == (2, 48_000)
    assert relative_error(ours, expected.input_values) < TOLERANCE
    assert ours.mean(axis=1) == pytest.approx([0, 0], abs=1e-6)
    assert ours.var(axis=1) == pytest.approx([1, 1], rel=1e-4)


@pytest.mark.parametrize("family", HEARING)
def test_features_have_the_form_of_the_input_they_are_for(family: str) -> None:
    workload, spec = find_workload(family), _spec(family)
    shape = workload.resolve_shape({"seconds": 2} if spec.seconds is None else {})
    names = {**workload.size.constants, **shape, "batch": 3}
    wanted = next(one for one in workload.family.inputs if one.name == spec.input)
    _, features = _make(family, seconds=spec.clip_seconds(shape), batch=3)
    assert features.shape == resolve_dims(wanted, names)
    assert features.dtype == wanted.dtype
    assert np.isfinite(features).all()


def test_only_audio_has_features() -> None:
    assert {name for name in families.names() if families.get(name).features is not None} == set(HEARING)
    assert families.get("whisper-decoder").features is None, "it hears what the encoder made of it"


def test_clips_are_the_same_for_a_seed_and_have_pauses() -> None:
    spec = _spec("wav2vec2")
    one, again, other = (make_clips(spec, batch=2, seconds=3, seed=seed) for seed in (7, 7, 8))
    assert one.dtype == np.float32
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0], one[1])
    assert 0.2 < np.abs(one).max() < 1, "as loud as speech, and not clipped"
    assert not one[:, 2 * 16_000 :].any(), "the third second is silent"
    assert one[:, : 2 * 16_000].std() > 0.05


@pytest.mark.parametrize("family", ["whisper", "clap", "wav2vec2"])
def test_silence_has_finite_features(family: str) -> None:
    spec = _spec(family)
    features = make_extractor(spec)(np.zeros((1, 2 * spec.sample_rate_hz), np.float32))
    assert np.isfinite(features).all()
    assert np.unique(features).size == 1


def test_bands_are_triangles_of_area_one() -> None:
    spec = _spec("whisper")
    assert spec.mel is not None
    bands = make_mel_bands(spec.mel, spec.sample_rate_hz)
    assert bands.shape == (201, 80)
    assert (bands >= 0).all()
    hz_per_bin = 16_000 / 400
    # A triangle a few bins wide is sampled too coarsely for its area; those at the top are wide.
    assert bands[:, -20:].sum(axis=0) * hz_per_bin == pytest.approx(np.ones(20), rel=0.05)
    peaks = bands.argmax(axis=0) * hz_per_bin
    assert (np.diff(peaks) >= 0).all()
    assert peaks[-1] < 8000


def test_frames_are_counted_as_the_models_expect() -> None:
    whisper, clap = _spec("whisper").mel, _spec("clap").mel
    assert whisper is not None
    assert clap is not None
    assert count_frames(whisper, 480_000) == 3000
    assert count_frames(clap, 480_000) == 1001


def test_a_pure_tone_is_loudest_in_its_own_band() -> None:
    spec = _spec("whisper-encoder")
    assert spec.mel is not None
    time_s = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 2000 * time_s)).astype(np.float32)[None]
    loudest = make_extractor(spec)(tone)[0, :, 50].argmax()
    bands = make_mel_bands(spec.mel, spec.sample_rate_hz)
    assert loudest == bands[round(2000 / 40)].argmax()


def test_a_page_is_told_plain_values() -> None:
    for family in HEARING:
        told = json.loads(json.dumps(_spec(family).to_dict(), allow_nan=False))
        assert told["scaling"] in ("unit-variance", "whisper", "decibels")
        assert (told["mel"] is None) == (family == "wav2vec2")


def test_errors_are_relative_to_the_largest_magnitude() -> None:
    expected = np.array([[1.0, -4.0]])
    assert relative_error(np.array([[1.0, -4.0]]), expected) == 0
    assert relative_error(np.array([[1.4, -4.0]]), expected) == pytest.approx(0.1)
    assert math.isinf(relative_error(np.array([1.0]), expected))
    assert math.isnan(relative_error(np.array([[math.nan, -4.0]]), expected)), "no error at all would pass a check"
