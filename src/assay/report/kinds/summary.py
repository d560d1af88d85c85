"""The report for who has one minute: what was measured where, best and worst, what changed, targets, what to do.

Every sentence is said again by a table, whose cells lead to what stands behind it. May import: core, analysis, store,
report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.analysis.targets import Met, TargetReport, judge_targets
from assay.analysis.trend import Trend, find_series, find_trends
from assay.core.errors import AssayError
from assay.core.records import FindingRecord, RunRecord
from assay.core.words import Direction, Provenance
from assay.report.advice import MOST_SUBJECTS, PROBE_SUITE, advise
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import direction_of, metric_title, run_cell, short_id
from assay.report.checked import findings_table, findings_words
from assay.report.histories import longest_series, read_last_findings
from assay.report.how_to_read import how_to_read
from assay.report.kinds.targets import targets_of
from assay.report.origins import sources_of_runs
from assay.report.run_content import count_results, read_run_record
from assay.report.run_facts import where_scope
from assay.report.standings import (
    Holding,
    Standing,
    holdings_figure,
    holdings_table,
    read_holdings,
    read_standings,
    standings_figure,
    standings_table,
)
from assay.report.traced import changes_table, most_telling, open_changes, trend_words
from assay.report.values import Block, Cell, Column, Figure, Report, Section, Table, Text, Tone
from assay.report.wording import agree, name_some, number_words, plural, sentence, short_name
from assay.store.query import fetch_rows
from assay.store.schema import RESULTS
from assay.store.selection import ANY, Selection

if TYPE_CHECKING:
    from assay.recommend.base import Advice
    from assay.store import Store

_METRIC = "latency_ns"
_MOST_SERIES = 40
_MOST_ADVICE = 5
_MOST_SUITES = 6
_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class _Scored:
    """A run and how it stands with its targets."""

    run: RunRecord
    report: TargetReport


@dataclass(frozen=True, slots=True)
class _Action:
    """One thing to do, why, and the command that does it."""

    what: str
    why: str
    command: str


def build(store: Store, request: ReportRequest) -> Report:
    """Sum up the store, or what the request's fields select of it. Raises UsageError, UnknownNameError, StoreError."""
    where: dict[str, Any] = {**request.where}
    if request.run_ids:
        where["run_id"] = list(request.run_ids)
    provenance = _provenance(where)
    metric = request.metric or _METRIC
    holdings = read_holdings(store, {"provenance": ANY, **where})
    standings = read_standings(store, {"provenance": provenance.value, **where}, metric, request.stat)
    findings = read_last_findings(store)
    trends, series = _trends(store, where, metric, request.stat)
    scored = tuple(_score(store))
    newest = _newest_run(store, where)
    advice = () if newest is None else _advise(store, newest)
    actions = tuple(_actions(store, findings, scored, advice, newest))
    opened = [one for one in trends if open_changes(one)]
    sections = [
        Section("holdings", "What was measured where", _with(holdings_table(holdings), holdings_figure(holdings))),
        Section(
            "standings",
            "Best and worst",
            _with(standings_table(standings, metric, provenance), standings_figure(standings, metric, provenance)),
        ),
        _changes_section(opened, findings),
        _targets_section(scored),
        Section("actions", "What to do", (_actions_table(actions),)),
    ]
    return Report(
        kind="summary",
        title="Summary" if not where else f"Summary of {short_name(', '.join(_said(where)))}",
        generated_at=request.time,
        assay_version=__version__,
        summary=tuple(_summary(holdings, standings, metric, trends, findings, scored, actions, provenance, series)),
        scope=(("number", metric), *where_scope(where)),
        sections=tuple(section for section in sections if section is not None),
        sources=_sources(store, where) if provenance is Provenance.IMPORTED else (),
        how_to_read=how_to_read("trend", "change", "targets"),
    )


# -- reading ---------------------------------------------------------------------------------------------------


def _provenance(where: Mapping[str, Any]) -> Provenance:
    """The one provenance that rankings are of: the one asked for, else measured. They never mix."""
    asked = where.get("provenance")
    words = [asked] if isinstance(asked, str) else list(asked or ())
    return Provenance(words[0]) if len(words) == 1 and words[0] != ANY else Provenance.MEASURED


def _trends(store: Store, where: Mapping[str, Any], metric: str, stat: str | None) -> tuple[list[Trend], int]:
    selection = Selection.of({**where, "provenance": Provenance.MEASURED.value})
    series = find_series(store, selection)
    chosen = longest_series(store, selection, series, _MOST_SERIES)
    return most_telling(find_trends(store, selection, metric=metric, stat=stat, series=chosen)), len(series)


def _score(store: Store) -> Iterator[_Scored]:
    """The newest run of each suite that has targets."""
    rows = fetch_rows(
        store.location,
        """
        SELECT run_id FROM runs
        WHERE provenance = 'measured' AND NOT superseded AND json_array_length(config, '$.suite.targets') > 0
        QUALIFY row_number() OVER (PARTITION BY suite ORDER BY started_at DESC, run_id DESC) = 1
        ORDER BY started_at DESC LIMIT ?
        """,
        [_MOST_SUITES],
        tables=(),
        versions=store.versions,
    )
    for row in rows:
        run = read_run_record(store, row["run_id"])
        try:
            targets = targets_of(run)
        except AssayError:
            continue  # written by an assay that knows other targets; `assay targets RUN` says what is wrong
        yield _Scored(run, judge_targets(list(store.results(run_id=run.run_id)), targets))


def _newest_run(store: Store, where: Mapping[str, Any]) -> RunRecord | None:
    """The newest measured run of the selection that is no probe."""
    condition, parameters = Selection.of({**where, "provenance": Provenance.MEASURED.value}).where()
    rows = fetch_rows(
        store.location,
        f"""
        SELECT run_id FROM runs WHERE suite <> ? AND run_id IN (SELECT run_id FROM results WHERE {condition})
        ORDER BY started_at DESC, run_id DESC LIMIT 1
        """,  # noqa: S608  (a condition of ours)
        [PROBE_SUITE, *parameters],
        tables=[RESULTS],
        versions=store.versions,
    )
    return read_run_record(store, rows[0]["run_id"]) if rows else None


def _advise(store: Store, run: RunRecord) -> tuple[Advice, ...]:
    results = store.results(run_id=run.run_id, limit=MOST_SUBJECTS + 1)
    return advise(store, list(results), store.environment(run.env_id))[:_MOST_ADVICE]


def _sources(store: Store, where: Mapping[str, Any]) -> tuple[Any, ...]:
    condition, parameters = Selection.of(dict(where)).where()
    rows = fetch_rows(
        store.location,
        f"SELECT run_id, count(*) AS count FROM results WHERE {condition} GROUP BY run_id",  # noqa: S608
        parameters,
        tables=[RESULTS],
        versions=store.versions,
    )
    return sources_of_runs(store, {row["run_id"]: row["count"] for row in rows})


# -- what to do ------------------------------------------------------------------------------------------------


def _actions(
    store: Store,
    findings: Sequence[FindingRecord],
    scored: Sequence[_Scored],
    advice: Sequence[Advice],
    newest: RunRecord | None,
) -> Iterator[_Action]:
    if newest is None:
        yield _Action("measure something", "nothing was measured here yet", "assay run")
        return
    alarms = [one for one in findings if one.change.is_alarm and one.muted is None]
    if alarms:
        names = name_some(one.case_label for one in alarms)
        yield _Action(
            "look at the alarms of the newest check", names, f"assay check {short_id(alarms[0].run_id)} --confirm"
        )
    yield from _repairs(store, newest)
    for one in scored:
        missed = one.report.count(Met.FAIL)
        if missed:
            why = f"{plural(missed, 'target')} of {one.run.suite} {agree(missed, 'is')} missed"
            yield _Action("see which targets are missed", why, f"assay targets {short_id(one.run.run_id)}")
    for piece in advice:
        gain = "" if piece.gain is None else f" ({number_words(piece.gain, 'ratio')} {piece.gain_of})"
        why = f"{short_name(piece.subject)}: {piece.because}{gain}"
        yield _Action(piece.action, why, f"assay recommend {short_id(newest.run_id)} --evidence")
    if not store.results(suite=PROBE_SUITE, limit=1).count_rows():
        yield _Action("probe this machine", "no case can be held against what the device gives", "assay probe")
    if not store.calibrations():
        yield _Action("calibrate", "how far equal launches differ here is not known", "assay calibrate")


def _repairs(store: Store, run: RunRecord) -> Iterator[_Action]:
    """What is wrong with the newest run itself."""
    tally = count_results(store, {"run_id": run.run_id})
    again = f"assay report {short_id(run.run_id)}"
    if tally.failed:
        yield _Action("see what failed", f"{plural(tally.failed, 'case')} of the newest run did not work", again)
    disturbed = sum(count for word, count in tally.verdicts.items() if word.value == "contaminated")
    if disturbed:
        why = f"{plural(disturbed, 'result')} of the newest run {agree(disturbed, 'was')} disturbed"
        yield _Action("measure again on a quiet machine", why, f"assay show {short_id(run.run_id)} --launches")
    if run.status.value == "interrupted":
        yield _Action("finish the newest run", "it was interrupted", f"assay run --resume {short_id(run.run_id)}")


def _with(table: Table, figure: Figure | None) -> tuple[Block, ...]:
    return (table,) if figure is None else (figure, table)


# -- sections --------------------------------------------------------------------------------------------------


def _changes_section(opened: Sequence[Trend], findings: Sequence[FindingRecord]) -> Section:
    blocks: list[Block] = [changes_table(opened, limit=_MOST_ROWS)]
    alarms = [one for one in findings if one.change.is_alarm]
    if findings:
        blocks += [*findings_words(findings)]
    if alarms:
        blocks.append(findings_table(alarms, title="Alarms of the newest check", limit=_MOST_ROWS))
    return Section("changes", "What changed", tuple(blocks))


def _targets_section(scored: Sequence[_Scored]) -> Section | None:
    if not scored:
        return None
    columns = (
        Column("suite", "suite"),
        Column("run", "run"),
        Column("when", "when"),
        Column("met", "met", unit="count"),
        Column("missed", "missed", unit="count"),
        Column("unknown", "not known", unit="count"),
        Column("score", "score", unit="1", direction=Direction.HIGHER, description="0 to 100"),
        Column("grade", "grade"),
    )
    rows = []
    for one in scored:
        judged = one.report
        why = "too little of the weight is known"
        rows.append(
            (
                Cell(one.run.suite),
                run_cell(one.run),
                Cell(one.run.started_at),
                *(Cell(judged.count(met)) for met in Met),
                Cell(judged.score, reason=why if judged.score is None else None),
                Cell(judged.grade, reason=why if judged.grade is None else None),
            )
        )
    caption = "The newest run of each suite that has targets."
    return Section("targets", "Targets", (Table("targets", "Targets", columns, tuple(rows), caption=caption),))


def _actions_table(actions: Sequence[_Action]) -> Table:
    columns = (Column("what", "what to do"), Column("why", "because"), Column("command", "command", is_code=True))
    rows = tuple((Cell(one.what), Cell(one.why), Cell(one.command)) for one in actions)
    return Table("actions", "What to do", columns, rows, when_empty="Nothing that is known here asks for anything.")


# -- in words --------------------------------------------------------------------------------------------------


def _summary(  # noqa: PLR0913, PLR0917  (every part of the report, once)
    holdings: Sequence[Holding],
    standings: Sequence[Standing],
    metric: str,
    trends: Sequence[Trend],
    findings: Sequence[FindingRecord],
    scored: Sequence[_Scored],
    actions: Sequence[_Action],
    provenance: Provenance,
    series: int,
) -> Iterator[Text]:
    yield Text(tuple(_held(holdings)), Tone.PLAIN if holdings else Tone.WARNING)
    if standings and standings[0].ways > 1:
        yield Text((_best(standings[0], metric, provenance),))
    if trends:
        yield from trend_words(trends, of=series)
    if findings:
        first, *_ = findings_words(findings)
        yield Text((f"The newest check: {first.paragraphs[0][:1].lower()}{first.paragraphs[0][1:]}",), first.tone)
    for one in scored[:1]:
        met, every = one.report.count(Met.PASS), len(one.report.outcomes)
        score = "" if one.report.score is None else f", grade {one.report.grade}"
        tone = Tone.BAD if one.report.count(Met.FAIL) else Tone.PLAIN
        yield Text(
            (f"{met} of {plural(every, 'target')} of {short_name(one.run.suite)} {agree(met, 'is')} met{score}.",), tone
        )
    if actions:
        yield Text((f"First to do: {actions[0].what} ({actions[0].command}).",))


def _held(holdings: Sequence[Holding]) -> Iterator[str]:
    measured = [one for one in holdings if one.provenance is Provenance.MEASURED]
    others = [one for one in holdings if one.provenance is not Provenance.MEASURED]
    if measured:
        count = sum(one.results for one in measured)
        names = name_some(one.hardware or "hardware that is not known" for one in measured)
        yield sentence(f"{plural(count, 'result')} {agree(count, 'was')} measured on {names}")
    else:
        yield "Nothing of what was asked for was measured by assay."
    for word in Provenance:
        count = sum(one.results for one in others if one.provenance is word)
        if count:
            held = f"{plural(count, 'result')} {agree(count, 'is')} {word}"
            yield sentence(held, "no ranking here mixes them with measured ones")


def _best(standing: Standing, metric: str, provenance: Provenance) -> str:
    unit = "ns" if metric == _METRIC else None
    best, worst = standing.best, standing.worst
    said = [f"{short_name(way.text)} ({number_words(way.value, unit)})" for way in (best, worst)]
    better = "lower" if direction_of(metric) is Direction.LOWER else "higher"
    work = f"{short_name(standing.workload)} {standing.settings}".strip()
    return (
        f"Widest apart in {metric_title(metric)} ({better} is better, {provenance} only): {work}, where {said[0]} is "
        f"{number_words(standing.times, '1')} times better than {said[1]}."
    )


def _said(where: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} {value}" for name, value in where_scope(where))


report_kinds.add(
    "summary",
    ReportKind(
        name="summary",
        title="Summary",
        description="For who has one minute: what was measured where, best and worst, what changed, what to do",
        build=build,
        runs=(0, None),
    ),
)
