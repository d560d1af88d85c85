"""Report on one run: what was measured, whether to believe it, what did not work, what it took, and what to do.

Of imported results it shows somebody else's numbers with their marks and their source. May import: core, store,
analysis, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from assay import __version__
from assay.analysis.web_sides import VISITED
from assay.core.adapters import machine_of
from assay.core.records import ResultRecord, RunRecord
from assay.core.units import format_elapsed
from assay.core.words import RunStatus, Verdict
from assay.report.advice import MOST_SUBJECTS, TOO_MANY, advice_section, advise, bounds_table, explain_known
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import choose_metric, run_ref, short_id
from assay.report.how_to_read import how_to_read
from assay.report.launch_sections import launches_table
from assay.report.origins import environment_facts, sources_of_runs
from assay.report.result_sections import (
    costs_section,
    energy_section,
    fidelity_section,
    memory_section,
    mode_sections,
    spread_section,
    trouble_section,
)
from assay.report.results_table import NumberColumn, numbers_table, results_table
from assay.report.run_content import RunContent, read_run, read_run_record
from assay.report.run_facts import run_facts, where_scope
from assay.report.run_figures import distribution_section, latency_figure, power_figures, roofline_figure
from assay.report.training_data import read_trainings
from assay.report.training_sections import training_sections
from assay.report.values import Block, Report, Section, Text, Tone
from assay.report.wording import agree, count_words, name_some, number_words, plural, sentence, short_name

if TYPE_CHECKING:
    from assay.recommend.base import Advice
    from assay.store import Store

_MOST_ADVICE = 20


def build(store: Store, request: ReportRequest) -> Report:
    """Report on the one run of the request. Raises NotFoundError, UsageError, StoreError."""
    run = read_run_record(store, request.run_ids[0])
    content = read_run(store, run, request)
    explained = () if content.is_imported else explain_known(content.good, content.environment, store)
    is_advised = not content.is_imported and content.tally.total <= MOST_SUBJECTS
    advice = advise(store, content.results, content.environment, explained) if is_advised else ()
    sections = [
        Section("results", "Results", _result_blocks(content, request)),
        trouble_section(content.results),
        _no_advice(content) or advice_section(advice, limit=_MOST_ADVICE),
        *mode_sections(content.results),
        *training_sections(read_trainings(store, content.good), limit=request.limit),
    ]
    bounds = bounds_table(explained)
    if bounds is not None:
        figure = roofline_figure(store, content, explained)
        sections.append(Section("bounds", "What bounds it", (bounds,) if figure is None else (figure, bounds)))
    sections += [
        spread_section(content.results),
        costs_section(content.results),
        memory_section(content.results),
        _with_power(energy_section(content.results), store, content),
        fidelity_section(content.results),
        distribution_section(store, content),
        *_closing_sections(content, request),
    ]
    return Report(
        kind="run",
        title=_title(content),
        generated_at=request.time,
        assay_version=__version__,
        summary=tuple(_summary(content, advice)),
        scope=(("run", f"{run.suite}, {run.run_id}"), *where_scope(request.where)),
        sections=tuple(section for section in sections if section is not None),
        sources=sources_of_runs(store, {run.run_id: content.tally.total} if content.is_imported else {}),
        how_to_read=how_to_read("memory", "throughput", "fidelity", *(("roofline",) if bounds else ())),
        ref=run_ref(run),
    )


def _result_blocks(content: RunContent, request: ReportRequest) -> tuple[Block, ...]:
    asked = None if request.metric is None else [NumberColumn(request.metric, request.stat)]
    table = results_table(content.results, metrics=asked, caption=_caption(content))
    missing = content.tally.total - len(content.results)
    figure = None if content.is_imported else latency_figure(content)
    return (*([] if figure is None else [figure]), replace(table, rows_left_out=missing))


def _no_advice(content: RunContent) -> Section | None:
    """Why no advice is given, where that is because there is too much to look at."""
    if content.is_imported or content.tally.total <= MOST_SUBJECTS:
        return None
    return Section("advice", "Advice", (Text((TOO_MANY,)),))


def _with_power(section: Section | None, store: Store, content: RunContent) -> Section | None:
    """The section on energy with pictures of power over time, where a sensor gave any."""
    drawn = power_figures(store, content) if content.launches else ()
    if not drawn:
        return section
    return Section("energy", "Energy", (*(() if section is None else section.blocks), *drawn))


def _closing_sections(content: RunContent, request: ReportRequest) -> Iterator[Section]:
    launches = launches_table(content, limit=request.limit)
    if launches is not None:
        yield Section("launches", "Launches", (launches,))
    facts: list[Block] = [run_facts(content.run, imported=content.imported)]
    if not content.is_imported:
        facts.append(environment_facts(content.environment))
    yield Section("origin", "Where the numbers are from", tuple(facts))
    if content.results:
        numbers = numbers_table(content.results, limit=request.limit)
        yield Section("numbers", "Every number", (numbers,))


# -- in words --------------------------------------------------------------------------------------------------


def _title(content: RunContent) -> str:
    run = content.run
    if content.is_imported:
        return f"{run.suite}, run {short_id(run.run_id)}"
    return f"{run.suite}, {run.started_at:%Y-%m-%d %H:%M}, run {short_id(run.run_id)}"


def _caption(content: RunContent) -> str:
    if content.is_imported:
        return "Somebody else's numbers, as their source gives them."
    parts = ["Medians of launch medians, with 95 % intervals over launches."]
    if content.run.config.get("shortened"):
        parts.append("Shortened windows: this suite samples for less time than the method's defaults do.")
    return " ".join(parts)


def _summary(content: RunContent, advice: tuple[Advice, ...]) -> Iterator[Text]:
    run, tally = content.run, content.tally
    if not tally.total:
        yield Text((_nothing(run),), Tone.WARNING)
        return
    yield Text((_what_and_where(content),))
    troubles = [*_trouble_words(content)]
    if troubles:
        yield Text(tuple(troubles), Tone.BAD if tally.failed else Tone.WARNING)
    spans = tuple(text for text in (_span(content.good, "latency_ns"), _span(content.good, "throughput_per_s")) if text)
    if spans:
        yield Text(spans)
    if advice:
        best = advice[0]
        gain = "" if best.gain is None else f"; {best.gain_of} {number_words(best.gain, 'ratio')}"
        more = f", and {len(advice) - 1} more below" if len(advice) > 1 else ""
        yield Text((f"Advice: {best.action} ({short_name(best.subject)}{gain}){more}.",))


def _nothing(run: RunRecord) -> str:
    return f"Run {short_id(run.run_id)} has no results of what was asked for."


def _what_and_where(content: RunContent) -> str:
    run, tally = content.run, content.tally
    if content.is_imported:
        source = content.imported.source if content.imported else "a file"
        return sentence(
            f"{plural(tally.total, 'result')} of {short_name(source)} {agree(tally.total, 'is')} shown as imported: "
            "nothing here was measured by assay"
        )
    elapsed = format_elapsed((run.finished_at - run.started_at).total_seconds())
    verdicts = count_words({word.value: count for word, count in tally.verdicts.items()})
    counted = f"{tally.ok} of {plural(tally.total, 'case')} {agree(tally.total, 'was')} measured"
    return sentence(f"{counted} on {_where(content)}, in {elapsed}", verdicts)


def _where(content: RunContent) -> str:
    """What computed: the machine of the run, visitors' where a person's own browser did, or both."""
    of_visitors = [one for one in content.results if dict(one.case.options).get("browser") == VISITED]
    names = sorted({machine_of(one.hardware) or "a visitor's machine" for one in of_visitors})
    if len(of_visitors) < content.tally.total:
        names.insert(0, content.environment.hardware_class)
    return name_some(names)


def _trouble_words(content: RunContent) -> Iterator[str]:
    run, tally = content.run, content.tally
    if run.status is not RunStatus.OK:
        yield f"The run was {run.status.value}: what it had finished is here."
    if tally.failed:
        names = name_some(one.case.label for one in content.results if one.status.is_failure)
        yield f"{plural(tally.failed, 'case')} did not work: {names}."
    if tally.not_run:
        yield f"{plural(tally.not_run, 'case')} {agree(tally.not_run, 'was')} not run."
    if tally.left_out:
        many = f"{plural(tally.left_out, 'result')} {agree(tally.left_out, 'is')}"
        yield f"{many} left out of every ranking: {_marks(content)}."
    disturbed = tally.verdicts.get(Verdict.CONTAMINATED, 0)
    if disturbed:
        yield f"{plural(disturbed, 'result')} {agree(disturbed, 'was')} disturbed and should be measured again."


def _marks(content: RunContent) -> str:
    reasons = Counter(
        str(mark) for result in content.results for mark in result.marks if mark.excludes and not result.is_usable
    )
    wrong = sum(1 for result in content.good if not result.is_usable and not any(m.excludes for m in result.marks))
    return count_words({**({"with wrong answers": wrong} if wrong else {}), **reasons}) or "their source marks them"


def _span(results: tuple[ResultRecord, ...], name: str) -> str | None:
    """The least and the greatest of a number, each with its case; None of fewer than two results that have it."""
    known = [
        (found.value, found.unit, one)
        for one in results
        if one.is_usable and (found := choose_metric(one, name)) is not None and found.value is not None
    ]
    units = {(unit, one.unit_of_work if name == "throughput_per_s" else None) for _, unit, one in known}
    if len(known) < 2 or len(units) != 1:  # noqa: PLR2004  (a span has two ends)
        return None
    low, high = min(known, key=lambda each: each[0]), max(known, key=lambda each: each[0])
    word = {"latency_ns": "Latency", "throughput_per_s": "Throughput"}[name]
    unit = low[1] if name == "latency_ns" else f"{low[2].unit_of_work}s/s" if low[2].unit_of_work else "1/s"
    ends = [f"{number_words(value, unit)} ({short_name(one.case.label)})" for value, _, one in (low, high)]
    return f"{word} is from {ends[0]} to {ends[1]}."


report_kinds.add(
    "run",
    ReportKind(
        name="run",
        title="One run",
        description="What a run measured, whether to believe it, what it took, and what to do",
        build=build,
        runs=(1, 1),
    ),
)
