from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import AssayError, UsageError
from assay.mirrors.connection import INSTALL_HINT, Connection, MirrorError, check_driver, redact_url
from assay.mirrors.ddl import check_schema
from assay.mirrors.plan import Settings
from assay.mirrors.transfer import mirror_store, plan_mirror
from assay.mirrors.verify import verify_mirror
from assay.store import Store


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:s3cret@host:5432/db", "postgresql://ada:***@host:5432/db"),
        ("postgresql://ada:p%40ss@host/db?sslmode=require", "postgresql://ada:***@host/db?sslmode=require"),
        ("postgresql://ada:p@ss@host/db", "postgresql://ada:***@host/db"),
        ("postgresql://host/db?user=ada&password=s3cret", "postgresql://host/db?user=ada&password=***"),
        ("postgresql://ada@host/db", "postgresql://ada@host/db"),
        ("postgresql:///db", "postgresql:///db"),
        ("postgresql://ada:s3cret@[bad", "***"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize("url", ["mysql://host/db", "host=localhost", "", "postgresql://host:port/db", "/a/folder"])
def test_what_is_no_address_is_refused(store: Store, url: str) -> None:
    with pytest.raises(UsageError, match="no address of a PostgreSQL database"):
        mirror_store(store.location, url)


@pytest.mark.parametrize("schema", ["", "pg_catalog", "x" * 64, "a\0b"])
def test_a_name_that_cannot_be_a_schema_is_refused(store: Store, schema: str) -> None:
    with pytest.raises(UsageError, match="--schema got"):
        mirror_store(store.location, "postgresql://host/db", Settings(schema=schema))


def test_a_server_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(MirrorError, match=r"could not be reached: .*refused") as raised:
        mirror_store(store.location, "postgresql://ada:s3cret@127.0.0.1:1/db")
    assert raised.value.hint is not None
    assert "s3cret" not in str(raised.value)


def test_an_absent_driver_names_the_package(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name.startswith("adbc_") else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    missing = check_driver()
    assert missing is not None
    assert missing.install_hint == INSTALL_HINT
    with pytest.raises(MirrorError, match="not installed") as raised:
        mirror_store(store.location, "postgresql://host/db")
    assert raised.value.hint == INSTALL_HINT


def test_a_user_without_rights_or_password_is_told(
    filled: Store, url: str, server: Any, tamper: Callable[[str], None]
) -> None:
    database = url.rpartition("/")[2]
    user, password = server.locked_user, server.locked_password
    tamper(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
    with pytest.raises(MirrorError, match="password authentication failed") as wrong:
        mirror_store(filled.location, server.url(database, user, "wr0ng-w0rd"))
    assert "wr0ng-w0rd" not in str(wrong.value)
    assert "PGPASSWORD" in str(wrong.value)
    with pytest.raises(MirrorError, match="permission denied for database") as denied:
        mirror_store(filled.location, server.url(database, user, password))
    assert "GRANT CREATE ON DATABASE" in str(denied.value)
    assert password not in str(denied.value)
    with pytest.raises(MirrorError, match="does not exist"):
        mirror_store(filled.location, server.url("no_such_database"))


def test_a_mirror_of_a_newer_assay_is_refused(store: Store, url: str, tamper: Callable[[str], None]) -> None:
    mirror_store(store.location, url)
    tamper("UPDATE assay.mirror_info SET schema_version = 99")
    for act in (mirror_store, plan_mirror, verify_mirror):
        with pytest.raises(MirrorError, match="newer assay"):
            act(store.location, url)


CHANGES = {
    "DROP TABLE assay.telemetry": "the table telemetry is missing",
    "ALTER TABLE assay.baselines DROP COLUMN note": "the column baselines.note is missing",
    "ALTER TABLE assay.imports ALTER COLUMN size_bytes TYPE text": "imports.size_bytes is of type text",
    "ALTER TABLE assay.mirror_state DROP COLUMN checksum": "mirror_state.checksum is missing",
    "DELETE FROM assay.mirror_info": "mirror_info is empty",
}


def test_tables_changed_by_hand_are_refused(store: Store, url: str, tamper: Callable[[str], None]) -> None:
    mirror_store(store.location, url)
    with Connection(url) as connection:
        for change, message in CHANGES.items():
            connection.execute(change)
            with pytest.raises(MirrorError, match=re.escape(message)) as raised:
                check_schema(connection, "assay")
            assert "DROP SCHEMA" in str(raised.value)
            connection.rollback()
    tamper(next(iter(CHANGES)))
    for act in (mirror_store, plan_mirror, verify_mirror):
        with pytest.raises(MirrorError, match="changed by hand"):
            act(store.location, url)


def test_an_additional_column_and_table_do_no_harm(filled: Store, url: str, tamper: Callable[[str], None]) -> None:
    mirror_store(filled.location, url)
    tamper("ALTER TABLE assay.runs ADD COLUMN mine text")
    tamper("CREATE TABLE assay.notes (run_id text)")
    mirror_store(filled.location, url, Settings(full=True))
    assert verify_mirror(filled.location, url).is_equal


def test_a_schema_with_somebody_elses_tables_is_left_alone(
    store: Store, url: str, tamper: Callable[[str], None]
) -> None:
    tamper("CREATE SCHEMA assay")
    tamper("CREATE TABLE assay.results (mine int)")
    with pytest.raises(MirrorError, match="'results' that is not of a mirror"):
        mirror_store(store.location, url)


def test_a_schema_that_waits_empty_is_used(store: Store, url: str, tamper: Callable[[str], None]) -> None:
    tamper("CREATE SCHEMA assay")
    assert mirror_store(store.location, url).created


def test_another_store_does_not_replace_the_first_unasked(filled: Store, store: Store, url: str, bundles: Any) -> None:
    mirror_store(filled.location, url)
    store.append(bundles.make_bundle())
    for act in (mirror_store, plan_mirror, verify_mirror):
        with pytest.raises(MirrorError, match="mirrors another store"):
            act(store.location, url)
    assert mirror_store(store.location, url, Settings(full=True)).runs_copied == 1
    assert verify_mirror(store.location, url).is_equal


def test_rows_in_the_way_are_an_error_and_nothing_is_copied(
    filled: Store, url: str, tamper: Callable[[str], None], fetch: Callable[..., list[dict[str, Any]]]
) -> None:
    mirror_store(filled.location, url)
    tamper("DELETE FROM assay.mirror_state")
    with pytest.raises(MirrorError, match=r"rows were to be added to assay\.runs") as raised:
        mirror_store(filled.location, url)
    assert "--full" in str(raised.value)
    assert fetch("SELECT FROM assay.mirror_state") == []


def test_a_damaged_store_is_an_error_of_the_store(filled: Store, url: str) -> None:
    for file in Path(filled.location, "samples").glob("*.parquet"):
        file.write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(AssayError, match="could not be read"):
        mirror_store(filled.location, url)
