"""Hostile texts made harmless: names of models, reasons and branches in Markdown and XML, clipped to a length.

Whatever stands in a finding may come from a file or a pull request of a stranger. May import:
report.markdown_text.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from assay.report.markdown_text import code_cell, escape_line

MISSING = "–"
_CLIPPED = "…"
_SPACE_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
"""Also the marks that turn the direction of writing, which make a text look like another."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Everything but the Char production of XML 1.0, section 2.2."""


def flatten_text(text: str, limit: int) -> str:
    """Return a text on one line without control characters, at most ``limit`` characters, an ellipsis where cut."""
    flat = _SPACE_OR_CONTROL.sub(" ", without_surrogates(text)).strip()
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + _CLIPPED


def escape_markdown(text: str, *, limit: int = 300) -> str:
    """Return a text that GitHub and GitLab show as it is; the limit is in characters before escaping."""
    flat = flatten_text(text, limit)
    return escape_line(flat) if flat else MISSING


def code_span(text: str, *, limit: int = 200) -> str:
    """Return a text as code in a table cell, where nothing is markup, nobody is mentioned and nothing is linked."""
    flat = flatten_text(text, limit)
    return code_cell(flat) if flat else MISSING


def code_in_prose(text: str, *, limit: int = 200) -> str:
    """Return a text as code outside a table, where a pipe is a pipe."""
    return code_span(text, limit=limit).replace(r"\|", "|")


def link_target(address: str) -> str:
    """Return an http(s) address that cannot end a Markdown link early; raises ValueError for another scheme."""
    if not re.match(r"https?://[^\s]+$", address):
        raise ValueError(f"{address!r} is no address of a page; expected http://... or https://...")
    return quote(without_surrogates(address), safe=":/?#&=%+,;@~._-!$*'")


def clean_xml(text: str) -> str:
    """Return a text without what XML 1.0 cannot hold; line ends become line feeds, as a parser would make them."""
    return _NOT_XML.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def marker_name(name: str) -> str:
    """Return a name for use inside an HTML comment: nothing in it can end the comment, and no two names are alike."""
    return quote(without_surrogates(name), safe="").replace("--", "-%2D")


def size_bytes(text: str) -> int:
    """Return how many bytes a text takes in UTF-8."""
    return len(text.encode())


def without_surrogates(text: str) -> str:
    """Return a text that can be sent: half a character, as a file name can hold it, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
