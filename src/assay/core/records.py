"""What is kept: one frozen value a table row.

The runner makes these, the store keeps them, everything above reads them. Times are UTC; durations are integer
nanoseconds; a number that is not known is None. May import: standard library and core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assay.core.case import AnyCase, Case
from assay.core.display import Displayed
from assay.core.errors import AssayError
from assay.core.words import Change, Fidelity, Mark, Provenance, RunStatus, Status, Verdict

SCHEMA_VERSION = 5


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One number of a result: which metric, which statistic of it, in which phase, and how sure.

    ``value`` is None where it is not known, and ``reason`` then says why. ``ci_lo``/``ci_hi`` bound a 95 %
    interval; ``n`` counts what the statistic was taken over (launches or samples, as the registry says).
    """

    name: str
    value: float | None
    unit: str
    stat: str = "median"
    phase: str = "steady"
    ci_lo: float | None = None
    ci_hi: float | None = None
    n: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """The machine and software a run happened in, without anything that changes by the minute.

    ``facts`` is nested plain data (see ``assay.probes.environment``); ``env_id`` is its hash, ``host_id`` a
    hash of the machine's identity, ``hardware_class`` the text that series are keyed by.
    """

    env_id: str
    host_id: str
    hardware_class: str
    facts: Mapping[str, Any]
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class RunRecord(Displayed):
    """One execution of a plan. Written last: a run without this row is invisible."""

    run_id: str
    suite: str
    status: RunStatus
    started_at: datetime
    finished_at: datetime
    env_id: str
    config: Mapping[str, Any]
    cases_planned: int
    assay_version: str
    source_hash: str
    parent_id: str | None = None
    git_commit: str | None = None
    git_branch: str | None = None
    git_dirty: bool | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None
    provenance: Provenance = Provenance.MEASURED
    import_id: str | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class ResultRecord(Displayed):
    """One case in one run: how it ended, whether to believe it, and its numbers.

    ``fidelity`` says whether its answers are right (None where that is not known); ``fidelity_reason`` why they are
    not, or why it is not known.

    An imported result has a :class:`~assay.core.case.ForeignCase` and says where it is from: ``source`` is the file,
    ``source_place`` the place in it, ``source_fields`` the record there under its own names, ``conversions`` how each
    number came from which field (``latency_ns.mean`` -> field, unit, factor). ``simulated`` is the source's own account
    (None: it does not say), ``marks`` what is to be known before its numbers are used, each with the reason, and
    ``fingerprint`` a hash that equal measurements share wherever they stand.
    """

    result_id: str
    run_id: str
    series_id: str
    case: AnyCase
    status: Status
    measured_at: datetime | None
    reason: str | None = None
    verdict: Verdict | None = None
    verdict_reasons: tuple[str, ...] = ()
    effective_precision: str | None = None
    fidelity: Fidelity | None = None
    fidelity_reason: str | None = None
    hardware: str | None = None
    parameters: int | None = None
    units_per_call: float | None = None
    unit_of_work: str | None = None
    launches_planned: int = 0
    launches_ok: int = 0
    metrics: tuple[MetricValue, ...] = ()
    provenance: Provenance = Provenance.MEASURED
    source: str | None = None
    source_place: str | None = None
    source_fields: Mapping[str, Any] = field(default_factory=dict)
    conversions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    simulated: bool | None = None
    marks: Mapping[Mark, str] = field(default_factory=dict)
    fingerprint: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def is_usable(self) -> bool:
        """True where aggregates and rankings may use its numbers: it went well, and no mark or gate forbids it."""
        return (
            self.status is Status.OK
            and self.fidelity is not Fidelity.FAILED
            and not any(mark.excludes for mark in self.marks)
        )

    @property
    def own_case(self) -> Case:
        """The case of a result that assay measured. Raises AssayError for one that it did not."""
        if isinstance(self.case, Case):
            return self.case
        raise AssayError(f"{self.case.label} was {self.provenance}, so it is no case that assay could run again.")

    def metric(self, name: str, stat: str = "median", phase: str = "steady") -> MetricValue | None:
        """Return one metric of this result, or None where it was not taken."""
        for metric in self.metrics:
            if (metric.name, metric.stat, metric.phase) == (name, stat, phase):
                return metric
        return None


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """Every raw reading of one kind from one launch, in the order taken.

    ``values`` are integers in ``unit``. Where one reading spans several calls (calls shorter than 1 ms are
    blocked), ``calls_per_sample`` says how many; the latency of a call is then value / calls_per_sample.
    """

    name: str
    unit: str
    values: tuple[int, ...]
    calls_per_sample: int = 1
    rank: int = 0


@dataclass(frozen=True, slots=True)
class TelemetrySeries:
    """One sensor of one device over a launch, as the supervisor read it beside the worker.

    The i-th reading was taken ``t0_ns`` after the launch began, plus the sum of ``dt_ns`` up to and with i. A value
    that was not read is None. ``source`` is who was asked, ``scope`` what the sensor covers.
    """

    sensor: str
    device: str
    unit: str
    source: str
    scope: str
    t0_ns: int
    dt_ns: tuple[int, ...]
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class LaunchRecord:
    """One fresh worker process timing one case.

    ``costs_ns`` holds the one-off costs (``import``, ``load``, ``first_infer``, ...), ``memory_bytes`` what the
    memory pass read, ``witnesses`` what could have disturbed the timing (shares in 0..1, counts, MHz). Keys and
    units are listed in docs/measuring.md. ``engine_facts`` is what the engine said of itself in the worker (library
    builds, instruction set in use, the device's own name). ``origin_run_id`` is the run that made the launch, which
    differs from ``run_id`` when a resumed run took it over. ``fidelity`` holds the numbers of METHOD 4 (empty where
    there was nothing to compare with; ``fidelity_reason`` then says why, if there should have been), ``placement``
    how many nodes of the graph each provider or device executed, ``metrics`` numbers of this launch that no series of
    samples holds (a rate that was searched for).
    """

    launch_id: str
    run_id: str
    result_id: str
    origin_run_id: str
    ordinal: int
    status: Status
    started_at: datetime | None
    wall_ns: int | None
    reason: str | None = None
    verdict: Verdict | None = None
    verdict_reasons: tuple[str, ...] = ()
    effective_precision: str | None = None
    threads: int | None = None
    median_ns: float | None = None
    warmup_calls: int | None = None
    warmup_converged: bool | None = None
    stop_reason: str | None = None
    costs_ns: Mapping[str, int] = field(default_factory=dict)
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    witnesses: Mapping[str, float] = field(default_factory=dict)
    engine_facts: Mapping[str, str] = field(default_factory=dict)
    fidelity: Mapping[str, float] = field(default_factory=dict)
    fidelity_reason: str | None = None
    placement: Mapping[str, int] = field(default_factory=dict)
    metrics: tuple[MetricValue, ...] = ()
    telemetry: tuple[TelemetrySeries, ...] = ()
    samples: tuple[SampleSeries, ...] = ()
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class RunBundle:
    """Everything one run leaves, ready to be appended in one go."""

    run: RunRecord
    environment: EnvironmentRecord
    results: tuple[ResultRecord, ...]
    launches: tuple[LaunchRecord, ...]


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One file that was imported: which, by what, and what became of its rows.

    ``import_id`` is a hash of the file's content and the format, so the same file twice is the same import.
    ``rows_refused`` of the ``rows_seen`` are in the table of refusals with their reasons; ``notes`` says what the
    importer found out about the file as a whole.
    """

    import_id: str
    run_id: str
    source: str
    format: str
    sha256: str
    size_bytes: int
    imported_at: datetime
    assay_version: str
    rows_seen: int
    rows_taken: int
    rows_refused: int
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """One row of an imported file that was not taken: where it stands, what it says, what is wrong with it."""

    import_id: str
    run_id: str
    place: str
    error: str
    raw: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class AnnotationRecord:
    """What a person says of a run, a result or a series, never changed afterwards.

    ``kind`` is one word (``note``, ``accept``, ``mute``, ``split``, ``retract``); a later annotation that retracts one
    names it in ``retracts``.
    """

    annotation_id: str
    kind: str
    subject_kind: str
    subject_id: str
    text: str
    author: str
    created_at: datetime
    metric: str | None = None
    expires_at: datetime | None = None
    retracts: str | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class BaselineRecord:
    """A run pinned under a name, for later ones to be checked against. The newest row of a name counts.

    ``run_id`` None ends the name. ``series_id`` narrows it to one series.
    """

    baseline_id: str
    name: str
    run_id: str | None
    created_at: datetime
    author: str
    series_id: str | None = None
    note: str | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """A named state of the store: the version of each table, its rows and a checksum of them."""

    name: str
    created_at: datetime
    versions: Mapping[str, int]
    rows: Mapping[str, int]
    checksums: Mapping[str, str]
    note: str | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """What a check said of one series: the judged number, what it was held against, and by which rule.

    ``check_id`` is shared by the findings of one check. ``run_id`` is the run that was judged and ``result_id`` its
    result (None where the result is missing). ``against`` is the reference in words (``history``, ``baseline main``,
    ``run 1a2b3c4d``), ``reference_run_id`` its newest run and ``reference_n`` how many values it gave (results of a
    history, launches of a run). ``value`` and ``reference_value`` are in ``unit``; ``ratio`` is value / reference, so
    what is worse depends on the metric's direction: ``is_worse`` says it, None where the two are equal or nothing
    could be compared. ``ci_lo``/``ci_hi`` bound the ratio at 95 % (of a history: the prediction interval's limits
    around 1 by the rule's own level), ``p`` is the rule's own, ``q`` after Benjamini and Hochberg over the check.
    ``floor`` is the smallest relative change that counts (0.03). ``method`` names the rule (``welch``,
    ``prediction-interval``, ``fresh-welch``). ``environment_break`` says in words which facts of the environment
    differ from the reference's, if any. ``confirmed_by`` are the runs of the fresh launches of a confirmation.
    ``muted`` is the reason a person gave for not hearing of it.
    """

    finding_id: str
    check_id: str
    created_at: datetime
    run_id: str
    series_id: str
    case_label: str
    metric: str
    stat: str
    unit: str
    change: Change
    against: str
    method: str
    result_id: str | None = None
    hardware: str | None = None
    reference_run_id: str | None = None
    reference_git_commit: str | None = None
    git_commit: str | None = None
    reference_n: int = 0
    value: float | None = None
    reference_value: float | None = None
    ratio: float | None = None
    is_worse: bool | None = None
    ci_lo: float | None = None
    ci_hi: float | None = None
    p: float | None = None
    q: float | None = None
    p_slower: float | None = None
    floor: float | None = None
    launches: int = 0
    launches_needed: int | None = None
    environment_break: str | None = None
    confirmed_by: tuple[str, ...] = ()
    muted: str | None = None
    reasons: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """What A/A launches of one series showed: how far equal things differ on this machine.

    ``sd_log`` is the standard deviation of the logarithm of a launch's value, ``floor`` the relative difference that
    two sides of ``launches_a_side`` launches of the same thing exceed in 1 % of trials, ``false_alarm_rate`` the share
    of ``splits`` splits of these launches into two sides that the rule of METHOD 6 called changed, and
    ``smallest_change`` the relative change it finds with ``power`` at ``launches_a_side``. ``launches_for_floor`` is
    how many a side a change of 3 % takes; None where no practical number does.
    """

    calibration_id: str
    created_at: datetime
    series_id: str
    case_label: str
    metric: str
    stat: str
    run_ids: tuple[str, ...]
    env_id: str
    hardware: str | None
    launches: int
    launches_a_side: int
    sd_log: float
    floor: float
    false_alarm_rate: float
    splits: int
    smallest_change: float
    power: float
    launches_for_floor: int | None
    is_bimodal: bool
    schema_version: int = SCHEMA_VERSION
