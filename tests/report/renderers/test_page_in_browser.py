"""The page with every hostile name in it, in a real Chromium with the network cut off: its script, its width, axe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.report.renderers.html import render_html
from assay.report.values import Report

AXE = Path(__file__).parents[2] / "web" / "browser" / "vendor" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of the system; where it is missing the tests are skipped, and fail in CI."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("there is no Chromium on this machine; tools/install_browsers.py installs one")
    assert path is not None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page_file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report with its figures drawn, as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(report), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, page_file: Path) -> Iterator[Any]:
    """The page, opened offline; whatever it says or asks for fails the test."""
    context = browser.new_context(offline=True, viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    opened.on("request", lambda request: said.append(f"asked for {request.url}"))
    opened.goto(page_file.as_uri())
    said.remove(f"asked for {page_file.as_uri()}")
    yield opened
    context.close()
    assert said == []


def test_headings_sort_by_value_and_what_is_missing_stays_last(page: Any) -> None:
    table = page.locator("#results table")
    heading = table.locator("thead th").nth(2)
    for order, first in (("ascending", "onnxruntime"), ("descending", "llama-70b")):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == order
        rows = table.locator("tbody tr").all_inner_texts()
        assert first in rows[0]
        assert "whisper" in rows[-1]


def test_rows_are_filtered_and_counted(page: Any) -> None:
    block = page.locator("#names-b")
    block.locator("input").fill("drop TABLE")
    assert block.locator("tbody tr:visible").count() == 1
    assert block.locator("[role=status]").inner_text() == "1 of 21"
    block.locator("input").fill("")
    assert block.locator("tbody tr:visible").count() == 21


def test_the_theme_is_switched(page: Any) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    before = paper()
    page.get_by_role("button", name="Dark theme").click()
    assert paper() != before
    page.get_by_role("button", name="Light theme").click()
    assert paper() == before


def test_a_phone_scrolls_tables_and_not_the_page(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator("#results .r-scroll")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    box.evaluate("box => { box.scrollLeft = 200 }")
    assert page.locator("#results tbody th").first.bounding_box()["x"] == box.bounding_box()["x"]


def test_long_texts_unfold_with_the_keyboard(page: Any) -> None:
    details = page.locator("#names-b details.r-long").first
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    assert len(details.locator("> bdi").inner_text()) > 10_000


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_nothing_is_in_the_way_of_anybody(browser: Any, page_file: Path, scheme: str, width: int) -> None:
    # Axe is put into the page, which its policy forbids to any script but its own.
    context = browser.new_context(
        offline=True, bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    opened = context.new_page()
    opened.goto(page_file.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    opened.add_script_tag(path=str(AXE))
    found = opened.evaluate("axe.run(document)")["violations"]
    context.close()
    assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found] == []


def test_without_a_script_everything_is_there(browser: Any, page_file: Path) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    opened = context.new_page()
    opened.goto(page_file.as_uri())
    assert opened.locator("#results tbody tr").count() == 6
    assert opened.locator("#results tbody tr").first.is_visible()
    assert opened.locator("svg[role=img]").count() >= 3
    assert opened.locator(".r-tools, .r-filter").count() == 0
    context.close()
