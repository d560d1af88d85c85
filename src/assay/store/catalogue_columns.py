"""The tables of imported statements on hardware, column by column. May import: store.columns."""

from __future__ import annotations

from assay.store.columns import Column

CATALOGUE_CELLS = "catalogue_cells"
PRICES = "prices"

OF_CATALOGUE_IMPORT = (
    Column("import_id", "text", required=True),
    Column("content_id", "text", required=True),
    Column("file", "text", required=True),
    Column("format", "text", required=True),
    Column("sha256", "text", required=True),
    Column("rows_seen", "int", required=True),
    Column("rows_refused", "int", required=True),
    Column("imported_at", "time", required=True),
    Column("assay_version", "text", required=True),
    Column("schema_version", "int", required=True),
)
"""What a row says of the import that brought it. It is kept in every row, so that one commit is all of a file."""

CATALOGUE_TABLES: dict[str, tuple[Column, ...]] = {
    CATALOGUE_CELLS: (
        Column("cell_id", "text", required=True),
        Column("hw_id", "text"),
        Column("device_text", "text", required=True),
        Column("field", "text", required=True),
        Column("number", "float"),
        Column("word", "text"),
        Column("source_id", "text", required=True),
        Column("as_of", "text", required=True),
        Column("source_row", "int"),
        Column("confidence", "float", required=True),
        *OF_CATALOGUE_IMPORT,
    ),
    PRICES: (
        Column("price_id", "text", required=True),
        Column("hw_id", "text"),
        Column("device_text", "text", required=True),
        Column("kind", "text", required=True),
        Column("provider", "text", required=True),
        Column("region", "text", required=True),
        Column("instance", "text", required=True),
        Column("n_devices", "int"),
        Column("usd", "float", required=True),
        Column("per_hour", "bool", required=True),
        Column("terms", "text"),
        Column("as_of", "text", required=True),
        Column("source", "text", required=True),
        Column("source_row", "int"),
        *OF_CATALOGUE_IMPORT,
    ),
}
