"""SQL made from the description of a table: for PostgreSQL, and for DuckDB over the store.

Names are ours and quoted; no value is ever part of a statement. May import: mirrors.shape.
"""

from __future__ import annotations

from collections.abc import Iterable

from assay.mirrors.shape import NULL_TEXT, Field, Filling, Table

_ROW_SEPARATOR = "chr(30)"
HASH_DIGITS = 15
"""Hexadecimal digits of a row's md5 that count in a checksum: 60 bits, so that a row's number is positive."""


def name(text: str) -> str:
    """Quote a name."""
    return '"' + text.replace('"', '""') + '"'


def columns(fields: Iterable[str], prefix: str = "") -> str:
    """List columns."""
    return ", ".join(prefix + name(field) for field in fields)


# ------------------------------------------------------------------ the store's side


def outgoing(table: Table) -> str:
    """Return the SELECT that gives a table's rows as they are sent."""
    chosen = ", ".join(
        f"{field.of.outgoing.format(field.source or name(field.name))} AS {name(field.name)}" for field in table.fields
    )
    carried = ", run_id AS run_of_row" if _joins_run(table) else ""
    return f"SELECT {chosen}{carried} FROM ({table.source})"  # noqa: S608


def sent(table: Table) -> str:
    """Return the SELECT of exactly the columns of the table."""
    return f"SELECT {columns(table.names)} FROM ({outgoing(table)})"  # noqa: S608


def store_sums(table: Table) -> str:
    """Return the SELECT of count and checksum of each run's rows, computed in the store."""
    number = f"('0x' || substr({_hash(table, mirror=False)}, 1, {HASH_DIGITS}))::BIGINT"
    run = "run_of_row" if _joins_run(table) else "run_id"
    counted = f"SELECT {run} AS run_id, count(*) AS rows, sum({number})::VARCHAR AS checksum"
    return f"{counted} FROM ({outgoing(table)}) GROUP BY 1"


def store_rows(table: Table) -> str:
    """Return the SELECT of key and hash of each row, computed in the store."""
    return (
        f"SELECT {_key_text(table, mirror=False)} AS key, {_hash(table, mirror=False)} AS hash FROM ({outgoing(table)})"  # noqa: S608
    )


# ------------------------------------------------------------------ the mirror's side


def staging(table: Table) -> str:
    """Return the statement that makes the table's staging table, which goes with the transaction."""
    listed = ", ".join(f"{name(field.name)} {field.of.staging}" for field in table.fields)
    return f"CREATE TEMPORARY TABLE {name(staging_name(table))} ({listed}) ON COMMIT DROP"


def staging_name(table: Table) -> str:
    """Name the staging table."""
    return f"assay_staging_{table.name}"


def insert(table: Table, schema: str) -> str:
    """Return the statement that takes new rows over from staging."""
    return (
        f"INSERT INTO {name(schema)}.{name(table.name)} ({columns(table.names)}) "  # noqa: S608
        f"SELECT {_arrived(table)} FROM {name(staging_name(table))} ON CONFLICT DO NOTHING"
    )


def update(table: Table, schema: str) -> str | None:
    """Return the statement that brings changed rows to what staging says; None where a row is nothing but its key."""
    others = [field for field in table.names if field not in table.key]
    if not others:
        return None
    assigned = ", ".join(f"{name(field)} = new.{name(field)}" for field in others)
    return (
        f"UPDATE {name(schema)}.{name(table.name)} AS old SET {assigned} "  # noqa: S608
        f"FROM (SELECT {_arrived(table)} FROM {name(staging_name(table))}) AS new "
        f"WHERE {_same_key(table)} AND ({columns(others, 'old.')}) IS DISTINCT FROM ({columns(others, 'new.')})"
    )


def delete(table: Table, schema: str) -> str:
    """Return the statement that removes rows that staging does not have."""
    return (
        f"DELETE FROM {name(schema)}.{name(table.name)} AS old WHERE NOT EXISTS "  # noqa: S608
        f"(SELECT FROM {name(staging_name(table))} AS new WHERE {_same_key(table)})"
    )


def mirror_sums(table: Table, schema: str) -> str:
    """Return the SELECT of count and checksum of each run's rows, computed in the mirror."""
    number = f"('x' || substr({_hash(table, mirror=True)}, 1, {HASH_DIGITS}))::bit({HASH_DIGITS * 4})::bigint"
    source = f"{name(schema)}.{name(table.name)} AS t"
    run = "t.run_id"
    if not table.has_run_id:
        source, run = f"{source} JOIN {name(schema)}.results AS r ON r.result_id = t.result_id", "r.run_id"
    return f"SELECT {run} AS run_id, count(*) AS rows, sum({number})::text AS checksum FROM {source} GROUP BY 1"  # noqa: S608


def mirror_rows(table: Table, schema: str) -> str:
    """Return the SELECT of key and hash of each row, computed in the mirror."""
    source = f"{name(schema)}.{name(table.name)} AS t"
    return f"SELECT {_key_text(table, mirror=True)} AS key, {_hash(table, mirror=True)} AS hash FROM {source}"  # noqa: S608


def of_run(table: Table, schema: str) -> str:
    """Return the condition, with one parameter, that leaves the rows of one run to ``mirror_rows``."""
    if table.has_run_id:
        return " WHERE t.run_id = $1"
    return f" WHERE t.result_id IN (SELECT result_id FROM {name(schema)}.results WHERE run_id = $1)"  # noqa: S608


def _joins_run(table: Table) -> bool:
    return table.filling is Filling.RUN and not table.has_run_id


def _arrived(table: Table) -> str:
    return ", ".join(f"{field.of.arriving.format(name(field.name))} AS {name(field.name)}" for field in table.fields)


def _same_key(table: Table) -> str:
    return " AND ".join(f"old.{name(field)} = new.{name(field)}" for field in table.key)


def _hash(table: Table, *, mirror: bool) -> str:
    return f"md5(concat_ws({_ROW_SEPARATOR}, {', '.join(_text(field, mirror=mirror) for field in table.fields)}))"


def _key_text(table: Table, *, mirror: bool) -> str:
    texts = [_text(field, mirror=mirror) for field in table.fields if field.name in table.key]
    return f"concat_ws(' ', {', '.join(texts)})"


def _text(field: Field, *, mirror: bool) -> str:
    template = field.of.mirror_text if mirror else field.of.store_text
    column = f"t.{name(field.name)}" if mirror else name(field.name)
    return f"coalesce({template.format(column)}, {NULL_TEXT})"
