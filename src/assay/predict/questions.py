"""From words to questions: workloads x devices x precisions x batches, every graph told once.

May import: core, catalog, store, predict; workloads by predict.graphs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.catalog.metrics import metrics as registry
from assay.core.case import Scalar
from assay.core.errors import UsageError
from assay.core.words import Mode, Precision
from assay.predict.values import Conditions, DeviceProfile, GraphProfile, Question

if TYPE_CHECKING:
    from assay.predict.llm.shapes import LlmShape
    from assay.store import Store

_MODES = (Mode.INFERENCE.value, Mode.TRAINING.value)
_LARGEST_BATCH = 1 << 20
_OF_TOKENS = ("time_to_first_token_ns", "time_per_output_token_ns", "inter_token_latency_ns")
"""Metrics of a language model that is served: its shape is asked for, and no graph of one call."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks: names as written. ``precisions`` and ``batches`` are crossed with models and devices."""

    models: tuple[str, ...]
    devices: tuple[str, ...]
    precisions: tuple[str, ...] = ("fp32",)
    batches: tuple[int, ...] = (1,)
    engines: tuple[str, ...] = ("torch",)
    mode: str = "inference"
    metric: str = "latency_ns"
    shape: Mapping[str, int] | None = None
    options: Mapping[str, Scalar] | None = None
    count: int = 1


def make_questions(asked: Asked, *, store: Store | None = None) -> list[Question]:
    """Cross everything that was asked. Raises UsageError, UnknownNameError, and what a model cannot be counted for.

    A workload that a kind of predictor knows by its name (``mlperf/resnet``) has no graph; one whose tokens are waited
    for has the shape of its decoder in its place.
    """
    from assay.predict.devices import find_profile

    _check(asked)
    devices = [find_profile(name, store=store) for name in asked.devices]
    found = []
    for model in asked.models:
        decoder = _find_decoder(asked, model)
        for batch in asked.batches:
            graph = None if decoder or is_published(model) else find_graph(model, batch, asked.shape)
            found += [
                _question(asked, model, graph, decoder, device, engine, precision, batch)
                for device in devices
                for engine in asked.engines
                for precision in asked.precisions
            ]
    return found


def is_published(model: str) -> bool:
    """Whether a workload is one that a kind of predictor knows by its name, from what others published."""
    from assay.predict.base import predictors

    kinds = (predictors.get(name) for name in predictors.names())
    return any(one.prefix and model.startswith(one.prefix) for one in kinds)


def find_graph(model: str, batch: int, shape: Mapping[str, int] | None = None) -> GraphProfile:
    """Return the graph of a model by any of its names. Raises AssayError."""
    from assay.predict.graphs import profile_workload

    return profile_workload(model, batch=batch, shape=shape)


def read_options(values: Iterable[str]) -> dict[str, Scalar]:
    """Read ``scenario=Server``, ``users=64``: what a case is asked under beside its conditions. Raises UsageError.

    Kinds of predictors know which names they take, and abstain where one lacks.
    """
    found: dict[str, Scalar] = {}
    for text in values:
        name, is_given, value = (part.strip() for part in text.partition("="))
        if not (is_given and name and value):
            raise UsageError(f"option: got {text[:60]!r}; expected a name and its value, such as scenario=Server.")
        found[name] = _read_scalar(value)
    return found


def _read_scalar(text: str) -> Scalar:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return value if is_number or isinstance(value, str) else text


def device_word(device: DeviceProfile) -> str:
    """Return the word for a device in a case: what a run on a machine with one of it would say."""
    if device.kind == "cpu":
        return "cpu"
    words = {"NVIDIA": "cuda:0", "AMD": "rocm:0", "Intel": "xpu:0", "Apple": "mps"}
    return words.get(device.vendor, "cuda:0")


def _find_decoder(asked: Asked, model: str) -> LlmShape | None:
    """What a language model weighs and moves, where its tokens are waited for; None of one known by its name alone."""
    if asked.metric not in _OF_TOKENS:
        return None
    from assay.predict.llm.config_shape import decoder_of

    return decoder_of(model)


def _question(
    asked: Asked, model: str, graph: GraphProfile | None, decoder: LlmShape | None, device: DeviceProfile, engine: str,
    precision: str, batch: int,
) -> Question:  # fmt: skip
    options = tuple(sorted((asked.options or {}).items()))
    conditions = Conditions(engine, precision, batch, asked.mode, asked.count, options)
    family = model.partition("/")[2] if graph is None else graph.family
    return Question(model, family, device, conditions, asked.metric, graph, decoder)


def _check(asked: Asked) -> None:
    # What was published names precisions that no engine here has (fp8, fp4): their kind of predictor knows which.
    of_others = asked.metric in _OF_TOKENS or all(is_published(one) for one in asked.models)
    for precision in () if of_others else asked.precisions:
        try:
            Precision(precision)
        except ValueError:
            known = ", ".join(one.value for one in Precision)
            raise UsageError(f"--precision: got {precision!r}; expected one of {known}.") from None
    for batch in asked.batches:
        if not 1 <= batch <= _LARGEST_BATCH:
            raise UsageError(f"--batch: got {batch}; expected 1 to {_LARGEST_BATCH}.")
    if asked.count < 1:
        raise UsageError(f"--devices: got {asked.count}; expected 1 or more.")
    if asked.mode not in _MODES:
        raise UsageError(f"--mode: got {asked.mode!r}; {' and '.join(_MODES)} are foretold.")
    registry.get(asked.metric)
    if not asked.models or not asked.devices:
        raise UsageError("A prediction needs a model and a device.", hint="assay predict --model bert/base --on l4")


def why_impossible(question: Question) -> str | None:
    """Return why a device cannot compute in a precision at all, None where it can or nobody says."""
    rates = question.device.flops_per_s
    precision = question.conditions.precision
    if question.graph is None or not rates or precision in rates or precision in ("fp32", "int4"):
        return None
    known = ", ".join(rates)
    return f"{question.device.name} has no {precision} arithmetic by its sheet; it has {known}"
