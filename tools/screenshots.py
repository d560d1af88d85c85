"""Pictures of every page of the dashboard, at desktop and phone width, light and dark, and one sheet of them all.

To be looked at by a person: what tests cannot see. Serves a store in this process and opens it in the Chromium that the
browser tests use (``tools/install_browsers.py`` installs it):

    python tools/screenshots.py pictures --store some/store
    python tools/screenshots.py pictures --store some/store --page overview --page series --scheme dark
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from assay.store import Store

WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
TALLEST_PX = 6000
_TRUSTED = "usable AND provenance = 'measured' AND verdict = 'trusted'"
_RUNS = f"""
WITH own AS (SELECT DISTINCT run_id, series_id FROM results WHERE {_TRUSTED}),
     pairs AS (SELECT a.run_id AS a, b.run_id AS b, count(*) AS n FROM own a JOIN own b USING (series_id)
               WHERE a.run_id > b.run_id GROUP BY ALL ORDER BY n DESC, a DESC, b DESC LIMIT 1)
SELECT a FROM pairs UNION ALL SELECT b FROM pairs
"""  # noqa: S608  (a constant)
"""The two runs that have most series in common, the newer one first."""
_RESULT = f"SELECT result_id FROM results WHERE {_TRUSTED} ORDER BY len(metrics) DESC, measured_at DESC LIMIT 1"  # noqa: S608  (a constant)
_SERIES = f"SELECT series_id FROM results WHERE {_TRUSTED} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"  # noqa: S608  (a constant)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: ``wider_by`` is how many pixels the page's content sticks out to the right."""

    page: str
    scheme: str
    width: str
    file: Path
    height: int
    wider_by: int
    problems: tuple[str, ...]


def main() -> int:
    """Take the pictures, say what was odd, and return 1 where a page could not be shown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--store", help="the store to show; as everywhere, $ASSAY_STORE or the default one")
    parser.add_argument("--page", action="append", help="only this page; may be given several times")
    parser.add_argument("--scheme", action="append", choices=SCHEMES)
    parser.add_argument("--width", action="append", choices=list(WIDTHS))
    parser.add_argument("--browser", help="a Chromium or Chrome; the usual names are tried otherwise")
    chosen = parser.parse_args()
    browser = find_browser(chosen.browser)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    store = Store.open(chosen.store, create=False)
    pages = {name: path for name, path in page_paths(store).items() if not chosen.page or name in chosen.page}
    if not pages:
        sys.stderr.write(f"No such page. Pages: {', '.join(page_paths(store))}\n")
        return 1
    shots = []
    with serving(store.location) as origin, opened(browser) as chromium:
        for scheme in chosen.scheme or SCHEMES:
            for width in chosen.width or WIDTHS:
                for name, path in pages.items():
                    shot = take(chromium, f"{origin}{path}", name, scheme, width, chosen.folder)
                    shots.append(shot)
                    sys.stdout.write(describe(shot))
        sheets = draw_sheets(chromium, shots, chosen.folder)
    sys.stdout.write(f"{len(shots)} pictures and {', '.join(sheets)} in {chosen.folder}\n")
    return 1 if any(shot.problems for shot in shots) else 0


def page_paths(store: Store) -> dict[str, str]:
    """Return the address of every page by name, with ids of what the store has most of: there is most to see."""
    paths = {"overview": "/", "runs": "/runs", "results": "/results", "trends": "/trends"}
    for name, run in zip(("run", "other"), pick(store, _RUNS), strict=False):
        paths[name] = f"/runs/{run}"
    if "other" in paths:
        a, b = paths.pop("other").rpartition("/")[2], paths["run"].rpartition("/")[2]
        paths["compare"] = f"/compare?a={a}&b={b}"
    if results := pick(store, _RESULT):
        paths["result"] = f"/results/{results[0]}"
    if series := pick(store, _SERIES):
        paths["series"] = f"/series/{series[0]}"
    names = ("devices", "workloads", "matrix", "decide", "kpi", "store", "method", "live")
    return paths | {name: f"/{name}" for name in names} | {"search": "/search?q=bert", "not-found": "/runs/nothing"}


def pick(store: Store, sql: str) -> list[str]:
    """Return the first column of a query."""
    return [str(value) for value in store.query(sql).column(0).to_pylist()]


def take(browser: Any, url: str, name: str, scheme: str, width: str, folder: Path) -> Shot:
    """Open one page and take a picture of all of it, as far down as anybody scrolls."""
    size = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce",
        device_scale_factor=2 if width == "phone" else 1,
    )  # fmt: skip
    problems: list[str] = []
    expected = 404 if name == "not-found" else 200
    context.on("weberror", lambda error: problems.append(f"uncaught: {error.error}"))

    def said(message: Any) -> None:
        if message.type == "error" and expected == 200:  # noqa: PLR2004
            problems.append(message.text)

    context.on("console", said)
    page = context.new_page()
    answer = page.goto(url, wait_until="load")
    if answer.status != expected:
        problems.append(f"status {answer.status}")
    page.wait_for_timeout(1200)  # charts draw themselves after the page has loaded
    height, wider_by = page.evaluate(
        "() => { const e = document.scrollingElement; return [e.scrollHeight, e.scrollWidth - innerWidth] }"
    )
    file = folder / f"{name}-{width}-{scheme}.png"
    shown = min(height, TALLEST_PX)
    page.set_viewport_size({"width": size[0], "height": max(size[1], shown)})
    page.wait_for_timeout(300)
    page.screenshot(path=file, clip={"x": 0, "y": 0, "width": size[0], "height": shown})
    context.close()
    return Shot(name, scheme, width, file, height, max(0, wider_by), tuple(dict.fromkeys(problems)))


def describe(shot: Shot) -> str:
    """Return one line about a picture."""
    odd = [f"{shot.wider_by} px too wide"] if shot.wider_by else []
    odd += [f"only the first {TALLEST_PX} px shown"] if shot.height > TALLEST_PX else []
    odd += list(shot.problems)
    return f"{shot.file.name:36} {shot.height:6} px tall  {'; '.join(odd)}\n"


def draw_sheets(browser: Any, shots: list[Shot], folder: Path) -> list[str]:
    """Draw the tops of all pictures of one width side by side, light over dark; return the files' names."""
    sheets = []
    for width in WIDTHS:
        rows = [[shot for shot in shots if (shot.width, shot.scheme) == (width, scheme)] for scheme in SCHEMES]
        if not any(rows):
            continue
        shown = 300 if width == "desktop" else 150
        cells = "".join(
            f"<div class=row>{''.join(_thumbnail(shot, shown) for shot in row)}</div>" for row in rows if row
        )
        sheet = folder / f"sheet-{width}.html"
        sheet.write_text(_SHEET.replace("CELLS", cells), encoding="utf-8")
        page = browser.new_page(viewport={"width": shown * 6 + 120, "height": 200})
        page.goto(sheet.resolve().as_uri())
        page.screenshot(path=folder / f"sheet-{width}.png", full_page=True)
        page.close()
        sheets.append(f"sheet-{width}.png")
    return sheets


def _thumbnail(shot: Shot, pixels: int) -> str:
    name = escape(shot.page)
    picture = f'<img src="{escape(shot.file.name)}" alt="{name}">'
    return f'<figure><div style="width:{pixels}px">{picture}</div><figcaption>{name}</figcaption></figure>'


_SHEET = """<!doctype html><meta charset=utf-8><title>Pages</title><style>
body { margin: 12px; background: #888; font: 12px system-ui } .row { display: flex; flex-wrap: wrap; gap: 12px }
figure { margin: 0 0 8px } figure div { aspect-ratio: 3/4; overflow: hidden } img { width: 100%; display: block }
</style>CELLS"""


@contextmanager
def serving(location: str) -> Iterator[str]:
    """Serve a store on loopback, in a thread of this process."""
    import uvicorn

    from assay.web.app import create_app
    from assay.web.settings import ServeSettings

    app = create_app(ServeSettings(store=location, requests_per_minute=1_000_000))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.live.stop()
        server.should_exit = True
        thread.join(20)


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """Open a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-dev-shm-usage"])
        yield browser
        browser.close()


def find_browser(named: str | None) -> str:
    """Return the path of a browser; ends the program where there is none."""
    wanted = [name for name in (named, os.environ.get("ASSAY_TEST_BROWSER")) if name] or list(_BROWSERS)
    found = next((path for path in map(shutil.which, wanted) if path), None)
    if found is None:
        sys.exit(f"No browser: {', '.join(wanted)} not found. Run tools/install_browsers.py.")
    return found


if __name__ == "__main__":
    sys.exit(main())
