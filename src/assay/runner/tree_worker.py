"""A worker that sees the user's repository at another commit, whatever way it is installed.

A repository in editable form is found through paths and import hooks that name the tree as it is, so standing in a
checkout of another commit does not suffice: the same code would be measured twice. Here, whatever would be imported
from the original tree is imported from the checkout instead, or not at all. Started by ``supervise`` as ``python -m
assay.runner.tree_worker MODULE ORIGINAL TREE``. May import: standard library, and the worker's module when it is run.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_OURS = "assay"
"""Measures, and is not measured: it stays the one that speaks the supervisor's protocol."""


class TreeFinder(MetaPathFinder):
    """Asks the other finders for a top-level module, and moves what they find in ``original`` to ``tree``."""

    def __init__(self, original: Path, tree: Path) -> None:
        self._original = os.path.realpath(original)
        self._tree = os.path.realpath(tree)
        self._installed = _installation_folders()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is to be taken from. Raises ModuleNotFoundError for one the checkout lacks."""
        if path is not None or name == _OURS:  # a submodule is looked for where its package was found
            return None
        found = self._ask_others(name, target)
        if found is None:
            return None
        if not found.has_location:
            return self._move_namespace(found)
        place = self.move(found.origin or "")
        if place is None:
            return found
        if not os.path.isfile(place):  # noqa: PTH113  (once for every import of the worker)
            raise ModuleNotFoundError(
                f"{name!r} is {found.origin} in the tree as it is, and not in that of the ref", name=name
            )
        is_package = found.submodule_search_locations is not None
        folders = [os.path.dirname(place)] if is_package else None  # noqa: PTH120
        return importlib.util.spec_from_file_location(name, place, submodule_search_locations=folders)

    def move(self, place: str) -> str | None:
        """Return the same place in the checkout; None for a place that is not the user's own code."""
        real = os.path.realpath(place)
        if not _is_within(real, self._original) or _is_within(real, self._tree):
            return None
        if any(_is_within(real, folder) for folder in self._installed):  # an environment inside the repository
            return None
        return os.path.join(self._tree, os.path.relpath(real, self._original))  # noqa: PTH118

    def move_path(self, entry: str) -> str:
        """Return an entry of the search path as it is in the checkout."""
        if os.path.isdir(os.path.join(entry, _OURS)):  # noqa: PTH112, PTH118  (assay, installed from a repository)
            return entry
        return self.move(entry) or entry

    def _ask_others(self, name: str, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                found = finder.find_spec(name, None, target)
                if found is not None:
                    return found
        return None

    def _move_namespace(self, found: ModuleSpec) -> ModuleSpec:
        """A package without a file of its own is the folders it spans."""
        folders = found.submodule_search_locations
        if folders is None:
            return found  # built in, or frozen
        moved = [self.move(folder) or folder for folder in folders]
        if moved == list(folders):
            return found
        spec = ModuleSpec(found.name, None, is_package=True)
        spec.submodule_search_locations = moved
        return spec


def divert_imports(original: Path, tree: Path) -> None:
    """Have this process, and those that it starts by multiprocessing, import from ``tree``."""
    finder = TreeFinder(original, tree)
    sys.path[:] = [finder.move_path(entry) for entry in sys.path]
    sys.meta_path.insert(0, finder)


def main() -> None:
    """Be the module that is named, in the other tree."""
    _, module, original, tree = sys.argv
    divert_imports(Path(original), Path(tree))
    importlib.import_module(module).main()


def _installation_folders() -> tuple[str, ...]:
    """Folders of the standard library and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {path for name in names if (path := sysconfig.get_path(name))}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    folders.update(entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages"))  # noqa: PTH119
    return tuple(os.path.realpath(folder) for folder in folders)


def _is_within(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)


if __name__ == "__main__":
    main()
