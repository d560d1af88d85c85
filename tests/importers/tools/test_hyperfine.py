import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Refusal
from assay.importers.source import Source
from assay.importers.tools.hyperfine import Hyperfine

MakeSource = Callable[..., Source]


def read(source: Source) -> list[Any]:
    return list(Hyperfine().read(source))


def test_a_command_keeps_its_times_statistics_and_parameters(content: Callable[[str], Any], source: MakeSource) -> None:
    row = read(source(content("hyperfine")))[0]
    assert (row.place, row.case.workload, row.case.options) == ("/results/0", "sort words", (("threads", "4"),))
    assert (row.status, row.case.engine, row.measured_at, row.hardware) == (Status.OK, None, None, None)
    values = {(one.name, one.stat, one.phase): one.value for one in row.metrics}
    assert values == {
        ("wall_time_ns", "mean", "steady"): 20e6,
        ("wall_time_ns", "std", "steady"): 10e6,
        ("wall_time_ns", "median", "steady"): 20e6,
        ("wall_time_ns", "min", "steady"): 10e6,
        ("wall_time_ns", "max", "steady"): 30e6,
        ("cpu_time_ns", "mean", "user"): 4e6,
        ("cpu_time_ns", "mean", "system"): 0.0,
        ("memory_used_bytes", "max", "steady"): 4096.0,
    }
    assert [series.values for series in row.samples] == [(10_000_000, 20_000_000, 30_000_000)]
    assert "times" not in row.fields
    assert set(row.marks) == {Mark.DERIVED}
    assert (row.conversions["wall_time_ns.mean"].unit, row.conversions["wall_time_ns.mean"].factor) == ("s", 1e9)


def test_an_exit_code_is_a_failure_that_keeps_its_numbers(content: Callable[[str], Any], source: MakeSource) -> None:
    row = read(source(content("hyperfine")))[1]
    assert (row.status, row.reason) == (Status.FAILED, "1 of 1 runs ended with exit code 1")
    assert row.metrics[0].value == 1e6
    assert Mark.SINGLE_SHOT in row.marks
    assert not any(one.stat == "std" for one in row.metrics)


def test_a_signal_is_a_failure(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content("hyperfine")
    changed["results"][0]["exit_codes"] = [0, None, 2]
    assert read(source(changed))[0].reason == "2 of 3 runs ended with a signal, exit code 2"


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("command", None, "command is null."),
        ("command", 5, "command is 5, expected a text."),
        ("mean", None, "mean is null."),
        ("mean", -0.5, "mean: -0.5 s is negative."),
        ("mean", float("inf"), "mean: inf is not finite."),
        ("median", "fast", "median: 'fast' is not a number."),
        ("times", [0.1, -0.1], "times[1] is -0.1, expected a number of at least 0."),
        ("times", [float("nan")], "times[0] is nan, expected a number of at least 0."),
        ("times", [1e300], "1e+300 s x 1 calls is longer than any run."),
        ("times", 0.1, "times is of type float, expected a list."),
        ("parameters", [1], "parameters is of type list, expected an object."),
    ],
)
def test_what_is_wrong_is_named(
    key: str, value: object, error: str, content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content("hyperfine")
    changed["results"][0][key] = value
    refused, kept = read(source(changed))
    assert isinstance(refused, Refusal)
    assert (refused.place, refused.error) == ("/results/0", error)
    assert "results" not in refused.raw
    assert isinstance(kept, ImportedRow)


def test_a_missing_mean_is_named_and_nan_is_not_known(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content("hyperfine")
    del changed["results"][0]["mean"]
    changed["results"][1] |= {"mean": float("nan"), "exit_codes": [0]}
    refused, kept = read(source(changed))
    assert refused.error == "mean is missing."
    assert (kept.metrics[0].value, kept.metrics[0].reason) == (None, "the source gives no number (nan)")


def test_times_below_what_the_shell_takes_are_not_zero(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content("hyperfine")
    changed["results"][0] |= {"mean": 0.0, "min": 0.0}
    row = read(source(changed))[0]
    assert row.metrics[0].value is None
    assert row.metrics[0].reason == "the source says 0 in mean, which stands for unknown"


@settings(max_examples=60, deadline=None)
@given(times=st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=20), mean=st.floats(1e-9, 1e6))
def test_numbers_written_are_numbers_read(source: MakeSource, times: list[float], mean: float) -> None:
    row = read(source({"results": [{"command": "x", "mean": mean, "times": times, "exit_codes": [0]}]}))[0]
    assert row.metrics[0].value == mean * 1e9
    assert row.samples[0].values == tuple(round(time * 1e9) for time in times)


def test_what_hyperfine_itself_writes(tmp_path: Path, source: MakeSource) -> None:
    hyperfine = shutil.which("hyperfine")
    if hyperfine is None:
        pytest.skip("hyperfine is not installed")
    out = tmp_path / "out.json"
    command = [hyperfine, "--runs", "2", "--ignore-failure", "--export-json", str(out), "sleep 0.01", "exit 3"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    well, broken = read(source(out.read_text(encoding="utf-8")))
    written = json.loads(out.read_text(encoding="utf-8"))["results"]
    assert Hyperfine().recognise(source(written and out.read_text(encoding="utf-8")))
    assert (well.status, broken.status) == (Status.OK, Status.FAILED)
    assert well.metrics[0].value == written[0]["mean"] * 1e9
    assert len(well.samples[0].values) == 2
