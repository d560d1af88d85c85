"""One report with everything in it: every block, provenance, verdict, absence, and names that mean harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from assay.core.words import Change, Direction, Provenance, Verdict
from assay.report.values import (
    Axis,
    Cell,
    Column,
    Facts,
    Figure,
    FigureKind,
    Heat,
    Layer,
    Marker,
    Ref,
    RefKind,
    Report,
    Role,
    Scale,
    Section,
    Shape,
    Source,
    Table,
    Text,
    Tone,
)

MADE = datetime(2026, 11, 22, 14, 45, 30, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("https://example.org/?"&A1,"click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "../../etc/passwd",
    "'; DROP TABLE results; --",
    "long " + "0123456789" * 1000,
    "שלום עולם مرحبا model-v2",
    "turned \u202egnp.exe\u202c back",
    "nul \x00 bell \x07 escape \x1b[31mred",
    "line one\r\nline two\ttabbed",
    "half \ud800 a character",
    "emoji 🚀 family 👨‍👩‍👧 flag 🇨🇭",
    "pipes | and `back``ticks` and *stars* _under_ [link](https://example.org) @user #12 $x$ ~~no~~",
    "</style></script><!-- comment --> &amp; &#60; {{ 7*7 }} {% raw %} ${x}",
    "javascript:alert(1)",
    "full width 漢字のモデル",
    "not a character \ufffe\uffff",
)
_LATENCY = Column(
    "latency_ns", "latency", unit="ns", direction=Direction.LOWER, description="Time of one call, median of launches"
)
_RATE = Column("throughput_per_s", "throughput", unit="1/s", direction=Direction.HIGHER, description="Units per second")


def rich_report() -> Report:
    """Return the report, the same one every time."""
    return Report(
        kind="run",
        title="Run 1a2b3c4d of the quick suite",
        generated_at=MADE,
        assay_version="9.9.9",
        summary=(
            Text(("Four cases were measured and one failed.", "The fastest is bert-tiny on torch.")),
            Text(("One result was disturbed by another process and is left out of rankings.",), Tone.WARNING),
        ),
        scope=(("run", "0199aaaa-1a2b3c4d"), ("suite", "quick"), ("asked", HOSTILE[0])),
        sections=(_results(), _comparison(), _figures(), _hostile(), _ends()),
        sources=(
            Source("MLPerf Inference 5.0, closed division", "Apache-2.0, 2025-04-02"),
            Source(HOSTILE[0], HOSTILE[2]),
        ),
        how_to_read=(
            ("95 % interval", "Bounds of the value over launches."),
            ("–", "Not known, and never zero."),
        ),
        ref=Ref(RefKind.RUN, "0199aaaa-1a2b3c4d"),
        extra={"store": "example"},
    )


def _results() -> Section:
    measured, imported, predicted = Provenance.MEASURED, Provenance.IMPORTED, Provenance.PREDICTED
    columns = (
        Column("workload", "workload"),
        Column("engine", "engine"),
        _LATENCY,
        _RATE,
        Column("memory_peak_bytes", "memory", unit="B", direction=Direction.LOWER),
        Column("energy_j", "energy per sample", unit="J", direction=Direction.LOWER),
        Column("launches", "launches"),
        Column("measured_at", "measured"),
        Column("is_compiled", "compiled"),
        Column("result_id", "result", is_code=True),
    )
    when = MADE - timedelta(hours=2)
    reason = "no counter of energy can be read on this machine"
    rows = (
        (
            Cell("bert-tiny", ref=Ref(RefKind.WORKLOAD, "bert-tiny")), Cell("torch"),
            Cell(1_234_567.891, measured, Verdict.TRUSTED, 1_221_000.5, 1_249_000.25, n=5,
                 ref=Ref(RefKind.RESULT, "r1")),
            Cell(809.99, measured, Verdict.TRUSTED, unit="samples/s"),
            Cell(437_256_192.0, measured, Verdict.TRUSTED), Cell(reason=reason), Cell(5), Cell(when), Cell(value=True),
            Cell("0199aaaa"),
        ),
        (
            Cell("bert-tiny"), Cell("onnxruntime"),
            Cell(987_654.3, measured, Verdict.NOISY, 801_000.0, 1_301_000.0, n=5,
                 reason="involuntary context switches: 14 a sample"),
            Cell(1012.5, measured, Verdict.NOISY, unit="samples/s"),
            Cell(512_000_000, measured, Verdict.NOISY), Cell(0.01234, measured, Verdict.NOISY, 0.012, 0.0127, n=3),
            Cell(5), Cell(when + timedelta(minutes=7, seconds=12)), Cell(value=False), Cell("0199aaab"),
        ),
        (
            Cell("resnet-50"), Cell("torch"),
            Cell(23_456_789.0, measured, Verdict.CONTAMINATED, n=2, is_usable=False,
                 reason="another process had 38 % of the processor"),
            Cell(42.63, measured, Verdict.CONTAMINATED, is_usable=False, unit="images/s"),
            Cell(reason=reason), Cell(float("nan"), reason="the counter ran backwards"), Cell(3),
            Cell(datetime(2026, 11, 22, 13, 0)), Cell(value=False), Cell("0199aaac"),  # noqa: DTZ001  (a foreign time)
        ),
        (
            Cell("llama-8b"), Cell("vllm"),
            Cell(45_600_000_000.0, imported, n=None, reason="single shot: one timed call"),
            Cell(12_345.6, imported, unit="tokens/s"), Cell(1.7e10, imported), Cell(812.5, imported), Cell(1),
            Cell(reason="its source does not say when"), Cell(reason="its source does not say"), Cell("0199aaad"),
        ),
        (
            Cell("llama-70b"), Cell(reason="not chosen yet"),
            Cell(3.2e11, predicted, lo=2.5e11, hi=4.1e11, level=0.9), Cell(reason="not predicted"),
            Cell(1.41e11, predicted, lo=1.40e11, hi=1.43e11), Cell(5.6e3, predicted, is_usable=False), Cell(0),
            Cell(reason="nobody measured it"), Cell(reason="nobody measured it"), Cell("0199aaae"),
        ),
        (
            Cell("whisper"), Cell("torch"), Cell(reason="failed: out of memory: 14.2 GiB were asked for"),
            Cell(reason="failed: out of memory: 14.2 GiB were asked for"), Cell(), Cell(0.0, measured), Cell(-3),
            Cell(when), Cell(value=False), Cell("0199aaaf"),
        ),
    )  # fmt: skip
    table = Table(
        "results", "Results", columns, rows, caption="One row a case.", notes=("Threads: 2 of 2 cores.",),
        rows_left_out=58_559,
    )  # fmt: skip
    return Section("results", "Results", (table, _environment()))


def _environment() -> Facts:
    return Facts(
        "environment",
        "Environment",
        (
            ("processor", Cell("Example CPU, 2 cores")),
            ("memory", Cell(16_106_127_360, unit="B")),
            ("clock", Cell(2600.0, unit="MHz")),
            ("peak", Cell(9.87e10, Provenance.MEASURED, Verdict.TRUSTED, 9.8e10, 9.9e10, n=3, unit="FLOP/s")),
            ("bandwidth", Cell(2.048e10, Provenance.IMPORTED, unit="B/s", reason="data sheet of its maker")),
            ("driver", Cell(reason="there is no accelerator")),
            ("temperature", Cell(48.25, unit="C")),
            ("started", Cell(MADE)),
            ("hostname", Cell(HOSTILE[16])),
        ),
    )


def _comparison() -> Section:
    measured = Provenance.MEASURED
    columns = (
        Column("case", "case"),
        Column("ratio", "new over old", unit="ratio"),
        Column("share", "share slower", unit="share"),
        Column("change", "verdict"),
        Column("utilization", "utilisation", unit="%"),
        Column("error", "largest error", unit="1"),
        Column("parameters", "parameters", unit="count"),
    )
    rows = (
        (Cell("a"), Cell(1.102, measured, lo=1.05, hi=1.157, n=5, change=Change.REGRESSED), Cell(0.9934),
         Cell("regressed", change=Change.REGRESSED), Cell(97.31), Cell(1.3e-7), Cell(109_482_240)),
        (Cell("b"), Cell(0.9613, measured, lo=0.91, hi=1.01, n=5, change=Change.INCONCLUSIVE), Cell(0.12),
         Cell("inconclusive", change=Change.INCONCLUSIVE, reason="12 launches a side would decide"), Cell(3.0),
         Cell(0.000457), Cell(4_386_178)),
        (Cell("c"), Cell(0.31, measured, lo=0.30, hi=0.32, n=5, change=Change.IMPROVED), Cell(0.0),
         Cell("improved", change=Change.IMPROVED), Cell(100.0), Cell(1.5e16), Cell(7)),
        (Cell("d"), Cell(3.07, measured, n=5, change=Change.SUSPECT), Cell(1.0),
         Cell("suspect", change=Change.SUSPECT), Cell(0.0), Cell(-12.5), Cell(10_000)),
        (Cell("e"), Cell(change=Change.MISSING, reason="expected, and not there"), Cell(reason="nothing to compare"),
         Cell("missing", change=Change.MISSING), Cell(reason="not read"), Cell(0), Cell(None)),
    )  # fmt: skip
    return Section(
        "comparison",
        "Comparison",
        (
            Text(("Sides were interleaved launch by launch.",), Tone.GOOD),
            Table("ratios", "Ratios", columns, rows),
        ),
    )


def _figures() -> Section:
    days = tuple(MADE - timedelta(days=back) for back in (4, 3, 2, 1))
    trend = Figure(
        "trend", FigureKind.TREND, "Latency over time",
        Axis("measured", scale=Scale.TIME), Axis("latency", "ns", direction=Direction.LOWER),
        (
            Layer("measured", Shape.LINE_POINTS, days, (1.21e6, 1.22e6, 1.35e6, None), (1.2e6, 1.2e6, 1.3e6, None),
                  (1.22e6, 1.24e6, 1.4e6, None), n=(5, 5, 5, None), labels=("r1", "r2", "r3", HOSTILE[0]),
                  provenance=Provenance.MEASURED),
            Layer("band", Shape.BAND, days, lo=(1.1e6,) * 4, hi=(1.3e6,) * 4),
            Layer("imported", Shape.POINTS, days[:1], (1.5e6,), provenance=Provenance.IMPORTED, is_usable=False),
            Layer("predicted", Shape.POINTS, days[3:], (1.36e6,), (1.3e6,), (1.5e6,), level=0.9,
                  provenance=Provenance.PREDICTED),
        ),
        markers=(Marker("x", days[2], "change point"), Marker("y", 1.3e6, "limit", Role.LIMIT)),
        caption="One point a run.", alt="Latency rose by 11 % two days ago.", notes=("Without the run of yesterday.",),
    )  # fmt: skip
    spread = Figure(
        "spread", FigureKind.DISTRIBUTION, "Latency by launch",
        Axis("launch", scale=Scale.CATEGORY, categories=("one", HOSTILE[9])), Axis("latency", "ns", Scale.LOG),
        (Layer("torch", Shape.BOXES, (0, 1), (1.2e6, 1.3e6), (1.15e6, 1.2e6), (1.25e6, 1.4e6),
               ((1.1e6, 1.4e6), (1.1e6, 2.0e6)), n=(100, 90), provenance=Provenance.MEASURED),),
        alt="Two launches, the second one wider.",
    )  # fmt: skip
    heat = Figure(
        "matrix", FigureKind.MATRIX, "Throughput by workload and device",
        Axis("device", scale=Scale.CATEGORY, categories=("cpu", "gpu")),
        Axis("workload", scale=Scale.CATEGORY, categories=("bert", HOSTILE[1])),
        heat=Heat(
            ((Cell(120.5, Provenance.MEASURED, Verdict.TRUSTED, n=5), Cell(2400.0, Provenance.PREDICTED, lo=2000.0,
                                                                           hi=2900.0)),
             (Cell(80.25, Provenance.IMPORTED), Cell(reason="it needs more memory than the device has"))),
            "1/s", "throughput", direction=Direction.HIGHER,
        ),
        alt="The accelerator is predicted to be twenty times as fast.",
    )  # fmt: skip
    empty = Figure(
        "energy", FigureKind.ENERGY, "Energy over time", Axis("time", "ns"), Axis("power", "W"),
        empty="No sensor of power could be read.",
    )  # fmt: skip
    return Section("figures", "Figures", (trend, spread, heat, empty))


def _hostile() -> Section:
    columns = (
        Column("name", "name"),
        Column("code", 'a "code" <i>', is_code=True, description=HOSTILE[0]),
        Column("value", "value", unit="ns"),
    )
    rows = tuple(
        (
            Cell(text, ref=Ref(RefKind.WORKLOAD, text)),
            Cell(text[:40]),
            Cell(1e6 + number, Provenance.IMPORTED, reason=text),
        )
        for number, text in enumerate(HOSTILE)
    )
    missing = Cell(reason=HOSTILE[0])
    return Section(
        "../hostile <key>",
        HOSTILE[0],
        (
            Text(HOSTILE[:4], Tone.BAD),
            Table(
                'names"><b>',
                HOSTILE[1],
                columns,
                (*rows, (Cell(reason=HOSTILE[1]), missing, missing)),
                caption=HOSTILE[16],
                notes=HOSTILE[1:3],
            ),
            Facts("facts<b>", HOSTILE[2], tuple((text, Cell(text)) for text in HOSTILE)),
        ),
    )


def _ends() -> Section:
    column = Column("value", "value", unit="ns")
    return Section("ends", "Ends", (Table("none", "Nothing", (column,), (), when_empty="Nothing was measured yet."),))
