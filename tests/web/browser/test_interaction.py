"""What people do with pages: filter, sort, turn pages, search, choose columns, go back, use the keyboard, at night."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

OpenPage = Callable[..., Any]
FILTER = "form.app-form"


def query_of(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def rows_of(page: Any) -> list[str]:
    """The text of the first table's rows."""
    return [
        " ".join(text.split()) for text in page.locator("#results table tbody").first.locator("tr").all_inner_texts()
    ]


def until_address(page: Any, pattern: str) -> None:
    """Wait for an address and for what belongs to it: the content is swapped a moment before or after."""
    page.wait_for_url(re.compile(pattern))
    eventually(page, lambda: page.locator("[class*=htmx-]").count() == 0)


def eventually(page: Any, condition: Callable[[], bool]) -> None:
    """Wait for what comes after a request; the limit is for a test that would hang, not for speed."""
    for _ in range(300):
        if condition():
            return
        page.wait_for_timeout(50)
    assert condition()


def all_rows_have(page: Any, word: str) -> bool:
    rows = rows_of(page)
    return bool(rows) and all(word in row for row in rows)


# -- filters, addresses, Back ----------------------------------------------------------------------------------


def test_a_filter_is_an_address_and_back_and_forward_restore_both(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/trends")
    everything = rows_of(page)
    page.locator(f"{FILTER} select[name=engine]").select_option("openvino")
    until_address(page, r"engine=openvino")
    eventually(page, lambda: all_rows_have(page, " openvino "))
    narrowed = rows_of(page)
    assert 0 < len(narrowed) < len(everything)
    assert query_of(page) == {"engine": ["openvino"]}, "what is empty or usual is in the address too"

    page.locator(f"{FILTER} select[name=engine]").select_option("onnxruntime")
    until_address(page, r"engine=onnxruntime")
    eventually(page, lambda: all_rows_have(page, " onnxruntime "))

    page.go_back()
    until_address(page, r"engine=openvino")
    eventually(page, lambda: rows_of(page) == narrowed)
    assert page.locator(f"{FILTER} select[name=engine]").input_value() == "openvino"
    page.go_back()
    until_address(page, r"/trends$")
    eventually(page, lambda: rows_of(page) == everything)
    assert page.locator(f"{FILTER} select[name=engine]").input_value() == ""
    page.go_forward()
    until_address(page, r"engine=openvino")
    eventually(page, lambda: rows_of(page) == narrowed)


def test_an_address_opened_fresh_shows_the_same(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/results")
    page.locator(f"{FILTER} select[name=engine]").select_option("onnxruntime")
    until_address(page, r"engine=onnxruntime")
    eventually(page, lambda: all_rows_have(page, " onnxruntime "))
    fresh = open_page(page.url)
    assert rows_of(fresh) == rows_of(page)
    assert fresh.locator(f"{FILTER} select[name=engine]").input_value() == "onnxruntime"
    plain = open_page(page.url, javascript=False)
    assert rows_of(plain) == rows_of(page)


def test_a_filter_changes_only_what_it_is_about(open_page: OpenPage, site: Any) -> None:
    """Nothing is loaded again but the page itself, and a screen reader hears what came of it."""
    page = open_page(f"{site.origin}/results")
    before = len(page.watch.requested)
    page.locator(f"{FILTER} select[name=engine]").select_option("onnxruntime")
    until_address(page, r"engine=onnxruntime")
    asked = [url for url in page.watch.requested[before:] if "icon" not in url]  # of each address, says the browser
    assert all("/static/" not in url for url in asked), asked
    status = page.locator("#status")
    eventually(page, lambda: bool(re.search(r"\d+ results", status.text_content() or "")))


def test_filters_are_a_plain_form_without_scripts(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/trends", javascript=False)
    page.locator(f"{FILTER} select[name=engine]").select_option("openvino")
    page.locator(f"{FILTER} button[type=submit]").click()
    until_address(page, r"engine=openvino")
    assert all("openvino" in row for row in rows_of(page))
    assert not urlsplit(page.url).query.endswith("=")
    assert "=&" not in page.url


def test_the_twins_hold_what_the_page_shows(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/trends?engine=openvino")
    shown = len(rows_of(page))
    csv = page.request.get(page.locator(".app-twins a[href*='.csv']").evaluate("a => a.href"))
    assert csv.headers["content-type"].startswith("text/csv")
    assert csv.text().strip().count("\n") >= shown
    assert "onnxruntime" not in csv.text()
    answer = page.request.get(page.locator(".app-twins a[href*='.json']").evaluate("a => a.href"))
    assert answer.json()["kind"] == "trends"


# -- sorting, pages, search, columns ---------------------------------------------------------------------------


def test_headings_sort_by_mouse_and_by_enter(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/trends")
    heading = "#results th[scope=col] a.r-sort"
    assert page.locator("#results th[aria-sort]").count() == 1
    page.locator(heading, has_text="results").click()
    until_address(page, r"sort=-n")
    page.locator("#results th[aria-sort=descending]", has_text="results").wait_for()
    counts = [int(row) for row in page.locator("#results tbody tr td:nth-child(3)").all_inner_texts()]
    assert counts == sorted(counts, reverse=True)
    page.locator(heading, has_text="results").focus()
    page.keyboard.press("Enter")
    until_address(page, r"sort=n")
    page.locator("#results th[aria-sort=ascending]", has_text="results").wait_for()
    counts = [int(row) for row in page.locator("#results tbody tr td:nth-child(3)").all_inner_texts()]
    assert counts == sorted(counts)


def test_a_long_list_has_pages_and_every_row_is_on_one(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/results")
    first = rows_of(page)
    page.locator(".app-pages a[rel=next]").first.click()
    until_address(page, r"page=2")
    eventually(page, lambda: rows_of(page) != first)
    assert len(first) == 50
    assert set(first).isdisjoint(rows_of(page))
    page.go_back()
    until_address(page, r"/results$")
    eventually(page, lambda: rows_of(page) == first)


def test_typing_searches_and_the_caret_stays(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/trends")
    field = page.locator(f"{FILTER} input[name=q]")
    field.click()
    page.keyboard.type("vit/ba", delay=10)
    until_address(page, r"q=vit")
    eventually(page, lambda: all_rows_have(page, "vit/base"))
    assert page.evaluate("() => document.activeElement.name") == "q"
    page.keyboard.type("se")
    until_address(page, r"q=vit%2Fbase")
    assert field.input_value() == "vit/base"


def test_the_search_on_top_finds_workloads_runs_and_devices(open_page: OpenPage, site: Any) -> None:
    page = open_page(site.origin)
    page.locator("header input[name=q]").fill("bert")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/search\?q=bert"))
    assert page.locator("main a", has_text="bert/base").count() > 0


def test_columns_can_be_chosen_and_are_in_the_address(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/runs")
    usual = page.locator("#results thead th").all_inner_texts()
    page.get_by_text("More filters and columns").click()
    page.get_by_label("took", exact=True).check()
    until_address(page, r"took")
    eventually(page, lambda: page.locator("#results thead th").count() == len(usual) + 1)
    chosen = page.locator("#results thead th").all_inner_texts()
    fresh = open_page(page.url)
    assert fresh.locator("#results thead th").all_inner_texts() == chosen


# -- charts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["overview", "run", "compare", "series", "matrix"])
def test_charts_are_drawn_and_can_be_hovered(open_page: OpenPage, site: Any, name: str) -> None:
    page = open_page(f"{site.origin}{site.paths()[name]}")
    plot = page.locator(".js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    plot.locator(".main-svg").first.wait_for()
    assert plot.locator("path").count() > 0
    box = plot.bounding_box()
    assert box["height"] > 150
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_a_chart_follows_the_theme(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}{site.paths()['series']}")
    label = page.locator(".js-plotly-plot .xtick text, .js-plotly-plot .ytick text").first
    label.wait_for()
    light = label.evaluate("text => getComputedStyle(text).fill")
    page.locator("[data-theme-toggle]").click()
    page.locator("html[data-theme=dark]").wait_for()
    page.wait_for_timeout(500)
    assert (
        page.locator(".js-plotly-plot .ytick text, .js-plotly-plot .xtick text").first.evaluate(
            "text => getComputedStyle(text).fill"
        )
        != light
    )


# -- theme, keyboard, phone ------------------------------------------------------------------------------------


def test_the_theme_is_chosen_once(open_page: OpenPage, site: Any) -> None:
    page = open_page(site.origin)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("[data-theme-toggle]").click()
    page.locator("html[data-theme=dark]").wait_for()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(f"{site.origin}/runs")
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark


def test_the_system_s_theme_is_followed(open_page: OpenPage, site: Any) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert open_page(site.origin).evaluate(ground) != open_page(site.origin, scheme="dark").evaluate(ground)
    plain = open_page(site.origin, scheme="dark", javascript=False)
    assert plain.evaluate(ground) == open_page(site.origin, scheme="dark").evaluate(ground)


def test_the_first_tab_skips_to_the_content(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}/runs")
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    assert link.get_attribute("href") == "#main"
    assert link.bounding_box()["x"] >= 0, "the link is not to be seen when it has the focus"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"


@pytest.mark.parametrize("name", ["trends", "runs", "result"])
def test_the_focus_goes_down_the_page_and_can_be_seen(open_page: OpenPage, site: Any, name: str) -> None:
    page = open_page(f"{site.origin}{site.paths()[name]}")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        where = page.evaluate(
            """() => {
              const element = document.activeElement, style = getComputedStyle(element);
              const all = [...document.querySelectorAll('*')];
              const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
              const ring = outline || style.boxShadow !== 'none';
              return [all.indexOf(element), ring, element.outerHTML.slice(0, 100)];
            }"""
        )
        seen.append(where)
    inside = [where for where in seen if not where[2].startswith(("<html", "<body"))]
    places = [place for place, _, _ in inside]
    assert places == sorted(places), "the focus jumps"
    assert [what for _, ring, what in inside if not ring] == [], "no ring around what has the focus"


def test_everything_can_be_reached_on_a_phone(open_page: OpenPage, site: Any) -> None:
    page = open_page(site.origin, width="phone")
    page.locator("header details summary").click()
    page.get_by_role("link", name="Trends").first.click()
    page.wait_for_url(re.compile(r"/trends"))
    small = page.locator("header a, header button, header summary, .app-pages a, main form button").evaluate_all(
        "all => all.filter(one => one.checkVisibility() && (one.getBoundingClientRect().height < 24 || "
        "one.getBoundingClientRect().width < 24)).map(one => one.outerHTML.slice(0, 100))"
    )
    assert small == [], "too small for a thumb (24 px: WCAG 2.2, 2.5.8)"


def test_a_command_can_be_copied(open_page: OpenPage, empty_site: Any) -> None:
    page = open_page(empty_site.origin)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator("[data-copy]").first
    expected = button.get_attribute("data-copy")
    button.click()
    page.wait_for_timeout(200)
    assert page.evaluate("() => navigator.clipboard.readText()") == expected
