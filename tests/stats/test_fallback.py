"""Rows of two devices that are too equal, made up and published."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from assay.stats.fallback import FEWEST_PAIRS, suspect_fallback

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "ipfs_phase16" / "json_samples"


def made_up(speed_up: float, spread: float, count: int = 20) -> list[tuple[float, float]]:
    draw = random.Random(3)
    latencies = [draw.uniform(1, 100) for _ in range(count)]
    return [(one, one / speed_up * draw.lognormvariate(0, spread)) for one in latencies]


def test_rows_that_are_the_same_but_for_noise_are_suspect() -> None:
    found = suspect_fallback(made_up(1.0, 0.05))
    assert found.is_suspect
    assert found.text.startswith("suspected fallback: 20 pairs with a median ratio of ")


@pytest.mark.parametrize(("speed_up", "spread"), [(1.3, 0.05), (8.0, 0.5), (1.0, 1.0), (0.7, 0.02)])
def test_two_devices_are_not(speed_up: float, spread: float) -> None:
    found = suspect_fallback(made_up(speed_up, spread))
    assert found.is_suspect is False
    assert found.text.endswith(": two devices")


@pytest.mark.parametrize("count", range(FEWEST_PAIRS))
def test_a_few_pairs_tell_nothing(count: int) -> None:
    found = suspect_fallback(made_up(1.0, 0.0, count))
    assert found.is_suspect is None
    assert found.text == f"{count} pairs, too few to tell (at least {FEWEST_PAIRS})"


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_latency_is_above_zero(bad: float) -> None:
    with pytest.raises(ValueError, match="finite number above 0"):
        suspect_fallback([(1.0, bad)])


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the collection of published results is not beside this checkout")
def test_a_published_collection_is_flagged() -> None:
    pairs: list[tuple[float, float]] = []
    for file in sorted(PUBLISHED.glob("A*.json")):
        for models in json.loads(file.read_text(encoding="utf-8")).get("benchmarks", {}).values():
            for devices in models.values():
                cpu, cuda = (_latencies(devices, device) for device in ("cpu", "cuda"))
                pairs += [(cpu[key], cuda[key]) for key in sorted(cpu.keys() & cuda.keys())]
    found = suspect_fallback(pairs)
    assert (found.pairs, found.is_suspect) == (54, True)
    assert found.median_ratio is not None
    assert 1 / found.median_ratio == pytest.approx(0.998, abs=0.001)


def _latencies(devices: Any, device: str) -> dict[str, float]:
    content = devices.get(device, {}).get("benchmark_results") or {}
    return {
        key: entry["avg_latency"]
        for key, entry in content.items()
        if isinstance(entry, dict) and entry.get("avg_latency")
    }
