"""How far equal things differ here: the launches of stored runs, series by series, as calibrations (METHOD 6).

A calibration is of one series in one environment: launches of several runs are put together only where no environment
break lies between them. May import: core, catalog, stats, store, analysis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assay.analysis.launch_values import LaunchValues, read_launch_values, settle_stat
from assay.analysis.noise_floor import NoiseFloor, measure_noise_floor, wilson_interval
from assay.analysis.surroundings import Surroundings
from assay.catalog.metrics import metrics as registry
from assay.core.ids import new_id
from assay.core.records import CalibrationRecord, ResultRecord
from assay.core.words import Direction
from assay.stats.change import DEFAULT_FLOOR, FEWEST_FOR_VERDICT, is_worse_ratio
from assay.stats.power import POWER, required_launches, smallest_change
from assay.store.query import fetch_rows

if TYPE_CHECKING:
    from assay.store import Store

DEFAULT_LAUNCHES = 20
FEWEST_LAUNCHES = 2 * FEWEST_FOR_VERDICT


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One series: what is kept of it, all that its launches showed, and what is to be known of them.

    ``values`` are the launches in the order they were made, in ``unit``; ``contaminated`` of them were disturbed.
    """

    record: CalibrationRecord
    noise: NoiseFloor
    unit: str
    values: tuple[float, ...]
    contaminated: int
    notes: tuple[str, ...] = ()

    @property
    def is_disturbed(self) -> bool:
        """True where most launches were contaminated: as a floor it would hide real changes on a quiet machine."""
        return 2 * self.contaminated > self.record.launches


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """Every series that could be calibrated, and why the others could not, by case.

    ``alarms`` of ``comparisons`` that share no launch were called changed; ``rate_lo`` and ``rate_hi`` bound their
    share at 95 % (Wilson), None without any comparison.
    """

    calibrated: tuple[Calibrated, ...]
    left_out: tuple[tuple[str, str], ...]
    comparisons: int
    alarms: int
    rate_lo: float | None = None
    rate_hi: float | None = None


def calibrate_runs(
    store: Store, run_ids: Sequence[str], *, metric: str = "latency_ns", now: datetime | None = None
) -> CalibrationReport:
    """Calibrate every series of these runs from their launches; nothing is kept yet (see ``Store.calibrations``).

    Disturbed launches count as any other, since comparisons count them too; a note says how many there are.
    Raises UnknownNameError for a metric that nobody knows, StoreError.
    """
    stat = settle_stat(metric, None)
    values = read_launch_values(store, run_ids, metric, stat)
    surroundings = Surroundings(store)
    environments = _read_environments(store, run_ids)
    groups: dict[tuple[str, str], list[ResultRecord]] = {}
    for result in store.results(run_id=list(run_ids)):
        groups.setdefault((result.series_id, surroundings.name(environments[result.run_id])), []).append(result)
    moment = now or datetime.now(UTC)
    calibrated: list[Calibrated] = []
    left_out: list[tuple[str, str]] = []
    for group in groups.values():
        usable = [result for result in group if result.is_usable]
        made = _in_order([values[result.result_id] for result in usable])
        if len(made) < FEWEST_LAUNCHES:
            left_out.append((group[-1].case.label, _why_left_out(group, values, len(made))))
            continue
        noise = measure_noise_floor(made)
        disturbed = sum(values[result.result_id].contaminated for result in usable)
        calibrated.append(
            Calibrated(
                record=_record(usable, noise, metric, stat, environments[usable[-1].run_id], moment),
                noise=noise,
                unit=registry.get(metric).unit,
                values=tuple(made),
                contaminated=disturbed,
                notes=tuple(_notes(noise, disturbed, registry.get(metric).direction)),
            )
        )
    comparisons, alarms = (sum(getattr(one.noise, name) for one in calibrated) for name in ("comparisons", "alarms"))
    low, high = wilson_interval(alarms, comparisons) if comparisons else (None, None)
    return CalibrationReport(tuple(calibrated), tuple(left_out), comparisons, alarms, low, high)


def _read_environments(store: Store, run_ids: Sequence[str]) -> dict[str, str]:
    sql = "SELECT run_id, env_id FROM runs WHERE run_id IN (SELECT unnest(?::VARCHAR[]))"
    rows = fetch_rows(store.location, sql, [list(run_ids)], tables=(), versions=store.versions)
    return {row["run_id"]: row["env_id"] for row in rows}


def _in_order(launches: Sequence[LaunchValues]) -> list[float]:
    """Return the values of all launches, in the order in which they were made."""
    found = [
        (started_at.timestamp() if started_at is not None else 0.0, launch_id, value)
        for one in launches
        for started_at, launch_id, value in zip(one.started_at, one.launch_ids, one.values, strict=True)
    ]
    return [value for _, _, value in sorted(found)]


def _why_left_out(group: Sequence[ResultRecord], values: Mapping[str, LaunchValues], count: int) -> str:
    reasons = [values[result.result_id].reason if result.is_usable else _unusable(result) for result in group]
    why = next((reason for reason in reasons if reason is not None), None)
    few = f"{count} launches; two sides of {FEWEST_FOR_VERDICT} take {FEWEST_LAUNCHES}"
    return few if why is None else f"{few} ({why})"


def _unusable(result: ResultRecord) -> str:
    return result.reason or result.fidelity_reason or result.status.text


def _record(
    usable: Sequence[ResultRecord], noise: NoiseFloor, metric: str, stat: str, env_id: str, now: datetime
) -> CalibrationRecord:
    newest = usable[-1]
    return CalibrationRecord(
        calibration_id=new_id(),
        created_at=now,
        series_id=newest.series_id,
        case_label=newest.case.label,
        metric=metric,
        stat=stat,
        run_ids=tuple(dict.fromkeys(result.run_id for result in usable)),
        env_id=env_id,
        hardware=newest.hardware,
        launches=noise.launches,
        launches_a_side=noise.launches_a_side,
        sd_log=noise.sd_log,
        floor=noise.floor,
        false_alarm_rate=noise.false_alarm_rate,
        splits=noise.splits,
        # By the floor that is in force once this is kept: what comparing will really find.
        smallest_change=smallest_change(noise.sd_log, noise.launches_a_side, floor=max(DEFAULT_FLOOR, noise.floor)),
        power=POWER,
        launches_for_floor=required_launches(noise.sd_log, DEFAULT_FLOOR),
        is_bimodal=noise.groups is not None,
    )


def _notes(noise: NoiseFloor, contaminated: int, direction: Direction) -> list[str]:
    """What a reader of the figures has to know of the launches that they come from."""
    notes = []
    if contaminated:
        notes.append(
            f"{contaminated} of {noise.launches} launches were contaminated: this is the floor of a disturbed machine"
        )
    if noise.groups is not None:
        low, high = noise.groups
        notes.append(
            f"the launches fall into two groups, {low.launches} and {high.launches} of them, "
            f"{_percent(high.value / low.value - 1)} apart: something is settled at the start of each process"
        )
    if noise.has_drifted:
        word = {True: " worse", False: " better", None: ""}[is_worse_ratio(noise.drift_ratio, direction)]
        notes.append(
            f"the later half is {_percent(abs(noise.drift_ratio - 1))}{word or ' off'} (p {noise.drift_p:.1g}): "
            "the machine drifted, which only interleaved launches take out"
        )
    if noise.block_difference > max(noise.floor, DEFAULT_FLOOR):
        notes.append(
            f"neighbouring blocks of {noise.launches_a_side} launches differ by up to "
            f"{_percent(noise.block_difference)}: so may sides that were not interleaved"
        )
    return notes


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
