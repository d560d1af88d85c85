from __future__ import annotations

import gzip
import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.store import Store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

OCTETS = {"Content-Type": "application/octet-stream"}


def send(client: TestClient, made: Any, body: bytes, query: str = "", **headers: str) -> Any:
    return client.post(f"/api/v1/imports{query}", content=body, headers={**OCTETS, **made.BEARER, **headers})


@pytest.fixture(autouse=True)
def nothing_stays_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Uploads are gone once they are answered, whatever became of them."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def test_a_file_is_taken_once_and_listed(own_client: TestClient, own_store: Store, made: Any) -> None:
    body = made.google_benchmark(("BM_one", "BM_two"), time_ns=77.0)
    first = send(own_client, made, body, "?name=bench.json").json()
    assert (first["rows_added"], first["is_complete"], first["is_dry_run"]) == (2, True, False)
    file = first["files"][0]
    assert (file["name"], file["outcome"], file["format"], file["rows_usable"]) == (
        "bench.json", "taken", "google-benchmark", 2,
    )  # fmt: skip
    assert own_store.results(run_id=file["run_id"]).count_rows() == 2
    again = send(own_client, made, body).json()
    assert (again["rows_added"], again["files"][0]["outcome"]) == (0, "already there")
    listed = own_client.get("/api/v1/imports").json()["items"]
    assert next(one["import_id"] for one in listed) == file["import_id"]
    one = own_client.get(f"/api/v1/imports/{file['import_id']}").json()
    assert (one["rows_taken"], one["provenance"]) == (2, "imported")
    results = own_client.get(f"/api/v1/runs/{one['run_id']}/results").json()["items"]
    assert {result["case"]["workload"] for result in results} == {"BM_one", "BM_two"}


def test_a_dry_run_writes_nothing(own_client: TestClient, own_store: Store, made: Any) -> None:
    before = len(own_store.runs())
    found = send(own_client, made, made.google_benchmark(("BM_dry",)), "?dry_run=true").json()
    assert (found["is_dry_run"], found["files"][0]["outcome"]) == (True, "would be taken")
    assert len(own_store.runs()) == before


def test_archives_are_unpacked_within_limits(own_client: TestClient, made: Any, tmp_path: Path) -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.json", made.google_benchmark(("BM_a",), time_ns=5.0))
        archive.writestr("../../escape.json", made.google_benchmark(("BM_b",), time_ns=6.0))
    found = send(own_client, made, zipped.getvalue(), "?name=both.zip", **{"Content-Type": "application/zip"}).json()
    outcomes = {one["name"]: one["outcome"] for one in found["files"]}
    assert outcomes == {"both.zip!a.json": "taken", "both.zip!../../escape.json": "taken"}
    assert not list(tmp_path.rglob("escape.json"))  # the name is kept, and leads nowhere
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    refused = send(own_client, made, bomb)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:assay:problem:file")


def test_rows_that_cannot_be_are_refused_with_their_place(own_client: TestClient, made: Any) -> None:
    content = json.loads(made.google_benchmark(("BM_good", "BM_bad"), time_ns=3.0))
    content["benchmarks"][1]["real_time"] = -5.0
    found = send(own_client, made, json.dumps(content).encode()).json()
    file = found["files"][0]
    assert (file["rows_taken"], file["rows_refused"], found["is_complete"]) == (1, 1, False)
    assert file["refusals"][0]["place"] == "/benchmarks/1"
    listed = own_client.get(f"/api/v1/imports/{file['import_id']}/refusals").json()["items"]
    assert listed == file["refusals"]
    assert own_client.get("/api/v1/imports/nothing/refusals").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"\x00\x01\x02", b"<html></html>", b"a,b\n1,2\n", pickle.dumps({"a": 1}), b"[" * 100_000,
        b"!!python/object/apply:os.system ['true']",
    ],
    ids=["empty", "broken", "list", "binary", "page", "table", "pickle", "deep", "yaml"],
)  # fmt: skip
def test_what_is_no_result_is_refused_and_nothing_of_it_kept(
    own_client: TestClient, own_store: Store, made: Any, body: bytes
) -> None:
    before = len(own_store.runs())
    refused = send(own_client, made, body)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:assay:problem:file")
    assert "temporary" not in refused.text  # where it lay on the server
    assert len(own_store.runs()) == before


def test_it_takes_a_token_a_type_and_a_plain_name(own_client: TestClient, made: Any) -> None:
    body = made.google_benchmark(("BM_x",))
    missing = own_client.post("/api/v1/imports", content=body, headers=OCTETS)
    assert missing.status_code == 401
    wrong = own_client.post("/api/v1/imports", content=body, headers={**OCTETS, "Authorization": "Bearer assay_no"})
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    form = send(own_client, made, body, **{"Content-Type": "multipart/form-data; boundary=x"})
    assert (form.status_code, form.json()["type"]) == (415, "urn:assay:problem:media-type")
    for name in ("../x", "/etc/passwd", "a%00b", "a/b", "", "-x", "a%5Cb", "x" * 300):
        assert send(own_client, made, body, f"?name={name}").status_code == 422, name
    assert send(own_client, made, body, "?format=nothing").status_code == 400


def test_a_body_may_be_as_large_as_is_said_and_no_larger(made: Any, own_store: Store) -> None:
    body = made.google_benchmark(("BM_large", "BM_larger"))
    with made.serve(own_store, upload_bytes=len(body), body_bytes=64) as client:
        assert send(client, made, body, "?dry_run=true").status_code == 200
        assert send(client, made, body + b" ").status_code == 413

        def pieces() -> Iterator[bytes]:
            yield body
            yield b" " * 10

        chunked = client.post("/api/v1/imports", content=pieces(), headers={**OCTETS, **made.BEARER})
        assert (chunked.status_code, chunked.json()["type"]) == (413, "urn:assay:problem:too-large")
        assert client.post("/api/v1/sql", json={"sql": f"SELECT '{'x' * 64}'"}).status_code == 413
