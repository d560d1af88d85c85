"""``assay report``: the kind left out, several files of one report, what is refused, what the shell is offered."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import typer
from openpyxl import load_workbook

from assay.cli.report import complete_format, complete_option, complete_word


class Said(Protocol):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Here = Callable[..., Said]


@pytest.fixture
def ask(here: Here, kept: str) -> Here:
    """Ask for a report on the store of the two runs."""

    def run(*arguments: object) -> Said:
        return here("report", *arguments, "--store", kept)

    return run


def context(**params: Any) -> typer.Context:
    return typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)), info_name="report", **params)


# -- what is asked ---------------------------------------------------------------------------------------------


def test_without_a_word_the_newest_run_is_reported_on(ask: Here) -> None:
    said = ask()
    assert said.code == 0
    assert said.out.startswith("mixed, ")
    assert "did not work" in said.out
    assert ask("last").out.splitlines()[0] == said.out.splitlines()[0]
    assert ask("run", "last").out.splitlines()[0] == said.out.splitlines()[0]


def test_the_kind_is_found_from_what_is_given(ask: Here) -> None:
    def kind_of(*words: object) -> object:
        said = ask(*words, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)["kind"]

    assert kind_of("last") == "run"
    assert kind_of("last~1", "last") == "comparison"
    assert kind_of("last~1", "--by", "batch") == "comparison"
    assert kind_of("last", "--against", "last~1") == "comparison"
    assert kind_of("last", "--target", "p50_latency_ms <= 1") == "targets"
    assert kind_of("summary") == "summary"
    assert kind_of("history", "--workload", "plain*") == "history"


def test_the_numbers_are_those_of_show(ask: Here, here: Here, kept: str) -> None:
    shown = json.loads(here("show", "last~1", "--json", "--store", kept).out)
    report = json.loads(ask("last~1", "--json").out)
    table = next(
        block for section in report["sections"] for block in section["blocks"] if block.get("key") == "results"
    )
    keys = [one["key"] for one in table["columns"]]
    rows = [dict(zip(keys, row, strict=True)) for row in table["rows"]]
    assert len(rows) == len(shown["results"]) == 2
    for row, record in zip(rows, shown["results"], strict=True):
        for name in ("latency_ns", "throughput_per_s", "memory_peak_bytes"):
            assert row[name]["value"] == record[name]
        ends = tuple(row["latency_ns"].get(end) for end in ("lo", "hi"))
        assert ends == (record["latency_ns_lo"], record["latency_ns_hi"])
        assert row["latency_ns"]["provenance"] == record["provenance"]
        assert row["latency_ns"]["ref"]["id"] == record["result_id"]


def test_a_report_is_narrowed(ask: Here) -> None:
    report = json.loads(ask("last", "--workload", "*good", "--json").out)
    assert ["workload", "*good"] in [list(pair) for pair in report["scope"]]
    none = ask("last", "--engine", "nobody")
    assert none.code == 0
    assert "no results" in none.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("histori",), "Did you mean 'history'"),
        (("xyzzy",), "There is no run 'xyzzy'"),
        (("run", "last", "last~1"), "expected 1 run"),
        (("last", "--option", "figures"), "expected a name and its value"),
        (("last", "--option", "colour=red"), "option of the run report"),
        (("last", "--metric", "latency"), "Unknown metric"),
        (("comparison", "last", "--metric", "latency"), "Unknown metric"),
        (("last", "--table", "result", "--csv"), "table of this run report"),
        (("last", "--since", "soon"), "no time and no age"),
        (("last", "--provenance", "mine"), "mine"),
        (("last", "--json", "--csv"), "expected one of them"),
        (("last", "--json", "-o", "x.html"), "--json and --csv print to stdout"),
        (("last", "-f", "docx"), "Unknown renderer"),
        (("last", "-o", "x.docx"), "'.docx', which says no format"),
        (("last", "-o", "x"), "has no ending"),
        (("last", "-o", "."), "is a folder"),
        (("last", "--target", "p50_latency_ms <= 1", "--targets-file", "x.yaml"), "expected one of them"),
        (("--site", "site", "-o", "x.html"), "publishes the whole store"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(ask: Here, words: tuple[str, ...], said: str) -> None:
    ended = ask(*words)
    assert ended.code == 2
    assert said in ended.err
    assert not [name for name in Path.cwd().iterdir() if name.name.startswith("x")]


def test_a_store_that_is_not_there_is_refused(here: Here, tmp_path: Path) -> None:
    ended = here("report", "last", "--store", tmp_path / "nowhere")
    assert ended.code == 2
    assert "nowhere" in ended.err


# -- where it goes ---------------------------------------------------------------------------------------------


def test_several_files_are_of_one_report(ask: Here, tmp_path: Path) -> None:
    names = ["r.html", "deep/er/r.csv", "r.json", "r.md", "r.txt", "r.xlsx", "r.svg"]
    said = ask("last~1", *(word for name in names for word in ("-o", tmp_path / name)))
    assert said.code == 0, said.err
    assert said.out == ""
    for name in names:
        file = tmp_path / name
        assert file.stat().st_size > 1000
        assert f"{file}: run report as " in said.err
    json_rows = [
        row
        for section in json.loads((tmp_path / "r.json").read_text())["sections"]
        for block in section["blocks"]
        if block.get("key") == "results"
        for row in block["rows"]
    ]
    medians = [cell["value"] for row in json_rows for cell in row if cell.get("unit") == "samples/s"]
    flat = list(csv.DictReader(io.StringIO((tmp_path / "deep/er/r.csv").read_text())))
    rates = [float(row["value"]) for row in flat if row["block"] == "results" and row["column"] == "throughput_per_s"]
    assert rates == medians
    assert "results" in " ".join(load_workbook(tmp_path / "r.xlsx").sheetnames).lower()
    html = (tmp_path / "r.html").read_text()
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert "https://" not in html


def test_a_file_is_replaced_whole_or_stays_as_it_was(
    ask: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.txt"
    file.write_text("before")
    assert ask("last", "-o", file, "-o", tmp_path / "r.docx").code == 2
    assert file.read_text() == "before"
    mask = os.umask(0o027)
    try:
        assert ask("last", "-o", file).code == 0
    finally:
        os.umask(mask)
    assert file.read_text().startswith("mixed, ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    ended = ask("last~1", "-o", file)
    assert ended.code == 2
    assert "No space left on device" in ended.err
    assert file.read_text().startswith("mixed, ")
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith(".")) == []


def test_a_folder_gets_a_file_that_is_called_after_the_report(ask: Here, tmp_path: Path) -> None:
    assert ask("last", "-o", tmp_path, "-f", "json").code == 0
    assert ask("summary", "-o", f"{tmp_path}/new/", "-f", "markdown").code == 0
    [run] = tmp_path.glob("run-*.json")
    assert json.loads(run.read_text())["kind"] == "run"
    assert len(list((tmp_path / "new").glob("summary-*.md"))) == 1


def test_stdout_takes_any_format(ask: Here) -> None:
    assert json.loads(ask("last", "-o", "-", "-f", "json").out)["kind"] == "run"
    assert ask("last", "-f", "markdown").out.startswith("# ")
    assert ask("last", "--csv", "--table", "results").out.startswith("workload,")
    wide, narrow = ask("last", "--width", 200).out, ask("last", "--width", 60).out
    assert max(map(len, narrow.splitlines())) <= 60 < max(map(len, wide.splitlines()))


def test_one_figure_is_drawn_alone_and_dark(ask: Here, tmp_path: Path) -> None:
    said = ask("last~1", "--figure", "launches-1", "-o", tmp_path / "one.svg", "--dark")
    assert said.code == 0, said.err
    assert (tmp_path / "one.svg").read_text().count("<svg") == 1
    assert ask("last~1", "--figure", "launch", "-o", tmp_path / "two.svg").code == 2


def test_targets_of_a_file_are_held_against_an_old_run(ask: Here, tmp_path: Path) -> None:
    suite = tmp_path / "t.yaml"
    suite.write_text(
        "name: t\ncases: [{model: bert/tiny}]\ntargets: ['p50_latency_ms <= 100000', 'p50_latency_ms <= 0.000001']\n"
    )
    report = json.loads(ask("targets", "last~1", "--targets-file", suite, "--json").out)
    table = next(block for one in report["sections"] for block in one["blocks"] if block.get("key") == "targets")
    place = [one["key"] for one in table["columns"]].index("met")
    assert [row[place]["value"] for row in table["rows"]].count("pass") == 2


def test_a_site_is_written_of_the_whole_store(ask: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = pytest.importorskip("assay.web.site", reason="FastAPI, which draws the pages, is not installed")
    asked: list[tuple[str | None, Path]] = []

    def write(settings: Any, folder: Path, *, listener: Callable[[str], None]) -> Any:
        listener("/")
        asked.append((settings.store, folder))
        failed = ("/trends",) if len(asked) > 1 else ()
        return site.SiteReport(folder, pages=3, files=2, size_bytes=2048, left_out=0, failed=failed)

    monkeypatch.setattr(site, "write_site", write)
    said = ask("--site", tmp_path / "public")
    assert said.code == 0, said.err
    assert asked[0][1] == tmp_path / "public"
    assert "3 pages, 2 other files, 2.00 KiB" in said.err
    again = ask("--site", tmp_path / "public")
    assert again.code == 4
    assert "not written: /trends" in again.err


# -- what there is ---------------------------------------------------------------------------------------------


def test_kinds_and_formats_are_listed(here: Here) -> None:
    said = here("report", "--list")
    assert said.code == 0
    for word in ("comparison", "history", "run", "summary", "targets", "html", ".xlsx"):
        assert word in said.out
    listed = json.loads(here("report", "--list", "--json").out)
    assert {one["name"] for one in listed["kinds"]} >= {"comparison", "history", "run", "summary", "targets"}
    assert all(one["suffixes"] for one in listed["formats"])


def test_the_shell_is_offered_kinds_runs_formats_and_options(ask: Here, kept: str) -> None:
    first = context()
    first.params = {"store": kept, "words": []}
    assert complete_word(first, "su") == ["summary"]
    assert "last~1" in complete_word(first, "la")
    later = context()
    later.params = {"store": kept, "words": ["history"]}
    assert "summary" not in complete_word(later, "")
    assert "last" in complete_word(later, "")
    assert complete_option(later, "fi") == ["figures="]
    assert complete_option(first, "") == []
    assert complete_format("ht") == ["html"]
    assert ask is not None
