"""What was learned of graphs on devices, and the answers it gives. Answering needs numpy alone.

A prediction is the time at the device's rates times the exponential of a forest's sum. How uncertain it is tells a
second, small forest, stretched by what it missed on held-out groups of the question's situation. May import: core,
predict, stats; numpy inside functions.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import Payload
from assay.predict.graph.features import (
    ALIKE,
    FEATURES,
    arithmetic_of,
    describe_alike,
    does_something,
    round_of,
    why_no_rates,
    why_not_described,
)
from assay.predict.graph.intervals import Spread, read_spread
from assay.predict.numbers import LAYERS, NONE, SITUATIONS, Alike, Numbers, find_alike
from assay.predict.trees import Forest, read_forest
from assay.predict.values import (
    LEVELS,
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    Interval,
    Layer,
    Prediction,
    Question,
    Situation,
)

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
_MOST_THREADS = 8
_MOST_OUTSIDE = 0.1
"""Share of features that may."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Questions answered as arrays, ``seconds`` of a call first.

    ``seconds`` (n,); ``halves`` (n, levels) half the widths of intervals on the log scale, infinite where none is
    known; ``far`` (n,) the share of features outside what was learned from; ``paced`` (n,) whether starting its
    operations takes longer than anything learned from; ``held`` (n,) the situation whose tested errors gave the
    intervals, a place in ``SITUATIONS``, or ``NONE``.
    """

    seconds: Array
    halves: Array
    far: Array
    paced: Array
    held: Array

    @property
    def stands(self) -> Array:
        """Where a number is given, (n,): what was learned from is near enough, and the interval no wider than helps."""
        import numpy as np

        widest = self.halves[:, -1]
        too_wide = (widest > math.log(_WIDEST)) & np.isfinite(widest)
        return np.asarray(~self.paced & (self.far <= _MOST_OUTSIDE) & (self.held != NONE) & ~too_wide)


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
        return self.numbers(questions).answers()

    def numbers(self, questions: Sequence[Question], asked: Alike | None = None) -> Numbers:
        """Answer as arrays, of which an object is made only where it is asked for."""
        import numpy as np

        asked, count = asked or find_alike(questions), len(questions)
        places = np.flatnonzero(self._can_tell(asked))
        values, lo, hi = (np.full(shape, np.nan) for shape in (count, (count, len(LEVELS)), (count, len(LEVELS))))
        situations = np.full(count, NONE, dtype=np.int8)
        own = asked.take(places)
        found = self.expect(own)
        stands = found.stands
        given = places[stands]
        values[given] = _in_unit(own.take(stands), found.seconds[stands])
        factors = np.exp(np.where(np.isfinite(found.halves[stands]), found.halves[stands], np.nan))
        lo[given], hi[given] = values[given, None] / factors, values[given, None] * factors
        situations[given] = found.held[stands]
        layers = np.full(count, NONE, dtype=np.int8)
        layers[given] = LAYERS.index(Layer.LEARNED)
        of_place = np.full(count, NONE, dtype=np.int64)
        of_place[places] = np.arange(len(places))
        reasons = (
            f"time of its operations at the device's rates, times what {self.examples} timings showed beside it",
        )

        def explain(place: int) -> Answer:
            question, row = questions[place], int(of_place[place])
            if row == NONE:
                return self._refuse(question)
            if not stands[row]:
                return _turn_down(question, found, row)
            intervals = zip(LEVELS, lo[place].tolist(), hi[place].tolist(), strict=True)
            held = SITUATIONS[found.held[row]]
            return _make_answer(
                question, float(values[place]), [Interval(*one) for one in intervals if one[1] == one[1]],  # NaN: none
                float(found.far[row]), held, self.spreads[held], reasons,
            )  # fmt: skip

        return Numbers(values, lo, hi, layers, situations, explain)

    def expect(self, asked: Alike) -> Expected:
        """Return what is expected of questions that have features, as arrays: no object is made for a question."""
        import numpy as np

        count = len(asked.of_graph)
        seconds, far, paced = np.empty(count), np.empty(count), np.empty(count, dtype=bool)
        halves = np.full((count, len(LEVELS)), math.inf)
        situations = self.situations(asked)
        held = np.full(count, NONE, dtype=np.int8)
        room = _OUTSIDE * np.maximum(self.high - self.low, 0.1)
        lowest, highest = self.low - room, self.high + room
        pairs, of_pair = asked.pairs()
        limits = np.array([
            self.limits.get(arithmetic_of(device, under.precision), math.inf) for device, under in pairs
        ])  # fmt: skip

        def tell(start: int) -> None:
            own = slice(start, start + _CHUNK)
            part = asked.take(own)
            described = describe_alike(part)
            rows = described.rows
            np.copyto(rows, self.fills, where=np.isnan(rows))
            seconds[own] = described.base_s * np.exp(self.forest.predict(rows))
            paced[own] = rows[:, _STARTING] > limits[of_pair[own]]
            far[own] = ((rows < lowest) | (rows > highest)).mean(axis=1)
            for code in np.unique(situations[own]).tolist():
                spread = self.spread_of(SITUATIONS[code])
                if spread is not None:
                    places = np.flatnonzero(situations[own] == code)
                    halves[start + places] = spread[1].half_widths(rows if len(places) == len(rows) else rows[places])
                    held[start + places] = SITUATIONS.index(spread[0])

        _spread_out(tell, range(0, count, _CHUNK))
        return Expected(seconds, halves, far, paced, held)

    def situation(self, question: Question) -> Situation:
        """Say what a question has in common with what was learned from."""
        return SITUATIONS[int(self.situations(find_alike([question]))[0])]

    def situations(self, asked: Alike) -> Array:
        """Say it of many, (n,), as places in ``SITUATIONS``."""
        import numpy as np

        known = {name: frozenset(words) for name, words in self.names.items()}
        latest = self.names["round"][-1]
        code = {one: place for place, one in enumerate(SITUATIONS)}
        of_model = np.array([
            code[
                Situation.KNOWN if name in known["model"]
                else Situation.UNSEEN_MODEL if family in known["family"] else Situation.UNSEEN_FAMILY
            ]
            for name, family in asked.models
        ], dtype=np.int8)[asked.of_model]  # fmt: skip
        of_device = np.array([
            NONE if one.name in known["device"]
            else code[Situation.UNSEEN_DEVICE if one.vendor in known["vendor"] else Situation.UNSEEN_VENDOR]
            for one in asked.devices
        ], dtype=np.int8)[asked.of_device]  # fmt: skip
        later = np.array([round_of(one) > latest for one in asked.conditions], dtype=bool)[asked.of_conditions]
        found = np.where(later, np.int8(code[Situation.LATER]), of_model)
        both = (of_device == code[Situation.UNSEEN_DEVICE]) & (of_model != code[Situation.KNOWN])
        new = np.where(both, np.int8(code[Situation.BOTH_UNSEEN]), of_device)
        return np.asarray(np.where(of_device == NONE, found, new), dtype=np.int8)

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

    def _can_tell(self, asked: Alike) -> Array:
        """Where a question can be told anything of, (n,): ``_refuse`` says why not."""
        import numpy as np

        of_metric = np.array([one in METRICS for one in asked.metrics], dtype=bool)
        of_graph = np.array([one is not None and does_something(one) for one in asked.graphs], dtype=bool)
        pairs, of_pair = asked.pairs()
        can = np.array([self._why_not(device, under) is None for device, under in pairs], dtype=bool)
        return np.asarray(of_metric[asked.of_metric] & of_graph[asked.of_graph] & can[of_pair])

    def _why_not(self, device: DeviceProfile, conditions: Conditions) -> str | Unavailable | None:
        """Return why nothing is told of a device under conditions, whatever the model; None where it is."""
        if conditions.mode not in self.names["mode"]:
            return f"nothing was learned of {conditions.mode}"
        if conditions.devices != 1:
            return f"one device is foretold, not {conditions.devices} together"
        arithmetic = arithmetic_of(device, conditions.precision)
        if arithmetic not in self.names["precision"]:
            return f"nothing was learned of {arithmetic}, only of {', '.join(self.names['precision'])}"
        if conditions.engine not in self.names["engine"]:
            known = ", ".join(self.names["engine"])
            return f"nothing was learned of the engine {conditions.engine}, only of {known}"
        return why_no_rates(device, conditions.precision)

    def _refuse(self, question: Question) -> Abstention:
        if question.metric not in METRICS:
            return Abstention(question.metric, f"graphs foretell {' and '.join(METRICS)}, not {question.metric}")
        why = self._why_not(question.device, question.conditions)
        if isinstance(why, str):
            return Abstention(question.metric, why)
        missing = why_not_described(question)
        assert missing is not None  # noqa: S101  (``_can_tell`` asks the same)
        return Abstention(question.metric, missing.reason, (missing.install_hint or "",))


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


def _spread_out(work: Callable[[int], None], starts: range) -> None:
    """Work on parts of many rows in as many threads as this process may use: numpy lets go of the lock meanwhile."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = min(len(starts), cores, _MOST_THREADS)
    if threads < 2:  # noqa: PLR2004
        for start in starts:
            work(start)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, starts):
            pass


def _in_unit(asked: Alike, seconds: Array) -> Array:
    """Times of calls in ns, or units of work a second, as each metric asks."""
    import numpy as np

    units = np.array([0.0 if one is None else one.units_per_call or float(one.batch) for one in asked.graphs])
    is_time = np.array([one == METRICS[0] for one in asked.metrics], dtype=bool)[asked.of_metric]
    return np.asarray(np.where(is_time, seconds * 1e9, units[asked.of_graph] / seconds))


def _turn_down(question: Question, found: Expected, row: int) -> Abstention:
    """Say why a number that could be told is not given."""
    far, factor = float(found.far[row]), math.exp(min(float(found.halves[row, -1]), 700.0))
    if found.paced[row]:
        operations = question.graph.kernels if question.graph is not None else 0.0
        reason = (
            f"{operations:,.0f} operations take about as long to start as to compute on {question.device.name}: the "
            f"host sets the pace, and nothing like it was learned from"
        )
    elif far > _MOST_OUTSIDE:
        reason = f"{far:.0%} of what describes it lies far outside what was learned from"
    elif found.held[row] == NONE:
        reason = "no tested error says how far off it may be"
    else:
        reason = f"it could be off by a factor of {factor:.0f} ({SITUATIONS[found.held[row]]})"
    return Abstention(question.metric, reason, (_measure(question),))


def _make_answer(
    question: Question, value: float, intervals: Sequence[Interval], far: float, situation: Situation, spread: Spread,
    reasons: tuple[str, ...],
) -> Answer:  # fmt: skip
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
        question.metric, value, _UNITS[question.metric], tuple(intervals), Layer.LEARNED,
        reasons, (), situation, spread.n, spread.groups, flags=tuple(flags), would_change=(_measure(question),),
    )  # fmt: skip


def _measure(question: Question) -> str:
    conditions = question.conditions
    return (
        f"assay run --model {question.workload} --engine {conditions.engine} --precision {conditions.precision} "
        f"--batch {conditions.batch}"
    )
