"""What a trial is: a suite, two or more sides that differ on purpose, and the runs that came of it.

May import: core, analysis.values, runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.analysis.values import Side
from assay.runner.execute import FinishedRun
from assay.runner.suite_model import Suite


@dataclass(frozen=True, slots=True)
class SideSpec:
    """One side as a person asks for it. All None and empty: as things are here.

    ``keys`` are laid over every entry of the suite (``engine`` -> ``onnxruntime``; a case option by its own name, as
    ``hint`` -> ``throughput``). ``ref`` is a git ref of the user's own code, which the worker then runs from a worktree
    of it. ``python`` is the interpreter of another environment.
    """

    label: str
    keys: Mapping[str, str] = field(default_factory=dict)
    ref: str | None = None
    python: Path | None = None


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """Launch every case of the suite on every side, interleaved: round by round, sides and cases in a seeded order.

    ``suite.launches`` is the number of launches a side. ``case_ids`` narrows the plan of each side to these cases
    (None: all). ``folder`` is where the user stands, inside the repository that refs are of.
    """

    suite: Suite
    sides: tuple[SideSpec, ...]
    folder: Path
    case_ids: frozenset[str] | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it, in the order of the sides: each a published run of its own, and what the side really was."""

    runs: tuple[FinishedRun, ...]
    sides: tuple[Side, ...]
