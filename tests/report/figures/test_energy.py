"""Power over time: sensors, counters and their steps, windows, and every number that is not known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from assay.core.case import Case
from assay.core.errors import UnknownNameError
from assay.core.records import MetricValue, ResultRecord, TelemetrySeries
from assay.core.words import Direction, Provenance, Status
from assay.probes.telemetry.base import Window
from assay.report.figures.energy import draw_energy, draw_energy_of_results
from assay.report.values import Figure, FigureKind, Layer, Role, Shape

S = 10**9
IDLE, LOAD = Window(1 * S, 6 * S), Window(7 * S, 17 * S)


def series(sensor: str, values: Sequence[float | None], *, step: int = S // 10, device: str = "cpu") -> TelemetrySeries:
    unit = {"power_w": "W", "energy_j": "J", "power_limit_w": "W"}.get(sensor, "share")
    return TelemetrySeries(sensor, device, unit, "rapl", "package", 5, (0, *(step,) * (len(values) - 1)), tuple(values))


def shaped(figure: Figure, shape: Shape) -> list[Layer]:
    return [layer for layer in figure.layers if layer.shape is shape]


def test_power_is_a_line_over_the_time_of_the_launch() -> None:
    figure = draw_energy(series=[series("power_w", [20.0, None, 65.0]), series("utilisation_share", [0.5])])
    [layer] = shaped(figure, Shape.LINE)
    assert (layer.x, layer.y) == ((5.0, 1e8 + 5, 2e8 + 5), (20.0, None, 65.0))
    assert (layer.label, layer.provenance) == ("cpu rapl, package: sensor", Provenance.MEASURED)
    assert (figure.x.unit, figure.y.unit) == ("ns", "W")
    assert figure.notes == ("The idle and the load window of this launch are not known.",)
    assert figure.caption == "What the power covers: cpu: package, by rapl."
    assert "cpu rapl, package: sensor 20.0 W to 65.0 W over 200 ms." in figure.alt


def test_a_counter_gives_the_mean_between_its_updates() -> None:
    figure = draw_energy(series=[series("energy_j", [100.0, 100.0, 104.0, 104.0, 106.0])])
    [layer] = shaped(figure, Shape.STEPS)
    assert layer.x == (5.0, 2e8 + 5, 4e8 + 5)
    assert layer.y == pytest.approx((20.0, 10.0, 10.0))


def test_a_counter_that_went_back_leaves_a_gap() -> None:
    figure = draw_energy(series=[series("energy_j", [100.0, 101.0, 1.0, 2.0])])
    [layer] = shaped(figure, Shape.STEPS)
    assert layer.y == pytest.approx((10.0, None, 10.0, 10.0))
    assert "The counter of cpu went back while it was read; the step is left blank." in figure.notes


def test_windows_are_shaded_and_begin_at_markers() -> None:
    figure = draw_energy(series=[series("power_w", [20.0, 65.0], step=17 * S)], idle=IDLE, load=LOAD)
    idle, load = shaped(figure, Shape.BAND)
    assert (idle.label, idle.x, idle.hi, idle.role) == ("idle window, 5.00 s", (1e9, 6e9), (65.0, 65.0), Role.GUIDE)
    assert load.label == "load window, 10.0 s"
    assert [(one.at, one.label) for one in figure.markers] == [(1e9, "idle window"), (7e9, "load window")]
    assert figure.notes == ()
    assert figure.caption.endswith("Idle window 5.00 s, load window 10.0 s.")


def test_known_levels_are_lines_and_unknown_ones_reasons() -> None:
    metrics = (
        MetricValue("average_power_w", 61.5, "W", phase="energy"),
        MetricValue("idle_power_w", None, "W", phase="energy", reason="no idle window"),
        MetricValue("energy_net_j_per_call", None, "J", phase="energy", reason="no idle window"),
        MetricValue("latency_ns", None, "ns", reason="of another figure"),
    )
    figure = draw_energy(
        series=[series("power_w", [20.0, 65.0]), series("power_limit_w", [90.0, 90.0])], metrics=metrics
    )
    assert [(one.axis, one.at, one.label, one.role) for one in figure.markers] == [
        ("y", 61.5, "mean under load 61.5 W", Role.GUIDE),
        ("y", 90.0, "power limit 90.0 W", Role.LIMIT),
    ]
    assert figure.notes[0] == "Not known: idle power, net energy per call: no idle window."
    assert "Mean under load 61.5 W." in figure.alt


def test_no_power_is_an_empty_figure_that_names_what_was_read() -> None:
    reason = MetricValue("energy_j_per_sample", None, "J", reason="not asked for: assay run --energy")
    figure = draw_energy(series=[series("utilisation_share", [0.5]), series("power_w", [None])], metrics=[reason])
    assert figure.empty == ("No sensor of power or energy gave a reading. Read were: power_w, utilisation_share.")
    assert figure.notes == ("Not known: energy per sample: not asked for: assay run --energy.",)
    assert draw_energy(series=[]).empty == "No sensor of power or energy gave a reading."
    assert draw_energy(series=[series("energy_j", [1.0])]).empty is not None


def test_long_series_are_thinned_with_their_extremes() -> None:
    values = [20.0 + place % 7 for place in range(30_000)]
    values[12_345] = 300.0
    figure = draw_energy(series=[series("power_w", values)], limit=1000)
    [layer] = shaped(figure, Shape.LINE)
    assert len(layer.x) <= 1000
    assert 300.0 in layer.y
    assert any("points are drawn" in note for note in figure.notes)


def result(name: str, *metrics: MetricValue) -> ResultRecord:
    case = Case.make(workload=name, engine="torch", device="cpu")
    return ResultRecord(f"r-{name}", "run", "s", case, Status.OK, datetime(2026, 11, 22, tzinfo=UTC), metrics=metrics)


def test_energy_of_results_is_ranked_with_reasons_for_the_rest() -> None:
    figure = draw_energy_of_results(
        results=[
            result("dear", MetricValue("energy_j_per_call", 2.0, "J", phase="energy", n=40)),
            result("cheap", MetricValue("energy_j_per_call", 0.5, "J", phase="energy", n=40)),
            result("dark", MetricValue("energy_j_per_call", None, "J", phase="energy", reason="no meter")),
        ]
    )
    assert figure.kind is FigureKind.ENERGY
    assert figure.x.categories == ("cheap", "dear")
    assert figure.caption == "n = 40 each. All: torch cpu fp32 b1."
    assert (figure.layers[0].y, figure.layers[0].n) == ((0.5, 2.0), (40, 40))
    assert (figure.y.unit, figure.y.direction) == ("J", Direction.LOWER)
    assert figure.notes == ("1 bar without a number (dark): no meter.",)
    with pytest.raises(UnknownNameError):
        draw_energy_of_results(results=[], metric="joules")
