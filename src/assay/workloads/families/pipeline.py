"""Data pipelines: how fast batches come, before any model sees them. Run by the engine ``loader`` in mode ``data``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from assay.core.errors import UnsupportedError
from assay.workloads.base import Family, Size, Tier, UnitOfWork, families, per_sample
from assay.workloads.pipelines.kinds import KINDS


def build(size: Size) -> NoReturn:
    """Refuse: there is no model. Raises UnsupportedError."""
    raise UnsupportedError(
        f"pipeline/{size.config['kind']} is data without a model.", hint="Run it with --engine loader --mode data."
    )


def forward(_module: Any, _inputs: Mapping[str, Any]) -> NoReturn:
    """Refuse: there is no model. Raises UnsupportedError."""
    raise UnsupportedError("A data pipeline has no model to call.", hint="Run it with --engine loader --mode data.")


families.add(
    "pipeline",
    Family(
        name="pipeline",
        task="loading data",
        modality="data",
        unit=UnitOfWork.SAMPLE,
        units_per_call=per_sample,
        sizes={
            name: Size(
                # They differ in kind and not in size: none is left out by a limit on sizes.
                tier=Tier.TINY,
                config={"kind": name},
                parameters=None,
                source=kind.summary,
                shape=kind.shape,
                batches=(kind.batch,),
            )
            for name, kind in KINDS.items()
        },
        inputs=(),
        default_shape={},
        default_batches=(32,),
        build=build,
        forward=forward,
        reference="docs/data-pipelines.md",
        requires=("torch",),
        format="data",
        is_general=False,
    ),
)
