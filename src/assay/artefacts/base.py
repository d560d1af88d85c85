"""What an artefact is: a recipe applied to a workload, made once in a process of its own and kept by content.

Exporting needs torch; the workers of other runtimes must not import it, or neither their memory nor their start-up is
theirs. So exporting, quantizing, counting and computing reference outputs are recipes that run before the launches,
and their results are folders in a cache. May import: core, workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.core.case import Scalar
from assay.core.errors import AssayError
from assay.core.registry import Registry
from assay.workloads.base import Workload


class StaticOnly(AssayError):  # noqa: N818  (it says what to do instead, and is no failure)
    """Raised by a recipe that cannot make one graph for every batch size: it is asked again for this batch alone."""


@dataclass(frozen=True, slots=True)
class ArtefactRequest:
    """What is wanted: the recipe, and everything that decides what it makes.

    ``shape`` and ``options`` are sorted pairs. ``options`` hold what changes the model (``prune``) or the recipe
    (``samples`` of a calibration). ``is_static`` asks for a graph for ``batch`` alone.
    """

    recipe: str
    workload: str
    batch: int
    shape: tuple[tuple[str, int], ...]
    seed: int
    options: tuple[tuple[str, Scalar], ...] = ()
    is_static: bool = False


def request_artefact(
    recipe: str,
    workload: Workload,
    *,
    batch: int,
    shape: Mapping[str, int],
    seed: int,
    options: Mapping[str, Scalar] | None = None,
) -> ArtefactRequest:
    """Build a request from plain values, sorting what has no order."""
    return ArtefactRequest(
        recipe=recipe,
        workload=workload.name,
        batch=batch,
        shape=tuple(sorted(shape.items())),
        seed=seed,
        options=tuple(sorted((options or {}).items())),
    )


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One artefact to be made: write files into ``folder`` (which exists and is empty).

    ``needs`` are the folders of the recipes that this one builds upon, by recipe name; read only.
    """

    request: ArtefactRequest
    workload: Workload
    folder: Path
    needs: Mapping[str, Path] = field(default_factory=dict)
    threads: int = 1


def needs_nothing(_request: ArtefactRequest) -> tuple[ArtefactRequest, ...]:
    """For recipes that start from the workload itself."""
    return ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make an artefact.

    ``build`` writes into the folder it is given and returns facts worth keeping (all text). ``version`` is raised
    whenever what it writes changes; ``packages`` are those whose versions decide the content. A recipe that
    ``serves_every_batch`` is kept once for all batch sizes, unless it raises StaticOnly.
    """

    name: str
    version: int
    description: str
    build: Callable[[BuildRequest], Mapping[str, str]]
    packages: tuple[str, ...]
    install_hint: str
    needs: Callable[[ArtefactRequest], tuple[ArtefactRequest, ...]] = needs_nothing
    serves_every_batch: bool = False


recipes: Registry[Recipe] = Registry("recipe")
