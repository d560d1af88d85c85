"""``assay run --quick`` and ``assay sweep --mode``: what is planned, and what cannot be asked for together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol


class Said(Protocol):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]


def test_a_quick_look_is_planned_under_its_own_name(here: Here) -> None:
    planned = here("run", "--suite", "contrastive", "--quick", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    content = json.loads(planned.out)
    assert (content["suite"], content["launches"]) == ("contrastive-quick", 1)
    whole = json.loads(here("run", "--suite", "contrastive", "--dry-run", "--json").out)
    assert (whole["suite"], whole["launches"]) == ("contrastive", 3)
    assert len(content["cases"]) < len(whole["cases"]) / 2
    assert {case["case_id"] for case in content["cases"]} <= {case["case_id"] for case in whole["cases"]}


def test_what_is_given_beside_it_wins(here: Here) -> None:
    planned = here("run", "--suite", "contrastive", "--quick", "--launches", "2", "--dry-run", "--json")
    assert json.loads(planned.out)["launches"] == 2


def test_a_resumed_run_is_as_quick_as_it_was(here: Here) -> None:
    refused = here("run", "--resume", "last", "--quick")
    assert refused.code == 2
    assert "--resume was given with flags that choose cases" in refused.err


def test_a_pipeline_is_data_and_its_engine_the_loader(here: Here) -> None:
    planned = here("run", "--model", "pipeline/windows", "--option", "workers=0,2", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    cases = json.loads(planned.out)["cases"]
    assert {(case["engine"], case["mode"], case["options"]["workers"]) for case in cases} == {
        ("loader", "data", 0), ("loader", "data", 2),
    }  # fmt: skip


def test_a_sweep_of_a_pipeline_without_a_mode_is_refused_before_anything_runs(here: Here) -> None:
    refused = here("sweep", "--model", "pipeline/windows", "--mode", "inference", "--over", "batch", "--to", "4")
    assert refused.code == 2
    assert "impossible here" in refused.err
