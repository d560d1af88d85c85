"""Small figures of every kind, composed by hand: what the renderers' tests and the gallery draw."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

from assay.core.words import Direction, Provenance
from assay.report.values import (
    Axis,
    Cell,
    Figure,
    FigureKind,
    Heat,
    Layer,
    Marker,
    Ref,
    RefKind,
    Role,
    Scale,
    Shape,
)

LATENCY = Axis("Latency", "ns", direction=Direction.LOWER)
MEASURED, IMPORTED, PREDICTED = Provenance
WORKLOADS = ("bert/base", "resnet/50", "unet/base", "llama/1b", "whisper/tiny", "clip/base")
DEVICES = ("AMD EPYC 7763", "NVIDIA A100 80GB", "NVIDIA H100 SXM", "Apple M2 Max", "Intel Arc A770", "Jetson Orin")
HOSTILE = (
    "<script>alert(1)</script>",
    "]]>&amp;<!--",
    '" onload="alert(1)',
    "$\\frac{1}{2}$ and $unbalanced",
    "\u202egnp.exe\u202c",
    "شبكة عصبية bert",
    "漢字のモデル",
    "line\nbreak\ttab\x00nul\x1b[31m",
    "\ud800 surrogate \uffff",
    "'; DROP TABLE results; --",
    "../../../etc/passwd",
    "=HYPERLINK(1)",
    "x" * 10_000,
    "",
    "%s {0} {{x}}",
)


def refs(count: int) -> tuple[Ref, ...]:
    return tuple(Ref(RefKind.RESULT, f"result-{number}") for number in range(count))


def distribution() -> Figure:
    draw = random.Random(1)
    launches = tuple(f"launch {number}" for number in range(1, 6))
    medians = tuple(12.1e6 * (1 + 0.01 * number) for number in (0, 1.2, -0.5, 0.3, 3.0))
    box = Layer(
        "launches",
        Shape.BOXES,
        x=(0, 1, 2, 3, 4),
        y=medians,
        lo=tuple(one * 0.985 for one in medians),
        hi=tuple(one * 1.02 for one in medians),
        whiskers=tuple((one * 0.97, one * 1.06) for one in medians),
        n=(180, 178, 181, 180, 165),
        provenance=MEASURED,
        group="samples",
    )
    points = tuple(
        (place, one * (1.06 + abs(draw.gauss(0, 0.03)))) for place, one in enumerate(medians) for _ in range(4)
    )
    slow = Layer(
        "slowest samples",
        Shape.POINTS,
        x=tuple(float(place) for place, _ in points),
        y=tuple(y for _, y in points),
        provenance=MEASURED,
        group="samples",
    )
    return Figure(
        "distribution",
        FigureKind.DISTRIBUTION,
        "Latency of each launch",
        Axis("Launch", None, Scale.CATEGORY, None, launches),
        LATENCY,
        (box, slow),
        markers=(Marker("y", 12.2e6, "median of launches 12.2 ms"),),
        caption="Boxes: quartiles and median; whiskers: 5th and 95th per cent.",
        alt="Five launches between 12.0 and 12.5 ms.",
    )


def trend() -> Figure:
    draw = random.Random(2)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    count = 56
    times = tuple(start + timedelta(days=number) for number in range(count))
    level = [12.3e6 if number < 24 else 12.0e6 if number < 40 else 12.75e6 for number in range(count)]
    values = tuple(one * (1 + draw.gauss(0, 0.009)) for one in level)
    used = [number for number in range(count) if number != 15]
    return Figure(
        "trend",
        FigureKind.TREND,
        "bert/base torch cpu fp32 b8",
        Axis("Time of run", None, Scale.TIME),
        LATENCY,
        (
            Layer(
                "expected range",
                Shape.BAND,
                x=times,
                lo=tuple(v * 0.982 for v in level),
                hi=tuple(v * 1.018 for v in level),
                group="values",
                provenance=MEASURED,
            ),
            Layer("level", Shape.STEPS, x=times, y=tuple(level), role=Role.GUIDE),
            Layer(
                "latency",
                Shape.POINTS,
                x=tuple(times[n] for n in used),
                y=tuple(values[n] for n in used),
                lo=tuple(values[n] * 0.995 for n in used),
                hi=tuple(values[n] * 1.005 for n in used),
                n=tuple(5 for _ in used),
                refs=refs(len(used)),
                provenance=MEASURED,
                group="values",
            ),
            Layer(
                "latency",
                Shape.POINTS,
                x=(times[15],),
                y=(13.1e6,),
                n=(5,),
                refs=refs(1),
                provenance=MEASURED,
                group="values",
                is_usable=False,
            ),
        ),
        markers=(
            Marker("x", times[24], "environment: torch 2.12.0 to 2.13.0"),
            Marker("x", times[40], "+5.9 % worse", Role.HIGHLIGHT),
            Marker("x", times[43], "driver 550 to 560"),
        ),
        caption="56 runs.",
        alt="Latency over 56 runs with one regression.",
    )


def scaling() -> Figure:
    batches = (1, 2, 4, 8, 16, 32, 64, 128)
    rates = tuple(900 * b / (1 + b / 24) for b in batches)
    return Figure(
        "scaling",
        FigureKind.SCALING,
        "Throughput by batch size",
        Axis("Batch size", None, Scale.LOG),
        Axis("Throughput", "1/s", Scale.LOG, Direction.HIGHER),
        (
            Layer("ideal", Shape.LINE, x=(1, 128), y=(900, 900 * 128), role=Role.GUIDE),
            Layer("limit", Shape.LINE, x=(1, 128), y=(900 * 24, 900 * 24), role=Role.LIMIT, provenance=MEASURED),
            Layer(
                "torch",
                Shape.LINE_POINTS,
                x=batches[:6],
                y=rates[:6],
                lo=tuple(r * 0.95 for r in rates[:6]),
                hi=tuple(r * 1.05 for r in rates[:6]),
                n=(5,) * 6,
                provenance=MEASURED,
                group="torch",
            ),
            Layer(
                "torch, predicted",
                Shape.LINE_POINTS,
                x=batches[5:],
                y=rates[5:],
                lo=tuple(r * 0.8 for r in rates[5:]),
                hi=tuple(r * 1.2 for r in rates[5:]),
                provenance=PREDICTED,
                group="torch",
            ),
            Layer(
                "onnxruntime",
                Shape.LINE_POINTS,
                x=batches,
                y=tuple(1.5 * r for r in rates),
                provenance=IMPORTED,
                group="onnxruntime",
            ),
        ),
        markers=(Marker("x", 24, "knee at 24"), Marker("x", 100, "memory limit at 100", Role.LIMIT)),
        alt="Throughput rises to a limit.",
    )


def roofline() -> Figure:
    peak, bandwidth = 312e12, 2.0e12
    ridge = peak / bandwidth
    xs = (3.0, 18.0, 60.0, 150.0, 420.0)
    ys = tuple(min(peak, bandwidth * x) * share for x, share in zip(xs, (0.7, 0.55, 0.6, 0.4, 0.72), strict=True))
    return Figure(
        "roofline",
        FigureKind.ROOFLINE,
        "Roofline of NVIDIA A100",
        Axis("Arithmetic intensity", "FLOP/B", Scale.LOG),
        Axis("Performance", "FLOP/s", Scale.LOG, Direction.HIGHER),
        (
            Layer(
                "memory 2.0 TB/s",
                Shape.LINE,
                x=(0.5, ridge),
                y=(0.5 * bandwidth, peak),
                role=Role.LIMIT,
                provenance=IMPORTED,
            ),
            Layer(
                "compute 312 TFLOP/s",
                Shape.LINE,
                x=(ridge, 2000.0),
                y=(peak, peak),
                role=Role.LIMIT,
                provenance=IMPORTED,
            ),
            Layer(
                "measured",
                Shape.POINTS,
                x=xs,
                y=ys,
                labels=WORKLOADS[:5],
                refs=refs(5),
                n=(5,) * 5,
                provenance=MEASURED,
                group="workloads",
            ),
            Layer(
                "predicted",
                Shape.POINTS,
                x=(9.0,),
                y=(9e12,),
                labels=("vit/large",),
                provenance=PREDICTED,
                group="workloads",
            ),
        ),
        alt="Five workloads under the roof.",
    )


def matrix() -> Figure:
    draw = random.Random(3)
    rows = []
    for row in range(len(WORKLOADS)):
        cells = []
        for column in range(len(DEVICES)):
            value = 5e6 * (row + 1) ** 1.8 / (1 + column) * draw.uniform(0.7, 1.3)
            kind = draw.random()
            if kind < 0.5:
                cells.append(
                    Cell(value, MEASURED, n=5, ref=Ref(RefKind.RESULT, f"m{row}{column}"), is_usable=kind > 0.05)
                )
            elif kind < 0.65:
                cells.append(Cell(value, IMPORTED))
            elif kind < 0.9:
                cells.append(Cell(value, PREDICTED, lo=value * 0.7, hi=value * 1.4))
            else:
                cells.append(Cell(None, reason="out of memory"))
        rows.append(tuple(cells))
    return Figure(
        "matrix",
        FigureKind.MATRIX,
        "Latency by workload and device",
        Axis("Device", None, Scale.CATEGORY, None, DEVICES),
        Axis("Workload", None, Scale.CATEGORY, None, WORKLOADS),
        heat=Heat(tuple(rows), "ns", "Latency", Scale.LOG, Direction.LOWER),
        alt="A matrix.",
    )


def pareto() -> Figure:
    points = [
        (4.1e6, 0.8),
        (6.0e6, 0.42),
        (9.5e6, 0.30),
        (15e6, 0.22),
        (32e6, 0.19),
        (11e6, 0.7),
        (18e6, 0.5),
        (28e6, 0.45),
        (8e6, 0.95),
        (40e6, 0.3),
    ]
    names = ("H100 b1", "A100 b1", "L4 b8", "L4 b16", "Orin b8", "T4 b1", "T4 b8", "CPU b1", "A10 b1", "CPU b8")
    return Figure(
        "pareto",
        FigureKind.PARETO,
        "Latency against energy",
        LATENCY,
        Axis("Energy per sample", "J", Scale.LINEAR, Direction.LOWER),
        (
            Layer(
                "front",
                Shape.STEPS,
                x=tuple(x for x, _ in points[:5]),
                y=tuple(y for _, y in points[:5]),
                role=Role.FRONT,
                labels=names[:5],
            ),
            Layer(
                "measured",
                Shape.POINTS,
                x=tuple(x for x, _ in points[:7]),
                y=tuple(y for _, y in points[:7]),
                labels=names[:7],
                provenance=MEASURED,
                group="all",
            ),
            Layer(
                "imported",
                Shape.POINTS,
                x=tuple(x for x, _ in points[7:9]),
                y=tuple(y for _, y in points[7:9]),
                labels=names[7:9],
                provenance=IMPORTED,
                group="all",
            ),
            Layer(
                "predicted", Shape.POINTS, x=(40e6,), y=(0.3,), labels=(names[9],), provenance=PREDICTED, group="all"
            ),
            Layer(
                "measured",
                Shape.POINTS,
                x=(22e6,),
                y=(0.12,),
                labels=("A100 b8",),
                provenance=MEASURED,
                group="all",
                is_usable=False,
            ),
        ),
        alt="A front of five.",
    )


def curves() -> Figure:
    epochs = tuple(float(number) for number in range(1, 41))
    loss = tuple(2.2 * math.exp(-number / 9) + 0.3 for number in epochs)
    held = tuple(2.2 * math.exp(-number / 10) + 0.42 + 0.002 * number for number in epochs)
    return Figure(
        "curves",
        FigureKind.CURVES,
        "Loss over epochs",
        Axis("Epoch"),
        Axis("Loss", "1", direction=Direction.LOWER),
        (
            Layer("training", Shape.LINE, x=epochs, y=loss, provenance=MEASURED),
            Layer(
                "validation",
                Shape.LINE,
                x=epochs,
                y=(*held[:20], None, *held[21:]),
                lo=tuple(v - 0.05 for v in held),
                hi=tuple(v + 0.05 for v in held),
                provenance=MEASURED,
            ),
            Layer(
                "validation of the paper", Shape.LINE, x=epochs, y=tuple(v * 1.15 for v in held), provenance=IMPORTED
            ),
        ),
        markers=(Marker("y", 0.6, "target 0.6", Role.LIMIT),),
        alt="Loss falls.",
    )


def correlation() -> Figure:
    names = ("latency", "throughput", "energy", "memory", "parameters", "FLOPs")
    draw = random.Random(4)
    table = [[1.0 if row == column else round(draw.uniform(-1, 1), 2) for column in range(6)] for row in range(6)]
    cells = tuple(
        tuple(
            Cell(table[max(row, column)][min(row, column)], MEASURED, n=40)
            if (row, column) != (5, 2)
            else Cell(None, reason="too few pairs")
            for column in range(6)
        )
        for row in range(6)
    )
    axis = Axis("", None, Scale.CATEGORY, None, names)
    return Figure(
        "correlation",
        FigureKind.CORRELATION,
        "Rank correlation of metrics",
        axis,
        axis,
        heat=Heat(cells, None, "Spearman's rho", limits=(-1.0, 1.0)),
        alt="Correlations.",
    )


def predicted() -> Figure:
    draw = random.Random(5)
    truth = tuple(10 ** draw.uniform(5, 9) for _ in range(60))
    guess = tuple(value * math.exp(draw.gauss(0, 0.25)) for value in truth)
    return Figure(
        "predicted",
        FigureKind.PREDICTED,
        "Predicted against measured latency",
        Axis("Measured latency", "ns", Scale.LOG),
        Axis("Predicted latency", "ns", Scale.LOG),
        (
            Layer("equal", Shape.LINE, x=(1e5, 1e9), y=(1e5, 1e9), role=Role.GUIDE),
            Layer(
                "predictions",
                Shape.POINTS,
                x=truth,
                y=guess,
                lo=tuple(g * 0.6 for g in guess),
                hi=tuple(g * 1.6 for g in guess),
                provenance=PREDICTED,
                level=0.9,
            ),
        ),
        alt="Near the diagonal.",
    )


def energy() -> Figure:
    seconds = tuple(number * 0.1 for number in range(300))
    watts = tuple(62.0 + (210 if 5 < s < 25 else 0) + 8 * math.sin(3 * s) for s in seconds)
    return Figure(
        "energy",
        FigureKind.ENERGY,
        "Power over the energy pass",
        Axis("Time", "s"),
        Axis("Power", "W"),
        (
            Layer("package", Shape.LINE, x=seconds, y=watts, provenance=MEASURED),
            Layer("memory", Shape.LINE, x=seconds, y=tuple(0.2 * w for w in watts), provenance=MEASURED),
        ),
        markers=(
            Marker("x", 5.0, "load begins"),
            Marker("x", 25.0, "load ends"),
            Marker("y", 62.0, "idle 62 W"),
            Marker("y", 300.0, "power limit 300 W", Role.LIMIT),
        ),
        alt="Power rises under load.",
    )


def comparison() -> Figure:
    names = tuple(f"{name} {engine} fp32 b8" for name in WORKLOADS[:4] for engine in ("torch", "onnxruntime"))
    ratios = (1.01, 0.72, 1.08, 0.99, 1.002, 0.81, 1.12, 1.03)
    usable = tuple(range(7))
    return Figure(
        "comparison",
        FigureKind.COMPARISON,
        "Candidate against baseline",
        Axis("Case", None, Scale.CATEGORY, None, names),
        Axis("Latency ratio", "ratio", Scale.LOG, Direction.LOWER),
        (
            Layer(
                "candidate",
                Shape.POINTS,
                x=usable,
                y=ratios[:7],
                lo=tuple(r * 0.97 for r in ratios[:7]),
                hi=tuple(r * 1.03 for r in ratios[:7]),
                n=(5,) * 7,
                provenance=MEASURED,
            ),
            Layer(
                "candidate",
                Shape.POINTS,
                x=(7,),
                y=ratios[7:],
                lo=(0.9,),
                hi=(1.2,),
                n=(5,),
                provenance=MEASURED,
                is_usable=False,
            ),
        ),
        markers=(
            Marker("y", 1.0, "equal"),
            Marker("y", 1.03, "floor", Role.LIMIT),
            Marker("y", 1 / 1.03, "floor", Role.LIMIT),
        ),
        alt="Two regressions.",
    )


def bars() -> Figure:
    return Figure(
        "bars",
        FigureKind.BARS,
        "Throughput by device",
        Axis("Device", None, Scale.CATEGORY, None, DEVICES),
        Axis("Throughput", "1/s", Scale.LINEAR, Direction.HIGHER),
        (
            Layer(
                "fp32",
                Shape.BARS,
                x=(0, 1, 2),
                y=(120.0, 2100.0, 4300.0),
                lo=(115.0, 2000.0, 4200.0),
                hi=(125.0, 2150.0, 4500.0),
                n=(5, 5, 7),
                refs=refs(3),
                provenance=MEASURED,
                group="fp32",
            ),
            Layer("fp32", Shape.BARS, x=(3, 4), y=(640.0, 510.0), provenance=IMPORTED, group="fp32"),
            Layer("fp32", Shape.BARS, x=(5,), y=(210.0,), lo=(150.0,), hi=(290.0,), provenance=PREDICTED, group="fp32"),
            Layer("int8", Shape.BARS, x=(0, 1, 2), y=(310.0, 5200.0, 9300.0), provenance=MEASURED, group="int8"),
            Layer("int8", Shape.BARS, x=(5,), y=(560.0,), lo=(400.0,), hi=(700.0,), provenance=PREDICTED, group="int8"),
            Layer("int8", Shape.BARS, x=(3,), y=(900.0,), provenance=MEASURED, group="int8", is_usable=False),
        ),
        alt="H100 first.",
    )


def empty() -> Figure:
    return Figure(
        "empty",
        FigureKind.BARS,
        "Energy by device",
        Axis("Device", None, Scale.CATEGORY),
        Axis("Energy", "J"),
        empty="No result has an energy counter. Run `assay run --energy` on a device that has one.",
        alt="Nothing.",
    )


def many_points(count: int = 5000, *, shape: Shape = Shape.POINTS) -> Figure:
    draw = random.Random(6)
    xs = (
        tuple(10 ** draw.uniform(0, 6) for _ in range(count))
        if shape is Shape.POINTS
        else tuple(map(float, range(count)))
    )
    return Figure(
        "many",
        FigureKind.PREDICTED,
        "Many points",
        Axis("Parameters", None, Scale.LOG if shape is Shape.POINTS else Scale.LINEAR),
        LATENCY,
        (
            Layer(
                "results",
                shape,
                x=xs,
                y=tuple(draw.gauss(5e6, 1e6) for _ in range(count)),
                refs=refs(count),
                provenance=IMPORTED,
            ),
        ),
        alt="A cloud.",
    )


def large_heat(rows: int = 80, columns: int = 40) -> Figure:
    cells = tuple(
        tuple(
            Cell(1e6 * (1 + row) / (1 + column), PREDICTED if (row + column) % 3 else MEASURED)
            if row % 17
            else Cell(None)
            for column in range(columns)
        )
        for row in range(rows)
    )
    return Figure(
        "large",
        FigureKind.MATRIX,
        "Many cells",
        Axis("Device", None, Scale.CATEGORY, None, tuple(f"device {n}" for n in range(columns))),
        Axis("Workload", None, Scale.CATEGORY, None, tuple(f"workload {n}" for n in range(rows))),
        heat=Heat(cells, "ns", "Latency", Scale.LOG, Direction.LOWER),
        alt="Many.",
    )


def hostile() -> Figure:
    places = tuple(range(len(HOSTILE)))
    return Figure(
        HOSTILE[0],
        FigureKind.PARETO,
        HOSTILE[1] + HOSTILE[3],
        Axis(HOSTILE[0], HOSTILE[2], Scale.CATEGORY, None, HOSTILE),
        Axis(HOSTILE[3], HOSTILE[0]),
        tuple(
            Layer(
                name,
                Shape.LINE_POINTS,
                x=(place,),
                y=(1.0 + place,),
                labels=(name,),
                group=name,
                refs=(Ref(RefKind.RUN, name),),
            )
            for place, name in zip(places, HOSTILE, strict=True)
        ),
        markers=tuple(Marker("x", float(place), name) for place, name in zip(places, HOSTILE, strict=True)),
        caption=HOSTILE[5] + HOSTILE[0],
        alt="".join(HOSTILE[:12]),
        notes=HOSTILE,
    )


def hostile_heat() -> Figure:
    axis = Axis(HOSTILE[0], None, Scale.CATEGORY, None, HOSTILE)
    cells = tuple(
        tuple(Cell(float(row * column), MEASURED, reason=HOSTILE[column]) for column in range(len(HOSTILE)))
        for row in range(len(HOSTILE))
    )
    return Figure(
        "heat", FigureKind.MATRIX, HOSTILE[6], axis, axis, heat=Heat(cells, HOSTILE[0], HOSTILE[2]), alt=HOSTILE[1]
    )


KINDS = (
    distribution,
    trend,
    scaling,
    roofline,
    matrix,
    pareto,
    curves,
    correlation,
    predicted,
    energy,
    comparison,
    bars,
)
"""One function for each FigureKind, in its order."""
OTHERS = (empty, many_points, large_heat, hostile, hostile_heat)
