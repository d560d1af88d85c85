"""Read what LoadGen wrote about a run: its verdict with its own reasons, its figures, every latency.

LoadGen leaves three files: a summary for people, a detail log with one JSON object a line, and a trace of every
sample. Nothing here judges; it reads. May import: core.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.errors import EngineError

_MARK = ":::MLLOG "
_PREFIX = "mlperf_log_"
_PERCENTILE = re.compile(r"result_(\d+\.\d+)_percentile_latency_ns")
_QUERY_PERCENTILE = re.compile(r"result_(\d+\.\d+)_percentile_per_query_latency_ns")
_SAMPLE = re.compile(r'"name":"Sample".*"query_seq":(\d+).*"complete_ns":(-?\d+)')


@dataclass(frozen=True, slots=True)
class LoadGenLog:
    """One run by LoadGen's account.

    ``reasons`` are LoadGen's own words why a run is INVALID: errors first, then what it recommends, then what early
    stopping lacked. ``percentiles_ns`` are latencies of queries by percentile ("50.00", ...), as LoadGen computes
    them whatever the count; of Offline, of samples. ``early_stopping_ns`` bounds the judged percentile from above with
    99 % confidence (SingleStream and MultiStream). Rates are per second; None where the scenario has none.
    ``overlatency`` counts queries over the target (Server).
    """

    version: str
    is_valid: bool
    reasons: tuple[str, ...]
    early_stopping: str
    early_stopping_ns: int | None
    queries: int
    overlatency: int | None
    percentiles_ns: Mapping[str, int]
    mean_ns: int
    scheduled_per_s: float | None
    completed_per_s: float | None
    samples_per_s: float | None
    summary: str


def read_log(folder: Path) -> LoadGenLog:
    """Read the summary and the detail log in ``folder``. Raises EngineError where LoadGen left no verdict."""
    values, errors = _read_detail(folder / f"{_PREFIX}detail.txt")
    if "result_validity" not in values:
        said = f" It said: {'; '.join(errors)}." if errors else ""
        raise EngineError(f"LoadGen left no verdict.{said}", hint="The run ended before LoadGen could judge it.")
    is_valid = values["result_validity"] == "VALID"
    is_multi_stream = any(_QUERY_PERCENTILE.fullmatch(key) for key in values)
    pattern = _QUERY_PERCENTILE if is_multi_stream else _PERCENTILE
    return LoadGenLog(
        version=str(values.get("loadgen_version", "unknown")),
        is_valid=is_valid,
        reasons=() if is_valid else _find_reasons(values, errors),
        early_stopping=_one_line(values.get("early_stopping_result", "")),
        early_stopping_ns=_find_early_stopping(values, is_multi_stream=is_multi_stream),
        queries=int(values["result_query_count"]),
        overlatency=values.get("result_overlatency_query_count"),
        percentiles_ns={hit[1]: int(values[key]) for key in values if (hit := pattern.fullmatch(key))},
        mean_ns=int(values["result_mean_query_latency_ns" if is_multi_stream else "result_mean_latency_ns"]),
        scheduled_per_s=values.get("result_scheduled_samples_per_sec"),
        completed_per_s=values.get("result_completed_samples_per_sec"),
        samples_per_s=values.get("result_samples_per_second", values.get("result_qps_with_loadgen_overhead")),
        summary=(folder / f"{_PREFIX}summary.txt").read_text(encoding="utf-8"),
    )


def read_latencies(folder: Path) -> tuple[int, ...]:
    """Latency of every query in ns, in the order of issue, from the trace.

    A Server query counts from the moment it was scheduled for, any other from its issue, to its answer; a query of
    several samples to the answer of its last (LoadGen, ``QueryScheduler`` and ``PerformanceSummary``).
    """
    last: dict[int, int] = {}
    with (folder / f"{_PREFIX}trace.json").open(encoding="utf-8") as lines:
        for line in lines:
            if hit := _SAMPLE.search(line):
                query, latency = int(hit[1]), int(hit[2])
                last[query] = max(latency, last.get(query, latency))
    return tuple(last[query] for query in sorted(last))


def read_sample_latencies(folder: Path) -> tuple[int, ...]:
    """Latency of every sample in ns, in the order they were traced: for Offline, whose query is all of them."""
    with (folder / f"{_PREFIX}trace.json").open(encoding="utf-8") as lines:
        return tuple(int(hit[2]) for line in lines if (hit := _SAMPLE.search(line)))


def _read_detail(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    values: dict[str, Any] = {}
    errors: list[str] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(_MARK):
                    entry = json.loads(line.removeprefix(_MARK))
                    values[entry["key"]] = entry["value"]
                    if entry["metadata"]["is_error"]:
                        errors.append(_one_line(entry["value"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"LoadGen's detail log cannot be read: {type(error).__name__}: {error}.") from error
    return values, tuple(errors)


def _find_reasons(values: Mapping[str, Any], errors: tuple[str, ...]) -> tuple[str, ...]:
    reasons = [*errors]
    if recommended := _one_line(values.get("result_invalid_reason", "")):
        reasons.append(recommended)
    if values.get("early_stopping_met") is False:
        reasons.append(f"early stopping: {_one_line(values.get('early_stopping_result', ''))}")
    return tuple(reasons) or ("LoadGen gives no reason",)


def _find_early_stopping(values: Mapping[str, Any], *, is_multi_stream: bool) -> int | None:
    """LoadGen writes 0 where it has no bound."""
    key = "early_stopping_latency_ms" if is_multi_stream else "early_stopping_latency_ss"
    return int(values[key]) or None if key in values else None


def _one_line(text: object) -> str:
    return " ".join(str(text).replace("*", " ").split())
