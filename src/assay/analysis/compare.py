"""Two or more sides beside each other, case by case, with the verdicts of METHOD 6 (*compare*).

Rule A holds for interleaved launches, so whether they were is read from when they were made. Where they were not, a
difference may be the machine's, and no verdict says more than *suspect*. May import: core, catalog, stats, store,
analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from assay.analysis.floors import Floors, read_floors
from assay.analysis.launch_values import LaunchValues, read_launch_values, settle_stat
from assay.analysis.pairing import HARDWARE, Pair, find_varied, pair_results
from assay.analysis.sides import SideResults
from assay.analysis.values import CompareReport, Comparison, GeometricMean, Side
from assay.catalog.metrics import metrics as registry
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Change, Direction, Fidelity, Status
from assay.stats.change import FEWEST_FOR_VERDICT, estimate_ratio, judge_ratio
from assay.stats.ratios import geometric_mean
from assay.store.query import fetch_rows
from assay.store.schema import ENVIRONMENTS, HEADLINE_PHASE
from assay.store.selection import ANY

if TYPE_CHECKING:
    from assay.store import Store

_DIFFERS = (Change.REGRESSED, Change.IMPROVED, Change.SUSPECT)
AT_OTHER_TIMES = (
    "the launches were made at other times, so the machine may differ; fresh interleaved launches would tell"
)
OTHER_MACHINES = (
    "made on other machines, whose launches cannot be interleaved: the interval knows nothing of other days"
)
_MOST_ROUNDS_AHEAD = 2


def compare_runs(
    store: Store,
    sides: Sequence[Side],
    *,
    metric: str = "latency_ns",
    stat: str | None = None,
    across: Iterable[str] = (),
    is_interleaved: bool | None = None,
    phase: str | None = None,
    with_imported: bool = False,
) -> CompareReport:
    """Compare the results of the sides' runs, case by case, with those of the first side.

    ``across`` names fields of the case in which the sides differ on purpose, beside those that are found (see
    ``pairing.find_varied``). ``is_interleaved`` None reads from the launches' times whether they were; True or False is
    the caller's word for all. ``with_imported`` lets imported numbers stand beside measured ones.
    Raises UnknownNameError for a metric, statistic or field that nobody knows, StoreError.
    """
    run_ids = list(dict.fromkeys(run_id for side in sides for run_id in side.run_ids))
    results = list(store.results(run_id=run_ids, provenance=ANY))
    groups = [SideResults(side, tuple(one for one in results if one.run_id in side.run_ids)) for side in sides]
    return compare_groups(
        store,
        groups,
        metric=metric,
        stat=stat,
        across=across,
        is_interleaved=is_interleaved,
        phase=phase,
        with_imported=with_imported,
    )


def compare_groups(
    store: Store,
    groups: Sequence[SideResults],
    *,
    metric: str = "latency_ns",
    stat: str | None = None,
    across: Iterable[str] = (),
    is_interleaved: bool | None = None,
    phase: str | None = None,
    with_imported: bool = False,
) -> CompareReport:
    """Compare given results, as :func:`compare_runs` does with all of some runs: the engines of one run, say."""
    stat = settle_stat(metric, stat)
    run_ids = list(dict.fromkeys(run_id for group in groups for run_id in group.side.run_ids))
    varied = find_varied([group.results for group in groups], across)
    judge = _Judge(
        metric=metric,
        stat=stat,
        phase=phase,
        direction=registry.get(metric).direction,
        values=read_launch_values(store, run_ids, metric, stat, phase=phase),
        floors=read_floors(store),
        origins=_read_origins(store, run_ids),
        varied=varied,
        is_interleaved=is_interleaved,
        with_imported=with_imported,
        labels=tuple(group.side.label for group in groups),
    )
    pairs = pair_results([group.results for group in groups], varied)
    judged = [judge.compare(pair, side) for side in range(1, len(groups)) for pair in pairs if _is_of(pair, side)]
    known = [one.is_interleaved for one in judged if one.is_interleaved is not None]
    means = [_mean(side, [one.comparison for one in judged]) for side in range(1, len(groups))]
    return CompareReport(
        sides=tuple(group.side for group in groups),
        metric=metric,
        stat=stat,
        unit=registry.get(metric).unit,
        direction=judge.direction,
        comparisons=tuple(one.comparison for one in judged),
        means=tuple(mean for mean in means if mean is not None),
        is_interleaved=(bool(known) and all(known)) if is_interleaved is None else is_interleaved,
        varied=varied,
    )


def were_interleaved(a: Sequence[datetime | None], b: Sequence[datetime | None]) -> bool:
    """Say whether two sides took turns: neither was ever more than two launches of its share ahead of the other.

    Compared are shares of all launches made so far, as one side may have more of them. Without a time: False.
    """
    times = [(time, place) for place, side in enumerate((a, b)) for time in side]
    known = [(time, place) for time, place in times if time is not None]
    if len(known) < len(times) or not a or not b:
        return False
    limit = _MOST_ROUNDS_AHEAD / min(len(a), len(b)) + 1e-9
    shares = [0.0, 0.0]
    for _, place in sorted(known):
        shares[place] += 1 / (len(a), len(b))[place]
        if abs(shares[0] - shares[1]) > limit:
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a run was made: its environment, and the machine."""

    env_id: str
    host_id: str | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A comparison, and whether its launches took turns; None where there were none to compare."""

    comparison: Comparison
    is_interleaved: bool | None = None


@dataclass(frozen=True, slots=True)
class _Judge:
    """What every comparison of one report needs to know."""

    metric: str
    stat: str
    phase: str | None
    direction: Direction
    values: Mapping[str, LaunchValues]
    floors: Floors
    origins: Mapping[str, _Origin]
    varied: tuple[str, ...]
    is_interleaved: bool | None
    with_imported: bool
    labels: tuple[str, ...]

    def compare(self, pair: Pair, side: int) -> _Judged:
        """Compare one case of one side with the baseline's."""
        a, b = pair.results[0], pair.results[side]
        blank = Comparison(
            case_label=pair.label,
            side=side,
            series_a=a.series_id if a else None,
            series_b=b.series_id if b else None,
            result_a=a.result_id if a else None,
            result_b=b.result_id if b else None,
            value_a=self._value(a),
            value_b=self._value(b),
            change=Change.NEW,
        )
        if a is None or b is None:
            lacking = self.labels[0] if a is None else self.labels[side]
            change = Change.NEW if a is None else Change.MISSING
            return _Judged(replace(blank, change=change, reasons=(f"{lacking} has no such case",)))
        notes = self._repeated(pair, side)
        obstacle = self._obstacle(a, b, side)
        if obstacle is not None:
            change, reason = obstacle
            return _Judged(replace(blank, change=change, reasons=(reason, *notes)))
        return self._judge(blank, a, b, notes)

    def _judge(self, blank: Comparison, a: ResultRecord, b: ResultRecord, notes: tuple[str, ...]) -> _Judged:
        of_a, of_b = self.values[a.result_id], self.values[b.result_id]
        notes = (*self._notes(a, b, of_a, of_b, blank.side), *notes)
        estimate = estimate_ratio(of_a.values, of_b.values)
        floor = max(self._floor(a), self._floor(b))
        if estimate is None:
            few = f"{len(of_a.values)} and {len(of_b.values)} launches; an interval takes 2 a side"
            return _Judged(
                replace(
                    blank,
                    change=Change.INCONCLUSIVE,
                    floor=floor,
                    reasons=(few, *notes),
                    launches_needed=FEWEST_FOR_VERDICT,
                )
            )
        judgement = judge_ratio(estimate, direction=self.direction, floor=floor)
        change, reasons = judgement.change, judgement.reasons
        took_turns = self._took_turns(a, b, of_a, of_b)
        if change in _DIFFERS and not took_turns:
            if a.hardware != b.hardware and self._origin(a).host_id != self._origin(b).host_id:
                reasons = (*reasons, OTHER_MACHINES)
            else:
                change = Change.INCONCLUSIVE if change is Change.IMPROVED else Change.SUSPECT
                reasons = (*reasons, AT_OTHER_TIMES)
        needed = judgement.launches_needed
        comparison = replace(
            blank,
            change=change,
            estimate=estimate,
            floor=floor,
            reasons=(*reasons, *notes),
            launches_needed=needed,
        )
        return _Judged(comparison, took_turns)

    # -- what keeps two results from being compared ------------------------------------------------------------

    def _obstacle(self, a: ResultRecord, b: ResultRecord, side: int) -> tuple[Change, str] | None:
        """Return why two results cannot be compared, the more telling reason first; None where they can."""
        for label, one in ((self.labels[0], a), (self.labels[side], b)):
            found = _unusable(one)
            if found is not None:
                return found[0], f"{label}: {found[1]}"
        if a.provenance is not b.provenance and not self.with_imported:
            words = f"{a.provenance} in {self.labels[0]}, {b.provenance} in {self.labels[side]}"
            return Change.INCOMPARABLE, f"{words}: these are compared only where that is asked for"
        if _differ(a.unit_of_work, b.unit_of_work):
            words = f"{a.unit_of_work} in {self.labels[0]}, {b.unit_of_work} in {self.labels[side]}"
            return Change.INCOMPARABLE, f"other units of work: {words}"
        if _differ(a.units_per_call, b.units_per_call) and not self._changes_work():
            words = f"{a.units_per_call:g} and {b.units_per_call:g}"
            return Change.INCOMPARABLE, f"one call does other work: {words} {a.unit_of_work}s"
        return self._valueless(a, b, side)

    def _valueless(self, a: ResultRecord, b: ResultRecord, side: int) -> tuple[Change, str] | None:
        for label, one in ((self.labels[0], a), (self.labels[side], b)):
            found = self.values.get(one.result_id)
            if found is None or not found.values:
                return Change.INCOMPARABLE, f"{label}: {found.reason if found else 'it has no launches'}"
            if min(found.values) <= 0:
                return Change.INCOMPARABLE, f"{label}: a launch gave {min(found.values):g}, which has no ratio"
        return None

    def _changes_work(self) -> bool:
        """True where the sides differ on purpose in what one call does: the batch, a dimension, the workload."""
        return bool(set(self.varied) - {"engine", "device", "precision", HARDWARE, "threads"})

    # -- what is to be known beside a verdict ------------------------------------------------------------------

    def _repeated(self, pair: Pair, side: int) -> tuple[str, ...]:
        return tuple(
            f"{self.labels[place]} has {pair.repeated[place] + 1} results of it: the newest counts"
            for place in (0, side)
            if pair.repeated[place]
        )

    def _notes(
        self, a: ResultRecord, b: ResultRecord, of_a: LaunchValues, of_b: LaunchValues, side: int
    ) -> tuple[str, ...]:
        notes = []
        for label, found in ((self.labels[0], of_a), (self.labels[side], of_b)):
            if found.contaminated:
                notes.append(f"{label}: {found.contaminated} of {len(found.values)} launches were disturbed")
            if found.reason:
                notes.append(f"{label}: {found.reason}")
        if _differ(a.units_per_call, b.units_per_call) and self.metric != "throughput_per_s":
            words = f"{a.units_per_call:g} and {b.units_per_call:g} {a.unit_of_work}s"
            notes.append(f"one call does {words}: throughput_per_s compares the work")
        if a.effective_precision != b.effective_precision and "precision" not in self.varied:
            notes.append(
                f"ran {a.effective_precision} in {self.labels[0]}, {b.effective_precision} in {self.labels[side]}"
            )
        return tuple(notes)

    def _took_turns(self, a: ResultRecord, b: ResultRecord, of_a: LaunchValues, of_b: LaunchValues) -> bool:
        if self.is_interleaved is not None:
            return self.is_interleaved
        hosts = {self._origin(a).host_id, self._origin(b).host_id}
        return len(hosts) == 1 and were_interleaved(of_a.started_at, of_b.started_at)

    def _floor(self, result: ResultRecord) -> float:
        return self.floors.floor(result.series_id, self.metric, self._origin(result).env_id)

    def _origin(self, result: ResultRecord) -> _Origin:
        return self.origins.get(result.run_id, _Origin("", None))

    def _value(self, result: ResultRecord | None) -> float | None:
        """The result's own number, in the phase asked for, else the steady one, else the only one there is."""
        if result is None:
            return None
        found = [one for one in result.metrics if (one.name, one.stat) == (self.metric, self.stat)]
        wanted = self.phase or (HEADLINE_PHASE if len(found) > 1 else None)
        chosen: list[MetricValue] = [one for one in found if wanted is None or one.phase == wanted]
        return chosen[0].value if chosen else None


def _unusable(result: ResultRecord) -> tuple[Change, str] | None:
    if result.status is not Status.OK:
        reason = f"{result.status.text}: {result.reason or 'no reason recorded'}"
        return (Change.FAILED if result.status.is_failure else Change.INCOMPARABLE), reason
    if result.fidelity is Fidelity.FAILED:
        return Change.INCOMPARABLE, f"its answers are wrong: {result.fidelity_reason or 'fidelity failed'}"
    marks = [f"{mark}: {why}" for mark, why in result.marks.items() if mark.excludes]
    return (Change.INCOMPARABLE, f"not to be used: {'; '.join(marks)}") if marks else None


def _is_of(pair: Pair, side: int) -> bool:
    return pair.results[0] is not None or pair.results[side] is not None


def _differ(one: object, other: object) -> bool:
    """True where both are known and not the same: what a source does not say is no difference."""
    return one is not None and other is not None and one != other


def _mean(side: int, comparisons: Sequence[Comparison]) -> GeometricMean | None:
    """The geometric mean over the cases of a side that were compared; None where none was."""
    of_side = [one for one in comparisons if one.side == side]
    estimates = [one.estimate for one in of_side if one.estimate is not None]
    if not estimates:
        return None
    mean = geometric_mean(
        [one.ratio for one in estimates], [one.error_log**2 for one in estimates], df=[one.df for one in estimates]
    )
    return GeometricMean(side, mean.ratio, mean.n, len(of_side), mean.lo95, mean.hi95)


def _read_origins(store: Store, run_ids: Sequence[str]) -> dict[str, _Origin]:
    sql = """
    SELECT run_id, env_id, host_id FROM runs LEFT JOIN environments USING (env_id)
    WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
    """
    rows = fetch_rows(store.location, sql, [list(run_ids)], tables=[ENVIRONMENTS], versions=store.versions)
    return {row["run_id"]: _Origin(row["env_id"], row["host_id"]) for row in rows}
