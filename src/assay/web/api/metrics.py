"""``/metrics``: the server and its store in Prometheus' text format, version 0.0.4.

Base units: seconds and bytes. What is not known has no line. May import: core, store, web; psutil inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from assay import __version__
from assay.core.words import Provenance
from assay.store import Store
from assay.store.query import LATEST_VIEW, fetch_rows
from assay.store.rows import case_from_row
from assay.store.schema import RESULTS
from assay.web.api.replies import check_names, store_of
from assay.web.openapi import UNTAGGED
from assay.web.reading import readings_of
from assay.web.traffic import BOUNDS_S, Traffic

router = APIRouter(tags=["server"])

MEDIA_TYPE = "text/plain; version=0.0.4"
MOST_SERIES = 200
"""A series of a scraper's own for each would cost it more than it is worth: the newest measured ones are enough."""
_LONGEST_LABEL = 200
_LABELLED = (
    'series_id, workload, engine, device, mode, "precision", batch, shape, options, hardware, provenance, verdict, '
    "latency_ns, throughput_per_s, memory_peak_bytes"
)

Sample = tuple[str, Mapping[str, str], float]


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    openapi_extra={UNTAGGED: True},
)
def get_metrics(request: Request) -> Response:
    """Counts of runs and results, the newest latencies, and the server's own requests and memory."""
    check_names(request)
    traffic: Traffic = request.app.state.traffic
    store, readings = store_of(request), readings_of(request)
    state = readings.states.read()
    made = readings.get_within(
        "metrics",
        lambda: "".join([*_store(store), *_latest(store)]),
        state,
        state,
        oldest_s=request.app.state.settings.oldest_answer_s,
    )
    families = [*_server(traffic), made.value]
    return Response("".join(families), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def write_family(name: str, kind: str, explanation: str, samples: Iterable[Sample]) -> str:
    """Write one family: its samples are (suffix of the name, labels, value). Nothing where there are none."""
    lines: dict[str, str] = {}
    for suffix, labels, value in samples:
        if math.isfinite(value):
            listed = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
            # Labels that are the same once they are cut would be one sample twice, which no reader takes.
            lines.setdefault(f"{name}{suffix}" + (f"{{{listed}}}" if listed else ""), _number(value))
    if not lines:
        return ""
    body = "".join(f"{sample} {value}\n" for sample, value in lines.items())
    return f"# HELP {name} {explanation}\n# TYPE {name} {kind}\n{body}"


def _server(traffic: Traffic) -> Iterable[str]:
    import psutil

    process = psutil.Process()
    with process.oneshot():
        times, memory, began = process.cpu_times(), process.memory_info().rss, process.create_time()
    in_progress, requests, durations = traffic.read()
    yield write_family("assay_build_info", "gauge", "The version that runs.", [("", {"version": __version__}, 1.0)])
    yield write_family("process_start_time_seconds", "gauge", "When the server began.", [("", {}, began)])
    yield write_family(
        "process_cpu_seconds_total", "counter", "Processor time it took.", [("", {}, times.user + times.system)]
    )
    yield write_family("process_resident_memory_bytes", "gauge", "Memory it has.", [("", {}, float(memory))])
    yield write_family("assay_http_requests_in_progress", "gauge", "Requests going on.", [("", {}, float(in_progress))])
    yield write_family(
        "assay_http_requests_total", "counter", "Requests that ended.",
        [
            ("", {"method": method, "route": route, "status": str(status)}, float(count))
            for (method, route, status), count in sorted(requests.items())
        ],
    )  # fmt: skip
    samples: list[Sample] = []
    for route, one in sorted(durations.items()):
        total = 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), one.counts, strict=True):
            total += count
            samples.append(("_bucket", {"route": route, "le": bound}, float(total)))
        samples.append(("_sum", {"route": route}, one.sum_s))
        samples.append(("_count", {"route": route}, float(total)))
    yield write_family("assay_http_request_duration_seconds", "histogram", "How long requests took.", samples)


def _store(store: Store) -> Iterable[str]:
    runs = _read(
        store,
        "SELECT provenance, status, count(*) AS n, max(started_at) AS newest FROM runs GROUP BY ALL ORDER BY ALL",
        (),
    )
    results = _read(
        store,
        "SELECT provenance, status, usable, count(*) AS n FROM results GROUP BY ALL ORDER BY ALL",
        [RESULTS],
    )
    yield write_family(
        "assay_runs", "gauge", "Runs in the store.",
        [("", {"provenance": row["provenance"], "status": row["status"]}, float(row["n"])) for row in runs],
    )  # fmt: skip
    newest: dict[str, float] = {}
    for row in runs:
        moment = row["newest"].replace(tzinfo=UTC).timestamp()
        newest[row["provenance"]] = max(moment, newest.get(row["provenance"], moment))
    yield write_family(
        "assay_newest_run_timestamp_seconds", "gauge", "When the newest run began.",
        [("", {"provenance": provenance}, moment) for provenance, moment in newest.items()],
    )  # fmt: skip
    yield write_family(
        "assay_results", "gauge", "Results in the store; usable ones are those that aggregates use.",
        [
            (
                "",
                {"provenance": row["provenance"], "status": row["status"], "usable": str(row["usable"]).lower()},
                float(row["n"]),
            )
            for row in results
        ],
    )  # fmt: skip


def _latest(store: Store) -> Iterable[str]:
    rows = _read(
        store,
        f"SELECT {_LABELLED} FROM {LATEST_VIEW} "  # noqa: S608  (words of ours)
        f"WHERE provenance = '{Provenance.MEASURED}' AND usable AND latency_ns IS NOT NULL "
        f"ORDER BY measured_at DESC NULLS LAST, result_id DESC LIMIT {MOST_SERIES}",
        [RESULTS, LATEST_VIEW],
    )
    for name, column, divisor, explanation in (
        (
            "assay_series_latency_seconds",
            "latency_ns",
            1e9,
            "Median latency of the newest measured result of a series.",
        ),
        ("assay_series_throughput_per_second", "throughput_per_s", 1.0, "Its throughput, in units of work."),
        ("assay_series_memory_peak_bytes", "memory_peak_bytes", 1.0, "Its peak of host memory."),
    ):
        yield write_family(
            name, "gauge", explanation,
            [
                (
                    "",
                    {
                        "series": row["series_id"], "case": case_from_row(row).label,
                        "hardware": row["hardware"] or "", "verdict": row["verdict"] or "",
                    },
                    row[column] / divisor,
                )
                for row in rows
                if row[column] is not None
            ],
        )  # fmt: skip


def _read(store: Store, sql: str, tables: Sequence[str]) -> list[dict[str, Any]]:
    return fetch_rows(store.location, sql, tables=tables, versions=store.versions)


def _escape(text: str) -> str:
    """A label's value: one line, no control characters, not too long."""
    flat = "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_LABEL]
    return flat.replace("\\", r"\\").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
