"""What an engine is: ``load -> warm -> infer -> unload``, plus what it can do as data.

The supervisor reads ``Capabilities`` and ``plan_artefacts`` without importing the engine's libraries; only a worker
calls ``load``. May import: core, workloads, artefacts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.artefacts.base import ArtefactRequest
from assay.core.absence import Unavailable
from assay.core.case import Scalar
from assay.core.records import MetricValue
from assay.core.registry import Registry
from assay.core.words import Mode, Precision
from assay.workloads.audio import FeatureSpec
from assay.workloads.base import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do on each kind of device.

    ``precisions`` maps a device kind (``cpu``, ``cuda``, ...) to what runs there at all; ``native`` to what the
    hardware really has (None: ask the device). A precision that runs but is not native is emulated, slower than
    fp32, and is listed only when asked for. ``options`` are the case options it understands
    (`assay.engines.options`), ``modes`` what it can do besides timing one call after another. ``reads_outputs`` says
    that its sessions give their outputs back, so that a reference is worth making. ``least_warmup_calls`` and
    ``least_warmup_s`` are for runtimes that compile while they run: both must be over before anything is timed,
    whatever the suite says.
    """

    precisions: Mapping[str, tuple[Precision, ...]]
    packages: tuple[str, ...]
    install_hint: str
    options: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = (Mode.INFERENCE,)
    reads_outputs: bool = False
    least_warmup_calls: int = 3
    least_warmup_s: float = 0.0

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """Kinds of device the engine can drive."""
        return tuple(self.precisions)


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Everything a worker needs to make one case ready to be timed.

    ``options`` are the case's (``quantization``, ``prune``, ``hint`` ...). ``artefacts`` are the folders of what
    ``plan_artefacts`` asked for, by recipe; empty while planning.
    """

    workload: Workload
    device: str
    precision: Precision
    batch: int
    shape: Mapping[str, int]
    threads: int
    seed: int
    options: Mapping[str, Scalar] = field(default_factory=dict)
    artefacts: Mapping[str, Path] = field(default_factory=dict)


class EventTimer(Protocol):
    """A device's own clock: start, stop, and after a synchronize the time between, in ns."""

    def start(self) -> None:
        """Put a start mark into the device's queue."""
        ...

    def stop(self) -> None:
        """Put a stop mark into the device's queue."""
        ...

    def elapsed_ns(self) -> int:
        """Time between the marks; valid once the device was synchronized."""
        ...


class Stopwatch(Protocol):
    """Calls that another program makes and times, such as a page in a browser: only their durations come here.

    A round trip to that program costs more than many a call, so it is given whole series of calls to make.
    """

    @property
    def resolution_ns(self) -> int:
        """The smallest step of the other program's clock."""
        ...

    def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
        """Make ``samples`` times ``calls_per_sample`` calls, one after another, and return each sample's ns.

        Fewer, but at least one, once ``limit_ns`` have passed. Raises EngineError where the program is gone.
        """
        ...


class Preprocessor(Stopwatch, Protocol):
    """What makes a model's input from clips of sound, in the program that runs the model: its calls are timed there."""

    def read_features(self) -> NDArray[Any]:
        """Make one more call and return its features, as `assay.workloads.audio.FeatureSpec` says."""
        ...


@dataclass(frozen=True, slots=True)
class Placement:
    """What really ran where: how many nodes of the graph each provider or device executed.

    ``wanted`` is the word in ``nodes`` for what the case asked for; ``source`` says how it was found out. Below
    ``least_share`` of the nodes there, the case ran elsewhere.
    """

    wanted: str
    nodes: Mapping[str, int]
    source: str
    least_share: float = 0.0

    @property
    def share(self) -> float | None:
        """Share of the nodes that ran where they were meant to; None where there are none."""
        total = sum(self.nodes.values())
        return self.nodes.get(self.wanted, 0) / total if total else None

    @property
    def fallback(self) -> str | None:
        """Say that nothing ran where it was meant to, None where something did."""
        if self.nodes.get(self.wanted, 0):
            return None
        found = ", ".join(f"{count} on {name}" for name, count in sorted(self.nodes.items())) or "none anywhere"
        return f"no node ran on {self.wanted}: {found} (by {self.source})"


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded model with its inputs in place.

    ``infer`` makes one call on the whole batch and returns its outputs. ``synchronize`` blocks until the device
    has finished, and is None where calls are synchronous, so that a CPU loop pays for no empty call.
    ``event_timer`` is the device's own clock, where there is one. ``device_memory`` reads
    named allocator counters in bytes after ``reset_device_memory``.

    ``costs_ns`` are parts of loading that count apart (``compile``). ``read_outputs`` turns what ``infer`` returned
    into host arrays in the reference's order (`assay.workloads.outputs`), floating ones as float32; None where
    outputs cannot be compared. ``find_placement`` is asked once, after all timing, and may load the model again.

    Where the model runs in another program, ``stopwatch`` makes and times the calls there (``infer`` then only brings
    outputs, and is never timed), ``processes`` names the processes whose CPU time and switches count instead of this
    one's, and ``process_memory`` reads their resident bytes by kind (``renderer``, ``gpu``). ``preprocess`` takes clips
    there, (batch, samples) float32, and makes ready what turns them into features. ``late_facts`` and ``late_metrics``
    are what only shows after all timing; a number that cannot be had is None with its reason.
    """

    infer: Callable[[], Any]
    unload: Callable[[], None]
    effective_precision: str
    threads: int
    hardware: str
    parameters: int | None
    facts: Mapping[str, str]
    synchronize: Callable[[], None] | None = None
    event_timer: EventTimer | None = None
    reset_device_memory: Callable[[], None] | None = None
    device_memory: Callable[[], Mapping[str, int]] | None = None
    costs_ns: Mapping[str, int] = field(default_factory=dict)
    read_outputs: Callable[[Any], Sequence[NDArray[Any]]] | None = None
    find_placement: Callable[[], Placement] | None = None
    stopwatch: Stopwatch | None = None
    processes: Callable[[], Sequence[int]] | None = None
    process_memory: Callable[[], Mapping[str, int]] | None = None
    late_facts: Callable[[], Mapping[str, str]] | None = None
    late_metrics: Callable[[], Sequence[MetricValue]] | None = None
    preprocess: Callable[[FeatureSpec, NDArray[Any]], Preprocessor] | None = None


class Engine(Protocol):
    """One way to execute workloads. Instances are stateless; state lives in the session."""

    name: str
    capabilities: Capabilities

    def availability(self, device_kind: str) -> Unavailable | None:
        """Say why this engine cannot drive such a device here, cheaply and without importing it; None if it can."""
        ...

    def plan_artefacts(self, request: LoadRequest) -> tuple[ArtefactRequest, ...]:
        """Name what must lie on disk before ``load``, cheaply and importing nothing heavy.

        Raises UnsupportedError for a workload, precision or option that this engine cannot do at all.
        """
        ...

    def import_libraries(self, workload: Workload) -> None:
        """Import everything heavy, so that its cost is timed apart from loading."""
        ...

    def load(self, request: LoadRequest) -> Session:
        """Build, convert and place the model, make its inputs. Raises EngineError or WorkloadError."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Tell whether an error that a call raised means that memory ran out."""
        ...


engines: Registry[Engine] = Registry("engine")


def device_kind(device: str) -> str:
    """``cuda:0`` -> ``cuda``."""
    return device.partition(":")[0]
