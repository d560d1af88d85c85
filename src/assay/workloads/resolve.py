"""From a name to a workload: a registered family, a hub id, a local folder, a model file, or the user's own factory.

What is not a family brings its own weights and inputs, and is only built inside a worker. May import: core,
workloads.base; torch and transformers inside functions.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.base import Family, Size, Tier, UnitOfWork, Workload, find_workload, per_sample
from assay.workloads.files import FORMATS, describe_file, is_model_file
from assay.workloads.user_module import import_user_module

HUB_PREFIX = "hf:"


def resolve_workload(ref: str) -> Workload:
    """Return the workload behind ``ref``.

    - ``bert/base``: a registered family and size;
    - ``package.module:function``: called as ``function(batch=...)``, returns ``(module, inputs)``;
    - ``./folder`` or ``/folder``: a model saved by transformers' ``save_pretrained`` (safetensors only);
    - ``./model.onnx``, ``./model.xml``, ``./model.pt2``: a file in ONNX, OpenVINO or torch.export form;
    - ``hf:org/name``: the same from the hub.

    Nothing is built or downloaded here. Raises UnknownNameError or WorkloadError.
    """
    if ref.startswith(HUB_PREFIX):
        return _pretrained(ref, ref.removeprefix(HUB_PREFIX), None)
    if is_model_file(ref):
        return describe_file(ref)
    if ref.startswith((".", "/", "~")) or Path(ref).is_absolute():  # Windows' C: is not a module's colon
        return _folder(ref)
    if ":" in ref:
        return _factory(ref)
    return find_workload(ref)


def weight_bytes(workload: Workload, bytes_per_parameter: float) -> int | None:
    """Bytes of the weights alone, known without building anything; None where only building would tell."""
    if workload.size.parameters is not None:
        return int(workload.size.parameters * bytes_per_parameter)
    file_bytes = workload.size.config.get("weight_bytes")
    if file_bytes is not None:
        return int(file_bytes)  # as stored: what a runtime makes of them in another precision is its own affair
    folder = workload.size.config.get("folder")
    if folder is None:
        return None
    files = list(Path(folder).glob("*.safetensors"))
    return sum(file.stat().st_size for file in files) or None


def _own_model(name: str, task: str, config: Mapping[str, Any], reference: str, bring: Any) -> Workload:
    size = Size(tier=Tier.BASE, config=config, parameters=None, source=reference)
    family = Family(
        name=name,
        task=task,
        modality="any",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={"own": size},
        inputs=(),
        default_shape=config.get("shape", {}),
        default_batches=(1,),
        build=_never_built,
        forward=_call_any,
        reference=reference,
        bring=bring,
    )
    return Workload(name, family, size)


def _never_built(_size: Size) -> Any:
    raise WorkloadError("A model that brings its own inputs is made by its `bring`, never by `build`.")


def _call_any(model: Any, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)


# -- the user's own function ---------------------------------------------------------------------------------


def _factory(ref: str) -> Workload:
    module_name, _, function_name = ref.partition(":")
    if not module_name or not function_name.isidentifier():
        raise WorkloadError(
            f"{ref!r} does not name a factory.",
            hint="Expected package.module:function, where function(batch=...) returns (module, inputs).",
        )
    bring = functools.partial(_bring_from_factory, module_name, function_name)
    return _own_model(ref, "the user's own", {"factory": ref}, ref, bring)


def _bring_from_factory(
    module_name: str, function_name: str, _size: Size, batch: int, _shape: Mapping[str, int], _dtype: str
) -> tuple[Any, Any]:
    ref = f"{module_name}:{function_name}"
    try:
        module = import_user_module(ref, module_name)
    except ModuleNotFoundError as error:
        raise WorkloadError(
            f"The factory {ref!r} could not be imported: {error}.",
            hint="Run assay from the folder that holds the module, or put that folder on PYTHONPATH.",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise UnknownNameError(f"factory in {module_name}", function_name, names)
    parameters = inspect.signature(function).parameters
    takes_batch = "batch" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if batch != 1 and not takes_batch:
        raise WorkloadError(
            f"The factory {ref!r} takes no `batch`, so it cannot make a batch of {batch}.",
            hint="Give it a `batch` parameter, or ask for batch 1.",
        )
    made = function(batch=batch) if takes_batch else function()
    if not (isinstance(made, tuple) and len(made) == 2 and callable(made[0])):  # noqa: PLR2004  (a pair)
        raise WorkloadError(
            f"The factory {ref!r} returned {type(made).__name__}; expected a pair (module, inputs).",
            hint="inputs is a tensor, a tuple of tensors or a dict of named tensors.",
        )
    return made


def _folder(ref: str) -> Workload:
    folder = Path(ref).expanduser()
    if folder.is_file():
        raise WorkloadError(
            f"{ref!r} is a file of no kind that can be run.",
            hint=f"Expected one that ends in {', '.join(FORMATS)}, or a folder that save_pretrained wrote.",
        )
    if not (folder / "config.json").is_file():
        raise WorkloadError(
            f"{ref!r} is not a model folder: it has no config.json.",
            hint="Expected what transformers' save_pretrained writes, or a registered family such as bert/base.",
        )
    return _pretrained(ref, str(folder), str(folder), image=find_image_side(folder / "config.json"))


def find_image_side(file: Path) -> int | None:
    """The size of images that a saved configuration asks for, where they are square."""
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # whoever loads the model says what is wrong with the file
    if not isinstance(config, dict):
        return None
    vision = config.get("vision_config")
    side = (vision if isinstance(vision, dict) else config).get("image_size")
    if isinstance(side, list) and len(set(map(str, side))) == 1:
        side = side[0]
    return side if isinstance(side, int) else None


def _pretrained(name: str, location: str, folder: str | None, *, image: int | None = None) -> Workload:
    shape = {"seq": 128, "image": image or 224, "seconds": 10}
    config = {"location": location, "folder": folder, "shape": shape}
    return _own_model(name, "a saved model", config, location, _bring_pretrained)


def _bring_pretrained(size: Size, batch: int, shape: Mapping[str, int], dtype: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoConfig, AutoModel

    location = size.config["location"]
    local = size.config["folder"] is not None
    try:
        config = AutoConfig.from_pretrained(location, local_files_only=local, trust_remote_code=False)
        model = AutoModel.from_pretrained(
            location,
            config=config,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=local,
            trust_remote_code=False,
        )
    except Exception as error:
        if isinstance(error, (MemoryError, RuntimeError)) and "mismatch" not in str(error):
            raise  # memory that ran out must stay recognisable as that
        first_line = str(error).strip().partition("\n")[0]
        raise WorkloadError(
            f"The saved model {location!r} could not be loaded: {first_line}",
            hint="It needs a config.json that transformers knows and weights as .safetensors.",
        ) from error
    return model.eval(), make_model_inputs(model, config, batch, shape)


def make_model_inputs(model: Any, config: Any, batch: int, shape: Mapping[str, int]) -> dict[str, Any]:
    """Make inputs from what the model says its main input is and what its configuration says of sizes."""
    import torch

    generator = torch.Generator().manual_seed(0)
    text = getattr(config, "text_config", None) or config
    vocabulary = int(getattr(text, "vocab_size", 0) or 0)

    def tokens(length: int) -> Any:
        return torch.randint(1, vocabulary, (batch, length), generator=generator)

    accepted = inspect.signature(model.forward).parameters
    inputs: dict[str, Any] = {}
    if "input_ids" in accepted and vocabulary:
        inputs["input_ids"] = tokens(shape["seq"])
    if "pixel_values" in accepted:
        vision = getattr(config, "vision_config", None) or config
        side = shape["image"]  # never the configuration's: what the case says is what is run
        channels = int(getattr(vision, "num_channels", 3) or 3)
        inputs["pixel_values"] = torch.randn(batch, channels, side, side, generator=generator)
    if model.main_input_name == "input_values":
        inputs["input_values"] = torch.randn(batch, 16_000 * shape["seconds"], generator=generator)
    if model.main_input_name == "input_features":
        frames = 2 * int(getattr(config, "max_source_positions", 1500))
        bins = int(getattr(config, "num_mel_bins", 80))
        inputs["input_features"] = torch.randn(batch, bins, frames, generator=generator)
    if getattr(config, "is_encoder_decoder", False) and vocabulary:
        inputs["decoder_input_ids"] = tokens(8)
    if not inputs:
        raise WorkloadError(
            f"Inputs for {type(model).__name__} (main input {model.main_input_name!r}) cannot be guessed.",
            hint="Write a factory module:function that returns (module, inputs).",
        )
    return inputs
