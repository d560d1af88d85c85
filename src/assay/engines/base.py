"""What an engine is: ``load -> warm -> infer -> unload``, plus what it can do as data.

The supervisor reads ``Capabilities`` without importing the engine's libraries; only a worker calls ``load``.
May import: core, workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from assay.core.absence import Unavailable
from assay.core.registry import Registry
from assay.core.words import Precision
from assay.workloads.base import Workload


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do on each kind of device.

    ``precisions`` maps a device kind (``cpu``, ``cuda``, ...) to what runs there at all; ``native`` to what the
    hardware really has (None: ask the device). A precision that runs but is not native is emulated, slower than
    fp32, and is listed only when asked for.
    """

    precisions: Mapping[str, tuple[Precision, ...]]
    packages: tuple[str, ...]
    install_hint: str

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """Kinds of device the engine can drive."""
        return tuple(self.precisions)


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Everything a worker needs to make one case ready to be timed."""

    workload: Workload
    device: str
    precision: Precision
    batch: int
    shape: Mapping[str, int]
    threads: int
    seed: int


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


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded model with its inputs in place.

    ``infer`` makes one call on the whole batch and returns its outputs. ``synchronize`` blocks until the device
    has finished, and is None where calls are synchronous, so that a CPU loop pays for no empty call.
    ``event_timer`` is the device's own clock, where there is one. ``device_memory`` reads
    named allocator counters in bytes after ``reset_device_memory``.
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


class Engine(Protocol):
    """One way to execute workloads. Instances are stateless; state lives in the session."""

    name: str
    capabilities: Capabilities

    def availability(self, device_kind: str) -> Unavailable | None:
        """Say why this engine cannot drive such a device here, cheaply and without importing it; None if it can."""
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
