"""The mirror's tables whose rows belong to a run: they come with it and go with it.

May import: core, mirrors.shape, store.schema.
"""

from __future__ import annotations

from assay.core.words import Fidelity, Mark, Provenance, RunStatus, Status, Verdict
from assay.mirrors.shape import Field, Filling, Reference, Table
from assay.store.schema import HEADLINE_PHASE, HEADLINES, headline_columns

_RUN = Field("run_id", "text", "Its run", required=True)
_RESULT = Field("result_id", "text", "Its result", required=True)
_LAUNCH = Field("launch_id", "text", "Its launch", required=True)
_STATUS = Field("status", "text", "How it ended", required=True, words=tuple(Status))
_VERDICT = Field("verdict", "text", "Whether it can be believed; null where nothing was judged", words=tuple(Verdict))
_SCHEMA = Field("schema_version", "int", "Schema of the store that the row was written by", required=True)

_NUMBER = (
    Field(
        "position",
        "int",
        "Place among the numbers, from 0; the headline metrics of a result have 0 to 2",
        required=True,
    ),
    Field("metric", "name", "Name, as in metric_registry", required=True),
    Field("phase", "name", "Part of the work it is of: steady, load, prefill", required=True),
    Field("stat", "name", "Statistic: median, p90, max", required=True),
    Field("value", "float", "The number, in unit; null where it is not known"),
    Field("unit", "text", "Unit of value and interval", required=True),
    Field("ci_lo", "float", "Lower end of its 95 % interval"),
    Field("ci_hi", "float", "Upper end"),
    Field("n", "int", "Launches or samples it was taken over"),
    Field("reason", "text", "Why value is null"),
)
_NUMBERS = "one.name AS metric, one.phase, one.stat, one.value, one.unit, one.ci_lo, one.ci_hi, one.n, one.reason"


def _metrics_source() -> str:
    """Headline numbers from their columns, the others from the list."""
    parts = []
    for position, (name, (stat, unit)) in enumerate(HEADLINES.items()):
        value, low, high, count = headline_columns(name)
        parts.append(
            f"SELECT run_id, result_id, {position} AS position, '{name}' AS metric, '{HEADLINE_PHASE}' AS phase, "  # noqa: S608
            f"'{stat}' AS stat, {value} AS value, '{unit}' AS unit, {low} AS ci_lo, {high} AS ci_hi, {count} AS n, "
            f"NULL::VARCHAR AS reason FROM batch_results WHERE {value} IS NOT NULL"
        )
    parts.append(
        f"SELECT run_id, result_id, {len(HEADLINES) - 1} + place AS position, {_NUMBERS} FROM "  # noqa: S608
        "(SELECT run_id, result_id, unnest(metrics) AS one, unnest(range(1, len(metrics) + 1)) AS place "
        "FROM batch_results)"
    )
    return " UNION ALL ".join(parts)


RUNS = Table(
    "runs",
    "One execution of a plan, or one import.",
    Filling.RUN,
    ("run_id",),
    (
        Field("run_id", "text", "UUIDv7 of the run", required=True),
        Field("parent_id", "text", "The run that this one resumed, and which it stands for; it may be gone"),
        Field("suite", "name", "Name of the suite", required=True),
        Field("status", "text", "How it ended", required=True, words=tuple(RunStatus)),
        Field("started_at", "time", "When it began", required=True),
        Field("finished_at", "time", "When it ended", required=True),
        Field("env_id", "text", "Environment it ran in", required=True),
        Field("config", "json", "The settings it ran with", required=True),
        Field("cases_planned", "int", "Cases in its plan", required=True),
        Field("assay_version", "text", "Version of assay", required=True),
        Field("source_hash", "text", "Hash of assay's source", required=True),
        Field("git_commit", "text", "Commit of the folder it ran in"),
        Field("git_branch", "text", "Branch of that"),
        Field("git_dirty", "bool", "Whether that had uncommitted changes"),
        Field("tags", "texts", "The user's tags", required=True),
        Field("note", "text", "The user's note"),
        Field("provenance", "text", "Who measured its numbers", required=True, words=tuple(Provenance)),
        Field("import_id", "text", "The import it came with"),
        _SCHEMA,
        Field("write_id", "text", "The attempt that wrote it to the store", required=True),
    ),
    source="SELECT * FROM runs WHERE write_id IN (SELECT write_id FROM batch)",
    references=(Reference(("env_id",), "environments"),),
    indexes=("started_at DESC", "parent_id", "env_id", "suite, started_at DESC"),
)
RESULTS = Table(
    "results",
    "One case in one run. Its numbers are in metrics; usable_results shows both beside each other.",
    Filling.RUN,
    ("result_id",),
    (
        Field("result_id", "text", "UUIDv7 of the result", required=True),
        _RUN,
        Field("series_id", "text", "Its case on its hardware", required=True),
        Field("hardware", "name", "Device that it is of; null where not known"),
        _STATUS,
        Field("reason", "text", "Why it is not ok"),
        _VERDICT,
        Field("verdict_reasons", "texts", "Why", required=True),
        Field("effective_precision", "text", "Precision that really ran"),
        Field("fidelity", "text", "Whether its answers are right; null where not known", words=tuple(Fidelity)),
        Field("fidelity_reason", "text", "Why they are not, or why it is not known"),
        Field(
            "usable",
            "bool",
            "Whether aggregates may use it: ok, fidelity not failed, no mark that excludes it",
            required=True,
        ),
        Field("parameters", "int", "Parameters of the model"),
        Field("units_per_call", "float", "Units of work that one call does"),
        Field("unit_of_work", "text", "What throughput counts"),
        Field("launches_planned", "int", "Launches the plan asked for", required=True),
        Field("launches_ok", "int", "Launches that ended ok", required=True),
        Field(
            "measured_at", "time", "When it was computed; of an imported row, when its source says; null: it does not"
        ),
        Field("provenance", "text", "Who measured it", required=True, words=tuple(Provenance)),
        Field("source", "text", "Where an imported row comes from: a path, an address"),
        Field("source_place", "text", "The place in it: a JSON pointer, a row"),
        Field("source_fields", "json", "The record there under its own names"),
        Field("conversions", "json", "Of each metric: field, unit and factor it came from"),
        Field("simulated", "bool", "Whether the source itself calls it simulated; null: it does not say"),
        Field("fingerprint", "text", "Hash that equal imported measurements share"),
        _SCHEMA,
    ),
    source="SELECT * FROM batch_results",
    references=(
        Reference(("run_id",), "runs", with_parent=True),
        Reference(("series_id",), "series"),
        Reference(("hardware",), "devices"),
    ),
    indexes=(
        "run_id",
        "hardware",
        "measured_at",
        "series_id, measured_at DESC NULLS LAST, result_id DESC",
        "status, measured_at DESC",
    ),
)
RESULT_MARKS = Table(
    "result_marks",
    "What is to be known of an imported result before its numbers are used.",
    Filling.RUN,
    ("result_id", "mark"),
    (
        _RESULT,
        Field("mark", "text", "The mark", required=True, words=tuple(Mark)),
        Field("reason", "text", "Why it has it", required=True),
    ),
    source=(
        "SELECT run_id, result_id, unnest(map_keys(marks)) AS mark, unnest(map_values(marks)) AS reason "
        "FROM batch_results"
    ),
    references=(Reference(("result_id",), "results", with_parent=True),),
    indexes=("mark",),
)
METRICS = Table(
    "metrics",
    "One number of a result.",
    Filling.RUN,
    ("result_id", "position"),
    (_RESULT, *_NUMBER),
    source=_metrics_source(),
    references=(Reference(("result_id",), "results", with_parent=True), Reference(("metric",), "metric_registry")),
    indexes=("metric, stat, phase",),
)
LAUNCHES = Table(
    "launches",
    "One fresh process timing one case. A run that took launches over from another holds them too.",
    Filling.RUN,
    ("run_id", "launch_id"),
    (
        _RUN,
        Field("launch_id", "text", "UUIDv7 of the launch; the same in a run that took it over", required=True),
        _RESULT,
        Field("origin_run_id", "text", "Run that made it; it may be gone", required=True),
        Field("ordinal", "int", "Number of the launch within its case", required=True),
        _STATUS,
        Field("reason", "text", "Why it is not ok"),
        Field("started_at", "time", "When its process began"),
        Field("wall_ns", "int", "How long it lasted, in ns"),
        _VERDICT,
        Field("verdict_reasons", "texts", "Why", required=True),
        Field("effective_precision", "text", "Precision that really ran"),
        Field("threads", "int", "Threads the engine used"),
        Field("median_ns", "float", "Median of its samples, in ns a call"),
        Field("warmup_calls", "int", "Calls before timing began"),
        Field("warmup_converged", "bool", "Whether the warm-up settled"),
        Field("stop_reason", "text", "Why timing stopped"),
        Field("costs_ns", "json", "One-off costs in ns, by name", required=True, source="to_json(costs_ns)"),
        Field(
            "memory_bytes",
            "json",
            "Readings of the memory pass in bytes, by name",
            required=True,
            source="to_json(memory_bytes)",
        ),
        Field(
            "witnesses",
            "json",
            "What could have disturbed the timing, by name",
            required=True,
            source="to_json(witnesses)",
        ),
        Field("engine_facts", "json", "What the engine said of itself", required=True, source="to_json(engine_facts)"),
        Field(
            "fidelity",
            "json",
            "Numbers of the comparison with the reference, by name",
            required=True,
            source="to_json(fidelity)",
        ),
        Field("fidelity_reason", "text", "Why there are none, where there should be"),
        Field(
            "placement",
            "json",
            "Nodes of the graph that each provider executed",
            required=True,
            source="to_json(placement)",
        ),
        _SCHEMA,
    ),
    source="SELECT * FROM launches WHERE write_id IN (SELECT write_id FROM batch)",
    references=(
        Reference(("run_id",), "runs", with_parent=True),
        Reference(("result_id",), "results", with_parent=True),
    ),
    indexes=("result_id", "started_at"),
    optional=True,
)
LAUNCH_METRICS = Table(
    "launch_metrics",
    "One number of a launch that no series of samples holds.",
    Filling.RUN,
    ("run_id", "launch_id", "position"),
    (_RUN, _LAUNCH, *_NUMBER),
    source=(
        f"SELECT run_id, launch_id, place AS position, {_NUMBERS} FROM "  # noqa: S608
        "(SELECT run_id, launch_id, unnest(metrics) AS one, unnest(range(0, len(metrics))) AS place FROM launches "
        "WHERE write_id IN (SELECT write_id FROM batch))"
    ),
    references=(
        Reference(("run_id", "launch_id"), "launches", with_parent=True),
        Reference(("metric",), "metric_registry"),
    ),
    indexes=("metric",),
    optional=True,
)
SAMPLES = Table(
    "samples",
    "One series of raw readings of one launch: an array, not a row a reading.",
    Filling.RUN,
    ("run_id", "launch_id", "ordinal"),
    (
        _RUN,
        _LAUNCH,
        Field("ordinal", "int", "Place among the series of the launch", required=True),
        _RESULT,
        Field("name", "name", "What was read", required=True),
        Field("unit", "text", "Unit of values", required=True),
        Field("calls_per_sample", "int", "Calls that one reading spans", required=True),
        Field("rank", "int", "Process of a distributed launch", required=True),
        Field("values", "ints", "Every reading, in order", required=True),
        _SCHEMA,
    ),
    source="SELECT * FROM samples WHERE write_id IN (SELECT write_id FROM batch)",
    references=(
        Reference(("run_id", "launch_id"), "launches", with_parent=True),
        Reference(("result_id",), "results", with_parent=True),
    ),
    indexes=("result_id",),
    optional=True,
    batch_rows=1024,
)
TELEMETRY = Table(
    "telemetry",
    "One sensor of one device over one launch: arrays, not a row a reading.",
    Filling.RUN,
    ("run_id", "launch_id", "ordinal"),
    (
        _RUN,
        _LAUNCH,
        Field("ordinal", "int", "Place among the sensors of the launch", required=True),
        _RESULT,
        Field("sensor", "name", "What was read", required=True),
        Field("device", "text", "Of which device, or part of it", required=True),
        Field("unit", "text", "Unit of values", required=True),
        Field("source", "text", "Who was asked", required=True),
        Field("scope", "text", "What the sensor covers", required=True),
        Field("t0_ns", "int", "First reading, in ns from the beginning of the launch", required=True),
        Field("dt_ns", "ints", "Time of each reading since the one before, in ns", required=True),
        Field("values", "floats", "Every reading, in order; null where it failed", required=True),
        _SCHEMA,
    ),
    source="SELECT * FROM telemetry WHERE write_id IN (SELECT write_id FROM batch)",
    references=(
        Reference(("run_id", "launch_id"), "launches", with_parent=True),
        Reference(("result_id",), "results", with_parent=True),
    ),
    indexes=("result_id", "sensor"),
    optional=True,
    batch_rows=1024,
)
IMPORTS = Table(
    "imports",
    "One file that was imported, and what became of its rows.",
    Filling.RUN,
    ("run_id", "import_id"),
    (
        Field("run_id", "text", "The run that holds its rows", required=True),
        Field("import_id", "text", "Hash of the file's content and the format", required=True),
        Field("source", "text", "The file, as it was named", required=True),
        Field("format", "text", "The importer that read it", required=True),
        Field("sha256", "text", "Hash of the file's content", required=True),
        Field("size_bytes", "int", "Its size in bytes", required=True),
        Field("imported_at", "time", "When", required=True),
        Field("assay_version", "text", "Version of assay that read it", required=True),
        Field("rows_seen", "int", "Rows in it", required=True),
        Field("rows_taken", "int", "Rows that became results", required=True),
        Field("rows_refused", "int", "Rows that did not", required=True),
        Field("notes", "texts", "What is to be known of the file as a whole", required=True),
        _SCHEMA,
    ),
    source="SELECT * FROM imports WHERE write_id IN (SELECT write_id FROM batch)",
    references=(Reference(("run_id",), "runs", with_parent=True),),
    indexes=("imported_at DESC", "import_id"),
)
IMPORT_REFUSALS = Table(
    "import_refusals",
    "One row of an imported file that was not taken.",
    Filling.RUN,
    ("run_id", "import_id", "position"),
    (
        Field("run_id", "text", "Run of its import", required=True),
        Field("import_id", "text", "Its import", required=True),
        Field("position", "int", "Number among the refusals of the import, from 1", required=True),
        Field("place", "text", "Where in the file", required=True),
        Field("error", "text", "What is wrong with it", required=True),
        Field("raw", "text", "What it says, cut where it is long", required=True),
        _SCHEMA,
    ),
    source=(
        "SELECT *, row_number() OVER (PARTITION BY run_id, import_id ORDER BY place, error, raw) AS position "
        "FROM import_refusals WHERE write_id IN (SELECT write_id FROM batch)"
    ),
    references=(Reference(("run_id", "import_id"), "imports", with_parent=True),),
)
