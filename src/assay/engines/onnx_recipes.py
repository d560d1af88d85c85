"""Which ONNX artefact a precision means, for every engine that runs ONNX graphs: natively or in a browser.

They must agree, or a model in a browser and the same model natively would be two files, and no pair. May import: core,
artefacts, probes, engines.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from assay.artefacts.onnx_precision import DYNAMIC, QUANTIZED, STATIC
from assay.core.case import Scalar
from assay.core.errors import UnsupportedError, join_or
from assay.core.words import Precision

_VNNI = {"avx_vnni", "avx512_vnni", "amx_int8"}


def choose_method(engine: str, precision: Precision, asked: str | None, modality: str) -> str:
    """Return the recipe of a quantized precision.

    Without ``quantization``, int8 means ``dynamic`` for models of text, alone or beside something else, and ``static``
    for the others: convolutions quantized dynamically are slower than in float32. Raises UnsupportedError.
    """
    methods = QUANTIZED[precision]
    if asked is None:
        default = DYNAMIC if modality == "text" or modality.endswith("-language") else STATIC
        asked = default if default in methods else next(iter(methods))
    if asked not in methods:
        raise UnsupportedError(f"{engine} has no {asked} {precision}.", hint=f"Expected {join_or(methods)}.")
    return methods[asked]


def recipe_options(recipe: str, options: Mapping[str, Scalar], *, on_cpu: bool) -> dict[str, Scalar]:
    """Keep what changes the model or its quantization, and nothing of how it is run."""
    static = QUANTIZED[Precision.INT8][STATIC]
    kept: dict[str, Scalar] = {}
    if "prune" in options:
        kept["prune"] = options["prune"]
    if recipe == static and "samples" in options:
        kept["samples"] = options["samples"]
    if recipe in (static, QUANTIZED[Precision.INT8][DYNAMIC]) and on_cpu and lacks_vnni():
        kept["reduce_range"] = True
    return kept


@functools.cache
def lacks_vnni() -> bool:
    """Tell whether this is an x86 CPU that adds 8-bit products in 16 bits, where large weights overflow.

    onnxruntime's documentation of ``quantize_static`` advises 7 bits for weights there.
    """
    from assay.probes.cpu import collect_cpu

    cpu = collect_cpu()
    return cpu.get("architecture") in {"x86_64", "AMD64"} and not _VNNI.intersection(cpu.get("isa") or ())
