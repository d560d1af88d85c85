"""The predictor ``roofline``: the time at the device's rates, times what such calls usually take of it.

Nothing is learned of the model but its operations, nothing of the device but its rates, so it answers where nothing
else does, with intervals as wide as that deserves. Williams, Waterman, Patterson 2009, Communications of the ACM
52(4). May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.errors import AssayError, UnknownNameError
from assay.core.words import Precision
from assay.predict.base import ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.devices import effective_peak
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.splits import leave_one_out, split_groups
from assay.predict.values import (
    LEVELS,
    OP_CLASSES,
    Abstention,
    Answer,
    Example,
    Interval,
    Layer,
    Prediction,
    Question,
    Situation,
)
from assay.predict.web import refuse_in_a_page
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

KIND = "roofline"
METRICS = ("latency_ns", "throughput_per_s")
_TRAINING_WORK = 3.0
"""A step is a forward pass and a backward pass of twice its work (Kaplan et al. 2020, arXiv:2001.08361, 2.1)."""
_START_NS = {"cpu": 2_000.0}
_START_ELSEWHERE_NS = 5_000.0
"""What starting an operation costs where no probe says: a usual dispatch of an eager framework."""
_SPLITS = {"device": "a device that was not measured", "family": "a family that was not measured"}
_FOLDS = 12
_FEWEST = 30
_MOST_SCORES = 400
"""Scores kept of thousands of timings: a step of a quarter of a percent in level."""


@dataclass(frozen=True, slots=True)
class RooflineModel:
    """``shares`` by kind of call (``gpu fp16 inference``): the median of time over roof. ``plain`` is that of all."""

    shares: Mapping[str, float]
    plain: float
    calibrations: Mapping[Situation, Calibration]
    examples: int

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer each; one without a graph or rates, or that cannot be held, gets an abstention."""
        held = self.calibrations.get(Situation.UNSEEN_DEVICE) or self.calibrations.get(Situation.UNSEEN_FAMILY)
        halves = [(level, held.half_width(level)) for level in LEVELS] if held is not None else []
        widths = [(level, math.exp(half)) for level, half in halves if math.isfinite(half)]
        few = () if len(widths) == len(LEVELS) else (f"only {held.groups if held else 0} devices to calibrate on",)
        answers: list[Answer | None] = [_refuse(one) for one in questions]
        places = [place for place, answer in enumerate(answers) if answer is None]
        if places:
            for place, roof in zip(places, roofs_ns([questions[one] for one in places]).tolist(), strict=True):
                answers[place] = self._make_answer(questions[place], roof, held, widths, few)
        return [one for one in answers if one is not None]

    def expect(self, question: Question) -> float:
        """Return the time of a call expected, in ns."""
        return roof_ns(question) * self.shares.get(call_kind(question), self.plain)

    def payload(self) -> Payload:
        """What ``load_roofline`` reads."""
        held = {
            one.value: {"scores": list(found.scores), "weights": list(found.weights), "groups": found.groups}
            for one, found in self.calibrations.items()
        }
        meta = {"shares": dict(self.shares), "plain": self.plain, "examples": self.examples, "calibrations": held}
        return Payload(meta)

    def _make_answer(
        self, question: Question, roof: float, held: Calibration | None, widths: Sequence[tuple[float, float]],
        few: tuple[str, ...],
    ) -> Answer:  # fmt: skip
        kind, graph = call_kind(question), question.graph
        share = self.shares.get(kind)
        value = roof * (self.plain if share is None else share)
        if question.metric == METRICS[1]:
            units = None if graph is None else graph.units_per_call
            value = (units or question.conditions.batch) / value * 1e9
        return Prediction(
            question.metric, value, "ns" if question.metric == METRICS[0] else "1/s",
            tuple([Interval(level, value / wide, value * wide) for level, wide in widths]), Layer.ROOFLINE,
            (f"time at the device's rates, times the share that {self.examples} timings usually reached",), (),
            Situation.UNSEEN_DEVICE, 0 if held is None else held.n, 0 if held is None else held.groups,
            flags=few if share is not None else (*few, f"nothing was seen of {kind}"),
            would_change=("a measurement of any model on this device",),
        )  # fmt: skip


def _refuse(question: Question) -> Abstention | None:
    why = why_no_roof(question)
    if why is not None:
        return Abstention(question.metric, why.reason, (why.install_hint,) if why.install_hint else ())
    return refuse_in_a_page(question)


def why_no_roof(question: Question) -> Unavailable | None:
    """Return why a question has no roof, None where it has."""
    if question.metric not in METRICS:
        return Unavailable(f"a roofline foretells {' and '.join(METRICS)}, not {question.metric}")
    if question.conditions.mode not in ("inference", "training") or question.conditions.devices != 1:
        return Unavailable(f"a roofline is of one device, inference or training, not {question.conditions.mode}")
    if question.graph is None:
        return Unavailable(f"the graph of {question.workload} is not known")
    if not effective_peak(question.device, question.conditions.precision):
        return Unavailable(f"no rate of arithmetic of {question.device.name} is known", "assay probe")
    if not question.device.bandwidth_bytes_per_s:
        return Unavailable(f"no bandwidth of {question.device.name} is known", "assay probe")
    return None


def roof_ns(question: Question) -> float:
    """Return the least time in ns of each class of operations, added up: the longest of work, traffic and starting.

    Raises ValueError for a question without one (``why_no_roof``).
    """
    return float(roofs_ns([question])[0])


def roofs_ns(questions: Sequence[Question]) -> Floats:
    """``roof_ns`` of many, (n,): every graph and every device is looked at once."""
    import numpy as np

    graphs: dict[int, int] = {}
    work: list[list[tuple[float, float, float, float]]] = []
    places, rates = [], []
    for question in questions:
        graph, device, conditions = question.graph, question.device, question.conditions
        rate, bandwidth = effective_peak(device, conditions.precision), device.bandwidth_bytes_per_s
        if graph is None or not rate or not bandwidth:
            raise ValueError(f"got a question without a roof: {why_no_roof(question)}")
        if id(graph) not in graphs:
            graphs[id(graph)] = len(work)
            known = [graph.work.get(name) for name in OP_CLASSES]
            work.append([(w.flops, w.elements, w.other_bytes, w.count) if w else (0.0,) * 4 for w in known])
        places.append(graphs[id(graph)])
        start_ns = device.launch_overhead_ns or _START_NS.get(device.kind, _START_ELSEWHERE_NS)
        passes = _TRAINING_WORK if conditions.mode == "training" else 1.0
        rates.append((rate, bandwidth, start_ns, _bytes_of(conditions.precision), passes))
    flops, elements, other, count = np.moveaxis(np.array(work), 2, 0)[:, places]
    rate, bandwidth, start_ns, size, passes = np.array(rates).T[:, :, None]
    traffic = (elements * size + other) / bandwidth * 1e9
    longest = np.maximum(np.maximum(flops / rate * 1e9, traffic), count * start_ns)
    return np.asarray(passes[:, 0] * longest.sum(axis=1))


def call_kind(question: Question) -> str:
    """Say what a call has in common with others before its model is looked at: ``gpu fp16 inference``."""
    kind = "cpu" if question.device.kind == "cpu" else "gpu"
    return f"{kind} {question.conditions.precision} {question.conditions.mode}"


def gather_roofline(source: ExampleSource) -> Gathered:
    """Read the same examples as the predictor of graphs."""
    from assay.predict.graph.gather import gather_graphs

    return gather_graphs(source)


def fit_roofline(gathered: Gathered, seed: int) -> RooflineModel:
    """Take medians, and the errors of each device and family left out. Raises AssayError for too few."""
    examples = _usable(gathered)
    if len(examples) < _FEWEST:
        raise AssayError(f"{len(examples)} timings have a roof; expected at least {_FEWEST}.", hint="assay run")
    calibrations = {}
    for situation, group in ((Situation.UNSEEN_DEVICE, "device"), (Situation.UNSEEN_FAMILY, "family")):
        names = [one.groups[group] for one in examples]
        if len(set(names)) > 1:
            errors = _left_out(examples, names, seed)
            calibrations[situation] = calibrate(errors, names).thinned(_MOST_SCORES)
    shares, plain = _take_shares(examples, _ratios(examples))
    return RooflineModel(shares, plain, calibrations, len(examples))


def load_roofline(payload: Payload) -> RooflineModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    try:
        meta = payload.meta
        calibrations = {
            Situation(name): Calibration(tuple(one["scores"]), tuple(one["weights"]), int(one["groups"]))
            for name, one in meta["calibrations"].items()
        }
        shares = {str(name): float(value) for name, value in meta["shares"].items()}
        return RooflineModel(shares, float(meta["plain"]), calibrations, int(meta["examples"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AssayError(
            f"What a roofline learned cannot be read: {type(error).__name__}: {error}.",
            hint="Learn it again: assay predict train --kind roofline",
        ) from error


def validate_roofline(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out and foretell, beside the roof itself. Raises AssayError, UnknownNameError."""
    import numpy as np

    if split not in _SPLITS:
        raise UnknownNameError("split", split, _SPLITS)
    examples = _usable(gathered)
    names = [one.groups[split] for one in examples]
    if len(set(names)) < 2:  # noqa: PLR2004  (one is held out, another is left)
        raise AssayError(f"Timings of {len(set(names))} {split} are here; expected at least 2.", hint="Measure more.")
    truth = np.array([one.value for one in examples])
    errors = _left_out(examples, names, seed)
    guess = truth / np.exp(errors)
    held = calibrate(errors, names)
    bounds = {}
    for level in LEVELS:
        half = held.half_width(level)
        if math.isfinite(half):
            bounds[level] = (guess * math.exp(-half), guess * math.exp(half))
    bare = roofs_ns([one.question for one in examples])
    methods = {"assay": score_predictions(truth, guess, bounds), "bare roof": score_predictions(truth, bare)}
    return SplitOutcome(
        KIND, split, _SPLITS[split], METRICS[0], methods, score_groups(names, truth, guess, bounds),
        notes=("coverage is of the rows that the intervals were made of, which flatters it",),
    )  # fmt: skip


def _usable(gathered: Gathered) -> list[Example]:
    found = [one for one in gathered.examples if why_no_roof(one.question) is None]
    return [one for one in found if one.question.metric == METRICS[0]]


def _take_shares(examples: Sequence[Example], ratios: Floats) -> tuple[dict[str, float], float]:
    """Medians of time over roof by kind of call, and of all."""
    import numpy as np

    of_kind: dict[str, list[float]] = {}
    for one, ratio in zip(examples, ratios.tolist(), strict=True):
        of_kind.setdefault(call_kind(one.question), []).append(ratio)
    every = [value for values in of_kind.values() for value in values]
    return {name: float(np.median(values)) for name, values in of_kind.items()}, float(np.median(every))


def _left_out(examples: Sequence[Example], names: Sequence[str], seed: int) -> Floats:
    """Logarithms of actual over expected, (n,), each without its group."""
    import numpy as np

    errors, ratios = np.empty(len(examples)), _ratios(examples)
    folds = leave_one_out(names) if len(set(names)) <= _FOLDS else split_groups(names, _FOLDS, seed)
    for fold in folds:
        train = list(fold.train)
        shares, plain = _take_shares([examples[place] for place in train], ratios[train])
        for place in fold.test:
            share = shares.get(call_kind(examples[place].question), plain)
            errors[place] = math.log(ratios[place] / share)
    return errors


def _ratios(examples: Sequence[Example]) -> Floats:
    """Time over roof, (n,)."""
    import numpy as np

    return np.asarray(np.array([one.value for one in examples]) / roofs_ns([one.question for one in examples]))


def _bytes_of(precision: str) -> float:
    try:
        return Precision(precision).bytes_per_parameter
    except ValueError:
        return Precision.FP32.bytes_per_parameter


predictors.add(
    KIND,
    PredictorKind(
        name=KIND,
        title="Roofline",
        metrics=METRICS,
        splits=_SPLITS,
        gather=gather_roofline,
        fit=fit_roofline,
        load=load_roofline,
        validate=validate_roofline,
        fewest=_FEWEST,
    ),
)
