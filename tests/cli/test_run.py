"""``assay run`` from flags to exit code, with models that take a fraction of a second."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import UsageError
from assay.core.words import RunStatus, Status
from assay.store import Store

Here = Callable[..., Any]
WriteSuite = Callable[..., Path]


# --- the plan -------------------------------------------------------------------------------------------------


def dry_run(here: Here, *arguments: object) -> dict[str, Any]:
    said = here("run", "--dry-run", "--json", *arguments)
    assert (said.code, said.err) == (0, "")
    content: dict[str, Any] = json.loads(said.out)
    return content


def test_a_dry_run_shows_the_plan_and_keeps_nothing(here: Here, write_suite: WriteSuite, tmp_path: Path) -> None:
    suite = write_suite("plain_models:good, plain_models:slow", batch="[1, 2]", launches=3)
    said = here("run", "--suite", suite, "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert [line.split("  ")[0].strip() for line in said.out.splitlines() if "plain_models" in line] == [
        "plain_models:good plain cpu fp32 b1",
        "plain_models:good plain cpu fp32 b2",
        "plain_models:slow plain cpu fp32 b1",
        "plain_models:slow plain cpu fp32 b2",
    ]
    assert re.search(r"^4 cases × 3 launches on \d+ threads: .* Nothing was run.$", said.out, flags=re.MULTILINE)
    assert Store.open(tmp_path / "store").runs() == []


def test_a_dry_run_has_three_forms(here: Here, write_suite: WriteSuite) -> None:
    suite = write_suite(batch="[1, 2]", launches=3)
    content = dry_run(here, "--suite", suite)
    assert (content["suite"], content["launches"], content["from_history"]) == ("fast", 3, False)
    assert 0 < content["total_lo_s"] < content["total_hi_s"]
    rows = list(csv.DictReader(io.StringIO(here("run", "--suite", suite, "--dry-run", "--csv").out)))
    assert [row["case_id"] for row in rows] == [case["case_id"] for case in content["cases"]]
    assert [row["batch"] for row in rows] == ["1", "2"]
    assert [row["obstacle"] for row in rows] == ["", ""]


def test_what_cannot_run_is_in_the_plan_with_its_reason(here: Here, write_suite: WriteSuite) -> None:
    content = dry_run(here, "--suite", write_suite(), "--device", "cpu,cuda:9")
    assert [case["obstacle"] for case in content["cases"]] == [None, "engine plain has no device kind 'cuda'"]
    assert content["cases"][1]["launch_lo_s"] is None


def test_flags_replace_what_the_suite_says(here: Here, write_suite: WriteSuite) -> None:
    suite = write_suite(batch="[1, 2]", launches=3)
    content = dry_run(here, "--suite", suite, "--batch", "4,8", "-b", "16", "--launches", "7", "--threads", "1")
    assert [case["batch"] for case in content["cases"]] == [4, 8, 16]
    assert content["launches"] == 7
    assert {case["threads"] for case in content["cases"]} == {1}
    assert [case["options"] for case in content["cases"]] == [{"threads": 1}] * 3


def test_models_alone_make_a_suite_of_their_own(here: Here) -> None:
    content = dry_run(here, "-m", "plain_models:good,plain_models:slow", "-e", "plain", "-n", "2")
    assert content["suite"] == "command-line"
    assert [case["workload"] for case in content["cases"]] == ["plain_models:good", "plain_models:slow"]


def test_without_anything_the_quick_suite_is_planned(here: Here) -> None:
    pytest.importorskip("torch", reason="the quick suite needs torch")
    content = dry_run(here)
    assert content["suite"] == "quick"
    assert dry_run(here, "--max-size", "tiny")["cases"] == content["cases"]


def test_dimensions_are_asked_for_by_name(here: Here) -> None:
    pytest.importorskip("torch", reason="families need torch")
    content = dry_run(here, "-m", "bert/tiny", "--seq", "16,32", "-b", "1")
    assert [case["shape"] for case in content["cases"]] == [{"seq": 16}, {"seq": 32}]
    content = dry_run(here, "-m", "wav2vec2/tiny", "--shape", "seconds=2", "--shape", "seconds=3", "-b", "1")
    assert [case["shape"] for case in content["cases"]] == [{"seconds": 2}, {"seconds": 3}]


def test_bench_is_another_word_for_run(here: Here, write_suite: WriteSuite) -> None:
    said = here("bench", "--suite", write_suite(), "--dry-run")
    assert "1 case × 1 launch on" in said.out


# --- what a run prints ----------------------------------------------------------------------------------------


def test_a_piped_run_prints_its_table_and_nothing_else(here: Here, write_suite: WriteSuite) -> None:
    said = here("run", "--suite", write_suite(batch="[1, 2]", launches=2), "--note", "[/x] a note", "--tag", "a")
    assert (said.code, said.err) == (0, "")  # no progress where nobody watches
    assert "\x1b" not in said.out
    rows = [line.split() for line in said.out.splitlines() if line.strip().startswith("plain_models:good  ")]
    assert [row[1] for row in rows] == ["1", "2"]
    for row in rows:
        assert row[3] == "ms"
        assert "2/2" in row
        assert row[-1] in {"trusted", "noisy", "contaminated"}
    assert "all rows: plain · cpu · fp32" in said.out
    assert "shortened windows" in said.out
    (run,) = Store.open().runs()
    assert (run.note, run.tags, run.status) == ("[/x] a note", ("a",), RunStatus.OK)
    assert f"assay show {run.run_id[-8:]}" in said.out


def test_a_run_as_json_is_what_show_says_later(here: Here, write_suite: WriteSuite) -> None:
    said = here("run", "--suite", write_suite("plain_models:good, plain_models:exits"), "--json")
    assert (said.code, said.err) == (4, "")
    content = json.loads(said.out)
    assert [result["status"] for result in content["results"]] == ["ok", "failed"]
    shown = json.loads(here("show", "--json").out)
    assert (shown["run"], shown["results"]) == (content["run"], content["results"])


def test_a_run_as_csv(here: Here, write_suite: WriteSuite) -> None:
    said = here("run", "--suite", write_suite("plain_models:runs_out_of_memory"), "--csv")
    assert said.code == 4
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert (row["status"], row["reason"], row["latency_ns"]) == ("oom", "out of memory in load", "")


def test_what_cannot_run_is_no_failure(here: Here, write_suite: WriteSuite) -> None:
    said = here("run", "--suite", write_suite(), "--device", "cpu,cuda:9")
    assert said.code == 0
    assert "unsupported: engine plain has no device kind 'cuda'" in said.out


def test_runs_before_make_the_estimate(here: Here, write_suite: WriteSuite) -> None:
    suite = write_suite(batch="[1, 2]")
    assert here("run", "--suite", suite).code == 0
    content = dry_run(here, "--suite", suite)
    assert content["from_history"] is True
    assert "by what these cases took here before. Nothing was run." in here("run", "--suite", suite, "--dry-run").out


# --- what was measured already --------------------------------------------------------------------------------


def judge_all_as(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Whether a launch on a busy test machine is trusted is not what these tests are about."""
    from assay.core.words import Verdict

    monkeypatch.setattr("assay.runner.record.judge_noise", lambda _witnesses: (Verdict(word), ()))


def test_fresh_cases_are_left_out(here: Here, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    judge_all_as(monkeypatch, "trusted")
    assert here("run", "--suite", write_suite(batch="1")).code == 0
    said = here("run", "--suite", write_suite(batch="[1, 2]"), "--skip-fresh", "1h", "--json")
    assert said.code == 0
    assert re.fullmatch(r"1 of 2 cases left out: measured here within 1h \(oldest \d+ s ago\)\.\n", said.err)
    assert [result["batch"] for result in json.loads(said.out)["results"]] == [2]
    said = here("run", "--suite", write_suite(batch="[1, 2]"), "--skip-fresh", "1h", "--json")
    assert (said.code, json.loads(said.out)) == (0, {"run": None, "results": []})
    said = here("run", "--suite", write_suite(batch="[1, 2]"), "--skip-fresh", "1h")
    assert (said.code, said.out) == (0, "")


# --- resuming -------------------------------------------------------------------------------------------------


def test_a_failed_run_is_resumed_with_what_worked(here: Here, write_suite: WriteSuite, tmp_path: Path) -> None:
    tmp_path.joinpath("flaky.py").write_text(
        "from pathlib import Path\n"
        "def make():\n"
        "    if not Path('mended').exists():\n"
        "        raise RuntimeError('not yet')\n"
        "    return print, ()\n"
    )
    assert here("run", "--suite", write_suite("plain_models:good, flaky:make", launches=2)).code == 4
    tmp_path.joinpath("mended").write_text("")
    said = here("run", "--resume", "last", "--json", "--note", "again")
    assert (said.code, said.err) == (0, "")
    content = json.loads(said.out)
    runs = Store.open().runs()
    assert content["run"]["parent_id"] == runs[1].run_id
    assert [(result["status"], result["launches_ok"]) for result in content["results"]] == [("ok", 2), ("ok", 2)]
    origins = {launch.origin_run_id for launch in Store.open().launches(run_id=runs[0].run_id)}
    assert origins == {runs[0].run_id, runs[1].run_id}
    assert "(resumed)" in here("ls").out
    assert f"resumes run {runs[1].run_id[-8:]}" in here("show").out


def test_another_environment_measures_anew_and_says_so(
    here: Here, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from assay.probes import environment

    assert here("run", "--suite", write_suite("plain_models:good, plain_models:exits")).code == 4
    collect = environment.collect_environment
    monkeypatch.setattr(environment, "collect_environment", lambda: replace(collect(), env_id="another"))
    said = here("run", "--resume", "last", "--json")
    assert said.err == "The environment has changed since that run (see `assay show`): every case is measured anew.\n"
    run = Store.open().runs()[0]
    assert {launch.origin_run_id for launch in Store.open().launches(run_id=run.run_id)} == {run.run_id}


def test_a_run_of_somebody_else_cannot_be_resumed(
    here: Here, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    assert here("run", "--suite", write_suite("plain_models:exits")).code == 4
    (run,) = Store.open().runs()
    monkeypatch.setattr(Store, "find_run", lambda _store, _ref: replace(run, config={}))
    said = here("run", "--resume", "last")
    assert said.code == 2
    assert said.err.splitlines() == [
        f"error: Run {run.run_id} was not made by `assay run`, so it cannot be resumed.",
        f"  The newest that can be: assay run --resume {run.run_id[-8:]} (fast, failed)",
    ]


# --- what only a person sees ----------------------------------------------------------------------------------


def test_the_display_shows_cases_phases_and_the_time_left() -> None:
    from rich.console import Console

    from assay.cli.live import LiveRun
    from assay.core.case import Case
    from assay.core.records import LaunchRecord, MetricValue, ResultRecord
    from assay.core.words import Verdict
    from assay.runner.execute import LaunchBegan, LaunchEnded, LaunchSaid
    from assay.runner.plan import PlannedCase
    from assay.runner.protocol import PhaseBegan, SamplesSoFar
    from assay.runner.schedule import ScheduledLaunch
    from assay.workloads.base import find_workload

    planned = [
        PlannedCase(Case.make(workload=name, engine="torch", device="cpu"), find_workload("bert/tiny"), threads=1)
        for name in ("./[/x]/model", "bert/tiny")
    ]
    now = datetime(2026, 11, 20, tzinfo=UTC)
    launch = LaunchRecord("l", "r", "x", "r", 0, Status.OK, now, 2_000_000_000)
    latency = MetricValue("latency_ns", 12.3e6, "ns")
    result = ResultRecord(
        "x", "r", "s", planned[0].case, Status.OK, now, verdict=Verdict.TRUSTED, launches_planned=2, launches_ok=1,
        metrics=(latency,),
    )  # fmt: skip
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120, height=40, markup=False, color_system=None)
    first, second = (ScheduledLaunch(one, 0) for one in planned)
    with LiveRun(console, planned, title="mine: 2 cases", expected_launch_s=5.0) as live:
        live(LaunchBegan(first, 1, 4))
        live(LaunchSaid(first, PhaseBegan("load")))
        live(LaunchSaid(first, SamplesSoFar(30, 12.3e6, 0.021)))
        live(LaunchSaid(first, None))
        live(LaunchEnded(first, launch, result))
        live(LaunchBegan(second, 2, 4))
    shown = text.getvalue()
    for words in ("mine: 2 cases", "./[/x]/model", "waiting", "load", "12.3 ms", "✓ trusted so far", "1/2", "starting"):
        assert words in shown
    assert "1/4 launches" in shown
    assert "Ctrl-C keeps what is done" in shown


def test_a_log_gets_no_more_than_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from assay.cli.live import LiveRun
    from assay.core.case import Case
    from assay.runner.execute import LaunchBegan, LaunchSaid
    from assay.runner.plan import PlannedCase
    from assay.runner.protocol import PhaseBegan
    from assay.runner.schedule import ScheduledLaunch
    from assay.workloads.base import find_workload

    case = Case.make(workload="bert/tiny", engine="torch", device="cpu")
    planned = PlannedCase(case, find_workload("bert/tiny"), threads=1)
    text, now, scheduled = io.StringIO(), [0.0], ScheduledLaunch(planned, 0)
    monkeypatch.setattr("assay.cli.live.time.monotonic", lambda: now[0])
    with LiveRun(Console(file=text), [planned], title="mine", expected_launch_s=5.0) as live:
        live(LaunchBegan(scheduled, 1, 2))
        assert text.getvalue() == ""  # what is over within a minute says nothing
        now[0] = 61.0
        live(LaunchSaid(scheduled, PhaseBegan("load")))
        live(LaunchSaid(scheduled, PhaseBegan("compile")))
        now[0] = 122.0
        live(LaunchSaid(scheduled, PhaseBegan("warm up")))
    first, second = text.getvalue().splitlines()
    assert first == "0/2 launches · 1 min 01 s · about 1 min 01 s left · bert/tiny torch cpu fp32 b1: load"
    assert second.endswith("b1: warm up")


# --- reading flags --------------------------------------------------------------------------------------------


def test_numbers_too_long_for_any_machine_are_refused(here: Here) -> None:
    said = here("run", "-m", "bert/tiny", "-b", "9" * 5000)
    assert said.code == 2
    assert said.err.startswith("error: --batch got '9999")


def test_flags_are_read() -> None:
    from assay.cli.flags import read_duration, read_integers, read_shape, split_values

    assert split_values(["a, b", "c", ","]) == ["a", "b", "c"]
    assert split_values(None) == []
    assert read_integers("batch", ["1,8", "16"]) == [1, 8, 16]
    assert read_shape(seq=["1"], image=None, others=["seconds=10", "seq=2"]) == {"seq": [1, 2], "seconds": [10]}
    assert read_duration("skip-fresh", "1h30m") == 5400
    with pytest.raises(UsageError):
        read_integers("batch", ["1.5"])
