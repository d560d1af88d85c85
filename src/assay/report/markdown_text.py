"""Texts of strangers in Markdown: shown as they are, no markup, no HTML, nobody mentioned, nothing linked.

Both take a text on one line, cut to its length already: who asks decides what is a control character and how a cut
looks. May import: standard library.
"""

from __future__ import annotations

import re

_ZERO_WIDTH = "\u200b"
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&$])")
_BLOCK = re.compile(r"^([-+#=]|\d{1,9}(?=[.)](?:\s|$)))")
"""What would begin a list or a heading where the text begins a line or an item of a list."""
_MENTION = re.compile(r"([@#])(?=\w)")
_LINK = re.compile(r"(?<=\w)(://)|\b(www)\.", re.IGNORECASE)


def escape_line(flat: str) -> str:
    """Return a line that GitHub and GitLab show as it is.

    A backslash does not keep ``@name`` and ``#12`` from being recognised, since that happens in the rendered text; a
    space without width does.
    """
    flat = _LINK.sub(lambda found: (found[1] or f"{found[2]}{_ZERO_WIDTH}.").replace(":", f":{_ZERO_WIDTH}"), flat)
    flat = _MENTION.sub(rf"\1{_ZERO_WIDTH}", flat)
    flat = _MARKDOWN.sub(r"\\\1", flat)
    return _BLOCK.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", flat)


def code_cell(flat: str) -> str:
    """Return a line, not an empty one, as code in a table cell.

    Its fence is longer than any run of backquotes in it (CommonMark 0.31, section 6.1); a pipe is escaped, which
    tables undo before anything else is read (GitHub Flavored Markdown, section 4.10).
    """
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if "`" in (flat[0], flat[-1]) else ""
    return f"{fence}{pad}{flat}{pad}{fence}".replace("|", r"\|")
