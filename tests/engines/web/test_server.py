from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.core.errors import EngineError
from assay.engines.web.happenings import Came, Left, Reply, Told
from assay.engines.web.server import JobServer

PATIENCE_S = 20.0


class Client:
    """A browser's side, by hand: each request on a connection of its own."""

    def __init__(self, server: JobServer) -> None:
        self.server = server

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def get(self, name: str) -> tuple[int, bytes, dict[str, str]]:
        return self.ask("GET", self.server.path(name))

    def post(self, name: str, body: bytes) -> int:
        return self.ask("POST", self.server.path(name), body)[0]

    def listen(self) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        connection.request("GET", self.server.path("jobs"))
        stream = connection.getresponse()
        assert stream.status == 200
        assert stream.readline() == b": assay\n"
        assert stream.readline() == b"\n"
        return connection, stream


@pytest.fixture
def server() -> Iterator[JobServer]:
    with JobServer() as started:
        yield started


@pytest.fixture
def client(server: JobServer) -> Client:
    return Client(server)


def read_job(stream: http.client.HTTPResponse) -> dict[str, object]:
    line = stream.readline()
    assert line.startswith(b"data: ")
    assert stream.readline() == b"\n"
    job: dict[str, object] = json.loads(line.removeprefix(b"data: "))
    return job


def test_a_job_goes_down_and_its_answer_comes_back(server: JobServer, client: Client) -> None:
    early = server.send("init", {"threads": 2})
    connection, stream = client.listen()
    assert isinstance(server.next_happening(PATIENCE_S), Came)
    assert read_job(stream) == {"id": early, "verb": "init", "args": {"threads": 2}}

    late = server.send("chunk")
    assert read_job(stream) == {"id": late, "verb": "chunk", "args": {}}
    assert client.post(f"replies/{late}", b'{"ok": true, "value": {"durations_ms": [1.5]}}') == 204
    assert server.next_happening(PATIENCE_S) == Reply(late, ok=True, value={"durations_ms": [1.5]}, error={})

    assert client.post(f"replies/{late}", b'{"ok": false, "error": {"name": "RangeError", "message": "no"}}') == 204
    failed = server.next_happening(PATIENCE_S)
    assert failed == Reply(late, ok=False, value=None, error={"name": "RangeError", "message": "no"})

    stream.close()
    connection.close()
    assert isinstance(server.next_happening(PATIENCE_S), Left)


def test_jobs_arrive_whole_and_in_order(server: JobServer, client: Client) -> None:
    connection, stream = client.listen()
    sent = [server.send("chunk", {"text": "x" * 100_000}) for _ in range(20)]
    assert [read_job(stream)["id"] for _ in sent] == sent
    stream.close()
    connection.close()


def test_bytes_come_beside_an_answer_once(server: JobServer, client: Client) -> None:
    assert client.post("blobs/3/output-0", b"\0\1\2") == 204
    assert server.take_blob(3, "output-0") == b"\0\1\2"
    assert server.take_blob(3, "output-0") is None


def test_what_the_page_says_unasked_is_heard(server: JobServer, client: Client) -> None:
    assert client.post("events", b'{"event": "device_lost", "detail": "gone"}') == 204
    assert server.next_happening(PATIENCE_S) == Told("device_lost", "gone")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("replies/1", b"no JSON"),
        ("replies/1", b"[1]"),
        ("replies/1", b'{"value": 1}'),
        ("replies/1", b"[" * 100_000),
        ("events", b'{"detail": 1}'),
        ("events", b"\xff"),
    ],
)
def test_what_is_no_answer_is_refused(server: JobServer, client: Client, name: str, body: bytes) -> None:
    assert client.post(name, body) == 400
    assert server.next_happening(0.0) is None


def test_a_body_that_is_too_large_is_refused_unread(client: Client) -> None:
    assert client.post("events", b"x" * ((64 << 10) + 1)) == 413


def test_files_are_served_by_name_with_the_headers_that_isolate(
    server: JobServer, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a.wasm").write_bytes(b"\0asm")
    (tmp_path / "below" / "b.mjs").write_bytes(b"export {};")
    (tmp_path / ".hidden").write_bytes(b"no")
    assert server.add_folder("ort", tmp_path) == server.path("ort/")
    assert server.add_file("model.onnx", b"\1\2") == server.path("files/model.onnx")
    server.add_file("weights.bin", tmp_path / "a.wasm")

    status, body, headers = client.get("ort/a.wasm")
    assert (status, body, headers["Content-Type"]) == (200, b"\0asm", "application/wasm")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "assay"
    assert client.get("ort/below/b.mjs")[2]["Content-Type"].startswith("text/javascript")
    assert client.get("files/model.onnx")[1] == b"\1\2"
    assert client.get("files/weights.bin")[1] == b"\0asm"
    assert client.get("ort/.hidden")[0] == 404

    (tmp_path / "a.wasm").unlink()
    assert client.get("ort/a.wasm")[0] == 404


def test_everything_that_is_not_admitted_gets_the_same_answer(
    server: JobServer, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "a.js").write_bytes(b"")
    server.add_folder("page", tmp_path)
    outside = [
        client.ask("GET", "/"),
        client.ask("GET", f"/{server.token}"),
        client.ask("GET", f"/{server.token[:-1]}x/page/a.js"),
        client.ask("GET", "/page/a.js"),
        client.ask("GET", server.path("page/../../../../etc/passwd")),
        client.ask("GET", server.path("page/%2e%2e/server.py")),
        client.ask("GET", server.path("page/a.js"), headers={"Host": "rebound.example"}),
        client.ask("GET", server.path("page/a.js"), headers={"Host": f"rebound.example:{server.port}"}),
        client.ask("POST", "/wrong-token-wrong-token/events", b"{}"),
        client.ask("POST", server.path("page/a.js"), b"{}"),
        client.ask("PUT", server.path("page/a.js"), b"{}"),
        client.ask("DELETE", server.path("page/a.js")),
    ]
    assert {(status, body) for status, body, _ in outside} == {(404, b"")}
    assert {tuple(sorted(set(headers) - {"Date"})) for _, _, headers in outside} == {
        tuple(sorted(set(outside[0][2]) - {"Date"}))
    }
    assert client.get("page/a.js")[0] == 200
    assert client.ask("GET", server.path("page/a.js"), headers={"Host": f"localhost:{server.port}"})[0] == 200
    assert server.next_happening(0.0) is None


def test_what_is_no_http_ends_its_connection_alone(server: JobServer, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        raw.sendall(b"\x16\x03\x01 rubbish\r\n\r\n")
        assert raw.recv(4096) == b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as raw:
        raw.sendall(b"POST ")
    assert client.get("launch")[0] == 200


def test_one_page_listens_and_a_second_is_told(server: JobServer, client: Client) -> None:
    assert json.loads(client.get("launch")[1]) == {"launch": server.launch, "is_visit": False, "is_taken": False}
    connection, stream = client.listen()
    assert client.get("jobs")[0] == 409
    assert json.loads(client.get("launch")[1])["is_taken"] is True
    stream.close()
    connection.close()
    assert isinstance(server.next_happening(PATIENCE_S), Came)
    assert isinstance(server.next_happening(PATIENCE_S), Left)
    assert client.get("jobs")[0] == 409, "who left does not come back"


def test_closing_says_good_bye_and_ends_every_connection() -> None:
    server = JobServer().start()
    client = Client(server)
    connection, stream = client.listen()
    idle = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    port = server.port
    server.close()
    assert stream.read().startswith(b"event: bye\n")
    with contextlib.suppress(ConnectionResetError):  # it may not have been accepted yet
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    server.close()
    stream.close()
    connection.close()
    idle.close()


def test_the_same_port_can_be_had_again_at_once() -> None:
    with JobServer() as first:
        port = first.port
        connection, stream = Client(first).listen()
    with JobServer(port=port) as second:
        assert Client(second).get("launch")[0] == 200
    stream.close()
    connection.close()


def test_a_port_in_use_is_said() -> None:
    with JobServer() as first, pytest.raises(EngineError, match=f"port {first.port}: the port is in use") as caught:
        JobServer(port=first.port).start()
    assert "choose another port" in str(caught.value)


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(EngineError, match="no address of this machine"):
        JobServer(address="192.0.2.1").start()


def test_a_visitor_calls_the_server_by_its_own_name() -> None:
    with JobServer(origin="http://phone.example:8435", token="t" * 20, is_visit=True) as server:
        client = Client(server)
        assert server.page_url == f"http://phone.example:8435/{'t' * 20}/"
        assert client.get("launch")[0] == 404
        status, body, _ = client.ask("GET", server.path("launch"), headers={"Host": "PHONE.example:8435"})
        assert (status, json.loads(body)["is_visit"]) == (200, True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_over_tls_the_stream_works_as_well(tmp_path: Path) -> None:
    file = tmp_path / "visit.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    names = ["-subj", "/CN=assay", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", str(file)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(file))
    with JobServer(certificate=file) as server:
        assert server.origin.startswith("https://127.0.0.1:")
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP" not in plain.recv(4096)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=PATIENCE_S, context=context)
        connection.request("GET", server.path("jobs"))
        stream = connection.getresponse()
        assert (stream.readline(), stream.readline()) == (b": assay\n", b"\n")
        job = server.send("hello")
        assert read_job(stream)["id"] == job
        assert isinstance(server.next_happening(PATIENCE_S), Came)
        stream.close()
        connection.close()
        assert isinstance(server.next_happening(PATIENCE_S), Left)


def test_a_file_that_is_no_certificate_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("nothing")
    with pytest.raises(EngineError, match="cannot be used"):
        JobServer(certificate=tmp_path / "a.pem").start()
