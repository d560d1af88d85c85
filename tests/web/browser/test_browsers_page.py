"""The page on browsers, in one: it can be read by everybody, fits a phone, and asks nobody else for anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

OpenPage = Callable[..., Any]


def test_the_page_on_browsers_has_no_serious_violation(
    open_page: OpenPage, browsers_site: Any, axe: Path, violations: Callable[..., list[str]]
) -> None:
    page = open_page(f"{browsers_site.origin}/web", scripts=(axe,))
    found = {"desktop light": violations(page)}
    page.emulate_media(color_scheme="dark")
    found["desktop dark"] = violations(page)
    page.set_viewport_size({"width": 390, "height": 844})
    found["phone dark"] = violations(page)
    assert {where: what for where, what in found.items() if what} == {}


def test_the_page_on_browsers_fits_a_phone_and_draws_its_figures(open_page: OpenPage, browsers_site: Any) -> None:
    page = open_page(f"{browsers_site.origin}/web", width="phone")
    assert page.locator("h1").count() == 1
    assert page.locator("figure").count() >= 2
    for plot in page.locator("[data-plot]").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    assert all(url.startswith((browsers_site.origin, "data:", "blob:")) for url in page.watch.requested)


def test_the_page_on_browsers_says_the_same_without_javascript(open_page: OpenPage, browsers_site: Any) -> None:
    texts = [
        open_page(f"{browsers_site.origin}/web", javascript=javascript).locator("main table").first.inner_text().split()
        for javascript in (True, False)
    ]
    assert texts[0] == texts[1]
    assert texts[0]
