"""The mirror's tables of the hardware catalogue: devices, names, sources, figures, prices, each of its layer.

The shipped table and what the store imported; a user's own devices are files of one machine and stay there. May import:
core, mirrors.shape.
"""

from __future__ import annotations

from assay.mirrors.shape import Field, Filling, Reference, Table

SINCE = 3

HARDWARE_SOURCES = Table(
    "hardware_sources",
    "Documents that the shipped figures are from, and tables that were imported.",
    Filling.WHOLE,
    ("source_id",),
    (
        Field("source_id", "name", "Id: nv-a100-ds, epoch:ml_hardware.csv", required=True),
        Field(
            "kind", "text", "How near it is to the silicon's maker", required=True,
            words=("vendor", "secondary", "computed", "imported"),
        ),
        Field("publisher", "text", "Whose it is; of an import, its format", required=True),
        Field("title", "text", "Its title; of an import, the file", required=True),
        Field("date", "text", "Its date: a day, a month, a year, a range of years; null where rows have their own"),
    ),
    source=(
        "SELECT source_id, kind, publisher, title, date FROM known_hardware_sources UNION ALL "
        "SELECT source_id, 'imported', min(format), min(file), NULL FROM catalogue_cells GROUP BY source_id"
    ),
    since=SINCE,
)  # fmt: skip
HARDWARE = Table(
    "hardware",
    "Devices of the catalogue. One that only an import names, read by an assay that knows more, has an id alone.",
    Filling.WHOLE,
    ("hw_id",),
    (
        Field("hw_id", "name", "Id: nvidia-a100-sxm4-80gb", required=True),
        Field("vendor", "name", "Who makes it"),
        Field("name", "name", "Its name as it is sold"),
        Field("architecture", "name", "Its architecture"),
        Field("category", "name", "What it is for: datacentre gpu, server cpu"),
    ),
    source=(
        "SELECT hw_id, vendor, name, architecture, category FROM known_hardware UNION ALL "
        "SELECT DISTINCT hw_id, NULL, NULL, NULL, NULL FROM "
        "(SELECT hw_id FROM catalogue_cells UNION SELECT hw_id FROM prices) "
        "WHERE hw_id IS NOT NULL AND hw_id NOT IN (SELECT hw_id FROM known_hardware)"
    ),
    indexes=("vendor, architecture", "category"),
    since=SINCE,
)
HARDWARE_ALIASES = Table(
    "hardware_aliases",
    "Other names of devices.",
    Filling.WHOLE,
    ("hw_id", "alias"),
    (
        Field("hw_id", "name", "The device", required=True),
        Field("alias", "name", "What it is called too", required=True),
    ),
    source="SELECT hw_id, alias FROM known_hardware_aliases",
    references=(Reference(("hw_id",), "hardware"),),
    indexes=("alias",),
    since=SINCE,
)
HARDWARE_IMPORTS = Table(
    "hardware_imports",
    "Files of others' figures or prices that the store holds. A file that is read again replaces what it brought.",
    Filling.WHOLE,
    ("import_id", "content"),
    (
        Field("import_id", "text", "UUIDv7 of the import", required=True),
        Field("content", "text", "What it brought", required=True, words=("cells", "prices")),
        Field("file", "text", "The file's name", required=True),
        Field("format", "name", "How it was read", required=True),
        Field("sha256", "text", "Hash of its content", required=True),
        Field("rows_seen", "int", "Rows in it", required=True),
        Field("rows_refused", "int", "Rows that brought nothing", required=True),
        Field("imported_at", "time", "When", required=True),
        Field("assay_version", "text", "By which assay", required=True),
    ),
    source=(
        "SELECT DISTINCT import_id, 'cells' AS content, file, format, sha256, rows_seen, rows_refused, imported_at, "
        "assay_version FROM catalogue_cells UNION ALL "
        "SELECT DISTINCT import_id, 'prices', file, format, sha256, rows_seen, rows_refused, imported_at, "
        "assay_version FROM prices"
    ),
    since=SINCE,
)
HARDWARE_CELLS = Table(
    "hardware_cells",
    "One figure of one device as one source states it. Sources that disagree each have a row.",
    Filling.WHOLE,
    ("cell_id",),
    (
        Field("cell_id", "name", "Id of the row", required=True),
        Field("layer", "text", "Whose statement it is", required=True, words=("shipped", "imported")),
        Field("hw_id", "name", "The device; null where the catalogue has none of this name"),
        Field("device_text", "text", "What the source calls it", required=True),
        Field("field", "name", "Column of the catalogue, with its unit at the end: tdp_w", required=True),
        Field("number", "float", "The figure, in the unit that field names; null for a word"),
        Field("word", "text", "The word; null for a figure"),
        Field("source_id", "name", "Who says so", required=True),
        Field(
            "as_of", "text", "As of when: a day, a month, a year; empty where the source does not tell", required=True
        ),
        Field("source_row", "int", "Row of the imported file"),
        Field(
            "confidence",
            "float",
            "How sure it is that the name means the device and the column this field",
            required=True,
        ),
        Field("import_id", "text", "The import that brought it; null for a shipped one"),
        Field("content", "text", "Of that import; null for a shipped one"),
    ),
    source=(
        "SELECT cell_id, 'shipped' AS layer, hw_id, device_text, field, number, word, source_id, as_of, "
        "NULL::BIGINT AS source_row, 1.0::DOUBLE AS confidence, NULL::VARCHAR AS import_id, NULL::VARCHAR AS content "
        "FROM known_hardware_cells UNION ALL "
        "SELECT cell_id, 'imported', hw_id, device_text, field, number, word, source_id, as_of, source_row, "
        "confidence, import_id, 'cells' FROM catalogue_cells"
    ),
    references=(
        Reference(("hw_id",), "hardware"),
        Reference(("source_id",), "hardware_sources"),
        Reference(("import_id", "content"), "hardware_imports"),
    ),
    indexes=("hw_id, field", "field", "source_id", "import_id, content"),
    since=SINCE,
)
HARDWARE_PRICES = Table(
    "hardware_prices",
    "Offers as they were quoted: an hour of a cloud's machine, or a device to buy. Never averaged.",
    Filling.WHOLE,
    ("price_id",),
    (
        Field("price_id", "name", "Id of the row", required=True),
        Field("hw_id", "name", "The device; null where the offer leaves open which"),
        Field("device_text", "text", "What the offer calls it", required=True),
        Field("kind", "text", "What the money buys", required=True, words=("cloud", "street", "release")),
        Field("provider", "name", "Whose offer it is", required=True),
        Field("region", "name", "Where; empty where the source names none", required=True),
        Field("instance", "name", "The provider's name of the machine; empty where there is none", required=True),
        Field("n_devices", "int", "Devices for that money; null where it is no whole number"),
        Field("usd", "float", "USD for all of it, for an hour if per_hour", required=True),
        Field("per_hour", "bool", "Whether it is rented by the hour", required=True),
        Field("terms", "text", "How it is rented", words=("on_demand", "reserved", "spot")),
        Field("as_of", "text", "Day, month or year of the quote", required=True),
        Field("source", "text", "File or document of the quote", required=True),
        Field("source_row", "int", "Row of the file"),
        Field("import_id", "text", "The import that brought it", required=True),
        Field("content", "text", "Of that import", required=True),
    ),
    source=(
        "SELECT price_id, hw_id, device_text, kind, provider, region, instance, n_devices, usd, per_hour, terms, "
        "as_of, source, source_row, import_id, 'prices' AS content FROM prices"
    ),
    references=(
        Reference(("hw_id",), "hardware"),
        Reference(("import_id", "content"), "hardware_imports"),
    ),
    indexes=("hw_id, as_of", "provider, region", "import_id, content"),
    since=SINCE,
)
CATALOGUE_TABLES = (
    HARDWARE_SOURCES, HARDWARE, HARDWARE_ALIASES, HARDWARE_IMPORTS, HARDWARE_CELLS, HARDWARE_PRICES,
)  # fmt: skip
"""Parents before children."""
