"""A model file as a workload: ONNX (.onnx), OpenVINO IR (.xml beside .bin), torch.export (.pt2).

Inputs come from the file's own signature, which is read without the runtime that will execute it. May import: core,
workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.core.errors import UnsupportedError, WorkloadError, join_or
from assay.workloads.base import Family, Size, Tier, UnitOfWork, Workload, call_with_keywords, per_sample
from assay.workloads.signature_export import load_exported, read_export_signature
from assay.workloads.signature_onnx import read_onnx_signature
from assay.workloads.signature_openvino import read_openvino_signature
from assay.workloads.signatures import BatchRange, FileSignature, make_specs

ONNX, OPENVINO, EXPORTED = "onnx", "openvino", "torch-export"
FORMATS = {".onnx": ONNX, ".xml": OPENVINO, ".pt2": EXPORTED}
"""What a file is, by the end of its name."""

_READERS: Mapping[str, Callable[[str, Path], FileSignature]] = {
    ONNX: read_onnx_signature,
    OPENVINO: read_openvino_signature,
    EXPORTED: read_export_signature,
}
_CALLED = {
    "torch": "a PyTorch module", ONNX: "an ONNX file", OPENVINO: "an OpenVINO file", EXPORTED: "a torch.export file",
    "data": "a data pipeline",
}  # fmt: skip
_RUN_BY = {
    "torch": "torch",
    ONNX: "onnxruntime or openvino",
    OPENVINO: "openvino",
    EXPORTED: "torch or torch-compile",
    "data": "loader",
}
_SEED = 0


def is_model_file(ref: str) -> bool:
    """True for a name that ends as a model file's does, and is written as a path or is one that exists."""
    path = Path(ref).expanduser()
    if path.suffix.lower() not in FORMATS:
        return False
    return ref.startswith((".", "/", "~")) or path.is_absolute() or path.is_file()


def describe_file(ref: str) -> Workload:
    """Return the workload in a file: one size, inputs as the file declares them. Raises WorkloadError."""
    path = Path(ref).expanduser()
    if not path.is_file():
        raise WorkloadError(f"There is no file {ref!r}.", hint="Give the path of an .onnx, .xml or .pt2 file.")
    kind = FORMATS[path.suffix.lower()]
    signature = _READERS[kind](ref, path)
    made = make_specs(ref, signature.inputs)
    size = Size(
        tier=Tier.BASE,
        config={
            "file": str(path.absolute()),
            "weight_bytes": signature.weight_bytes,
            "batch_lo": made.batch.lo,
            "batch_hi": made.batch.hi,
        },
        parameters=None,
        source=ref,
    )
    family = Family(
        name=ref,
        task="a model file",
        modality="any",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={"own": size},
        inputs=made.specs,
        default_shape=made.shape,
        default_batches=(made.batch.lo,),
        build=_never_built,
        forward=call_with_keywords,
        reference=ref,
        requires=("torch",) if kind == EXPORTED else (),
        bring=_bring_exported if kind == EXPORTED else None,
        format=kind,
    )
    return Workload(ref, family, size)


def refuse_format(workload: Workload, accepted: tuple[str, ...], engine: str) -> None:
    """Raise UnsupportedError where an engine cannot run what this workload is. For ``plan_artefacts``.

    ``accepted`` are values of ``Family.format``.
    """
    kind = workload.family.format
    if kind not in accepted:
        raise UnsupportedError(f"engine {engine} cannot run {_CALLED[kind]}; use {_RUN_BY[kind]}")


def refuse_batch(workload: Workload, batch: int) -> None:
    """Raise UnsupportedError for a batch size that a model file was not made for. Others take any."""
    lo, hi = workload.size.config.get("batch_lo"), workload.size.config.get("batch_hi")
    if lo is None:
        return
    takes = BatchRange(lo, hi)
    if takes.holds(batch):
        return
    if takes.is_fixed:
        reason = f"{workload.name} was made for batch {lo} alone, and {batch} was asked for"
    else:
        reason = (
            f"{workload.name} takes batches of {lo} to {'any size' if hi is None else hi}, and {batch} was asked for"
        )
    raise UnsupportedError(reason, hint="Export it with a dynamic first dimension.")


def _never_built(size: Size) -> Any:
    raise WorkloadError(
        f"{size.source} is a file, and cannot be built as a PyTorch module.",
        hint=f"Engines that read files: {join_or(['onnxruntime', 'openvino'])}.",
    )


def _bring_exported(size: Size, batch: int, shape: Mapping[str, int], _dtype: str) -> tuple[Any, Any]:
    """Load the program in the precision it was saved in, and make the inputs it declares."""
    import torch

    from assay.workloads.inputs import make_inputs

    # Under the name it was given, from which the values of its inputs are drawn.
    workload = replace(describe_file(size.config["file"]), name=size.source)
    arrays = make_inputs(workload, batch=batch, shape=workload.resolve_shape(shape), seed=_SEED)
    module = load_exported(size.source, Path(size.config["file"]))
    return module, {name: torch.from_numpy(array) for name, array in arrays.items()}
