"""The mirror's schema in PostgreSQL: making it, and refusing one that is not ours.

Everything is made in one transaction, so there is all of it or nothing. May import: core, catalog, mirrors.
"""

from __future__ import annotations

from assay import __version__
from assay.core.errors import UsageError
from assay.mirrors.connection import Connection, MirrorError
from assay.mirrors.shape import Field, Table
from assay.mirrors.statements import columns, name
from assay.mirrors.tables import SCHEMA_VERSION, TABLES
from assay.mirrors.views import VIEWS
from assay.store.view_sql import quote

INFO = "mirror_info"
STATE = "mirror_state"
_LONGEST_NAME = 63
_QUOTES = "$assay_mirror$"
_OLDEST_SERVER = 130000

_BOOKKEEPING: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    INFO: (
        "One row: what this mirror is, and of which store.",
        {
            "singleton": (
                "boolean PRIMARY KEY DEFAULT true CHECK (singleton)",
                "Always true, so that there is one row",
            ),
            "schema_version": ("bigint NOT NULL", "Version of these tables"),
            "assay_version": ("text NOT NULL", "Version of assay that made them"),
            "store_id": ("text", "Identity of the store; null until a run was mirrored"),
            "created_at": ("timestamp with time zone NOT NULL", "When they were made"),
        },
    ),
    STATE: (
        "One row a mirrored run, written in the transaction that brought it.",
        {
            "run_id": ("text PRIMARY KEY REFERENCES {0}.runs ON DELETE CASCADE", "The run"),
            "write_id": ("text NOT NULL", "The attempt in the store that it was copied from"),
            "tables": ("text[] NOT NULL", "Optional tables that were copied"),
            "rows": ("jsonb NOT NULL", "Rows copied, by table"),
            "checksum": ("numeric NOT NULL", "Sum over its rows, computed from the store as it was copied"),
            "mirrored_at": ("timestamp with time zone NOT NULL", "When"),
        },
    ),
}


def check_schema_name(schema: str) -> None:
    """Refuse a name that PostgreSQL would cut, change or not allow. Raises UsageError."""
    if not schema or len(schema.encode()) > _LONGEST_NAME or not schema.isprintable() or schema.startswith("pg_"):
        raise UsageError(
            f"--schema got {schema!r}; expected a name of 1 to {_LONGEST_NAME} bytes that does not begin with pg_.",
            hint="The default is assay.",
        )


def check_server(connection: Connection) -> None:
    """Refuse a server that cannot hold the mirror. Raises MirrorError."""
    found = connection.fetch(
        "SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding"
    )[0]
    if found["version"] < _OLDEST_SERVER:
        got, expected = found["version"] // 10000, _OLDEST_SERVER // 10000
        raise MirrorError(f"{connection.shown} is PostgreSQL {got}; expected {expected} or newer.")
    if found["encoding"] != "UTF8":
        raise MirrorError(
            f"The database of {connection.shown} has the encoding {found['encoding']}; expected UTF8.",
            hint="createdb --encoding UTF8 --template template0 NAME makes one.",
        )


def schema_exists(connection: Connection, schema: str) -> bool:
    """Whether the mirror was made, by this or another assay. Raises MirrorError where something else is there."""
    present = {
        row["table_name"]
        for row in connection.fetch(
            "SELECT c.relname AS table_name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            "ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
            [schema],
        )
    }
    if INFO in present:
        return True
    taken = sorted(present & {table.name for table in TABLES} | present & set(VIEWS) | present & {STATE})
    if taken:
        raise MirrorError(
            f"The schema {schema!r} has a table {taken[0]!r} that is not of a mirror.",
            hint="Name another one with --schema.",
        )
    return False


def create_schema(connection: Connection, schema: str) -> None:
    """Make all tables, indexes, comments and views, in the open transaction. Raises MirrorError."""
    if not connection.fetch("SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1", [schema]):
        connection.execute(f"CREATE SCHEMA {name(schema)}")
        connection.execute(
            f"COMMENT ON SCHEMA {name(schema)} IS "
            + quote("A mirror of a store of assay, made by `assay store mirror`. Changes made here are not kept.")
        )
    # One block is one journey to the server; the statements are some hundreds.
    connection.execute(f"DO {_QUOTES} BEGIN {'; '.join(statements(schema))}; END {_QUOTES}")
    connection.execute(
        f"INSERT INTO {name(schema)}.{INFO} (schema_version, assay_version, created_at) "  # noqa: S608
        "VALUES ($1::bigint, $2::text, now())",
        [SCHEMA_VERSION, __version__],
    )


def upgrade_schema(connection: Connection, schema: str) -> bool:
    """Add the tables that are new since the mirror was made, in the open transaction; True where there were any.

    Rows of those tables come with the mirroring that follows. To be called after :func:`check_schema`.
    """
    found = connection.fetch(f"SELECT schema_version FROM {name(schema)}.{INFO}")[0]["schema_version"]  # noqa: S608
    if found >= SCHEMA_VERSION:
        return False
    made = [statement for table in TABLES if table.since > found for statement in _table(table, schema)]
    connection.execute(f"DO {_QUOTES} BEGIN {'; '.join(made)}; END {_QUOTES}")
    connection.execute(
        f"UPDATE {name(schema)}.{INFO} SET schema_version = $1::bigint, assay_version = $2::text",  # noqa: S608
        [SCHEMA_VERSION, __version__],
    )
    return True


def require_present_schema(connection: Connection, schema: str) -> None:
    """Refuse a mirror that has yet to be upgraded, for who only reads. Raises MirrorError."""
    found = connection.fetch(f"SELECT schema_version FROM {name(schema)}.{INFO}")[0]["schema_version"]  # noqa: S608
    if found < SCHEMA_VERSION:
        raise MirrorError(
            f"The mirror {schema!r} was made by an older assay (version {found} of its tables; this assay has "
            f"{SCHEMA_VERSION}).",
            hint="`assay store mirror` upgrades it.",
        )


def check_schema(connection: Connection, schema: str) -> None:
    """Refuse tables of a newer assay, or ones that were changed by hand. Raises MirrorError."""
    version = connection.fetch(f"SELECT schema_version FROM {name(schema)}.{INFO}")  # noqa: S608
    found_version = version[0]["schema_version"] if version else None
    if found_version is not None and found_version > SCHEMA_VERSION:
        raise MirrorError(
            f"The mirror {schema!r} was made by a newer assay (version {found_version} of its tables; "
            f"this assay knows {SCHEMA_VERSION}).",
            hint="Upgrade assay, or name another schema with --schema.",
        )
    found: dict[str, dict[str, str]] = {}
    for row in connection.fetch(
        "SELECT c.relname AS t, a.attname AS f, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type "
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped",
        [schema],
    ):
        found.setdefault(row["t"], {})[row["f"]] = row["type"]
    changed = _first_change(found, found_version or 0)
    if changed is not None or found_version is None:
        raise MirrorError(
            f"The mirror {schema!r} was changed by hand: {changed or INFO + ' is empty'}.",
            hint=f"Undo that, or DROP SCHEMA {name(schema)} CASCADE and mirror again; or name another with --schema.",
        )


def statements(schema: str) -> list[str]:
    """Return everything that makes the schema's content, a statement each."""
    made: list[str] = []
    for table in TABLES:
        made += _table(table, schema)
    for table_name, (comment, fields) in _BOOKKEEPING.items():
        where = f"{name(schema)}.{table_name}"
        listed = ", ".join(f"{name(field)} {kind.format(name(schema))}" for field, (kind, _) in fields.items())
        made.append(f"CREATE TABLE {where} ({listed})")
        made.append(f"COMMENT ON TABLE {where} IS {quote(comment)}")
        made += [f"COMMENT ON COLUMN {where}.{name(field)} IS {quote(text)}" for field, (_, text) in fields.items()]
    for view_name, view in VIEWS.items():
        where = f"{name(schema)}.{view_name}"
        made.append(f"CREATE VIEW {where} AS {view.sql.format(schema=name(schema))}")
        made.append(f"COMMENT ON VIEW {where} IS {quote(view.comment)}")
        made += [f"COMMENT ON COLUMN {where}.{name(field)} IS {quote(text)}" for field, text in view.comments.items()]
    return made


def _table(table: Table, schema: str) -> list[str]:
    where = f"{name(schema)}.{name(table.name)}"
    parts = [_column(field) for field in table.fields]
    parts.append(f"PRIMARY KEY ({columns(table.key)})")
    parts += [f"UNIQUE ({columns(unique)})" for unique in table.unique]
    for reference in table.references:
        ending = " ON DELETE CASCADE" if reference.with_parent else ""
        parts.append(
            f"FOREIGN KEY ({columns(reference.columns)}) REFERENCES {name(schema)}.{name(reference.table)}{ending}"
        )
    made = [f"CREATE TABLE {where} ({', '.join(parts)})"]
    made += [f"CREATE INDEX ON {where} ({index})" for index in table.indexes]
    made.append(f"COMMENT ON TABLE {where} IS {quote(table.comment)}")
    made += [f"COMMENT ON COLUMN {where}.{name(field.name)} IS {quote(describe(field))}" for field in table.fields]
    return made


def describe(field: Field) -> str:
    """Return a column's comment, with its vocabulary where that is closed."""
    return f"{field.comment}: {', '.join(field.words)}" if field.words else field.comment


def _column(field: Field) -> str:
    text = f"{name(field.name)} {field.of.type}"
    if field.required:
        text += " NOT NULL"
    if field.words:
        text += f" CHECK ({name(field.name)} IN ({', '.join(quote(word) for word in field.words)}))"
    return text


def _first_change(found: dict[str, dict[str, str]], version: int) -> str | None:
    for table in (one for one in TABLES if one.since <= version):
        if table.name not in found:
            return f"the table {table.name} is missing"
        for field in table.fields:
            kind = found[table.name].get(field.name)
            if kind is None:
                return f"the column {table.name}.{field.name} is missing"
            if kind != field.of.type:
                return f"the column {table.name}.{field.name} is of type {kind}; expected {field.of.type}"
    for table_name, (_, fields) in _BOOKKEEPING.items():
        missing = sorted(fields.keys() - found.get(table_name, {}).keys())
        if missing:
            return f"the column {table_name}.{missing[0]} is missing"
    return None
