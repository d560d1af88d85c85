"""Recipes ``reference-onnx`` and ``reference-openvino``: what a model that comes as a file answers in float32.

There is no eager model behind a file, so the reference is its own format's runtime on the CPU, held to float32 and,
for ONNX, with every graph optimisation off: each node as it is written. May import: core, workloads, artefacts;
numpy, onnxruntime and openvino inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from assay.artefacts.base import BuildRequest, Recipe, recipes
from assay.artefacts.reference import REFERENCE, write_reference
from assay.workloads.inputs import make_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _inputs(wanted: BuildRequest) -> dict[str, NDArray[Any]]:
    request = wanted.request
    return make_inputs(wanted.workload, batch=request.batch, shape=dict(request.shape), seed=request.seed)


def _build_onnx(wanted: BuildRequest) -> Mapping[str, str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = wanted.threads
    file = str(wanted.workload.size.config["file"])
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    write_reference(wanted.folder, session.run(names, _inputs(wanted)))
    return {"outputs": ", ".join(names), "runtime": f"onnxruntime {onnxruntime.__version__}, no optimisation"}


def _build_openvino(wanted: BuildRequest) -> Mapping[str, str]:
    from assay.artefacts.openvino_library import import_openvino

    openvino = import_openvino()
    core = openvino.Core()
    model = core.read_model(str(wanted.workload.size.config["file"]))
    inputs = _inputs(wanted)
    model.reshape({name: array.shape for name, array in inputs.items()})
    properties = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": wanted.threads}
    compiled = core.compile_model(model, "CPU", properties)
    answers = compiled(inputs)
    write_reference(wanted.folder, [answers[output] for output in compiled.outputs])
    return {"outputs": str(len(compiled.outputs)), "runtime": f"openvino {openvino.__version__}, f32"}


recipes.add(
    f"{REFERENCE}-onnx",
    Recipe(
        name=f"{REFERENCE}-onnx",
        version=1,
        description="outputs of the ONNX file, unoptimised, on the CPU",
        build=_build_onnx,
        packages=("onnxruntime",),
        install_hint="pip install 'assay[onnx]'",
    ),
)
recipes.add(
    f"{REFERENCE}-openvino",
    Recipe(
        name=f"{REFERENCE}-openvino",
        version=1,
        description="outputs of the OpenVINO file, in float32, on the CPU",
        build=_build_openvino,
        packages=("openvino",),
        install_hint="pip install 'assay[openvino]'",
    ),
)
