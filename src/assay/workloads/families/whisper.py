"""Whisper: speech recognition encoder-decoder (Radford et al. 2022, arXiv:2212.04356)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.workloads.audio import FeatureSpec, MelSpectrogram, Scaling
from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, call_with_keywords, families

if TYPE_CHECKING:
    from torch import nn

# The paper's table 1 rounds to 39M, 74M and 244M; the checkpoints hold a few per cent less.
_CARD = "checkpoint of model card openai/whisper-{}; arXiv:2212.04356, table 1"

_COMMON = {
    "vocab_size": 51865,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
    "max_target_positions": 448,
    "activation_function": "gelu",
    "scale_embedding": False,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "init_std": 0.02,
    "tie_word_embeddings": True,
    "decoder_start_token_id": 50258,
    "pad_token_id": 50257,
    "bos_token_id": 50257,
    "eos_token_id": 50257,
    "begin_suppress_tokens": [220, 50257],
}

_CONSTANTS = {"vocab": 51865, "mels": 80, "frames": 3000}

_WINDOW_SECONDS = 30
"""Audio in the one window that the encoder takes: 3000 frames of 10 ms (arXiv:2212.04356, section 2.2)."""


FEATURES = FeatureSpec(
    input="input_features",
    sample_rate_hz=16_000,
    seconds=_WINDOW_SECONDS,
    scaling=Scaling.WHISPER,
    mel=MelSpectrogram(fft=400, hop=160, bands=80, low_hz=0.0, high_hz=8000.0, drops_last=True),
    frames_first=False,
    source="arXiv:2212.04356, section 2.2; openai/whisper, audio.py",
)

SIZES = {
    "tiny": Size(
        tier=Tier.TINY,
        config={
            **_COMMON,
            "d_model": 384,
            "encoder_layers": 4,
            "encoder_attention_heads": 6,
            "encoder_ffn_dim": 1536,
            "decoder_layers": 4,
            "decoder_attention_heads": 6,
            "decoder_ffn_dim": 1536,
        },
        parameters=37_760_640,
        published=37.8e6,
        source=_CARD.format("tiny"),
        constants=_CONSTANTS,
    ),
    "base": Size(
        tier=Tier.SMALL,
        config={
            **_COMMON,
            "d_model": 512,
            "encoder_layers": 6,
            "encoder_attention_heads": 8,
            "encoder_ffn_dim": 2048,
            "decoder_layers": 6,
            "decoder_attention_heads": 8,
            "decoder_ffn_dim": 2048,
        },
        parameters=72_593_920,
        published=72.6e6,
        source=_CARD.format("base"),
        constants=_CONSTANTS,
    ),
    "small": Size(
        tier=Tier.BASE,
        config={
            **_COMMON,
            "d_model": 768,
            "encoder_layers": 12,
            "encoder_attention_heads": 12,
            "encoder_ffn_dim": 3072,
            "decoder_layers": 12,
            "decoder_attention_heads": 12,
            "decoder_ffn_dim": 3072,
        },
        parameters=241_734_912,
        published=241.7e6,
        source=_CARD.format("small"),
        constants=_CONSTANTS,
    ),
}


def build(size: Size) -> nn.Module:
    """Encoder, decoder and the output layer that shares the decoder's embedding.

    The key-value cache is off: a call is one encoder pass and one decoder pass, not a step of generation.
    """
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperForConditionalGeneration

    return WhisperForConditionalGeneration(WhisperConfig(**size.config, use_cache=False))


def per_window_second(_size: Size, batch: int, _shape: Mapping[str, int]) -> float:
    """One unit a second of audio: batch x 30, however many tokens are decoded."""
    return float(batch * _WINDOW_SECONDS)


families.add(
    "whisper",
    Family(
        name="whisper",
        task="speech recognition",
        modality="audio",
        unit=UnitOfWork.AUDIO_SECOND,
        units_per_call=per_window_second,
        sizes=SIZES,
        inputs=(
            InputSpec("input_features", ("batch", "mels", "frames"), "float32", Fill.NORMAL),
            InputSpec("decoder_input_ids", ("batch", "target"), "int64", Fill.TOKENS, high="vocab"),
        ),
        default_shape={"target": 8},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2212.04356",
        features=FEATURES,
    ),
)
