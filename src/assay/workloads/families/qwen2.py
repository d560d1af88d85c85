"""Qwen2: decoder-only language model, timed as one prefill pass (Yang et al. 2024, arXiv:2407.10671)."""

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

_PAPER = "arXiv:2407.10671, table 1; model card Qwen/Qwen2-{}"

_COMMON = {
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-6,
    "attention_dropout": 0.0,
    "max_position_embeddings": 131072,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    # Published checkpoints name a window and switch it off; off is what decides.
    "use_sliding_window": False,
}


def build(size: Size) -> nn.Module:
    """The decoder with its output layer; a call gives the logits of every position.

    The key-value cache is off: a call is a prefill, and nothing would read the cache it leaves.
    """
    from transformers.models.qwen2.configuration_qwen2 import Qwen2Config
    from transformers.models.qwen2.modeling_qwen2 import Qwen2ForCausalLM

    return Qwen2ForCausalLM(Qwen2Config(**size.config, use_cache=False))


families.add(
    "qwen2",
    Family(
        name="qwen2",
        task="text generation (prefill)",
        modality="text",
        unit=UnitOfWork.TOKEN,
        units_per_call=per_token,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    **_COMMON,
                    "vocab_size": 8192,
                    "hidden_size": 384,
                    "intermediate_size": 2048,
                    "num_hidden_layers": 4,
                    "num_attention_heads": 6,
                    "num_key_value_heads": 2,
                    "tie_word_embeddings": True,
                },
                parameters=14_161_792,
                source="assay: Qwen2-0.5B's proportions at width 384, 4 layers and a vocabulary of 8192",
                constants={"vocab": 8192},
            ),
            "0.5b": Size(
                tier=Tier.BASE,
                config={
                    **_COMMON,
                    "vocab_size": 151936,
                    "hidden_size": 896,
                    "intermediate_size": 4864,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 14,
                    "num_key_value_heads": 2,
                    "tie_word_embeddings": True,
                    "bos_token_id": 151643,
                    "eos_token_id": 151643,
                },
                parameters=494_032_768,
                published=494e6,
                source=_PAPER.format("0.5B"),
                constants={"vocab": 151936},
            ),
            "7b": Size(
                tier=Tier.LARGE,
                config={
                    **_COMMON,
                    "vocab_size": 152064,
                    "hidden_size": 3584,
                    "intermediate_size": 18944,
                    "num_hidden_layers": 28,
                    "num_attention_heads": 28,
                    "num_key_value_heads": 4,
                    "tie_word_embeddings": False,
                    "bos_token_id": 151643,
                    "eos_token_id": 151643,
                },
                parameters=7_615_616_512,
                published=7.62e9,
                source=_PAPER.format("7B"),
                constants={"vocab": 152064},
            ),
        },
        # The mask of ones that a tokenizer gives. Without it transformers looks for several texts packed into a row:
        # eager mode computes the same, but a traced graph keeps that search (8 nodes more).
        inputs=(
            InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, high="vocab"),
            InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.ONES),
        ),
        default_shape={"seq": 128},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2407.10671",
    ),
)
