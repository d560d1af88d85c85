"""What a fleet run asks of an engine, and which engine ``--on`` means.

May import: core, fleet.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from assay.core.absence import Unavailable
from assay.core.errors import AssayError, UsageError
from assay.fleet.values import Ended, Node, Order, Started

ENGINES = ("ray", "slurm")
INSTALL_HINT = "pip install 'assay[fleet]'"
_SSH_HINT = (
    "On each host: ray start --address=HEAD:6379 (on the first: ray start --head), then --on ray://HEAD:10001. "
    "Ray's own launcher does that over SSH: ray up cluster.yaml."
)

Said = Started | Ended


class BackendLostError(AssayError):
    """The engine's head cannot be reached any more; what it was doing is not known."""


class Backend(Protocol):
    """An engine. Every call may raise BackendLostError."""

    def nodes(self) -> Sequence[Node]:
        """Return the nodes that are alive, as the engine last said."""

    def submit(self, order: Order) -> None:
        """Hand out an attempt; returns at once."""

    def wait(self, timeout_s: float) -> Sequence[Said]:
        """Return what was said since the last call, after at most so long."""

    def cancel(self, order: Order) -> None:
        """End an attempt by force. Nothing more need be said of it."""

    def close(self) -> None:
        """Let go of the engine. What still goes on is ended."""


@dataclass(frozen=True, slots=True)
class Target:
    """``--on``, read: an engine and what it is to connect to (an address, a partition, ``local``)."""

    engine: str
    where: str

    @property
    def text(self) -> str:
        """The target as it is written."""
        return f"ray://{self.where}" if self.engine == "ray" else f"slurm:{self.where}" if self.where else "slurm"


def read_target(text: str) -> Target:
    """Read ``ray://host:port``, ``ray://auto``, ``ray://local``, ``slurm``, ``slurm:PARTITION``. Raises UsageError."""
    if text.startswith("ray://") and text != "ray://":
        return Target("ray", text.removeprefix("ray://"))
    if text == "slurm" or (text.startswith("slurm:") and not text.startswith("slurm://")):
        return Target("slurm", text.partition(":")[2])
    if text.startswith("ssh:"):
        raise UsageError(f"--on got {text!r}: assay starts nothing on other hosts by SSH.", hint=_SSH_HINT)
    raise UsageError(
        f"--on got {text!r}; expected ray://HOST:PORT, ray://auto, ray://local, slurm or slurm:PARTITION.",
        hint="assay fleet run --suite quick --on ray://local",
    )


def find_absence(engine: str) -> Unavailable | None:
    """Say what is missing to use an engine, or None. Imports nothing heavy."""
    package = "submitit" if engine == "slurm" else engine
    if importlib.util.find_spec(package) is None:
        return Unavailable(f"{package} is not installed here", INSTALL_HINT)
    return None


def require(target: Target) -> None:
    """Raise UsageError where the engine's library is not here."""
    absence = find_absence(target.engine)
    if absence is None and target.engine == "ray" and ":" in target.where and importlib.util.find_spec("grpc") is None:
        absence = Unavailable("grpcio, which Ray needs to connect from outside, is not installed here", INSTALL_HINT)
    if absence is not None:
        raise UsageError(f"--on {target.text}: {absence.reason}.", hint=absence.install_hint)
