"""From matplotlib's SVG to one that may stand in a page: small, strict XML, no style of its own, no id that collides.

matplotlib writes style attributes, a style sheet and metadata, and names every group. A page with a strict
Content-Security-Policy refuses the first two, and two pictures in one page share the names. So the drawing is read and
written anew: presentation attributes instead of styles, only the ids that something refers to and those with the
picture's own prefix, coordinates to a hundredth of a px, a title at each mark, colours as CSS variables where they are
to follow the page. May import: report.palette, canvas, standard library.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.report.palette import COLOURS
from assay.report.renderers.canvas import HEAT_VARIABLES, STAND_INS, Canvas

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif"
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"#([A-Za-z0-9_-]+)")
_ROOT_STYLE = {"stroke-linejoin": "round", "stroke-linecap": "butt"}
_UNWANTED = frozenset({"metadata", "style", "title"})
_DROPPED = frozenset({"font-family", "stroke-dashoffset"})
_VARIABLES = {
    **{stand_in: f"var(--{role}, {COLOURS[role].light})" for role, stand_in in STAND_INS.items()},
    **{colour: f"var(--{name}, {colour})" for colour, name in HEAT_VARIABLES.items()},
}


@dataclass(slots=True)
class Node:
    """An element as it is to be written."""

    tag: str
    attributes: dict[str, str]
    children: list[Node]
    text: str = ""

    def write(self, out: list[str]) -> None:
        """Append the markup to a list."""
        attributes = "".join(f' {name}="{escape(value)}"' for name, value in self.attributes.items())
        if not self.children and not self.text:
            out.append(f"<{self.tag}{attributes}/>")
            return
        out.append(f"<{self.tag}{attributes}>{escape(self.text)}")
        for child in self.children:
            child.write(out)
        out.append(f"</{self.tag}>")


def draw_vector(canvas: Canvas, *, prefix: str, title: str, description: str) -> Node:
    """Return the picture of a canvas as the root of an SVG. Call it within ``drawing``."""
    from xml.etree.ElementTree import fromstring

    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.StringIO()
    FigureCanvasSVG(canvas.figure).print_svg(
        out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    root = fromstring(out.getvalue())  # noqa: S314  (matplotlib wrote it a moment ago)
    referenced = dict.fromkeys(_references(root))
    reader = _Reader(canvas, {name: f"{prefix}-{number}" for number, name in enumerate(referenced)})
    width, height = f"{canvas.width:g}", f"{canvas.height:g}"
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg", "xmlns:xlink": "http://www.w3.org/1999/xlink",
        "width": width, "height": height, "viewBox": f"0 0 {width} {height}", "role": "img",
        "aria-labelledby": f"{prefix}-title {prefix}-desc", "class": "figure-picture", "font-family": FONT_STACK,
        **_ROOT_STYLE,
    }  # fmt: skip
    words = [
        Node("title", {"id": f"{prefix}-title"}, [], title),
        Node("desc", {"id": f"{prefix}-desc"}, [], description),
    ]
    return Node("svg", attributes, [*words, *reader.children(root)])


def write_vector(root: Node) -> str:
    """Return the markup of an SVG, which is well-formed XML and may stand inside HTML too."""
    out: list[str] = []
    root.write(out)
    return "".join(out)


def escape(text: str) -> str:
    """Return a text for XML, in content and in attributes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@dataclass(slots=True)
class _Reader:
    canvas: Canvas
    names: Mapping[str, str]
    """New ids of what is referred to, by the old ones."""

    def children(self, element: Element) -> list[Node]:
        return [node for child in element for node in self._read(child)]

    def _read(self, element: Element) -> list[Node]:
        tag = element.tag.removeprefix(_SVG) if isinstance(element.tag, str) else ""
        if not tag or tag in _UNWANTED:
            return []
        name = element.get("id", "")
        children = self.children(element)
        attributes = self._attributes(element)
        if tag == "path" and not attributes.get("d"):
            return []
        if tag in {"g", "defs"} and not children:
            return []
        if tag == "g" and children:
            _hoist(attributes, children)
        if name in self.canvas.titles:
            _attach(children, self.canvas.titles[name], self.canvas.refs[name])
        if tag == "g" and not attributes:
            return children
        text = element.text or "" if tag == "text" else ""
        return [Node(tag, attributes, children, text)]

    def _attributes(self, element: Element) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in element.attrib.items():
            if name == "style":
                pairs = (pair.partition(":") for pair in value.split(";") if pair.strip())
                found |= {key.strip(): self._value(one.strip()) for key, _, one in pairs if key.strip() not in _DROPPED}
            elif name == "id":
                if value in self.names:
                    found["id"] = self.names[value]
            else:
                found[name.replace(_XLINK, "xlink:")] = self._value(value)
        for name in ("transform", "text-anchor"):
            if found.get(name, "").startswith(("rotate(-0 ", "rotate(0 ", "start")):
                del found[name]
        return found

    def _value(self, value: str) -> str:
        if value.startswith("data:"):
            return value.replace("\n", "")
        if self.canvas.theme.is_themed and value in _VARIABLES:
            return _VARIABLES[value]
        if value.startswith(("#", "url(#")):
            return _REFERENCE.sub(lambda found: f"#{self.names.get(found[1], found[1])}", value)
        return _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)


def _references(root: Element) -> Iterable[str]:
    """The ids that attributes point at; colours look the same, and are no ids of anything."""
    ids = {element.get("id") for element in root.iter()}
    for element in root.iter():
        for value in element.attrib.values():
            if not value.startswith("data:"):
                yield from (name for name in _REFERENCE.findall(value) if name in ids)


def _hoist(attributes: dict[str, str], children: list[Node]) -> None:
    """What all marks of a group have in common is said once, at the group."""
    marks = [child for child in children if child.tag == "use"]
    if not marks:
        return
    shared: Mapping[str, str] = {
        name: value
        for name, value in marks[0].attributes.items()
        if name not in {"x", "y", "xlink:href"} and all(mark.attributes.get(name) == value for mark in marks)
    }
    for mark in marks:
        for name in shared:
            del mark.attributes[name]
    attributes |= shared


def _attach(children: list[Node], titles: tuple[str, ...], refs: tuple[str | None, ...]) -> None:
    """Give the elements of a part their titles, in order; where their number differs none can be told from another."""
    shown = [node for child in children for node in _shown(child)]
    if len(shown) != len(titles):
        return
    for place, (node, title) in enumerate(zip(shown, titles, strict=True)):
        if title:
            node.children.insert(0, Node("title", {}, [], title))
        if refs and (ref := refs[place]) is not None:
            node.attributes["data-ref"] = ref


def _shown(node: Node) -> Iterable[Node]:
    if node.tag in {"use", "path", "text"}:
        yield node
    elif node.tag != "defs":
        for child in node.children:
            yield from _shown(child)
