"""Stores that reports are tested on: measured runs that went well and ill, a file of somebody else's, hostile names.

Loaded by path from several test modules, since tests are no package.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from assay.core.ids import new_id
from assay.core.records import FindingRecord, MetricValue, SampleSeries, TelemetrySeries
from assay.core.words import Change, Fidelity, Status, Verdict
from assay.importers.pipeline import import_paths
from assay.store import Store
from assay.store.annotations import annotate
from assay.store.findings import append_findings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    "'; DROP TABLE results; --",
    "../../etc/passwd",
    "\u202eright to left \u05d0\u05d1\u05d2",
    "=HYPERLINK(0,0)",
    "control\x07\x1b[31m\nand lines",
    "w" * 10_000,
)
FAST, SLOW, BROKEN, MISLED = "bert/tiny", "resnet/tiny", "vit/tiny", "llama/tiny"
ENTRY = {
    "command": "sleep 0.1",
    "mean": 0.12,
    "stddev": 0.01,
    "median": 0.11,
    "min": 0.1,
    "max": 0.2,
    "times": [0.1, 0.2],
}


def load(path: str) -> ModuleType:
    """Load a module of the tests by its path below tests/."""
    file = Path(__file__).parents[1] / path
    name = f"assay_tests_{file.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


composed: Any = load("analysis/composed_runs.py")


def fill_measured(location: Path) -> Store:
    """A history whose level moves up, and a last run of four cases: two good, one failed, one with wrong answers."""
    store = Store.open(location)
    composer = composed.Composer(store)
    steady = [1.0, 1.004, 0.996, 1.002, 0.998, 1.003, 0.997, 1.001]
    composer.add_history([FAST, SLOW], steady)
    composer.add_history([FAST, SLOW], [1.2 * ratio for ratio in steady])
    suite = {"targets": ["p50_latency_ms <= 13", {"target": "p50_latency_ms <= 1", "name": "very fast"}]}
    composer.add(
        {FAST: 12.0, SLOW: (11.5, 12.1, 14.0), BROKEN: Status.OOM, MISLED: 7.0},
        config={"suite": suite},
        note="a note",
        tags=("nightly",),
        changed={
            SLOW: {"verdict": Verdict.NOISY, "verdict_reasons": ("2 of 3 launches noisy: others used the CPU",)},
            MISLED: {"fidelity": Fidelity.FAILED, "fidelity_reason": "top-1 agreement 0.2, expected at least 0.99"},
        },
    )
    filled: Store = composer.flush()
    return filled


def fill_imported(location: Path, file: Path) -> Store:
    """A store of two rows of somebody else's."""
    store = Store.open(location)
    file.write_text(json.dumps({"results": [ENTRY, {**ENTRY, "command": "sleep 0.2", "mean": 0.21}]}))
    report = import_paths(store, [file])
    assert report.rows_added == 2, report
    return store


def fill_hostile(location: Path) -> Store:
    """A run whose cases, suite, note, tags, reasons and environment are attacks."""
    composer = composed.Composer(Store.open(location))
    names = [f"{name}{place}" for place, name in enumerate(HOSTILE)]
    changed = {
        name: {"verdict": Verdict.NOISY, "verdict_reasons": (HOSTILE[0], HOSTILE[4]), "hardware": HOSTILE[2]}
        for name in names
    }
    for _ in range(2):
        composer.add(
            {**dict.fromkeys(names, 10.0), "broken": Status.FAILED},
            env=composed.environment(hardware=HOSTILE[0], torch=HOSTILE[0]),
            suite=HOSTILE[0], note=HOSTILE[3], tags=HOSTILE[:3], git_branch=HOSTILE[2],
            changed={**changed, "broken": {"reason": HOSTILE[5]}},
        )  # fmt: skip
    store: Store = composer.flush()
    annotate(
        store.location, kind="note", subject_kind="series", subject_id=composed.series(names[0], HOSTILE[0]),
        text=HOSTILE[0], author=HOSTILE[4],
    )  # fmt: skip
    return store


def with_readings(store: Store) -> Any:
    """A run whose launches have samples and power, appended whole."""
    composer = composed.Composer(store)
    composer.add({FAST: 10.0, SLOW: 20.0})
    bundle = composer._waiting.pop()
    samples = tuple(10_000_000 + 20_000 * (place % 7) for place in range(60))
    power = TelemetrySeries("power_w", "gpu0", "W", "nvml", "board", 0, (10**8,) * 20, tuple([50.0, 250.0] * 10))
    launches = tuple(
        replace(one, samples=(SampleSeries("latency", "ns", samples),), telemetry=(power,)) for one in bundle.launches
    )
    energy = MetricValue("energy_net_j_per_sample", 1.5, "J", n=5)
    missing = MetricValue("energy_j_per_sample", None, "J", phase="energy", reason="no sensor here")
    results = (
        replace(bundle.results[0], metrics=(*bundle.results[0].metrics, energy)),
        replace(bundle.results[1], metrics=(*bundle.results[1].metrics, missing)),
    )
    store.append(replace(bundle, launches=launches, results=results))
    return bundle.run


def finding(run_id: str, name: str, change: Change, ratio: float, *, hours: int = 0) -> FindingRecord:
    """One finding of a check."""
    return FindingRecord(
        finding_id=new_id(), check_id="check-1", created_at=NOW + timedelta(hours=hours), run_id=run_id,
        series_id=composed.series(name), case_label=composed.case(name).label, metric="latency_ns", stat="median",
        unit="ns", change=change, against="history", method="prediction-interval", hardware=composed.HARDWARE,
        value=12e6, reference_value=10e6, ratio=ratio, is_worse=ratio > 1, ci_lo=0.97, ci_hi=1.03, launches=5,
        reference_n=8, floor=0.03,
    )  # fmt: skip


def keep_findings(store: Store, *findings: FindingRecord) -> None:
    """Keep what a check found."""
    append_findings(store.location, findings)
