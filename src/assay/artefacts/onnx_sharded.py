"""Recipe ``onnx-sharded``: an ONNX graph of another recipe with its weights in files beside it.

A browser holds no file above 2 GiB in one buffer, and WebAssembly has 4 GiB for the file and for what is read from it;
weights in files of their own are brought one by one. May import: core, workloads, artefacts; onnx inside functions.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.artefacts.base import ArtefactRequest, BuildRequest, Recipe, StaticOnly, recipes
from assay.artefacts.cache import read_artefact
from assay.artefacts.onnx_files import INPUTS_FILE, MODEL_FILE, model_bytes, read_model
from assay.core.errors import EngineError

if TYPE_CHECKING:
    import onnx

ONNX_SHARDED = "onnx-sharded"
OF = "of"
"""The option that names the recipe whose graph is taken apart."""
SHARD_BYTES = 256 << 20
_FEWEST_SHARDS = 2
_SMALLEST_BYTES = 1024
"""Smaller tensors stay in the graph: shapes and axes, which the runtime reads to infer the others."""


def _needs(request: ArtefactRequest) -> tuple[ArtefactRequest, ...]:
    options = dict(request.options)
    recipe = str(options.pop(OF))
    return (replace(request, recipe=recipe, options=tuple(sorted(options.items()))),)


def _build(wanted: BuildRequest) -> Mapping[str, str]:
    import onnx

    recipe = str(dict(wanted.request.options)[OF])
    base = read_artefact(wanted.needs[recipe])
    if base is None:
        raise EngineError(
            f"The ONNX graph of {wanted.workload.name} vanished while it was used.", hint="Run the case again."
        )
    if base.facts.get("batch") == "static" and not wanted.request.is_static:
        raise StaticOnly(f"The ONNX graph of {wanted.workload.name} has a fixed batch size.")
    model = read_model(base.folder)
    shards = 0
    for shard, tensors in enumerate(share_out(model, SHARD_BYTES)):
        _write_shard(tensors, wanted, f"{MODEL_FILE}_{shard:03d}.data")
        shards += 1
    onnx.save(model, str(wanted.folder / MODEL_FILE))
    if (base.folder / INPUTS_FILE).is_file():
        shutil.copyfile(base.folder / INPUTS_FILE, wanted.folder / INPUTS_FILE)
    return {**base.facts, "shards": str(shards), "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE))}


def share_out(model: onnx.ModelProto, limit_bytes: int) -> Iterator[list[onnx.TensorProto]]:
    """Yield the tensors of one file after another, in the graph's order.

    A file is full at ``limit_bytes``, or at half of all weights, so that there are two of them however small the
    model; a tensor is never cut, so the last of a file may exceed that.
    """
    large = [one for one in model.graph.initializer if len(one.raw_data) >= _SMALLEST_BYTES]
    limit = min(limit_bytes, sum(len(one.raw_data) for one in large) // _FEWEST_SHARDS + 1)
    shard: list[onnx.TensorProto] = []
    size = 0
    for tensor in large:
        length = len(tensor.raw_data)
        if shard and size + length > limit:
            yield shard
            shard, size = [], 0
        shard.append(tensor)
        size += length
    if shard:
        yield shard


def _write_shard(tensors: list[onnx.TensorProto], wanted: BuildRequest, name: str) -> None:
    from onnx.external_data_helper import set_external_data

    with (wanted.folder / name).open("wb") as file:
        for tensor in tensors:
            set_external_data(tensor, name, offset=file.tell(), length=len(tensor.raw_data))
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")


recipes.add(
    ONNX_SHARDED,
    Recipe(
        name=ONNX_SHARDED,
        version=1,
        description="ONNX graph with its weights in files beside it",
        build=_build,
        packages=("onnx",),
        install_hint="pip install 'assay[onnx]'",
        needs=_needs,
        serves_every_batch=True,
    ),
)
