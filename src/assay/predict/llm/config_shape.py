"""What a language model of one's own weighs and moves, counted from its configuration on the meta device.

The same facts as the table of published models holds, so that a predictor learned from those can be asked about any
decoder: a family (``llama/8b``), a folder with ``config.json``, or an id of the hub whose configuration is cached. No
weights are read. May import: core, workloads, predict.graphs, predict.llm.shapes; torch inside functions.
"""

from __future__ import annotations

import functools
from typing import Any

from assay.artefacts.onnx_files import quiet_logging
from assay.core.errors import UnsupportedError
from assay.predict.graphs import resolve_for_count, stamp_of
from assay.predict.llm.shapes import PREFIX, LlmShape, find_shape
from assay.predict.shipped_graphs import can_count, shipped_shape
from assay.workloads.base import Workload
from assay.workloads.config_models import WITH_HEAD, build_on_meta
from assay.workloads.cost_count import ON_META

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
"""What configurations call the number of experts of a layer."""
_USED = ("num_experts_per_tok", "num_experts_per_token", "moe_topk")


def decoder_of(ref: str) -> LlmShape | None:
    """Return the shape of a published model (``llm/...``) by its name, of any other by its configuration.

    None for a published name that is not in the table. Raises WorkloadError, and UnsupportedError for a model that is
    no decoder of text.
    """
    if ref.startswith(PREFIX):
        return find_shape(ref)
    return _count(ref, stamp_of(ref)) if can_count() else shipped_shape(ref)


@functools.lru_cache(maxsize=64)
def _count(ref: str, stamp: tuple[int, int] | None) -> LlmShape:
    del stamp  # a file that was changed meanwhile is another model
    with quiet_logging():
        return count_shape(resolve_for_count(ref, head=WITH_HEAD))


def count_shape(workload: Workload) -> LlmShape:
    """Return what a decoder weighs and moves. Raises UnsupportedError for what is none."""
    import torch

    with torch.device("meta"):
        is_described = workload.size.config.get(ON_META)
        module = build_on_meta(workload) if is_described else workload.family.build(workload.size)
    config = getattr(module, "config", None)
    if config is None or not module.can_generate() or config.is_encoder_decoder:
        raise UnsupportedError(
            f"{workload.name} does not generate text as a decoder does: it has no time to a first token.",
            hint="Expected a decoder-only family (llama, qwen2), or the configuration of one.",
        )
    text = config.get_text_config()
    if not getattr(text, "num_attention_heads", None):
        raise UnsupportedError(
            f"{workload.name} keeps a state and no keys and values: what serving it takes was not learned.",
            hint="Expected a decoder with attention.",
        )
    parameters = float(sum(one.numel() for one in module.parameters()))
    experts, used = _first_of(text, _EXPERTS), _first_of(text, _USED)
    routed = float(sum(one.numel() for name, one in module.named_parameters() if ".experts." in name))
    if not (experts > used > 0 and routed):
        experts = used = 1
    heads = int(text.num_attention_heads)
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    layers, full, window = int(text.num_hidden_layers), *_reach(text)
    latent = getattr(text, "kv_lora_rank", None)
    if latent:  # multi-head latent attention keeps one compressed vector a token, and what carries the position
        cache_width, cache_heads = int(latent) + int(text.qk_rope_head_dim), 1
        width = (text.qk_nope_head_dim + text.qk_rope_head_dim + text.v_head_dim) / 2
    else:
        cache_heads = _heads_kept(text) or heads
        cache_width = 2 * cache_heads * int(width)
    return LlmShape(
        workload.name, parameters, parameters - routed * (1 - used / experts), layers, cache_width, cache_heads,
        round(heads * width), "its configuration", experts, used, full, window,
    )  # fmt: skip


def _first_of(text: Any, names: tuple[str, ...]) -> int:
    return next((int(value) for name in names if (value := getattr(text, name, None))), 1)


def _heads_kept(text: Any) -> int | None:
    """Heads whose keys and values are kept; None where nothing says that they are fewer than those that ask."""
    if getattr(text, "multi_query", False) and not getattr(text, "new_decoder_architecture", False):
        return 1
    return getattr(text, "num_key_value_heads", None) or getattr(text, "num_kv_heads", None)


def _reach(text: Any) -> tuple[int | None, int]:
    """How many layers attend to the whole text (None: all), and how far the others reach."""
    kinds = getattr(text, "layer_types", None)
    window = getattr(text, "sliding_window", None) or 0
    if kinds:
        full = sum(kind in ("full_attention", "attention") for kind in kinds)
        return (None, 0) if full == len(kinds) else (full, int(window))
    return (None, 0) if not window or getattr(text, "use_sliding_window", True) is False else (0, int(window))
