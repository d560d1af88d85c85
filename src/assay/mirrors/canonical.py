"""JSON texts as PostgreSQL's ``jsonb`` would print them, so that both sides have one text to compare.

jsonb sorts keys by length, then by bytes; keeps of equal keys the last; writes numbers out in full; and refuses NUL
characters and lone surrogates, which are shown as escapes here, and NaN and infinities, which become texts. May import:
standard library.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from assay.mirrors.shape import NUL_SHOWN

_LONE = re.compile("[\ud800-\udfff]")
_MOST_DIGITS = 1000
"""Above it a number becomes a text: written out in full, 1e1000000 would take a megabyte."""
_DEEPEST = 512
"""Deeper nesting becomes a text: PostgreSQL's and Python's parsers both have a limit to what they follow."""


def jsonb_text(content: str) -> str:
    """Return a JSON document as jsonb prints it. What is no JSON becomes a JSON text, so that nothing is lost."""
    try:
        value = json.loads(content, parse_float=_number, parse_int=_number, parse_constant=str)
        return _write(value, 0)
    except (ValueError, RecursionError):
        return _quote(content)


def clean_text(text: str) -> str:
    """Show what PostgreSQL's texts cannot hold: NUL characters and lone surrogates."""
    text = text.replace("\0", NUL_SHOWN)
    return _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if not text.isascii() else text


def jsonb_texts(column: Any) -> Any:
    """Do it for a ``pyarrow`` array of texts; DuckDB calls this. Equal texts, which are usual, are written once."""
    import pyarrow as pa

    return pa.array([None if text is None else _remembered(text) for text in column.to_pylist()], pa.string())


@lru_cache(maxsize=4096)
def _remembered(content: str) -> str:
    return jsonb_text(content)


def _number(digits: str) -> Decimal | str:
    value = Decimal(digits)
    if not value.is_finite() or abs(value.adjusted()) > _MOST_DIGITS or len(digits) > _MOST_DIGITS:
        return digits
    return value


def _write(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        raise RecursionError
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            # numeric has no negative zero; the digits after the point stay
            return f"{value.copy_abs() if value == 0 else value:f}"
        case str():
            return _quote(value)
        case list():
            return "[" + ", ".join(_write(one, depth + 1) for one in value) + "]"
        case _:
            cleaned = {clean_text(key): one for key, one in value.items()}
            ordered = sorted(cleaned, key=lambda key: (len(key.encode()), key.encode()))
            return "{" + ", ".join(f"{_quote(key)}: {_write(cleaned[key], depth + 1)}" for key in ordered) + "}"


def _quote(text: str) -> str:
    return json.dumps(clean_text(text), ensure_ascii=False)
