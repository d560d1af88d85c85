"""``ls``, ``show`` and ``sql`` over a store of two real runs: three forms of the same rows."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from assay.cli.plain import RESULT_COLUMNS, RUN_COLUMNS

Here = Callable[..., Any]


@pytest.fixture
def rows(here: Here, kept: str) -> Callable[..., Any]:
    """The JSON of a command about the kept store."""

    def ask(*arguments: str) -> Any:
        said = here(*arguments, "--store", kept, "--json")
        assert (said.code, said.err) == (0, "")
        return json.loads(said.out)

    return ask


@pytest.fixture
def table(here: Here, kept: str) -> Callable[..., list[dict[str, str]]]:
    """The CSV of a command about the kept store."""

    def ask(*arguments: str) -> list[dict[str, str]]:
        said = here(*arguments, "--store", kept, "--csv")
        assert (said.code, said.err) == (0, "")
        return list(csv.DictReader(io.StringIO(said.out)))

    return ask


def as_text(value: Any) -> str:
    """How CSV says what JSON says."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


# --- ls -------------------------------------------------------------------------------------------------------


def test_ls_lists_runs_newest_first_and_alike_in_both_forms(
    rows: Callable[..., Any], table: Callable[..., list[dict[str, str]]]
) -> None:
    listed = rows("ls")
    assert [(run["suite"], run["status"], run["note"]) for run in listed] == [
        ("mixed", "failed", "[4] ü"),
        ("fast", "ok", "[0] ü"),
    ]
    assert table("ls") == [{name: as_text(run[name]) for name in RUN_COLUMNS} for run in listed]
    assert rows("ls", "--limit", "1") == listed[:1]
    assert rows("ls", "--suite", "fast") == listed[1:]


def test_ls_for_people(here: Here, kept: str) -> None:
    said = here("ls", "--store", kept)
    assert (said.code, said.err) == (0, "")
    newest, older = [line for line in said.out.splitlines() if "ago" in line]
    assert "mixed" in newest
    assert "1/2 ok, 1 failed" in newest
    assert "[4] ü" in newest  # and not taken for markup
    assert "2/2 ok" in older


def test_ls_of_an_empty_store_says_what_to_do(here: Here, tmp_path: Any) -> None:
    said = here("ls")
    assert said.out == f"No runs yet in {tmp_path / 'store'}. Make one with: assay run\n"
    assert json.loads(here("ls", "--json").out) == []
    assert here("ls", "--csv").out == ",".join(RUN_COLUMNS) + "\n"


# --- show -----------------------------------------------------------------------------------------------------


def test_show_gives_the_same_results_in_both_forms(
    rows: Callable[..., Any], table: Callable[..., list[dict[str, str]]]
) -> None:
    shown = rows("show", "last~1")
    assert shown["run"]["suite"] == "fast"
    assert shown["environment"]["env_id"] == shown["run"]["env_id"]
    assert [result["batch"] for result in shown["results"]] == [2, 1]  # the order of the plan
    assert table("show", "last~1") == [
        {name: as_text(result[name]) for name in RESULT_COLUMNS} for result in shown["results"]
    ]
    for result in shown["results"]:
        assert result["status"] == "ok"
        assert result["latency_ns"] >= 1e6
        assert (result["latency_ns_lo"], result["latency_ns_hi"]) == (None, None)  # two launches have no interval
        assert result["throughput_per_s"] == pytest.approx(result["batch"] * 1e9 / result["latency_ns"])
        (p99,) = [one for one in result["metrics"] if one["stat"] == "p99"]
        assert p99["value"] is None
        assert p99["reason"].startswith("needs 473 samples, has ")


def test_show_has_every_launch_and_samples_where_asked(rows: Callable[..., Any]) -> None:
    shown = rows("show", "last~1")
    assert len(shown["launches"]) == 4
    assert all(launch["samples"] == [] for launch in shown["launches"])
    for launch in rows("show", "last~1", "--samples")["launches"]:
        (series,) = launch["samples"]
        assert (series["name"], series["unit"]) == ("latency", "ns")
        middle = sorted(series["values"])[len(series["values"]) // 2]
        assert launch["median_ns"] == pytest.approx(middle / series["calls_per_sample"], rel=0.2)


def test_a_failure_is_a_row_without_numbers(rows: Callable[..., Any], table: Callable[..., Any]) -> None:
    failed, good = rows("show")["results"]
    assert (failed["status"], failed["latency_ns"], failed["verdict"], failed["metrics"]) == ("failed", None, None, [])
    assert failed["reason"].startswith("ValueError in load: the weights are missing")
    assert good["status"] == "ok"
    assert [row["latency_ns"] != "" for row in table("show")] == [False, True]


def test_show_for_people(here: Here, kept: str) -> None:
    said = here("show", "--store", kept, "--launches", "--environment")
    assert (said.code, said.err) == (0, "")
    assert "ValueError in load: the weights are missing [/x]" in said.out
    assert "plain_models:good" in said.out
    assert "all rows: plain · cpu · fp32" in said.out
    assert "measured on " in said.out
    assert "shortened windows" in said.out
    assert "usable_cores:" in said.out
    assert "\x1b" not in said.out


def test_a_run_is_found_by_id_by_ends_and_by_age(rows: Callable[..., Any]) -> None:
    newest, older = (run["run_id"] for run in rows("ls"))
    for ref in (newest, newest[-8:], newest[-5:].upper(), "last", "last~0", "LAST"):
        assert rows("show", ref)["run"]["run_id"] == newest
    assert rows("show", "last~1")["run"]["run_id"] == older


# --- sql ------------------------------------------------------------------------------------------------------


def test_sql_agrees_with_show(rows: Callable[..., Any], table: Callable[..., list[dict[str, str]]]) -> None:
    shown = rows("show", "last~1")
    query = (
        "SELECT workload, batch, results.status, latency_ns, throughput_per_s, memory_peak_bytes, result_id "
        "FROM results JOIN runs USING (run_id) WHERE suite = 'fast' ORDER BY result_id"
    )
    answer = rows("sql", query)
    assert answer == [{name: result[name] for name in answer[0]} for result in shown["results"]]
    assert table("sql", query) == [{name: as_text(value) for name, value in row.items()} for row in answer]


def test_sql_reaches_every_metric_and_sample(rows: Callable[..., Any]) -> None:
    (counts,) = rows(
        "sql",
        "SELECT (SELECT count(*) FROM launches) AS launches, (SELECT count(DISTINCT stat) FROM metrics) AS stats, "
        "(SELECT count(*) FROM samples) AS samples",
    )
    assert counts["launches"] == 6
    assert counts["samples"] == 5
    assert counts["stats"] > 4


def test_sql_says_when_there_is_more(here: Here, kept: str) -> None:
    said = here("sql", "SELECT * FROM range(30)", "--limit", "10", "--csv", "--store", kept)
    assert said.out.splitlines() == ["range", *map(str, range(10))]
    assert said.err == "Only the first 10 rows are shown; --limit takes more.\n"
    assert here("sql", "SELECT * FROM range(10)", "--limit", "10", "--store", kept).err == ""


def test_what_json_cannot_say_is_null(rows: Callable[..., Any], here: Here, kept: str) -> None:
    query = "SELECT 'nan'::DOUBLE AS a, [1.5, 'inf'::DOUBLE] AS b, {'c': 'nan'::FLOAT} AS d, NULL AS e, now() AS f"
    (row,) = rows("sql", query)
    assert (row["a"], row["b"], row["d"], row["e"]) == (None, [1.5, None], {"c": None}, None)
    said = here("sql", query, "--store", kept)
    assert math.isnan(float(next(word for word in said.out.split() if word == "nan")))


def test_text_that_looks_like_markup_is_shown_as_it_is(here: Here, kept: str) -> None:
    said = here("sql", "SELECT '[/x] [red]y[/red] :smile:' AS a", "--store", kept)
    assert said.code == 0
    assert "[/x] [red]y[/red] :smile:" in said.out


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM reslts", "results"),
        ("DELETE FROM results", ""),
        ("SELECT * FROM read_csv('/etc/passwd')", ""),
        ("SELECT 1; SELECT 2", ""),
    ],
)
def test_sql_that_cannot_be_is_a_usage_error(here: Here, kept: str, query: str, words: str) -> None:
    said = here("sql", query, "--store", kept)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert words in said.err
    assert "Traceback" not in said.err


# --- both forms at once ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["ls"], ["show"], ["sql", "SELECT 1"], ["run", "--dry-run"]])
def test_two_forms_at_once_are_a_slip(here: Here, command: list[str]) -> None:
    said = here(*command, "--json", "--csv")
    assert (said.code, said.out) == (2, "")
    assert said.err == "error: --json and --csv were both given; expected one of them.\n"


# --- where there is no store ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["ls"], ["show"], ["sql", "SELECT 1"]])
def test_looking_makes_no_store_at_a_mistyped_path(here: Here, tmp_path: Any, command: list[str]) -> None:
    folder = tmp_path / "mis typed" / "store"
    said = here(*command, "--store", folder)
    assert (said.code, said.out) == (2, "")
    assert said.err == (f"error: There is no store in {folder}.\n  `assay run --store '{folder}'` makes one.\n")
    assert not folder.parent.exists()


def test_the_usual_store_may_be_yet_to_be_filled(here: Here, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "later"))
    assert here("ls").code == 0
    assert here("sql", "SELECT count(*) AS n FROM runs", "--csv").out == "n\n0\n"
    monkeypatch.delenv("ASSAY_STORE")
    assert here("ls").code == 0
