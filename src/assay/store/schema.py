"""The tables, column by column: the one place that says what is stored.

Types are named by a small vocabulary of our own, so that an empty table can be described to DuckDB without
importing Arrow, and to Delta without importing DuckDB. docs/store.md lists the same columns; a test holds them
together. May import: core and catalog; pyarrow inside functions.
"""

from __future__ import annotations

from typing import Any

from assay.catalog.metrics import LATENCY, MEMORY_PEAK, THROUGHPUT
from assay.store.catalogue_columns import CATALOGUE_TABLES
from assay.store.columns import Column

RUNS = "runs"
RESULTS = "results"
LAUNCHES = "launches"
SAMPLES = "samples"
TELEMETRY = "telemetry"
ENVIRONMENTS = "environments"
IMPORTS = "imports"
REFUSALS = "import_refusals"
ANNOTATIONS = "annotations"
BASELINES = "baselines"
SNAPSHOTS = "snapshots"
FINDINGS = "findings"
CALIBRATIONS = "calibrations"


DUCKDB_TYPES = {
    "text": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "time": "TIMESTAMP",
    "texts": "VARCHAR[]",
    "ints": "BIGINT[]",
    "floats": "DOUBLE[]",
    "positions": "SMALLINT[]",
    "int map": "MAP(VARCHAR, BIGINT)",
    "float map": "MAP(VARCHAR, DOUBLE)",
    "text map": "MAP(VARCHAR, VARCHAR)",
    "metrics": (
        'STRUCT("name" VARCHAR, phase VARCHAR, stat VARCHAR, "value" DOUBLE, unit VARCHAR, '
        "ci_lo DOUBLE, ci_hi DOUBLE, n BIGINT, reason VARCHAR)[]"
    ),
}
"""Our type names and what they are in DuckDB. ``time`` is UTC without a zone there (a zone would need pytz)."""

METRIC_FIELDS = ("name", "phase", "stat", "value", "unit", "ci_lo", "ci_hi", "n", "reason")

HEADLINE_PHASE = "steady"

HEADLINES: dict[str, tuple[str, str]] = {
    LATENCY.name: ("median", LATENCY.unit),
    THROUGHPUT.name: ("median", THROUGHPUT.unit),
    MEMORY_PEAK.name: ("max", MEMORY_PEAK.unit),
}
"""The metrics with columns of their own: name -> (the statistic those hold, its unit), in column order.

Written out rather than asked of the registry, because a file's columns are fixed by its schema version and must
not depend on which extensions are installed.
"""


def headline_columns(name: str) -> tuple[str, str, str, str]:
    """Return the columns of a headline metric: value, lower and upper bound, count."""
    return name, f"{name}_lo", f"{name}_hi", f"{name}_n"


def _headline_block() -> tuple[Column, ...]:
    block: list[Column] = []
    for name in HEADLINES:
        value, low, high, count = headline_columns(name)
        block += [Column(value, "float"), Column(low, "float"), Column(high, "float"), Column(count, "int")]
    return tuple(block)


_WRITE_ID = Column("write_id", "text", required=True)
_SCHEMA_VERSION = Column("schema_version", "int", required=True)
TABLES: dict[str, tuple[Column, ...]] = {
    RUNS: (
        Column("run_id", "text", required=True),
        Column("parent_id", "text"),
        Column("suite", "text", required=True),
        Column("status", "text", required=True),
        Column("started_at", "time", required=True),
        Column("finished_at", "time", required=True),
        Column("env_id", "text", required=True),
        Column("config", "text", required=True),
        Column("cases_planned", "int", required=True),
        Column("assay_version", "text", required=True),
        Column("source_hash", "text", required=True),
        Column("git_commit", "text"),
        Column("git_branch", "text"),
        Column("git_dirty", "bool"),
        Column("tags", "texts", required=True),
        Column("note", "text"),
        Column("provenance", "text", required=True),
        Column("import_id", "text"),
        Column("results_written", "int", required=True),
        Column("launches_written", "int", required=True),
        Column("samples_written", "int", required=True),
        _SCHEMA_VERSION,
        _WRITE_ID,
    ),
    RESULTS: (
        Column("result_id", "text", required=True),
        Column("run_id", "text", required=True),
        Column("series_id", "text", required=True),
        Column("case_id", "text", required=True),
        Column("workload", "text", required=True),
        Column("family", "text", required=True),
        Column("engine", "text"),
        Column("device", "text"),
        Column("mode", "text", required=True),
        Column("precision", "text"),
        Column("batch", "int"),
        Column("shape", "int map", required=True),
        Column("options", "text", required=True),
        Column("status", "text", required=True),
        Column("reason", "text"),
        Column("verdict", "text"),
        Column("verdict_reasons", "texts", required=True),
        Column("effective_precision", "text"),
        Column("fidelity", "text"),
        Column("fidelity_reason", "text"),
        Column("hardware", "text"),
        Column("parameters", "int"),
        Column("units_per_call", "float"),
        Column("unit_of_work", "text"),
        Column("launches_planned", "int", required=True),
        Column("launches_ok", "int", required=True),
        Column("measured_at", "time"),
        *_headline_block(),
        Column("metrics", "metrics", required=True),
        Column("metric_order", "positions"),
        Column("provenance", "text", required=True),
        Column("source", "text"),
        Column("source_place", "text"),
        Column("source_fields", "text"),
        Column("conversions", "text"),
        Column("simulated", "bool"),
        Column("marks", "text map", required=True),
        Column("fingerprint", "text"),
        _SCHEMA_VERSION,
        _WRITE_ID,
    ),
    LAUNCHES: (
        Column("launch_id", "text", required=True),
        Column("run_id", "text", required=True),
        Column("result_id", "text", required=True),
        Column("origin_run_id", "text", required=True),
        Column("ordinal", "int", required=True),
        Column("status", "text", required=True),
        Column("reason", "text"),
        Column("started_at", "time"),
        Column("wall_ns", "int"),
        Column("verdict", "text"),
        Column("verdict_reasons", "texts", required=True),
        Column("effective_precision", "text"),
        Column("threads", "int"),
        Column("median_ns", "float"),
        Column("warmup_calls", "int"),
        Column("warmup_converged", "bool"),
        Column("stop_reason", "text"),
        Column("costs_ns", "int map", required=True),
        Column("memory_bytes", "int map", required=True),
        Column("witnesses", "float map", required=True),
        Column("engine_facts", "text map", required=True),
        Column("fidelity", "float map", required=True),
        Column("fidelity_reason", "text"),
        Column("placement", "int map", required=True),
        Column("metrics", "metrics", required=True),
        _SCHEMA_VERSION,
        _WRITE_ID,
    ),
    SAMPLES: (
        Column("run_id", "text", required=True),
        Column("result_id", "text", required=True),
        Column("launch_id", "text", required=True),
        Column("ordinal", "int", required=True),
        Column("name", "text", required=True),
        Column("unit", "text", required=True),
        Column("calls_per_sample", "int", required=True),
        Column("rank", "int", required=True),
        Column("values", "ints", required=True),
        _SCHEMA_VERSION,
        _WRITE_ID,
    ),
    TELEMETRY: (
        Column("run_id", "text", required=True),
        Column("result_id", "text", required=True),
        Column("launch_id", "text", required=True),
        Column("ordinal", "int", required=True),
        Column("sensor", "text", required=True),
        Column("device", "text", required=True),
        Column("unit", "text", required=True),
        Column("source", "text", required=True),
        Column("scope", "text", required=True),
        Column("t0_ns", "int", required=True),
        Column("dt_ns", "ints", required=True),
        Column("values", "floats", required=True),
        _SCHEMA_VERSION,
        _WRITE_ID,
    ),
    ENVIRONMENTS: (
        Column("env_id", "text", required=True),
        Column("host_id", "text", required=True),
        Column("hardware_class", "text", required=True),
        Column("facts", "text", required=True),
        Column("first_seen_at", "time", required=True),
        _SCHEMA_VERSION,
    ),
    IMPORTS: (
        Column("import_id", "text", required=True),
        Column("run_id", "text", required=True),
        Column("source", "text", required=True),
        Column("format", "text", required=True),
        Column("sha256", "text", required=True),
        Column("size_bytes", "int", required=True),
        Column("imported_at", "time", required=True),
        Column("assay_version", "text", required=True),
        Column("rows_seen", "int", required=True),
        Column("rows_taken", "int", required=True),
        Column("rows_refused", "int", required=True),
        Column("notes", "texts", required=True),
        _SCHEMA_VERSION,
        _WRITE_ID,
    ),
    REFUSALS: (
        Column("import_id", "text", required=True),
        Column("run_id", "text", required=True),
        Column("place", "text", required=True),
        Column("error", "text", required=True),
        Column("raw", "text", required=True),
        _SCHEMA_VERSION,
        _WRITE_ID,
    ),
    ANNOTATIONS: (
        Column("annotation_id", "text", required=True),
        Column("kind", "text", required=True),
        Column("subject_kind", "text", required=True),
        Column("subject_id", "text", required=True),
        Column("text", "text", required=True),
        Column("author", "text", required=True),
        Column("created_at", "time", required=True),
        Column("metric", "text"),
        Column("expires_at", "time"),
        Column("retracts", "text"),
        _SCHEMA_VERSION,
    ),
    BASELINES: (
        Column("baseline_id", "text", required=True),
        Column("name", "text", required=True),
        Column("run_id", "text"),
        Column("created_at", "time", required=True),
        Column("author", "text", required=True),
        Column("series_id", "text"),
        Column("note", "text"),
        _SCHEMA_VERSION,
    ),
    SNAPSHOTS: (
        Column("name", "text", required=True),
        Column("created_at", "time", required=True),
        Column("versions", "int map", required=True),
        Column("rows", "int map", required=True),
        Column("checksums", "text map", required=True),
        Column("note", "text"),
        _SCHEMA_VERSION,
    ),
    FINDINGS: (
        Column("finding_id", "text", required=True),
        Column("check_id", "text", required=True),
        Column("created_at", "time", required=True),
        Column("run_id", "text", required=True),
        Column("series_id", "text", required=True),
        Column("case_label", "text", required=True),
        Column("metric", "text", required=True),
        Column("stat", "text", required=True),
        Column("unit", "text", required=True),
        Column("change", "text", required=True),
        Column("against", "text", required=True),
        Column("method", "text", required=True),
        Column("result_id", "text"),
        Column("hardware", "text"),
        Column("reference_run_id", "text"),
        Column("reference_git_commit", "text"),
        Column("git_commit", "text"),
        Column("reference_n", "int", required=True),
        Column("value", "float"),
        Column("reference_value", "float"),
        Column("ratio", "float"),
        Column("is_worse", "bool"),
        Column("ci_lo", "float"),
        Column("ci_hi", "float"),
        Column("p", "float"),
        Column("q", "float"),
        Column("p_slower", "float"),
        Column("floor", "float"),
        Column("launches", "int", required=True),
        Column("launches_needed", "int"),
        Column("environment_break", "text"),
        Column("confirmed_by", "texts", required=True),
        Column("muted", "text"),
        Column("reasons", "texts", required=True),
        _SCHEMA_VERSION,
    ),
    CALIBRATIONS: (
        Column("calibration_id", "text", required=True),
        Column("created_at", "time", required=True),
        Column("series_id", "text", required=True),
        Column("case_label", "text", required=True),
        Column("metric", "text", required=True),
        Column("stat", "text", required=True),
        Column("run_ids", "texts", required=True),
        Column("env_id", "text", required=True),
        Column("hardware", "text"),
        Column("launches", "int", required=True),
        Column("launches_a_side", "int", required=True),
        Column("sd_log", "float", required=True),
        Column("floor", "float", required=True),
        Column("false_alarm_rate", "float", required=True),
        Column("splits", "int", required=True),
        Column("smallest_change", "float", required=True),
        Column("power", "float", required=True),
        Column("launches_for_floor", "int"),
        Column("is_bimodal", "bool", required=True),
        _SCHEMA_VERSION,
    ),
    **CATALOGUE_TABLES,
}
"""Every table's columns in order. ``write_id`` names one attempt to append a run (see ``store.Store.append``)."""

OF_CATALOGUE = tuple(CATALOGUE_TABLES)
"""Tables of imported statements on hardware. A file that is read again replaces what it brought before."""

STAMPED = tuple(name for name, columns in TABLES.items() if _WRITE_ID in columns and name != RUNS)
"""Tables whose rows are visible once a ``runs`` row names their ``write_id``. The others show every row."""

VISIBLE = "raw.visible"
"""The visible runs in the memory of a reading that shows results: their ids, and what is asked of them often.

Columns: ``run_id, write_id, superseded, suite, provenance, started_at, tags`` (see ``query``).
"""


def arrow_schema(table: str) -> Any:
    """Return the table's ``pyarrow.Schema``, the only one its files are ever written with."""
    import pyarrow as pa

    text, floating = pa.string(), pa.float64()
    metric_types: dict[str, Any] = {"value": floating, "ci_lo": floating, "ci_hi": floating, "n": pa.int64()}
    types: dict[str, Any] = {
        "text": text,
        "int": pa.int64(),
        "float": floating,
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "texts": pa.list_(text),
        "ints": pa.list_(pa.int64()),
        "floats": pa.list_(floating),
        "positions": pa.list_(pa.int16()),
        "int map": pa.map_(text, pa.int64()),
        "float map": pa.map_(text, floating),
        "text map": pa.map_(text, text),
        "metrics": pa.list_(pa.struct([(name, metric_types.get(name, text)) for name in METRIC_FIELDS])),
    }
    return pa.schema([pa.field(each.name, types[each.type], nullable=not each.required) for each in TABLES[table]])
