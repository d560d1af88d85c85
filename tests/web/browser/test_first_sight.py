"""A chart is there before the script that draws it is: seen while that never comes, and gone once it has drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OpenPage = Callable[..., Any]
NEVER = "Object.defineProperty(window, 'Plotly', {get: () => undefined, set: () => {}});"
"""The script comes and has no effect, as while it is still being fetched."""


@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_a_trend_is_seen_before_the_script_draws(open_page: OpenPage, site: Any, tmp_path: Path, width: str) -> None:
    held = tmp_path / "never.js"
    held.write_text(NEVER, encoding="utf-8")
    page = open_page(f"{site.origin}{site.paths()['series']}", width=width, scripts=(held,))
    sketch = page.locator(".app-plot > .first-sight").first
    assert page.locator(".js-plotly-plot").count() == 0
    box, within = sketch.bounding_box(), page.locator(".app-plot").first.bounding_box()
    assert box["height"] > 300
    assert box["width"] == pytest.approx(within["width"], abs=1)
    path = sketch.locator("path").first.bounding_box()
    assert within["x"] + 55 <= path["x"] <= path["x"] + path["width"] <= within["x"] + within["width"]
    held_at = [one.bounding_box() for one in sketch.locator("circle").all()]

    drawn = open_page(page.url, width=width)
    points = drawn.locator(".app-plot").first.locator(".scatterlayer .points path")
    points.first.wait_for()
    taken = [one.bounding_box() for one in points.all()]
    assert len(taken) == len(held_at) > 3
    for before, after in zip(held_at, taken, strict=True):
        assert before["y"] + before["height"] / 2 == pytest.approx(after["y"] + after["height"] / 2, abs=12)
    assert sketch.locator("text").count() > 4


def test_what_the_script_draws_takes_its_place(open_page: OpenPage, site: Any) -> None:
    page = open_page(f"{site.origin}{site.paths()['series']}")
    for plot in page.locator("[data-plot]").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for()
    page.wait_for_function("() => document.querySelectorAll('.app-plot.is-drawn').length > 0")
    assert page.locator(".app-plot.is-drawn .first-sight").count() == 0
