"""Llama: decoder-only language model, timed as one prefill pass (Touvron et al. 2023, arXiv:2302.13971)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.workloads.base import (
    Family,
    Fill,
    InputSpec,
    Size,
    Tier,
    UnitOfWork,
    call_with_keywords,
    families,
    per_token,
)

if TYPE_CHECKING:
    from torch import nn

_COMMON = {
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "mlp_bias": False,
}

_ROPE_10K = {"rope_type": "default", "rope_theta": 10000.0}


def build(size: Size) -> nn.Module:
    """The decoder with its output layer; a call gives the logits of every position.

    The key-value cache is off: a call is a prefill, and nothing would read the cache it leaves.
    """
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**size.config, use_cache=False))


families.add(
    "llama",
    Family(
        name="llama",
        task="text generation (prefill)",
        modality="text",
        unit=UnitOfWork.TOKEN,
        units_per_call=per_token,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    **_COMMON,
                    "vocab_size": 4096,
                    "hidden_size": 512,
                    "intermediate_size": 1408,
                    "num_hidden_layers": 3,
                    "num_attention_heads": 8,
                    "num_key_value_heads": 2,
                    "head_dim": 64,
                    "max_position_embeddings": 2048,
                    "rope_parameters": _ROPE_10K,
                },
                parameters=12_652_032,
                source="assay: a quarter of TinyLlama's width, 3 layers, 4 query heads a key-value head as in Llama 3",
                constants={"vocab": 4096},
            ),
            "1b": Size(
                tier=Tier.BASE,
                config={
                    **_COMMON,
                    "vocab_size": 32000,
                    "hidden_size": 2048,
                    "intermediate_size": 5632,
                    "num_hidden_layers": 22,
                    "num_attention_heads": 32,
                    "num_key_value_heads": 4,
                    "head_dim": 64,
                    "max_position_embeddings": 2048,
                    "rope_parameters": _ROPE_10K,
                },
                parameters=1_100_048_384,
                published=1.1e9,
                source="arXiv:2401.02385 (TinyLlama), table 1; model card TinyLlama/TinyLlama-1.1B-Chat-v1.0",
                constants={"vocab": 32000},
            ),
            "7b": Size(
                tier=Tier.LARGE,
                config={
                    **_COMMON,
                    "vocab_size": 32000,
                    "hidden_size": 4096,
                    "intermediate_size": 11008,
                    "num_hidden_layers": 32,
                    "num_attention_heads": 32,
                    "num_key_value_heads": 32,
                    "head_dim": 128,
                    "max_position_embeddings": 4096,
                    "rope_parameters": _ROPE_10K,
                },
                parameters=6_738_415_616,
                published=6.74e9,
                source="arXiv:2307.09288 (Llama 2); model card meta-llama/Llama-2-7b-hf",
                constants={"vocab": 32000},
            ),
            "8b": Size(
                tier=Tier.LARGE,
                config={
                    **_COMMON,
                    "vocab_size": 128256,
                    "hidden_size": 4096,
                    "intermediate_size": 14336,
                    "num_hidden_layers": 32,
                    "num_attention_heads": 32,
                    "num_key_value_heads": 8,
                    "head_dim": 128,
                    "max_position_embeddings": 131072,
                    "rope_parameters": {
                        "rope_type": "llama3",
                        "rope_theta": 500000.0,
                        "factor": 8.0,
                        "low_freq_factor": 1.0,
                        "high_freq_factor": 4.0,
                        "original_max_position_embeddings": 8192,
                    },
                    "bos_token_id": 128000,
                    "eos_token_id": 128001,
                },
                parameters=8_030_261_248,
                published=8.03e9,
                source="arXiv:2407.21783 (Llama 3), table 3; model card meta-llama/Llama-3.1-8B",
                constants={"vocab": 128256},
            ),
        },
        # The mask of ones that a tokenizer gives. Without it transformers looks for several texts packed into a row:
        # eager mode computes the same, but a traced graph keeps that search (8 nodes more).
        inputs=(
            InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, low=3, high="vocab"),
            InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.ONES),
        ),
        default_shape={"seq": 128},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2302.13971",
    ),
)
