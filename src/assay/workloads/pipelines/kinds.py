"""Every kind of pipeline by its name, and opening one. May import: core, workloads.pipelines."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from assay.core.case import Scalar
from assay.core.errors import EngineError, UnknownNameError, UnsupportedError
from assay.workloads.pipelines import images, samples, signals, storage, texts
from assay.workloads.pipelines.base import Opened, PipelineKind, PipelineRequest

LOADING = ("workers", "prefetch", "pin", "threads")
"""Options that every pipeline takes: how its batches are loaded, and with how many threads."""
KINDS: dict[str, PipelineKind] = {
    kind.name: kind for module in (signals, storage, samples, images, texts) for kind in module.KINDS
}


def find_kind(name: str) -> PipelineKind:
    """Look up a kind. Raises UnknownNameError."""
    if name not in KINDS:
        raise UnknownNameError("pipeline", name, KINDS)
    return KINDS[name]


def check_options(kind: PipelineKind, given: tuple[str, ...]) -> None:
    """Refuse options that change nothing in this pipeline. Raises UnsupportedError."""
    able = (*kind.options, *LOADING)
    idle = [name for name in given if name not in able]
    if idle:
        raise UnsupportedError(
            f"pipeline/{kind.name} has no {', '.join(idle)}.", hint=f"Its options: {', '.join(sorted(able))}."
        )
    if "dataset" in kind.options and "dataset" not in given:
        raise UnsupportedError(
            f"pipeline/{kind.name} needs a data set.", hint="Add the option dataset, such as dataset=digits."
        )


def needed_packages(kind: PipelineKind, options: Mapping[str, Scalar]) -> Mapping[str, str]:
    """Return what the pipeline imports with these options, and how each is installed."""
    is_idle = kind is KINDS["storage"] and options.get("storage") != "h5"
    return {} if is_idle else kind.packages


def missing_package(kind: PipelineKind, options: Mapping[str, Scalar]) -> tuple[str, str] | None:
    """Return the first package that the pipeline lacks here and how to install it; None where nothing is missing."""
    needed = needed_packages(kind, options).items()
    return next(((name, hint) for name, hint in needed if importlib.util.find_spec(name) is None), None)


def open_pipeline(kind: PipelineKind, request: PipelineRequest) -> Opened:
    """Make what the pipeline works on. Raises EngineError for a package that is missing, and WorkloadError."""
    missing = missing_package(kind, request.options)
    if missing is not None:
        raise EngineError(f"pipeline/{kind.name} needs the package {missing[0]!r}.", hint=missing[1])
    return kind.open(request)
