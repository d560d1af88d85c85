"""What a predictor is: a kind that learns from examples, what it learned, and how both are kept. Registered by name.

A kind answers one family of questions (operations of graphs, published systems, kernels, serving, power). What it
learned is plain data: a JSON-able mapping and arrays of numbers, so that no file has to be unpickled. May import:
core, predict.values, predict.scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.registry import Registry
from assay.predict.scores import SplitOutcome
from assay.predict.values import Answer, Question

if TYPE_CHECKING:
    from assay.store import Store


@dataclass(frozen=True, slots=True)
class ExampleSource:
    """Where examples may be read: ``store`` None for no store; ``folders`` hold published data, each as it came."""

    store: Store | None = None
    folders: tuple[Path, ...] = ()

    def find(self, name: str) -> Path | None:
        """The first folder called ``name``, or that holds one of that name; None where there is none."""
        for folder in self.folders:
            for one in (folder, folder / name):
                if one.name == name and one.is_dir():
                    return one
        return None


@dataclass(frozen=True, slots=True)
class DataUse:
    """What was learned from: a name, its rows, a hash of its content, its licence where it is published."""

    name: str
    rows: int
    sha256: str
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """Examples of one kind (their type is the kind's own) and what they were read from. Empty where there was none."""

    examples: Sequence[Any]
    uses: tuple[DataUse, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Payload:
    """What was learned, as it is kept. ``meta`` is JSON-able; ``arrays`` hold numbers of fixed width, never objects."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, Any] = field(default_factory=dict)


class Fitted(Protocol):
    """A kind that has learned."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions in their order; one that is not for it, or too far away, with an abstention."""
        ...

    def payload(self) -> Payload:
        """What `PredictorKind.load` reads back to the same answers, bit for bit."""
        ...


@dataclass(frozen=True, slots=True)
class PredictorKind:
    """One way to predict. Heavy imports stay inside its functions.

    ``gather`` reads examples, ``fit`` learns (examples, seed), ``load`` reads back a payload (raises AssayError where
    it is not sound), ``validate`` runs one of ``splits`` beside naive baselines (examples, split, seed).
    ``fewest`` examples make learning worth a try; ``packages`` are needed to learn, not to answer.
    ``is_self_taught``: a store's own results are all it needs, so it may be learned again by itself. ``prefix``: names
    of workloads that begin so have no graph (``mlperf/resnet``), and only kinds with that prefix are asked about them.
    """

    name: str
    title: str
    metrics: tuple[str, ...]
    splits: Mapping[str, str]
    gather: Callable[[ExampleSource], Gathered]
    fit: Callable[[Gathered, int], Fitted]
    load: Callable[[Payload], Fitted]
    validate: Callable[[Gathered, str, int], SplitOutcome]
    fewest: int = 30
    packages: tuple[str, ...] = ()
    install_hint: str = "pip install 'assay[predict]'"
    is_self_taught: bool = False
    prefix: str = ""


predictors: Registry[PredictorKind] = Registry("predictor")
