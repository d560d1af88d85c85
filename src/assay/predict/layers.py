"""Who answers a question: what was measured, else the kind of predictor whose tested intervals are the narrowest.

A kind that a naive baseline beat on the split of the question's situation does not answer there. What fits no memory,
or lies outside of what every kind learned from, gets an abstention with all the reasons. May import: core, store,
analysis, predict.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.core.errors import AssayError, UnsupportedError
from assay.predict.base import Fitted, Payload
from assay.predict.measured import MeasuredNumbers
from assay.predict.memory import MemoryCorrection, MemoryEstimate, context_bytes, estimate_memory
from assay.predict.memory_kind import KIND as MEMORY
from assay.predict.memory_kind import METRICS, MemoryModel
from assay.predict.model_file import ModelRecord
from assay.predict.narrowest import Narrowest
from assay.predict.numbers import NONE, SITUATIONS, Alike, Numbers, find_alike, from_answers, numbers_of
from assay.predict.values import LEVELS, Abstention, Answer, Prediction, Question, Situation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assay.store import Store

    Array = NDArray[Any]

_Sizes = dict[tuple[int, str, str, str, str], MemoryEstimate | None]
LAST = "roofline"
ORDER = ("own", "transfer", "graph", "system", "power", "serving", "llm", "kernels", "memory", "roofline")
"""In which kinds are asked; the narrower interval wins whatever the order."""
_SPLIT_OF: Mapping[Situation, tuple[str, ...]] = {
    Situation.KNOWN: ("case", "random", "model"),
    Situation.UNSEEN_BATCH: ("batch", "model"),
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

    def tells(self, asked: Alike, published: tuple[str, ...] = ()) -> Array:
        """Where the kind may answer, (n,): its metrics, and of workloads that begin with one of ``published`` its own.

        A kind of no known metrics may answer any.
        """
        import numpy as np

        of_metric = [not self.metrics or one in self.metrics for one in asked.metrics]
        of_model = [
            not name.startswith(published) or (bool(self.prefix) and name.startswith(self.prefix))
            for name, _ in asked.models
        ]
        return np.asarray(
            np.array(of_metric, dtype=bool)[asked.of_metric] & np.array(of_model, dtype=bool)[asked.of_model]
        )

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
            return self.numbers(questions).answers()

    def numbers(self, questions: Sequence[Question]) -> Numbers:
        """Answer as arrays; of each question the reasons are found where its answer is asked for."""
        with _no_collection():
            return self._numbers(questions)

    def _numbers(self, questions: Sequence[Question]) -> Numbers:
        import numpy as np

        known, risks = self._find_known(questions)
        asked, count = find_alike(questions), len(questions)
        best = Narrowest.of(count)
        given = np.array(list(known), dtype=np.int64)
        best.take(NONE, given, np.arange(len(known)), from_answers(list(known.values())), 0.0)
        left = np.ones(count, dtype=bool)
        left[given] = False
        published = tuple({kind.prefix for kind in self.kinds if kind.prefix})
        said: list[tuple[LoadedKind, Array, Numbers]] = []
        for who, kind in enumerate(self.kinds):
            can = left & kind.tells(asked, published)
            if kind.record.kind == LAST:  # the last resort is asked only where nobody else has a number
                can &= best.by == NONE
            places = np.flatnonzero(can)
            if places.size:
                own = questions if len(places) == count else [questions[place] for place in places.tolist()]
                found = numbers_of(kind.fitted, own, asked.take(places))
                best.consider(who, places, found, _stands(kind, found))
                at = np.full(count, NONE, dtype=np.int64)
                at[places] = np.arange(len(places))
                said.append((kind, at, found))

        def explain(place: int) -> Answer:
            if place in known:
                return known[place]
            heard = [(kind, found.explain(int(at[place]))) for kind, at, found in said if at[place] != NONE]
            who = int(best.by[place])
            answer = _tell(questions[place], heard, None if who == NONE else self.kinds[who], self.broken)
            if place in risks and isinstance(answer, Prediction):
                return replace(answer, flags=(*answer.flags, risks[place]))
            return answer

        return best.numbers(explain, tuple(kind.name for kind in self.kinds))

    def _find_known(self, questions: Sequence[Question]) -> tuple[dict[int, Answer], dict[int, str]]:
        """What was measured, and what surely does not fit, by place; and what may not."""
        known: dict[int, Answer] = {}
        risks: dict[int, str] = {}
        sizes: _Sizes = {}
        for place, question in enumerate(questions):
            answer: Answer | None = self.measured.find(question) if self.measured.known else None
            risk = None
            if answer is None:
                answer, risk = self._judge_memory(question, sizes)
            if answer is not None:
                known[place] = answer
            if risk is not None:
                risks[place] = risk
        return known, risks

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


def _stands(kind: LoadedKind, found: Numbers) -> Array:
    """Where a kind has a number, and no naive baseline beat it on questions like that, (n,)."""
    import numpy as np

    stands = ~np.isnan(found.values)
    for code in np.unique(found.situations[stands]).tolist():
        if code != NONE and kind.beaten_in(SITUATIONS[code]) is not None:
            stands &= found.situations != code
    return stands


def _tell(
    question: Question, heard: Sequence[tuple[LoadedKind, Answer]], best: LoadedKind | None, broken: Mapping[str, str]
) -> Answer:
    """Return the answer of the kind that was chosen, saying why the others were not; an abstention for none."""
    chosen: Prediction | None = None
    passed: list[str] = []
    for kind, answer in heard:
        if isinstance(answer, Abstention):
            passed.append(f"{kind.record.kind}: {answer.reason}")
        elif kind is best:
            chosen = answer
        elif (by := kind.beaten_in(answer.calibrated_on)) is not None:
            passed.append(f"{kind.record.kind}: beaten by {by}")
        else:
            passed.append(_say_wider(kind.record.kind, answer))
    if chosen is None or best is None:
        return _abstain(question, [answer for _, answer in heard], passed, broken)
    return _sign(chosen, best.name, [f"not {one}" for one in passed])


def _sign(answer: Prediction, model: str, passed: Sequence[str]) -> Prediction:
    """Name who answered, and who did not. By hand: ``replace`` takes five times as long, for every cell of a matrix."""
    return Prediction(
        answer.metric, answer.value, answer.unit, answer.intervals, answer.layer, (*answer.reasons, *passed),
        answer.evidence, answer.calibrated_on, answer.calibration_n, answer.calibration_groups, model, answer.flags,
        answer.would_change,
    )  # fmt: skip


def _say_wider(kind: str, answer: Prediction) -> str:
    found = answer.interval(LEVELS[1])
    if found is None or found.lo <= 0:
        return f"{kind}: it has no interval"
    return f"{kind}: hi / lo at {LEVELS[1]:.0%} is {found.hi / found.lo:.2f}"


def _abstain(
    question: Question, answers: Sequence[Answer], passed: Sequence[str], broken: Mapping[str, str]
) -> Abstention:
    reasons = [*passed, *(f"{name}: could not be loaded: {why}" for name, why in broken.items())]
    measure = [hint for one in answers if isinstance(one, Abstention) for hint in one.measure if hint]
    said = "; ".join(dict.fromkeys(reasons)) or "no predictor has been learned or shipped"
    hints = dict.fromkeys(measure) or {"assay predict train": None}
    return Abstention(question.metric, said, tuple(hints))
