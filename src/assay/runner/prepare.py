"""Before a case is launched: have its artefacts and its reference made, once, each in a process of its own.

What fails here becomes the result of the case (an export that is not possible) or a reason why its fidelity is not
known (a reference that does not fit into memory); the plan goes on. May import: core, artefacts, engines, workloads,
probes, runner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from assay.artefacts.base import ArtefactRequest, recipes
from assay.artefacts.cache import Artefact, cache_location, find_artefact, read_artefact
from assay.artefacts.reference import REFERENCE
from assay.core.case import Scalar
from assay.core.errors import AssayError, UnsupportedError
from assay.core.units import format_bytes
from assay.core.words import Mode, Status
from assay.engines.base import engines
from assay.runner.plan import Obstacle, PlannedCase, is_own_reference, load_request
from assay.runner.protocol import Failed, Message, PrepareJob
from assay.runner.supervise import LaunchOutcome, run_launch
from assay.workloads.base import Workload
from assay.workloads.resolve import weight_bytes

Launcher = Callable[..., LaunchOutcome]
_TORCH_FORMATS = ("torch", "torch-export")
_FP32_BYTES = 4.0
_REFERENCE_MARGIN = 1.3
"""Weights, and activations beside them."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a case has to start from.

    ``artefacts`` are those its engine needs, by recipe. ``reference`` is the folder of the reference outputs; None
    with a ``reference_reason`` where there is none, and None without one where the case is its own reference.
    ``obstacle`` is set where the case cannot be launched.
    """

    artefacts: Mapping[str, Artefact] = field(default_factory=dict)
    reference: Path | None = None
    reference_reason: str | None = None
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where artefacts are made and by what rules. ``scope`` marks what must not outlive the run.

    What names an artefact (package versions, the content of the user's files) is looked up where the worker is.
    ``is_own`` says that this process sees the same; else only the process that makes artefacts can tell which one is
    meant, and is asked each time.
    """

    root: Path
    scope: str
    limit_s: float
    memory_bytes: int | None
    launcher: Launcher = run_launch
    is_own: bool = True


def open_workshop(*, scope: str, limit_s: float, launcher: Launcher = run_launch, is_own: bool = True) -> Workshop:
    """Use the cache of this user, and the memory there is now."""
    from assay.probes.memory import available_memory_bytes

    return Workshop(cache_location(), scope, limit_s, available_memory_bytes(), launcher, is_own)


def prepare_case(
    planned: PlannedCase,
    seed: int,
    workshop: Workshop,
    *,
    on_message: Callable[[str, Message | None], None] = lambda _recipe, _message: None,
) -> Preparation:
    """Make, or find in the cache, all that the case needs. ``on_message`` gets the recipe at work and what it says."""
    try:
        requests = engines.get(planned.case.engine).plan_artefacts(load_request(planned, seed))
    except UnsupportedError as error:
        return Preparation(obstacle=Obstacle(Status.UNSUPPORTED, str(error), "engine"))
    except AssayError as error:
        return Preparation(obstacle=Obstacle(Status.FAILED, str(error), "engine"))
    artefacts: dict[str, Artefact] = {}
    for request in requests:
        made = _obtain(_scoped(request, planned.workload, workshop.scope), planned, workshop, on_message)
        if isinstance(made, Failed):
            reason = f"{describe_recipe(request.recipe)} could not be made: {made.reason}"
            return Preparation(obstacle=Obstacle(made.status, reason, "engine"))
        artefacts[request.recipe] = made
    reference, why_not = _find_reference(planned, seed, workshop, on_message)
    return Preparation(artefacts, reference, why_not)


def describe_recipe(name: str) -> str:
    """``onnx-int8-static`` -> its description, for messages."""
    return recipes.get(name).description


def _find_reference(
    planned: PlannedCase, seed: int, workshop: Workshop, on_message: Callable[[str, Message | None], None]
) -> tuple[Path | None, str | None]:
    """Return the reference's folder, or why there is none; neither where none is called for."""
    if is_own_reference(planned) or planned.case.mode in (Mode.TRAINING, Mode.DATA):
        return None, None
    if not engines.get(planned.case.engine).capabilities.reads_outputs:
        return None, f"engine {planned.case.engine} does not give its outputs back"
    needed = weight_bytes(planned.workload, _FP32_BYTES)
    if needed is not None and workshop.memory_bytes is not None and needed * _REFERENCE_MARGIN > workshop.memory_bytes:
        return None, (
            f"no reference: in fp32 the model takes {format_bytes(needed)} and more, "
            f"{format_bytes(workshop.memory_bytes)} are available"
        )
    request = _reference_of(planned, seed)
    if request is None:
        return None, f"no reference: nothing here runs a model in {planned.workload.family.format} form as float32"
    made = _obtain(_scoped(request, planned.workload, workshop.scope), planned, workshop, on_message)
    if isinstance(made, Failed):
        return None, f"no reference: {made.reason}"
    return made.folder, None


def _reference_of(planned: PlannedCase, seed: int) -> ArtefactRequest | None:
    from assay.artefacts.base import request_artefact

    options: dict[str, Scalar] = {}
    name = (
        REFERENCE
        if planned.workload.family.format in _TORCH_FORMATS
        else f"{REFERENCE}-{planned.workload.family.format}"
    )
    if planned.case.mode is Mode.GENERATION:
        name, options = f"{REFERENCE}-tokens", {"new_tokens": planned.new_tokens}
    if name not in recipes.names():
        return None
    shape = dict(planned.case.shape)
    return request_artefact(name, planned.workload, batch=planned.case.batch, shape=shape, seed=seed, options=options)


def _scoped(request: ArtefactRequest, workload: Workload, scope: str) -> ArtefactRequest:
    """Let what comes from a user's function, or a hub, serve this run only: its content cannot be told from here."""
    if workload.family.bring is None or {"folder", "file"} & {
        key for key, value in workload.size.config.items() if value is not None
    }:
        return request
    return replace(request, options=tuple(sorted({**dict(request.options), "scope": scope}.items())))


def _obtain(
    request: ArtefactRequest,
    planned: PlannedCase,
    workshop: Workshop,
    on_message: Callable[[str, Message | None], None],
) -> Artefact | Failed:
    found = find_artefact(request, planned.workload, workshop.root) if workshop.is_own else None
    if found is not None:
        return found
    on_message(request.recipe, None)
    asked_at = datetime.now(UTC)
    outcome = workshop.launcher(
        PrepareJob(request, str(workshop.root), planned.threads),
        limit_s=workshop.limit_s,
        on_message=lambda message: on_message(request.recipe, message),
    ).outcome
    if isinstance(outcome, Failed):
        return outcome
    key = getattr(outcome, "key", "")
    made = read_artefact(workshop.root / key) if key else None
    if made is None:
        return Failed(Status.FAILED, "it was made, but is not in the cache", "prepare")
    return replace(made, was_cached=made.made_at < asked_at)
