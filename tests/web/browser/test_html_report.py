"""The HTML report is one file: opened from a disk with the network cut off it is whole, and asks nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.report.base import RenderOptions, ReportRequest, renderers
from assay.report.build import build_report
from assay.store import Store

OpenPage = Callable[..., Any]
KINDS = ("run", "comparison", "summary", "matrix")
LARGEST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def reports(small_store: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each kind."""
    location, facts = small_store
    store = Store.open(location)
    runs = {"run": (facts.run_id,), "comparison": (facts.other_run_id, facts.run_id)}
    folder = tmp_path_factory.mktemp("reports")
    files = {}
    for kind in KINDS:
        report = build_report(store, kind, ReportRequest(run_ids=runs.get(kind, ())))
        files[kind] = folder / f"{kind}.html"
        files[kind].write_bytes(renderers.get("html").render(report, RenderOptions()))
    return files


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_it_is_whole_without_a_network(
    open_page: OpenPage, reports: dict[str, Path], kind: str, *, javascript: bool
) -> None:
    path = reports[kind]
    assert path.stat().st_size < LARGEST_BYTES
    page = open_page(path.as_uri(), javascript=javascript, offline=True)
    assert page.watch.requested == [path.as_uri()]
    assert page.locator("h1").count() == 1
    assert page.locator("table tbody tr:visible").count() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_accessible_and_fits_a_phone(
    open_page: OpenPage, reports: dict[str, Path], axe: Path, violations: Callable[..., list[str]], kind: str
) -> None:
    page = open_page(reports[kind].as_uri(), scripts=(axe,), offline=True)
    found = {"desktop light": violations(page)}
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    found["phone dark"] = violations(page)
    assert {where: what for where, what in found.items() if what} == {}
    width, inner = page.evaluate("() => [document.scrollingElement.scrollWidth, innerWidth]")
    assert width <= inner


def test_on_paper_nothing_is_cut_off(browser: Any, reports: dict[str, Path], tmp_path: Path) -> None:
    """Printing shows notes that are folded on a screen, and the whole of tables that scroll there.

    The numbers behind a figure stay folded: on paper they would be most of it.
    """
    context = browser.new_context()
    page = context.new_page()
    page.goto(reports["run"].as_uri())
    page.emulate_media(media="print")
    hidden = page.locator("details.r-notes:not(.r-data) > *:not(summary)").evaluate_all(
        "all => all.filter(one => !one.checkVisibility()).map(one => one.outerHTML.slice(0, 100))"
    )
    assert hidden == []
    cut = page.locator(".r-scroll").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    )
    assert cut == 0
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000
    context.close()


def test_a_hostile_name_is_text(open_page: OpenPage, small_store: tuple[Path, Any], tmp_path: Path) -> None:
    location, _ = small_store
    store = Store.open(location)
    (run,) = store.runs(suite="matrix")
    path = tmp_path / "hostile.html"
    path.write_bytes(
        renderers.get("html").render(build_report(store, "run", ReportRequest(run_ids=(run.run_id,))), RenderOptions())
    )
    page = open_page(path.as_uri(), offline=True)
    assert "broken" not in page.title()
    assert page.get_by_text("mine:<script>").count() > 0
