"""The dashboard as files: every link leads to a file, nothing is asked of anybody, nobody's folder is overwritten."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from assay.core.errors import UsageError
from assay.store import Store
from assay.web.settings import ServeSettings
from assay.web.site import MARKER, SiteReport, file_of, write_site

SMALL_STORE = Path(__file__).parent / "browser" / "small_store.py"


class Links(HTMLParser):
    """Every address of a page, and whether anything on it needs a server."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []
        self.htmx: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"href", "src", "srcset", "action"} and value is not None:
                self.found.append(value)
            if name.startswith("hx-"):
                self.htmx.append(name)


def read(page: Path) -> Links:
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = importlib.util.spec_from_file_location("site_small_store", SMALL_STORE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("site") / "store"
    module.fill_store(folder)
    return str(folder)


@pytest.fixture(scope="module")
def site(location: str, tmp_path_factory: pytest.TempPathFactory) -> SiteReport:
    heard: list[str] = []
    report = write_site(
        ServeSettings(store=location), tmp_path_factory.mktemp("out") / "site", listener=heard.append, most_pages=60
    )
    assert heard[0] == "/"
    return report


def pages(report: SiteReport) -> Iterator[tuple[Path, Links]]:
    for page in report.folder.rglob("*.html"):
        yield page, read(page)


def test_every_kind_of_page_is_there_and_none_failed(site: SiteReport) -> None:
    assert site.failed == ()
    assert site.left_out > 0  # the limit of this test is below what the store would fill
    for name in ("", "runs", "trends", "devices", "workloads", "matrix", "kpi", "store", "method"):
        assert (site.folder / name / "index.html").is_file(), name
    assert site.size_bytes == sum(path.stat().st_size for path in site.folder.rglob("*") if path.is_file())


def test_every_link_leads_to_a_file_of_the_site(site: SiteReport) -> None:
    root = site.folder.resolve()
    count = 0
    for page, links in pages(site):
        for link in links.found:
            parts = urlsplit(link)
            if parts.scheme or not parts.path:
                assert parts.scheme in {"", "https"}, link  # citations of sources, which a reader may follow
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            assert target.is_relative_to(root), (page, link)
            assert target.is_file(), (page, link)
            count += 1
    assert count > 100


def test_nothing_on_a_page_needs_a_server(site: SiteReport) -> None:
    for page, links in pages(site):
        assert "form" not in links.tags, page
        assert links.htmx == [], page
        assert "/live" not in page.read_text(encoding="utf-8").replace("/live.", ""), page


def test_an_empty_store_gives_pages_that_teach_and_writing_again_the_same_names(tmp_path: Path) -> None:
    Store.open(tmp_path / "store")
    settings, folder = ServeSettings(store=str(tmp_path / "store")), tmp_path / "out" / "site"
    report = write_site(settings, folder)
    assert report.failed == ()
    assert "assay run" in (folder / "index.html").read_text(encoding="utf-8")
    assert (folder / MARKER).is_file()
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    (folder / "old.html").write_text("of an earlier store", encoding="utf-8")
    write_site(settings, folder)
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} == names
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path / "store")
    settings = ServeSettings(store=str(tmp_path / "store"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(UsageError, match="holds other files"):
        write_site(settings, tmp_path / "home")
    with pytest.raises(UsageError, match="is a file"):
        write_site(settings, tmp_path / "home" / "letter.txt")
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["letter.txt"]


@pytest.mark.parametrize(("target", "media_type", "name"), [
    ("/", "text/html", "index.html"),
    ("/runs", "text/html", "runs/index.html"),
    ("/runs.csv", "text/csv", "runs.csv"),
    ("/static/app.css?v=12", "text/css", "static/app.css"),
])  # fmt: skip
def test_plain_addresses_keep_their_names(target: str, media_type: str, name: str) -> None:
    assert file_of(target, media_type) == name


@pytest.mark.parametrize("target", [
    "/devices?name=..%2F..%2Fetc%2Fpasswd", "/runs/..%2F..%2Fetc", "/runs/" + "x" * 300, "/a%00b", "/..",
    "/devices?name=a",
])  # fmt: skip
def test_odd_addresses_become_names_that_stay_inside(target: str) -> None:
    name = Path(file_of(target, "text/html"))
    assert not name.is_absolute()
    assert ".." not in name.parts
    assert name.suffix == ".html"
    assert len(str(name)) < 100
    assert file_of(target + "1", "text/html") != str(name)
