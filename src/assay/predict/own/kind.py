"""The predictor ``own``: what the results of one's own store foretell of cases like them. May import: predict."""

from __future__ import annotations

from typing import Any

from assay.predict.base import Gathered, PredictorKind, predictors
from assay.predict.own.fit import FEWEST, fit_own, load_own
from assay.predict.own.gather import gather_own
from assay.predict.own.model import METRIC

KIND = "own"


def _validate(gathered: Gathered, split: str, seed: int) -> Any:
    from assay.predict.own.validate import validate_own

    return validate_own(gathered, split, seed)


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Own results",
        metrics=(METRIC,),
        splits={
            "case": "a case of a model measured under other conditions",
            "batch": "a model that was measured at other batches or shapes",
            "model": "a model that was not measured",
            "family": "a family that was not measured",
            "size": "larger models, from the smallest of each family",
        },
        gather=gather_own,
        fit=fit_own,
        load=load_own,
        validate=_validate,
        fewest=FEWEST,
        packages=(),
        is_self_taught=True,
    ),
)
