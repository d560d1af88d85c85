"""What no page can hold is not foretold a time: the limits of browsers, by the weights of a graph alone.

May import: core, engines.web.limits, predict.values.
"""

from __future__ import annotations

from assay.core.errors import UnsupportedError
from assay.core.words import Precision
from assay.predict.values import Abstention, Question

_PREFIX = "web-"


def is_web(engine: str) -> bool:
    """True where an engine runs in a browser."""
    return engine.startswith(_PREFIX)


def refuse_in_a_page(question: Question) -> Abstention | None:
    """Return why a browser cannot run this at all, None where nothing is known against it (or it is no browser)."""
    engine = question.conditions.engine
    if not is_web(engine) or question.graph is None:
        return None
    from assay.engines.web.limits import check_planned

    weights = round(question.graph.parameters * bytes_of(question.conditions.precision))
    is_sharded = dict(question.conditions.options).get("sharded") == "on"
    try:
        check_planned(question.workload, weights, backend=engine.removeprefix(_PREFIX), is_sharded=is_sharded)
    except UnsupportedError as error:
        return Abstention(question.metric, error.message, (error.hint,) if error.hint else ())
    return None


def bytes_of(precision: str) -> float:
    """Return the bytes of a number; those of fp32 where a precision is none of ours."""
    try:
        return Precision(precision).bytes_per_parameter
    except ValueError:
        return Precision.FP32.bytes_per_parameter
