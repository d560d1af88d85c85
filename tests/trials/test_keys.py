"""Keys of a side, laid over the entries of a suite."""

from __future__ import annotations

import pytest

from assay.core.errors import SuiteError, UnknownNameError, UsageError
from assay.core.words import Precision
from assay.runner.suite_model import Suite, build_suite
from assay.trials.keys import known_keys, lay_keys


@pytest.fixture
def suite() -> Suite:
    return build_suite({
        "name": "two", "seed": 3, "launches": 2,
        "cases": [
            {"model": "bert/tiny", "batch": [1, 8], "shape": {"seq": [16, 32]}},
            {"model": "bert/base", "engine": "openvino", "options": {"hint": "latency"}},
        ],
    })  # fmt: skip


def test_a_key_replaces_what_every_entry_says(suite: Suite) -> None:
    laid = lay_keys(suite, {"engine": "openvino,onnxruntime", "precision": "bf16", "batch": "2, 4"}, label="b")
    assert [one.engines for one in laid.cases] == [("openvino", "onnxruntime")] * 2
    assert [one.precisions for one in laid.cases] == [(Precision.BF16,)] * 2
    assert [one.batches for one in laid.cases] == [(2, 4)] * 2
    assert [one.models for one in laid.cases] == [one.models for one in suite.cases]
    assert (laid.name, laid.seed, laid.launches) == ("two", 3, 2)


def test_dimensions_and_options_replace_one_by_one(suite: Suite) -> None:
    laid = lay_keys(suite, {"seq": "64", "engine": "openvino", "hint": "throughput", "samples": "32"}, label="b")
    assert [one.shape for one in laid.cases] == [(("seq", (64,)),)] * 2
    assert [one.options for one in laid.cases] == [(("hint", ("throughput",)), ("samples", (32,)))] * 2


def test_no_keys_leave_the_suite_as_it_is(suite: Suite) -> None:
    assert lay_keys(suite, {}, label="a") is suite


def test_what_no_entry_can_have_is_refused_by_name(suite: Suite) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown key of side 'b' 'engin'. Did you mean 'engine'?"):
        lay_keys(suite, {"engin": "torch"}, label="b")
    with pytest.raises(SuiteError, match=r"side 'b': cases.0..engine.0.: Unknown engine 'torhc'. Did you mean 'torch'"):
        lay_keys(suite, {"engine": "torhc"}, label="b")
    with pytest.raises(SuiteError, match="has no dimension 'image'"):
        lay_keys(suite, {"image": "224"}, label="b")
    with pytest.raises(UsageError, match=r"Side 'b': seq got '0'; expected whole numbers of at least 1."):
        lay_keys(suite, {"seq": "0"}, label="b")


def test_the_words_are_known_without_the_suite() -> None:
    assert {"model", "engine", "batch", "threads", "hint", "provider", "seq", "image", "seconds"} <= {*known_keys()}
