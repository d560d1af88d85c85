"""From a suite to a plan: the ordered list of cases, each either ready or with the reason why not.

Nothing is built here. A request that cannot be met anywhere is an error before anything runs; a single cell of a
matrix that cannot be met becomes a row of its own. May import: core, engines, workloads, probes, runner.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from assay.artefacts.base import ArtefactRequest, recipes
from assay.core.absence import is_installed
from assay.core.case import Case, Scalar
from assay.core.errors import AssayError, SuiteError, UnsupportedError, UsageError
from assay.core.units import format_bytes
from assay.core.words import Mode, Precision, Status
from assay.engines.base import Engine, LoadRequest, device_kind, engines
from assay.engines.distributed_plan import batches_of_a_step
from assay.engines.generation import plan_generation
from assay.engines.options import DEFAULT_NEW_TOKENS, OPTIONS
from assay.engines.training_plan import plan_training, read_training_options, trained_bytes_per_parameter
from assay.probes.cgroup import read_cpu_quota
from assay.probes.devices import Device
from assay.runner.serving_mode import plan_serving
from assay.runner.suite_model import CaseMatrix, Suite
from assay.workloads.base import UnitOfWork, Workload
from assay.workloads.datasets.base import datasets, split_reference
from assay.workloads.files import refuse_batch
from assay.workloads.resolve import resolve_workload, weight_bytes

AUTO_DEVICE = "auto"
_QUANTIZED = (Precision.INT8, Precision.INT4)
_DETECTED = ("cpu", "cuda", "rocm", "mps", "xpu")
"""Kinds of device that the probes find; others (``openvino:NPU``) only their engine can see, in a worker."""
_WEIGHT_MARGIN = 1.05
"""Weights are not all: buffers, activations and the allocator take a little more, even at batch 1."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a case is not run: its row carries this status and reason. ``key`` is the suite's word that is to blame."""

    status: Status
    reason: str
    key: str = "model"


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One case, what it computes, and how it is launched. ``obstacle`` is set where it cannot be."""

    case: Case
    workload: Workload
    threads: int
    obstacle: Obstacle | None = None

    @property
    def units_per_call(self) -> float:
        """Units of work in one call; of a generation, the tokens it makes; of training, those of a whole step."""
        if self.case.mode is Mode.GENERATION:
            return float(self.case.batch * self.new_tokens)
        units = self.workload.units_per_call(self.case.batch, dict(self.case.shape))
        if self.case.mode is Mode.TRAINING:
            # A step takes a batch on every rank that has data of its own, as often as gradients are summed.
            options = dict(self.case.options)
            batches = batches_of_a_step(str(options.get("strategy", "ddp")), int(options.get("ranks", 1)))
            return units * int(options.get("accumulate", 1)) * batches
        return units

    @property
    def unit_of_work(self) -> str:
        """What throughput counts."""
        return UnitOfWork.TOKEN.value if self.case.mode is Mode.GENERATION else self.workload.family.unit.value

    @property
    def new_tokens(self) -> int:
        """Tokens that a generation makes after its prompt."""
        return int(dict(self.case.options).get("new_tokens", DEFAULT_NEW_TOKENS))


@dataclass(frozen=True, slots=True)
class Machine:
    """What the planner must know of the machine: devices, memory, default threads. Given, so that tests can."""

    devices: tuple[Device, ...]
    memory_limit_bytes: int | None
    memory_available_bytes: int | None
    threads: int

    def find_device(self, name: str) -> Device | None:
        """Find ``cpu``, ``cuda:0``; a bare ``cuda`` is ``cuda:0``."""
        wanted = {name, f"{name}:0"}
        return next((device for device in self.devices if device.name in wanted), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """The expanded suite, in the order written."""

    suite: Suite
    cases: tuple[PlannedCase, ...]

    @property
    def ready(self) -> tuple[PlannedCase, ...]:
        """Cases that will be launched."""
        return tuple(planned for planned in self.cases if planned.obstacle is None)


def read_machine() -> Machine:
    """Look at this machine."""
    from assay.probes.devices import detect_devices
    from assay.probes.memory import available_memory_bytes, memory_limit_bytes

    return Machine(detect_devices(), memory_limit_bytes(), available_memory_bytes(), default_threads())


def default_threads() -> int:
    """Physical cores that this process may use: what the frameworks themselves settle on.

    The least of the physical cores, the processor affinity and the cgroup's CPU quota.
    """
    import psutil

    candidates = [psutil.cpu_count(logical=False) or psutil.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        candidates.append(len(os.sched_getaffinity(0)))
    quota = read_cpu_quota()
    if quota is not None:
        candidates.append(max(1, math.floor(quota)))
    return min(candidates)


def make_plan(suite: Suite, machine: Machine) -> Plan:
    """Expand every matrix of the suite. Raises UsageError or SuiteError for what can never run here."""
    planned: dict[str, PlannedCase] = {}
    for index, matrix in enumerate(suite.cases):
        expanded = list(expand_suite(suite, index, matrix, machine))
        _refuse_hopeless(suite, index, expanded)
        for one in expanded:
            planned.setdefault(one.case.case_id, one)
    return Plan(suite, tuple(planned.values()))


def expand_suite(suite: Suite, index: int, matrix: CaseMatrix, machine: Machine) -> Iterator[PlannedCase]:
    """Give every case of one entry of a suite, on the devices that are meant. Raises SuiteError."""
    with _placed(suite, index, "engine"):
        found = [engines.get(name) for name in matrix.engines]
    devices = {
        engine.name: tuple(dict.fromkeys(_settle_device(name, machine, engine, found) for name in matrix.devices))
        for engine in found
    }
    for model in matrix.models:
        with _placed(suite, index, "model"):
            workload = resolve_workload(model)
        batches = matrix.batches or workload.batches
        threads = matrix.threads or (None,)
        shapes = tuple(_expand_shapes(suite, index, matrix, workload))
        chosen = tuple(itertools.product(*([(name, one) for one in values] for name, values in matrix.options)))
        placed = [(engine, device) for engine in found for device in devices[engine.name]]
        for (engine, device), mode, precision, shape, batch, thread_count, asked in itertools.product(
            placed, matrix.modes, matrix.precisions, shapes, batches, threads, chosen
        ):
            options: dict[str, Scalar] = {} if thread_count is None else {"threads": thread_count}
            options |= _options_for(engine, mode, precision, dict(asked))
            case = Case.make(
                workload=workload.name,
                engine=engine.name,
                device=device,
                mode=mode,
                precision=precision,
                batch=batch,
                shape=_shape_of_data(shape, options, dict(matrix.shape)),
                options=options,
            )
            planned = PlannedCase(case, workload, thread_count or threads_for(mode, machine))
            yield replace(planned, obstacle=find_obstacle(planned, engine, suite.seed, machine))


def _shape_of_data(
    shape: Mapping[str, int], options: Mapping[str, Scalar], asked: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """Dimensions that nobody asked for are those of the data set, where there is one, and not the workload's own."""
    reference = options.get("dataset")
    name = None if reference is None else split_reference(str(reference))[0]
    if name is None or name not in datasets.names():
        return dict(shape)
    own = datasets.get(name).shape
    return {
        dimension: own.get(dimension, size) if dimension not in asked else size for dimension, size in shape.items()
    }


def threads_for(mode: Mode, machine: Machine) -> int:
    """One less where queries arrive: LoadGen waits for their time in a loop, which takes a CPU."""
    return max(1, machine.threads - 1) if mode is Mode.SERVING else machine.threads


def _options_for(engine: Engine, mode: Mode, precision: Precision, asked: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Keep the options that this engine, or this mode, understands and that mean something at this precision.

    As with dimensions: an option that another engine of the same entry has is left out here, so that one entry can
    span engines.
    """
    return {
        name: value
        for name, value in asked.items()
        if (name in engine.capabilities.options or mode in OPTIONS[name].modes)
        and (name != "quantization" or precision in _QUANTIZED)
    }


def _expand_shapes(suite: Suite, index: int, matrix: CaseMatrix, workload: Workload) -> Iterator[dict[str, int]]:
    """Every combination of the dimensions asked for, the others at their defaults.

    A dimension that this workload lacks but another of the same entry has is left out: ``seq: [128, 512]`` over
    text and vision models varies the text models only. One that none has is an error (the suite reader's).
    """
    own = workload.resolve_shape({})
    if matrix.shape and not own and len(matrix.models) == 1:
        names = ", ".join(name for name, _ in matrix.shape)
        raise SuiteError(
            f"{suite.position_of(index, 'shape')}: {workload.name} has no dimensions, but {names} was asked for.",
            hint="A factory makes its own inputs; only their batch is assay's to choose.",
        )
    asked = {name: sizes for name, sizes in matrix.shape if name in own or len(matrix.models) == 1}
    for sizes in itertools.product(*asked.values()):
        with _placed(suite, index, "shape"):
            yield workload.resolve_shape(dict(zip(asked, sizes, strict=True)))


def _settle_device(name: str, machine: Machine, engine: Engine, wanted: Sequence[Engine]) -> str:
    """``auto`` is the first accelerator that every engine asked for can drive, else the CPU; ``cuda`` is ``cuda:0``.

    An engine without a ``cpu`` shares no device with others: its ``auto`` is what it can drive here, else the first
    kind it knows, which only its worker can find.
    """
    if name != AUTO_DEVICE:
        device_meant = machine.find_device(name)
        return device_meant.name if device_meant is not None else name
    kinds = engine.capabilities.device_kinds
    sharing = [one for one in wanted if "cpu" in one.capabilities.device_kinds] if "cpu" in kinds else [engine]
    for device in machine.devices:
        if device.kind != "cpu" and all(one.availability(device.kind) is None for one in sharing):
            return device.name
    return "cpu" if "cpu" in kinds else kinds[0]


def load_request(planned: PlannedCase, seed: int) -> LoadRequest:
    """What the engine will be asked to load, as far as it is known before anything is prepared."""
    case = planned.case
    return LoadRequest(
        workload=planned.workload,
        device=case.device,
        precision=case.precision,
        batch=case.batch,
        shape=dict(case.shape),
        threads=planned.threads,
        seed=seed,
        options=dict(case.options),
    )


def seed_of_launch(planned: PlannedCase, seed: int, ordinal: int) -> int:
    """The suite's seed, or one of the launch's own where how training goes is what is measured, not how fast."""
    return seed + ordinal if "target" in dict(planned.case.options) else seed


def is_own_reference(planned: PlannedCase) -> bool:
    """True for float32 eager on the CPU, unchanged: what everything else is compared with."""
    case = planned.case
    changed = any(OPTIONS[name].changes_model for name, _ in case.options if name in OPTIONS)
    return (
        case.engine == "torch" and case.device == "cpu" and case.precision is Precision.FP32 and not changed
        and planned.workload.family.format in ("torch", "torch-export")
    )  # fmt: skip


def find_obstacle(planned: PlannedCase, engine: Engine, seed: int, machine: Machine) -> Obstacle | None:
    """Return why a case cannot be run on a machine, None where nothing is in its way."""
    case = planned.case
    kind = device_kind(case.device)
    device = machine.find_device(case.device)
    absence = engine.availability(kind)
    is_unknown = kind not in engine.capabilities.device_kinds or kind not in _DETECTED
    if absence is not None and (device is not None or is_unknown):
        has_another = any(engine.availability(one) is None for one in engine.capabilities.device_kinds)
        return Obstacle(Status.UNSUPPORTED, str(absence), "device" if has_another else "engine")
    if case.mode not in engine.capabilities.modes:
        able = ", ".join(engine.capabilities.modes)
        reason = f"engine {engine.name} does {able} only, and {case.mode} was asked for"
        return Obstacle(Status.UNSUPPORTED, reason, "mode")
    possible = engine.capabilities.precisions[kind]
    if case.precision not in possible:
        return Obstacle(Status.UNSUPPORTED, _precision_reason(engine.name, kind, case.precision, possible), "precision")
    if device is None and kind in _DETECTED:
        here = ", ".join(known.name for known in machine.devices)
        return Obstacle(Status.UNSUPPORTED, f"there is no device {case.device!r} here; found {here}", "device")
    return _check_artefacts(planned, engine, seed) or _check_memory(case, planned.workload, device, machine)


def _check_artefacts(planned: PlannedCase, engine: Engine, seed: int) -> Obstacle | None:
    """Ask the engine what it needs made first, and look whether what makes it is installed."""
    request = load_request(planned, seed)
    try:
        if planned.case.mode is Mode.GENERATION:
            plan_generation(engine.name, request, new_tokens=planned.new_tokens)
        if planned.case.mode is Mode.SERVING:
            plan_serving(request.options, batch=request.batch)
        if planned.case.mode is Mode.TRAINING:
            plan_training(engine.name, request)
        refuse_batch(planned.workload, planned.case.batch)
        requests = engine.plan_artefacts(request)
    except (UnsupportedError, UsageError) as error:
        return Obstacle(Status.UNSUPPORTED, str(error), "engine")
    for wanted in requests:
        missing = _missing_for(wanted)
        if missing is not None:
            return Obstacle(Status.UNSUPPORTED, missing, "engine")
    return None


def _missing_for(request: ArtefactRequest) -> str | None:
    recipe = recipes.get(request.recipe)
    for needed in recipe.needs(request):
        missing = _missing_for(needed)
        if missing is not None:
            return missing
    absent = [name for name in recipe.packages if not _is_here(name)]
    if not absent:
        return None
    return f"{recipe.description} needs {', '.join(absent)}, not installed here ({recipe.install_hint})"


_is_here = functools.cache(is_installed)
"""A plan asks for each of its cases."""


def _precision_reason(engine: str, kind: str, got: Precision, possible: Sequence[Precision]) -> str:
    return f"engine {engine} has no {got} on {kind}; it has {', '.join(possible)} there"


def _check_memory(case: Case, workload: Workload, device: Device | None, machine: Machine) -> Obstacle | None:
    """Refuse what cannot fit before it is built: parameters x bytes are known without any weights."""
    needed, what = weight_bytes(workload, case.precision.bytes_per_parameter), f"{case.precision} weights alone take"
    if case.mode is Mode.TRAINING:
        needed = weight_bytes(workload, trained_bytes_per_parameter(read_training_options(dict(case.options))))
        what = "weights, gradients and optimizer alone take"
    on_host = case.device == "cpu"
    on_device = device.memory_bytes if device is not None else None
    limit = machine.memory_available_bytes if on_host else on_device
    if needed is None or limit is None or needed * _WEIGHT_MARGIN <= limit:
        return None
    whole = machine.memory_limit_bytes if on_host else limit
    return Obstacle(
        Status.SKIPPED,
        f"does not fit: its {what} {format_bytes(needed)}; {case.device} has "
        f"{format_bytes(limit)} available of {format_bytes(whole)}",
    )


def _refuse_hopeless(suite: Suite, index: int, expanded: Sequence[PlannedCase]) -> None:
    """Raise where a whole entry is impossible for one and the same kind of reason: a slip, not a matrix."""
    obstacles = [planned.obstacle for planned in expanded]
    unsupported = [obstacle for obstacle in obstacles if obstacle and obstacle.status is Status.UNSUPPORTED]
    if not unsupported or len(unsupported) < len(obstacles):
        return
    reasons = list(dict.fromkeys(obstacle.reason for obstacle in unsupported))
    raise SuiteError(
        f"{suite.position_of(index, unsupported[0].key)}: impossible here: {'; '.join(reasons[:3])}.",
        hint="What this machine has and can run: assay doctor",
    )


@contextlib.contextmanager
def _placed(suite: Suite, index: int, key: str) -> Iterator[None]:
    """Add the place in the suite to an error about something written there."""
    try:
        yield
    except AssayError as error:
        raise SuiteError(f"{suite.position_of(index, key)}: {error.message}", hint=error.hint) from error
