"""Reading the cells of MLPerf's tables: text that says nothing is None, a precision is one word.

May import: core, importers.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable
from typing import Any

from assay.core.errors import AssayError
from assay.importers.base import ImportedRow, Refusal, RowError

SHORT_TEXT = 60
"""Software longer than this is a sentence and no name of an engine."""
_NOTHING = frozenset({"", "-", "n/a", "na", "none", "null", "nan"})
_RAW_LENGTH = 500
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_SPELLINGS = {
    "float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8": "fp8", "float4": "fp4",
}  # fmt: skip


def read_text(value: object) -> str | None:
    """Return the text of a cell, without white space around it; None for an empty one and for ``N/A`` and its like."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(value).strip()
    return None if text.casefold() in _NOTHING else text


def read_flag(value: object) -> bool:
    """Return whether a cell says yes: ``1``, ``1.0``, ``True``."""
    return str(value).strip().casefold() in {"1", "1.0", "true", "yes"}


def read_precision(value: object) -> str | None:
    """Return the one word of ``weight_data_types`` in lower case; None where it is none or several.

    Some submissions give a dictionary as text (``{'weights': 'int8', ...}``): one word if all its values agree.
    """
    text = read_text(value)
    if text is None:
        return None
    if text.startswith("{"):
        try:
            content = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
        words = {str(one).strip().casefold() for one in content.values()} if isinstance(content, dict) else set()
        text = words.pop() if len(words) == 1 else ""
    word = text.casefold()
    return _SPELLINGS.get(word, word) if _WORD.fullmatch(word) else None


def short(text: str | None) -> str | None:
    """Return a text that is short enough to be a name, or None."""
    return text if text is not None and len(text) <= SHORT_TEXT else None


def refuse(place: str, error: AssayError, record: object) -> Refusal:
    """Make the refusal of a row."""
    raw = json.dumps(record, ensure_ascii=False, default=str)
    return Refusal(place, error.message, raw if len(raw) <= _RAW_LENGTH else f"{raw[:_RAW_LENGTH]}...")


def take_row(place: str, record: Any, make: Callable[[str, Any], ImportedRow]) -> ImportedRow | Refusal:
    """Make one row; what is wrong with it becomes a refusal that says where it stands."""
    try:
        return make(place, record)
    except RowError as error:
        return refuse(place, error, record)
