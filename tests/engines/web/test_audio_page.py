"""Features of sound made in a real browser's page: those of numpy, timed by the page's clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import assay.workloads.families.whisper_parts
from assay.core.absence import Unavailable
from assay.core.errors import EngineError
from assay.engines.web.audio import PagePreprocessor, preprocess_in_page
from assay.engines.web.browsers import find_browser
from assay.engines.web.page import Page, PageRequest, open_page
from assay.runner.preprocess import time_preprocessor
from assay.workloads.audio import FeatureSpec, make_clips, make_extractor, relative_error
from assay.workloads.base import families

STEP_NS = 5000
"""The clock's step in an isolated page; asked of the page by the engine, given here."""

assert assay.workloads.families.whisper_parts  # registers families of its own


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    found = find_browser()
    if isinstance(found, Unavailable):
        pytest.skip(f"no browser to open a page in: {found}")
    with open_page(PageRequest(browser=found)) as opened:
        yield opened


def _prepare(page: Page, family: str, *, seconds: int, batch: int) -> tuple[FeatureSpec, Any, PagePreprocessor]:
    spec = families.get(family).features
    assert spec is not None
    clips = make_clips(spec, batch=batch, seconds=seconds, seed=3)
    return spec, clips, preprocess_in_page(page, page.add_file, STEP_NS, spec, clips)


@pytest.mark.parametrize(("family", "seconds"), [("whisper-encoder", 2), ("clap", 10), ("wav2vec2", 2)])
def test_the_page_hears_what_numpy_hears(page: Page, family: str, seconds: int) -> None:
    spec, clips, made = _prepare(page, family, seconds=seconds, batch=2)
    expected = make_extractor(spec)(clips)
    assert made.resolution_ns == STEP_NS
    durations = made.time_calls(3, calls_per_sample=2)
    assert len(durations) == 3
    assert min(durations) > 0
    features = made.read_features()
    assert features.shape == expected.shape
    assert relative_error(features, expected) < 1e-6


def test_a_limit_ends_a_series(page: Page) -> None:
    _, _, made = _prepare(page, "wav2vec2", seconds=1, batch=1)
    assert 1 <= len(made.time_calls(1_000_000, limit_ns=20_000_000)) < 1_000_000


def test_it_is_timed_like_everything_else(page: Page) -> None:
    _, _, made = _prepare(page, "wav2vec2", seconds=1, batch=1)
    assert time_preprocessor(made) > 0


def test_clips_of_another_length_are_an_error_that_says_so(page: Page) -> None:
    spec, clips, _ = _prepare(page, "wav2vec2", seconds=1, batch=2)
    address = page.add_file("short.bin", np.ascontiguousarray(clips[:1]).tobytes())
    args = {"spec": spec.to_dict(), "clips": address, "batch": 2, "samples": clips.shape[1]}
    page.call("preprocess", args, limit_s=30)
    with pytest.raises(EngineError, match="got 16000 samples, expected 2 clips of 16000"):
        page.call("preprocess_chunk", {"samples": 1}, limit_s=30)


def test_clips_that_are_not_there_are_an_error(page: Page) -> None:
    spec, _, _ = _prepare(page, "wav2vec2", seconds=1, batch=1)
    args = {"spec": spec.to_dict(), "clips": page.path("files/nothing.bin"), "batch": 1, "samples": 8}
    with pytest.raises(EngineError, match="HTTP 404"):
        page.call("preprocess", args, limit_s=30)
