"""Whisper's encoder and its decoder apart: a page in a browser loads, places and times them as two models.

Both hear clips of 1 to 30 s. Whisper was trained on windows of 30 s, so the transcripts of shorter ones may be worse;
their time is that of such a model all the same (whisper.cpp's ``audio_ctx`` runs the encoder like this).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.workloads.base import Family, Fill, InputSpec, Size, UnitOfWork, families, per_audio_second
from assay.workloads.families.whisper import FEATURES, SIZES

if TYPE_CHECKING:
    from torch import nn

_PARAMETERS = {
    # size: encoder, decoder with the embedding that is its output layer too
    "tiny": (8_208_384, 29_552_256),
    "base": (20_590_592, 52_003_328),
    "small": (88_154_112, 153_580_800),
}

_LONGEST_S = 30


def build_encoder(size: Size) -> nn.Module:
    """Two convolutions, positions and the Transformer encoder."""
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    return WhisperEncoder(WhisperConfig(**size.config, use_cache=False))


def encode(model: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the encoder's own forward does, with as many of its positions as the clip needs: 50 a second.

    The own forward refuses all but 30 s. Raises WorkloadError for longer clips.
    """
    from torch.nn.functional import gelu

    features = inputs["input_features"]
    frames = features.shape[-1]
    most = 2 * model.embed_positions.num_embeddings
    if frames > most:
        raise WorkloadError(
            f"Whisper's encoder has positions for {_LONGEST_S} s, and seconds={frames * _LONGEST_S // most} was asked "
            "for.",
            hint="Use at most seconds=30: longer recordings are cut into windows.",
        )
    hidden = gelu(model.conv2(gelu(model.conv1(features)))).permute(0, 2, 1)
    hidden = hidden + model.embed_positions.weight[: frames // 2]
    for layer in model.layers:
        hidden = layer(hidden, None)
    return {"last_hidden_state": model.layer_norm(hidden)}


def build_decoder(size: Size) -> nn.Module:
    """The Transformer decoder and the output layer that shares its embedding."""
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperForCausalLM

    return WhisperForCausalLM(WhisperConfig(**size.config, use_cache=False))


def decode(model: Any, inputs: Mapping[str, Any]) -> Any:
    """Logits of ``target`` given tokens, each attending to all that the encoder heard."""
    return model(input_ids=inputs["decoder_input_ids"], encoder_outputs=(inputs["encoder_hidden_states"],))


def per_target_token(_size: Size, batch: int, shape: Mapping[str, int]) -> float:
    """One unit a decoded token: batch x target."""
    return float(batch * shape["target"])


def _part(label: str, size: Size, part: int) -> Size:
    name = ("encoder", "decoder")[part]
    return replace(
        size,
        parameters=_PARAMETERS[label][part],
        published=None,
        source=f"the {name} of whisper/{label}; arXiv:2212.04356, table 1",
        constants={**size.constants, "width": size.config["d_model"]},
    )


families.add(
    "whisper-encoder",
    Family(
        name="whisper-encoder",
        task="speech encoding",
        modality="audio",
        unit=UnitOfWork.AUDIO_SECOND,
        units_per_call=per_audio_second,
        sizes={label: _part(label, size, 0) for label, size in SIZES.items()},
        # 100 frames a second, of which the second convolution keeps every other.
        inputs=(InputSpec("input_features", ("batch", "mels", "seconds*100"), "float32", Fill.NORMAL),),
        default_shape={"seconds": _LONGEST_S},
        default_batches=(1, 8),
        build=build_encoder,
        forward=encode,
        reference="arXiv:2212.04356",
        is_general=False,
        features=replace(FEATURES, seconds=None),
    ),
)

families.add(
    "whisper-decoder",
    Family(
        name="whisper-decoder",
        task="transcript decoding",
        modality="audio-language",
        unit=UnitOfWork.TOKEN,
        units_per_call=per_target_token,
        sizes={label: _part(label, size, 1) for label, size in SIZES.items()},
        inputs=(
            InputSpec("decoder_input_ids", ("batch", "target"), "int64", Fill.TOKENS, high="vocab"),
            InputSpec("encoder_hidden_states", ("batch", "seconds*50", "width"), "float32", Fill.NORMAL),
        ),
        default_shape={"target": 8, "seconds": _LONGEST_S},
        default_batches=(1, 8),
        build=build_decoder,
        forward=decode,
        reference="arXiv:2212.04356",
        is_general=False,
    ),
)
