"""Learning a predictor: gather, validate, fit, keep, and have it answer if it deserves to.

A version that a naive baseline beats on every split is kept and does not answer. May import: core, store, predict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assay import __version__
from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import ExampleSource, Gathered, PredictorKind, predictors
from assay.predict.model_file import ModelRecord
from assay.predict.models import promote, save_model
from assay.predict.scores import SplitOutcome

Listener = Callable[[str], None]
_WORST = 1.0
"""Mean error above which a split is not won, whatever the baselines do: a factor of two is no number to act on."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of learning one kind: the version that was kept, or ``reason`` why there is none.

    ``promoted``: it answers from now on; ``why`` says why, or why not.
    """

    kind: str
    examples: int
    version: str | None = None
    path: Path | None = None
    outcomes: tuple[SplitOutcome, ...] = ()
    promoted: bool = False
    why: str = ""
    reason: str | None = None
    notes: tuple[str, ...] = ()


def choose_kinds(names: Sequence[str]) -> list[PredictorKind]:
    """Return kinds by name, all where none is named. Raises UnknownNameError."""
    return [predictors.get(name) for name in (names or predictors.names())]


def train_kinds(
    names: Sequence[str],
    source: ExampleSource,
    shelf: Path,
    *,
    seed: int = 0,
    splits: Sequence[str] | None = None,
    is_promoting: bool = True,
    listener: Listener = lambda _text: None,
) -> Iterator[Trained]:
    """Learn one kind after the other. ``splits`` None validates all of a kind. Raises UnknownNameError, AssayError."""
    for kind in choose_kinds(names):
        listener(f"{kind.name}: reading")
        gathered = kind.gather(source)
        if len(gathered.examples) < kind.fewest:
            reason = f"{len(gathered.examples)} examples, and it takes {kind.fewest}"
            yield Trained(kind.name, len(gathered.examples), reason=reason, notes=gathered.notes)
            continue
        try:
            outcomes = tuple(validate_kind(kind, gathered, splits, seed=seed, listener=listener))
            record = learn(kind, gathered, outcomes, source, seed=seed, listener=listener)
        except ImportError as error:
            yield Trained(kind.name, len(gathered.examples), reason=f"{error} ({kind.install_hint})")
            continue
        except AssayError as error:
            yield Trained(kind.name, len(gathered.examples), reason=str(error), notes=gathered.notes)
            continue
        path = save_model(record, shelf)
        version = path.stem.rpartition("-")[2]
        deserves, why = judge(outcomes)
        if is_promoting and deserves:
            promote(kind.name, version, shelf, why=why)
        yield Trained(
            kind.name, len(gathered.examples), version, path, outcomes, is_promoting and deserves,
            why if is_promoting else "promoting was not asked for", notes=gathered.notes,
        )  # fmt: skip


def learn(
    kind: PredictorKind, gathered: Gathered, outcomes: Sequence[SplitOutcome], source: ExampleSource, *, seed: int,
    listener: Listener = lambda _text: None,
) -> ModelRecord:  # fmt: skip
    """Fit on all examples and return what is kept of it. Raises AssayError."""
    listener(f"{kind.name}: learning from {len(gathered.examples)} examples")
    fitted = kind.fit(gathered, seed)
    states = {}
    if source.store is not None:
        from assay.store.versions import current_versions

        states = current_versions(source.store.location)
    return ModelRecord(
        kind=kind.name, made_at=datetime.now(UTC), assay_version=__version__, payload=fitted.payload(),
        uses=gathered.uses, outcomes=tuple(outcomes), states=states, seed=seed, notes=gathered.notes,
    )  # fmt: skip


def validate_kind(
    kind: PredictorKind, gathered: Gathered, splits: Sequence[str] | None, *, seed: int = 0,
    listener: Listener = lambda _text: None,
) -> Iterator[SplitOutcome]:  # fmt: skip
    """Run splits one after the other; one that has too little to hold out is left out. Raises UnknownNameError."""
    for name in splits if splits is not None else kind.splits:
        if name not in kind.splits:
            raise UnknownNameError(f"split of {kind.name}", name, kind.splits)
        listener(f"{kind.name}: holding out, split {name}")
        try:
            yield kind.validate(gathered, name, seed)
        except UnknownNameError:
            raise
        except AssayError as error:
            listener(f"{kind.name}: split {name} left out: {error.message}")


def judge(outcomes: Sequence[SplitOutcome]) -> tuple[bool, str]:
    """Say whether a version deserves to answer: it beats every naive baseline on a split at least."""
    if not outcomes:
        return False, "it was held against nothing"
    won = [one.split for one in outcomes if not one.beaten_by and one.own.mean_error <= _WORST]
    lost = [f"{one.split} (by {', '.join(one.beaten_by)})" for one in outcomes if one.beaten_by]
    lost += [f"{one.split} (off by {one.own.mean_error:.0%})" for one in outcomes if one.own.mean_error > _WORST]
    if not won:
        return False, f"a naive baseline beats it on every split: {'; '.join(lost)}"
    return True, f"it beats the naive baselines on {', '.join(won)}" + (f"; not on {'; '.join(lost)}" if lost else "")
