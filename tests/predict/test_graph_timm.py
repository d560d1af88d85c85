"""Rows of timm's table of operations as graphs: attention is put together again, weights are spread."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from assay.predict.graph_timm import family_of, from_timm_row, fuse_attention
from assay.predict.values import OP_CLASSES, OpWork

TIMM = Path(__file__).parents[2] / ".." / "shared" / "data" / "timm_bench" / "timm_op_features.csv"
HEADS, LENGTH, WIDTH = 2, 10, 4
TOKENS = LENGTH * HEADS * WIDTH
SCORES = HEADS * LENGTH * LENGTH


def written_out() -> dict[str, OpWork]:
    """One attention as tensors without values show it, and a GELU beside it."""
    return {
        "batched_matmul": OpWork(2, 4 * SCORES * WIDTH, 4 * TOKENS + 2 * SCORES),
        "softmax": OpWork(1, 0, 2 * SCORES),
        "elementwise": OpWork(3, 0, 4 * TOKENS + 100),
        "copy": OpWork(1, 0, 2 * TOKENS),
    }


def test_attention_reads_queries_keys_and_values_and_writes_the_outcome() -> None:
    fused = fuse_attention(written_out())
    assert fused["attention"] == OpWork(1, 4 * SCORES * WIDTH, 4 * TOKENS)
    assert fused["elementwise"] == OpWork(1, 0, 100)
    assert fused.keys() == {"attention", "elementwise"}


def test_what_is_no_attention_stays() -> None:
    for work in (
        {**written_out(), "batched_matmul": OpWork(3, 1, 1000)},
        {name: one for name, one in written_out().items() if name != "softmax"},
    ):
        assert fuse_attention(work) == work


def test_weights_are_spread_and_never_more_than_is_moved() -> None:
    row: dict[str, str | float | None] = {
        "model": "m", "img_size": 8, "ok": 1, "params": 1000, "conv_n": 1, "conv_f": 3000, "conv_b": 1200,
        "pw_n": 1, "pw_f": 1000, "pw_b": 8000, "mm_n": 1, "mm_f": 200, "mm_b": 1000,
    }  # fmt: skip
    work = from_timm_row(row).work
    assert work["matmul"].weight_elements == 100
    assert work["conv"].weight_elements == 300  # 675 by its share, and no more than it moves
    assert work["pointwise_conv"].weight_elements == 225


def test_a_row_that_was_not_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="adv_inception_v3"):
        from_timm_row({"model": "adv_inception_v3", "img_size": "299", "ok": "0", "params": "0"})


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("resnet50d", "resnet"),
        ("resnet101", "resnet"),
        ("vit_base_patch16_224", "vit"),
        ("tf_efficientnet_b0", "efficientnet"),
        ("swinv2_tiny_window8_256", "swinv"),
        ("convnext_tiny.fb_in1k", "convnext"),
    ],
)
def test_families(model: str, family: str) -> None:
    assert family_of(model) == family


def test_every_row_of_the_table_that_was_counted_is_a_graph() -> None:
    if not TIMM.is_file():
        pytest.skip(f"{TIMM} is not at hand: the shared data folder is not beside this checkout")
    with TIMM.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["ok"] == "1"]
    graphs = [from_timm_row(row) for row in rows]
    assert len(graphs) > 1600
    for graph in graphs:
        assert set(graph.work) <= set(OP_CLASSES)
        assert all(one.weight_elements <= one.elements for one in graph.work.values())
        assert sum(one.weight_elements for one in graph.work.values()) <= graph.parameters * (1 + 1e-9)
    assert any("attention" in graph.work for graph in graphs)
    assert all("attention" not in from_timm_row(row, fused=False).work for row in rows[:50])
