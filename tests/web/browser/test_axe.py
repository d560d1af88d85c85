"""No page has a serious or critical accessibility violation that axe finds: light and dark, desktop and phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

OpenPage = Callable[..., Any]
OF_COLOURS = ("color-contrast", "link-in-text-block")
"""Rules that a scheme can break; all others see the same elements in both."""


def test_no_serious_violation(
    open_page: OpenPage, site: Any, axe: Path, violations: Callable[..., list[str]], page_name: str
) -> None:
    page = open_page(f"{site.origin}{site.paths()[page_name]}", scripts=(axe,))
    found = {"desktop light": violations(page)}
    page.emulate_media(color_scheme="dark")
    found["desktop dark"] = violations(page, rules=OF_COLOURS)
    page.set_viewport_size({"width": 390, "height": 844})
    found["phone dark"] = violations(page)
    page.emulate_media(color_scheme="light")
    found["phone light"] = violations(page, rules=OF_COLOURS)
    assert {where: what for where, what in found.items() if what} == {}


def test_no_serious_violation_in_an_empty_store(
    open_page: OpenPage, empty_site: Any, axe: Path, violations: Callable[..., list[str]]
) -> None:
    page = open_page(f"{empty_site.origin}/", scripts=(axe,))
    assert violations(page) == []
