"""What a sound suite reads as, where it may come from, and what the shipped ones promise."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.core.errors import SuiteError, UnknownNameError
from assay.core.words import Mode, Precision
from assay.runner.suite_model import (
    CaseMatrix,
    Suite,
    build_suite,
    load_suite,
    parse_suite,
    suite_json_schema,
    suite_names,
    suite_to_dict,
)
from assay.runner.suite_yaml import MAX_BYTES
from assay.runner.timing import Timing
from assay.workloads.base import Tier, families, find_workload

FULL = """\
name: full
description: Everything a suite can say
version: 3
launches: 4
timing:
  min_time_s: 1
  max_time_s: 6.5
  min_samples: 20
  target_ci: 2e-2
  warmup_min_s: 0
  warmup_max_s: 3
  warmup_max_calls: 50
launch_limit_s: 60
seed: 7
defaults:
  engine: torch
  device: [cpu, "cuda:0"]
  precision: bf16
  batch: 4
cases:
  - model: [bert/tiny, vit]
    mode: [inference, training]
    precision: [fp32, bf16]
    batch: [1, 8]
    shape: {seq: [128, 256]}
    threads: [1, 2]
  - model: ["hf:owner/name", ./folder, /folder, "package.module:function"]
    shape: {anything: 3}
"""


def test_every_key_is_read() -> None:
    suite = parse_suite(FULL, path="full.yaml")
    assert suite == Suite(
        name="full",
        description="Everything a suite can say",
        version=3,
        launches=4,
        timing=Timing(
            min_time_s=1.0,
            max_time_s=6.5,
            min_samples=20,
            target_ci=0.02,
            warmup_min_s=0.0,
            warmup_max_s=3.0,
            warmup_max_calls=50,
        ),
        launch_limit_s=60.0,
        seed=7,
        cases=(
            CaseMatrix(
                models=("bert/tiny", "vit/tiny"),
                devices=("cpu", "cuda:0"),
                modes=(Mode.INFERENCE, Mode.TRAINING),
                precisions=(Precision.FP32, Precision.BF16),
                batches=(1, 8),
                shape=(("seq", (128, 256)),),
                threads=(1, 2),
            ),
            CaseMatrix(
                models=("hf:owner/name", "./folder", "/folder", "package.module:function"),
                devices=("cpu", "cuda:0"),
                precisions=(Precision.BF16,),
                batches=(4,),
                shape=(("anything", (3,)),),
            ),
        ),
    )
    assert isinstance(suite.timing.min_time_s, float)
    assert [matrix.combinations for matrix in suite.cases] == [2 * 2 * 2 * 2 * 2 * 2 * 2, 4 * 2]


def test_a_short_suite_has_the_methods_defaults() -> None:
    suite = parse_suite("name: x\ncases: [{model: bert/tiny}]")
    assert suite == Suite("x", (CaseMatrix(("bert/tiny",)),))
    assert (suite.launches, suite.launch_limit_s, suite.timing) == (5, 600.0, Timing())
    assert not suite.timing.is_shortened
    assert suite.cases[0].batches is None
    assert suite.cases[0].threads is None


def test_a_suite_is_a_value() -> None:
    suite = parse_suite(FULL)
    assert hash(suite.cases) == hash(parse_suite(FULL, path="elsewhere.yaml").cases)
    with pytest.raises(dataclasses.FrozenInstanceError):
        suite.name = "y"  # type: ignore[misc]


def test_it_goes_round_through_json_and_yaml() -> None:
    suite = parse_suite(FULL)
    content = suite_to_dict(suite)
    assert build_suite(json.loads(json.dumps(content))) == suite
    assert parse_suite(yaml.safe_dump(content)) == suite


@pytest.mark.parametrize(
    ("entry", "models"),
    [
        ("{families: bert, tiers: tiny}", ("bert/tiny",)),
        ("{families: [vit, bert], tiers: [base, tiny]}", ("vit/tiny", "vit/base", "bert/tiny", "bert/base")),
        ("{families: resnet, max_size: small}", ("resnet/tiny", "resnet/18")),
    ],
)
def test_families_expand_to_their_sizes(entry: str, models: tuple[str, ...]) -> None:
    assert parse_suite(f"name: x\ncases: [{entry}]").cases[0].models == models


def test_all_families_in_one_word() -> None:
    everything = parse_suite("name: x\ncases: [{max_size: large}, {families: all, max_size: large}]")
    general = [one for one in map(families.get, families.names()) if one.is_general]
    registered = tuple(f"{one.name}/{size}" for one in general for size in one.sizes)
    assert {"contrastive", "pipeline"}.isdisjoint(one.name for one in general), "of one subject each"
    assert [matrix.models for matrix in everything.cases] == [registered, registered]


@pytest.mark.parametrize(
    ("defaults", "entry", "models"),
    [
        ("{model: bert}", "{}", ("bert/tiny",)),
        ("{model: bert}", "{families: vit, tiers: base}", ("vit/base",)),
        ("{families: bert, tiers: base}", "{}", ("bert/base",)),
        ("{families: bert, tiers: base}", "{model: vit}", ("vit/tiny",)),
        ("{tiers: base}", "{families: bert}", ("bert/base",)),
        ("{tiers: base}", "{families: bert, max_size: tiny}", ("bert/tiny",)),
        ("{families: bert, max_size: tiny}", "{tiers: base}", ("bert/base",)),
    ],
)
def test_what_an_entry_selects_by_replaces_the_defaults(defaults: str, entry: str, models: tuple[str, ...]) -> None:
    assert parse_suite(f"name: x\ndefaults: {defaults}\ncases: [{entry}]").cases[0].models == models


def test_positions_for_the_planner() -> None:
    suite = parse_suite(FULL, path="full.yaml")
    assert suite.position_of(0, "precision") == "full.yaml:23:16"
    assert suite.position_of(0, "precision", 1) == "full.yaml:23:23"
    assert suite.position_of(0, "shape", "seq") == "full.yaml:25:18"
    assert suite.position_of(0, "device", 1) == "full.yaml:17:17"
    assert suite.position_of(1, "precision", 0) == "full.yaml:18:14"
    assert suite.position_of(1, "threads") == "full.yaml:27:5"
    assert build_suite(suite_to_dict(suite)).position_of(0, "precision") == "command line"
    assert Suite("x", ()).position_of(0, "precision") == "command line"


def test_a_file_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "üñï.yaml"
    path.write_text("\ufeff" + FULL, encoding="utf-8")
    assert load_suite(path) == load_suite(str(path)) == parse_suite(FULL)
    assert load_suite(path).position_of(0, "model") == f"{path}:21:12"
    bare = tmp_path / "mine"
    bare.write_text(FULL, encoding="utf-8")
    assert load_suite(bare) == parse_suite(FULL)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown suite 'quikc'\. Did you mean 'quick'\?"):
        load_suite("quikc")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"none\.yaml' cannot be read: No such file or directory.*standard"):
        load_suite(tmp_path / "none.yaml")
    with pytest.raises(SuiteError, match="cannot be read: Is a directory"):
        load_suite(tmp_path)
    with pytest.raises(SuiteError, match="cannot be read: embedded null"):
        load_suite("a\0b.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: x\ndescription: caf\u00e9\n".encode("latin-1"))
    with pytest.raises(SuiteError, match=r"latin\.yaml:2:17: got a byte that is not UTF-8 \(0xe9\)"):
        load_suite(latin)
    huge = tmp_path / "huge.yaml"
    huge.write_bytes("é".encode() * MAX_BYTES)
    with pytest.raises(SuiteError, match=f"got more than {MAX_BYTES} bytes"):
        load_suite(huge)


def test_shipped_suites_can_be_loaded_by_their_names() -> None:
    assert {"quick", "standard"} <= set(suite_names())
    for name in suite_names():
        suite = load_suite(name)
        assert suite.name == name
        assert suite.description
        assert build_suite(suite_to_dict(suite)) == suite


def test_the_quick_suite_ends_within_three_minutes_at_the_very_worst() -> None:
    suite = load_suite("quick")
    start_and_load_s = 8  # of a torch worker on 2 cores
    longest_s = start_and_load_s + suite.timing.warmup_max_s + suite.timing.max_time_s
    cases = sum(matrix.combinations for matrix in suite.cases)
    assert cases == 5
    assert cases * suite.launches * longest_s <= 180
    assert suite.timing.is_shortened
    assert "shorter" in suite.description


def test_the_standard_suite_has_every_family_at_two_tiers_and_the_methods_windows() -> None:
    suite = load_suite("standard")
    assert (suite.launches, suite.timing) == (5, Timing())
    workloads = [find_workload(model) for matrix in suite.cases for model in matrix.models]
    assert {workload.family.name for workload in workloads} == {
        name for name in families.names() if families.get(name).is_general
    }
    assert {workload.size.tier for workload in workloads} == {Tier.TINY, Tier.BASE}


def test_the_schema_is_plain_json_and_knows_every_key() -> None:
    schema: dict[str, Any] = json.loads(json.dumps(suite_json_schema(), allow_nan=False))
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"name", "cases"}
    entry = schema["$defs"]["EntryForm"]["properties"]
    assert "bert/base" in json.dumps(entry["model"])
    assert entry["max_size"]["enum"] == [tier.value for tier in Tier]
    assert all(key["description"] for key in [*schema["properties"].values(), *entry.values()])


def test_naming_the_shipped_suites_imports_nothing_heavy() -> None:
    code = (
        "import sys; from assay.runner.suite_model import suite_names; assert suite_names(); "
        "print(*sorted({'yaml', 'pydantic', 'torch', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
