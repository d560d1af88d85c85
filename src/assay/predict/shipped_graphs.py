"""Graphs and shapes of the families that come with assay, counted when it was made: for machines without PyTorch.

Counting needs PyTorch and transformers, which a base install does not have. Where they are, a model is counted with
them and none of this is read. Made by `tools/make_graphs.py`. May import: core, predict.values, predict.llm.shapes.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from assay.core.errors import UnsupportedError
from assay.predict.llm.shapes import LlmShape
from assay.predict.values import GraphProfile, OpWork

FILE = "graphs.json"
SOURCE = "counted when assay was made"
_PACKAGES = ("torch", "transformers")
_HINT = "pip install 'assay[torch]'"


def can_count() -> bool:
    """True where graphs can be counted here."""
    return all(find_spec(name) is not None for name in _PACKAGES)


def shipped_graph(name: str, shape: Mapping[str, int]) -> GraphProfile:
    """Return the graph of a family's size at its usual shape. Raises UnsupportedError for any other model or shape."""
    found = _read()["graphs"].get(name)
    if found is None:
        raise UnsupportedError(f"What {name} computes is counted with PyTorch, which is not installed.", hint=_HINT)
    profile = graph_of(found)
    if shape and dict(shape) != dict(profile.shape):
        usual = ", ".join(f"{dimension} {size}" for dimension, size in profile.shape)
        raise UnsupportedError(
            f"What {name} computes at another shape than {usual} is counted with PyTorch, which is not installed.",
            hint=_HINT,
        )
    return profile


def shipped_shape(name: str) -> LlmShape:
    """Return what a decoder among the families weighs and moves. Raises UnsupportedError for any other model."""
    found = _read()["decoders"].get(name)
    if found is None:
        raise UnsupportedError(
            f"What {name} weighs as a decoder of text, if it is one, is counted with PyTorch, which is not installed.",
            hint=_HINT,
        )
    return LlmShape(**found)


def content_of(graphs: Mapping[str, GraphProfile], decoders: Mapping[str, LlmShape]) -> str:
    """Return what the file holds."""
    content = {
        "graphs": {name: _plain(one) for name, one in sorted(graphs.items())},
        "decoders": {name: asdict(one) for name, one in sorted(decoders.items())},
    }
    return json.dumps(content, indent=None, separators=(",", ":"), sort_keys=True) + "\n"


def graph_of(content: Mapping[str, Any]) -> GraphProfile:
    """Read one graph back."""
    work = {name: OpWork(*numbers) for name, numbers in content["work"].items()}
    shape = tuple((name, int(size)) for name, size in content["shape"])
    rest = {name: value for name, value in content.items() if name not in ("work", "shape", "notes")}
    return GraphProfile(**rest, work=work, shape=shape, notes=tuple(content["notes"]), source=SOURCE)


def _plain(profile: GraphProfile) -> dict[str, Any]:
    content = asdict(profile)
    del content["source"]
    fields = ("count", "flops", "elements", "other_bytes", "weight_elements")
    return content | {"work": {name: [getattr(one, field) for field in fields] for name, one in profile.work.items()}}


@functools.cache
def _read() -> dict[str, Any]:
    text = (files("assay.predict") / "data" / FILE).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
