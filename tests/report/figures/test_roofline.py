"""Rooflines: results explained by the real rules, under roofs that a probe would have measured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.core.case import Case
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Direction, Provenance, Status, Verdict
from assay.recommend.explain import ExplainedResult
from assay.report.figures.roofline import draw_roofline
from assay.report.values import Figure, Layer, Role, Scale
from assay.stats.roofline import DeviceRates, Work, explain

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RATES = DeviceRates(
    gemm_flops_per_s={"fp32": 1e11, "bf16": 4e11},
    convolution_flops_per_s={"fp32": 8e10},
    read_bytes_per_s={2**15: 2e11, 2**28: 1e10},
    copy_bytes_per_s=9e9,
)


def explained(name: str, flops: float, moved: float, latency_ns: float, **more: Any) -> ExplainedResult:
    precision = more.pop("precision", "fp32")
    case = Case.make(workload=name, engine="torch", device="cpu", precision=precision)
    metric = MetricValue("latency_ns", latency_ns, "ns", ci_lo=latency_ns / 1.1, ci_hi=latency_ns * 1.1, n=5)
    result = ResultRecord(f"r-{name}", "run", "s", case, Status.OK, NOW, metrics=(metric,), **more)
    found = explain(Work(flops, moved, 2 * moved), RATES, latency_ns, precision)
    assert not isinstance(found, Unavailable)
    return ExplainedResult(result, None, found, found.text)


def layers(figure: Figure, role: Role) -> dict[str, Layer]:
    return {layer.label: layer for layer in figure.layers if layer.role is role}


COMPUTE = explained("compute", 1e9, 1e6, 2e7)  # 1000 FLOP/B, 50 GFLOP/s of 100
MEMORY = explained("memory", 1e6, 1e9, 2e8)  # 0.001 FLOP/B, 5 of 10 GB/s


def test_points_lie_at_their_intensity_and_say_their_share() -> None:
    figure = draw_roofline(explained=[COMPUTE, MEMORY], rates=RATES, device="some cpu")
    [layer] = layers(figure, Role.DATA).values()
    assert layer.x == pytest.approx((1000, 0.001))
    assert layer.y == pytest.approx((5e10, 5e6))
    assert layer.lo[0] == pytest.approx(5e10 / 1.1)
    assert layer.hi[0] == pytest.approx(5e10 * 1.1)
    assert layer.n == (5, 5)
    assert layer.provenance is Provenance.MEASURED
    assert layer.labels == (
        "compute, 50.0 %: share of its roof, compute bound",
        "memory, 50.0 %: share of its roof, memory bound",
    )
    assert (figure.x.scale, figure.y.scale, figure.y.unit, figure.y.direction) == (
        Scale.LOG, Scale.LOG, "FLOP/s", Direction.HIGHER,
    )  # fmt: skip
    assert figure.caption.endswith("All: torch cpu fp32 b1.")
    assert "compute torch cpu fp32 b1 reaches 50.0 %, compute bound" in figure.alt


def test_roofs_of_several_precisions_meet_their_slopes() -> None:
    figure = draw_roofline(explained=[COMPUTE], rates=RATES)
    roofs = layers(figure, Role.LIMIT)
    assert list(roofs) == [
        "fp32 100 GFLOP/s",
        "fp32 convolution 80.0 GFLOP/s",
        "bf16 400 GFLOP/s",
        "memory 10.0 GB/s",
        "cache (32.0 KiB) 200 GB/s",
    ]
    memory = roofs["memory 10.0 GB/s"]
    assert memory.y[1] == pytest.approx(4e11)  # up to the highest roof
    assert all(
        y == pytest.approx(float(x) * 1e10) for x, y in zip(memory.x, memory.y, strict=True) if isinstance(x, float)
    )
    flat = roofs["fp32 100 GFLOP/s"]
    assert flat.y == (1e11, 1e11)
    assert flat.x[0] == pytest.approx(1e11 / 2e11)  # from the fastest slope on
    assert all(layer.provenance is Provenance.MEASURED for layer in roofs.values())


def test_without_a_probe_the_roofs_are_those_of_the_explanations() -> None:
    figure = draw_roofline(explained=[COMPUTE, MEMORY])
    assert list(layers(figure, Role.LIMIT)) == ["fp32 100 GFLOP/s", "memory 10.0 GB/s"]
    assert "those that the results were held against" in figure.caption


def test_a_point_above_its_roof_is_not_clipped() -> None:
    figure = draw_roofline(explained=[explained("fast", 1e9, 1e6, 5e6)], rates=RATES)
    [layer] = layers(figure, Role.DATA).values()
    assert layer.y == pytest.approx((2e11,))
    assert layer.labels == ("fast torch cpu fp32 b1, 200 %: share of its roof, compute bound",)


def test_precisions_are_groups_and_disturbed_points_hollow() -> None:
    figure = draw_roofline(
        explained=[COMPUTE, explained("half", 1e9, 1e6, 1e7, precision="bf16"),
                   explained("shaken", 1e9, 1e6, 1e7, verdict=Verdict.CONTAMINATED)],
        rates=RATES,
    )  # fmt: skip
    found = layers(figure, Role.DATA)
    assert {name: (layer.group, layer.is_usable) for name, layer in found.items()} == {
        "fp32": ("fp32", True), "fp32, left out of rankings": ("fp32", False), "bf16": ("bf16", True),
    }  # fmt: skip


def test_what_cannot_be_explained_is_said() -> None:
    lost = ExplainedResult(COMPUTE.result, None, None, "cost unknown: <b>")
    figure = draw_roofline(explained=[COMPUTE, lost], rates=RATES)
    assert figure.notes == ("1 result without a place (compute torch cpu fp32 b1): cost unknown: <b>.",)


def test_roofs_alone_are_worth_drawing_and_nothing_is_not() -> None:
    assert draw_roofline(explained=[], rates=RATES).empty is None
    figure = draw_roofline(explained=[])
    assert figure.empty is not None
    assert "assay probe" in figure.empty


def test_a_result_that_computes_nothing_has_no_place() -> None:
    found = explained("copy", 0.0, 1e9, 2e8)
    figure = draw_roofline(explained=[found], rates=RATES)
    assert layers(figure, Role.DATA) == {}
    assert figure.notes[0].startswith("1 result without a place (copy torch cpu fp32 b1): memory bound")
