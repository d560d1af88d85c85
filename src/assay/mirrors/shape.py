"""How a table of the mirror is described, and what each kind of value is on both sides.

A kind has five faces: its PostgreSQL type, what the store's value becomes on its way (``outgoing``), what the staging
table holds, how that becomes the type, and one text for the value that both databases write alike (``store_text``,
``mirror_text``), from which checksums are made. May import: standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

NULL_TEXT = "chr(29)"  # stands for null in a row's text; no value is a lone group separator
UNIT_SEPARATOR = "chr(31)"
NUL_SHOWN = r"\u0000"
"""PostgreSQL keeps no NUL character in a text; it is shown as these six characters."""

_FLOAT_STORE = "CASE WHEN isnan({0}) THEN 'NaN' ELSE (({0})::BIT)::BIGINT::VARCHAR END"
_FLOAT_MIRROR = (
    "CASE WHEN {0} = 'NaN' THEN 'NaN' ELSE ('x' || encode(float8send({0}), 'hex'))::bit(64)::bigint::text END"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value; ``{0}`` in a template is the column or the expression."""

    type: str
    staging: str
    outgoing: str = "{0}"
    arriving: str = "{0}"
    store_text: str = "({0})::VARCHAR"
    mirror_text: str = "({0})::text"


_CLEAN = f"replace({{0}}, chr(0), '{NUL_SHOWN}')"
LONGEST_NAME_BYTES = 600
"""An index of PostgreSQL takes 2704 bytes a row, so a longer name is sent as its beginning and its md5."""

KINDS: dict[str, Kind] = {
    "text": Kind("text", "text", outgoing=_CLEAN),
    "name": Kind(
        "text",
        "text",
        outgoing=(
            f"CASE WHEN strlen({_CLEAN}) > {LONGEST_NAME_BYTES} THEN left({_CLEAN}, 100) || '… md5 ' || md5({_CLEAN}) "
            f"ELSE {_CLEAN} END"
        ),
    ),
    "int": Kind("bigint", "bigint", outgoing="({0})::BIGINT"),
    "float": Kind("double precision", "double precision", store_text=_FLOAT_STORE, mirror_text=_FLOAT_MIRROR),
    "bool": Kind("boolean", "boolean"),
    "time": Kind(
        "timestamp with time zone",
        "timestamp without time zone",
        arriving="{0} AT TIME ZONE 'UTC'",
        store_text="epoch_us({0})::VARCHAR",
        mirror_text="((extract(epoch FROM {0}) * 1000000)::bigint)::text",
    ),
    "json": Kind("jsonb", "text", outgoing="jsonb_text(({0})::VARCHAR)", arriving="{0}::jsonb"),
    "texts": Kind(
        "text[]",
        "text[]",
        outgoing=f"list_transform({{0}}, lambda one: replace(one, chr(0), '{NUL_SHOWN}'))",
        store_text=f"len({{0}}) || ':' || array_to_string({{0}}, {UNIT_SEPARATOR})",
        mirror_text=f"cardinality({{0}}) || ':' || array_to_string({{0}}, {UNIT_SEPARATOR})",
    ),
    "ints": Kind(
        "bigint[]",
        "bigint[]",
        store_text="len({0}) || ':' || array_to_string({0}, ',')",
        mirror_text="cardinality({0}) || ':' || array_to_string({0}, ',')",
    ),
    "floats": Kind(
        "double precision[]",
        "double precision[]",
        store_text=(
            "len({0}) || ':' || array_to_string(list_transform({0}, lambda one: coalesce("
            + _FLOAT_STORE.format("one")
            + ", '-')), ',')"
        ),
        mirror_text=(
            "cardinality({0}) || ':' || coalesce((SELECT string_agg(coalesce("  # noqa: S608  (templates of ours)
            + _FLOAT_MIRROR.format("one")
            + ", '-'), ',' ORDER BY place) FROM unnest({0}) WITH ORDINALITY AS listed(one, place)), '')"
        ),
    ),
}
"""Kinds of columns by name. DuckDB writes the first text, PostgreSQL the second, and they are the same text."""


class Filling(Enum):
    """How the rows of a table get into the mirror."""

    WHOLE = "whole"
    """All rows are compared each time: added, changed and removed to be as in the store. For small tables."""
    SHARED = "shared"
    """A row is a function of its key. Added with the run that first needs it, removed when nothing refers to it."""
    RUN = "run"
    """A row belongs to one run, comes with it in one transaction, and goes with it."""
    NONE = "none"
    """Not filled from the store."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column. ``source`` is the store's expression for it (the column of that name where empty)."""

    name: str
    kind: str
    comment: str
    required: bool = False
    source: str = ""
    words: tuple[str, ...] = ()

    @property
    def of(self) -> Kind:
        """What its kind is on both sides."""
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key to the primary key of another table. ``with_parent``: rows go when their parent goes."""

    columns: tuple[str, ...]
    table: str
    with_parent: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the mirror. ``source`` is a SELECT over the store's views giving what the fields ask for.

    ``optional`` tables can be left out, ``grows`` says that rows the store does not have are kept, ``batch_rows`` how
    many rows are in memory at once, ``since`` which version of the mirror's tables was the first to have it.
    """

    name: str
    comment: str
    filling: Filling
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    source: str = ""
    references: tuple[Reference, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    indexes: tuple[str, ...] = ()
    optional: bool = False
    since: int = 1
    grows: bool = False
    batch_rows: int = 8192

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in order."""
        return tuple(field.name for field in self.fields)

    @property
    def has_run_id(self) -> bool:
        """Whether rows name their run themselves, rather than through their result."""
        return "run_id" in self.names
