"""What of a model can be cut over devices: its layers, their width and heads, by its configuration.

May import: core, workloads, predict.graphs; transformers inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.errors import AssayError
from assay.predict.values import GraphProfile
from assay.workloads.cost_count import ON_META

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_DECODER_LAYERS = ("num_decoder_layers", "decoder_layers")
_WIDTH = ("hidden_size", "d_model", "n_embd", "dim")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads")


@dataclass(frozen=True, slots=True)
class Blocks:
    """The repeated layers of a transformer. ``tokens`` of a sample pass through them; None where that is not known."""

    layers: int
    width: int
    heads: int | None
    kv_heads: int | None
    tokens: int | None

    def why_not_shared(self, ranks: int) -> str | None:
        """Return why heads cannot be shared out evenly over ranks, None where they can."""
        if self.heads is None:
            return "its number of attention heads is not known"
        for name, count in (("attention heads", self.heads), ("heads of keys and values", self.kv_heads)):
            if count is not None and count % ranks:
                return f"{count} {name} cannot be shared out evenly over {ranks}"
        return None

    def why_not_staged(self, stages: int) -> str | None:
        """Return why layers make no such pipeline, None where they do."""
        return f"{self.layers} layers make no {stages} stages" if self.layers < stages else None

    def largest_stage(self, stages: int) -> float:
        """Share of the layers that the longest stage has."""
        return -(-self.layers // stages) / self.layers


def find_blocks(ref: str, graph: GraphProfile) -> Blocks | None:
    """Return the layers of a model by its name; None for what is no transformer or has no configuration."""
    try:
        config = _read_config(ref)
    except (AssayError, ImportError):
        return None
    return None if config is None else read_blocks(config, graph)


def read_blocks(config: Mapping[str, Any], graph: GraphProfile) -> Blocks | None:
    """Return the layers that a configuration of transformers describes; None where it names no layers or width."""
    text = config.get("text_config")
    own = text if isinstance(text, Mapping) and _first(text, _LAYERS) else config
    layers, width, heads = (_first(own, names) for names in (_LAYERS, _WIDTH, _HEADS))
    if not layers or not width:
        return None
    more = _first(own, _DECODER_LAYERS)
    kv_heads = own.get("num_key_value_heads")
    return Blocks(
        layers + (more or 0), width, heads, kv_heads if isinstance(kv_heads, int) else None, _tokens(own, graph)
    )


def _tokens(config: Mapping[str, Any], graph: GraphProfile) -> int | None:
    """Tokens of one sample: those of a text, or the patches of a picture and one more."""
    shape = dict(graph.shape)
    patch, image = config.get("patch_size"), shape.get("image") or config.get("image_size")
    if isinstance(patch, int) and isinstance(image, int) and patch:
        return (image // patch) ** 2 + 1
    return shape.get("seq")


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((value for name in names if isinstance(value := config.get(name), int) and value > 0), None)


def _read_config(ref: str) -> Mapping[str, Any] | None:
    from assay.predict.graphs import resolve_for_count

    workload = resolve_for_count(ref)
    size = workload.size.config
    if size.get(ON_META):
        content = json.loads(str(size["transformers"]))
        return _with_defaults(str(content.pop("model_type")), content)
    if workload.family.bring is not None:
        return None
    return _with_defaults(workload.family.name, size)


def _with_defaults(kind: str, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A configuration with what its kind takes for granted; as it is where transformers does not know the kind."""
    from transformers import AutoConfig

    try:
        found: Mapping[str, Any] = AutoConfig.for_model(kind, **content).to_dict()
    except Exception:  # noqa: BLE001  (a family that transformers calls otherwise, or an odd configuration)
        return content
    return found
