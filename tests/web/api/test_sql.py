"""SQL over HTTP: what it gives, and everything it must not do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def ask(client: TestClient, sql: str, **more: Any) -> Any:
    return client.post("/api/v1/sql", json={"sql": sql, **more})


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rows_columns_and_whether_there_are_more(client: TestClient) -> None:
    found = ask(client, "SELECT workload, count(*) AS n FROM results GROUP BY workload ORDER BY workload", max_rows=2)
    assert found.status_code == 200
    body = found.json()
    assert [column["name"] for column in body["columns"]] == ["workload", "n"]
    assert [column["type"] for column in body["columns"]] == ["string", "int64"]
    assert (len(body["rows"]), body["truncated"]) == (2, True)
    whole = ask(client, "SELECT count(*) FROM results").json()
    assert (whole["rows"], whole["truncated"]) == ([[33]], False)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("NULL", None), ("1", 1), ("true", True), ("9007199254740993::BIGINT", "9007199254740993"),
        ("170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"),
        ("1.5::DOUBLE", 1.5), ("'nan'::DOUBLE", None), ("'-inf'::DOUBLE", None), ("1.50::DECIMAL(9, 2)", "1.50"),
        ("'a'::BLOB", "YQ=="), ("DATE '2026-11-22'", "2026-11-22"),
        ("TIMESTAMP '2026-11-22 10:00:00.5'", "2026-11-22T10:00:00.500000Z"), ("TIME '10:00:00'", "10:00:00"),
        ("[1, NULL]", [1, None]), ("{'a': 'nan'::DOUBLE}", {"a": None}), ("MAP {'k': 1}", [["k", 1]]),
        ("'\U0001f600 \u202e <script>'", "\U0001f600 \u202e <script>"), ("chr(0)", "\x00"),
        ("'[1]'::JSON", "[1]"),
        ("'00000000-0000-0000-0000-000000000001'::UUID", "00000000-0000-0000-0000-000000000001"),
    ],
)  # fmt: skip
def test_every_type_can_be_said_in_json(client: TestClient, sql: str, value: object) -> None:
    found = ask(client, f"SELECT {sql} AS x")
    assert found.status_code == 200, found.text
    assert found.json()["rows"] == [[value]]


@pytest.fixture
def bait(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file that nobody may read, watched for files that nobody may write."""
    folder = tmp_path / "bait"
    folder.mkdir()
    (folder / "secret.csv").write_text("secret\n42\n")
    yield folder
    assert sorted(path.name for path in folder.iterdir()) == ["secret.csv"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{bait}/secret.csv')",
        "SELECT * FROM '{bait}/secret.csv'",
        "FROM read_text('{bait}/secret.csv')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM glob('{bait}/*')",
        "SELECT * FROM read_parquet('{store}/results/*.parquet')",
        "COPY (SELECT 1) TO '{bait}/out.csv'",
        "WITH x AS (COPY (SELECT 1) TO '{bait}/out.csv') SELECT 1",
        "EXPORT DATABASE '{bait}/out'",
        "ATTACH '{bait}/other.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD '{bait}/evil.duckdb_extension'",
        "PRAGMA database_list",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "CALL enable_logging()",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{bait}/out.csv''')",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO raw.results SELECT * FROM raw.results",
        "DELETE FROM raw.runs",
        "DROP VIEW results",
        "SELECT 1; SELECT 2",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{bait}/out.csv'",
        "SELECT getenv('HOME')",
        "CHECKPOINT",
        "SELECT * FROM nothing",
        "SELEC 1",
        "-- nothing",
        ";",
    ],
)
def test_it_can_do_nothing_but_read_this_store(client: TestClient, filled: Store, bait: Path, sql: str) -> None:
    before = files_of(Path(filled.location))
    refused = ask(client, sql.format(bait=bait, store=filled.location))
    assert refused.status_code == 400, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert "42" not in refused.json()["detail"].replace(str(bait), "")
    assert files_of(Path(filled.location)) == before


def test_what_takes_too_long_is_stopped_and_the_server_lives(made: Any, filled: Store) -> None:
    with made.serve(filled, sql_seconds=1.0) as client:
        refused = ask(
            client,
            "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000) c WHERE a.range + b.range = c.range",
        )
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:assay:problem:usage")
        assert "stopped after 1 s" in refused.json()["detail"]
        assert ask(client, "SELECT 1").json()["rows"] == [[1]]


def test_rows_and_bytes_are_bounded(made: Any, filled: Store) -> None:
    with made.serve(filled, sql_rows=10) as client:
        found = ask(client, "SELECT * FROM range(100)", max_rows=1000).json()
        assert (len(found["rows"]), found["truncated"]) == (10, True)
        large = ask(client, "SELECT repeat('x', 10000000) FROM range(5)")
        assert (large.status_code, "bytes" in large.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"sql": "SELECT 1"}', {"Content-Type": "text/plain"}, 422),
        (b"sql=SELECT+1", {"Content-Type": "application/x-www-form-urlencoded"}, 422),
        (b'{"sql": "SELECT 1"', {"Content-Type": "application/json"}, 422),
        (b'{"sql": "SELECT 1", "more": 1}', {"Content-Type": "application/json"}, 422),
        (b'{"sql": ""}', {"Content-Type": "application/json"}, 422),
        (b'{"sql": "\\ud800"}', {"Content-Type": "application/json"}, 422),
        (b'{"sql": "SELECT \\u0000 1"}', {"Content-Type": "application/json"}, 400),
        (b'{"sql": "SELECT 1 -- ' + b"x" * 60_000 + b'"}', {"Content-Type": "application/json"}, 422),
        (b"[" * 100_000, {"Content-Type": "application/json"}, 422),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 422),
        (b"", {}, 422),
    ],
)
def test_odd_bodies_are_refused(client: TestClient, body: bytes, headers: dict[str, str], status: int) -> None:
    refused = client.post("/api/v1/sql", content=body, headers=headers)
    assert refused.status_code in (status, 400), refused.text
    assert refused.headers["content-type"] == "application/problem+json"
