"""``assay calibrate`` with real launches of an engine that starts fast, and on composed stores."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.cli.calibrate import COLUMNS, RECORD_COLUMNS
from assay.core.words import Verdict
from assay.store import Store


def _load(name: str) -> Any:
    path = Path(__file__).parents[1] / "analysis" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"cli_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for the names in their annotations
    spec.loader.exec_module(module)
    return module


history = _load("trend_history")
Runs = tuple[Store, list[str]]


@pytest.fixture
def composed(tmp_path: Path) -> Runs:
    """Two cases: 20 quiet launches of one, 12 disturbed ones of another; and a run of too few."""
    env = history.environment()
    made = [
        history.Step(1e6, 0, env, launches=history.noisy([(20, 1e6)], sd=0.005)),
        history.Step(
            3e6, 1, env, case=history.OTHER, launches=history.noisy([(12, 3e6)], sd=0.04), verdict=Verdict.CONTAMINATED
        ),
        history.Step(1e6, 2, env, launches=[1e6] * 3),
    ]
    store, bundles = history.store_history(tmp_path / "composed", made)
    return store, [one.run.run_id for one in bundles]


def test_launches_are_made_calibrated_and_kept(here: Callable[..., Any], write_suite: Callable[..., Path]) -> None:
    # Beside other tests most launches are contaminated.
    said = here("calibrate", "--suite", write_suite(), "--launches", 10, "--keep-disturbed", "--json")
    assert said.code == 0, said.err
    (found,) = json.loads(said.out)["calibrations"]
    assert (found["launches"], found["launches_a_side"], found["splits"]) == (10, 5, 126)
    assert len(found["values"]) == 10
    assert found["metric"] == "latency_ns"
    store = Store.open()
    (kept,) = store.calibrations()
    assert (kept.floor, kept.series_id) == (found["floor"], found["series_id"])
    (run,) = store.runs()
    assert (run.tags, kept.run_ids) == (("calibration",), (run.run_id,))
    assert "plain_models:good" in here("calibrate", "--show").out


def test_a_failed_case_ends_with_four_and_says_why(here: Callable[..., Any], write_suite: Callable[..., Path]) -> None:
    said = here("calibrate", "--suite", write_suite("plain_models:raises"), "--launches", 10)
    assert said.code == 4
    assert "plain_models:raises" in said.out
    assert "not calibrated: 0 launches; two sides of 5 take 10" in said.out
    assert Store.open().calibrations() == []


def test_stored_launches_are_taken_and_explained(here: Callable[..., Any], composed: Runs) -> None:
    store, runs = composed
    options = [part for run in runs[:2] for part in ("--from", run)]
    said = here("calibrate", *options, "--store", store.location)
    assert said.code == 0, said.err
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert " 20 " in lines["bert/base"]
    assert " 12 " in lines["resnet/50"]
    assert "  ! resnet/50 onnxruntime cpu fp32 b1 image224: 12 of 12 launches were contaminated" in said.out
    assert "of 3 comparisons that share no launch, 0 called changed: 0.0 %, at most 56.1 %" in said.out


def test_what_comes_of_disturbed_launches_is_kept_only_if_asked(here: Callable[..., Any], composed: Runs) -> None:
    store, runs = composed
    options = [part for run in runs[:2] for part in ("--from", run)]
    said = here("calibrate", *options, "--store", store.location)
    assert "  ! resnet/50 onnxruntime cpu fp32 b1 image224: not kept: most launches were contaminated;" in said.out
    assert "1 of 2 kept in" in said.out
    assert [one.case_label.split()[0] for one in store.calibrations()] == ["bert/base"]
    said = here("calibrate", *options, "--keep-disturbed", "--json", "--store", store.location)
    assert [one["is_kept"] for one in json.loads(said.out)["calibrations"]] == [True, True]
    assert len(store.calibrations()) == 3


def test_csv_has_a_row_a_series(here: Callable[..., Any], composed: Runs) -> None:
    store, runs = composed
    said = here("calibrate", "--from", runs[1], "--csv", "--store", store.location)
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert tuple(row) == COLUMNS
    assert (row["launches"], row["contaminated"], row["unit"], row["is_kept"]) == ("12", "12", "ns", "False")


def test_what_is_known_is_the_newest_of_each(here: Callable[..., Any], composed: Runs) -> None:
    store, runs = composed
    assert here("calibrate", "--show", "--store", store.location).out.startswith("Nothing is calibrated in ")
    for _ in range(2):
        here("calibrate", "--from", runs[0], "--store", store.location)
    more = ("--metric", "throughput_per_s", "--keep-disturbed")
    here("calibrate", "--from", runs[1], *more, "--store", store.location)
    known = json.loads(here("calibrate", "--show", "--json", "--store", store.location).out)
    assert [(one["case_label"].split()[0], one["metric"]) for one in known] == [
        ("bert/base", "latency_ns"), ("resnet/50", "throughput_per_s"),
    ]  # fmt: skip
    assert known[0]["calibration_id"] == store.calibrations()[1].calibration_id
    rows = list(csv.DictReader(io.StringIO(here("calibrate", "--show", "--csv", "--store", store.location).out)))
    assert tuple(rows[0]) == RECORD_COLUMNS
    assert "resnet/50" in here("calibrate", "--show", "--store", store.location).out


def test_too_few_stored_launches_end_with_four(here: Callable[..., Any], composed: Runs) -> None:
    store, runs = composed
    said = here("calibrate", "--from", runs[2], "--store", store.location)
    assert said.code == 4
    assert "not calibrated: 3 launches; two sides of 5 take 10" in said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "last", "--show"), "error: --from was given with --show."),
        (("--show", "--model", "bert/tiny"), "error: --show was given with flags that choose cases."),
        (("--from", "last", "--suite", "quick"), "error: --from was given with flags that choose cases."),
        (("--model", "nothing/tiny"), "error: "),
        (("--from", "last", "--metric", "latency"), "error: Unknown metric 'latency'."),
    ],
)
def test_slips_are_explained(
    here: Callable[..., Any], composed: Runs, arguments: tuple[str, ...], message: str
) -> None:
    said = here("calibrate", *arguments, "--store", composed[0].location)
    assert said.code == 2
    assert said.err.startswith(message)


def test_fewer_launches_than_two_sides_are_refused(here: Callable[..., Any]) -> None:
    said = here("calibrate", "--launches", 9)
    assert said.code == 2
    assert "--launches" in said.err
