"""Importing a module of the user's, for a workload or a data set, without letting its neighbours shadow packages.

May import: standard library, core.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from assay.core.errors import WorkloadError


def import_user_module(ref: str, name: str) -> ModuleType:
    """Import the module a factory is in: from where the user stands, as ``python -m`` does.

    Unlike there, the folder comes last on the path. Only the module that the user named is taken from it first: any
    other file there that happens to be called like a package (``tokenizers.py``, ``random.py``) would otherwise be
    what torch and transformers import from now on, and be timed as if it were theirs.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    top = name.partition(".")[0]
    spec = importlib.machinery.PathFinder.find_spec(top, [here])
    if spec is None or spec.loader is None or spec.origin is None:  # a folder without __init__.py is nobody's own
        return importlib.import_module(name)
    known = sys.modules.get(top)
    if known is None:
        _execute_module(spec)
    elif getattr(known, "__file__", None) != spec.origin:
        raise WorkloadError(
            f"The factory {ref!r} cannot be imported: {top!r} is a package in use already, and "
            f"{Path(spec.origin).name} here has its name.",
            hint="Rename the file.",
        )
    return importlib.import_module(name)


def _execute_module(spec: importlib.machinery.ModuleSpec) -> None:
    """Import what a specification says, leaving nothing half made where that fails."""
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise


# -- transformers' saved models ------------------------------------------------------------------------------
