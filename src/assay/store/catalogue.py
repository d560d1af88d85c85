"""Others' tables of hardware and price lists, as they were imported: rows like any other, each with its import.

One commit keeps all of a file. The same file is kept once; read again on purpose it replaces what it brought before
(``view_sql.catalogue_view``), since a newer assay may know more names. May import: core, catalog and store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.catalog.hardware.cells import PREFERENCE, CatalogueCell, Layer
from assay.catalog.hardware.facts import DeviceFacts, view_facts
from assay.catalog.hardware.own import load_own_cells
from assay.catalog.hardware.prices import Price, PriceKind, Terms
from assay.core.errors import NotFoundError, UsageError
from assay.core.ids import content_hash, new_id
from assay.core.records import SCHEMA_VERSION
from assay.store.catalogue_columns import CATALOGUE_CELLS, OF_CATALOGUE_IMPORT, PRICES
from assay.store.query import fetch_rows
from assay.store.rows import aware, utc
from assay.store.schema import OF_CATALOGUE, TABLES
from assay.store.tables import append_arrow, arrow_table, live_files
from assay.store.writes import delete_rows

if TYPE_CHECKING:
    from assay.store.store import Store


@dataclass(frozen=True, slots=True)
class CatalogueImport:
    """The file that cells or prices come from. ``rows_refused`` of its ``rows_seen`` brought nothing.

    ``settings`` is what the reading hung on besides the content (a mapping, a date given by hand): with other settings
    the same file is another import.
    """

    file: str
    format: str
    sha256: str
    rows_seen: int
    rows_refused: int
    settings: str = ""

    @property
    def content_id(self) -> str:
        """Equal for the same content read in the same way, whatever the file is called."""
        return content_hash([self.format, self.sha256, self.settings])


@dataclass(frozen=True, slots=True)
class KeptImport:
    """An import that a store holds: ``rows`` of the table ``table``, ``resolved`` of them of a known device."""

    import_id: str
    table: str
    file: str
    format: str
    sha256: str
    rows_seen: int
    rows_refused: int
    rows: int
    resolved: int
    devices: int
    imported_at: datetime
    assay_version: str


def append_cells(
    store: Store, cells: Iterable[CatalogueCell], import_facts: CatalogueImport, *, again: bool = False
) -> int:
    """Keep the cells of one file and return how many: 0 where the store has that file. All are kept, or none.

    ``again`` replaces what the file brought before. Raises StoreError, and UsageError for cells that are not imported.
    """
    rows = [_cell_row(cell) for cell in cells]
    return _append(store, CATALOGUE_CELLS, "cell_id", rows, import_facts, again=again)


def append_prices(
    store: Store, prices: Iterable[Price], import_facts: CatalogueImport | None = None, *, again: bool = False
) -> int:
    """Keep the prices of one file and return how many: 0 where the store has that file. All are kept, or none.

    Without ``import_facts`` the same prices are the same file. ``again`` replaces what the file brought before. Raises
    StoreError.
    """
    rows = [_price_row(price) for price in prices]
    if import_facts is None:
        named = ", ".join(sorted({str(row["source"]) for row in rows}))
        import_facts = CatalogueImport(named, "prices", content_hash(rows, length=64), len(rows), 0)
    return _append(store, PRICES, "price_id", rows, import_facts, again=again)


def read_cells(store: Store, *, hw_id: str | None = None, include_unknown: bool = False) -> tuple[CatalogueCell, ...]:
    """Return the imported cells, of one device where it is named, in the order of their import.

    Those of names that mean no one device are most of some tables, and only come where asked for. Raises StoreError.
    """
    return tuple(
        _cell(row) for row in _fetch(store, CATALOGUE_CELLS, "cell_id", hw_id, include_unknown=include_unknown)
    )


def read_prices(store: Store, *, hw_id: str | None = None) -> tuple[Price, ...]:
    """Return the imported prices, of one device where it is named, in the order of their import. Raises StoreError."""
    return tuple(_price(row) for row in _fetch(store, PRICES, "price_id", hw_id, include_unknown=True))


def read_facts(store: Store, *, prefer: Sequence[Layer] = PREFERENCE) -> Mapping[str, DeviceFacts]:
    """Return what is known of every device: the user's own files, the shipped table, and what the store imported.

    Raises StoreError, and OwnDeviceError for a file of own devices that cannot be used.
    """
    return view_facts([*load_own_cells(), *read_cells(store)], prefer=prefer)


def read_catalogue_imports(store: Store) -> tuple[KeptImport, ...]:
    """Return the files whose cells or prices the store holds, oldest first. Raises StoreError."""
    found = []
    for table in OF_CATALOGUE:
        if _is_empty(store, table):
            continue
        rows = fetch_rows(
            store.location,
            f"""
            SELECT import_id, any_value(file) AS file, any_value(format) AS format, any_value(sha256) AS sha256,
                   any_value(rows_seen) AS rows_seen, any_value(rows_refused) AS rows_refused, count(*) AS rows,
                   count(hw_id) AS resolved, count(DISTINCT hw_id) AS devices, any_value(imported_at) AS imported_at,
                   any_value(assay_version) AS assay_version
            FROM {table} GROUP BY import_id ORDER BY import_id
            """,  # noqa: S608  (a name of ours)
            tables=[table],
            versions=store.versions,
        )
        found += [KeptImport(**{**row, "table": table, "imported_at": aware(row["imported_at"])}) for row in rows]
    return tuple(sorted(found, key=lambda one: one.import_id))


def remove_catalogue_import(store: Store, ref: str) -> KeptImport:
    """Forget what one import brought; ``ref`` is its id or a unique part of it. Raises NotFoundError, UsageError."""
    fitting = [one for one in read_catalogue_imports(store) if ref and ref in one.import_id]
    if not fitting:
        raise NotFoundError(
            f"There is no import {ref!r} of hardware or prices in {store.location}.",
            hint="`assay catalog imports` lists them.",
        )
    if len(fitting) > 1:
        shown = ", ".join(one.import_id for one in fitting[:5])
        raise UsageError(f"{ref!r} fits {len(fitting)} imports: {shown}.", hint="Give more of the id.")
    content = fetch_rows(
        store.location,
        f"SELECT DISTINCT content_id FROM {fitting[0].table} WHERE import_id = ?",  # noqa: S608  (a name of ours)
        [fitting[0].import_id],
        tables=[fitting[0].table],
    )
    # By content: an earlier reading of the same file, which this one replaced, is not to come back.
    delete_rows(store.location, fitting[0].table, "content_id", [row["content_id"] for row in content])
    return fitting[0]


def _append(
    store: Store,
    table: str,
    key: str,
    rows: Sequence[dict[str, Any]],
    import_facts: CatalogueImport,
    *,
    again: bool,
) -> int:
    if not rows or (not again and _has(store, table, import_facts.content_id)):
        return 0
    import_id = new_id()
    facts = {
        "import_id": import_id,
        "content_id": import_facts.content_id,
        "file": import_facts.file,
        "format": import_facts.format,
        "sha256": import_facts.sha256,
        "rows_seen": import_facts.rows_seen,
        "rows_refused": import_facts.rows_refused,
        "imported_at": utc(datetime.now(UTC)),
        "assay_version": __version__,
        "schema_version": SCHEMA_VERSION,
    }
    # Padded, so that ids sort in the order of the file.
    stamped = [{**row, **facts, key: f"{import_id}-{place:07}"} for place, row in enumerate(rows)]
    append_arrow(store.location, table, arrow_table(table, stamped))
    return len(stamped)


def _has(store: Store, table: str, content_id: str) -> bool:
    if _is_empty(store, table):
        return False
    sql = f"SELECT 1 FROM {table} WHERE content_id = ? LIMIT 1"  # noqa: S608  (a name of ours)
    return bool(fetch_rows(store.location, sql, [content_id], tables=[table], versions=store.versions))


def _is_empty(store: Store, table: str) -> bool:
    """True where nothing was ever imported, which takes no query engine to see."""
    return store.versions is None and not live_files(store.location, table)


def _fetch(store: Store, table: str, key: str, hw_id: str | None, *, include_unknown: bool) -> list[dict[str, Any]]:
    if _is_empty(store, table):
        return []
    columns = ", ".join(
        f'"{column.name}"' for column in TABLES[table] if column not in OF_CATALOGUE_IMPORT and column.name != key
    )
    return fetch_rows(
        store.location,
        f"""
        SELECT {columns} FROM {table}
        WHERE (?::VARCHAR IS NULL OR hw_id = ?) AND (? OR hw_id IS NOT NULL) ORDER BY {key}
        """,  # noqa: S608  (names of ours)
        [hw_id, hw_id, include_unknown],
        tables=[table],
        versions=store.versions,
    )


def _cell_row(cell: CatalogueCell) -> dict[str, Any]:
    if cell.layer is not Layer.IMPORTED:
        raise UsageError(
            f"A cell of the layer {cell.layer} cannot be imported into a store.",
            hint="Own devices are kept in a file: assay catalog add.",
        )
    return {
        "hw_id": cell.hw_id,
        "device_text": cell.device_text,
        "field": cell.field,
        "number": cell.number,
        "word": cell.text,
        "source_id": cell.source_id,
        "as_of": cell.as_of,
        "source_row": cell.source_row,
        "confidence": cell.confidence,
    }


def _cell(row: Mapping[str, Any]) -> CatalogueCell:
    return CatalogueCell(
        hw_id=row["hw_id"],
        device_text=row["device_text"],
        field=row["field"],
        value=row["number"] if row["word"] is None else row["word"],
        layer=Layer.IMPORTED,
        source_id=row["source_id"],
        as_of=row["as_of"],
        source_row=row["source_row"],
        confidence=row["confidence"],
    )


def _price_row(price: Price) -> dict[str, Any]:
    return {
        "hw_id": price.hw_id,
        "device_text": price.device_text,
        "kind": price.kind.value,
        "provider": price.provider,
        "region": price.region,
        "instance": price.instance,
        "n_devices": price.n_devices,
        "usd": price.usd,
        "per_hour": price.per_hour,
        "terms": None if price.terms is None else price.terms.value,
        "as_of": price.as_of,
        "source": price.source,
        "source_row": price.source_row,
    }


def _price(row: Mapping[str, Any]) -> Price:
    return Price(
        hw_id=row["hw_id"],
        device_text=row["device_text"],
        kind=PriceKind(row["kind"]),
        provider=row["provider"],
        region=row["region"],
        instance=row["instance"],
        n_devices=row["n_devices"],
        usd=row["usd"],
        per_hour=row["per_hour"],
        terms=None if row["terms"] is None else Terms(row["terms"]),
        as_of=row["as_of"],
        source=row["source"],
        source_row=row["source_row"],
    )
