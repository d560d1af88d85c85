"""The predictor ``graph``: what the operations of a graph cost on a device. May import: predict."""

from __future__ import annotations

from assay.predict.base import Gathered, PredictorKind, predictors
from assay.predict.graph.fit import FEWEST, fit_graph
from assay.predict.graph.gather import gather_graphs
from assay.predict.graph.model import METRICS, GraphModel, load_graph
from assay.predict.graph.validate import KIND, SPLITS, validate_graph


def _fit(gathered: Gathered, seed: int) -> GraphModel:
    return fit_graph(gathered, seed)


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Graphs on devices",
        metrics=METRICS,
        splits=SPLITS,
        gather=gather_graphs,
        fit=_fit,
        load=load_graph,
        validate=validate_graph,
        fewest=FEWEST,
        packages=("lightgbm",),
    ),
)
