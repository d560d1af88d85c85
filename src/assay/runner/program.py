"""Which Python a worker is, where it stands, and which tree of the user's code it sees.

A trial launches the same case by several programs in turn: another environment's interpreter, another commit's
checkout. May import: standard library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PARENT = "ASSAY_PARENT_PID"
"""Environment variable: who started a worker, set where no shim can stand between the two (`die_with_parent`)."""
_OF_ANOTHER_PYTHON = ("PYTHONHOME", "__PYVENV_LAUNCHER__", PARENT)
"""What is true of the Python that runs now only: another interpreter would look for its library there, and may be a
shim that starts the real one."""


@dataclass(frozen=True, slots=True)
class TreeSwap:
    """Two checkouts of one repository: what would be imported from ``original`` is imported from ``tree``."""

    original: Path
    tree: Path


@dataclass(frozen=True, slots=True)
class WorkerProgram:
    """One way to start a worker. As made without arguments: this interpreter, where the supervisor stands.

    ``search_path`` goes before what PYTHONPATH holds, and so before everything that is installed. ``folder`` is where
    the worker stands (None: where the supervisor does): models of the user's own are found from there.
    """

    python: Path = Path(sys.executable)
    search_path: tuple[Path, ...] = ()
    folder: Path | None = None
    swap: TreeSwap | None = None

    @property
    def is_own(self) -> bool:
        """True where the supervisor sees what the worker will: the same packages, the same folder, the same code."""
        return self == WorkerProgram()

    def command(self, module: str) -> list[str]:
        """Return the command that runs ``module`` of assay, whose ``main`` takes no arguments."""
        # -P: a file of the user's that is called random.py must not replace the standard library's in the worker.
        start = [str(self.python), "-P", "-m"]
        if self.swap is None:
            return [*start, module]
        return [*start, "assay.runner.tree_worker", module, str(self.swap.original), str(self.swap.tree)]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return ``environ`` as this program needs it."""
        changed = dict(environ)
        if self.python != WorkerProgram().python:
            for name in _OF_ANOTHER_PYTHON:
                changed.pop(name, None)
        if self.search_path:
            inherited = changed.get("PYTHONPATH")
            changed["PYTHONPATH"] = os.pathsep.join([*map(str, self.search_path), *([inherited] if inherited else [])])
        return changed
