from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from assay.core.records import RunBundle
from assay.core.words import Verdict
from assay.store import Store


class Said(Protocol):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]
WriteSuite = Callable[..., Path]

TARGETS: list[Any] = [
    "latency_ms <= 10_000",
    {"target": "latency_ns <= 1", "name": "impossible", "where": {"batch": 2}},
    "energy_j_per_sample <= 1",
]


@pytest.fixture
def judged(here: Here, kept: str, tmp_path: Path) -> str:
    """A store with one run of two cases with targets, its launches trusted however busy this machine was."""
    assert here is not None  # it sets the environment
    source, store = Store.open(kept), Store.open(tmp_path / "judged")
    run = source.find_run("last~1")
    suite = {**run.config["suite"], "targets": TARGETS}
    results = [dataclasses.replace(one, verdict=Verdict.TRUSTED) for one in source.results(run_id=run.run_id)]
    run = dataclasses.replace(run, config={**run.config, "suite": suite})
    store.append(RunBundle(run, source.environment(run.env_id), tuple(results), ()))
    return store.location


def test_targets_of_the_suite_are_judged(here: Here, judged: str) -> None:
    said = here("targets", "--json", "--store", judged)
    assert said.code == 1
    content = json.loads(said.out)
    assert sorted(one["met"] for one in content["targets"]) == ["fail", "pass", "pass", "unknown", "unknown"]
    assert next(one["target"] for one in content["targets"] if one["met"] == "fail") == "impossible"
    assert content["grade"] is not None
    table = here("targets", "--store", judged)
    assert "2 pass, 1 fail, 2 unknown; score" in table.out
    assert "energy_j_per_sample median: not measured" in table.out


def test_targets_given_by_hand(here: Here, judged: str) -> None:
    given = here("targets", "last", "--target", "latency_s <= 100", "--strict", "--store", judged)
    assert (given.code, "score 100 of 100, grade A" in given.out) == (0, True)
    open_ones = here("targets", "--target", "latency_s <= 100", "--target", "load_s <= 100", "--strict", "--csv",
                     "--target", "energy_j_per_call <= 3", "--store", judged)  # fmt: skip
    assert open_ones.code == 3
    assert open_ones.out.splitlines()[0].startswith("target,case,hardware,met")


def test_targets_of_a_file_judge_an_old_run(here: Here, write_suite: WriteSuite, judged: str) -> None:
    suite = write_suite()
    suite.write_text(suite.read_text() + "targets: [latency_ns <= 1]\n")
    assert here("targets", "last", "--file", suite, "--store", judged).code == 1


def test_a_run_says_how_its_targets_stand(here: Here, write_suite: WriteSuite) -> None:
    suite = write_suite(batch="[2, 1]")
    suite.write_text(suite.read_text() + f"targets: {json.dumps(TARGETS)}\n")
    ran = here("run", "--suite", suite)
    assert ran.code == 0
    assert "targets: 2 pass, " in ran.err
    assert "; `assay targets` says which" in ran.err


def test_what_cannot_be_meant(here: Here, write_suite: WriteSuite, kept: str) -> None:
    none = here("targets", "--store", kept)
    assert (none.code, "has no targets" in none.err) == (2, True)
    both = here("targets", "--store", kept, "--target", "latency_ms <= 5", "--file", write_suite())
    assert (both.code, "expected one of them" in both.err) == (2, True)
    empty = here("targets", "--store", kept, "--file", write_suite())
    assert (empty.code, "has no 'targets'" in empty.err) == (2, True)
    wrong = here("targets", "--store", kept, "--target", "latency_ms >= 5")
    assert (wrong.code, "less is better" in wrong.err) == (2, True)
