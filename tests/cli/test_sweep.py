"""``assay sweep`` with real launches: one run, growing sizes, an end that is said, a curve in three forms."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.cli.sweep import POINT_COLUMNS, complete_axis, draw_bar
from assay.store import Store

Here = Callable[..., Any]

GROWING = """\
import time


def steady(batch=1):
    return time.sleep, (0.001,)


def bounded(batch=1):
    if batch >= 4:
        raise MemoryError
    return time.sleep, (0.001,)


def hopeless(batch=1):
    raise ValueError("no weights")
"""


@pytest.fixture
def grow(here: Here, tmp_path: Path) -> Here:
    """Sweep over a model of this test's: one launch of a fraction of a second at each size."""
    tmp_path.joinpath("growing.py").write_text(GROWING)

    def run(name: str, *arguments: object) -> Any:
        quick = ["--engine", "plain", "--launches", 1, "--min-time", 0.05, "--max-time", 0.1]
        return here("sweep", "--model", f"growing:{name}", *quick, *arguments)

    return run


def test_a_curve_to_the_end_of_its_range_is_one_run(grow: Here, here: Here) -> None:
    said = grow("steady", "--to", 8, "--json", "--note", "steps")
    assert (said.code, said.err) == (0, "")
    content = json.loads(said.out)
    (run,) = Store.open().runs()
    assert (run.suite, run.note, content["run"]["run_id"]) == ("sweep", "steps", run.run_id)
    (curve,) = content["curves"]
    assert [(point["x"], point["status"]) for point in curve["points"]] == [(1, "ok"), (2, "ok"), (4, "ok"), (8, "ok")]
    assert (curve["best"], curve["end"], curve["end_x"]) == (8, "the end of the range asked for", 8)
    assert all(point["rate"] > 0 and point["rate_unit"] == "sample/s" for point in curve["points"])
    # The first round grows, so that a sweep that is stopped has its small sizes.
    results = {result.result_id: result.own_case.batch for result in Store.open().results(run_id=run.run_id)}
    assert [results[launch.result_id] for launch in Store.open().launches(run_id=run.run_id)] == [1, 2, 4, 8]
    assert here("show").code == 0


def test_a_curve_that_ends_for_want_of_memory(grow: Here) -> None:
    said = grow("bounded", "--to", 16)
    assert (said.code, said.err) == (0, "")
    assert "failed: out of memory" in said.out
    assert "ended by out of memory at batch 4: out of memory in load" in said.out
    assert "recommended: batch 2, the smallest size within 5 % of the best rate" in said.out
    (run,) = Store.open().runs()
    results = sorted(Store.open().results(run_id=run.run_id), key=lambda one: one.own_case.batch)
    assert [one.status.value for one in results] == ["ok", "ok", "oom", "skipped", "skipped"]
    assert [one.reason for one in results[3:]] == ["not run: batch 4 already failed: out of memory"] * 2
    assert len(Store.open().launches(run_id=run.run_id)) == 3


def test_a_curve_without_a_number_is_a_failure(grow: Here) -> None:
    said = grow("hopeless", "--to", 2)
    assert said.code == 4
    assert "no recommendation: no size was measured" in said.out
    assert "ended by failure at batch 1: ValueError in load: no weights" in said.out


def test_csv_has_a_row_for_each_point(grow: Here) -> None:
    said = grow("bounded", "--to", 8, "--csv", "--latency-target-ms", 60_000)
    assert said.code == 0
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert tuple(rows[0]) == POINT_COLUMNS
    assert [(row["x"], row["status"], row["is_enough"]) for row in rows] == [
        ("1", "ok", "False"), ("2", "ok", "True"), ("4", "oom", "False"), ("8", "skipped", "False"),
    ]  # fmt: skip
    assert rows[2]["rate"] == ""
    assert "out of memory" in rows[2]["reason"]


def test_threads_can_grow(grow: Here) -> None:
    said = grow("steady", "--over", "threads", "--to", 2, "--json")
    assert said.code == 0
    (curve,) = json.loads(said.out)["curves"]
    assert [point["x"] for point in curve["points"]] == [1, 2]
    assert {result.case.options for result in Store.open().results()} == {(("threads", 1),), (("threads", 2),)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", 4, "--to", 2], "--from got 4 and --to 2; expected --from to be at most --to."),
        (["--over", "seconds"], "--over seconds needs --from and --to: there is no usual range for it."),
        (["--batch", 2], "--batch was given beside --over batch."),
        (["--over", "seq", "--shape", "seq=8"], "--shape seq= was given beside --over seq."),
        (["--over", "seq"], "--shape: growing:steady has no dimensions, but seq was asked for."),
        (["--option", "hint"], "--option got 'hint'; expected a name and its value, such as hint=throughput."),
        (["--json", "--csv"], "--json and --csv were both given; expected one of them."),
    ],
)
def test_requests_that_cannot_be_met(grow: Here, arguments: list[object], message: str) -> None:
    said = grow("steady", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: {message}\n")


def test_the_shell_is_offered_axes() -> None:
    assert complete_axis("s") == ["seq", "seconds"]


@pytest.mark.parametrize(
    ("value", "bar"), [(None, ""), (0.0, ""), (30.0, "█" * 30), (15.0, "█" * 15), (1 / 8, "▏"), (1.5, "█▌")]
)
def test_bars_are_an_eighth_of_a_cell_fine(value: float | None, bar: str) -> None:
    assert draw_bar(value, 30.0) == bar
    assert draw_bar(value, None) == ""
