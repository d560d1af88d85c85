"""Who answers a question: what was measured, else the kind of predictor whose tested intervals are the narrowest.

A kind that a naive baseline beat on the split of the question's situation does not answer there. What fits no memory,
or lies outside of what every kind learned from, gets an abstention with all the reasons. May import: core, store,
analysis, predict.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assay import __version__
from assay.core.errors import AssayError, UnsupportedError
from assay.predict.base import Fitted, Payload
from assay.predict.measured import MeasuredNumbers
from assay.predict.memory import MemoryCorrection, MemoryEstimate, context_bytes, estimate_memory
from assay.predict.memory_kind import KIND as MEMORY
from assay.predict.memory_kind import METRICS, MemoryModel
from assay.predict.model_file import ModelRecord
from assay.predict.values import LEVELS, Abstention, Answer, Layer, Prediction, Question, Situation

if TYPE_CHECKING:
    from assay.store import Store

_Sizes = dict[tuple[int, str, str, str, str], MemoryEstimate | None]
LAST = "roofline"
ORDER = ("own", "transfer", "graph", "system", "power", "serving", "llm", "kernels", "memory", "roofline")
"""In which kinds are asked; the narrower interval wins whatever the order."""
_SPLIT_OF: Mapping[Situation, tuple[str, ...]] = {
    Situation.KNOWN: ("case", "random", "model"),
    Situation.UNSEEN_MODEL: ("model",),
    Situation.UNSEEN_FAMILY: ("family",),
    Situation.UNSEEN_DEVICE: ("device", "both"),
    Situation.BOTH_UNSEEN: ("both", "device"),
    Situation.UNSEEN_VENDOR: ("vendor", "both", "device"),
    Situation.LATER: ("temporal",),
}
_SURELY_TOO_LARGE = 0.95
"""Probability of running out of memory from which no time is foretold: there would be none."""
_LIKELY_TOO_LARGE = 0.05
_SURELY_SMALL = 0.1
_COARSENESS = {layer: place for place, layer in enumerate(Layer)}
_NO_NUMBER = 1.0
"""Mean error on a split above which a kind says nothing there."""


@dataclass(frozen=True, slots=True)
class LoadedKind:
    """A kind that can answer: what was learned, and how it did where it was tested."""

    record: ModelRecord
    fitted: Fitted
    metrics: tuple[str, ...] = ()
    prefix: str = ""
    beaten: dict[Situation, str | None] = field(default_factory=dict)
    """What was looked up already: a matrix asks the same two hundred thousand times."""

    @property
    def name(self) -> str:
        """The kind, and its version: ``graph 1a2b3c4d``."""
        return f"{self.record.kind} {self.record.version[:8]}"

    def tells(self, question: Question, published: tuple[str, ...] = ()) -> bool:
        """True where the kind may answer: its metrics, and of workloads that begin with one of ``published`` its own.

        A kind of no known metrics may answer any.
        """
        if self.metrics and question.metric not in self.metrics:
            return False
        workload = question.workload
        return not workload.startswith(published) or (bool(self.prefix) and workload.startswith(self.prefix))

    def beaten_in(self, situation: Situation | None) -> str | None:
        """Return what naive baseline beat it where the question lies, None where none did or nobody looked."""
        if situation is None:
            return None
        if situation not in self.beaten:
            self.beaten[situation] = _find_beaten(self.record, situation)
        return self.beaten[situation]


@dataclass(frozen=True, slots=True)
class Estimator:
    """Everything that can answer. ``broken`` says which kinds could not be loaded, and why."""

    kinds: tuple[LoadedKind, ...]
    measured: MeasuredNumbers = field(default_factory=MeasuredNumbers)
    memory: MemoryCorrection = field(default_factory=MemoryCorrection)
    broken: Mapping[str, str] = field(default_factory=dict)

    def estimate(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer in the questions' order: a number with its layer, or an abstention with the reasons of every kind."""
        with _no_collection():
            return self._estimate(questions)

    def _estimate(self, questions: Sequence[Question]) -> list[Answer]:
        answers: list[Answer | None] = [self.measured.find(one) for one in questions]
        sizes: _Sizes = {}
        risks: dict[int, str] = {}
        for place, question in enumerate(questions):
            if answers[place] is None:
                answers[place], risk = self._judge_memory(question, sizes)
                if risk is not None:
                    risks[place] = risk
        left = [place for place, answer in enumerate(answers) if answer is None]
        said: dict[int, list[tuple[LoadedKind, Answer]]] = {place: [] for place in left}
        published = tuple({kind.prefix for kind in self.kinds if kind.prefix})
        for kind in self.kinds:
            # The last resort is asked last, and only where nobody else has a number.
            is_last = kind.record.kind == LAST
            asked = [
                place
                for place in left
                if kind.tells(questions[place], published)
                and not (is_last and any(_stands(*one) for one in said[place]))
            ]
            for place, answer in zip(asked, kind.fitted.answer([questions[place] for place in asked]), strict=True):
                said[place].append((kind, answer))
        for place in left:
            found = self._choose(questions[place], said[place])
            if place in risks and isinstance(found, Prediction):
                found = replace(found, flags=(*found.flags, risks[place]))
            answers[place] = found
        return [one for one in answers if one is not None]

    def _choose(self, question: Question, said: Sequence[tuple[LoadedKind, Answer]]) -> Answer:
        best: tuple[float, int, str, Prediction] | None = None
        passed: list[str] = []
        for kind, answer in said:
            if isinstance(answer, Abstention):
                passed.append(f"{kind.record.kind}: {answer.reason}")
                continue
            if (by := kind.beaten_in(answer.calibrated_on)) is not None:
                passed.append(f"{kind.record.kind}: beaten by {by}")
                continue
            found = (_breadth(answer), _COARSENESS[answer.layer], kind.name, answer)
            if best is None or found[:2] < best[:2]:
                if best is not None:
                    passed.append(_say_wider(best[2], best[3]))
                best = found
            else:
                passed.append(_say_wider(kind.name, answer))
        if best is None:
            return _abstain(question, [answer for _, answer in said], passed, self.broken)
        return _sign(best[3], best[2], [f"not {one}" for one in passed])

    def _judge_memory(self, question: Question, sizes: _Sizes) -> tuple[Abstention | None, str | None]:
        """Refuse what surely does not fit; say what may not. ``sizes`` keeps what a graph takes on all devices."""
        room, graph = question.device.memory_bytes, question.graph
        if room is None or graph is None or graph.batch != question.conditions.batch:
            return None, None
        conditions = question.conditions
        key = (id(graph), conditions.precision, conditions.engine, conditions.mode, question.device.kind)
        if key not in sizes:
            sizes[key] = self._estimate_memory(question)
        found = sizes[key]
        # A tenth of the room is no risk under any spread that was seen, and most models are smaller.
        if found is None or found.value_bytes < _SURELY_SMALL * room:
            return None, None
        share = found.oom_probability(
            room * question.conditions.devices, context_bytes=context_bytes(question.device.kind)
        )
        need, has = found.value_bytes / 2**30, room * question.conditions.devices / 2**30
        if share >= _SURELY_TOO_LARGE:
            reason = f"it does not fit: about {need:.3g} GiB are needed and {question.device.name} has {has:.3g} GiB"
            return Abstention(
                question.metric, reason, ("a smaller batch, a narrower precision, or more devices",)
            ), None
        if share >= _LIKELY_TOO_LARGE:
            return None, f"may run out of memory (probability {share:.0%}: {need:.3g} of {has:.3g} GiB)"
        return None, None

    def _estimate_memory(self, question: Question) -> MemoryEstimate | None:
        if question.graph is None:
            return None
        try:
            return estimate_memory(question.graph, question.conditions, self.memory, kind=question.device.kind)
        except (UnsupportedError, ValueError):
            return None


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector of cycles from going through a million answers, of which none has a cycle: a quarter less."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def open_estimator(store: Store | None = None, *, kinds: Sequence[str] | None = None) -> Estimator:
    """Load every kind that has a version or a prior. ``kinds`` narrows it. A damaged one is said, and left out."""
    from assay.predict.base import predictors
    from assay.predict.models import load_active, shelf_of

    shelf = None if store is None else shelf_of(store.location)
    found, broken = [], {}
    names = (*ORDER, *(one for one in predictors.names() if one not in ORDER))
    for name in names if kinds is None else kinds:
        if name not in predictors.names():
            continue
        try:
            loaded = load_active(name, shelf)
        except AssayError as error:
            broken[name] = str(error)
            continue
        if loaded is not None:
            found.append(LoadedKind(*loaded, predictors.get(name).metrics, predictors.get(name).prefix))
    if not any(one.record.kind == MEMORY for one in found) and (kinds is None or MEMORY in kinds):
        found.append(_analytic_memory())
    measured = MeasuredNumbers() if store is None else MeasuredNumbers.of(store)
    learned = next((one.fitted.correction for one in found if isinstance(one.fitted, MemoryModel)), MemoryCorrection())
    return Estimator(tuple(found), measured, learned, broken)


def _analytic_memory() -> LoadedKind:
    """Memory is added up from the graph where nothing was learned of it: without intervals, and it says so."""
    record = ModelRecord(MEMORY, datetime.fromtimestamp(0, UTC), __version__, Payload({}), version="analytic")
    return LoadedKind(record, MemoryModel(), METRICS)


def _find_beaten(record: ModelRecord, situation: Situation) -> str | None:
    for split in _SPLIT_OF.get(situation, ()):
        outcome = record.outcome(split)
        if outcome is None:
            continue
        if outcome.own.mean_error > _NO_NUMBER:
            return f"its own errors on the split {split} ({outcome.own.mean_error:.0%} on average)"
        return f"{', '.join(outcome.beaten_by)} on the split {split}" if outcome.beaten_by else None
    return None


def _stands(kind: LoadedKind, answer: Answer) -> bool:
    """True for a number of a kind that no naive baseline beat there."""
    return isinstance(answer, Prediction) and kind.beaten_in(answer.calibrated_on) is None


def _breadth(answer: Prediction) -> float:
    """How wide an answer is: the logarithm of hi over lo at 80 %, infinite without."""
    found = answer.interval(LEVELS[1])
    return math.log(found.hi / found.lo) if found is not None and found.lo > 0 else math.inf


def _sign(answer: Prediction, model: str, passed: Sequence[str]) -> Prediction:
    """Name who answered, and who did not. By hand: ``replace`` takes five times as long, for every cell of a matrix."""
    return Prediction(
        answer.metric, answer.value, answer.unit, answer.intervals, answer.layer, (*answer.reasons, *passed),
        answer.evidence, answer.calibrated_on, answer.calibration_n, answer.calibration_groups, model, answer.flags,
        answer.would_change,
    )  # fmt: skip


def _say_wider(name: str, answer: Prediction) -> str:
    wide = _breadth(answer)
    kind = name.split(" ", maxsplit=1)[0]
    said = f"hi / lo at {LEVELS[1]:.0%} is {math.exp(wide):.2f}" if math.isfinite(wide) else "it has no interval"
    return f"{kind}: {said}"


def _abstain(
    question: Question, answers: Sequence[Answer], passed: Sequence[str], broken: Mapping[str, str]
) -> Abstention:
    reasons = [*passed, *(f"{name}: could not be loaded: {why}" for name, why in broken.items())]
    measure = [hint for one in answers if isinstance(one, Abstention) for hint in one.measure if hint]
    said = "; ".join(dict.fromkeys(reasons)) or "no predictor has been learned or shipped"
    hints = dict.fromkeys(measure) or {"assay predict train": None}
    return Abstention(question.metric, said, tuple(hints))
