"""What a person sees who types ``store.results()`` at a prompt: asked of IPython, as kernels and its terminal do."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.analysis.check import check_run
from assay.analysis.compare import compare_runs
from assay.analysis.sides import find_named_run, gather_sides
from assay.analysis.targets import judge_targets
from assay.analysis.trend import find_trends
from assay.catalog.targets import parse_target
from assay.core.display import presenters
from assay.core.errors import AssayError
from assay.report import notebook
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.in_hand import MOST_ROWS, report_of
from assay.report.values import Report, Section, Text
from assay.store import Store
from assay.store.selection import Selection

HTML, TEXT = "text/html", "text/plain"


stores = load_module("report.report_stores")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stores.fill_measured(tmp_path_factory.mktemp("notebook") / "store")  # type: ignore[no-any-return]


@pytest.fixture
def shell() -> Iterator[Any]:
    """An IPython shell as the kernel of a notebook has it: every media type is wanted."""
    interactive = pytest.importorskip("IPython.core.interactiveshell", reason="IPython is not installed")
    interactive.InteractiveShell.clear_instance()
    yield interactive.InteractiveShell.instance()
    interactive.InteractiveShell.clear_instance()


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The presenter as its entry point gives it, also where the package was installed before there was one."""
    monkeypatch.setattr(presenters, "_loaded", {**presenters._loaded, "notebook": notebook.present_in_notebook})


class Tags(HTMLParser):
    """Which elements a fragment has, and that each is closed."""

    VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "path", "use", "rect", "line", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def show(shell: Any, code: str, **names: object) -> dict[str, str]:
    """Run a cell, and return what IPython would send to the page for its value."""
    shell.user_ns.update(names)
    result = shell.run_cell(code, store_history=False, silent=False)
    assert result.success
    found: dict[str, str] = shell.display_formatter.format(result.result)[0]
    return found


# -- in IPython ------------------------------------------------------------------------------------------------


def test_results_are_a_table(shell: Any, measured: Store) -> None:
    shown = show(shell, "store.results(run_id=run_id)", store=measured, run_id=measured.find_run("last").run_id)
    assert "<table" in shown[HTML]
    assert "12.0 ms" in shown[HTML]
    assert "12.0 ms" in shown[TEXT]
    tags = Tags()
    tags.feed(shown[HTML])
    assert tags.open == []
    assert not tags.seen & {"script", "link", "iframe", "html", "body"}


def test_a_terminal_gets_text_and_no_html_is_made(shell: Any, measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> str:
        raise AssertionError("HTML was made that a terminal throws away")

    monkeypatch.setattr(notebook, "render_fragment", refuse)
    shell.display_formatter.active_types = [TEXT]  # as IPython.terminal.interactiveshell has it
    shown = show(shell, "store.results(run_id=run_id)", store=measured, run_id=measured.find_run("last").run_id)
    assert set(shown) == {TEXT}
    assert "12.0 ms" in shown[TEXT]


def test_every_answer_shows_itself(shell: Any, measured: Store) -> None:
    last, before = measured.find_run("last"), measured.find_run("last~9")
    groups = gather_sides(measured, [find_named_run(measured, one.run_id) for one in (before, last)])
    targets = [parse_target("p50_latency_ms <= 13")]
    answers: list[tuple[object, str]] = [
        (measured.results()[-1], "Every number"),
        (last, "nightly"),
        (compare_runs(measured, [group.side for group in groups]), "Case by case"),
        (check_run(measured, last), "Findings"),
        (find_trends(measured, Selection.of({}))[0], "Change points"),
        (judge_targets(measured.results(run_id=last.run_id), targets), "weight that is known"),
    ]
    for value, expected in answers:
        shown = show(shell, "value", value=value)
        assert expected in shown[HTML], type(value)
        assert shown[TEXT].strip()


def test_a_report_shows_itself(shell: Any, measured: Store) -> None:
    report = build_report(measured, "run", ReportRequest(run_ids=("last",), now=stores.NOW))
    if "_repr_mimebundle_" not in dir(Report):
        pytest.skip("Report does not derive from core.display.Displayed yet")
    shown = show(shell, "report", report=report)
    assert report.title in shown[HTML]
    assert report.title in shown[TEXT]


def test_lists_of_results_are_tables_with_the_extension(shell: Any, measured: Store) -> None:
    run_id = measured.find_run("last").run_id
    shell.extension_manager.load_extension("assay.report.notebook")
    shown = show(shell, "list(store.results(run_id=run_id))", store=measured, run_id=run_id)
    assert "<table" in shown[HTML]
    assert show(shell, "[1, 2]").keys() == {TEXT}


def test_without_templates_there_is_text(measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> str:
        raise AssayError("jinja2 is not installed")

    monkeypatch.setattr(notebook, "render_fragment", refuse)
    assert set(measured.results(limit=1)._repr_mimebundle_()) == {TEXT}
    assert measured.results(limit=1)._repr_html_() is None


# -- what is shown ---------------------------------------------------------------------------------------------


def test_a_large_set_is_counted_and_its_newest_are_shown(measured: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.report.in_hand.MOST_ROWS", 5)
    results = measured.results()
    report = report_of(results, time=stores.NOW)
    assert report is not None
    [table] = report.tables()
    assert len(table.rows) == 5
    assert report.title == f"The newest 5 of {results.count_rows()} results"
    assert results._records is None  # the others were not read
    newest = [one.result_id for one in results.newest(5)]
    assert [row[0].value for row in table.rows] == [one.case.workload for one in reversed(results.newest(5))]
    assert newest == [one.result_id for one in list(results)[-5:]]
    assert len(results.newest(5).newest(9)) == 5
    assert MOST_ROWS < 200


def test_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    report = report_of(Store.open(tmp_path / "store").results())
    assert report is not None
    assert report.title == "No results"
    assert "No results" in notebook.render_fragment(report)


def test_names_are_escaped_and_the_style_stays_inside(tmp_path: Path) -> None:
    store = stores.fill_hostile(tmp_path / "store")
    shown = store.results()._repr_mimebundle_()
    assert "<script>alert" not in shown[HTML]
    assert "&lt;script&gt;alert" in shown[HTML]
    [style] = re.findall(r"<style>(.*?)</style>", shown[HTML], re.DOTALL)
    outside = re.sub(r"\{[^{}]*\}", "", style)
    while "{" in outside:
        outside = re.sub(r"\{[^{}]*\}", "", outside)
    assert all("assay-report" in rule for rule in outside.split(",") if rule.strip())


def test_values_without_a_report_are_refused_by_name() -> None:
    assert report_of(3) is None
    assert notebook.present_in_notebook(3) is None
    with pytest.raises(AssayError, match="no report of a int"):
        notebook.display(3)


def test_display_gives_the_report_of_a_value(measured: Store) -> None:
    report = notebook.display(measured.find_run("last"))
    assert report.kind == "run"
    assert notebook.display(report) is report
    small = Report("x", "A title", stores.NOW, "0", sections=(Section("a", "A", (Text(("words",)),)),))
    assert "words" in notebook.render_fragment(small)
    assert dataclasses.is_dataclass(small)
