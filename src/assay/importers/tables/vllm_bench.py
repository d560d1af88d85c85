"""Results of vLLM's own benchmarks: ``vllm bench serve``, ``latency`` and ``throughput``, and the scripts before them.

The fields are those that vllm/benchmarks/serve.py, latency.py and throughput.py write. Of a served benchmark, names end
in the unit (``median_ttft_ms``) while raw readings (``ttfts``, ``itls``) are seconds. The files of ``latency`` and
``throughput`` name no model, and none names a device; ``date`` is local time of no zone. May import: core, catalog,
importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.errors import AssayError
from assay.core.records import SampleSeries
from assay.core.words import Mode, Status
from assay.importers.base import ImportedRow, ImportFileError, Item, Note, RowError, importers
from assay.importers.numbers import Numbers, read_number
from assay.importers.source import Source, parse_json
from assay.importers.tables.cells import (
    check_agreement,
    need_mapping,
    need_text,
    read_option,
    read_size,
    read_text,
    refuse,
    take_row,
    to_nanoseconds,
)

UNKNOWN_MODEL = "unknown"
"""The workload of a file that does not name one."""

_SERVE = frozenset({"duration", "completed", "request_throughput", "model_id"})
_LATENCY = frozenset({"avg_latency", "latencies", "percentiles"})
_THROUGHPUT = frozenset({"elapsed_time", "num_requests", "requests_per_second", "tokens_per_second"})
_TELLING = ("request_throughput", "avg_latency", "requests_per_second")
_STATISTIC = re.compile(r"^(mean|median|std|p\d+(?:\.\d+)?)_(ttft|tpot|itl|e2el)_ms$")
_TIMES = {
    "ttft": "time_to_first_token_ns",
    "tpot": "time_per_output_token_ns",
    "itl": "inter_token_latency_ns",
    "e2el": "serving_latency_ns",
}
_ENGINES = frozenset(
    {"vllm", "tgi", "sglang", "sglang-native", "lmdeploy", "tensorrt-llm", "deepspeed-mii", "llama.cpp"}
)
_RAW = frozenset({"ttfts", "itls", "latencies"})
_OPTIONS = ("num_prompts", "request_rate", "burstiness", "max_concurrency", "endpoint_type")


class VllmBench:
    """JSON results of vLLM's benchmarks."""

    name = "vllm-bench"
    title = "vLLM's benchmarks: serve, latency, throughput (JSON)"

    def recognise(self, source: Source) -> bool:
        """True for the fields of one of the three, in one object or one a line."""
        head = source.head_text
        if source.mapping is not None or head.lstrip()[:1] != "{" or not any(f'"{key}"' in head for key in _TELLING):
            return False
        content = source.json_or_none() or _first_line(source)
        return isinstance(content, Mapping) and _build_of(content) is not None

    def read(self, source: Source) -> Iterator[Item]:
        """Give a row for each result. Raises ImportFileError where the file is none."""
        if source.json_or_none() is None and _build_of(_first_line(source)) is not None:
            # --append-result writes one object a line.
            for number, line in enumerate(source.text().splitlines(), 1):
                if line.strip():
                    yield _take_line(source, f"row {number}", line)
            return
        build = _build_of(source.json if isinstance(source.json, Mapping) else {})
        if build is None:
            raise ImportFileError(f"{source.name} is no result of vllm bench serve, latency or throughput.")
        if build is not _build_serve:
            yield Note(f"The file names no model; the workload is {UNKNOWN_MODEL!r}.")
        yield take_row("", source.json, build)


def _first_line(source: Source) -> Mapping[str, Any]:
    try:
        first = parse_json(source.head_text.lstrip().partition("\n")[0], source.name, depth=source.limits.depth)
    except ImportFileError:
        return {}
    return first if isinstance(first, Mapping) else {}


def _build_of(content: Mapping[str, Any]) -> Any:
    for keys, build in ((_SERVE, _build_serve), (_LATENCY, _build_latency), (_THROUGHPUT, _build_throughput)):
        if keys.issubset(content):
            return build
    return None


def _take_line(source: Source, place: str, line: str) -> Item:
    try:
        content = need_mapping(parse_json(line, source.name, depth=source.limits.depth), "the line")
    except AssayError as error:
        return refuse(place, error, line)
    build = _build_of(content)
    if build is None:
        return refuse(place, RowError("The line has not the fields of a result."), line)
    item: Item = take_row(place, content, build)
    return item


def _build_serve(place: str, content: Mapping[str, Any]) -> ImportedRow:
    completed, failed = read_size(content, "completed"), read_size(content, "failed")
    numbers = Numbers()
    rate = numbers.add(
        "throughput_per_s", content["request_throughput"], field="request_throughput", unit="1/s", n=completed
    )
    for field, metric in (
        ("output_throughput", "output_tokens_per_s"),
        ("total_token_throughput", "total_tokens_per_s"),
    ):
        if field in content:
            numbers.add(metric, content[field], field=field, unit="1/s")
    if content.get("request_goodput") is not None:
        numbers.add(
            "score", content["request_goodput"], field="request_goodput", unit="1", phase="request_goodput",
            zero_is_unknown=False, note="requests per second that held the targets of latency",
        )  # fmt: skip
    for field, value in content.items():
        if match := _STATISTIC.match(field):
            numbers.add(
                _TIMES[match[2]], value, field=field, unit="ms", stat=match[1], zero_is_unknown=match[1] != "std",
                n=completed,
            )  # fmt: skip
    duration = numbers.add("wall_time_ns", content["duration"], field="duration", unit="s")
    if completed and duration:
        check_agreement(rate, completed / duration * 1e9, what="request_throughput", how="completed / duration")
    backend = read_text(content.get("backend"))
    nothing = completed == 0
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=need_text(content, "model_id"),
            engine=backend if backend in _ENGINES else None,
            mode=Mode.SERVING,
            options={**{name: read_option(content.get(name)) for name in _OPTIONS}, "backend": backend},
        ),
        Status.FAILED if nothing else Status.OK,
        f"no request was completed, {failed} failed" if nothing else None,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=_without_raw(content),
        unit_of_work="request",
        samples=(
            *_read_series("time_to_first_token", content.get("ttfts"), "ttfts"),
            *_read_series("inter_token_latency", _flatten(content.get("itls")), "itls", zero_counts=True),
        ),
    )


def _build_latency(place: str, content: Mapping[str, Any]) -> ImportedRow:
    samples = _read_series("latency", content["latencies"], "latencies")
    n = len(samples[0].values) if samples else None
    numbers = Numbers()
    mean = numbers.add("latency_ns", content["avg_latency"], field="avg_latency", unit="s", n=n)
    for percentile, value in need_mapping(content["percentiles"], "percentiles").items():
        rank = read_option(percentile)
        numbers.add(
            "latency_ns", value, field=f"percentiles.{percentile}", unit="s", n=n,
            stat="median" if rank == 50 else f"p{rank}",  # noqa: PLR2004  (the median by its other name)
        )  # fmt: skip
    if samples:
        values = samples[0].values
        check_agreement(mean, sum(values) / len(values), what="avg_latency in ns", how="the mean of latencies")
    return ImportedRow(
        place,
        ForeignCase.make(workload=UNKNOWN_MODEL, engine="vllm", mode=Mode.GENERATION),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=_without_raw(content),
        samples=samples,
    )


def _build_throughput(place: str, content: Mapping[str, Any]) -> ImportedRow:
    requests = read_size(content, "num_requests")
    numbers = Numbers()
    rate = numbers.add("throughput_per_s", content["requests_per_second"], field="requests_per_second", unit="1/s")
    numbers.add("total_tokens_per_s", content["tokens_per_second"], field="tokens_per_second", unit="1/s")
    elapsed = numbers.add("wall_time_ns", content["elapsed_time"], field="elapsed_time", unit="s")
    if requests and elapsed:
        check_agreement(rate, requests / elapsed * 1e9, what="requests_per_second", how="num_requests / elapsed_time")
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=UNKNOWN_MODEL, engine="vllm", mode=Mode.GENERATION, options={"num_prompts": requests}
        ),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=_without_raw(content),
        unit_of_work="request",
    )


def _without_raw(content: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in content.items() if field not in _RAW}


def _flatten(raw: Any) -> Any:
    """One list of the lists that there are, one for each request."""
    if not isinstance(raw, list):
        return raw
    return [value for inner in raw for value in (inner if isinstance(inner, list) else [inner])]


def _read_series(name: str, raw: Any, field: str, *, zero_counts: bool = False) -> tuple[SampleSeries, ...]:
    """Raw readings in seconds as ns. A request that failed has 0 for its first token. Raises RowError."""
    if raw is None or raw == []:
        return ()
    if not isinstance(raw, list):
        raise RowError(f"{field} is no list.")
    try:
        seconds = [read_number(value) for value in raw]
        read = [None if value is None else to_nanoseconds(value, 1e9) for value in seconds]
    except RowError as error:
        raise RowError(f"{field}: {error.message}") from None
    values = tuple(value for value in read if value is not None and (value or zero_counts))
    return (SampleSeries(name, "ns", values),) if values else ()


importers.add(VllmBench.name, VllmBench())
