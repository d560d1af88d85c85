"""The comparison of outputs with the reference, against values worked out by hand and against what must never pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from assay.core.words import Precision
from assay.stats.fidelity import TOLERANCES, compare_outputs, judge_fidelity

FINITE = st.floats(-1e6, 1e6, width=32)
ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=FINITE)


def array(*values: float) -> Any:
    return np.array(values, dtype=np.float32)


def test_errors_are_relative_to_the_largest_magnitude_of_the_reference() -> None:
    found = compare_outputs([array(1, -4, 0)], [array(1, -4, 0.4)])
    assert found.max_relative_error == pytest.approx(0.1)
    assert found.mean_relative_error == pytest.approx(0.1 / 3)
    assert found.top1_agreement == 1.0
    assert found.cosine == pytest.approx(17 / (math.sqrt(17) * math.sqrt(17.16)))


def test_the_worst_tensor_counts() -> None:
    found = compare_outputs([array(1, 2), array(3, 1)], [array(1, 2), array(1, 3)])
    assert (found.tensors, found.top1_agreement) == (2, 0.0)
    assert found.max_relative_error == pytest.approx(2 / 3)


def test_integers_count_as_wrong_where_they_differ() -> None:
    found = compare_outputs([np.array([1, 2, 3, 4])], [np.array([1, 2, 3, 5])])
    assert found.max_relative_error == pytest.approx(0.25)
    assert found.cosine is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_never_passes(bad: float) -> None:
    numbers = compare_outputs([array(1, 2)], [array(1, bad)]).to_dict()
    assert "max_relative_error" not in numbers
    for precision in Precision:
        passed, reason = judge_fidelity(numbers, precision)
        assert not passed
        assert reason is not None
        assert "NaN" in reason


def test_masked_positions_that_both_have_are_no_error() -> None:
    found = compare_outputs([array(1, -math.inf)], [array(1, -math.inf)])
    assert found.max_relative_error == 0.0


@pytest.mark.parametrize(
    ("reference", "outputs", "words"),
    [
        ([array(1)], [], "returned 0 tensors, the reference has 1"),
        ([array(1, 2)], [array(1)], r"output 0 has shape \(1,\), the reference \(2,\)"),
        ([], [], "returns no tensors"),
    ],
)
def test_what_cannot_be_compared_says_why(reference: list[Any], outputs: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compare_outputs(reference, outputs)


@given(ARRAYS)
def test_the_same_outputs_pass_at_every_precision(reference: Any) -> None:
    numbers = compare_outputs([reference], [reference.copy()]).to_dict()
    assert numbers["max_relative_error"] == 0.0
    assert all(judge_fidelity(numbers, precision) == (True, None) for precision in Precision)


@given(ARRAYS, st.data())
def test_one_wrong_value_is_seen(reference: Any, data: st.DataObject) -> None:
    wrong = reference.copy()
    place = data.draw(st.integers(0, wrong.size - 1))
    scale = max(1.0, float(np.max(np.abs(reference))))
    wrong.flat[place] += 2 * scale
    numbers = compare_outputs([reference], [wrong]).to_dict()
    for precision in Precision:
        assert not judge_fidelity(numbers, precision)[0]


def test_tolerances_widen_as_precisions_narrow() -> None:
    order = [TOLERANCES[precision] for precision in (Precision.FP32, Precision.TF32, Precision.FP16, Precision.BF16)]
    assert order == sorted(order)
    assert TOLERANCES[Precision.BF16] < TOLERANCES[Precision.INT8] < TOLERANCES[Precision.INT4]


def test_a_quantized_output_that_points_elsewhere_fails_by_its_cosine() -> None:
    numbers = {"max_relative_error": 0.15, "mean_relative_error": 0.1, "cosine": 0.9}
    passed, reason = judge_fidelity(numbers, Precision.INT8)
    assert not passed
    assert reason is not None
    assert "cosine similarity 0.900 is below the int8 bound of 0.98" in reason
