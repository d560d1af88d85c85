"""The language models of NeuSight's tables, by name: published configurations, built without weights.

A reference reads ``bert_large-inf-512-16``: model, ``inf`` or ``train``, tokens a sample, samples. ``gpt3_xl`` has 24
layers of 2048 with 16 heads of 128 (Brown et al. 2020, arXiv:2005.14165, table 2.1, says 24 heads, which do not divide
2048); ``switchxl4`` is T5 1.1 XL with four experts in every other layer (Fedus, Zoph, Shazeer 2022, JMLR 23(120)). A
folder of configurations overrides them. May import: core; transformers inside functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.errors import AssayError, UnknownNameError, UsageError

_BERT = {"model_type": "bert", "vocab_size": 30522, "max_position_embeddings": 512}
_GPT = {"model_type": "gpt2", "vocab_size": 50257, "n_positions": 2048}
_OPT = {"model_type": "opt", "vocab_size": 50272, "max_position_embeddings": 2048}
CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "bert_base": _BERT
    | {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "bert_large": _BERT
    | {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    "gpt2": _GPT | {"n_embd": 768, "n_layer": 12, "n_head": 12},
    "gpt2_medium": _GPT | {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "gpt2_large": _GPT | {"n_embd": 1280, "n_layer": 36, "n_head": 20},
    "gpt2_xl": _GPT | {"n_embd": 1600, "n_layer": 48, "n_head": 25},
    "gpt3_xl": _GPT | {"n_embd": 2048, "n_layer": 24, "n_head": 16},
    "gpt3_27": _GPT | {"n_embd": 2560, "n_layer": 32, "n_head": 32},
    "opt_13": _OPT
    | {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32, "ffn_dim": 8192,
       "word_embed_proj_dim": 2048},
    "opt_27": _OPT
    | {"hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32, "ffn_dim": 10240,
       "word_embed_proj_dim": 2560},
    "switchxl4": {
        "model_type": "switch_transformers", "vocab_size": 32128, "d_model": 2048, "d_kv": 64, "d_ff": 5120,
        "num_layers": 24, "num_decoder_layers": 24, "num_heads": 32, "num_experts": 4, "expert_capacity": 64,
        "num_sparse_encoder_layers": 12, "num_sparse_decoder_layers": 12,
    },
}  # fmt: skip
"""Names are those of the published label files."""
ALIASES = {"opt_1.3b": "opt_13", "opt_2.7b": "opt_27", "gpt3_2.7b": "gpt3_27", "switch_xl4": "switchxl4"}
_REFERENCE = re.compile(r"(?P<model>[A-Za-z0-9_.]+)-(?P<mode>inf|train)-(?P<length>\d+)-(?P<batch>\d+)$")
_MOST_TOKENS = 1 << 24


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a model: a forward pass, or with ``is_training`` that and the backward pass."""

    reference: str
    model: str
    is_training: bool
    length: int
    batch: int


def read_step(reference: str) -> Step:
    """Read ``bert_large-inf-512-16``. Raises UsageError for another form."""
    found = _REFERENCE.match(reference.strip())
    if found is None or not 0 < int(found["length"]) * int(found["batch"]) <= _MOST_TOKENS:
        raise UsageError(
            f"A step reads model-inf-tokens-samples or model-train-tokens-samples; got {reference!r}.",
            hint="For example: bert_large-inf-512-16",
        )
    model = ALIASES.get(found["model"], found["model"])
    return Step(reference.strip(), model, found["mode"] == "train", int(found["length"]), int(found["batch"]))


def find_configuration(model: str, folder: Path | None = None) -> Mapping[str, Any]:
    """Return the configuration: ``folder/model.json`` before the published one. Raises UnknownNameError for none."""
    if folder is not None:
        path = folder / f"{model}.json"
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise AssayError(
                    f"{path} is no configuration: {error}", hint="Expected JSON of transformers."
                ) from error
            if not isinstance(found, dict) or "model_type" not in found:
                raise AssayError(f"{path} names no model_type.", hint="Expected a configuration of transformers.")
            return found
    if model not in CONFIGURATIONS:
        raise UnknownNameError("model", model, CONFIGURATIONS)
    return CONFIGURATIONS[model]
