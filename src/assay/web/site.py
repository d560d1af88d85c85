"""The dashboard as a folder of files: the same pages, without a server.

The application is asked in this process, from the overview along its own links. What a page is called as a file depends
on its address alone, so writing twice gives the same names; links become relative, so the folder works from a disk and
under any address. May import: core, web.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import relpath
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from assay.core.errors import AssayError, UsageError
from assay.web.asgi import Answer, ask
from assay.web.settings import ServeSettings

MARKER = "assay-site.txt"
MOST_PAGES = 5_000
_NOT_FOR_FILES = ("/api/", "/live", "/login", "/logout", "/search", "/docs", "/metrics")
_FOLLOWED_PARAMETERS = frozenset({"name", "page", "id", "v", "table", "figure", "dark"})
"""Queries of links that lead to pages of their own. Sorting and filtering need a server."""
_SUFFIXES = {
    "text/html": ".html", "application/json": ".json", "text/csv": ".csv", "image/svg+xml": ".svg", "image/png": ".png",
}  # fmt: skip
_ATTRIBUTE = re.compile(r"""(?<![\w:-])(href|src|srcset|action)\s*=\s*"([^"]*)\"""")
_PLAIN = re.compile(r"[\w./-]{0,150}", re.ASCII)
_DEVICES = {"con", "prn", "aux", "nul", *(f"{word}{number}" for word in ("com", "lpt") for number in range(1, 10))}
_HTMX = re.compile(r"""\s(?:data-)?hx-[\w:.-]+(?:="[^"]*")?""")


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What was written: pages, other files, bytes.

    ``left_out`` counts pages beyond the limit, ``failed`` says which did not come.
    """

    folder: Path
    pages: int
    files: int
    size_bytes: int
    left_out: int
    failed: tuple[str, ...]


def write_site(
    settings: ServeSettings,
    folder: Path,
    *,
    listener: Callable[[str], None] = lambda _line: None,
    most_pages: int = MOST_PAGES,
) -> SiteReport:
    """Write the dashboard of a store into a folder, replacing an earlier site there as one step.

    ``listener`` hears the address of each page. Raises UsageError for a folder that holds anything else, StoreError
    where there is no store, AssayError where the overview itself fails.
    """
    _check_folder(folder)
    from assay.web.app import create_app

    app = create_app(replace(settings, is_static=True, root_path="", host="127.0.0.1", hosts=(), token_hashes=()))
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        crawl = _Crawl(app, draft, listener, most_pages)
        asyncio.run(crawl.run())
        (draft / MARKER).write_text(
            "Written by `assay report --site`. A folder with this file may be written anew.\n", encoding="utf-8"
        )
        draft.chmod(0o755)
        _swap(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    files = [path for path in folder.rglob("*") if path.is_file()]
    return SiteReport(
        folder, crawl.pages, len(files), sum(path.stat().st_size for path in files), crawl.left_out, tuple(crawl.failed)
    )


def file_of(target: str, media_type: str) -> str:
    """Name the file of an address: ``/runs`` is ``runs/index.html``; a query or odd name becomes a hash.

    The type decides the ending, where the address has none that fits.
    """
    parts = urlsplit(target)
    path = PurePosixPath(unquote(parts.path).lstrip("/"))
    suffix = _SUFFIXES.get(media_type, "")
    is_plain = _PLAIN.fullmatch(str(path)) is not None and not any(_is_odd(part) for part in path.parts)
    if parts.path.startswith("/static/") and is_plain:
        return str(path)
    if media_type == "text/html" and is_plain and not parts.query and path.suffix != ".html":
        return str(path / "index.html") if path.parts else "index.html"
    if is_plain and not parts.query and path.suffix == suffix:
        return str(path)
    digest = sha256(target.encode()).hexdigest()[:12]
    top = path.parts[0] if is_plain and path.parts else "page"
    return f"{PurePosixPath(top).stem}/{digest}{suffix}"


def _is_odd(part: str) -> bool:
    """True for ``..``, and for what Windows does not take as a name: a device's, or one that ends with a dot."""
    return part.endswith(".") or part.partition(".")[0].lower() in _DEVICES


class _Crawl:
    """Asks for pages breadth first, and writes them once it is known what every link became."""

    def __init__(self, app: object, folder: Path, listener: Callable[[str], None], most_pages: int) -> None:
        self._app = app
        self._folder = folder
        self._listener = listener
        self._most_pages = most_pages
        self._answers: dict[str, Answer] = {}
        self.failed: list[str] = []
        self.left_out = 0
        self.pages = 0

    async def run(self) -> None:
        waiting = deque(["/"])
        seen = {"/"}
        while waiting:
            target = waiting.popleft()
            self._listener(target)
            answer = await ask(self._app, target)
            if answer.status != 200:  # noqa: PLR2004
                if target == "/":
                    raise AssayError(f"The overview answered {answer.status}; nothing was written.")
                self.failed.append(f"{target}: {answer.status}")
                continue
            self._answers[target] = answer
            if answer.media_type != "text/html":
                continue
            self.pages += 1
            for found in _links_of(answer.body.decode()):
                leads = _resolve(found, target)
                if leads is None or leads in seen:
                    continue
                if len(seen) >= self._most_pages:
                    self.left_out += 1
                    continue
                seen.add(leads)
                waiting.append(leads)
        names = {target: file_of(target, answer.media_type) for target, answer in self._answers.items()}
        for target, answer in self._answers.items():
            content = answer.body
            if answer.media_type == "text/html":
                content = _relink(content.decode(), target, names).encode()
            place = self._folder / names[target]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def _resolve(link: str, page: str) -> str | None:
    """Return the address within the site that a link of a page leads to; None for one that is not followed."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or link.startswith(("#", "data:")) or not (parts.path or parts.query):
        return None
    path = urlsplit(urljoin(page, link)).path
    if path.startswith(_NOT_FOR_FILES):
        return None
    if not {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} <= _FOLLOWED_PARAMETERS:
        return None
    return f"{path}?{parts.query}" if parts.query else path


def _links_of(page: str) -> Iterator[str]:
    rewriter = _Rewriter(lambda _name, _value: None)
    rewriter.feed(page)
    rewriter.close()
    yield from rewriter.seen


def _relink(page: str, target: str, names: dict[str, str]) -> str:
    here = names[target]

    def change(_name: str, value: str) -> str | None:
        leads = _resolve(value, target)
        if leads is None:
            # Outside, an anchor, data: as it is. What needs a server leads nowhere.
            parts = urlsplit(value)
            return value if parts.scheme or parts.netloc or value.startswith("#") else None
        found = names.get(leads)
        if found is None:
            return None
        fragment = urlsplit(value).fragment
        return relpath(found, str(PurePosixPath(here).parent)) + (f"#{fragment}" if fragment else "")

    rewriter = _Rewriter(change)
    rewriter.feed(page)
    rewriter.close()
    return "".join(rewriter.out)


class _Rewriter(HTMLParser):
    """Writes a page again as it was, but for addresses in start tags. ``change`` None takes the attribute away."""

    def __init__(self, change: Callable[[str, str], str | None]) -> None:
        super().__init__(convert_charrefs=False)
        self._change = change
        self.out: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.out.append(_ATTRIBUTE.sub(self._replace, _HTMX.sub("", self.get_starttag_text() or "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def _replace(self, found: re.Match[str]) -> str:
        value = unescape(found[2])
        self.seen.append(value)
        changed = self._change(found[1], value)
        return "" if changed is None else f'{found[1]}="{escape(changed)}"'

    def handle_endtag(self, tag: str) -> None:
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.out.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.out.append(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self.out.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; expected a folder for the site.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise UsageError(f"{folder} holds other files, and no site of assay's.", hint="Give an empty or a new folder.")


def _swap(draft: Path, folder: Path) -> None:
    """Put the new site where the old one was; two renames, so that no half-written site is ever seen there."""
    if not folder.exists():
        draft.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.old-{draft.name[-8:]}")
    folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
