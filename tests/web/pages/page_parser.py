"""Reads a page as a browser would: elements with attributes and texts. Loaded by path, as tests are no package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "path", "circle", "polyline"}


@dataclass(slots=True)
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def find(self, tag: str, **attributes: str) -> list[Element]:
        return [
            one
            for one in self.walk()
            if one.tag == tag
            and all(one.attributes.get(name.rstrip("_")) == value for name, value in attributes.items())
        ]

    def has_class(self, name: str) -> bool:
        return name in self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """What is shown: words for screen readers alone left out."""
        if self.has_class("r-sr"):
            return ""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join("".join(parts).split())

    def inside(self, tag: str) -> bool:
        up = self.parent
        while up is not None:
            if up.tag == tag:
                return True
            up = up.parent
        return False


class PageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("document", {}, None)
        self.here = self.root
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(made)
        if tag not in VOID:
            self.here = made

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.here.children.append(Element(tag, {name: value or "" for name, value in attrs}, self.here))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if self.here.tag != tag:
            self.unbalanced.append(f"</{tag}> in <{self.here.tag}>")
        up: Element | None = self.here
        while up is not None and up.tag != tag:
            up = up.parent
        if up is not None and up.parent is not None:
            self.here = up.parent

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


def parse(text: str) -> Element:
    parser = PageParser()
    parser.feed(text)
    parser.close()
    assert not parser.unbalanced, parser.unbalanced[:5]
    return parser.root
