"""``assay trend`` on composed histories: one line a series, the picture of one, and the same for programs."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.cli.trend import CHANGE_COLUMNS, POINT_COLUMNS, SERIES_COLUMNS
from assay.core.words import Status, Verdict
from assay.store.annotations import annotate


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
BERT, RESNET = "bert/base torch cpu fp32 b8 seq128", "resnet/50 onnxruntime cpu fp32 b1 image224"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One series with an update of torch and a change for the worse, and a steady one. Only read it."""
    old, new = history.environment("2.12.0"), history.environment("2.13.0")
    values = history.noisy([(20, 12.3e6), (15, 12.1e6), (10, 12.8e6)], seed=2)
    changing = history.steps(values[:20], old) + history.steps(values[20:], new, begin=20)
    changing[7] = replace(changing[7], verdict=Verdict.CONTAMINATED, value=40e6)
    changing[30] = replace(changing[30], status=Status.FAILED)
    steady = history.steps(history.noisy([(30, 3.3e6)], seed=4), old, case=history.OTHER)
    store, bundles = history.store_history(tmp_path_factory.mktemp("trend") / "store", changing, steady)
    annotate(
        store.location, kind="mute", subject_kind="run", subject_id=bundles[36].run.run_id, text="known [/x]",
        author="ada",
    )  # fmt: skip
    return str(store.location)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_without_a_choice_every_series_has_a_line(here: Callable[..., Any], kept: str) -> None:
    said = here("trend", "--store", kept)
    assert said.code == 0, said.err
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert "43/45" in lines["bert/base"]
    assert "% worse, 2026-04-05" in lines["bert/base"]
    assert lines["bert/base"].rstrip().endswith("; muted")
    assert "worse" not in lines["resnet/50"]
    assert "█" in lines["resnet/50"]
    assert "2 series on some cpu 2c 8GiB" in said.out


def test_one_series_is_drawn_with_its_break_and_change(here: Callable[..., Any], kept: str) -> None:
    said = here("trend", "bert", "--store", kept)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == f"{BERT} · some cpu 2c 8GiB · latency_ns (median), 43/45 results"
    assert "▼ +5." in lines[1]
    assert "% worse" in lines[1]
    assert sum("┊" in line for line in lines) == 12
    assert "▴" in said.out
    assert "  a  2026-03-21  environment: torch 2.12.0 -> 2.13.0" in lines
    assert any(line.endswith("not used: 1 contaminated; 1 failed: it broke") for line in lines)
    assert any("environment a" in line for line in lines)
    change = next(line for line in lines if "commits" in line)
    assert f"commits {history.commit(34)[:9]} → {history.commit(35)[:9]}" in change
    assert change.endswith("muted: known [/x] (ada)")
    assert "\x1b" not in said.out


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_nothing_of_a_picture_is_wider_than_asked_for(here: Callable[..., Any], kept: str, width: int) -> None:
    said = here("trend", "bert", "--width", width, "--store", kept)
    drawn = [line for line in said.out.splitlines() if any(sign in line for sign in "│─▼┊")]
    assert len(drawn) >= 14
    assert max(len(line) for line in drawn if "commits" not in line) <= width


def test_an_output_without_unicode_gets_letters(assay: Callable[..., Any], kept: str) -> None:
    for words in ((), ("bert",)):
        said = assay("trend", *words, "--store", kept, PYTHONIOENCODING="ascii")
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout.isascii()
        assert "worse" in said.stdout


def test_changes_only(here: Callable[..., Any], kept: str) -> None:
    said = here("trend", "--changes-only", "--store", kept)
    first, second = said.out.splitlines()
    assert first == BERT
    assert "% worse  2026-04-05, p " in second
    assert here("trend", "resnet", "--changes-only", "--store", kept).out == "No change point in 1 series.\n"


def test_json_has_points_segments_changes_and_breaks(here: Callable[..., Any], kept: str) -> None:
    bert, resnet = json.loads(here("trend", "--json", "--store", kept).out)
    assert (bert["case"], resnet["case"]) == (BERT, RESNET)
    assert (bert["metric"], bert["stat"], bert["unit"], bert["direction"]) == ("latency_ns", "median", "ns", "lower")
    assert len(bert["points"]) == 45
    assert bert["points"][7]["left_out"] == "contaminated"
    assert bert["points"][30]["value"] is None
    assert [segment["begun_by"] for segment in bert["segments"]] == ["first", "environment", "change"]
    (change,) = bert["changes"]
    assert (change["before"], change["after"], change["is_worse"], change["accepted"]) == (34, 35, True, None)
    assert change["muted"] == "known [/x] (ada)"
    (found,) = bert["breaks"]
    assert found == {
        "kind": "environment", "before": 19, "after": 20, "text": "torch 2.12.0 -> 2.13.0", "is_return": False,
    }  # fmt: skip
    assert (resnet["changes"], resnet["breaks"]) == ([], [])


def test_csv_is_a_row_a_series_a_point_or_a_change(here: Callable[..., Any], kept: str) -> None:
    series = rows_of(here("trend", "--csv", "--store", kept).out)
    assert tuple(series[0]) == SERIES_COLUMNS
    assert [(row["case"], row["results"], row["used"], row["changes"]) for row in series] == [
        (BERT, "45", "43", "1"), (RESNET, "30", "30", "0"),
    ]  # fmt: skip
    points = rows_of(here("trend", "bert", "--csv", "--store", kept).out)
    assert tuple(points[0]) == POINT_COLUMNS
    assert len(points) == 45
    assert (points[30]["value"], points[30]["is_used"]) == ("", "False")
    changes = rows_of(here("trend", "--changes-only", "--csv", "--store", kept).out)
    assert tuple(changes[0]) == CHANGE_COLUMNS
    assert [row["after_commit"] for row in changes] == [history.commit(35)]


def test_options_narrow_the_series_and_the_time(here: Callable[..., Any], kept: str) -> None:
    def cases(*options: object) -> list[str]:
        return [one["case"] for one in json.loads(here("trend", *options, "--json", "--store", kept).out)]

    assert cases("--model", "bert/*") == [BERT]
    assert cases("--engine", "onnxruntime") == [RESNET]
    assert cases("--hardware", "some cpu*", "--precision", "fp32", "--device", "cpu") == [BERT, RESNET]
    assert cases("--suite", "nightly") == [BERT, RESNET]
    assert cases("--tag", "nothing") == []
    assert cases("--since", "1d") == []
    since = (history.BEGIN + timedelta(days=40)).isoformat()
    (late,) = json.loads(here("trend", "--since", since, "--json", "--store", kept).out)
    assert (late["case"], len(late["points"])) == (BERT, 5)


def test_a_store_without_results_says_so(here: Callable[..., Any], kept: str, tmp_path: Path) -> None:
    said = here("trend")
    assert (said.code, said.out) == (0, f"No measured results in {tmp_path / 'store'}. Make some with: assay run\n")
    said = here("trend", "--model", "vit/*", "--store", kept)
    assert said.out.startswith("No measured results with these options in ")
    assert here("trend", "--json").out == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing-like-it",), "error: None of the 2 series fits 'nothing-like-it'."),
        (("--metric", "latency"), "error: Unknown metric 'latency'."),
        (("--metric", "latency_ns.mean"), "error: Unknown statistic of latency_ns 'mean'."),
        (("--since", "yesterday"), "error: --since got 'yesterday', which is no time and no age."),
        (("--json", "--csv"), "error: --json and --csv were both given"),
    ],
)
def test_slips_are_explained(here: Callable[..., Any], kept: str, arguments: tuple[str, ...], message: str) -> None:
    said = here("trend", *arguments, "--store", kept)
    assert said.code == 2
    assert said.err.startswith(message)


def test_a_series_of_which_nothing_can_be_used_says_why(here: Callable[..., Any], tmp_path: Path) -> None:
    env = history.environment()
    store, _ = history.store_history(tmp_path / "odd", history.steps([1e6] * 3, env, status=Status.FAILED))
    said = here("trend", "--store", store.location)
    assert said.code == 0
    assert "None of its results can be used:" in said.out
    assert "3 failed: it broke" in said.out
