"""docs/store.md lists every table and column, with its type, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from assay.store.schema import TABLES

DOCS = Path(__file__).parents[2] / "docs" / "store.md"


def test_the_docs_list_exactly_the_columns() -> None:
    sections = re.split(r"^### ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    documented = {}
    for section in sections:
        name = re.match(r"`(\w+)`", section)
        if name is not None:
            rows = re.findall(r"^\| `(\w+)` \| ([\w ]+?)(\*?) \| \S", section, flags=re.MULTILINE)
            documented[name[1]] = [(column, kind, required == "*") for column, kind, required in rows]
    defined = {
        table: [(column.name, column.type, column.required) for column in columns] for table, columns in TABLES.items()
    }
    assert documented == defined
