"""The mirror's views: what dashboards read. May import: standard library."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class View:
    """One view; ``{schema}`` in its SQL is the mirror's schema."""

    comment: str
    sql: str
    comments: dict[str, str] = field(default_factory=dict)


# Headline metrics have fixed places among a result's numbers, so that each is found by the primary key, and
# PostgreSQL drops the joins whose columns a query does not use.
_WIDE = """
SELECT r.result_id, r.run_id, r.series_id, s.case_id, r.measured_at, coalesce(r.measured_at, u.finished_at) AS "time",
  r.provenance, c.workload, w.family, c.engine, c.device, r.hardware, c.mode, c.precision, r.effective_precision,
  c.batch, c.shape, c.options, r.status, r.reason, r.verdict, r.fidelity, r.usable, r.parameters, r.units_per_call,
  r.unit_of_work, r.launches_ok, l.value AS latency_ns, l.ci_lo AS latency_ns_lo, l.ci_hi AS latency_ns_hi,
  l.n AS latency_ns_n, t.value AS throughput_per_s, t.ci_lo AS throughput_per_s_lo, t.ci_hi AS throughput_per_s_hi,
  m.value AS memory_peak_bytes, r.source, r.source_place, u.suite, u.env_id, u.git_commit, u.git_branch, u.tags
FROM {schema}.results r
JOIN {schema}.runs u ON u.run_id = r.run_id
JOIN {schema}.series s ON s.series_id = r.series_id
JOIN {schema}.cases c ON c.case_id = s.case_id
JOIN {schema}.workloads w ON w.workload = c.workload
LEFT JOIN {schema}.metrics l ON l.result_id = r.result_id AND l.position = 0
LEFT JOIN {schema}.metrics t ON t.result_id = r.result_id AND t.position = 1
LEFT JOIN {schema}.metrics m ON m.result_id = r.result_id AND m.position = 2
"""
_COMMENTS = {
    "time": "When it was measured; where its source does not say, when its run ended: the time column for plots",
    "latency_ns": "Median time of a call in steady state, in ns; null where there is none",
    "latency_ns_lo": "Lower end of its 95 % interval",
    "latency_ns_hi": "Upper end of its 95 % interval",
    "throughput_per_s": "Units of work a second in steady state",
    "memory_peak_bytes": "Peak host memory while inferring, in bytes",
}

VIEWS: dict[str, View] = {
    "current_results": View(
        "Results with their case, their headline numbers and their run; without runs that a later run took over. "
        "Failures and marked rows are among them.",
        _WIDE + "WHERE NOT EXISTS (SELECT FROM {schema}.runs later WHERE later.parent_id = r.run_id)",
        _COMMENTS,
    ),
    "usable_results": View(
        "current_results that aggregates may use: ok, fidelity not failed, no mark that says that the numbers are "
        "simulated, constant, repeated or of another device. Measured and imported rows are both here: tell them "
        "apart by provenance.",
        "SELECT * FROM {schema}.current_results WHERE usable",
        _COMMENTS,
    ),
    "latest_results": View(
        "The newest usable result of every series.",
        "SELECT latest.* FROM {schema}.series one CROSS JOIN LATERAL (SELECT * FROM {schema}.usable_results v "
        "WHERE v.series_id = one.series_id ORDER BY v.measured_at DESC NULLS LAST, v.result_id DESC LIMIT 1) latest",
        _COMMENTS,
    ),
}
