"""BERT: bidirectional text encoder (Devlin et al. 2018, arXiv:1810.04805)."""

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
    per_sample,
)

if TYPE_CHECKING:
    from torch import nn

_PAPER = "arXiv:1810.04805, section 3; model card google-bert/bert-{}-uncased"


def build(size: Size) -> nn.Module:
    """The encoder with its pooler, as published checkpoints hold it."""
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    return BertModel(BertConfig(**size.config))


families.add(
    "bert",
    Family(
        name="bert",
        task="text encoding",
        modality="text",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512},
                parameters=4_385_920,
                published=4.4e6,
                source="arXiv:1908.08962, table 1 (BERT-Tiny, L=2 H=128)",
                constants={"vocab": 30522},
            ),
            "base": Size(
                tier=Tier.BASE,
                config={},
                parameters=109_482_240,
                published=110e6,
                source=_PAPER.format("base"),
                constants={"vocab": 30522},
            ),
            "large": Size(
                tier=Tier.LARGE,
                config={
                    "hidden_size": 1024,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 16,
                    "intermediate_size": 4096,
                },
                parameters=335_141_888,
                published=340e6,
                source=_PAPER.format("large"),
                constants={"vocab": 30522},
            ),
        },
        inputs=(
            InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, low=1, high="vocab"),
            InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.ONES),
        ),
        default_shape={"seq": 128},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:1810.04805",
    ),
)
