"""The values of a fleet run: what is to be done, where, and what became of each attempt.

May import: core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How an attempt ended. Only ``OK`` and an answered ``FAILED`` are final."""

    OK = "ok"
    """The case was run and its result is in the store."""
    FAILED = "failed"
    """The case was run and failed, which is its result, or the worker could not run it (then there is no run)."""
    LOST = "lost"
    """The worker, its node or the head went away; nobody knows how far it came."""
    TIMEOUT = "timeout"
    """It took longer than an attempt may and was ended."""


def is_answer(outcome: Outcome | None, run_id: str | None) -> bool:
    """Whether an attempt that ended so has answered its case; one that failed has where its run is in the store."""
    return outcome is Outcome.OK or (outcome is Outcome.FAILED and run_id is not None)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a case must have for itself: so many devices of a kind, and host memory.

    ``kind`` is ``cpu``, or the word of an accelerator (``cuda``, ``rocm``, ``xpu``). A case on the CPU owns its whole
    node. ``accelerator`` narrows to a model as the engine names it (``H100``); ``memory_bytes`` is of the host;
    ``node`` is the name of the one node that will do.
    """

    kind: str = "cpu"
    count: int = 1
    accelerator: str | None = None
    memory_bytes: int | None = None
    node: str | None = None

    @property
    def owns_node(self) -> bool:
        """True for a case on the CPU: whatever else computes there would be in its numbers."""
        return self.kind == "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": self.kind, "count": self.count, "accelerator": self.accelerator, "memory_bytes": self.memory_bytes,
            "node": self.node,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class FleetCase:
    """One case of a fleet run. ``expected_s`` is how long an attempt will take, ``basis`` what that rests on.

    ``case_id`` is that of the case, with ``@NODE`` where each node is to run it.
    """

    case_id: str
    label: str
    content: Mapping[str, Any]
    resources: Resources
    expected_s: float
    basis: str
    limit_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; :meth:`from_dict` reads them back."""
        return {
            "case_id": self.case_id, "label": self.label, "content": dict(self.content),
            "resources": self.resources.to_dict(), "expected_s": self.expected_s, "basis": self.basis,
            "limit_s": self.limit_s,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FleetCase:
        """Read back what :meth:`to_dict` wrote."""
        return cls(**{**content, "resources": Resources(**content["resources"])})


@dataclass(frozen=True, slots=True)
class Node:
    """One host, or one place at a queue: ``node_id`` is the engine's own, ``name`` what people call it.

    ``devices`` counts accelerators of ``kind``; a node without any has ``kind`` ``cpu`` and none.
    """

    node_id: str
    name: str
    cpus: float = 1.0
    kind: str = "cpu"
    devices: int = 0
    accelerator: str | None = None
    memory_bytes: int | None = None

    def could_run(self, wanted: Resources) -> bool:
        """Whether the node, with nothing else on it, has what a case needs."""
        if wanted.node is not None and wanted.node != self.name:
            return False
        if (
            wanted.memory_bytes is not None
            and self.memory_bytes is not None
            and self.memory_bytes < wanted.memory_bytes
        ):
            return False
        if wanted.owns_node:
            return True
        fits_model = wanted.accelerator is None or wanted.accelerator == self.accelerator
        return self.kind == wanted.kind and self.devices >= wanted.count and fits_model


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt as it is handed to an engine: the case, its number (from 1), and the node that it was given."""

    case: FleetCase
    number: int
    node: Node

    @property
    def key(self) -> str:
        """Names the attempt within its fleet run."""
        return f"{self.case.case_id}/{self.number}"


@dataclass(frozen=True, slots=True)
class Ended:
    """What an engine says of an attempt that is over.

    ``run_id`` is the run in the store, None where there is none; ``status`` the status of its result.
    """

    key: str
    outcome: Outcome
    host: str | None = None
    pid: int | None = None
    run_id: str | None = None
    status: str | None = None
    error: str | None = None
    wall_s: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether the case has its answer: another attempt would ask the same question again."""
        return is_answer(self.outcome, self.run_id)


@dataclass(frozen=True, slots=True)
class Started:
    """A worker said that it has begun an attempt."""

    key: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of the ledger. ``outcome`` None: it goes on, or nobody wrote its end. Times: UTC, ISO 8601."""

    case_id: str
    label: str
    number: int
    node: str
    began_at: str
    host: str | None = None
    pid: int | None = None
    ended_at: str | None = None
    outcome: Outcome | None = None
    status: str | None = None
    run_id: str | None = None
    error: str | None = None
    wall_s: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether the case has its answer."""
        return is_answer(self.outcome, self.run_id)
