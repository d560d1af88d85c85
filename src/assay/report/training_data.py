"""Measured trainings as reports read them: the newest result of each case, and the curves of its launches.

May import: core, catalog, store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.catalog.training_series import (
    BILLIONTH,
    EACH_EVALUATION,
    EACH_STEP,
    EVAL_ACCURACY,
    EVAL_LOSS,
    EVAL_STEP,
    EVAL_WALL,
    LOSS,
)
from assay.core.case import Case
from assay.core.records import ResultRecord
from assay.core.words import Mode, Provenance, Status
from assay.store.query import fetch_rows
from assay.store.schema import LAUNCHES, SAMPLES

if TYPE_CHECKING:
    from assay.store import Store

_SERIES = (*EACH_STEP, *EACH_EVALUATION)
_BILLION = 1 / float(BILLIONTH)


@dataclass(frozen=True, slots=True)
class TrainedLaunch:
    """One launch that trained: what it said of itself, its curves, and the seed where launches have their own.

    ``losses`` has one value a step; the others one value an evaluation. Empty where they were not kept.
    """

    result_id: str
    ordinal: int
    facts: Mapping[str, str] = field(default_factory=dict)
    stop_reason: str | None = None
    losses: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    wall_ns: tuple[int, ...] = ()
    accuracies: tuple[float, ...] = ()
    test_losses: tuple[float, ...] = ()
    step_ns: float | None = None

    @property
    def label(self) -> str:
        """How its curve is called."""
        return f"launch {self.ordinal + 1}"


@dataclass(frozen=True, slots=True)
class Training:
    """One case that was trained, with its launches in order."""

    result: ResultRecord
    launches: tuple[TrainedLaunch, ...]

    @property
    def case(self) -> Case:
        """What was trained. Raises AssayError for a result that assay did not measure."""
        return self.result.own_case

    @property
    def options(self) -> dict[str, Any]:
        """The options of the case."""
        return dict(self.case.options)

    @property
    def has_target(self) -> bool:
        """True where it was trained to a quality, and not for a number of steps."""
        return "target" in self.options

    def fact(self, name: str) -> str | None:
        """What its launches say of themselves under this name: of the first that says it."""
        return next((one.facts[name] for one in self.launches if name in one.facts), None)

    @property
    def dataset(self) -> str:
        """What it learns from, and whether that is real: ``digits (real)``; without a data set, its own task."""
        name = self.fact("dataset") or str(self.options.get("dataset", "its own task"))
        kind = self.fact("dataset_kind")
        return name if kind is None else f"{name} ({kind})"


def is_measured_training(result: ResultRecord) -> bool:
    """True of a training that assay made itself, however it ended."""
    return result.provenance is Provenance.MEASURED and result.case.mode is Mode.TRAINING


def newest_each(results: Sequence[ResultRecord]) -> list[ResultRecord]:
    """The newest result of each case on each hardware that ended well, else the newest; in the order of their runs."""
    chosen: dict[str, ResultRecord] = {}
    for result in sorted(results, key=lambda one: (one.status is Status.OK, one.result_id)):
        chosen[result.series_id] = result
    return sorted(chosen.values(), key=lambda one: one.result_id)


def read_trainings(store: Store, results: Sequence[ResultRecord]) -> list[Training]:
    """Read the launches of some measured trainings with their curves. Raises StoreError."""
    wanted = [one for one in results if is_measured_training(one)]
    if not wanted:
        return []
    series = _read_series(store, [one.result_id for one in wanted])
    found: dict[str, list[TrainedLaunch]] = {}
    for row in _read_launches(store, [one.result_id for one in wanted]):
        launch = _launch(row, series.get(row["launch_id"], {}))
        found.setdefault(launch.result_id, []).append(launch)
    return [Training(one, tuple(found.get(one.result_id, ()))) for one in wanted]


def _read_launches(store: Store, result_ids: Sequence[str]) -> list[dict[str, Any]]:
    return fetch_rows(
        store.location,
        f"""
        SELECT launch_id, result_id, ordinal, engine_facts, stop_reason, median_ns FROM launches
        WHERE result_id IN ({_marks(result_ids)}) AND status = '{Status.OK}' ORDER BY result_id, ordinal
        """,  # noqa: S608  (words of ours; ids are bound)
        list(result_ids),
        tables=[LAUNCHES],
        versions=store.versions,
    )


def _read_series(store: Store, result_ids: Sequence[str]) -> dict[str, dict[str, tuple[int, ...]]]:
    rows = fetch_rows(
        store.location,
        f"""
        SELECT launch_id, name, "values" FROM samples
        WHERE result_id IN ({_marks(result_ids)}) AND name IN ({_marks(_SERIES)}) AND rank = 0
        """,  # noqa: S608  (marks of ours; values are bound)
        [*result_ids, *_SERIES],
        tables=[SAMPLES],
        versions=store.versions,
    )
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for row in rows:
        found.setdefault(row["launch_id"], {})[row["name"]] = tuple(row["values"])
    return found


def _launch(row: Mapping[str, Any], series: Mapping[str, tuple[int, ...]]) -> TrainedLaunch:
    def shares(name: str) -> tuple[float, ...]:
        return tuple(value / _BILLION for value in series.get(name, ()))

    return TrainedLaunch(
        result_id=row["result_id"],
        ordinal=row["ordinal"],
        facts=dict(row["engine_facts"]),
        stop_reason=row["stop_reason"],
        losses=shares(LOSS),
        steps=series.get(EVAL_STEP, ()),
        wall_ns=series.get(EVAL_WALL, ()),
        accuracies=shares(EVAL_ACCURACY),
        test_losses=shares(EVAL_LOSS),
        step_ns=row["median_ns"],
    )


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)
