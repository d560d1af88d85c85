"""llama.cpp's ``llama-bench``: JSON, JSON Lines, CSV and Markdown, as its ``-o`` writes them.

A test reads a prompt (``pp512``), makes tokens (``tg128``), or both one after the other. ``avg_ts`` is the mean of the
repetitions' rates, ``avg_ns`` the mean of their times (llama.cpp, tools/llama-bench/README.md). May import: core,
catalog, importers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from assay.core.case import ForeignCase
from assay.core.errors import AssayError
from assay.core.records import SampleSeries
from assay.core.words import Mode
from assay.importers.base import Facts, ImportedRow, ImportFileError, Item, Note, RowError, importers
from assay.importers.numbers import Numbers
from assay.importers.source import Source, parse_json
from assay.importers.tables.cells import (
    check_agreement,
    need_mapping,
    need_text,
    read_option,
    read_size,
    read_text,
    read_whole,
    refuse,
    shorten,
    take_row,
)
from assay.importers.tables.markdown import MarkdownTable, read_tables

_KEYS = frozenset({"build_commit", "model_type", "n_prompt", "n_gen", "avg_ts"})
_COLUMNS = frozenset({"model", "test", "t/s"})
_SAME_FOR_ALL = ("build_commit", "build_number", "cpu_info", "gpu_info", "backends")
_NOT_OPTIONS = frozenset(
    {
        *_SAME_FOR_ALL,
        "model_filename", "model_type", "model_size", "model_n_params", "n_prompt", "n_gen", "test_time",
        "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts",
        "model", "size", "params", "backend", "test", "t/s",
    }
)  # fmt: skip
_TEST = re.compile(r"^(?:pp\s*(\d+))?(?:\s*\+\s*)?(?:tg\s*(\d+))?(?:\s*@\s*d\s*(\d+))?$")
_QUANTISED = re.compile(
    r"^(.*?)\s*(?:\b(?:mostly|all)\s+)?\b(I?Q\d\w*|T?BF16|F16|F32|TQ\d\w*|MXFP4\w*)\b(.*)$", re.IGNORECASE
)
_SIZE_WORDS = {"small": "S", "medium": "M", "large": "L", "extra small": "XS", "extra extra small": "XXS"}


class LlamaBench:
    """Results of llama-bench."""

    name = "llama-bench"
    title = "llama.cpp's llama-bench (JSON, JSON Lines, CSV, Markdown)"

    def recognise(self, source: Source) -> bool:
        """True where a record has llama-bench's fields, or a Markdown table its columns."""
        if source.mapping is not None or source.is_parquet:
            return False
        if source.head_text.lstrip()[:1] in ("{", "["):
            if '"build_commit"' not in source.head_text:
                return False
            first = _first_line_object(source) or _first_record(source.json_or_none())
            return _KEYS.issubset(first)
        return _KEYS.issubset(source.csv_header) or any(
            is_llama_bench_table(table) for table in read_tables(source.head_text)
        )

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each test. Raises ImportFileError where the file is none of the four forms."""
        if source.head_text.lstrip()[:1] in ("{", "["):
            yield from _read_json(source)
        elif _KEYS.issubset(source.csv_header):
            for number, record in source.csv_rows():
                yield take_row(f"row {number}", record, _build)
        else:
            yield from _read_markdown(source)


def _first_record(content: Any) -> Mapping[str, Any]:
    first = content[0] if isinstance(content, list) and content else content
    return first if isinstance(first, Mapping) else {}


def _first_line_object(source: Source) -> Mapping[str, Any]:
    first = source.head_text.lstrip().partition("\n")[0]
    try:
        return _first_record(parse_json(first, source.name, depth=source.limits.depth))
    except ImportFileError:
        return {}


def _refuse_file(source: Source) -> ImportFileError:
    return ImportFileError(
        f"{source.name} is no result of llama-bench.", hint="Expected -o json, jsonl, csv or md of it."
    )


def _read_json(source: Source) -> Iterator[Item]:
    if _KEYS.issubset(_first_line_object(source)) and not source.head_text.lstrip().startswith("["):
        records = [(f"row {number}", text) for number, text in enumerate(source.text().splitlines(), 1) if text.strip()]
        yield from (_take_line(source, place, text) for place, text in records)
        return
    content = source.json if isinstance(source.json, list) else [source.json]
    if not any(_KEYS.issubset(_first_record(record)) for record in content):
        raise _refuse_file(source)
    yield from _find_facts(content)
    for index, record in enumerate(content):
        yield take_row(f"/{index}", record, _build)


def _take_line(source: Source, place: str, text: str) -> Item:
    try:
        record = parse_json(text, source.name, depth=source.limits.depth)
    except AssayError as error:
        return refuse(place, error, text)
    return take_row(place, record, _build)


def _find_facts(records: list[Any]) -> Iterator[Facts]:
    """The machine and the build, where all records have the same."""
    seen = {json.dumps([_first_record(record).get(name) for name in _SAME_FOR_ALL]) for record in records}
    first = _first_record(records)
    values = {name: first[name] for name in _SAME_FOR_ALL if first.get(name) not in (None, "")}
    if len(seen) == 1 and values:
        yield Facts(values, hardware=_device_of(first))


def _build(place: str, raw: Any) -> ImportedRow:
    record = need_mapping(raw, "the test")
    prompt, made = read_size(record, "n_prompt") or 0, read_size(record, "n_gen") or 0
    workload, precision = split_model(need_text(record, "model_type"))
    samples = _read_samples(record.get("samples_ns"))
    numbers = Numbers()
    rate_name, time_name = _metrics_of(prompt, made)
    n = len(samples) or None
    rate = numbers.add(rate_name, record.get("avg_ts"), field="avg_ts", unit="1/s", n=n)
    time = numbers.add(time_name, record.get("avg_ns"), field="avg_ns", unit="ns", n=n)
    for field, metric, unit in (("stddev_ts", rate_name, "1/s"), ("stddev_ns", time_name, "ns")):
        if record.get(field) not in (None, ""):
            numbers.add(metric, record[field], field=field, unit=unit, stat="std", zero_is_unknown=False, n=n)
    numbers.add("model_bytes", record.get("model_size"), field="model_size", unit="B")
    check_agreement(
        rate, (prompt + made) / time * 1e9 if time else None, what="avg_ts", how="(n_prompt + n_gen) / avg_ns"
    )
    return ImportedRow(
        place,
        _case(workload, precision, _device_of(record), prompt, made, _options_of(record)),
        measured_at=_read_time(record.get("test_time")),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={key: value for key, value in record.items() if key != "samples_ns"},
        parameters=read_size(record, "model_n_params"),
        units_per_call=float(prompt + made),
        unit_of_work="token",
        samples=(SampleSeries("latency", "ns", samples),) if samples else (),
    )


def _metrics_of(prompt: int, made: int) -> tuple[str, str]:
    """The metrics of the rate and of the time of a test. Raises RowError for a test of no tokens."""
    if prompt and made:
        return "total_tokens_per_s", "generation_ns"
    if made:
        return "decode_tokens_per_s", "generation_ns"
    if prompt:
        return "prefill_tokens_per_s", "prefill_ns"
    raise RowError("n_prompt and n_gen are both 0, so nothing was timed.")


def _case(
    workload: str, precision: str | None, device: str | None, prompt: int, made: int, options: Mapping[str, Any]
) -> ForeignCase:
    return ForeignCase.make(
        workload=workload,
        engine="llama.cpp",
        device=device,
        mode=Mode.GENERATION,
        precision=precision,
        shape={"seq": prompt} if prompt else {},
        options={**options, "new_tokens": made or None},
    )


def _options_of(record: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name in record if name not in _NOT_OPTIONS and not isinstance(record[name], (list, Mapping))]
    backend = read_text(record.get("backends", record.get("backend")))
    options = {name: read_option(record[name]) for name in names}
    # JSON has truth values where CSV and Markdown have 0 and 1.
    whole = {name: int(value) if isinstance(value, bool) else value for name, value in options.items()}
    return {**whole, "backend": backend}


def _device_of(record: Mapping[str, Any]) -> str | None:
    """The GPU where the backend is not the CPU alone. A test with ``n_gpu_layers`` 0 has that among its options."""
    cpu, gpu = read_text(record.get("cpu_info")), read_text(record.get("gpu_info"))
    return cpu if record.get("backends") == "CPU" or gpu is None else gpu


def _read_samples(raw: Any) -> tuple[int, ...]:
    if raw is None or raw == "":
        return ()
    if not isinstance(raw, list):
        raise RowError(f"samples_ns: {shorten(str(raw))} is no list.")
    counts = [read_whole(value) for value in raw]
    if not all(counts):
        raise RowError("samples_ns: a repetition of 0 ns cannot be.")
    return tuple(count for count in counts if count)


def _read_time(raw: Any) -> datetime | None:
    """``2025-04-24T11:57:09Z``; llama-bench writes UTC."""
    text = read_text(raw)
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise RowError(f"test_time: {shorten(text)!r} is no time such as 2025-04-24T11:57:09Z.") from None


def split_model(text: str) -> tuple[str, str | None]:
    """``qwen2 7B Q4_K - Medium`` -> (``qwen2 7B``, ``Q4_K_M``); without a quantisation (text, None)."""
    match = _QUANTISED.match(text)
    if match is None or not match[1]:
        return text, None
    words = match[3].strip().removeprefix("-").strip().casefold()
    if words in _SIZE_WORDS:
        return match[1], f"{match[2]}_{_SIZE_WORDS[words]}"
    return match[1], match[2] if not words or words.endswith("bpw") else f"{match[2]} {match[3].strip()}"


def is_llama_bench_table(table: MarkdownTable) -> bool:
    """True for the columns of llama-bench's own tables."""
    return _COLUMNS.issubset(table.header)


def _read_markdown(source: Source) -> Iterator[Item]:
    tables = list(read_tables(source.text()))
    if not any(is_llama_bench_table(table) for table in tables):
        raise _refuse_file(source)
    for table in tables:
        if not is_llama_bench_table(table):
            yield Note(f"The table at line {table.line} ({', '.join(table.header)}) is another; not imported.")
            continue
        for line, cells in table.rows:
            if len(cells) != len(table.header):
                error = RowError(f"{len(cells)} cells, expected {len(table.header)}.")
                yield refuse(f"line {line}", error, " | ".join(cells))
                continue
            yield take_row(f"line {line}", dict(zip(table.header, cells, strict=True)), _build_from_markdown)


def _build_from_markdown(place: str, record: Mapping[str, str]) -> ImportedRow:
    match = _TEST.match(record["test"].strip())
    if match is None or not any(match.groups()):
        raise RowError(f"test: {shorten(record['test'])!r} is none such as pp512, tg128 or pp512+tg128.")
    prompt, made, depth = (int(group) if group else 0 for group in match.groups())
    rate_name, _ = _metrics_of(prompt, made)
    mean, _, deviation = record["t/s"].partition("±")
    numbers = Numbers()
    numbers.add(rate_name, mean, field="t/s", unit="1/s", note="the number before ±")
    if deviation:
        numbers.add(
            rate_name, deviation, field="t/s", unit="1/s", stat="std", zero_is_unknown=False, note="the number behind ±"
        )
    workload, precision = split_model(need_text(record, "model"))
    options = {**_options_of(record), "n_depth": depth or None}
    return ImportedRow(
        place,
        _case(workload, precision, None, prompt, made, options),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=record,
        units_per_call=float(prompt + made),
        unit_of_work="token",
    )


importers.add(LlamaBench.name, LlamaBench())
