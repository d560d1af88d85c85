"""Recipes ``openvino-int8``, ``openvino-int8-weight`` and ``openvino-int4-weight``: smaller OpenVINO graphs, by NNCF.

They start from what ``openvino`` wrote and need no torch. May import: core, workloads, artefacts; openvino and nncf
inside functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import ArtefactRequest, BuildRequest, Recipe, StaticOnly, recipes
from assay.artefacts.cache import read_artefact
from assay.artefacts.onnx_files import read_inputs, write_inputs
from assay.artefacts.openvino_convert import OPENVINO
from assay.artefacts.openvino_files import MODEL_FILE, find_inputs, first_line, model_bytes, save_model
from assay.artefacts.openvino_library import import_openvino, quiet_nncf
from assay.core.errors import EngineError, UnsupportedError
from assay.workloads.inputs import make_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPENVINO_INT8 = "openvino-int8"
OPENVINO_INT8_WEIGHT = "openvino-int8-weight"
OPENVINO_INT4_WEIGHT = "openvino-int4-weight"
INSTALL_HINT = "pip install 'assay[openvino]'"
DEFAULT_SAMPLES = 8
_OWN_OPTIONS = frozenset({"samples"})
"""Options of quantizing, which do not change the graph that it starts from."""
_FIRST_CALIBRATION_SEED = 1_000_003
"""Added to the case's seed: the inputs that are timed are never among those that ranges were taken from."""
_GROUP = 32
"""Weights that share a scale, along the axis that is summed over: every model's widths are multiples of it."""
_PRODUCTS = frozenset({"MatMul", "Convolution", "GroupConvolution", "ConvolutionBackpropData", "Gather"})
_8_BITS = frozenset({"i8", "u8"})
_4_BITS = frozenset({"i4", "u4"})


def needs_openvino(request: ArtefactRequest) -> tuple[ArtefactRequest, ...]:
    """Ask for the float32 graph of the same workload, batch, shape, seed and options that change the model."""
    kept = tuple(pair for pair in request.options if pair[0] not in _OWN_OPTIONS)
    return (replace(request, recipe=OPENVINO, options=kept),)


def _read_base(wanted: BuildRequest) -> tuple[Any, dict[str, str]]:
    """Load the float32 graph, and the facts of it that stay true of what is made from it.

    Raises StaticOnly where that graph has one batch size, as then what is made from it does too.
    """
    artefact = read_artefact(wanted.needs[OPENVINO])
    if artefact is None:
        raise EngineError(
            f"The OpenVINO graph of {wanted.workload.name} vanished while it was used.", hint="Run the case again."
        )
    if artefact.facts["batch"] == "static" and not wanted.request.is_static:
        raise StaticOnly(f"The OpenVINO graph of {wanted.workload.name} has a fixed batch size.")
    kept = {name: artefact.facts[name] for name in ("batch", "parameters", "torch") if name in artefact.facts}
    inputs = read_inputs(artefact.folder)
    if inputs is not None:
        write_inputs(inputs, wanted.folder)
    model = import_openvino().Core().read_model(str(artefact.folder / MODEL_FILE))
    return model, kept | {"float32_bytes": artefact.facts["model_bytes"]}


def _build_int8(wanted: BuildRequest) -> Mapping[str, str]:
    """Quantize weights, and activations by ranges seen on samples beforehand.

    Ranges are those of the default of ``nncf.quantize`` (minimum and maximum, averaged over samples) for every
    model; its patterns for transformers, with smooth quantization, are used where inputs are tokens.
    """
    model, facts = _read_base(wanted)
    samples, source = _calibration(wanted, model, is_static=facts["batch"] == "static")
    is_text = any(array.dtype.kind == "i" and array.ndim > 1 for array in samples[0].values())
    with quiet_nncf() as nncf:
        quantized = _run(
            wanted,
            lambda: nncf.quantize(
                model,
                nncf.Dataset(samples),
                subset_size=len(samples),
                model_type=nncf.ModelType.TRANSFORMER if is_text else None,
            ),
        )
        version = str(nncf.__version__)
    method = f"static, minimum and maximum{', transformer patterns' if is_text else ''}"
    count = sum(operation.get_type_name() == "FakeQuantize" for operation in quantized.get_ops())
    return _keep(quantized, wanted, facts | source | {"nncf": version, "activation_quantizers": str(count)}, method)


def _build_int8_weight(wanted: BuildRequest) -> Mapping[str, str]:
    """Store the weights of matrix products and embeddings in 8 bits. Activations stay floating."""
    return _compress(wanted, "weight-only, 8 bits, by channel, asymmetric", {"mode": "INT8_ASYM"})


def _build_int4_weight(wanted: BuildRequest) -> Mapping[str, str]:
    """Store the weights of matrix products in 4 bits; NNCF keeps embeddings and the last product in 8.

    Weights whose rows the group does not divide get a smaller group. Those of convolutions it would store in 8 bits
    all the same: a model of convolutions alone is refused.
    """
    method = f"weight-only, 4 bits, groups of {_GROUP}, symmetric"
    return _compress(wanted, method, {"mode": "INT4_SYM", "group_size": _GROUP}, _4_BITS)


def _compress(
    wanted: BuildRequest, method: str, options: Mapping[str, Any], narrow: frozenset[str] = _8_BITS
) -> Mapping[str, str]:
    model, facts = _read_base(wanted)
    with quiet_nncf() as nncf:
        named = {**options, "mode": nncf.CompressWeightsMode[options["mode"]]}
        if "group_size" in options:
            named["advanced_parameters"] = nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST
            )
        quantized = _run(wanted, lambda: nncf.compress_weights(model, **named))
        version = str(nncf.__version__)
    return _keep(quantized, wanted, facts | {"nncf": version}, method, narrow)


def _run(wanted: BuildRequest, quantize: Any) -> Any:
    try:
        return quantize()
    except MemoryError:
        raise
    except Exception as error:  # NNCF raises whatever its many parts do
        raise EngineError(f"{wanted.workload.name} cannot be quantized by NNCF: {first_line(error)}") from error


def _keep(
    model: Any, wanted: BuildRequest, facts: Mapping[str, str], method: str, narrow: frozenset[str] = _8_BITS
) -> Mapping[str, str]:
    """Write the model; one in which no weights are stored in one of the ``narrow`` types is refused."""
    types = _weight_types(model)
    count = sum(types[name] for name in narrow)
    if not count:
        raise UnsupportedError(
            f"NNCF found nothing in {wanted.workload.name} that it could quantize ({method}).",
            hint="Measure it in int8 or in a floating precision.",
        )
    save_model(model, wanted.folder)
    return {
        **facts,
        "openvino": str(import_openvino().__version__),
        "quantization": method,
        "quantized_nodes": f"{count} of {types.total()}",
        "weights_by_type": ", ".join(f"{name} {number}" for name, number in sorted(types.items())),
        "model_bytes": str(model_bytes(wanted.folder / MODEL_FILE)),
    }


def _weight_types(model: Any) -> Counter[str]:
    """Count products and look-ups that have weights by the type that these are stored in."""
    types = Counter(_weight_type(operation) for operation in model.get_ops() if operation.get_type_name() in _PRODUCTS)
    del types[""]
    return types


def _weight_type(operation: Any) -> str:
    """Type in which an operand that is made of constants alone is stored, empty where there is none."""
    operands = operation.input_values()[:2]
    found = [_constant_type(value.get_node()) for value in operands]
    return next((name for name in found if name), "")


def _constant_type(node: Any) -> str:
    """Follow the first operand down to a constant through what dequantizes it."""
    while node.get_type_name() in {"Convert", "Subtract", "Multiply", "Reshape", "FakeQuantize", "Transpose"}:
        node = node.input_value(0).get_node()
    return str(node.get_element_type().to_string()) if node.get_type_name() == "Constant" else ""


def _calibration(
    wanted: BuildRequest, model: Any, *, is_static: bool
) -> tuple[list[dict[str, NDArray[Any]]], dict[str, str]]:
    """Inputs to take ranges from, by name: seeded ones, or the one set that came with a user's own model."""
    request, workload = wanted.request, wanted.workload
    own = read_inputs(wanted.folder)
    if own is not None:
        return [_by_port(model, own)], {"calibration": "the model's own inputs", "calibration_samples": "1"}
    count = int(dict(request.options).get("samples", DEFAULT_SAMPLES))
    # A graph for every batch is one content, whatever batch was asked for: its samples are of batch 1.
    batch = request.batch if is_static else 1
    first = request.seed + _FIRST_CALIBRATION_SEED
    made = (
        make_inputs(workload, batch=batch, shape=dict(request.shape), seed=first + number) for number in range(count)
    )
    return [_by_port(model, arrays) for arrays in made], {
        "calibration": "seeded inputs",
        "calibration_samples": str(count),
        "calibration_batch": str(batch),
    }


def _by_port(model: Any, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Key the arrays by the names that the model's inputs have for OpenVINO; what it does not use is left out."""
    places = find_inputs(model, arrays)
    return {model.input(place).get_any_name(): arrays[name] for name, place in places.items()}


recipes.add(
    OPENVINO_INT8,
    Recipe(
        name=OPENVINO_INT8,
        version=1,
        description="OpenVINO graph with weights and activations in 8 bits",
        build=_build_int8,
        packages=("openvino", "nncf"),
        install_hint=INSTALL_HINT,
        needs=needs_openvino,
        serves_every_batch=True,
    ),
)
for _name, _bits, _build in (
    (OPENVINO_INT8_WEIGHT, 8, _build_int8_weight),
    (OPENVINO_INT4_WEIGHT, 4, _build_int4_weight),
):
    recipes.add(
        _name,
        Recipe(
            name=_name,
            version=1,
            description=f"OpenVINO graph with weights in {_bits} bits",
            build=_build,
            packages=("openvino", "nncf"),
            install_hint=INSTALL_HINT,
            needs=needs_openvino,
            serves_every_batch=True,
        ),
    )
