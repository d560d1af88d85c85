"""Shapes and the law: what is known of each term, so that no unit or factor goes astray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from assay.predict.llm.features import BETWEEN_TERMS, FIRST_TERMS, RATIOS, batch_of, measure, slots_of
from assay.predict.llm.setups import BETWEEN, FIRST, Setup
from assay.predict.llm.shapes import SHAPES, find_shape

if TYPE_CHECKING:
    import numpy as np

Make = Callable[..., Setup]


def test_shapes_add_up_and_name_their_source() -> None:
    for one in SHAPES:
        assert one.source
        assert 0 < one.active <= one.parameters
        assert one.shared_parameters + one.expert_parameters == pytest.approx(one.parameters)
        used = one.shared_parameters + one.expert_parameters * one.experts_used / one.experts
        assert used == pytest.approx(one.active)
        assert one.touched(1) == pytest.approx(one.experts_used / one.experts if one.experts > 1 else 0.0)
        assert one.touched(1e6) == pytest.approx(1.0 if one.experts > 1 else 0.0)


def test_names_of_checkpoints_find_their_shape() -> None:
    assert find_shape("deepseek-ai/DeepSeek-R1") is find_shape("llm/deepseek-v3")
    assert find_shape("Qwen/Qwen3-235B-A22B-FP8") is find_shape("qwen3-235b-a22b")
    assert find_shape("acme/unheard-of") is None


def test_sliding_and_sparse_attention_keep_and_read_less() -> None:
    full, window, sparse = (find_shape(name) for name in ("qwen3-32b", "gpt-oss-120b", "glm-5"))
    assert full is not None
    assert window is not None
    assert sparse is not None
    assert full.cache_numbers(1000) == 64 * 2048 * 1000
    assert window.cache_numbers(1000) == 1024 * (18 * 1000 + 18 * 128)
    assert sparse.cache_numbers(1e5) == sparse.cache_numbers(2048)


def test_terms_of_a_step_are_bytes_over_bandwidth_and_flops_over_rate(make_setup: Make, step: np.ndarray) -> None:
    setup = make_setup(devices=4, users=16)
    terms = dict(zip(BETWEEN_TERMS, measure([setup]).terms(BETWEEN, step)[0].tolist(), strict=True))
    assert terms["weights"] == pytest.approx(70.6e9 / 4 / 3.35e12 * 1e9)
    assert terms["cache"] == pytest.approx(16 * 80 * 2048 * 1536 / 4 / 3.35e12 * 1e9)
    assert terms["arithmetic"] == pytest.approx(16 * 2 * 70.6e9 / (1978.9e12 * 4) * 1e9)
    one = dict(zip(BETWEEN_TERMS, measure([make_setup(devices=1)]).terms(BETWEEN, step)[0].tolist(), strict=True))
    assert one["exchange"] == 0


def test_users_beyond_the_room_wait_and_do_not_slow_the_step(make_setup: Make, step: np.ndarray) -> None:
    few, many = (make_setup(devices=1, isl=8192, users=users, device="nvidia-h200-sxm5-141gb") for users in (16, 512))
    assert batch_of(few) == 16
    assert 16 < batch_of(many) == slots_of(many) < 64  # published: 32 run, 64 wait for half a minute
    waits = [dict(zip(FIRST_TERMS, row, strict=True)) for row in measure([few, many]).terms(FIRST, step).tolist()]
    assert waits[0]["slots"] == 0
    assert waits[1]["slots"] > 60e9


def test_ratios_do_not_change_with_the_device_alone(make_setup: Make) -> None:
    """A device twice as quick in everything looks the same."""
    setup = make_setup()
    quick = replace(setup, rate=2 * setup.rate, bandwidth=2 * setup.bandwidth)
    told = measure([setup, quick])
    assert told.ratios[0].tolist() == pytest.approx(told.ratios[1].tolist())
    assert told.ratios.shape == (2, len(RATIOS))
