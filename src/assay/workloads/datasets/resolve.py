"""From a reference to an opened data set, with the few words that messages need.

May import: core, workloads.datasets.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.core.absence import Unavailable
from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetRequest, DatasetSource, datasets, split_reference


def open_reference(
    reference: str, *, shape: Mapping[str, int] | None = None, seed: int = 0, limit: int | None = None
) -> Dataset:
    """Open ``NAME`` or ``NAME:WHERE``. Raises UnknownNameError, or WorkloadError where WHERE is needed or senseless."""
    name, where = split_reference(reference)
    source = datasets.get(name)
    if where is None and source.takes_place == "required":
        raise WorkloadError(f"The data set {name} needs a place: {name}:WHERE", hint=source.summary)
    if where is not None and source.takes_place == "no":
        raise WorkloadError(f"The data set {name} takes no place, and {where!r} was given.", hint=f"Write {name}")
    return source.open(DatasetRequest(where=where, seed=seed, shape=shape or {}, limit=limit))


def find_missing(source: DatasetSource) -> Unavailable | None:
    """Say which packages are missing, importing none of them."""
    from importlib.util import find_spec

    missing = [package for package in source.packages if find_spec(package) is None]
    return Unavailable(f"{', '.join(missing)} not installed", source.install_hint) if missing else None
