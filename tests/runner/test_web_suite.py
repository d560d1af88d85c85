"""The suite of browsers: every web case has a native one beside it, and the quick form still has every backend."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest

import assay.engines.web.wasm
import assay.engines.web.webgpu
import assay.engines.web.webnn
import assay.workloads.families.whisper_parts
from assay.core.words import Precision
from assay.runner.quick import quicken
from assay.runner.suite_model import Suite, load_suite
from assay.workloads.base import find_workload

assert assay.engines.web.wasm
assert assay.engines.web.webgpu
assert assay.engines.web.webnn
assert assay.workloads.families.whisper_parts  # each registers what the suite names

Key = tuple[str, Precision, tuple[tuple[str, int], ...], int]
MODELS = {"bert/tiny", "vit/tiny", "resnet/tiny", "clap/tiny", "whisper-encoder/tiny", "wav2vec2/tiny"}


def _cases(suite: Suite) -> Iterator[tuple[str, Key]]:
    """Engine, and what makes two cases a pair: workload, precision, shape and threads; the batch is 1 in all."""
    for matrix in suite.cases:
        assert matrix.batches == (1,)
        assert matrix.threads is not None, "pairs have as many threads"
        for model in matrix.models:
            workload = find_workload(model)
            own = workload.resolve_shape({})
            asked = {name: sizes for name, sizes in matrix.shape if name in own}
            for engine, precision, threads, sizes in itertools.product(
                matrix.engines, matrix.precisions, matrix.threads, itertools.product(*asked.values())
            ):
                shape: Mapping[str, int] = workload.resolve_shape(dict(zip(asked, sizes, strict=True)))
                yield engine, (model, precision, tuple(sorted(shape.items())), threads)


@pytest.mark.parametrize("is_quick", [False, True])
def test_every_web_case_has_a_native_one_beside_it(is_quick: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    suite = quicken(load_suite("web")) if is_quick else load_suite("web")
    cases = set(_cases(suite))
    native = {key for engine, key in cases if engine == "onnxruntime"}
    alone = [(engine, key) for engine, key in cases if engine.startswith("web-") and key not in native]
    assert alone == []
    assert {engine for engine, _ in cases} == {"onnxruntime", "web-wasm", "web-webgpu", "web-webnn"}


def test_every_model_runs_on_every_backend() -> None:
    cases = set(_cases(load_suite("web")))
    for engine in ("web-wasm", "web-webgpu", "web-webnn"):
        assert {model for one, (model, *_) in cases if one == engine} >= MODELS
    assert {threads for engine, (*_, threads) in cases if engine == "web-wasm"} == {1, 2}


def test_the_length_of_clips_is_swept() -> None:
    lengths = {
        (model, dict(shape)["seconds"])
        for engine, (model, _, shape, _) in _cases(load_suite("web"))
        if engine == "web-wasm" and "seconds" in dict(shape)
    }
    for model in ("whisper-encoder/tiny", "wav2vec2/tiny"):
        assert {seconds for name, seconds in lengths if name == model} == {1, 5, 10, 30}


def test_the_quick_form_spares_what_takes_minutes() -> None:
    cases = set(_cases(quicken(load_suite("web"))))
    assert {model for engine, (model, *_) in cases if engine == "web-webgpu"} == {
        "bert/tiny", "resnet/tiny", "wav2vec2/tiny",
    }  # fmt: skip
    assert {model for engine, (model, *_) in cases if engine == "web-wasm"} == MODELS
