"""A configuration of transformers as a workload that is only counted: no weights are needed, none are read.

``resolve`` gives what is run, with its weights; this gives the same model as `assay run` would load it, on the meta
device. May import: core, workloads; torch and transformers inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.core.errors import WorkloadError
from assay.workloads.base import Family, Size, Tier, UnitOfWork, Workload, per_sample
from assay.workloads.cost_count import ON_META
from assay.workloads.resolve import HUB_PREFIX, find_image_side, make_model_inputs

CONFIG = "config.json"
HEADLESS, WITH_HEAD = "headless", "with-head"
"""What is built: the model as ``AutoModel`` does (what `assay run` times), or as a generator of text."""
_SHORT_TEXTS = ("clip", "xclip", "owlvit", "clipseg")
"""Kinds whose texts have 77 positions where the configuration does not say (Radford et al. 2021, arXiv:2103.00020)."""
_NOT_OF_THE_GRAPH = ("auto_map", "quantization_config", "dtype", "torch_dtype")
_LARGEST_BYTES = 4 << 20
_VERSION = 1
"""Raised when what is built from a configuration changes, so that counts in the cache are not taken for it."""


def is_config_ref(ref: str) -> bool:
    """True for a folder that holds a ``config.json``, for such a file itself, and for an id of the hub."""
    if ref.startswith(HUB_PREFIX):
        return True
    path = Path(ref).expanduser()
    is_path = ref.startswith((".", "/", "~")) or path.is_absolute() or path.name.endswith(".json")
    return is_path and (path / CONFIG if path.is_dir() else path).suffix == ".json"


def describe_config(ref: str, *, head: str = HEADLESS) -> Workload:
    """Return the workload of a configuration. Raises WorkloadError where there is none, or it is no configuration."""
    file = find_config(ref)
    content = read_config(file)
    shape = {"seq": min(128, _most_positions(content)), "image": find_image_side(file) or 224, "seconds": 10}
    config = {"transformers": json.dumps(content, sort_keys=True), ON_META: True, "head": head, "version": _VERSION,
              "shape": shape}  # fmt: skip
    size = Size(tier=Tier.BASE, config=config, parameters=None, source=ref)
    family = Family(
        name=str(content["model_type"]),
        task="a configuration",
        modality="any",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={"own": size},
        inputs=(),
        default_shape=shape,
        default_batches=(1,),
        build=_never_built,
        forward=_call_with_inputs,
        reference=ref,
        bring=_bring_without_weights,
    )
    return Workload(ref, family, size)


def find_config(ref: str) -> Path:
    """Return the file of a configuration; of the hub's, the copy in the local cache. Raises WorkloadError."""
    if ref.startswith(HUB_PREFIX):
        return _find_cached(ref.removeprefix(HUB_PREFIX))
    path = Path(ref).expanduser()
    file = path / CONFIG if path.is_dir() else path
    if not file.is_file():
        raise WorkloadError(
            f"There is no configuration at {ref!r}.",
            hint="Expected a config.json as transformers writes it, or the folder that holds one.",
        )
    return file


def read_config(file: Path) -> dict[str, Any]:
    """Read a configuration as plain data. Raises WorkloadError for what is none."""
    try:
        with file.open("rb") as stream:
            content = json.loads(stream.read(_LARGEST_BYTES))  # the beginning of a longer one is no JSON
    except (OSError, ValueError, RecursionError) as error:
        raise WorkloadError(f"The configuration {file.name!r} cannot be read: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("model_type"), str):
        raise WorkloadError(
            f"{file.name!r} is no configuration of a model: it has no model_type.",
            hint="Expected a config.json as transformers writes it.",
        )
    kept: dict[str, Any] = _strip(content)
    return kept


def _strip(value: Any) -> Any:
    """Leave out code that a model brings, and how its weights are stored: a count is in numbers, not in bytes."""
    if not isinstance(value, dict):
        return value
    return {str(name): _strip(one) for name, one in value.items() if name not in _NOT_OF_THE_GRAPH}


def _most_positions(content: Mapping[str, Any]) -> int:
    """Tokens that the model has places for, as far as its configuration says."""
    text = content.get("text_config")
    for one in (text, content):
        found = one.get("max_position_embeddings") if isinstance(one, dict) else None
        if isinstance(found, int) and found > 0:
            return found
    return 77 if content["model_type"] in _SHORT_TEXTS else 1 << 30


def build_on_meta(workload: Workload) -> Any:
    """Build the module of a configuration, without weights; the caller has entered the meta device.

    Raises WorkloadError where transformers does not know the kind of model. Code that a model brings is never run.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    content = json.loads(str(workload.size.config["transformers"]))
    kind = content.pop("model_type")
    auto = AutoModelForCausalLM if workload.size.config["head"] == WITH_HEAD else AutoModel
    try:
        config = AutoConfig.for_model(kind, **content)
        return auto.from_config(config, trust_remote_code=False)
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise WorkloadError(
            f"No model can be built from the configuration {workload.name!r} (a {kind}): "
            f"{type(error).__name__}: {first}",
            hint="Expected a kind of model that the installed transformers knows without code of its own.",
        ) from error


def _bring_without_weights(size: Size, batch: int, shape: Mapping[str, int], _dtype: str) -> tuple[Any, Any]:
    import torch

    module = build_on_meta(Workload(size.source, _NO_FAMILY, size))
    with torch.device("cpu"):
        return module, make_model_inputs(module, module.config, batch, shape)


def _find_cached(name: str) -> Path:
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(name, CONFIG)
    except Exception as error:  # a name that no model can have, or no such library
        raise WorkloadError(f"{HUB_PREFIX}{name} cannot be looked up: {error}") from error
    if not isinstance(found, str):
        raise WorkloadError(
            f"The configuration of {HUB_PREFIX}{name} is not in the local cache, and a prediction downloads nothing.",
            hint="Give its config.json as a file, or download it once (transformers' AutoConfig does).",
        )
    return Path(found)


def _never_built(_size: Size) -> Any:
    raise WorkloadError("A configuration has no weights: it is counted, never run.")


def _call_with_inputs(model: Any, inputs: Mapping[str, Any]) -> Any:
    import inspect

    # No text follows in a count, so no key or value is kept for it.
    known = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
    return model(**inputs, **known)


_NO_FAMILY = Family(
    name="configuration", task="", modality="any", unit=UnitOfWork.SAMPLE, units_per_call=per_sample, sizes={},
    inputs=(), default_shape={}, default_batches=(1,), build=_never_built, forward=_call_with_inputs, reference="",
)  # fmt: skip
