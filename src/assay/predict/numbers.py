"""Answers to many questions as arrays, of which each becomes an object only where somebody looks at it.

A matrix of a thousand models and two hundred devices is 200 000 answers: making the objects of each, with its reasons,
takes longer than telling the numbers. Kinds that can tell numbers so have a method ``numbers``; of the others the
objects are turned into arrays. May import: core, predict.values; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from assay.predict.values import (
    LEVELS,
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    GraphProfile,
    Layer,
    Question,
    Situation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assay.predict.base import Fitted

    Array = NDArray[Any]

LAYERS = tuple(Layer)
SITUATIONS = tuple(Situation)
NONE = -1
"""In place of a number of a layer, a situation or a kind: there is none."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Answers to n questions, in their order.

    ``values`` (n,) in the unit of each metric, NaN where nobody can say. ``lo`` and ``hi`` (n, levels) are intervals
    at ``LEVELS``, NaN where there is none. ``layers`` and ``situations`` (n,) are places in ``LAYERS`` and
    ``SITUATIONS``; ``by`` (n,) is a place in ``models``, the names of those who answered. Each is ``NONE`` without.
    ``explain`` makes the answer of a place.
    """

    values: Array
    lo: Array
    hi: Array
    layers: Array
    situations: Array
    explain: Callable[[int], Answer]
    by: Array | None = None
    models: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many questions were asked."""
        return len(self.values)

    def answers(self) -> list[Answer]:
        """Make every answer."""
        return [self.explain(place) for place in range(len(self))]

    def spread(self, places: Array, count: int, explain: Callable[[int], Answer]) -> Numbers:
        """The same among ``count`` questions, of which these are at ``places``; nobody can say of the others."""
        import numpy as np

        def put(values: Array, empty: float) -> Array:
            found = np.full((count, *values.shape[1:]), empty, dtype=values.dtype)
            found[places] = values
            return found

        by = None if self.by is None else put(self.by, NONE)
        return Numbers(
            put(self.values, np.nan), put(self.lo, np.nan), put(self.hi, np.nan), put(self.layers, NONE),
            put(self.situations, NONE), explain, by, self.models,
        )  # fmt: skip


@runtime_checkable
class TellsNumbers(Protocol):
    """A fitted kind that answers many questions as arrays."""

    def numbers(self, questions: Sequence[Question], asked: Alike | None = None) -> Numbers:
        """Answer questions in their order; ``asked`` is what they share, where it was found already."""
        ...


@dataclass(frozen=True, slots=True)
class Alike:
    """What questions have in common: the distinct values of each part, and whose is whose, (n,) each.

    Graphs and devices are told apart by identity, since comparing them costs more than looking twice, and the rest by
    value.
    """

    graphs: tuple[GraphProfile | None, ...]
    of_graph: Array
    devices: tuple[DeviceProfile, ...]
    of_device: Array
    conditions: tuple[Conditions, ...]
    of_conditions: Array
    models: tuple[tuple[str, str], ...]
    """Workload and family."""
    of_model: Array
    metrics: tuple[str, ...]
    of_metric: Array

    def pairs(self) -> tuple[list[tuple[DeviceProfile, Conditions]], Array]:
        """Each device under each conditions that it is asked about, and whose is whose, (n,)."""
        import numpy as np

        wide = len(self.conditions)
        found, of_pair = np.unique(self.of_device.astype(np.int64) * wide + self.of_conditions, return_inverse=True)
        known = (divmod(one, wide) for one in found.tolist())
        return [(self.devices[one], self.conditions[other]) for one, other in known], of_pair.reshape(-1)

    def take(self, places: Array | slice) -> Alike:
        """The same of some questions."""
        return Alike(
            self.graphs, self.of_graph[places], self.devices, self.of_device[places], self.conditions,
            self.of_conditions[places], self.models, self.of_model[places], self.metrics, self.of_metric[places],
        )  # fmt: skip


def find_alike(questions: Sequence[Question]) -> Alike:
    """Go through the questions once, so that each graph, device and set of conditions is looked at once after it."""
    import numpy as np

    graphs: dict[int, int] = {}
    devices: dict[int, int] = {}
    same: dict[int, int] = {}
    conditions: dict[tuple[object, ...], int] = {}
    models: dict[tuple[str, str], int] = {}
    metrics: dict[str, int] = {}
    kept_graphs: list[GraphProfile | None] = []
    kept_devices: list[DeviceProfile] = []
    kept_conditions: list[Conditions] = []
    rows = []
    for one in questions:
        graph, device, under = one.graph, one.device, one.conditions
        of_graph = graphs.get(id(graph))
        if of_graph is None:
            of_graph = graphs[id(graph)] = len(kept_graphs)
            kept_graphs.append(graph)
        of_device = devices.get(id(device))
        if of_device is None:
            of_device = devices[id(device)] = len(kept_devices)
            kept_devices.append(device)
        of_conditions = same.get(id(under))
        if of_conditions is None:
            key = (under.engine, under.precision, under.batch, under.mode, under.devices, under.options)
            of_conditions = same[id(under)] = conditions.setdefault(key, len(kept_conditions))
            if of_conditions == len(kept_conditions):
                kept_conditions.append(under)
        model = (one.workload, one.family)
        rows.append((
            of_graph, of_device, of_conditions, models.setdefault(model, len(models)),
            metrics.setdefault(one.metric, len(metrics)),
        ))  # fmt: skip
    of = np.array(rows, dtype=np.int32).reshape(-1, 5).T.copy()
    return Alike(
        tuple(kept_graphs), of[0], tuple(kept_devices), of[1], tuple(kept_conditions), of[2], tuple(models), of[3],
        tuple(metrics), of[4],
    )  # fmt: skip


def numbers_of(fitted: Fitted, questions: Sequence[Question], asked: Alike) -> Numbers:
    """Ask a kind for numbers; one that has only objects is asked for those."""
    if isinstance(fitted, TellsNumbers):
        return fitted.numbers(questions, asked)
    return from_answers(fitted.answer(questions))


def from_answers(answers: Sequence[Answer]) -> Numbers:
    """Return the numbers of answers that are there already."""
    import numpy as np

    count = len(answers)
    values = np.full(count, np.nan)
    lo, hi = np.full((count, len(LEVELS)), np.nan), np.full((count, len(LEVELS)), np.nan)
    layers, situations = np.full(count, NONE, dtype=np.int8), np.full(count, NONE, dtype=np.int8)
    by, models = np.full(count, NONE, dtype=np.int16), dict[str, int]()
    for place, answer in enumerate(answers):
        if isinstance(answer, Abstention):
            continue
        if answer.model is not None:
            by[place] = models.setdefault(answer.model, len(models))
        values[place], layers[place] = answer.value, LAYERS.index(answer.layer)
        if answer.calibrated_on is not None:
            situations[place] = SITUATIONS.index(answer.calibrated_on)
        for one in answer.intervals:
            if one.level in LEVELS:
                level = LEVELS.index(one.level)
                lo[place, level], hi[place, level] = one.lo, one.hi
    return Numbers(values, lo, hi, layers, situations, answers.__getitem__, by, tuple(models))
