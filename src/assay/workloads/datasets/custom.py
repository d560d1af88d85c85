"""A data set of the user's own code: ``python:package.module:factory``.

The factory is called with the DatasetRequest and returns a Dataset; ``assay dataset new`` writes one to start from. A
second question mark gives it a place: ``python:mine:make?PLACE``. May import: core, workloads.
"""

from __future__ import annotations

from dataclasses import replace

from assay.core.errors import UnknownNameError, WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetRequest, DatasetSource, DataTask, datasets
from assay.workloads.user_module import import_user_module


def open_custom(request: DatasetRequest) -> Dataset:
    """Import the module and call the factory. Raises WorkloadError where it is missing or returns something else."""
    reference, _, place = (request.where or "").partition("?")
    module_name, colon, factory_name = reference.partition(":")
    if not colon or not factory_name.isidentifier() or not module_name:
        raise WorkloadError(
            f"'python:{reference}' does not name a factory.", hint="Expected python:package.module:factory"
        )
    try:
        module = import_user_module(f"python:{reference}", module_name)
    except ModuleNotFoundError as error:
        raise WorkloadError(
            f"The module of 'python:{reference}' could not be imported: {error}.",
            hint="Run assay from the folder that holds it, or put that folder on PYTHONPATH.",
        ) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise UnknownNameError(f"factory in {module_name}", factory_name, known)
    found = factory(replace(request, where=place or None))
    if not isinstance(found, Dataset):
        raise WorkloadError(
            f"The factory 'python:{reference}' returned {type(found).__name__}; expected a Dataset.",
            hint="A template that works: assay dataset new",
        )
    return found


datasets.add(
    "python",
    DatasetSource(
        name="python",
        summary="a data set that a function of yours makes: python:package.module:factory",
        task=DataTask.IMAGES,
        is_synthetic=False,
        open=open_custom,
        takes_place="required",
        other_tasks=(DataTask.TEXTS, DataTask.SEGMENTATION, DataTask.SIGNALS),
    ),
)
