"""What was learned of graphs on devices, and the answers it gives. Answering needs numpy alone.

A prediction is the time at the device's rates times the exponential of a forest's sum. How uncertain it is tells a
second, small forest, stretched by what it missed on held-out groups of the question's situation. May import: core,
predict, stats; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import Payload
from assay.predict.graph.features import ALIKE, FEATURES, arithmetic_of, describe, round_of, why_not_described
from assay.predict.graph.intervals import Spread, read_spread
from assay.predict.trees import Forest, read_forest
from assay.predict.values import LEVELS, Abstention, Answer, Interval, Layer, Prediction, Question, Situation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

METRICS = ("latency_ns", "throughput_per_s")
_UNITS = {"latency_ns": "ns", "throughput_per_s": "1/s"}
_FALLBACK = {
    Situation.KNOWN: (Situation.UNSEEN_MODEL, Situation.UNSEEN_FAMILY, Situation.BOTH_UNSEEN),
    Situation.UNSEEN_MODEL: (Situation.UNSEEN_FAMILY, Situation.BOTH_UNSEEN),
    Situation.UNSEEN_FAMILY: (Situation.BOTH_UNSEEN,),
    Situation.UNSEEN_DEVICE: (Situation.BOTH_UNSEEN,),
    Situation.BOTH_UNSEEN: (),
    Situation.UNSEEN_VENDOR: (),
    Situation.LATER: (Situation.UNSEEN_FAMILY, Situation.BOTH_UNSEEN),
}
"""Situations whose errors are no smaller, nearest first, where a situation itself was not tested."""
_OUTSIDE = 3.0
"""Shares of a feature's range (its outer percentiles) that a question may lie outside of it, before none is given."""
_WIDEST = 6.0
"""Factor up or down, at the highest level, beyond which a number helps nobody."""
_STARTING = FEATURES.index("starting over base")
_CHUNK = 1 << 15
_MOST_OUTSIDE = 0.1
"""Share of features that may."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Questions answered as arrays, ``seconds`` of a call first.

    ``seconds`` (n,); ``halves`` (n, levels) half the widths of intervals on the log scale, infinite where none is
    known; ``far`` (n,) the share of features outside what was learned from; ``paced`` (n,) whether starting its
    operations takes longer than anything learned from; ``held`` the situation and tested errors of the intervals.
    """

    seconds: Array
    halves: Array
    far: Array
    paced: Array
    held: list[tuple[Situation, Spread] | None]


@dataclass(frozen=True, slots=True)
class GraphModel:
    """What was learned. ``fills``, ``low``, ``high`` (features,): medians and outer percentiles of what was seen.

    ``names`` are the words of ``device``, ``vendor``, ``model``, ``family``, ``precision``, ``engine`` and ``mode``
    and ``round`` (versions of torch, sorted by age) that were learned from.
    """

    forest: Forest
    fills: Array
    low: Array
    high: Array
    names: Mapping[str, tuple[str, ...]]
    limits: Mapping[str, float]
    spreads: Mapping[Situation, Spread]
    examples: int

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer in the questions' order; what has no graph or rates, or is too far away, gets an abstention."""
        answers: list[Answer | None] = [self._refuse(one) for one in questions]
        places = [place for place, answer in enumerate(answers) if answer is None]
        if places:
            for place, answer in zip(places, self._answer([questions[one] for one in places]), strict=True):
                answers[place] = answer
        return [one for one in answers if one is not None]

    def expect(self, questions: Sequence[Question]) -> Expected:
        """Return what is expected of questions that have features, as arrays: no object is made for a question."""
        import numpy as np

        count = len(questions)
        seconds, far, paced = np.empty(count), np.empty(count), np.empty(count, dtype=bool)
        halves = np.full((count, len(LEVELS)), math.inf)
        situations = self.situations(questions)
        tested = {one: self.spread_of(one) for one in set(situations)}
        held = [tested[one] for one in situations]
        room = _OUTSIDE * np.maximum(self.high - self.low, 0.1)
        lowest, highest = self.low - room, self.high + room
        for start in range(0, count, _CHUNK):
            own = slice(start, start + _CHUNK)
            found = describe(questions[own])
            rows = found.rows
            np.copyto(rows, self.fills, where=np.isnan(rows))
            seconds[own] = found.base_s * np.exp(self.forest.predict(rows))
            limits = [self.limits.get(arithmetic_of(one), math.inf) for one in questions[own]]
            paced[own] = rows[:, _STARTING] > limits
            far[own] = ((rows < lowest) | (rows > highest)).mean(axis=1)
            for situation, found_spread in tested.items():
                places = [place for place, one in enumerate(situations[own]) if one is situation]
                if places and found_spread is not None:
                    part = rows if len(places) == len(rows) else rows[places]
                    halves[start + np.array(places)] = found_spread[1].half_widths(part)
        return Expected(seconds, halves, far, paced, held)

    def situation(self, question: Question) -> Situation:
        """Say what a question has in common with what was learned from."""
        return self.situations([question])[0]

    def situations(self, questions: Sequence[Question]) -> list[Situation]:
        """Say it of many: what was learned from is looked through once."""
        known = {name: frozenset(words) for name, words in self.names.items()}
        latest = self.names["round"][-1]
        of_device: dict[int, Situation | None] = {}
        of_model: dict[tuple[str, str], Situation] = {}
        later: dict[int, bool] = {}
        found = []
        for question in questions:
            device, conditions, model = question.device, question.conditions, (question.workload, question.family)
            if model not in of_model:
                seen = Situation.UNSEEN_MODEL if question.family in known["family"] else Situation.UNSEEN_FAMILY
                of_model[model] = Situation.KNOWN if question.workload in known["model"] else seen
            if id(device) not in of_device:
                kin = Situation.UNSEEN_DEVICE if device.vendor in known["vendor"] else Situation.UNSEEN_VENDOR
                of_device[id(device)] = None if device.name in known["device"] else kin
            if id(conditions) not in later:
                later[id(conditions)] = round_of(conditions) > latest
            one = of_device[id(device)]
            if one is Situation.UNSEEN_DEVICE and of_model[model] is not Situation.KNOWN:
                one = Situation.BOTH_UNSEEN
            if one is None:
                one = Situation.LATER if later[id(conditions)] else of_model[model]
            found.append(one)
        return found

    def spread_of(self, situation: Situation) -> tuple[Situation, Spread] | None:
        """Return the tested errors for a situation: its own, else those of one that is no easier; None for neither."""
        for one in (situation, *_FALLBACK.get(situation, ())):
            if one in self.spreads:
                return one, self.spreads[one]
        return None

    def payload(self) -> Payload:
        """What ``load_graph`` reads."""
        meta = {
            "features": list(FEATURES),
            "names": {name: list(words) for name, words in self.names.items()},
            "limits": dict(self.limits),
            "examples": self.examples,
            "spreads": {one.value: spread.meta() for one, spread in self.spreads.items()},
        }
        arrays = {"fills": self.fills, "low": self.low, "high": self.high, **self.forest.arrays("forest_")}
        for one, spread in self.spreads.items():
            arrays.update(spread.arrays(f"{one.value}_"))
        return Payload(meta, arrays)

    def _refuse(self, question: Question) -> Abstention | None:
        conditions = question.conditions
        if question.metric not in METRICS:
            return Abstention(question.metric, f"graphs foretell {' and '.join(METRICS)}, not {question.metric}")
        if conditions.mode not in self.names["mode"]:
            return Abstention(question.metric, f"nothing was learned of {conditions.mode}")
        if conditions.devices != 1:
            return Abstention(question.metric, f"one device is foretold, not {conditions.devices} together")
        if arithmetic_of(question) not in self.names["precision"]:
            known = ", ".join(self.names["precision"])
            return Abstention(question.metric, f"nothing was learned of {arithmetic_of(question)}, only of {known}")
        if conditions.engine not in self.names["engine"]:
            known = ", ".join(self.names["engine"])
            return Abstention(
                question.metric, f"nothing was learned of the engine {conditions.engine}, only of {known}"
            )
        missing = why_not_described(question)
        return None if missing is None else Abstention(question.metric, missing.reason, (missing.install_hint or "",))

    def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        import numpy as np

        found = self.expect(questions)
        reasons = (
            f"time of its operations at the device's rates, times what {self.examples} timings showed beside it",
        )
        seconds, factors, far = found.seconds.tolist(), np.exp(found.halves).tolist(), found.far.tolist()
        paced = found.paced.tolist()
        return [
            _paced(question)
            if paced[place]
            else _make_answer(question, seconds[place], factors[place], far[place], found.held[place], reasons)
            for place, question in enumerate(questions)
        ]


def load_graph(payload: Payload) -> GraphModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    import numpy as np

    try:
        meta, arrays = payload.meta, payload.arrays
        if tuple(meta["features"]) != FEATURES:
            raise ValueError("it was learned from other features")  # noqa: TRY301
        fills, low, high = (np.asarray(arrays[name], dtype=np.float64) for name in ("fills", "low", "high"))
        if not fills.shape == low.shape == high.shape == (len(FEATURES),) or not np.isfinite([fills, low, high]).all():
            raise ValueError(f"got {fills.shape}, {low.shape} and {high.shape} for {len(FEATURES)} features")  # noqa: TRY301
        spreads = {Situation(name): read_spread(one, arrays, f"{name}_") for name, one in dict(meta["spreads"]).items()}
        names = {name: tuple(words) for name, words in meta["names"].items()}
        forest = read_forest(arrays, "forest_")
        if forest.features != len(FEATURES):
            raise ValueError(f"got trees over {forest.features} features")  # noqa: TRY301
        limits = {str(name): float(limit) for name, limit in meta["limits"].items()}
        return GraphModel(forest, fills, low, high, names, limits, spreads, int(meta["examples"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise AssayError(
            f"What a predictor of graphs learned cannot be read: {type(error).__name__}: {error}.",
            hint="Learn it again: assay predict train --kind graph",
        ) from error


def _make_answer(
    question: Question, seconds: float, factors: Sequence[float], far: float, held: tuple[Situation, Spread] | None,
    reasons: tuple[str, ...],
) -> Answer:  # fmt: skip
    if far > _MOST_OUTSIDE:
        return Abstention(
            question.metric,
            f"{far:.0%} of what describes it lies far outside what was learned from",
            (_measure(question),),
        )
    if held is None:
        return Abstention(question.metric, "no tested error says how far off it may be", (_measure(question),))
    if _WIDEST < factors[-1] < math.inf:
        reason = f"it could be off by a factor of {factors[-1]:.0f} ({held[0]})"
        return Abstention(question.metric, reason, (_measure(question),))
    graph = question.graph
    assert graph is not None  # noqa: S101  (why_not_described has seen it)
    units = graph.units_per_call or float(graph.batch)
    value = seconds * 1e9 if question.metric == METRICS[0] else units / seconds
    intervals = tuple(
        [
            Interval(level, value / factor, value * factor)
            for level, factor in zip(LEVELS, factors, strict=True)
            if factor < math.inf
        ]
    )
    situation, spread = held
    flags = [f"{far:.0%} of what describes it lies outside what was learned from"] if far else []
    flags += [
        f"the device's {name} is {origin}" for name, origin in question.device.origin.items() if origin == "derated"
    ]
    flags += question.device.notes
    if question.conditions.precision in ALIKE:
        flags.append(
            f"{question.conditions.precision} is taken to cost what {ALIKE[question.conditions.precision]} does"
        )
    if len(intervals) < len(LEVELS):
        flags.append(f"only {spread.groups} groups to calibrate on")
    return Prediction(
        question.metric, value, _UNITS[question.metric], intervals, Layer.LEARNED,
        reasons, (), situation, spread.n, spread.groups, flags=tuple(flags), would_change=(_measure(question),),
    )  # fmt: skip


def _paced(question: Question) -> Abstention:
    operations = question.graph.kernels if question.graph is not None else 0.0
    reason = (
        f"{operations:,.0f} operations take about as long to start as to compute on {question.device.name}: the host "
        f"sets the pace, and nothing like it was learned from"
    )
    return Abstention(question.metric, reason, (_measure(question),))


def _measure(question: Question) -> str:
    conditions = question.conditions
    return (
        f"assay run --model {question.workload} --engine {conditions.engine} --precision {conditions.precision} "
        f"--batch {conditions.batch}"
    )
