"""Steps of language models: references, labels, configurations, and the kernels that a step dispatches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from assay.core.errors import AssayError, UnknownNameError, UsageError
from assay.predict.kernels.labels import read_labels
from assay.predict.kernels.models import CONFIGURATIONS, find_configuration, read_step
from assay.predict.kernels.whole import trace_steps

TINY = {"model_type": "bert", "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 64}  # fmt: skip


def test_references_are_read_with_the_names_that_others_use() -> None:
    step = read_step("opt_1.3b-train-2048-4")
    assert (step.model, step.is_training, step.length, step.batch) == ("opt_13", True, 2048, 4)


@pytest.mark.parametrize(
    "text", ["", "bert_large", "bert_large-infer-512-16", "bert_large-inf-0-16", "a-inf-99999999-9"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="model-inf-tokens-samples"):
        read_step(text)


def test_configurations_of_a_folder_come_first(tmp_path: Path) -> None:
    (tmp_path / "bert_large.json").write_text(json.dumps(TINY))
    assert find_configuration("bert_large", tmp_path)["hidden_size"] == 32
    assert find_configuration("gpt2_large", tmp_path) == CONFIGURATIONS["gpt2_large"]
    (tmp_path / "gpt2.json").write_text("{")
    (tmp_path / "opt_13.json").write_text("{}")
    for name in ("gpt2", "opt_13"):
        with pytest.raises(AssayError, match=name):
            find_configuration(name, tmp_path)
    with pytest.raises(UnknownNameError, match="bert_larg"):
        find_configuration("bert_larg")


def test_labels_are_read_and_what_did_not_fit_is_no_label(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("\ufeffdevice,config,e2e_latency\nNVIDIA L4,bert_large-inf-512-16,321.5\nNVIDIA L4,gpt2-inf-9-9,\n")
    (one,) = read_labels(path)
    assert (one.device, one.step.model, one.latency_ns, one.row) == ("NVIDIA L4", "bert_large", 321.5e6, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("device,config\nL4,gpt2-inf-1-1\n", "lacks the columns e2e_latency"),
        ("device,config,e2e_latency\n", "has no row"),
        ("device,config,e2e_latency\nL4,gpt2-inf-8-1,-3\n", "row 1: e2e_latency is '-3'"),
        ("device,config,e2e_latency\nL4,gpt2-inf-8-1,nan\n", "row 1"),
        ("device,config,e2e_latency\nL4,gpt2,5\n", "model-inf-tokens-samples"),
    ],
)
def test_bad_labels_are_refused_with_their_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(AssayError, match=says):
        read_labels(path)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AssayError, match="could not be read"):
        read_labels(tmp_path / "binary.csv")


def test_kernels_of_a_step_are_those_of_its_layers(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    (tmp_path / "bert_large.json").write_text(json.dumps(TINY))
    step = read_step("bert_large-inf-16-3")
    kernels = trace_steps([step], tmp_path)[step]
    tokens, width, inner, layers = 3 * 16, 32, 64, 2
    expected = layers * 2 * tokens * (4 * width * width + 2 * width * inner)
    linear = kernels.take(kernels.family == "linear")
    # The pooler and the head for sequences are two small products beside the layers'.
    heads = 2 * 3 * (width * width + width * 2)
    assert linear.flops.sum() == expected + heads
    attention = kernels.take(kernels.family == "bmm")
    assert attention.flops.sum() == layers * 2 * 2 * 3 * 16 * 16 * width
    assert (kernels.family == "softmax").sum() == layers
    assert (kernels.family == "norm").sum() == 2 * layers + 1
    assert (kernels.moved_bytes > 0).all()


def test_a_step_of_training_has_three_times_the_products(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    gpt = {"model_type": "gpt2", "vocab_size": 100, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}
    (tmp_path / "gpt2.json").write_text(json.dumps(gpt))
    steps = [read_step("gpt2-inf-16-2"), read_step("gpt2-train-16-2")]
    found = trace_steps(steps, tmp_path)
    forward, both = (found[step].flops.sum() for step in steps)
    assert both == pytest.approx(3 * forward, rel=0.05)


def test_experts_get_as_many_rows_as_their_capacity(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    tiny = dict(CONFIGURATIONS["switchxl4"]) | {
        "vocab_size": 64, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 2,
        "num_heads": 4, "expert_capacity": 5, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1,
    }  # fmt: skip
    (tmp_path / "switchxl4.json").write_text(json.dumps(tiny))
    step = read_step("switchxl4-train-8-3")
    kernels = trace_steps([step], tmp_path)[step]
    inner = (kernels.family == "linear") & (kernels.m == 3 * 5) & (kernels.n == 24) & (kernels.k == 16)
    assert np.count_nonzero(inner) == 2 * 4 * 2  # two layers, four experts; forward, and the gradient of the second
    assert np.count_nonzero((kernels.family == "linear") & (kernels.n == 4)) >= 2


def test_what_cannot_be_built_is_said(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    (tmp_path / "gpt2.json").write_text(json.dumps({"model_type": "no_such_model"}))
    with pytest.raises(AssayError, match="gpt2-inf-8-1"):
        trace_steps([read_step("gpt2-inf-8-1")], tmp_path)
