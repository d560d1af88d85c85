"""The predictor ``llm``: time to first token and per output token of served language models. May import: predict."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import AssayError
from assay.predict.base import Gathered, PredictorKind, predictors
from assay.predict.llm.deals import CALIBRATIONS
from assay.predict.llm.features import measure
from assay.predict.llm.fit import FEWEST
from assay.predict.llm.gather import Served, gather_llm
from assay.predict.llm.learn import learn_llm
from assay.predict.llm.model import LlmModel, load_llm
from assay.predict.llm.setups import METRICS
from assay.predict.llm.shapes import PREFIX
from assay.predict.llm.validate import KIND, SPLITS, validate_llm

_HINT = "Give the folder of published results with --data."


def fit_llm(gathered: Gathered, seed: int) -> LlmModel:
    """Learn both times from all rows, and intervals from what is held out. Raises AssayError for too few."""
    rows: Sequence[Served] = gathered.examples
    if len(rows) < FEWEST:
        raise AssayError(f"{len(rows)} published times of served models; expected at least {FEWEST}.", hint=_HINT)
    return learn_llm(rows, measure([one.setup for one in rows]), METRICS, CALIBRATIONS, seed)


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Served language models",
        metrics=METRICS,
        splits=SPLITS,
        gather=gather_llm,
        fit=fit_llm,
        load=load_llm,
        validate=validate_llm,
        fewest=FEWEST,
        packages=("lightgbm", "scipy"),
        prefix=PREFIX,
    ),
)
