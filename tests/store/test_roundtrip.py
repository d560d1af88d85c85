"""Reading back gives exactly what was written, through Delta and DuckDB, and through the journal."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assay.catalog.metrics import metrics as registry
from assay.core.case import Case, ForeignCase
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
    TelemetrySeries,
)
from assay.core.words import Fidelity, Mark, Mode, Precision, Provenance, RunStatus, Status, Verdict
from assay.store import Store
from assay.store.codec import KINDS, record_from_json, record_to_json
from assay.store.headline import metric_columns
from assay.store.rows import result_row
from assay.store.schema import HEADLINES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text("abcdefghijklmnop_/-0189µß", min_size=1, max_size=10)
INT = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 10**6)
FLOAT = st.floats(allow_nan=False)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TIME = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
JSON = st.recursive(
    st.none() | st.booleans() | INT | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FACTS = st.dictionaries(TEXT, JSON, max_size=4)
REASONS = st.lists(TEXT, max_size=3).map(tuple)

METRIC = st.builds(
    MetricValue,
    name=st.sampled_from(sorted(registry.names())),
    value=st.none() | FLOAT,
    unit=st.sampled_from(["ns", "B", "1/s"]),
    stat=st.sampled_from(["median", "max", "p90", "mad"]),
    phase=st.sampled_from(["steady", "load"]),
    ci_lo=st.none() | FLOAT,
    ci_hi=st.none() | FLOAT,
    n=st.none() | COUNT,
    reason=st.none() | TEXT,
)
HEADLINE = st.sampled_from(sorted(HEADLINES.items())).flatmap(
    lambda item: st.builds(MetricValue, st.just(item[0]), FLOAT, st.just(item[1][1]), st.just(item[1][0]), n=COUNT)
)
METRICS = st.lists(METRIC | HEADLINE, max_size=7).map(tuple)
CASE = st.builds(
    Case.make,
    workload=NAME,
    engine=NAME,
    device=NAME,
    mode=st.sampled_from(Mode),
    precision=st.sampled_from(Precision),
    batch=st.integers(1, 2**40),
    shape=st.dictionaries(NAME, COUNT, max_size=3),
    # an infinite option has no JSON form, so it has no case id either
    options=st.dictionaries(NAME, TEXT | INT | st.booleans() | FINITE, max_size=3),
)
FOREIGN_CASE = st.builds(
    ForeignCase.make,
    workload=NAME,
    engine=st.none() | NAME,
    device=st.none() | TEXT,
    mode=st.sampled_from(Mode),
    precision=st.none() | NAME,
    batch=st.none() | COUNT,
    shape=st.dictionaries(NAME, COUNT, max_size=3),
    options=st.dictionaries(NAME, TEXT | INT | st.booleans() | FINITE, max_size=3),
)
_RESULT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "result_id": st.uuids().map(str),
    "run_id": st.just("the-run"),
    "series_id": NAME,
    "status": st.sampled_from(Status),
    "reason": st.none() | TEXT,
    "verdict": st.none() | st.sampled_from(Verdict),
    "verdict_reasons": REASONS,
    "effective_precision": st.none() | NAME,
    "fidelity": st.none() | st.sampled_from(Fidelity),
    "fidelity_reason": st.none() | TEXT,
    "hardware": st.none() | NAME,
    "parameters": st.none() | COUNT,
    "units_per_call": st.none() | FLOAT,
    "unit_of_work": st.none() | NAME,
    "launches_planned": COUNT,
    "launches_ok": COUNT,
    "metrics": METRICS,
}
RESULT = st.builds(
    ResultRecord,
    case=CASE,
    measured_at=TIME,
    provenance=st.sampled_from([Provenance.MEASURED, Provenance.PREDICTED]),
    source=st.none() | TEXT,
    **_RESULT_FIELDS,
)
IMPORTED = st.builds(
    ResultRecord,
    case=FOREIGN_CASE,
    measured_at=st.none() | TIME,
    provenance=st.just(Provenance.IMPORTED),
    source=TEXT,
    source_place=st.none() | TEXT,
    source_fields=st.dictionaries(NAME, TEXT | INT | st.none() | st.lists(INT, max_size=2), max_size=3),
    conversions=st.dictionaries(NAME, st.fixed_dictionaries({"field": NAME, "factor": st.none() | FINITE}), max_size=2),
    simulated=st.none() | st.booleans(),
    marks=st.dictionaries(st.sampled_from(Mark), TEXT, max_size=3),
    fingerprint=st.none() | NAME,
    **_RESULT_FIELDS,
)
SAMPLES = st.builds(
    SampleSeries,
    name=NAME,
    unit=NAME,
    values=st.lists(INT, max_size=5).map(tuple),
    calls_per_sample=COUNT,
    rank=COUNT,
)
TELEMETRY = st.lists(st.tuples(COUNT, st.none() | FLOAT), max_size=4).flatmap(
    lambda readings: st.builds(
        TelemetrySeries,
        sensor=NAME,
        device=NAME,
        unit=NAME,
        source=NAME,
        scope=NAME,
        t0_ns=INT,
        dt_ns=st.just(tuple(time for time, _ in readings)),
        values=st.just(tuple(value for _, value in readings)),
    )
)
LAUNCH = st.builds(
    LaunchRecord,
    launch_id=st.uuids().map(str),
    run_id=st.just("the-run"),
    result_id=NAME,
    origin_run_id=NAME,
    ordinal=COUNT,
    status=st.sampled_from(Status),
    started_at=TIME,
    wall_ns=INT,
    reason=st.none() | TEXT,
    verdict=st.none() | st.sampled_from(Verdict),
    verdict_reasons=REASONS,
    effective_precision=st.none() | NAME,
    threads=st.none() | COUNT,
    median_ns=st.none() | FLOAT,
    warmup_calls=st.none() | COUNT,
    warmup_converged=st.none() | st.booleans(),
    stop_reason=st.none() | TEXT,
    costs_ns=st.dictionaries(NAME, INT, max_size=3),
    memory_bytes=st.dictionaries(NAME, INT, max_size=3),
    witnesses=st.dictionaries(NAME, FLOAT, max_size=3),
    engine_facts=st.dictionaries(NAME, TEXT, max_size=3),
    fidelity=st.dictionaries(NAME, FLOAT, max_size=3),
    fidelity_reason=st.none() | TEXT,
    placement=st.dictionaries(NAME, INT, max_size=3),
    metrics=METRICS,
    telemetry=st.lists(TELEMETRY, max_size=2).map(tuple),
    samples=st.lists(SAMPLES, max_size=3).map(tuple),
)
ENVIRONMENT = st.builds(
    EnvironmentRecord, env_id=NAME, host_id=TEXT, hardware_class=TEXT, facts=FACTS, first_seen_at=TIME
)
RUN = st.builds(
    RunRecord,
    run_id=st.just("the-run"),
    suite=TEXT,
    status=st.sampled_from(RunStatus),
    started_at=TIME,
    finished_at=TIME,
    env_id=NAME,
    config=FACTS,
    cases_planned=COUNT,
    assay_version=TEXT,
    source_hash=TEXT,
    parent_id=st.none() | NAME,
    git_commit=st.none() | NAME,
    git_branch=st.none() | TEXT,
    git_dirty=st.none() | st.booleans(),
    tags=REASONS,
    note=st.none() | TEXT,
    provenance=st.sampled_from(Provenance),
    import_id=st.none() | NAME,
)


# Each example opens a store of its own (half a second), so a failing one is shown as found rather than shrunk.
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    run=RUN,
    environment=ENVIRONMENT,
    results=st.lists(RESULT | IMPORTED, max_size=12, unique_by=lambda result: result.result_id),
    launches=st.lists(LAUNCH, max_size=6, unique_by=lambda launch: launch.launch_id),
)
def test_a_run_comes_back_equal(
    run: RunRecord, environment: EnvironmentRecord, results: list[ResultRecord], launches: list[LaunchRecord]
) -> None:
    run = replace(run, env_id=environment.env_id)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        store.append(RunBundle(run, environment, tuple(results), tuple(launches)))
        assert store.runs() == [run]
        assert store.environment(environment.env_id) == environment
        assert _by_id(store.results(run_id=run.run_id)) == _by_id(results)
        assert _by_id(store.launches(run_id=run.run_id, with_samples=True)) == _by_id(launches)
        bare = [replace(launch, samples=(), telemetry=()) for launch in launches]
        assert _by_id(store.launches(run_id=run.run_id)) == _by_id(bare)


@settings(max_examples=60, deadline=None)
@given(record=RUN | ENVIRONMENT | RESULT | LAUNCH)
def test_a_record_survives_the_journal(record: Any) -> None:
    text = json.dumps(record_to_json(record))
    assert record_from_json(KINDS[type(record)], json.loads(text)) == record


@settings(max_examples=60, deadline=None)
@given(values=METRICS)
def test_no_metric_is_stored_twice_or_lost(values: tuple[MetricValue, ...]) -> None:
    row = metric_columns(values)
    wide = sum(row[name] is not None for name in HEADLINES)
    assert wide + len(row["metrics"]) == len(values)


def test_the_headline_columns_are_the_registrys_headlines() -> None:
    known = {name: registry.get(name) for name in registry.names()}
    stats = {
        name: ("max" if metric.formula.startswith("max ") else "median", metric.unit)
        for name, metric in known.items()
        if metric.headline
    }
    assert stats == HEADLINES


def test_a_headline_value_has_its_own_column_and_nothing_else_has(make_bundle: Callable[..., RunBundle]) -> None:
    row = result_row(make_bundle(cases=1).results[0])
    assert (row["latency_ns"], row["latency_ns_lo"], row["latency_ns_hi"], row["latency_ns_n"]) == (1e6, 9e5, 1.1e6, 2)
    assert row["memory_peak_bytes"] == 4e8
    assert row["throughput_per_s"] is None
    assert [(entry["name"], entry["stat"]) for entry in row["metrics"]] == [
        ("latency_ns", "p90"),
        ("load_ns", "median"),
    ]
    assert row["metric_order"] is None


def test_the_metrics_view_has_every_number_once(store: Store, make_bundle: Callable[..., RunBundle]) -> None:
    bundle = make_bundle(cases=2)
    store.append(bundle)
    rows = store.query("SELECT * FROM metrics").to_pylist()
    seen = {
        (row["result_id"], row["name"], row["stat"], row["phase"], row["unit"], row["value"], row["n"], row["reason"])
        for row in rows
    }
    written = {
        (result.result_id, each.name, each.stat, each.phase, each.unit, each.value, each.n, each.reason)
        for result in bundle.results
        for each in result.metrics
    }
    assert len(rows) == len(written)
    assert seen == written


def test_text_that_is_not_unicode_is_kept_readable(store: Store, make_bundle: Callable[..., RunBundle]) -> None:
    bundle = make_bundle(cases=1)
    broken = replace(bundle.results[0], status=Status.FAILED, reason="worker said \udcff\x00 and died")
    store.append(replace(bundle, results=(broken,)))
    assert store.results()[0].reason == "worker said \\udcff\x00 and died"


def test_infinities_come_back(store: Store, make_bundle: Callable[..., RunBundle]) -> None:
    bundle = make_bundle(cases=1)
    value = MetricValue("latency_ns", math.inf, "ns")
    store.append(replace(bundle, results=(replace(bundle.results[0], metrics=(value,)),)))
    assert store.results()[0].metrics == (value,)


def _by_id(records: Any) -> dict[str, Any]:
    return {
        getattr(record, "result_id" if isinstance(record, ResultRecord) else "launch_id"): record for record in records
    }
