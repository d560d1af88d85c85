"""CLAP: contrastive language-audio pretraining, HTS-AT with RoBERTa (Wu et al. 2022, arXiv:2211.06687)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assay.workloads.audio import FeatureSpec, MelSpectrogram, Scaling
from assay.workloads.base import Family, Fill, InputSpec, Size, Tier, UnitOfWork, call_with_keywords, families

if TYPE_CHECKING:
    from torch import nn

_TEXT = {
    "vocab_size": 50265,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-12,
    "initializer_factor": 1.0,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}

_AUDIO = {
    "window_size": 8,
    "num_mel_bins": 64,
    "spec_size": 256,
    "hidden_act": "gelu",
    "patch_size": 4,
    "patch_stride": [4, 4],
    "num_classes": 527,
    "enable_fusion": False,
    "fusion_type": None,
    "patch_embed_input_channels": 1,
    "flatten_patch_embeds": True,
    "enable_patch_layer_norm": True,
    "hidden_dropout_prob": 0.1,
    "drop_path_rate": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "qkv_bias": True,
    "mlp_ratio": 4.0,
    "aff_block_r": 4,
    "layer_norm_eps": 1e-5,
    "initializer_factor": 1.0,
}

_JOINT = {
    "projection_dim": 512,
    "projection_hidden_act": "relu",
    "logit_scale_init_value": 1 / 0.07,
    "initializer_factor": 1.0,
}

_CONSTANTS = {"vocab": 50265, "frames": 1001, "mels": 64}

_CLIP_SECONDS = 10
"""Audio in one clip: 480 000 samples at 48 kHz, hop 480, hence 1001 frames (arXiv:2211.06687, section 4.1)."""


FEATURES = FeatureSpec(
    input="input_features",
    sample_rate_hz=48_000,
    seconds=_CLIP_SECONDS,
    scaling=Scaling.DECIBELS,
    mel=MelSpectrogram(fft=1024, hop=480, bands=64, low_hz=50.0, high_hz=14_000.0, drops_last=False),
    frames_first=True,
    source="arXiv:2211.06687, section 4.1; preprocessor_config.json of model card laion/clap-htsat-unfused",
)


def build(size: Size) -> nn.Module:
    """Both towers and their projections; a call gives the similarity of every clip with every caption."""
    from transformers.models.clap.configuration_clap import ClapConfig
    from transformers.models.clap.modeling_clap import ClapModel

    return ClapModel(ClapConfig(**size.config))


def per_clip_second(_size: Size, batch: int, _shape: Mapping[str, int]) -> float:
    """One unit a second of audio: batch x 10, however long the captions are."""
    return float(batch * _CLIP_SECONDS)


families.add(
    "clap",
    Family(
        name="clap",
        task="audio-text similarity",
        modality="audio-language",
        unit=UnitOfWork.AUDIO_SECOND,
        units_per_call=per_clip_second,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    **_JOINT,
                    "text_config": {
                        **_TEXT,
                        "hidden_size": 128,
                        "num_hidden_layers": 2,
                        "num_attention_heads": 2,
                        "intermediate_size": 512,
                    },
                    "audio_config": {
                        **_AUDIO,
                        "patch_embeds_hidden_size": 48,
                        "hidden_size": 384,
                        "depths": [1, 1, 2, 1],
                        "num_attention_heads": [2, 4, 8, 16],
                    },
                },
                parameters=10_906_056,
                source="assay: half of HTS-AT's width, 5 of its 12 blocks, and a text tower of BERT-Tiny's shape",
                constants=_CONSTANTS,
            ),
            "base": Size(
                tier=Tier.BASE,
                config={
                    **_JOINT,
                    "text_config": {
                        **_TEXT,
                        "hidden_size": 768,
                        "num_hidden_layers": 12,
                        "num_attention_heads": 12,
                        "intermediate_size": 3072,
                    },
                    "audio_config": {
                        **_AUDIO,
                        "patch_embeds_hidden_size": 96,
                        "hidden_size": 768,
                        "depths": [2, 2, 6, 2],
                        "num_attention_heads": [4, 8, 16, 32],
                    },
                },
                parameters=153_492_890,
                published=153e6,
                source="model card laion/clap-htsat-unfused; arXiv:2211.06687, section 3",
                constants=_CONSTANTS,
            ),
        },
        inputs=(
            InputSpec("input_features", ("batch", 1, "frames", "mels"), "float32", Fill.NORMAL),
            # Token 1 is padding: positions are counted over the tokens that are not.
            InputSpec("input_ids", ("batch", "seq"), "int64", Fill.TOKENS, low=2, high="vocab"),
            InputSpec("attention_mask", ("batch", "seq"), "int64", Fill.ONES),
        ),
        default_shape={"seq": 77},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2211.06687",
        features=FEATURES,
    ),
)
