"""Every page in Chromium: nothing fails, nobody else is asked, nothing sticks out, and it is there without JavaScript.

``open_page`` fails the test for any error in the console, any failed request and any request to another origin.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

OpenPage = Callable[..., Any]
WITH_TABLES = (
    "runs",
    "run",
    "result",
    "compare",
    "trends",
    "series",
    "devices",
    "workloads",
    "matrix",
    "store",
    "search",
)
WITH_FIGURES = ("run", "compare", "series", "matrix")
CONTENT = {"tables": "table", "rows": "tbody tr", "figures": "figure", "links": "a[href]"}
STICKING_OUT = """
() => [...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.right <= innerWidth + 1) return false;
  for (let up = element.parentElement; up; up = up.parentElement) {
    if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) return false;
  }
  return true;
}).slice(0, 5).map(element => element.outerHTML.slice(0, 120))
"""


def test_a_page_loads_alone_fits_a_phone_and_is_the_same_without_javascript(
    open_page: OpenPage, site: Any, page_name: str
) -> None:
    address = f"{site.origin}{site.paths()[page_name]}"
    page = open_page(address)
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").inner_text().strip()
    for plot in page.locator("[data-plot]").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for()
    assert all(url.startswith((site.origin, "data:", "blob:")) for url in page.watch.requested)
    shown = content_of(page)
    assert shown["rows"] > 0 or page_name not in WITH_TABLES
    assert shown["figures"] > 0 or page_name not in WITH_FIGURES

    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(250)  # charts follow the window a little later
    width, inner = page.evaluate("() => [document.scrollingElement.scrollWidth, innerWidth]")
    assert width <= inner, page.evaluate(STICKING_OUT)

    plain = open_page(address, javascript=False)
    assert content_of(plain) == shown
    for picture in plain.locator("main figure picture img").all()[:1]:
        picture.scroll_into_view_if_needed()
        source = plain.request.get(picture.evaluate("img => img.currentSrc || img.src"))
        assert source.headers["content-type"] == "image/svg+xml"
        assert picture.get_attribute("alt")
        assert picture.bounding_box()["height"] > 100


def content_of(page: Any) -> dict[str, Any]:
    """What a page holds, whoever draws its figures."""
    main = page.locator("main")
    counts = {name: main.locator(part).count() for name, part in CONTENT.items()}
    return {"heading": page.locator("h1").inner_text(), **counts}


def kind_of(link: str) -> str:
    """What two links to the same kind of page have in common: the path without ids, the names of the query."""
    parts = urlsplit(link)
    path = re.sub(r"/[0-9a-f]{8}[0-9a-f-]*", "/{id}", parts.path)
    return f"{path}?{'&'.join(sorted(name for name, _ in parse_qsl(parts.query, keep_blank_values=True)))}"


def test_every_page_has_a_title_of_its_own_and_links_that_lead_somewhere(open_page: OpenPage, site: Any) -> None:
    """Of links of one kind the first is followed. Twins (JSON, CSV, pictures) have tests of their own."""
    page = open_page(site.origin, javascript=False)
    titles: dict[str, str] = {}
    kinds: dict[str, tuple[str, str]] = {}
    for name, path in site.paths().items():
        page.goto(f"{site.origin}{path}")
        titles[name] = page.title()
        for link in page.locator("a[href]").evaluate_all("links => links.map(link => link.href.split('#')[0])"):
            if link.startswith(f"{site.origin}/") and not urlsplit(link).path.endswith((".json", ".csv", ".svg")):
                kinds.setdefault(kind_of(link), (link, name))
    assert len(set(titles.values())) == len(titles), titles
    assert len(kinds) > len(titles)
    broken = {}
    for link, name in kinds.values():
        answer = page.request.get(link, max_redirects=5)
        if answer.status != 200:
            broken[link] = f"{answer.status}, on {name}"
    assert not broken


def test_a_page_that_is_not_there_says_so_and_leads_on(browser: Any, site: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f"{site.origin}/runs/nothing-of-that-name")
    assert answer.status == 404
    assert page.locator("h1").count() == 1
    assert "nothing-of-that-name" in page.locator("main").inner_text()
    assert page.locator("a[href$='/runs']").count() > 0
    context.close()


@pytest.mark.parametrize(
    "name", ["overview", "runs", "trends", "devices", "workloads", "matrix", "decide", "kpi", "store"]
)
def test_an_empty_store_says_what_to_do(open_page: OpenPage, empty_site: Any, name: str) -> None:
    path = "/" if name == "overview" else f"/{name}"
    page = open_page(f"{empty_site.origin}{path}")
    assert page.locator("h1").count() == 1
    assert "assay " in page.locator("main").inner_text(), "no command is shown that would fill it"


def test_a_hostile_name_is_text(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/search?q=mine")
    assert "broken" not in page.title()
    assert page.locator("main script").count() == 0
    page.goto(f"{site.origin}/workloads")
    assert "broken" not in page.title()
