"""Greedy generation with a key-value cache: which families can, how long their prompt is, the two steps of the loop.

The loop is written out instead of calling transformers' ``generate``, whose stopping rules and bookkeeping would be
timed as if they were the model, and which does not say when a token was there. Both choose the same tokens (a test
holds that). It lies in this layer so that the fp32 reference and every torch engine generate by the same code.
May import: core, workloads; torch inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import UnsupportedError
from assay.workloads.base import Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

GENERATING_FAMILIES = ("llama", "llava", "llava_next", "qwen2", "t5", "whisper")
_START_TOKENS = 1
"""What an encoder-decoder's decoder begins with: the start token of its configuration."""


def check_generation(workload: Workload, *, shape: Mapping[str, int], new_tokens: int) -> None:
    """Refuse, without importing torch, a family that cannot generate and a text longer than its positions.

    Raises UnsupportedError naming the families that can, or the longest possible text.
    """
    if workload.family.name not in GENERATING_FAMILIES:
        raise UnsupportedError(
            f"{workload.name} cannot generate text.", hint=f"Families that can: {', '.join(GENERATING_FAMILIES)}."
        )
    if new_tokens < 1:
        raise UnsupportedError(f"Cannot generate {new_tokens} new tokens.", hint="Expected at least 1.")
    limit = _find_position_limit(workload)
    before = _START_TOKENS if _is_encoder_decoder(workload) else count_prompt_tokens(workload, shape) or 0
    if limit is not None and before + new_tokens > limit:
        raise UnsupportedError(
            f"{workload.name} has {limit} positions: {before} of the prompt and {new_tokens} new tokens do not fit.",
            hint=f"Expected at most {max(0, limit - before)} new tokens.",
        )


def count_prompt_tokens(workload: Workload, shape: Mapping[str, int]) -> int | None:
    """Tokens of one prompt: text, and an image's placeholders with it; None where the prompt is not made of tokens."""
    if workload.family.name == "whisper":
        return None
    return workload.resolve_shape(shape)["seq"] + workload.size.constants.get("image_tokens", 0)


@dataclass(slots=True)
class Generation:
    """A generation on its way. Decoding changes it in place: the cache grows, and so does ``chosen``.

    ``chosen`` holds one (batch, 1) tensor of token ids a step, ``encoded`` the encoder's output where there is one.
    """

    cache: Any
    chosen: list[Tensor] = field(default_factory=list)
    encoded: Tensor | None = None

    def read_tokens(self) -> NDArray[np.int64]:
        """Token ids made so far, (batch, tokens), on the host. Waits for the device."""
        import torch

        tokens: NDArray[np.int64] = torch.cat(self.chosen, dim=1).cpu().numpy()
        return tokens


@dataclass(frozen=True, slots=True)
class Decoder:
    """The two steps of generation: ``prefill`` reads the prompt and chooses the first token, ``decode`` one more.

    Neither waits for the device.
    """

    prefill: Callable[[], Generation]
    decode: Callable[[Generation], Generation]


def open_decoder(workload: Workload, model: Any, inputs: Mapping[str, Any]) -> Decoder:
    """Bind a transformers model and its prompts, (batch, seq) of equal length.

    A token that ends a text is an ordinary token here, so that exactly as many are made as were asked for.
    """
    return _open_encoder_decoder(model, inputs) if _is_encoder_decoder(workload) else _open_decoder_only(model, inputs)


def _open_decoder_only(model: Any, inputs: Mapping[str, Any]) -> Decoder:
    prompt = dict(inputs)

    def prefill() -> Generation:
        # Only the last position's logits are read, and only they are computed, as ``generate`` does.
        outputs = model(**prompt, use_cache=True, logits_to_keep=1)
        return Generation(outputs.past_key_values, [_choose(outputs.logits)])

    def decode(state: Generation) -> Generation:
        # No mask: prompts have no padding, and the model knows the position from its cache.
        outputs = model(input_ids=state.chosen[-1], past_key_values=state.cache, use_cache=True)
        state.chosen.append(_choose(outputs.logits))
        return state

    return Decoder(prefill, decode)


def _open_encoder_decoder(model: Any, inputs: Mapping[str, Any]) -> Decoder:
    import torch

    source = {name: value for name, value in inputs.items() if name != "decoder_input_ids"}
    mask = {name: value for name, value in source.items() if name == "attention_mask"}
    first = next(iter(source.values()))
    start = torch.full(
        (first.shape[0], _START_TOKENS), model.config.decoder_start_token_id, dtype=torch.int64, device=first.device
    )

    def prefill() -> Generation:
        outputs = model(**source, decoder_input_ids=start, use_cache=True)
        return Generation(outputs.past_key_values, [_choose(outputs.logits)], outputs.encoder_last_hidden_state)

    def decode(state: Generation) -> Generation:
        # The mask is that of the source, which cross-attention looks at; its keys and values are in the cache.
        outputs = model(
            encoder_outputs=(state.encoded,),
            **mask,
            decoder_input_ids=state.chosen[-1],
            past_key_values=state.cache,
            use_cache=True,
        )
        state.chosen.append(_choose(outputs.logits))
        return state

    return Decoder(prefill, decode)


def _choose(logits: Tensor) -> Tensor:
    """The likeliest token of the last position: (batch, positions, vocabulary) -> (batch, 1)."""
    return logits[:, -1, :].argmax(dim=-1, keepdim=True)


def _is_encoder_decoder(workload: Workload) -> bool:
    return any(spec.name == "decoder_input_ids" for spec in workload.family.inputs)


def _find_position_limit(workload: Workload) -> int | None:
    """Most tokens that the decoder has positions for; None for relative positions (T5)."""
    config = workload.size.config
    text = config.get("text", config)
    limit = text.get("max_target_positions", text.get("max_position_embeddings"))
    return None if limit is None else int(limit)
