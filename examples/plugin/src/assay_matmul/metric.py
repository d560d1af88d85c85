"""The metric ``flops_per_s``, and how it follows from a result. May import: assay."""

from __future__ import annotations

from assay.catalog.metrics import Metric, metrics
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Direction
from assay.workloads.base import families

FLOPS_PER_S = metrics.add(
    "flops_per_s",
    Metric(
        name="flops_per_s",
        unit="1/s",
        direction=Direction.HIGHER,
        description="Floating-point operations a second of a product of matrices",
        formula="2 n^3 x batch / latency (Golub and Van Loan, Matrix Computations, 1.1.15)",
        source="assay_matmul",
    ),
)


def flops_per_s(result: ResultRecord) -> MetricValue:
    """Return the rate of a result of ``matmul``; its value is None, with the reason, where there is no latency."""
    latency = result.metric("latency_ns")
    if latency is None or latency.value is None:
        return MetricValue(FLOPS_PER_S.name, None, FLOPS_PER_S.unit, reason="there is no latency")
    n = families.get("matmul").sizes[result.case.workload.rpartition("/")[2]].constants["n"]
    rate = 2 * n**3 * result.case.batch / (latency.value / 1e9)
    return MetricValue(FLOPS_PER_S.name, rate, FLOPS_PER_S.unit, n=latency.n)
