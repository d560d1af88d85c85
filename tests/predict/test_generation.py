"""Generation as two graphs: what a prompt and one more token cost, by hand, and as a real call counts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.core.errors import UnsupportedError
from assay.predict.generation import GenerationTimes, bound_generation, profile_generation
from assay.predict.values import DeviceProfile

LAYERS, HIDDEN, INNER, KEYS, VOCABULARY = 2, 64, 128, 32, 100
PRODUCTS = LAYERS * (2 * HIDDEN * HIDDEN + 2 * HIDDEN * KEYS + 3 * HIDDEN * INNER)
TINY_LLAMA = {
    "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 64,
}  # fmt: skip
TINY_MIXTURE = {**TINY_LLAMA, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
DEVICE = DeviceProfile("one", flops_per_s={"fp16": 100e12}, bandwidth_bytes_per_s=1e12)


def write_config(folder: Path, content: dict[str, object]) -> Path:
    folder.mkdir()
    file = folder / "config.json"
    file.write_text(json.dumps(content))
    return file


def test_a_prompt_and_a_step_by_hand(tmp_path: Path) -> None:
    file = write_config(tmp_path / "model", TINY_LLAMA)
    found = profile_generation(str(file), batch=3, prompt_tokens=32, new_tokens=9, cache=tmp_path / "cache")
    # The head is computed for one position a text, by prompt and step alike.
    head = HIDDEN * VOCABULARY
    assert found.prefill.work["matmul"].flops == 2 * 3 * (32 * PRODUCTS + head)
    assert found.decode.work["matmul"].flops == 2 * 3 * (PRODUCTS + head)
    assert found.prefill.work["attention"].flops == LAYERS * 3 * 4 * 32 * 32 * HIDDEN
    # In the middle of nine new tokens 36 positions are kept, and the token itself.
    assert found.decode.work["attention"].flops == pytest.approx(LAYERS * 3 * 4 * 37 * HIDDEN)
    assert found.decode.work["matmul"].weight_elements == PRODUCTS + head
    assert found.cache_elements == pytest.approx(3 * (32 + 9) * LAYERS * 2 * KEYS)
    assert (found.prefill.units_per_call, found.decode.units_per_call) == (96, 3)


def test_more_texts_read_more_experts_and_no_more_than_there_are(tmp_path: Path) -> None:
    file = str(write_config(tmp_path / "model", TINY_MIXTURE))
    one, many = (
        profile_generation(file, batch=batch, cache=tmp_path / "cache").decode.work["batched_matmul"].weight_elements
        for batch in (1, 8)
    )
    expert = 3 * HIDDEN * INNER
    assert one == LAYERS * 2 * expert
    assert many == LAYERS * 4 * expert


def test_a_step_is_bound_by_bandwidth_and_a_long_prompt_by_arithmetic(tmp_path: Path) -> None:
    found = profile_generation("llama/8b", prompt_tokens=1024, cache=tmp_path)
    times = bound_generation(found, DEVICE)
    assert (times.ttft_bound, times.tpot_bound) == ("arithmetic", "bandwidth")
    # Every weight but the embeddings, once a token: 7.5e9 numbers of two bytes at 1e12 bytes a second.
    assert times.tpot_ns == pytest.approx(15.0e6, rel=0.03)
    assert times.ttft_ns == pytest.approx(found.prefill.flops / 100e12 * 1e9)
    assert bound_generation(found, DEVICE, share=0.5).tpot_ns == pytest.approx(2 * times.tpot_ns)


def test_a_whole_text_is_its_first_token_and_the_others() -> None:
    times = GenerationTimes(10.0, 2.0, "arithmetic", "bandwidth")
    assert times.total_ns(5) == 18
    assert times.total_ns(1) == 10


@pytest.mark.parametrize("ref", ["t5/tiny", "bert/tiny", "vit/tiny"])
def test_what_does_not_write_text_is_refused(tmp_path: Path, ref: str) -> None:
    with pytest.raises(UnsupportedError, match="does not generate text"):
        profile_generation(ref, cache=tmp_path)


def test_bad_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="new_tokens=0"):
        profile_generation("llama/tiny", new_tokens=0, cache=tmp_path)
    found = profile_generation("llama/tiny", cache=tmp_path)
    with pytest.raises(UnsupportedError, match="rate in fp8"):
        bound_generation(found, DEVICE, precision="fp8")
    with pytest.raises(ValueError, match="share"):
        bound_generation(found, DEVICE, share=1.5)
