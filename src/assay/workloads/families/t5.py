"""T5: text-to-text encoder-decoder (Raffel et al. 2019, arXiv:1910.10683)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, call_with_keywords, families

if TYPE_CHECKING:
    from torch import nn

_PAPER = "arXiv:1910.10683, section 3.7; model card google-t5/t5-{}"

_COMMON = {
    "vocab_size": 32128,
    "d_kv": 64,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "dropout_rate": 0.1,
    "layer_norm_epsilon": 1e-6,
    "initializer_factor": 1.0,
    "feed_forward_proj": "relu",
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}


def build(size: Size) -> nn.Module:
    """Encoder, decoder and the output layer that shares their embedding.

    The key-value cache is off: a call is one teacher-forced pass, not a step of generation. T5 leaves 1/sqrt(d_kv)
    out of attention and puts it into the initial query weights (arXiv:1910.10683's code, and transformers'
    ``_init_weights``). Weights filled by fan-in alone lack it, softmax then saturates, and bf16 is 30 % off where
    it is otherwise 1 %; so the factor is put back where other models have it. The work done is the same.
    """
    from transformers.models.t5.configuration_t5 import T5Config
    from transformers.models.t5.modeling_t5 import T5Attention, T5ForConditionalGeneration

    model = T5ForConditionalGeneration(T5Config(**size.config, use_cache=False))
    for module in model.modules():
        if isinstance(module, T5Attention):
            module.scaling = module.key_value_proj_dim**-0.5
    return model


def per_source_and_target_token(_size: Size, batch: int, shape: Mapping[str, int]) -> float:
    """One unit a token that is read or decoded: batch x (seq + target)."""
    return float(batch * (shape["seq"] + shape["target"]))


families.add(
    "t5",
    Family(
        name="t5",
        task="text-to-text",
        modality="text",
        unit=UnitOfWork.TOKEN,
        units_per_call=per_source_and_target_token,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    **_COMMON,
                    "d_model": 128,
                    "d_ff": 512,
                    "num_layers": 2,
                    "num_decoder_layers": 2,
                    "num_heads": 2,
                },
                parameters=5_031_552,
                source="assay: t5-small's shape at d_model 128 and 2 + 2 layers",
                constants={"vocab": 32128},
            ),
            "small": Size(
                tier=Tier.SMALL,
                config={
                    **_COMMON,
                    "d_model": 512,
                    "d_ff": 2048,
                    "num_layers": 6,
                    "num_decoder_layers": 6,
                    "num_heads": 8,
                },
                parameters=60_506_624,
                published=60.5e6,
                source=_PAPER.format("small"),
                constants={"vocab": 32128},
            ),
            "base": Size(
                tier=Tier.BASE,
                config={
                    **_COMMON,
                    "d_model": 768,
                    "d_ff": 3072,
                    "num_layers": 12,
                    "num_decoder_layers": 12,
                    "num_heads": 12,
                },
                parameters=222_903_552,
                published=222.9e6,
                source=_PAPER.format("base"),
                constants={"vocab": 32128},
            ),
        },
        inputs=(
            InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, low=2, high="vocab"),
            InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.ONES),
            InputSpec("decoder_input_ids", ("batch", "target"), "int64", Fill.TOKENS, low=2, high="vocab"),
        ),
        default_shape={"seq": 128, "target": 32},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:1910.10683",
    ),
)
