"""OpenVINO models in folders of the cache: where they lie, how big they are, and which input is which.

May import: core, artefacts; openvino inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.artefacts.openvino_library import import_openvino
from assay.core.errors import EngineError

MODEL_FILE = "model.xml"
_PLACES = ("Exception from ", "Check '", "Model wasn't fully converted")


def save_model(model: Any, folder: Path) -> None:
    """Write the IR as it is: OpenVINO would halve float32 weights to float16 unasked."""
    import_openvino().save_model(model, str(folder / MODEL_FILE), compress_to_fp16=False)


def model_bytes(file: Path) -> int:
    """Bytes of an IR: its graph and the weights beside it."""
    return sum(one.stat().st_size for one in (file, file.with_suffix(".bin")) if one.is_file())


def find_inputs(model: Any, names: Iterable[str]) -> dict[str, int]:
    """Return the place of every named input that the model has; one that it does not use may be gone from it."""
    places: dict[str, int] = {}
    for index, port in enumerate(model.inputs):
        places[port.get_node().get_friendly_name()] = index
    for index, port in enumerate(model.inputs):
        places |= dict.fromkeys(port.get_names(), index)
    return {name: places[name] for name in names if name in places}


def fix_shapes(model: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    """Give every input the shape of its array, so that the runtime compiles for it. Raises EngineError."""
    places = find_inputs(model, shapes)
    missing = [port.get_any_name() for index, port in enumerate(model.inputs) if index not in places.values()]
    if missing:
        raise EngineError(f"The model asks for the input {missing[0]!r}, which is not among {', '.join(shapes)}.")
    wanted = {place: list(shapes[name]) for name, place in places.items()}
    if any(model.input(place).get_partial_shape() != _partial(shape) for place, shape in wanted.items()):
        try:
            model.reshape({place: _partial(shape) for place, shape in wanted.items()})
        except RuntimeError as error:
            raise EngineError(
                f"The model cannot take inputs of the shapes {', '.join(map(str, wanted.values()))}: "
                f"{first_line(error)}"
            ) from error


def first_line(error: BaseException) -> str:
    """The first line of a message that tells something: OpenVINO's begin with where they were raised."""
    lines = [line.strip().removeprefix("-- ") for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(_PLACES) and not line.endswith(":")]
    return (telling or lines or [type(error).__name__])[0]


def _partial(shape: Sequence[int]) -> Any:
    return import_openvino().PartialShape(list(shape))
