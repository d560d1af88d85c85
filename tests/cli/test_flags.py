"""Flags that make cases: options and compressions, read, laid over a suite, and refused with their names."""

from __future__ import annotations

from typing import Any

import pytest

from assay.cli.flags import (
    choose_suite,
    complete_compression,
    complete_option,
    compress_suite,
    imply,
    read_options,
)
from assay.core.errors import AssayError, UnknownNameError, UsageError
from assay.engines.options import OPTIONS, read_option
from assay.runner.suite_model import Suite, build_suite, suite_to_dict


def suite_of(**entry: Any) -> Suite:
    return build_suite({"name": "fake", "cases": [{"model": "bert/tiny", **entry}]})


def test_options_are_read_by_name_with_several_values() -> None:
    assert read_options(["hint=latency,throughput", "samples=8", "latency_target_ms=2.5"]) == {
        "hint": ["latency", "throughput"],
        "samples": [8],
        "latency_target_ms": [2.5],
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hint", "--option got 'hint'; expected a name and its value, such as hint=throughput."),
        ("hit=latency", "Unknown option 'hit'. Did you mean 'hint'?"),
        ("hint=fast", "got 'fast' for the option 'hint', expected one of latency, throughput."),
        ("samples=0", "got 0.0 for the option 'samples', expected a whole number of at least 1."),
        ("samples=1.5", "got 1.5 for the option 'samples', expected a whole number of at least 1."),
        ("latency_target_ms=soon", "got 'soon' for the option 'latency_target_ms', expected a number above 0."),
        ("provider=", "got '' for the option 'provider', expected a text."),
    ],
)
def test_what_no_option_takes_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_options([text])
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("value", [None, True, ["latency"], {"a": 1}])
def test_only_plain_values_are_options(value: object) -> None:
    with pytest.raises(UsageError, match="expected one of latency, throughput"):
        read_option("hint", value)


def test_an_option_on_the_command_line_joins_those_of_the_suite() -> None:
    chosen = choose_suite(None, {"model": ["bert/tiny"], "options": {"hint": ["throughput"]}}, None)
    assert chosen.cases[0].options == (("hint", ("throughput",)),)


def test_each_compression_is_measured_beside_the_model_as_it_is() -> None:
    compressed = compress_suite(suite_of(batch=1), ["int8-static", "prune-magnitude:0.5", "bf16"])
    assert [(matrix.precisions, matrix.options) for matrix in compressed.cases] == [
        (("fp32",), ()),
        (("int8",), (("quantization", ("static",)),)),
        (("fp32",), (("prune", ("magnitude:0.5",)),)),
        (("bf16",), ()),
    ]


def test_a_compression_keeps_the_options_of_the_entry() -> None:
    compressed = compress_suite(suite_of(options={"hint": "throughput"}), ["int8-static"])
    assert compressed.cases[1].options == (("hint", ("throughput",)), ("quantization", ("static",)))


def test_a_compressed_suite_can_be_written_and_read_back() -> None:
    compressed = compress_suite(suite_of(), ["int4-weight"])
    assert build_suite(suite_to_dict(compressed)) == compressed


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("int8-statik", "Unknown compression 'int8-statik'. Did you mean 'int8-static'"),
        ("zip", "Unknown compression 'zip'. Expected one of: bf16, fp16"),
    ],
)
def test_an_unknown_compression_names_those_there_are(word: str, words: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        compress_suite(suite_of(), [word])
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("share", ["magnitude:2", "magnitude", "everything:0.5", "structured:x"])
def test_a_pruning_that_cannot_be_is_refused(share: str) -> None:
    with pytest.raises(AssayError):
        compress_suite(suite_of(), [f"prune-{share}"])


def test_the_shell_completes_options_with_their_values() -> None:
    assert complete_option("hint") == ["hint=latency", "hint=throughput"]
    assert complete_option("sam") == ["samples="]
    assert "int8-static" in complete_compression("int8")
    assert len(complete_option("")) >= len(OPTIONS)


@pytest.mark.parametrize(
    ("asked", "implied"),
    [
        ({"model": ["resnet/tiny"], "options": {"target": [0.9]}}, {"mode": ["training"]}),
        ({"model": ["bert/tiny"], "options": {"scenario": ["offline"]}}, {"mode": ["serving"]}),
        ({"model": ["bert/tiny"], "options": {"dataset": ["digits"]}}, {}),
        ({"model": ["bert/tiny"], "options": {"target": [0.9], "scenario": ["offline"]}}, {}),
        ({"model": ["bert/tiny"], "options": {"hint": ["latency"]}}, {}),
        ({"model": ["pipeline/windows"]}, {"mode": ["data"], "engine": ["loader"]}),
        ({"model": ["pipeline/windows", "bert/tiny"]}, {}),
    ],
)
def test_what_only_one_mode_can_mean_needs_no_mode(asked: dict[str, Any], implied: dict[str, Any]) -> None:
    assert imply(asked) == {**asked, **implied}


def test_what_was_said_is_not_overruled() -> None:
    asked = {"model": ["resnet/tiny"], "mode": ["inference"], "options": {"target": [0.9]}}
    assert imply(asked) == asked
