"""What docs/contrastive.md says is what there is: its examples run, its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from assay.workloads.base import find_workload
from assay.workloads.datasets.base import DatasetRequest, datasets
from assay.workloads.vibration.bearings import SKF_6205, Fault, SignalPlan, generate_signal
from assay.workloads.vibration.features import describe, fault_peaks, features, kurtosis

PAGE = Path(__file__).parents[3] / "docs" / "contrastive.md"
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""

pytestmark = pytest.mark.skipif(not TEXT, reason="the docs are not beside the tests")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py", reason="needs h5py: pip install 'assay[vibration]'")
    monkeypatch.chdir(tmp_path)
    before = dict(features._loaded)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    try:
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), {})  # noqa: S102  (that they run is what is tested)
        assert "range" in describe(np.zeros((1, 1, 8)))
    finally:
        features._loaded.clear()
        features._loaded.update(before)
    found = datasets.get("vibration-h5").open(
        DatasetRequest(where="rig/metadata.csv?name=Rig&windowing=random&count=50")
    )
    assert (len(found.train), len(found.test)) == (6 * 50, 2 * 50)


def test_the_encoders_are_those_of_the_family() -> None:
    said = dict(re.findall(r"^\| `contrastive/(\w+)` \|.*\| ([\d ]+) \|$", TEXT, re.MULTILINE))
    sizes = find_workload("contrastive").family.sizes
    assert {name: int(count.replace(" ", "")) for name, count in said.items()} == {
        name: size.parameters for name, size in sizes.items()
    }


def test_the_peaks_are_those_of_the_generator() -> None:
    random = np.random.default_rng(0)
    for fault in Fault:
        plan = SignalPlan(24_000, 1, fault)
        signal = generate_signal(plan, random)[:, 0]
        peaks = fault_peaks(signal, plan.sample_rate_hz, plan.shaft_hz, SKF_6205)
        shown = [f"{float(peaks[one]):.1f}" for one in (Fault.INNER, Fault.OUTER, Fault.BALL, Fault.CAGE)]
        assert f"| {fault} | {float(kurtosis(signal)):.2f} | {' | '.join(shown)} |" in TEXT
