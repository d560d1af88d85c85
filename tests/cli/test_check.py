"""``assay check``, ``baseline``, ``accept``, ``mute`` and what goes with them, on stores composed for it."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from assay.cli.baseline import complete_baseline
from assay.cli.check import complete_against
from assay.cli.check_table import FINDING_COLUMNS
from assay.cli.subjects import complete_subject
from assay.core.words import Change, Provenance, Status
from assay.store import Store

Here = Callable[..., Any]


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"cli_check_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runs = _load(Path(__file__).parents[1] / "analysis" / "composed_runs.py")
LABEL = runs.case("a").label


@pytest.fixture
def composer(here: Here, tmp_path: Path) -> Any:
    del here  # only its folder and environment are wanted
    return runs.Composer(Store.open(tmp_path / "store"))


@pytest.fixture
def slower(composer: Any) -> Any:
    """A store whose newest run is slower in ``a``, as it was in ``b``, without ``c``, and followed by a trial."""
    composer.add_history(["a", "b", "c"])
    run = composer.add({"a": 12.0, "b": 10.0})
    composer.add({"a": 10.0}, tags=("confirm", "trial:1", "side:now"))
    composer.flush()
    return run


def findings(said: Any) -> dict[str, dict[str, Any]]:
    return {one["case_label"].split()[0].removeprefix("mine:"): one for one in json.loads(said.out)["findings"]}


# -- the check -------------------------------------------------------------------------------------------------


def test_the_table_is_worst_first_and_ends_in_a_sentence(here: Here, slower: Any) -> None:
    said = here("check", "--no-confirm")
    assert (said.code, said.err) == (4, "")
    lines = [line.split() for line in said.out.splitlines()]
    numbered = [line for line in lines if line and line[0] in {"1", "2", "3"}]
    assert [(line[1], line[-1]) for line in numbered[:3]] == [
        ("mine:c", "missing"), ("mine:a", "suspect"), ("mine:b", "unchanged"),
    ]  # fmt: skip
    assert f"run {slower.run_id[-8:]} against history · latency_ns" in said.out
    assert "10.0 ms" in said.out
    assert "12.0 ms   +20.0 %   expected −0.9 % … +0.9 %   <0.001   <0.001   8" in said.out
    assert "all cases: torch cpu fp32 b1" in said.out
    assert re.search(
        r"^3 series against history: 1 missing, 1 suspect, 1 unchanged\. compared with 8 results since 2026-11-02 ",
        said.out,
        flags=re.MULTILINE,
    )
    assert "assay accept NUMBER REASON" in said.out


def test_programs_get_the_same_rows_with_every_field(here: Here, slower: Any) -> None:
    content = json.loads(here("check", "--no-confirm", "--json").out)
    assert (content["run_id"], content["exit_code"], content["expected"]) == (slower.run_id, 4, 3)
    assert content["counts"] == {"unchanged": 1, "suspect": 1, "missing": 1}
    assert list(content["findings"][0]) == list(FINDING_COLUMNS)
    rows = list(csv.DictReader(io.StringIO(here("check", "--no-confirm", "--csv").out)))
    assert [(row["number"], row["change"]) for row in rows] == [("1", "missing"), ("2", "suspect"), ("3", "unchanged")]
    assert float(rows[1]["ratio"]) == content["findings"][1]["ratio"]


def test_findings_are_kept(here: Here, slower: Any, tmp_path: Path) -> None:
    content = json.loads(here("check", "--no-confirm", "--json").out)
    kept = Store.open(tmp_path / "store").findings(run_id=slower.run_id)
    assert [one.finding_id for one in kept] == [one["finding_id"] for one in content["findings"]]
    assert [one.change for one in kept] == [Change.MISSING, Change.SUSPECT, Change.UNCHANGED]


def test_strict_counts_what_is_open(here: Here, composer: Any) -> None:
    composer.add_history(["a"])
    composer.add({"a": 12.0})
    composer.flush()
    assert here("check", "--no-confirm").code == 0
    assert here("check", "--no-confirm", "--strict").code == 3


def test_a_named_run_is_checked_as_of_its_time(here: Here, slower: Any, tmp_path: Path) -> None:
    earlier = Store.open(tmp_path / "store").runs()[2]
    said = here("check", earlier.run_id[-8:], "--no-confirm", "--json")
    assert (said.code, {one["change"] for one in findings(said).values()}) == (0, {"inconclusive"})
    assert here("check", "last~1", "--no-confirm", "--json").code == 4
    assert json.loads(here("check", slower.run_id, "--json", "--no-confirm").out)["run_id"] == slower.run_id


@pytest.mark.usefixtures("slower")
def test_several_metrics_are_one_family(here: Here) -> None:
    said = here("check", "--no-confirm", "-m", "latency_ns,load_ns", "-m", "memory_peak_bytes", "--csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert {(row["metric"], row["stat"]) for row in rows} == {
        ("latency_ns", "median"), ("load_ns", "median"), ("memory_peak_bytes", "max"),
    }  # fmt: skip
    assert sum(row["p"] != "" for row in rows) == 6
    table = here("check", "--no-confirm", "-m", "latency_ns,load_ns").out
    assert "metric" in table
    assert "5 numbers against history" in table


def test_a_break_is_said_in_words(here: Here, composer: Any) -> None:
    composer.add_history(["a"])
    composer.add({"a": 30.0}, env=runs.environment(torch="2.13.0"))
    composer.flush()
    said = here("check")
    assert said.code == 0
    assert "1 series against history: 1 incomparable; a break in the environment, not a regression" in said.out
    assert "(torch 2.12.0 -> 2.13.0)" in said.out


def test_long_reports_are_cut_but_never_an_alarm(here: Here, composer: Any) -> None:
    names = [f"s{number}" for number in range(60)]
    composer.add_history(names)
    composer.add(dict.fromkeys(names[:50], 12.0) | dict.fromkeys(names[50:], 10.0))
    composer.flush()
    said = here("check", "--no-confirm")
    assert said.out.count(" suspect\n") + said.out.count(" suspect ") >= 50
    assert "and 10 more, none of them an alarm (--all lists them)" in said.out
    assert "and 10 more" not in here("check", "--no-confirm", "--all").out


@pytest.mark.usefixtures("slower")
def test_why_it_cannot_be_confirmed_is_said(here: Here) -> None:
    said = here("check", "--json")
    assert said.err == ""
    assert findings(said)["a"]["reasons"][-1] == (
        "not confirmed: the run was not made by `assay run`, so it cannot be launched again"
    )


@pytest.mark.usefixtures("slower")
def test_slips_are_refused(here: Here) -> None:
    for arguments, words in (
        (("--against", "basline:x"), "Did you mean 'baseline'?"),
        (("--against", "baseline:nope"), "Unknown baseline 'nope'"),
        (("--against", "tag:nope"), "no earlier run with the tag 'nope'"),
        (("--metric", "latency"), "Did you mean 'latency_ns'"),
        (("--metric", "idle_power_w"), "idle_power_w has no better side"),
        (("last", "--suite", "quick"), "A run and --suite were both given"),
        (("--json", "--csv"), "--json and --csv were both given"),
        (("nope",), "There is no run 'nope'"),
    ):
        said = here("check", "--no-confirm", *arguments)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


def test_an_empty_store_and_an_imported_run_have_nothing_to_check(here: Here, composer: Any) -> None:
    assert "it holds no measured runs" in here("check").err
    composer.add({"a": 1.0}, provenance=Provenance.IMPORTED)
    composer.flush()
    assert "it holds no measured runs" in here("check").err
    assert "only measured runs are checked" in here("check", "last").err


# -- what people say -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("slower")
def test_a_level_is_accepted_by_its_number_and_taken_back(here: Here) -> None:
    here("check", "--no-confirm")
    said = here("accept", "2", "twice the layers", "--author", "ada")
    assert said.code == 0, said.err
    assert said.out.startswith(f"accepted of latency_ns: {LABEL} (result ")
    assert ", by ada\n" in said.out
    accepted = findings(here("check", "--no-confirm", "--json"))["a"]
    assert (accepted["change"], accepted["reasons"]) == ("new", ["this level was accepted: twice the layers (ada)"])
    listed = json.loads(here("annotations", "--json").out)
    assert [(one["kind"], one["subject_kind"], one["metric"], one["holds"]) for one in listed] == [
        ("accept", "result", "latency_ns", True)
    ]
    table = here("annotations").out
    assert "twice the layers" in table
    assert LABEL in table
    taken = here("retract", listed[0]["annotation_id"][-8:], "a mistake")
    assert taken.out.startswith("taken back: accept of result ")
    assert findings(here("check", "--no-confirm", "--json"))["a"]["change"] == "suspect"
    assert "Nobody has said anything yet" in here("annotations").out
    assert len(json.loads(here("annotations", "--all", "--json").out)) == 2


def test_a_missing_case_is_accepted_with_its_run(here: Here, slower: Any) -> None:
    here("check", "--no-confirm")
    said = here("accept", "1", "moved")
    assert said.code == 2
    assert "is missing, so it has no level to accept" in said.err
    assert f"assay accept {slower.run_id[-8:]} REASON" in said.err
    assert here("accept", slower.run_id[-8:], "moved").code == 0
    assert here("check", "--no-confirm").code == 0


@pytest.mark.usefixtures("slower")
def test_a_muted_series_stays_in_the_table_and_out_of_the_exit_code(here: Here) -> None:
    here("check", "--no-confirm")
    said = here("mute", "1", "moved to another suite", "--for", "14d")
    assert re.search(r"^muted of latency_ns: mine:c .* until \d{4}-\d\d-\d\d \d\d:\d\d UTC, by ", said.out)
    assert here("mute", LABEL, "known").code == 0
    checked = here("check", "--no-confirm", "--strict")
    assert checked.code == 0
    assert "suspect (muted)" in checked.out
    assert "1 missing, 1 suspect, 1 unchanged, 2 of them muted" in checked.out
    assert "muted: known (" in checked.out
    rows = list(csv.DictReader(io.StringIO(here("annotations", "--csv").out)))
    assert [(row["kind"], row["subject_kind"], bool(row["expires_at"])) for row in rows] == [
        ("mute", "series", False), ("mute", "series", True),
    ]  # fmt: skip
    assert here("retract", "last").code == 0
    assert here("check", "--no-confirm", "--strict").code == 3


def test_a_subject_is_found_by_id_or_label(here: Here, slower: Any, tmp_path: Path) -> None:
    result = next(iter(Store.open(tmp_path / "store").results(run_id=slower.run_id)))
    for subject, kind, subject_id in (
        ("last", "run", None),
        (slower.run_id[-8:], "run", slower.run_id),
        (result.result_id, "result", result.result_id),
        (result.result_id[-10:], "result", result.result_id),
        (result.series_id[:8], "series", result.series_id),
        (result.case.label.upper(), "series", result.series_id),
        (result.case.label.split()[0], "series", result.series_id),
    ):
        assert here("annotate", subject, "looked at").code == 0
        newest = json.loads(here("annotations", "--json").out)[0]
        assert newest["subject_kind"] == kind
        assert subject_id in {None, newest["subject_id"]}
    assert here("annotate", "last", "another driver", "--split").out.startswith("split: run ")


@pytest.mark.usefixtures("slower")
def test_slips_in_words_are_refused(here: Here) -> None:
    for arguments, words in (
        (("accept", "7", "x"), "The last check has no finding 7; it has 0."),
        (("accept", "mine:", "x"), "'mine:' fits 3: series "),
        (("accept", "mine:aa", "x"), "Did you mean 'mine:"),
        (("accept", LABEL, " "), "An annotation without a text says nothing"),
        (("accept", LABEL, "x", "--metric", "latency"), "Did you mean 'latency_ns'"),
        (("mute", LABEL, "x", "--for", "soon"), "--for: 'soon' is not a duration"),
        (("retract", "abcd1234"), "There is no annotation 'abcd1234' that holds"),
    ):
        said = here(*arguments)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


def test_the_author_is_gits_user_where_there_is_one(
    here: Here, slower: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Grace H\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert here("annotate", slower.run_id, "x").out.splitlines()[0].endswith(", by Grace H")


# -- baselines -------------------------------------------------------------------------------------------------


def test_a_baseline_is_pinned_listed_checked_against_and_ended(here: Here, slower: Any, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    first = store.runs()[-1]
    said = here("baseline", "set", "main", first.run_id[-8:], "--note", "the first")
    assert said.code == 0, said.err
    assert said.out.startswith(f"baseline main: run {first.run_id[-8:]} of nightly, {runs.COMMIT[:12]}\n")
    checked = here("check", "--against", "baseline:main", "--no-confirm", "--json")
    assert findings(checked)["a"]["method"] == "welch"
    assert findings(checked)["a"]["against"] == "baseline main"
    assert here("baseline", "set", "main", "--series", "mine:b").code == 0
    listed = json.loads(here("baseline", "ls", "--json").out)
    assert [(one["name"], one["run_id"], one["series_id"]) for one in listed] == [
        ("main", first.run_id, None), ("main", slower.run_id, runs.series("b")),
    ]  # fmt: skip
    table = here("baseline", "ls").out
    assert "all its cases" in table
    assert runs.case("b").label in table
    assert [row["note"] for row in csv.DictReader(io.StringIO(here("baseline", "ls", "--csv").out))] == [
        "the first",
        "",
    ]
    assert here("baseline", "rm", "main").out == "baseline main ended\n"
    assert here("baseline", "rm", "main", "--series", "mine:b").code == 0
    assert "No baselines yet" in here("baseline", "ls").out
    assert "There is no baseline 'main'" in here("baseline", "rm", "main").err


@pytest.mark.usefixtures("slower")
def test_a_baseline_of_a_series_needs_a_series(here: Here) -> None:
    said = here("baseline", "set", "main", "--series", "last")
    assert (said.code, "is a run; expected a series" in said.err) == (2, True)


# -- completion ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("slower")
def test_the_shell_is_offered_what_there_is(here: Here, composer: Any, tmp_path: Path) -> None:
    here("check", "--no-confirm")
    here("baseline", "set", "main")
    composer.add({"a": Status.FAILED}, tags=("v1",))
    composer.flush()
    context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    context.params = {"store": str(tmp_path / "store")}
    assert complete_against(context, "")[:2] == ["history", "fork-point"]
    assert complete_against(context, "b") == ["baseline:main"]
    assert complete_against(context, "t") == ["tag:v1", "tag:confirm"]
    assert complete_baseline(context, "m") == ["main"]
    assert complete_subject(context, "")[:3] == ["1", "2", "last"]
    assert complete_subject(context, "mine:a") == [LABEL]
    context.params = {"store": str(tmp_path / "nowhere")}
    assert complete_against(context, "b") == complete_baseline(context, "") == complete_subject(context, "") == []
