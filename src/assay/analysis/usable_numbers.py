"""Which stored numbers may stand in a ranking, and what has to agree before two of them are compared: as SQL.

Rankings, matrices and correlations read here, so that all of them leave out the same rows for the same reasons. A row
that is left out is counted with its reason. May import: core, catalog, store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.catalog.launch_metrics import usual_stat
from assay.catalog.metrics import metrics as registry
from assay.core.adapters import SOFTWARE_MARK
from assay.core.words import Direction, Verdict
from assay.store.query import fetch_rows
from assay.store.schema import HEADLINE_PHASE, HEADLINES, RESULTS, headline_columns
from assay.store.selection import ANY, Selection
from assay.store.view_sql import quote

if TYPE_CHECKING:
    from assay.store import Store

TABLES_READ = (RESULTS,)
"""What every question here reads: one set, since views that were made for a set of tables are used again."""
TYPICAL_STATS = ("median", "mean", "p50")
"""What stands for a number where the usual statistic is missing. A tail (p90, p99) never does: it is another number."""
RULED = "round"
"""The option that results have whose conditions a benchmark's rules fix: MLPerf. Batch and precision are free there."""
_OF_THE_SYSTEM = (
    "accelerators", "accelerators_per_node", "nodes", "submitter", "system", "software", "availability", "platform",
    "inferred",
)  # fmt: skip
"""Options that say on what was measured, and by whom, and not what."""
_FREE_BY_RULE = ("global_batch_size",)
_FREE_WHERE_CLOSED = (*_FREE_BY_RULE, "model_used")
"""In the closed division everybody runs the benchmark's model, whatever they call it."""
_NOT_A_SECOND_MEASUREMENT = "contains(options, '\"inferred\":true')"
"""MLPerf's submission checker computed these from the run of another scenario (docs/importing-mlperf.md)."""
_BATCH_MATTERS = ("inference", "training")
ON_SOFTWARE_ADAPTER = f"coalesce(contains(hardware, {quote(SOFTWARE_MARK)}), FALSE)"
"""A condition on ``results``: a graphics adapter that a CPU plays. It says that something works, and not how fast."""


@dataclass(frozen=True, slots=True)
class NumberWanted:
    """A metric and the statistics that stand for it, best first."""

    metric: str
    stats: tuple[str, ...]
    phases: tuple[str, ...] = (HEADLINE_PHASE, "energy")
    """Energy has a window of its own, whose phase says so."""

    @classmethod
    def of(cls, metric: str, stat: str | None = None) -> NumberWanted:
        """``stat`` None: the usual one, else a typical one. Raises UnknownNameError for a metric that nobody knows."""
        registry.get(metric)
        usual = usual_stat(metric)
        return cls(metric, (stat,) if stat else tuple(dict.fromkeys((usual, *TYPICAL_STATS))))

    @property
    def unit(self) -> str:
        """The registry's unit."""
        return registry.get(self.metric).unit

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        return registry.get(self.metric).direction

    def sql(self) -> str:
        """An expression on ``results``: a struct of value, lo, hi, n, stat, or null."""
        return self.listed_sql() if self.wide_sql() is None else f"coalesce({self.wide_sql()}, {self.listed_sql()})"

    @property
    def column(self) -> str | None:
        """The column of a headline metric in its headline statistic, None of any other number."""
        return self.metric if HEADLINES.get(self.metric, ("", ""))[0] in self.stats else None

    def wide_sql(self) -> str | None:
        """The same from the column alone; None for a number that has none."""
        if self.column is None:
            return None
        value, low, high, count = headline_columns(self.metric)
        return (
            f"CASE WHEN {value} IS NOT NULL THEN {{'value': {value}, 'lo': {low}, 'hi': {high}, 'n': {count}, "
            f"'stat': {quote(HEADLINES[self.metric][0])}}} END"
        )

    def listed_sql(self, metrics: str = "metrics") -> str:
        """The same from the list of metrics alone."""
        return f"coalesce({', '.join(self._entry(metrics, stat) for stat in self.stats)})"

    def _entry(self, metrics: str, stat: str) -> str:
        phases = ", ".join(map(quote, self.phases))
        return (
            f"list_transform(list_filter({metrics}, lambda one: one.name = {quote(self.metric)} "
            f"AND one.stat = {quote(stat)} AND list_contains([{phases}], one.phase) AND one.value IS NOT NULL), "
            "lambda one: {'value': one.value, 'lo': one.ci_lo, 'hi': one.ci_hi, 'n': one.n, 'stat': one.stat})[1]"
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many rows were left out, and why, in words."""

    reason: str
    count: int


def select_any(where: Mapping[str, Any], run_ids: Sequence[str] = ()) -> Selection:
    """Return the selection that a report asks for: of every provenance, since those are shown apart, unless it says.

    Raises UsageError for a field or word that nobody knows.
    """
    fields: dict[str, Any] = {"provenance": ANY} | {name: one for name, one in where.items() if one is not None}
    if run_ids:
        fields["run_id"] = tuple(run_ids)
    return Selection.of(fields)


def match_exactly(names: Sequence[str]) -> tuple[str, ...]:
    """Names as a selection takes them literally: in brackets, its wildcards stand for themselves."""
    return tuple("".join(f"[{letter}]" if letter in "*?[" else letter for letter in name) for name in names)


def usable_sql(selection: Selection) -> tuple[str, list[object]]:
    """Return a condition on ``results`` that only what may be ranked meets, and its parameters. Raises UsageError."""
    where, parameters = selection.where()
    condition = (
        f"{where} AND usable AND verdict IS DISTINCT FROM {quote(Verdict.CONTAMINATED.value)} "
        f"AND NOT {_NOT_A_SECOND_MEASUREMENT} AND NOT {ON_SOFTWARE_ADAPTER}"
    )
    return condition, parameters


def count_left_out(store: Store, selection: Selection, *, only: str = "TRUE") -> tuple[LeftOut, ...]:
    """Count the rows of a selection that may not be ranked, by reason, most first. Raises StoreError.

    ``only`` is one more condition on ``results``, in words of the program.
    """
    where, parameters = selection.where()
    rows = fetch_rows(
        store.location,
        f"""
        SELECT CASE
            WHEN status <> 'ok' THEN 'did not end well (' || status || ')'
            WHEN fidelity = 'failed' THEN 'wrong answers: the fidelity gate failed'
            WHEN NOT usable THEN 'marked by its importer as '
              || list_aggregate(list_sort(map_keys(marks)), 'string_agg', ', ')
            WHEN verdict = {quote(Verdict.CONTAMINATED.value)} THEN 'contaminated: something disturbed the timing'
            WHEN {ON_SOFTWARE_ADAPTER} THEN 'on a software adapter: a CPU played the graphics hardware'
            ELSE 'computed from the run of another scenario, so no second measurement'
          END AS reason, count(*) AS count
        FROM results WHERE {where} AND {only} AND (
          NOT usable OR verdict = {quote(Verdict.CONTAMINATED.value)} OR {_NOT_A_SECOND_MEASUREMENT}
          OR {ON_SOFTWARE_ADAPTER}
        ) GROUP BY ALL ORDER BY count DESC, reason
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    return tuple(LeftOut(row["reason"], row["count"]) for row in rows)


def numbers_sql(wanted: Sequence[NumberWanted], columns: str, condition: str) -> str:
    """Return SQL for the numbers of results: ``columns`` and ``metric`` (its place), ``value, lo, hi, n, stat``.

    ``condition`` stands in it once for each part, so its parameters have to be given ``count_parts(wanted)`` times.
    Headline metrics are read from their columns, and the list of the others is decoded only for rows that may need it:
    over a million rows that is most of the time.
    """
    numbers = "number.value AS value, number.lo AS lo, number.hi AS hi, number.n AS n, number.stat AS stat"
    wide = [
        f"SELECT {columns}, {place} AS metric, {numbers} "  # noqa: S608  (words of ours)
        f"FROM (SELECT *, {one.wide_sql()} AS number FROM results WHERE {condition} AND {one.column} IS NOT NULL)"
        for place, one in enumerate(wanted)
        if one.column is not None
    ]
    entries = ", ".join(
        f"{{'metric': {place}, 'number': "
        + (
            f"CASE WHEN {one.column} IS NULL THEN {one.listed_sql('relevant')} END"
            if one.column
            else one.listed_sql("relevant")
        )
        + "}"
        for place, one in enumerate(wanted)
    )
    rows = (
        "TRUE" if any(one.column is None for one in wanted) else " OR ".join(f"{one.column} IS NULL" for one in wanted)
    )
    listed = f"""
      SELECT {columns}, entry.metric AS metric, {numbers.replace("number.", "entry.number.")} FROM (
        SELECT *, unnest([{entries}]) AS entry FROM (
          SELECT *, {relevant_sql(wanted)} AS relevant
          FROM results WHERE {condition} AND ({rows})
        ) WHERE len(relevant) > 0
      )
    """  # noqa: S608  (words of ours)
    return f"SELECT * FROM ({' UNION ALL '.join([*wide, listed])}) WHERE isfinite(value)"  # noqa: S608  (words of ours)


def relevant_sql(wanted: Sequence[NumberWanted]) -> str:
    """An expression for the entries of a result's list of metrics that may hold what is wanted: few, of long lists."""
    names = ", ".join(quote(one.metric) for one in wanted)
    stats = ", ".join(quote(stat) for stat in dict.fromkeys(stat for one in wanted for stat in one.stats))
    return (
        f"list_filter(metrics, lambda one: one.value IS NOT NULL AND list_contains([{names}], one.name) "
        f"AND list_contains([{stats}], one.stat))"
    )


def count_parts(wanted: Sequence[NumberWanted]) -> int:
    """How many times ``numbers_sql`` holds its condition."""
    return 1 + sum(one.column is not None for one in wanted)


def keyed_sql(source: str) -> str:
    """Return SQL over rows of ``results`` that adds what has to agree before two of them are compared.

    ``is_ruled``: a benchmark's rules fix the conditions, so batch, precision and engine are free and come out null.
    ``conditions`` are the options that say what was measured, as JSON. ``accelerators`` is how many devices took part.
    ``submission`` is whose result it is, where a benchmark publishes them: the same one may stand in several files.
    ``within`` is the run of the import of a row whose source leaves conditions unsaid: such a row is compared only with
    others of its own source, which was made in one way. Options repeat, so each text is taken apart once.
    """
    patches = [
        quote("{" + ", ".join(f'"{name}": null' for name in (*_OF_THE_SYSTEM, *more)) + "}")
        for more in ((), _FREE_BY_RULE, _FREE_WHERE_CLOSED)
    ]
    ruled = f"json_exists(options, '$.{RULED}')"
    return f"""
    SELECT s.* EXCLUDE (precision, batch, shape, engine),
      o.is_ruled, o.conditions, o.accelerators, o.submission,
      CASE WHEN NOT o.is_ruled THEN s.precision END AS precision,
      CASE WHEN NOT o.is_ruled THEN s.batch END AS batch,
      CASE WHEN NOT o.is_ruled THEN s.shape::VARCHAR ELSE '{{}}' END AS shape,
      CASE WHEN NOT o.is_ruled THEN s.engine END AS engine,
      s.engine AS software,
      CASE WHEN NOT o.is_ruled AND (
        s.hardware IS NULL OR s.hardware = 'unknown' OR s.precision IS NULL
        OR (s.batch IS NULL AND s.mode IN {_BATCH_MATTERS})
      ) THEN s.run_id END AS within
    FROM ({source}) AS s JOIN (
      SELECT * REPLACE (
        -- Of a machine without accelerators the number of nodes is what says how large it is.
        CASE WHEN accelerators IS NULL AND nodes > 1
             THEN json_merge_patch(conditions, json_object('nodes', nodes))::VARCHAR ELSE conditions END AS conditions
      ) FROM (SELECT options,
        TRY_CAST(json_extract_string(options, '$.nodes') AS BIGINT) AS nodes,
        {ruled} AS is_ruled,
        json_merge_patch(
          options,
          CASE WHEN json_extract_string(options, '$.division') = 'closed' THEN {patches[2]}
               WHEN {ruled} THEN {patches[1]} ELSE {patches[0]} END
        )::VARCHAR AS conditions,
        CASE WHEN {ruled} THEN coalesce(json_extract_string(options, '$.submitter'), '') || ' '
          || coalesce(json_extract_string(options, '$.system'), '') END AS submission,
        nullif(coalesce(
          TRY_CAST(json_extract_string(options, '$.accelerators') AS BIGINT),
          TRY_CAST(json_extract_string(options, '$.accelerators_per_node') AS BIGINT)
            * coalesce(TRY_CAST(json_extract_string(options, '$.nodes') AS BIGINT), 1)
        ), 0) AS accelerators
      FROM (SELECT DISTINCT options FROM ({source})))
    ) AS o USING (options)
    """  # noqa: S608  (words of ours; what is asked is bound or quoted)


def read_shape(text: str) -> list[tuple[str, str]]:
    """Read sizes as the store's views write them, DuckDB's text of a map: ``{seq=128, image=224}``."""
    pairs = (part.partition("=") for part in text.strip("{}").split(", "))
    return [(name, size) for name, _, size in pairs if name]
