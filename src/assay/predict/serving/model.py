"""What published latencies taught of serving: two processes, their answers, and draws of whole curves.

May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import Payload
from assay.predict.serving.terms import (
    COLUMNS,
    ENGINE,
    FIRST,
    METRICS,
    WORDS,
    Replica,
    describe_replica,
    make_terms,
    number_rows,
    reference_of,
)
from assay.predict.system.process import Process, Rows, expect, rebuild
from assay.predict.values import LEVELS, Abstention, Answer, Evidence, Interval, Layer, Prediction, Question, Situation
from assay.stats.conformal import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_WIDEST = math.log(3)
_MOST_ROWS = 4000
_BORDER = 1.0
"""How far outside what was learned from a ratio may lie, in units of its column, before there is no answer."""
_LEAST_NOISE = 1e-9
"""Of the sum of variances: what keeps a covariance one that can be inverted, known before it is put together."""
_SAYS = "published latencies of replicas with about as much weight to read and room for users"
_FLAG = "learned from one server software of 2023 (TGIS): another batches in another way"
_OF_ENGINE = f"ask with --engine {ENGINE}"
_FIRST_FLAG = "the wait for other users is in it, as it was measured under load"


class _WhenAsked(Mapping[str, Process]):
    """Processes that are put together when they are first asked: a matrix of other workloads never does.

    Two threads that ask at the same time make the same one twice.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Process]]) -> None:
        self._makers = makers
        self._made: dict[str, Process] = {}

    def __getitem__(self, metric: str) -> Process:
        if metric not in self._made:
            self._made[metric] = self._makers[metric]()
        return self._made[metric]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True, slots=True)
class ServingModel:
    """What was learned. ``names`` numbers words; ``labels`` tell rows; calibrations by metric and situation."""

    processes: Mapping[str, Process]
    names: Mapping[str, Mapping[str, int]]
    labels: tuple[str, ...]
    calibrations: Mapping[str, Mapping[Situation, Calibration]]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of both metrics; abstain from others, and from replicas unlike all that was published."""
        return [self._answer(one) for one in questions]

    def situation(self, told: Replica) -> Situation:
        """Say what a question has in common with what was learned from."""
        knows_model = told.words["model"] in self.names["model"]
        if told.words["device"] in self.names["device"]:
            return Situation.KNOWN if knows_model else Situation.UNSEEN_MODEL
        return Situation.UNSEEN_DEVICE if knows_model else Situation.BOTH_UNSEEN

    def expect(self, metric: str, told: Sequence[Replica]) -> tuple[Floats, Floats]:
        """Return the logarithm of what is expected (ns; per token of the prompt) and its standard deviation, (n,)."""
        rows = number_rows(told, self.names)
        mean, sd = expect(self.processes[metric], rows)
        return mean + rows.columns[reference_of(metric)], sd

    def payload(self) -> Payload:
        """What ``load_serving`` reads."""
        arrays: dict[str, Any] = {}
        for metric, one in self.processes.items():
            arrays[f"values/{metric}"] = one.values
        some = self.processes[FIRST]
        arrays |= {f"word/{name}": some.rows.words[name] for name in WORDS}
        arrays |= {f"column/{name}": some.rows.columns[name] for name in COLUMNS}
        processes = {
            metric: {"variances": list(one.variances), "noise": one.noise, "mean": one.mean}
            for metric, one in self.processes.items()
        }
        calibrations = {
            metric: {
                name.value: {"scores": list(one.scores), "weights": list(one.weights), "groups": one.groups}
                for name, one in held.items()
            }
            for metric, held in self.calibrations.items()
        }
        names = {name: sorted(index, key=index.__getitem__) for name, index in self.names.items()}
        meta = {"processes": processes, "calibrations": calibrations, "names": names, "labels": list(self.labels)}
        return Payload(meta, arrays)

    def _answer(self, question: Question) -> Answer:
        metric, measure = question.metric, (_measure(question),)
        told = self._tell(question)
        if isinstance(told, Abstention):
            return told
        situation = self.situation(told)
        held = self.calibrations[metric].get(situation)
        logs, sds = self.expect(metric, [told])
        sd = float(sds[0])
        if held is None:
            return Abstention(metric, f"no tested error says how far off it may be ({situation})", measure)
        if sd > _WIDEST:
            return Abstention(metric, f"too far from all published replicas: {situation}, {math.exp(sd):.1f}x", measure)
        scale = (told.prompt_tokens or 1.0) if metric == FIRST else 1.0
        value = math.exp(float(logs[0])) * scale
        halves = {level: held.half_width(level) * sd for level in LEVELS}
        intervals = tuple(
            Interval(level, value * math.exp(-half), value * math.exp(half))
            for level, half in halves.items()
            if math.isfinite(half)
        )
        flags = [_FLAG, *([_FIRST_FLAG] if metric == FIRST else [])]
        if len(intervals) < len(LEVELS):
            flags.append(f"only {held.groups} groups to calibrate on: no interval at {LEVELS[-1]:.0%}")
        process = self.processes[metric]
        near = _nearest(process.rows, told)
        shown = math.exp(float(process.values[near] + process.rows.columns[reference_of(metric)][near])) * scale
        return Prediction(
            metric, value, "ns", intervals, Layer.LEARNED, (_SAYS,),
            (Evidence(self.labels[near], shown, "ns", None, "nearest, as published"),),
            situation, held.n, held.groups, flags=tuple(flags), would_change=measure,
        )  # fmt: skip

    def _tell(self, question: Question) -> Replica | Abstention:
        """Return what a replica is told by, or why it is not for this predictor."""
        metric = question.metric
        if metric not in METRICS:
            return Abstention(metric, f"{metric} is not what serving foretells, but {' and '.join(METRICS)}")
        if metric == FIRST and question.conditions.engine != ENGINE:
            return Abstention(metric, f"what a first token waits for was learned of {ENGINE} alone", (_OF_ENGINE,))
        told = describe_replica(question)
        if isinstance(told, Unavailable):
            return Abstention(metric, told.reason)
        if metric == FIRST and told.prompt_tokens is None:
            return Abstention(metric, "the time to the first token needs the option isl: tokens of the prompt")
        far = self._far(told)
        return (
            told
            if far is None
            else Abstention(metric, f"{far} lies outside all published replicas", (_measure(question),))
        )

    def _far(self, told: Replica) -> str | None:
        """The first column that lies outside what was learned from by more than a border."""
        known = self.processes[FIRST].rows.columns
        for name in COLUMNS:
            column = known[name]
            if not column.min() - _BORDER <= told.columns[name] <= column.max() + _BORDER:
                return f"{name} ({told.columns[name]:.1f}, published {column.min():.1f} to {column.max():.1f})"
        return None


def _measure(question: Question) -> str:
    return f"measure {question.workload} on {question.conditions.devices} x {question.device.name}"


def _nearest(rows: Rows, told: Replica) -> int:
    """The place of the published replica whose ratios are nearest."""
    away = sum((rows.columns[name] - told.columns[name]) ** 2 for name in COLUMNS)
    return int(away.argmin())  # type: ignore[union-attr]


def load_serving(payload: Payload) -> ServingModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    import numpy as np

    try:
        return _load(payload)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, np.linalg.LinAlgError) as error:
        raise AssayError(
            f"What the predictor 'serving' learned cannot be read: {type(error).__name__}: {error}.",
            hint="Learn it again: assay predict train",
        ) from error


def _load(payload: Payload) -> ServingModel:
    import numpy as np

    arrays, meta = payload.arrays, payload.meta
    words = {name: np.asarray(arrays[f"word/{name}"], dtype=np.int64) for name in WORDS}
    columns = {name: np.asarray(arrays[f"column/{name}"], dtype=np.float64) for name in COLUMNS}
    values = {metric: np.asarray(arrays[f"values/{metric}"], dtype=np.float64) for metric in METRICS}
    n = len(values[FIRST])
    parts = [*words.values(), *columns.values(), *values.values()]
    if not 0 < n <= _MOST_ROWS or any(one.shape != (n,) or not np.isfinite(one).all() for one in parts):
        raise ValueError(f"got parts of other lengths than {n} rows, more than {_MOST_ROWS}, or not finite")
    labels = tuple(map(str, meta["labels"]))
    if len(labels) != n:
        raise ValueError(f"got {len(labels)} labels of {n} rows")
    rows, makers = Rows(words, columns, n), {}
    for metric in METRICS:
        one, terms = meta["processes"][metric], make_terms(metric)
        variances, noise, mean = [float(v) for v in one["variances"]], float(one["noise"]), float(one["mean"])
        sound = all(math.isfinite(v) and v >= 0 for v in variances) and math.isfinite(mean)
        if len(variances) != len(terms) or not sound or not sum(variances) * _LEAST_NOISE < noise < math.inf:
            raise ValueError(f"got variances of {metric} that are not those of its terms, or not positive")
        makers[metric] = partial(rebuild, terms, variances, noise, mean, rows, values[metric], np.ones(n))
    calibrations = {
        metric: {
            Situation(name): Calibration(tuple(one["scores"]), tuple(one["weights"]), int(one["groups"]))
            for name, one in meta["calibrations"][metric].items()
        }
        for metric in METRICS
    }
    names = {name: {str(word): place for place, word in enumerate(meta["names"][name])} for name in WORDS}
    return ServingModel(_WhenAsked(makers), names, labels, calibrations)
