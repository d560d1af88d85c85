"""Tables that a person wants to look at. What is the same in every row is said once, above the table."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.table import Table

from assay.cli.output import new_table
from assay.core.adapters import adapter_of, is_software_adapter
from assay.core.records import ResultRecord
from assay.core.units import MISSING, format_bytes, format_duration_ns, format_significant
from assay.core.words import Fidelity, Mode, Status, Verdict
from assay.stats.fallback import suspect_fallback

VERDICT_STYLES = {Verdict.TRUSTED: "green", Verdict.NOISY: "yellow", Verdict.CONTAMINATED: "red"}
_READABLE_RATIO = 2.0
"""Beyond this an interval is shown as factors: ÷3 … ×3 says more than −67 % … +200 %."""
_VERDICT_MARKS = {Verdict.TRUSTED: "✓", Verdict.NOISY: "~", Verdict.CONTAMINATED: "✗"}


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    cell: Callable[[ResultRecord], str | Text]
    right: bool = False
    whole: bool = False
    """The cells of such a column stand on one line, whatever becomes of the others."""
    foldable: bool = False
    """A foldable column moves into the caption when every row says the same."""


def result_table(results: Sequence[ResultRecord], *, title: str, notes: Sequence[str] = ()) -> Table:
    """One row a result; shared facts and footnotes in the caption."""
    columns = _columns(results)
    shared = [_shared_value(column, results) for column in columns]
    # A result by itself keeps its columns: there is nothing to compare it with, and so nothing to fold.
    folded = [value for column, value in zip(columns, shared, strict=True) if value is not None and column.foldable]
    kept = [
        column for column, value in zip(columns, shared, strict=True) if not (column.foldable and value is not None)
    ]
    table = new_table(title)
    table.caption_justify = "left"
    for column in kept:
        justify: JustifyMethod = "right" if column.right else "left"
        table.add_column(column.header, justify=justify, overflow="fold", no_wrap=column.whole)
    for result in results:
        table.add_row(*(column.cell(result) for column in kept))
    lines = [f"all rows: {' · '.join(folded)}"] if folded else []
    table.caption = Text("\n".join([*lines, *notes])) if lines or notes else None
    return table


def _columns(results: Sequence[ResultRecord]) -> list[_Column]:
    dimensions = sorted({name for result in results for name, _ in result.case.shape})
    options = sorted({name for result in results for name, _ in result.case.options})
    return [
        _Column("workload", lambda result: result.case.workload),
        _Column("engine", lambda result: result.case.engine or MISSING, foldable=True),
        _Column("device", lambda result: result.case.device or MISSING, foldable=True),
        _Column("precision", _precision, foldable=True),
        *([_Column("shape", _shape)] if dimensions else []),
        *(_Column(name, functools.partial(_option, name)) for name in options),
        _Column("batch", lambda result: MISSING if result.case.batch is None else str(result.case.batch), right=True),
        _Column("median", _median, right=True),
        _Column("95 % CI", _interval, right=True),
        *(_generation_columns() if any(result.case.mode is Mode.GENERATION for result in results) else []),
        _Column("throughput", _throughput, right=True),
        *_training_columns(results),
        *([_Column("serving", _serving)] if any(result.case.mode is Mode.SERVING for result in results) else []),
        _Column("memory", _memory, right=True),
        *([_Column("model size", _model_size, right=True)] if _any_metric(results, "model_bytes", "max") else []),
        *([_Column("fidelity", _fidelity)] if any(_is_judged(result) for result in results) else []),
        _Column("launches", _launches, right=True),
        _Column("verdict", verdict_text),
    ]


def _generation_columns() -> list[_Column]:
    return [
        _Column("first token", functools.partial(_duration, "time_to_first_token_ns"), right=True),
        _Column("per token", functools.partial(_duration, "time_per_output_token_ns"), right=True),
    ]


_PARTS = {"data_wait_ns": "data", "forward_ns": "fwd", "loss_time_ns": "loss", "backward_ns": "bwd",
          "optimizer_ns": "opt", "communication_ns": "comm"}  # fmt: skip
_LEAST_SHARE = 0.005


def _training_columns(results: Sequence[ResultRecord]) -> list[_Column]:
    """What only training has; a column stands where any result has its number."""
    columns = (
        ("forward_ns", _Column("parts of a step", _parts, whole=True)),
        ("loss_ratio", _Column("loss", _loss, right=True)),
        ("time_to_train_ns", _Column("to target", _to_target, right=True)),
        ("accuracy", _Column("accuracy", _accuracy, right=True)),
        ("communication_share", _Column("communication", _communication, right=True)),
        ("read_bytes_per_s", _Column("read", _read_rate, right=True)),
    )
    present = {metric.name for result in results for metric in result.metrics}
    return [column for name, column in columns if name in present]


def _parts(result: ResultRecord) -> str:
    """``fwd 33 · bwd 61 · opt 6 %``: shares of the split pass; parts below half a percent go."""
    known = [(word, _value(result, name)) for name, word in _PARTS.items()]
    total = sum(value for _, value in known if value is not None)
    if not total:
        return MISSING
    shares = [(word, value / total) for word, value in known if value is not None]
    return " · ".join(f"{word} {100 * share:.0f}" for word, share in shares if share > _LEAST_SHARE) + " %"


def _loss(result: ResultRecord) -> str:
    ratio = _value(result, "loss_ratio")
    return MISSING if ratio is None else f"× {format_significant(ratio, 2)}"


def _to_target(result: ResultRecord) -> str | Text:
    found = result.metric("time_to_train_ns")
    if found is None:
        return MISSING
    return Text("missed", style="red") if found.value is None else format_duration_ns(found.value)


def _accuracy(result: ResultRecord) -> str:
    found = result.metric("accuracy", phase="test")
    return MISSING if found is None or found.value is None else f"{100 * found.value:.1f} %"


def _communication(result: ResultRecord) -> str:
    shares = [one.value for one in result.metrics if one.name == "communication_share" and one.value is not None]
    return f"{100 * shares[0]:.0f} %" if shares else MISSING


def _read_rate(result: ResultRecord) -> str:
    rate = _value(result, "read_bytes_per_s")
    return MISSING if rate is None else f"{format_bytes(rate)}/s"


def _value(result: ResultRecord, name: str) -> float | None:
    found = result.metric(name)
    return found.value if found else None


def _duration(name: str, result: ResultRecord) -> str:
    found = result.metric(name)
    return format_duration_ns(found.value) if found else MISSING


def _shared_value(column: _Column, results: Sequence[ResultRecord]) -> str | None:
    values = {str(column.cell(result)) for result in results}
    return values.pop() if len(values) == 1 else None


def _precision(result: ResultRecord) -> str:
    requested, effective = str(result.case.precision or MISSING), result.effective_precision
    # "int8 static (30 of 30 products)" tells more of what was asked for; only another type is news here.
    is_same = effective in {None, "unknown"} or str(effective).split()[0] == requested
    return requested if is_same else f"{requested} (ran {effective})"


def _shape(result: ResultRecord) -> str:
    return " ".join(f"{name} {size}" for name, size in result.case.shape) or MISSING


def _option(name: str, result: ResultRecord) -> str:
    return str(dict(result.case.options).get(name, MISSING))


def _median(result: ResultRecord) -> str | Text:
    latency = result.metric("latency_ns")
    if latency is None:
        return MISSING
    return Text(format_duration_ns(latency.value), style="bold")


def _interval(result: ResultRecord) -> str:
    latency = result.metric("latency_ns")
    if latency is None or latency.value is None or latency.ci_lo is None or latency.ci_hi is None:
        return MISSING
    lo, hi = latency.ci_lo / latency.value, latency.ci_hi / latency.value
    if hi > _READABLE_RATIO or lo < 1 / _READABLE_RATIO:
        return f"÷{format_significant(1 / lo, 2)} … ×{format_significant(hi, 2)}"
    return f"{_percent(lo)} … {_percent(hi)}"


def _percent(ratio: float) -> str:
    change = 100 * (ratio - 1)
    digits = 1 if abs(change) < 10 else 0  # noqa: PLR2004  (two significant digits are enough for an interval)
    return f"{'+' if change >= 0 else '−'}{abs(change):.{digits}f} %"


def _throughput(result: ResultRecord) -> str:
    throughput = result.metric("throughput_per_s")
    if throughput is None or throughput.value is None:
        return MISSING
    return f"{format_significant(throughput.value)} {_plural(result.unit_of_work or '')}/s"


def _plural(unit: str) -> str:
    """``sample`` -> ``samples``; a unit that is an abbreviation stays."""
    return f"{unit}s" if unit in {"sample", "token"} else unit


def _memory(result: ResultRecord) -> str:
    memory = result.metric("device_memory_peak_bytes", stat="max") or result.metric("memory_peak_bytes", stat="max")
    return format_bytes(memory.value) if memory else MISSING


_SERVED = ("serving_rate_per_s", "serving_early_stopping_latency_ns", "serving_samples_per_s")
"""The figure of each scenario that LoadGen's verdict is about; None with that verdict where it is INVALID."""


def _serving(result: ResultRecord) -> str | Text:
    """LoadGen's verdict, and the rate that held where one was searched for."""
    found = [metric for metric in result.metrics if metric.name in _SERVED]
    if not found:
        return MISSING
    figure = min(found, key=lambda metric: _SERVED.index(metric.name))
    if figure.value is None:
        return Text("INVALID", style="red")
    rates = {_SERVED[0]: "queries/s hold", _SERVED[2]: "samples/s"}
    rate = f" {format_significant(figure.value)} {rates[figure.name]}" if figure.name in rates else ""
    return Text(f"VALID{rate}", style="green")


def _model_size(result: ResultRecord) -> str:
    size = result.metric("model_bytes", stat="max")
    return format_bytes(size.value) if size else MISSING


def _any_metric(results: Sequence[ResultRecord], name: str, stat: str) -> bool:
    return any(result.metric(name, stat=stat) is not None for result in results)


def _is_judged(result: ResultRecord) -> bool:
    """True where there is something to say of fidelity beyond "this is the reference"."""
    return result.fidelity in {Fidelity.PASSED, Fidelity.FAILED} or result.fidelity_reason is not None


def _fidelity(result: ResultRecord) -> str | Text:
    if result.fidelity is None:
        return Text("unknown" if result.fidelity_reason else MISSING, style="dim")
    if result.fidelity is Fidelity.REFERENCE:
        return Text("reference", style="dim")
    error = result.metric("fidelity_max_relative_error", stat="worst")
    number = "" if error is None or error.value is None else f" {error.value:.1e}"
    if result.fidelity is Fidelity.PASSED:
        return Text(f"✓{number}", style="green")
    return Text(f"✗{number} failed", style="red")


def _launches(result: ResultRecord) -> str:
    return f"{result.launches_ok}/{result.launches_planned}"


def verdict_text(result: ResultRecord) -> Text:
    """The verdict of a result that has one, else how it ended."""
    if result.status is Status.OK and result.verdict is not None:
        mark = _VERDICT_MARKS[result.verdict]
        return Text(f"{mark} {result.verdict}", style=VERDICT_STYLES[result.verdict])
    return Text(result.status.text, style="red" if result.status.is_failure else "dim")


def result_notes(results: Sequence[ResultRecord]) -> list[str]:
    """Footnotes: why a result is not trusted, failed, or was not run."""
    notes = []
    for result in results:
        if result.status is not Status.OK:
            # The reason itself says when it was the memory or the time, so here a failure is just that.
            word = "failed" if result.status.is_failure else result.status.text
            notes.append(f"{result.case.label}: {word}: {result.reason}")
            continue
        if result.verdict is not Verdict.TRUSTED:
            notes.extend(f"{result.case.label}: {reason}" for reason in result.verdict_reasons)
        served = next((one for one in result.metrics if one.name in _SERVED and one.value is None), None)
        if served is not None:
            notes.append(f"{result.case.label}: {served.name}: {served.reason}")
        missed = result.metric("time_to_train_ns")
        if missed is not None and missed.value is None:
            notes.append(f"{result.case.label}: target missed: {missed.reason}")
        if result.fidelity is Fidelity.FAILED:
            notes.append(f"{result.case.label}: fidelity failed: {result.fidelity_reason}")
        elif result.fidelity is None and result.fidelity_reason:
            notes.append(f"{result.case.label}: fidelity unknown: {result.fidelity_reason}")
    return [*notes, *_adapter_notes(results), *_fallback_notes(results)]


def _adapter_notes(results: Sequence[ResultRecord]) -> list[str]:
    """Say of rows that worked that no GPU did: a software adapter is a check of function."""
    return [
        f"{result.case.label}: on a software adapter ({adapter_of(result.hardware)}), which says nothing of a GPU"
        for result in results
        if result.status is Status.OK and is_software_adapter(result.hardware)
    ]


def _fallback_notes(results: Sequence[ResultRecord]) -> list[str]:
    """Name pairs of devices whose rows are too equal to come from two."""
    latencies: dict[str, dict[str, float]] = {}
    for result in results:
        latency = result.metric("latency_ns")
        if result.status is Status.OK and latency is not None and latency.value:
            one = replace(result.case, device="any").case_id
            latencies.setdefault(one, {})[result.case.device or MISSING] = latency.value
    devices = sorted({device for row in latencies.values() for device in row})
    notes = []
    for first, second in itertools.combinations(devices, 2):
        found = suspect_fallback(
            [(row[first], row[second]) for row in latencies.values() if {first, second} <= row.keys()]
        )
        if found.is_suspect:
            notes.append(f"{first} and {second}: {found.text}")
    return notes
