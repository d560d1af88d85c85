"""Reading reports back from each format, by readers that share nothing with the renderers."""

from __future__ import annotations

import html.parser
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_VOID = {"meta", "input", "br", "img", "link", "hr", "col", "wbr"}
_URLS = ("src", "href", "action", "data", "srcset", "poster", "formaction", "xlink:href")


@dataclass
class Element:
    """One element of a page with what is in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    def find(self, tag: str | None = None, *, name: str | None = None, key: str | None = None) -> list[Element]:
        """All elements below of a tag, a class and an id."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                fits = (tag in {None, child.tag}) and (name is None or name in child.classes)
                if fits and key in {None, child.attributes.get("id")}:
                    found.append(child)
                found += child.find(tag, name=name, key=key)
        return found

    def text(self, without: Iterable[str] = ()) -> str:
        """The text, without that of elements of some classes."""
        parts = []
        for child in self.children:
            if isinstance(child, str):
                parts.append(child)
            elif not child.classes & set(without):
                parts.append(child.text(without))
        return "".join(parts)

    def spoken(self) -> str:
        """What a screen reader says: the text, with the names of signs in their place."""
        if self.attributes.get("role") == "img":
            return self.attributes["aria-label"]
        return "".join(child if isinstance(child, str) else child.spoken() for child in self.children)


class StrictReader(html.parser.HTMLParser):
    """Reads a page and fails where elements are not nested well."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}> at {self.getpos()}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def finish(self) -> Element:
        self.close()
        assert self._open == [self.root], f"never closed: {[one.tag for one in self._open[1:]]}"
        return self.root


def read_html(text: str) -> Element:
    """Read a page strictly."""
    reader = StrictReader()
    reader.feed(text)
    return reader.finish()


def addresses(page: Element) -> list[str]:
    """Everything that a page could ask for."""
    found = [one.attributes[name] for one in page.find() for name in _URLS if name in one.attributes]
    styles = [one.text() for one in page.find("style")] + [one.attributes.get("style", "") for one in page.find()]
    return found + [match for style in styles for match in re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", style)]


def html_rows(page: Element, key: str) -> list[list[str]]:
    """The texts of the cells of a table, by the id of its block: what a reader sees of the value itself."""
    block = page.find(key=key)[0]
    rows = []
    for row in block.find("tbody")[0].find("tr"):
        texts = []
        for cell in row.children:
            assert isinstance(cell, Element)
            texts.append(value_text(cell))
        rows.append(texts)
    return rows


def value_text(cell: Element) -> str:
    """The value in a cell, unfolded, without what stands beside it."""
    whole = cell.find("details", name="r-long")
    shown = whole[0].children[-1] if whole else cell
    assert isinstance(shown, Element)
    parts = [child for child in shown.children if not _is_beside(child, shown)]
    return Element("cell", {}, parts).text({"r-tail", "r-sr"}).strip()


def _is_beside(child: Element | str, cell: Element) -> bool:
    """Bounds, or a verdict behind a value, which are not the value itself."""
    if not isinstance(child, Element):
        return False
    return child.tag == "small" or ("r-change" in child.classes and cell.children[0] is not child)


def text_rows(text: str, title: str) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a table of a text report, by the rules under its headings; panels are put together."""
    lines = text.splitlines()
    start = lines.index(title)
    end = next((i for i in range(start + 2, len(lines)) if lines[i] and set(lines[i]) <= {"-", "="}), len(lines))
    heads: list[str] = []
    rows: list[list[str]] = []
    for number in range(start, end):
        if "─" not in lines[number]:
            continue
        spans = [match.span() for match in re.finditer("─+", lines[number])]
        skip = 1 if heads else 0  # later panels begin with the first column again
        heads += [lines[number - 1][left:right].strip() for left, right in spans[skip:]]
        for place in range(number + 1, len(lines)):
            line = lines[place]
            if not line or not (set(line) - {" "}) or line.startswith("[") or "─" in line:
                break
            cells = [line[left:right].strip() for left, right in spans]
            index = place - number - 1
            if skip:
                if index >= len(rows):
                    break
                rows[index] += cells[1:]
            else:
                rows.append(cells)
    return heads, rows


def markdown_rows(text: str, heading: str) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the first table after a heading, escapes undone."""
    lines = text.splitlines()
    start = lines.index(heading)
    first = next(number for number in range(start, len(lines)) if lines[number].startswith("|"))
    table = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        table.append([_plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return table[0], table[2:]


def _plain(cell: str) -> str:
    text = cell.strip()
    fenced = re.fullmatch(r"(`+) ?(.*?) ?\1", text)
    if fenced:
        return fenced[2].replace(r"\|", "|")
    return re.sub(r"\\([\\`*_\[\]<>|~&$+#=-])", r"\1", re.sub("[\u200b\u2068\u2069]", "", text))
