"""``assay compare --native ENGINE --web``: what a browser costs beside native, pair by pair, from stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.cli.comparison import format_value
from assay.cli.output import Form, make_console, new_table, print_csv, print_json
from assay.core.errors import UnknownNameError, UsageError
from assay.core.units import MISSING, format_significant

if TYPE_CHECKING:
    from assay.analysis.web_compare import WebReport
    from assay.analysis.web_pairs import WebMean, WebPair
    from assay.store import Store

PAIR_COLUMNS = (
    "case", "browser", "browser_version", "backend", "native_engine", "native_device", "metric", "stat", "unit",
    "native_value", "web_value", "ratio", "ratio_lo", "ratio_hi", "native_launches", "web_launches", "took_turns",
    "verdict", "model", "machine", "adapter", "threads", "provenance", "notes", "native_result_id", "web_result_id",
)  # fmt: skip
_PREFIX = "web-"
_MOST_REASONS = 8
_NARROW = 0.1, 10.0


def read_web_words(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the web engines among some words from the runs: ``web-wasm`` or ``wasm`` is one, ``last`` is a run.

    Raises UnknownNameError for an engine ``web-...`` that there is not.
    """
    from assay.engines.base import engines

    known = [name for name in engines.names() if name.startswith(_PREFIX)]
    chosen, runs = [], []
    for word in (part for text in words for part in text.split(",") if part):
        name = word if word.startswith(_PREFIX) else f"{_PREFIX}{word}"
        if name in known:
            chosen.append(name)
        elif word.startswith(_PREFIX):
            raise UnknownNameError("engine of browsers", word, known)
        else:
            runs.append(word)
    return tuple(dict.fromkeys(chosen)), tuple(runs)


def compare_with_native(
    store: Store,
    words: Sequence[str],
    *,
    native: str | None,
    metric: str,
    stat: str | None,
    where: Mapping[str, Any],
    with_imported: bool,
    form: Form,
) -> None:
    """Print the pairs. Raises UsageError where there is no result of a browser, or none that has a pair."""
    from assay.analysis.sides import find_named_run
    from assay.analysis.web_compare import WebQuestion, compare_web
    from assay.core.words import Provenance

    engines, refs = read_web_words(words)
    runs = tuple(run.run_id for ref in refs for run in find_named_run(store, ref).runs)
    asked = {name: one for name, one in where.items() if one}
    asked |= {"engine": engines} if engines else {}
    asked |= {} if with_imported else {"provenance": Provenance.MEASURED.value}
    report = compare_web(store, WebQuestion(metric, stat, native, asked, runs))
    _refuse_empty(report)
    if form is Form.JSON:
        print_json(report_row(report))
    elif form is Form.CSV:
        print_csv([pair_row(one, report) for one in report.pairs], PAIR_COLUMNS)
    else:
        print_web_report(report)


def report_row(report: WebReport) -> dict[str, Any]:
    """A whole comparison as plain values."""
    return {
        "metric": report.wanted.metric, "stat": report.wanted.stats[0], "unit": report.wanted.unit,
        "direction": report.direction.value, "native": report.question.native,
        "pairs": [pair_row(one, report) for one in report.pairs],
        "means": [
            {"browser": browser, "backend": backend, "ratio": mean.ratio, "ratio_lo": mean.lo, "ratio_hi": mean.hi,
             "lowest": mean.lowest, "highest": mean.highest, "n": mean.n}
            for browser, backend, mean in report.means()
        ],
        "software_adapters": [_alone_row(report, one.result_id) for one in report.software],
        "unpaired": [
            _alone_row(report, result_id)
            for result_id in report.alone
            if result_id not in {one.result_id for one in report.software}
        ],
    }  # fmt: skip


def pair_row(one: WebPair, report: WebReport) -> dict[str, Any]:
    """One pair as plain values."""
    from assay.analysis.web_compare import case_words

    web, native = one.web, one.native
    return {
        "case": case_words(web), "browser": web.browser, "browser_version": web.browser_version,
        "backend": web.backend, "native_engine": native.engine, "native_device": native.device,
        "metric": report.wanted.metric, "stat": report.wanted.stats[0], "unit": report.wanted.unit,
        "native_value": native.value, "web_value": web.value,
        "ratio": one.ratio, "ratio_lo": one.lo, "ratio_hi": one.hi,
        "native_launches": len(native.launches.values) if native.launches else None,
        "web_launches": len(web.launches.values) if web.launches else None,
        "took_turns": one.took_turns, "verdict": one.verdict.value if one.verdict else None, "model": one.model,
        "machine": web.machine, "adapter": web.adapter,
        "threads": web.threads if web.is_on_cpu else None, "provenance": web.provenance.value,
        "notes": list(one.notes), "native_result_id": native.result_id, "web_result_id": web.result_id,
    }  # fmt: skip


def print_web_report(report: WebReport) -> None:
    """Print the table of pairs; under it means, what has no pair, and how to read it."""
    from rich.text import Text

    from assay.analysis.web_compare import case_words
    from assay.catalog.launch_metrics import usual_stat

    console = make_console()
    wanted = report.wanted
    name = wanted.metric if wanted.stats[0] == usual_stat(wanted.metric) else f"{wanted.metric} {wanted.stats[0]}"
    table = new_table(f"{name} · A {report.question.native or 'native'} → B in the browser")
    table.add_column("case", overflow="fold")
    table.add_column("browser, backend", overflow="fold")
    table.add_column("A", justify="right")
    table.add_column("B", justify="right", no_wrap=True)
    table.add_column("B over A" if not _is_turned(report) else "A over B", justify="right", no_wrap=True)
    table.add_column("95 % CI", justify="right", no_wrap=True)
    table.add_column("launches", justify="right", no_wrap=True)
    for pair in report.pairs:
        native = format_value(pair.native.value, wanted.unit)
        named = native if report.question.native else f"{native} {pair.native.engine or ''}".rstrip()
        counts = f"{pair.estimate.n_a}+{pair.estimate.n_b}" if pair.estimate else MISSING
        table.add_row(
            case_words(pair.web), f"{pair.web.browser or '?'} {pair.web.backend}", named,
            format_value(pair.web.value, wanted.unit), _ratio(pair.ratio), _span(pair.lo, pair.hi), counts,
        )  # fmt: skip
    console.print(table)
    for line in _mean_lines(report):
        console.print(Text(line, style="bold"), soft_wrap=True)
    for line in _notes(report):
        console.print(Text(f"  ! {line}", style="yellow"), soft_wrap=True)
    for line in _legend(report):
        console.print(Text(line, style="dim"), soft_wrap=True)


# -- words -----------------------------------------------------------------------------------------------------


def _refuse_empty(report: WebReport) -> None:
    if not report.web:
        raise UsageError(
            "There are no results of a browser here.",
            hint="`assay run --suite web` measures some, in a browser and outside of it.",
        )
    if not report.pairs:
        from assay.analysis.web_pairs import count_reasons

        reasons = [f"{count} {why}" for why, count in count_reasons(report.alone).items()]
        raise UsageError(
            f"None of the {len(report.web)} results of browsers has a pair: {'; '.join(reasons[:_MOST_REASONS])}.",
            hint="A pair is the same model, precision, batch, sizes, machine and threads: "
            "`assay run --suite web` measures both in turns.",
        )


def _alone_row(report: WebReport, result_id: str) -> dict[str, Any]:
    from assay.analysis.web_compare import case_words

    side = next(one for one in report.web if one.result_id == result_id)
    return {
        "case": case_words(side), "browser": side.browser, "backend": side.backend, "adapter": side.adapter,
        "value": side.value, "reason": report.alone.get(result_id), "result_id": result_id,
    }  # fmt: skip


def _is_turned(report: WebReport) -> bool:
    """True where more is better, so that A over B says how many times worse B is."""
    from assay.core.words import Direction

    return report.direction is Direction.HIGHER


def _mean_lines(report: WebReport) -> list[str]:
    return [
        f"{browser or 'browsers'} {backend}: {_ratio(mean.ratio)}{_in_brackets(mean)}"
        f" on the geometric mean of {mean.n} {'pair' if mean.n == 1 else 'pairs'}"
        for browser, backend, mean in report.means()
    ]


def _in_brackets(mean: WebMean) -> str:
    return "" if mean.lo is None else f" ({_span(mean.lo, mean.hi)})"


def _notes(report: WebReport) -> list[str]:
    from assay.analysis.web_compare import case_words
    from assay.analysis.web_pairs import count_reasons

    lines = []
    if report.software:
        adapters = sorted({one.adapter or "an adapter without a name" for one in report.software})
        lines.append(
            f"{len(report.software)} on software adapters ({', '.join(adapters)}): they show that it works, "
            "and are in no ratio"
        )
    software = {one.result_id for one in report.software}
    others = {result_id: why for result_id, why in report.alone.items() if result_id not in software}
    lines += [f"{count} without a pair: {why}" for why, count in list(count_reasons(others).items())[:_MOST_REASONS]]
    by_note: dict[str, list[WebPair]] = {}
    for pair in report.pairs:
        for note in pair.notes:
            by_note.setdefault(note, []).append(pair)
    for note, pairs in by_note.items():
        is_one = len(pairs) == 1 and len(report.pairs) > 1
        where = f"{case_words(pairs[0].web)} {pairs[0].web.backend}" if is_one else f"{len(pairs)} pairs"
        lines.append(f"{where}: {note}")
    return lines


def _legend(report: WebReport) -> list[str]:
    from assay.analysis.web_pairs import SAME_FILE, SAME_RECIPE

    is_time = report.wanted.unit in ("ns", "1/s")
    first = "how many times as long the browser takes" if is_time else "how many times worse the browser is"
    lines = [f"ratio: {first}, a typical launch over one outside; below 1 the browser is ahead"]
    turns = [one.took_turns for one in report.pairs]
    if all(turns):
        lines.append("the launches took turns, so what drifted met both sides alike")
    elif any(one is False for one in turns):
        count = sum(one is False for one in turns)
        lines.append(f"the launches of {count} pairs did not take turns, so the machine may have changed between them")
    models = {one.model for one in report.pairs}
    if models <= {SAME_FILE, SAME_RECIPE}:
        said = "the same model file" if models == {SAME_FILE} else "the model file of one recipe"
        lines.append(f"both sides ran {said}")
    else:
        lines.append("that both ran the same model is known by its name only")
    return lines


def _ratio(value: float) -> str:
    low, high = _NARROW
    return f"{value:.3f}" if low <= value < high else format_significant(value)


def _span(lo: float | None, hi: float | None) -> str:
    return MISSING if lo is None or hi is None else f"{_ratio(lo)} … {_ratio(hi)}"
