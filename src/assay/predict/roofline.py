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
from assay.predict.base import ExampleSource, Gathered, Payload, PredictorKind, predictors
from assay.predict.devices import effective_peak
from assay.predict.numbers import LAYERS, NONE, SITUATIONS, Alike, Numbers, find_alike
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.splits import leave_one_out, split_groups
from assay.predict.values import (
    LEVELS,
    OP_CLASSES,
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    Example,
    Interval,
    Layer,
    Prediction,
    Question,
    Situation,
)
from assay.predict.web import bytes_of, is_web, refuse_in_a_page
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
_CHUNK = 1 << 13
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
        return self.numbers(questions).answers()

    def numbers(self, questions: Sequence[Question], asked: Alike | None = None) -> Numbers:
        """Answer as arrays, of which an object is made only where it is asked for."""
        import numpy as np

        asked, count = asked or find_alike(questions), len(questions)
        held = self.calibrations.get(Situation.UNSEEN_DEVICE) or self.calibrations.get(Situation.UNSEEN_FAMILY)
        halves = np.array([math.inf if held is None else held.half_width(level) for level in LEVELS])
        factors = np.exp(np.where(np.isfinite(halves), halves, np.nan))
        few = () if np.isfinite(halves).all() else (f"only {held.groups if held else 0} devices to calibrate on",)
        can = _has_roof(asked)
        if any(is_web(one.engine) for one in asked.conditions):
            can &= np.array([refuse_in_a_page(one) is None for one in questions], dtype=bool)
        places = np.flatnonzero(can)
        own = asked.take(places)
        values, layers = np.full(count, np.nan), np.full(count, NONE, dtype=np.int8)
        situations = np.full(count, NONE, dtype=np.int8)
        values[places] = self._in_unit(own, _roofs_of(own))
        layers[places] = LAYERS.index(Layer.ROOFLINE)
        situations[places] = SITUATIONS.index(Situation.UNSEEN_DEVICE)
        lo, hi = values[:, None] / factors, values[:, None] * factors

        def explain(place: int) -> Answer:
            question = questions[place]
            if layers[place] == NONE:
                return _refuse(question)
            bounds = zip(LEVELS, lo[place].tolist(), hi[place].tolist(), strict=True)
            return self._make_answer(
                question, float(values[place]), tuple(Interval(*one) for one in bounds if one[1] == one[1]), held, few
            )

        return Numbers(values, lo, hi, layers, situations, explain)

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

    def _in_unit(self, asked: Alike, roofs: Floats) -> Floats:
        """Times of calls in ns, or units of work a second, as each metric asks."""
        import numpy as np

        pairs, of_pair = asked.pairs()
        share = np.array([self.shares.get(_kind_of_call(device, under), self.plain) for device, under in pairs])
        values = roofs * share[of_pair]
        units = np.array([(one and one.units_per_call) or math.nan for one in asked.graphs], dtype=float)[
            asked.of_graph
        ]
        batch = np.array([one.batch for one in asked.conditions], dtype=float)[asked.of_conditions]
        is_rate = np.array([one == METRICS[1] for one in asked.metrics], dtype=bool)[asked.of_metric]
        return np.asarray(np.where(is_rate, np.where(np.isnan(units), batch, units) / values * 1e9, values))

    def _make_answer(
        self, question: Question, value: float, intervals: tuple[Interval, ...], held: Calibration | None,
        few: tuple[str, ...],
    ) -> Answer:  # fmt: skip
        kind = call_kind(question)
        return Prediction(
            question.metric, value, "ns" if question.metric == METRICS[0] else "1/s", intervals, Layer.ROOFLINE,
            (f"time at the device's rates, times the share that {self.examples} timings usually reached",), (),
            Situation.UNSEEN_DEVICE, 0 if held is None else held.n, 0 if held is None else held.groups,
            flags=few if kind in self.shares else (*few, f"nothing was seen of {kind}"),
            would_change=("a measurement of any model on this device",),
        )  # fmt: skip


def _refuse(question: Question) -> Abstention:
    why = why_no_roof(question)
    if why is not None:
        return Abstention(question.metric, why.reason, (why.install_hint,) if why.install_hint else ())
    found = refuse_in_a_page(question)
    assert found is not None  # noqa: S101  (``_has_roof`` asks the same)
    return found


def _has_roof(asked: Alike) -> Floats:
    """Where a question has a roof, (n,): ``_refuse`` says why not."""
    import numpy as np

    of_metric = np.array([one in METRICS for one in asked.metrics], dtype=bool)
    of_graph = np.array([one is not None for one in asked.graphs], dtype=bool)
    pairs, of_pair = asked.pairs()
    can = np.array([_why_no_rates(device, under) is None for device, under in pairs], dtype=bool)
    return np.asarray(of_metric[asked.of_metric] & of_graph[asked.of_graph] & can[of_pair])


def why_no_roof(question: Question) -> Unavailable | None:
    """Return why a question has no roof, None where it has."""
    if question.metric not in METRICS:
        return Unavailable(f"a roofline foretells {' and '.join(METRICS)}, not {question.metric}")
    if question.graph is None:
        return Unavailable(f"the graph of {question.workload} is not known")
    return _why_no_rates(question.device, question.conditions)


def _why_no_rates(device: DeviceProfile, conditions: Conditions) -> Unavailable | None:
    """Return why a device under conditions has no roof for any model, None where it has."""
    if conditions.mode not in ("inference", "training") or conditions.devices != 1:
        return Unavailable(f"a roofline is of one device, inference or training, not {conditions.mode}")
    if not effective_peak(device, conditions.precision):
        return Unavailable(f"no rate of arithmetic of {device.name} is known", "assay probe")
    if not device.bandwidth_bytes_per_s:
        return Unavailable(f"no bandwidth of {device.name} is known", "assay probe")
    return None


def roof_ns(question: Question) -> float:
    """Return the least time in ns of each class of operations, added up: the longest of work, traffic and starting.

    Raises ValueError for a question without one (``why_no_roof``).
    """
    return float(roofs_ns([question])[0])


def roofs_ns(questions: Sequence[Question]) -> Floats:
    """``roof_ns`` of many, (n,): every graph and every device is looked at once."""
    asked = find_alike(questions)
    if not _has_roof(asked).all():
        why = next(why for why in map(why_no_roof, questions) if why is not None)
        raise ValueError(f"got a question without a roof: {why}")
    return _roofs_of(asked)


def _roofs_of(asked: Alike) -> Floats:
    import numpy as np

    work = np.zeros((len(asked.graphs), 4, len(OP_CLASSES)))
    for place, graph in enumerate(asked.graphs):
        known = [None if graph is None else graph.work.get(name) for name in OP_CLASSES]
        work[place] = np.transpose([(w.flops, w.elements, w.other_bytes, w.count) if w else (0.0,) * 4 for w in known])
    pairs, of_pair = asked.pairs()
    rates = np.array([_rates_of(device, under) for device, under in pairs]).reshape(-1, 5)
    roofs = np.empty(len(of_pair))
    for start in range(0, len(roofs), _CHUNK):
        own = slice(start, start + _CHUNK)
        flops, elements, other, count = np.moveaxis(work[asked.of_graph[own]], 1, 0)
        rate, bandwidth, start_ns, size, passes = rates[of_pair[own]].T[:, :, None]
        traffic = (elements * size + other) / bandwidth * 1e9
        longest = np.maximum(np.maximum(flops / rate * 1e9, traffic), count * start_ns)
        roofs[own] = passes[:, 0] * longest.sum(axis=1)
    return roofs


def _rates_of(device: DeviceProfile, conditions: Conditions) -> tuple[float, ...]:
    """Flop/s, bytes/s, ns to start an operation, bytes of a number, passes over the graph; NaN for the unknown."""
    start_ns = device.launch_overhead_ns or _START_NS.get(device.kind, _START_ELSEWHERE_NS)
    passes = _TRAINING_WORK if conditions.mode == "training" else 1.0
    rate, bandwidth = effective_peak(device, conditions.precision), device.bandwidth_bytes_per_s
    return rate or math.nan, bandwidth or math.nan, start_ns, bytes_of(conditions.precision), passes


def call_kind(question: Question) -> str:
    """Say what a call has in common with others before its model is looked at: ``gpu fp16 inference``."""
    return _kind_of_call(question.device, question.conditions)


def _kind_of_call(device: DeviceProfile, conditions: Conditions) -> str:
    kind = "cpu" if device.kind == "cpu" else "gpu"
    return f"{kind} {conditions.precision} {conditions.mode}"


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
