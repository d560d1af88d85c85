"""The predictor ``serving``: latencies of language models by users and set-up. May import: predict."""

from __future__ import annotations

from assay.predict.base import PredictorKind, predictors
from assay.predict.llm.shapes import PREFIX
from assay.predict.serving.fit import FEWEST, fit_serving, gather_serving
from assay.predict.serving.model import load_serving
from assay.predict.serving.terms import METRICS
from assay.predict.serving.validate import SPLITS, validate_serving

KIND = "serving"

predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Serving language models",
        metrics=METRICS,
        splits=SPLITS,
        gather=gather_serving,
        fit=fit_serving,
        load=load_serving,
        validate=validate_serving,
        fewest=FEWEST,
        packages=("scipy",),
        prefix=PREFIX,
    ),
)
