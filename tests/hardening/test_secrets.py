"""A secret that is planted wherever secrets live is in nothing that assay keeps, prints, answers or draws."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.store import Store
from assay.store.schema import TABLES

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SECRET = "ghp_R4nd0mS3cretOfATestZ9x8w7v6"  # noqa: S105  (planted, and searched for)
HIDDEN_IN = {
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "GITHUB_TOKEN": SECRET,
    "HF_TOKEN": SECRET,
    "ASSAY_WEBHOOK": f"http://127.0.0.1:9/hooks/{SECRET}",
    # Variables that are kept, since they change how fast libraries compute: only their values give these away.
    "CUDA_API_KEY": SECRET,
    "ORT_TELEMETRY_URL": f"https://user:{SECRET}@example.org/",
    "OMP_DISPLAY_ENV": SECRET,
    "PYTORCH_NVML_TOKEN": "short-one-" + SECRET,
    "LD_PRELOAD_NOTE": SECRET,
    "HTTPS_PROXY": f"http://user:{SECRET}@127.0.0.1:9",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The folder that commands run in: a git checkout whose remote has a password in it."""

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", os.fspath(tmp_path), *words], check=True, capture_output=True)  # noqa: S607

    try:
        git("init", "--quiet", "--initial-branch", "main")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git is not installed")
    git("remote", "add", "origin", f"https://user:{SECRET}@example.org/mine.git")
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--allow-empty", "-m", "first")
    return tmp_path


@pytest.fixture
def address() -> Iterator[str]:
    """An address with a password and a token in it, which answers with a result of another tool."""
    seeds = Path(__file__).parents[1] / "importers" / "seeds" / "timm"
    content = next(one for one in sorted(seeds.iterdir()) if one.is_file()).read_bytes()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:{SECRET}@127.0.0.1:{server.server_port}/timm.csv?token={SECRET}"
        server.shutdown()


def leaks_of(folder: Path) -> list[str]:
    """Files below ``folder`` with the secret in them, archives opened; git's own configuration left out."""
    found = []
    for file in folder.rglob("*"):
        if file.is_file() and ".git" not in file.parts:
            contents = [file.read_bytes()]
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    contents += [archive.read(name) for name in archive.namelist()]
            found += [str(file)] if any(SECRET.encode() in content for content in contents) else []
    return found


def rows_of(store: Store) -> Iterator[str]:
    """Every row of every table as text: in the files columns are packed, and a search of their bytes finds nothing."""
    for table in TABLES:
        yield json.dumps(store.query(f"SELECT * FROM {table}").to_pylist(), default=str)  # noqa: S608  (our names)


def test_a_planted_secret_is_nowhere(checkout: Path, assay: Run, address: str, suite_file: Path) -> None:
    said = []

    def call(*words: object, code: int = 0) -> str:
        done = assay(*words, **HIDDEN_IN)
        assert done.returncode == code, (words, done.stderr)
        said.append(done.stdout + done.stderr)
        return done.stdout

    call("run", "--suite", suite_file, "--json")
    call("import", address, "--json")
    call("show", "last", "--environment", "--launches")
    call("show", "last", "--json")
    call("doctor", "--json")
    for form in ("json", "csv", "md"):
        call("report", "last", "-o", f"report.{form}")
    call("export", "-o", "all.ndjson")
    call("sql", "SELECT * FROM environments", "--json")
    call("store", "backup", "copy")
    # What cannot work says why, and repeats no secret either.
    call("ls", "--store", f"s3://user:{SECRET}@bucket/prefix", code=2)
    call("store", "mirror", f"postgresql://user:{SECRET}@127.0.0.1:9/bench", code=2)
    assert [text for text in said if SECRET in text] == []
    assert leaks_of(checkout) == []
    for place in ("store", "copy"):
        assert [row for row in rows_of(Store.open(checkout / place)) if SECRET in row] == []


def test_a_planted_secret_is_in_no_answer_of_the_server(
    checkout: Path, assay: Run, suite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    pytest.importorskip("httpx", reason="asking the application needs httpx")
    from starlette.testclient import TestClient

    from assay.web.app import create_app
    from assay.web.settings import ServeSettings

    for name, value in HIDDEN_IN.items():
        monkeypatch.setenv(name, value)
    assert assay("run", "--suite", suite_file, **HIDDEN_IN).returncode == 0
    with TestClient(create_app(ServeSettings(store=str(checkout / "store"))), base_url="http://localhost") as client:
        pages = ["/", "/runs", "/runs/last", "/results", "/store", "/method"]
        for path in [*pages, "/api/v1/runs", "/api/v1/health", "/metrics"]:
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert SECRET not in answer.text, path
            assert SECRET not in str(answer.headers), path
        assert SECRET not in client.get(f"/runs?q={SECRET[:4]}").text
        broken = client.get("/api/v1/runs/nothing", headers={"Authorization": f"Bearer {SECRET}"})
        assert SECRET not in broken.text


def test_the_access_log_names_parameters_and_keeps_their_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("fastapi", reason="needs the extra serve")
    pytest.importorskip("httpx", reason="asking the application needs httpx")
    from starlette.testclient import TestClient

    from assay.web.app import create_app
    from assay.web.settings import ServeSettings

    Store.open(tmp_path / "store")
    with (
        caplog.at_level("DEBUG"),
        TestClient(create_app(ServeSettings(store=str(tmp_path / "store"))), base_url="http://localhost") as client,
    ):
        client.get(f"/runs?q={SECRET}", headers={"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}"})
        client.post("/login", data={"token": SECRET})
        ours = [one for one in caplog.records if one.name.startswith("assay")]
    assert [one.getMessage() for one in ours if SECRET in one.getMessage() or SECRET in str(one.__dict__)] == []


def test_what_is_kept_of_variables_is_what_changes_speed(assay: Run, suite_file: Path) -> None:
    done = assay("run", "--suite", suite_file, "--json", **HIDDEN_IN)
    assert done.returncode == 0, done.stderr
    shown = assay("sql", "SELECT facts FROM environments", "--json")
    facts: Any = json.loads(shown.stdout)
    text = json.dumps(facts)
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "HF_TOKEN", "HTTPS_PROXY"):
        assert name not in text
    assert "CUDA_API_KEY" in text  # the name may be known, and says why a number differs
    assert "<redacted>" in text
