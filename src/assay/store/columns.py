"""What a column of a table is. May import: standard library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, type (a key of ``schema.DUCKDB_TYPES``), and whether a row must have it."""

    name: str
    type: str
    required: bool = False
