"""wav2vec 2.0: speech encoder on raw audio with a letter head (Baevski et al. 2020, arXiv:2006.11477)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.workloads.audio import FeatureSpec, Scaling
from assay.workloads.base import (
    Family,
    Fill,
    InputSpec,
    Size,
    Tier,
    UnitOfWork,
    call_with_keywords,
    families,
    per_audio_second,
)

if TYPE_CHECKING:
    from torch import nn

_COMMON = {
    "vocab_size": 32,
    "hidden_act": "gelu",
    "hidden_dropout": 0.1,
    "activation_dropout": 0.1,
    "attention_dropout": 0.1,
    "feat_proj_dropout": 0.1,
    "final_dropout": 0.1,
    "layerdrop": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-5,
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_bias": False,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "do_stable_layer_norm": False,
    "apply_spec_augment": True,
    "mask_time_prob": 0.05,
    "mask_time_length": 10,
    "mask_feature_prob": 0.0,
    "ctc_loss_reduction": "sum",
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "add_adapter": False,
}


FEATURES = FeatureSpec(
    input="input_values",
    sample_rate_hz=16_000,
    seconds=None,
    scaling=Scaling.UNIT_VARIANCE,
    mel=None,
    frames_first=False,
    source="arXiv:2006.11477, section 2; preprocessor_config.json of model card facebook/wav2vec2-base-960h",
)


def build(size: Size) -> nn.Module:
    """Convolutional front end, Transformer encoder and the CTC head over 32 letters."""
    from transformers.models.wav2vec2.configuration_wav2vec2 import Wav2Vec2Config
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2ForCTC

    return Wav2Vec2ForCTC(Wav2Vec2Config(**size.config))


families.add(
    "wav2vec2",
    Family(
        name="wav2vec2",
        task="speech recognition",
        modality="audio",
        unit=UnitOfWork.AUDIO_SECOND,
        units_per_call=per_audio_second,
        sizes={
            "tiny": Size(
                tier=Tier.TINY,
                config={
                    **_COMMON,
                    "hidden_size": 192,
                    "num_hidden_layers": 4,
                    "num_attention_heads": 3,
                    "intermediate_size": 768,
                    "conv_dim": (128,) * 7,
                },
                parameters=2_370_144,
                source="assay: a quarter of wav2vec2-base's width, 4 layers",
                constants={},
            ),
            "base": Size(
                tier=Tier.BASE,
                config={
                    **_COMMON,
                    "hidden_size": 768,
                    "num_hidden_layers": 12,
                    "num_attention_heads": 12,
                    "intermediate_size": 3072,
                    "conv_dim": (512,) * 7,
                },
                parameters=94_396_320,
                published=94.4e6,
                source="model card facebook/wav2vec2-base-960h; arXiv:2006.11477, section 4.2",
                constants={},
            ),
        },
        # Mono audio at 16 kHz, normalised to zero mean and unit variance (arXiv:2006.11477, section 2). The base
        # model was trained without an attention mask, so there is none.
        inputs=(InputSpec("input_values", ("batch", "seconds*16000"), "float32", Fill.NORMAL),),
        default_shape={"seconds": 10},
        default_batches=(1, 8),
        build=build,
        forward=call_with_keywords,
        reference="arXiv:2006.11477",
        features=FEATURES,
    ),
)
