"""``assay ls``, ``assay show RUN`` and ``assay sql``: looking at what the store holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.output import (
    AsOfOption,
    CsvOption,
    Form,
    JsonOption,
    StoreOption,
    choose_form,
    format_age,
    make_console,
    new_table,
    open_for_reading,
    print_csv,
    print_json,
    print_table,
    short_id,
)
from assay.core.words import Provenance

if TYPE_CHECKING:
    from assay.core.records import EnvironmentRecord, LaunchRecord, ResultRecord, RunRecord
    from assay.store import Store

_LONGEST_LISTING = 20
_SQL_ROWS = 200
PROBE_SUITE = "probe"
"""Runs of `assay probe` have a table of their own."""
_STATUS_STYLES = {"ok": "green", "failed": "red", "interrupted": "yellow"}


def list_runs(
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs, newest first.")] = _LONGEST_LISTING,
    suite: Annotated[str | None, typer.Option("--suite", help="Only runs of this suite.")] = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List runs, newest first."""
    from assay.cli.plain import RUN_COLUMNS, run_row

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store, as_of)
    runs = opened.runs(limit=limit, suite=suite)
    if form is Form.JSON:
        print_json([run_row(run) for run in runs])
    elif form is Form.CSV:
        print_csv([run_row(run) for run in runs], RUN_COLUMNS)
    elif not runs:
        typer.echo(f"No runs yet in {opened.location}. Make one with: assay run")
    else:
        _print_runs(opened, runs)
    _mention_orphans(opened)


def _print_runs(store: Store, runs: Sequence[RunRecord]) -> None:
    from rich.text import Text

    counts = _count_results(store, [run.run_id for run in runs])
    table = new_table()
    for header in ("run", "when", "suite", "status", "results", "verdicts", "hardware", "code", "note"):
        table.add_column(header, overflow="fold")
    for run in runs:
        count = counts.get(run.run_id, {})
        status = Text(run.status.value, style=_STATUS_STYLES.get(run.status.value, ""))
        if count.get("superseded"):
            status.append(" (resumed)")
        table.add_row(
            short_id(run.run_id), format_age(run.started_at), run.suite, status, _result_counts(run, count),
            _verdict_counts(count), count.get("hardware") or "", _code(run), run.note or ", ".join(run.tags),
        )  # fmt: skip
    print_table(table)


def _count_results(store: Store, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    # Not Store.query: Arrow takes longer to import than all of this takes.
    from assay.store.query import fetch_rows
    from assay.store.schema import ENVIRONMENTS, RESULTS

    marks = ", ".join("?" * len(run_ids))
    rows = fetch_rows(
        store.location,
        f"""
        SELECT runs.run_id, any_value(runs.superseded) AS superseded,
               any_value(environments.hardware_class) AS hardware,
               count(*) FILTER (results.status = 'ok') AS ok,
               count(*) FILTER (results.status IN ('failed', 'oom', 'timeout')) AS failed,
               count(*) FILTER (results.status IN ('skipped', 'unsupported')) AS skipped,
               count(*) FILTER (results.verdict = 'trusted') AS trusted,
               count(*) FILTER (results.verdict = 'noisy') AS noisy,
               count(*) FILTER (results.verdict = 'contaminated') AS contaminated
        FROM runs LEFT JOIN results USING (run_id) LEFT JOIN environments USING (env_id)
        WHERE runs.run_id IN ({marks}) GROUP BY runs.run_id
        """,  # noqa: S608  (only question marks are inserted)
        list(run_ids),
        tables=[RESULTS, ENVIRONMENTS],
        versions=store.versions,
    )
    return {row["run_id"]: row for row in rows}


def _result_counts(run: RunRecord, count: dict[str, Any]) -> str:
    parts = [f"{count.get('ok', 0)}/{run.cases_planned} ok"]
    parts += [f"{count[word]} {word}" for word in ("failed", "skipped") if count.get(word)]
    return ", ".join(parts)


def _verdict_counts(count: dict[str, Any]) -> str:
    return ", ".join(f"{count[word]} {word}" for word in ("trusted", "noisy", "contaminated") if count.get(word))


def _code(run: RunRecord) -> str:
    if run.git_commit is None:
        return ""
    return f"{run.git_branch or 'detached'}@{run.git_commit[:8]}{'+' if run.git_dirty else ''}"


def show(  # noqa: PLR0913  (a command has as many options as people need)
    ref: Annotated[str, typer.Argument(metavar="RUN", help="Id, the end of one, or last, last~1.")] = "last",
    store: StoreOption = None,
    launches: Annotated[bool, typer.Option("--launches", help="Also every launch, with what disturbed it.")] = False,
    environment: Annotated[bool, typer.Option("--environment", help="Also every fact of the environment.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also what bounds each result, by the newest probe of its device.")
    ] = False,
    samples: Annotated[bool, typer.Option("--samples", help="With --json: also every raw sample.")] = False,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show one run: its results, and where every number comes from."""
    from assay.cli.plain import RESULT_COLUMNS, environment_row, launch_row, result_row, run_row

    form = choose_form(as_json=as_json, as_csv=as_csv)
    opened = open_for_reading(store, as_of)
    run = opened.find_run(ref)
    # Ids are made in the order of the plan.
    results = sorted(opened.results(run_id=run.run_id), key=lambda result: result.result_id)
    surroundings = opened.environment(run.env_id)
    if form is Form.CSV:
        print_csv([result_row(result) for result in results], RESULT_COLUMNS)
        return
    made = opened.launches(run_id=run.run_id, with_samples=samples) if launches or form is Form.JSON else []
    if form is Form.JSON:
        content = {
            "run": run_row(run), "environment": environment_row(surroundings),
            "results": [result_row(result) for result in results], "launches": [launch_row(one) for one in made],
        }  # fmt: skip
        print_json(content | (_explanations(results, surroundings, opened) if explain else {}))
        return
    if run.provenance is Provenance.IMPORTED:
        from assay.cli.imported import print_imported

        record = next((one for one in opened.imports() if one.import_id == run.import_id), None)
        print_imported(run, results, record, store_location=opened.location)
    elif run.suite == PROBE_SUITE and results:
        from assay.cli.probe import print_probe

        print_probe(results[0], opened.launches(run_id=run.run_id), surroundings, opened)
    else:
        print_run(run, results, surroundings, store_location=opened.location)
    if explain:
        from assay.cli.explain import print_explanations

        print_explanations(results, surroundings, opened)
    if launches:
        _print_launches(results, made)
    if environment:
        _print_facts(surroundings)


def _explanations(
    results: Sequence[ResultRecord], environment: EnvironmentRecord, store: Store
) -> dict[str, list[dict[str, Any]]]:
    from assay.cli.explain import explain_row
    from assay.recommend.explain import explain_results

    return {"explanations": [explain_row(one) for one in explain_results(results, environment, store)]}


def print_run(
    run: RunRecord, results: Sequence[ResultRecord], environment: EnvironmentRecord, *, store_location: str
) -> None:
    """The table of a run and the lines under it that say where the numbers come from."""
    from rich.text import Text

    from assay.cli.tables import result_notes, result_table
    from assay.core.units import format_elapsed

    elapsed = format_elapsed((run.finished_at - run.started_at).total_seconds())
    console = make_console()
    title = f"{run.suite} · run {short_id(run.run_id)} · {run.status} · {elapsed}"
    legend = (
        "median of launch medians; 95 % CI over launches (Student's t on logs); "
        "memory is the peak above the process before loading"
    )
    notes = [legend]
    if run.config.get("shortened"):
        notes.append("shortened windows: this suite samples for less time than the method's defaults do")
    if run.parent_id is not None:
        notes.append(f"resumes run {short_id(run.parent_id)}, whose finished launches it took over")
    console.print(result_table(results, title=title, notes=notes))
    for note in result_notes(results):
        console.print(Text(f"  ! {note}", style="yellow"), soft_wrap=True)
    console.print(
        Text(_describe_origin(run, environment, _describe_place(results, environment)), style="dim"), soft_wrap=True
    )
    console.print(Text(f"kept in {store_location} · assay show {short_id(run.run_id)}", style="dim"), soft_wrap=True)


def _describe_place(results: Sequence[ResultRecord], environment: EnvironmentRecord) -> str:
    """What computed: this machine, a visitor's device, or both."""
    from assay.engines.web.visit import describe_visitor

    here = environment.hardware_class
    places = dict.fromkeys(describe_visitor(dict(result.case.options)) or here for result in results)
    named = " and ".join(places) or here
    return named if here in places or not places else f"{named}, asked from {here}"


def _describe_origin(run: RunRecord, environment: EnvironmentRecord, place: str) -> str:
    """One line: whose numbers these are, on what, with which software, when."""
    facts = environment.facts
    python = facts.get("python", {})
    packages = python.get("packages", {})
    system = facts.get("os", {})
    parts = [
        f"{run.provenance} on {place}",
        f"{system.get('system', '')} {system.get('kernel', '')}".strip(),
        f"Python {python.get('version', '')}",
        *(f"{name} {packages[name]}" for name in ("torch", "transformers") if packages.get(name)),
        f"assay {run.assay_version}",
        f"{run.started_at.astimezone():%Y-%m-%d %H:%M}",
    ]
    return " · ".join(part for part in parts if part)


def _print_launches(results: Sequence[ResultRecord], launches: Sequence[LaunchRecord]) -> None:
    from rich.text import Text

    from assay.cli.tables import VERDICT_STYLES
    from assay.core.units import MISSING, format_duration_ns

    labels = {result.result_id: result.case.label for result in results}
    order = {result.result_id: index for index, result in enumerate(results)}
    table = new_table("launches")
    for header in ("case", "#", "median", "samples", "warm-up", "import", "load", "first call", "verdict", "why"):
        table.add_column(header, overflow="fold", justify="right" if header in {"#", "median", "samples"} else "left")
    for launch in sorted(launches, key=lambda one: (order.get(one.result_id, len(order)), one.ordinal)):
        costs = launch.costs_ns
        verdict = launch.verdict.value if launch.verdict else launch.status.text
        style = VERDICT_STYLES.get(launch.verdict, "red") if launch.verdict else "red"
        table.add_row(
            labels.get(launch.result_id, ""), str(launch.ordinal + 1), format_duration_ns(launch.median_ns),
            launch.stop_reason or MISSING, f"{launch.warmup_calls} calls" if launch.warmup_calls else MISSING,
            *(format_duration_ns(costs.get(key)) for key in ("import", "load", "first_infer")),
            Text(verdict, style=style), launch.reason or "; ".join(launch.verdict_reasons),
        )  # fmt: skip
    print_table(table)


def _print_facts(environment: EnvironmentRecord) -> None:
    import yaml

    typer.echo(f"environment {environment.env_id} (host {environment.host_id})")
    typer.echo(yaml.safe_dump(dict(environment.facts), sort_keys=False, allow_unicode=True))


def sql(
    query: Annotated[
        str,
        typer.Argument(metavar="QUERY", help="One reading statement over runs, results, metrics, launches, samples."),
    ],
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most rows to print.")] = _SQL_ROWS,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds after which the query is stopped.")] = 60.0,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Ask the store in SQL (DuckDB's dialect, read-only).

    For example:

      assay sql "SELECT workload, batch, latency_ns / 1e6 AS ms FROM results WHERE status = 'ok' ORDER BY ms"
    """
    form = choose_form(as_json=as_json, as_csv=as_csv)
    # One row more than asked tells whether there are more.
    table = open_for_reading(store, as_of).query_readonly(query, max_rows=limit + 1, timeout_s=timeout)
    rows = table.slice(0, limit).to_pylist()
    if form is Form.JSON:
        print_json(rows)
    elif form is Form.CSV:
        print_csv(rows, table.column_names)
    else:
        _print_rows(rows, table.column_names)
    if table.num_rows > limit:
        typer.secho(f"Only the first {limit} rows are shown; --limit takes more.", fg=typer.colors.YELLOW, err=True)


def _print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    from assay.core.units import MISSING

    table = new_table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(MISSING if row[column] is None else str(row[column]) for column in columns))
    print_table(table)


def _mention_orphans(store: Store) -> None:
    count = len(store.orphans())
    if count:
        message = (
            f"{count} unfinished run(s) of a process that is gone; keep what they measured with: assay store recover"
        )
        typer.secho(message, fg=typer.colors.YELLOW, err=True)


def register(app: typer.Typer) -> None:
    """Add the three commands to the application."""
    app.command("ls")(list_runs)
    app.command("show")(show)
    app.command("sql")(sql)
