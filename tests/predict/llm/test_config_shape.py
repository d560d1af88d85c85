"""A language model's shape from its configuration: what the papers of published models say, counted here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import AssayError, UnsupportedError
from assay.predict.layers import open_estimator
from assay.predict.llm.shapes import find_shape
from assay.predict.questions import Asked, make_questions
from assay.predict.values import Abstention, Prediction, Situation

pytest.importorskip("torch", reason="configurations are counted with torch: pip install 'assay[torch]'")
pytest.importorskip("transformers", reason="configurations are built with transformers: pip install 'assay[torch]'")

from assay.predict.llm.config_shape import decoder_of

_LLAMA_8B = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
}  # fmt: skip
_PUBLISHED: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": _LLAMA_8B,
    "qwen3-235b-a22b": {
        "model_type": "qwen3_moe", "hidden_size": 4096, "intermediate_size": 12288, "moe_intermediate_size": 1536,
        "num_hidden_layers": 94, "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128,
        "num_experts": 128, "num_experts_per_tok": 8, "vocab_size": 151936, "tie_word_embeddings": False,
    },
    "deepseek-v3": {
        "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
        "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "n_routed_experts": 256,
        "n_shared_experts": 1, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "qk_nope_head_dim": 128, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "vocab_size": 129280,
    },
    "gpt-oss-120b": {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 128,
        "num_experts_per_tok": 4, "sliding_window": 128, "vocab_size": 201088,
    },
}  # fmt: skip
"""As their configurations say; what a count of them must give is in the table, from papers and cards."""


def write(folder: Path, content: dict[str, Any]) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("name", _PUBLISHED)
def test_a_configuration_counts_to_what_its_makers_published(name: str, tmp_path: Path) -> None:
    counted = decoder_of(write(tmp_path / name, _PUBLISHED[name]))
    known = find_shape(name)
    assert counted is not None
    assert known is not None
    assert counted.parameters == pytest.approx(known.parameters, rel=0.01)
    # Which embeddings count as used is told differently by makers: gpt-oss leaves them out.
    assert counted.active == pytest.approx(known.active, rel=0.13)
    for field in ("layers", "cache_width", "cache_heads", "attention_width", "experts", "experts_used", "window"):
        assert getattr(counted, field) == getattr(known, field), field
    assert counted.full_layers == known.full_layers


def test_a_window_on_all_layers_and_a_changed_file_are_seen(tmp_path: Path) -> None:
    small = {
        "model_type": "mistral", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256, "sliding_window": 32,
    }  # fmt: skip
    ref = write(tmp_path / "one", small)
    first = decoder_of(ref)
    assert first is not None
    assert (first.full_layers, first.window, first.cache_width) == (0, 32, 2 * 2 * 16)
    assert first.cache_numbers(1000) == 3 * 64 * 32
    whole = decoder_of(write(tmp_path / "two", small | {"sliding_window": None, "num_hidden_layers": 5}))
    assert whole is not None
    assert (whole.full_layers, whole.window, whole.layers) == (None, 0, 5)


@pytest.mark.parametrize(
    ("content", "kept", "full"),
    [
        ({"model_type": "gpt2", "n_embd": 64, "n_layer": 4, "n_head": 4}, (4, 128), None),
        ({"model_type": "falcon", "multi_query": True}, (1, 32), None),
        ({"model_type": "falcon", "num_kv_heads": 2, "new_decoder_architecture": True}, (2, 64), None),
        ({"model_type": "gemma2", "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 32}, (2, 64), 2),
        ({"model_type": "jamba", "num_key_value_heads": 2, "num_hidden_layers": 8, "num_experts": 2}, (2, 64), 1),
    ],
)
def test_what_other_kinds_of_decoders_keep(
    content: dict[str, Any], kept: tuple[int, int], full: int | None, tmp_path: Path
) -> None:
    plain = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}
    found = decoder_of(write(tmp_path / "own", plain | {"vocab_size": 256} | content))
    assert found is not None
    assert (found.cache_heads, found.cache_width) == kept
    assert found.full_layers == full


def test_what_keeps_a_state_is_not_told(tmp_path: Path) -> None:
    content = {"model_type": "mamba", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 256, "state_size": 8}
    with pytest.raises(UnsupportedError, match="keeps a state and no keys and values"):
        decoder_of(write(tmp_path / "mamba", content))


def test_what_writes_no_text_and_what_is_not_published_is_told() -> None:
    with pytest.raises(UnsupportedError, match="does not generate text as a decoder does"):
        decoder_of("bert/tiny")
    assert decoder_of("llm/nobody-knows") is None
    assert decoder_of("llm/llama-3.1-8b") is find_shape("llama-3.1-8b")


def ask(model: str, metric: str, device: str = "h100", **options: int) -> Prediction | Abstention:
    engine = "tgis" if options.pop("tgis", 0) else "vllm"
    asked = Asked((model,), (device,), ("fp16",), (1,), (engine,), metric=metric, options=options)
    (question,) = make_questions(asked)
    assert question.graph is None
    (answer,) = open_estimator(None).estimate([question])
    return answer


def test_tokens_of_a_model_of_ones_own_are_foretold_on_the_first_install(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", _LLAMA_8B)
    own = ask(mine, "time_per_output_token_ns", users=8, isl=1024, osl=256)
    published = ask("llm/llama-3.1-8b", "time_per_output_token_ns", users=8, isl=1024, osl=256)
    assert isinstance(own, Prediction)
    assert isinstance(published, Prediction)
    assert own.value == pytest.approx(published.value, rel=0.02)
    assert (own.calibrated_on, published.calibrated_on) == (Situation.UNSEEN_MODEL, Situation.KNOWN)
    between = ask(mine, "inter_token_latency_ns", "a10", users=8)
    assert isinstance(between, Prediction)
    assert between.model is not None
    assert between.model.startswith("serving")
    assert between.calibrated_on is Situation.UNSEEN_MODEL  # the A10 is known


def test_the_first_token_of_one_server_software_answers_for_no_other(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", _LLAMA_8B)
    other = ask(mine, "time_to_first_token_ns", "a10", users=8, isl=512, osl=64)
    assert isinstance(other, Prediction)
    assert "not serving: what a first token waits for was learned of tgis alone" in other.reasons
    own = ask(mine, "time_to_first_token_ns", "a10", users=8, isl=512, osl=64, tgis=1)
    assert isinstance(own, Prediction)
    assert (own.model or "").startswith("serving")
    without = ask(mine, "time_to_first_token_ns", "a10", users=8, tgis=1)
    assert isinstance(without, Abstention)
    assert "needs the option isl" in without.reason


def test_a_configuration_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssayError):
        decoder_of(write(tmp_path / "odd", {"model_type": "no-such-model"}))
