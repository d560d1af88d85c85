"""The predictor ``kernels``: products and vector operations in fp32 on NVIDIA GPUs. May import: predict."""

from __future__ import annotations

from assay.predict.base import Gathered, PredictorKind, predictors
from assay.predict.kernels.fit import FEWEST, fit_kernels, table_of
from assay.predict.kernels.model import KernelModel, load_kernels
from assay.predict.kernels.table import gather_kernels
from assay.predict.kernels.validate import KIND, SPLITS, validate_kernels


def _fit(gathered: Gathered, seed: int) -> KernelModel:
    return fit_kernels(table_of(gathered), seed)


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Kernels on GPUs",
        metrics=("latency_ns",),
        splits=SPLITS,
        gather=gather_kernels,
        fit=_fit,
        load=load_kernels,
        validate=validate_kernels,
        fewest=FEWEST,
        packages=("lightgbm", "scipy"),
    ),
)
