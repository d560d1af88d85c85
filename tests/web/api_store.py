"""A store with some of everything, for tests of the API: measured runs with a history, raw readings, an imported file.

Loaded by path from several test modules, since tests are no package.
"""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from assay.importers.pipeline import import_paths
from assay.store import Store
from assay.store.annotations import annotate

TESTS = Path(__file__).parents[1]
HOSTILE = (
    "<script>alert(1)</script>",
    "'; DROP TABLE results; --",
    "../../../../etc/passwd",
    "\u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd",
    "a\x00b\x07\x1b[31m\u2028c",
    '=HYPERLINK("http://example.org","x")',
    'back\\slash "quotes" \'single\' %00 %2e%2e {{ 7*7 }} ${x}',
    "x" * 10_240,
    "\U0001f600 *?[a-z]",
)
"""Names that a source may give its benchmarks."""


def load(relative: str) -> Any:
    """Load a module of other tests."""
    path = TESTS / relative
    spec = importlib.util.spec_from_file_location(f"web_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def google_benchmark(names: tuple[str, ...], *, time_ns: float = 1000.0) -> bytes:
    """The file that google/benchmark writes, with a benchmark of each name."""
    return json.dumps(
        {
            "context": {
                "date": "2026-11-01T10:00:00+00:00", "host_name": "build", "executable": "./bench", "num_cpus": 2,
                "mhz_per_cpu": 2000, "cpu_scaling_enabled": False, "caches": [], "library_build_type": "release",
            },
            "benchmarks": [
                {
                    "name": name, "run_name": name, "run_type": "iteration", "repetitions": 1,
                    "repetition_index": 0, "threads": 1, "iterations": 1000 + place, "real_time": time_ns + place,
                    "cpu_time": time_ns + place, "time_unit": "ns", "family_index": place,
                    "per_family_instance_index": 0,
                }
                for place, name in enumerate(names)
            ],
        }
    ).encode()  # fmt: skip


def fill(folder: Path) -> Store:
    """Make the store: ten runs of two cases, two runs with raw readings, one imported file with hostile names."""
    store = Store.open(folder / "store")
    composed = load("analysis/composed_runs.py")
    composer = composed.Composer(store)
    composer.add_history(["first", "second"])
    composer.add({"first": 13.0, "second": 10.0}, tags=("release",), note="slower on purpose")
    composer.add({"first": 13.0, "second": 10.0})
    composer.flush()
    bundles = load("store/bundles.py")
    for hours in (2, 3):
        store.append(bundles.make_bundle(started_at=bundles.STARTED_AT + timedelta(hours=hours)))
    file = folder / "bench.json"
    file.write_bytes(google_benchmark(HOSTILE))
    import_paths(store, [file])
    run = store.runs(suite="nightly", limit=1)[0]
    annotate(store.location, kind="note", subject_kind="run", subject_id=run.run_id, text="looked at", author="somebody")
    return store
