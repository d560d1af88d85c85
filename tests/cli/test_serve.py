"""``assay serve`` as a process: addresses, ports, tokens, ending."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from assay.store import Store


class Served:
    """A server that was started, and what it printed."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        return self.process.returncode


Start = Callable[..., Served]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "ASSAY_STORE": str(tmp_path / "store"), "ASSAY_TOKENS": str(tmp_path / "tokens")}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*flags: str) -> Served:
        Store.open(tmp_path / "store")
        command = [sys.executable, "-m", "assay.cli.main", "serve", *flags]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.match(r"http://\S+", line)
        assert found, line + process.stderr.read()
        return Served(process, found[0])

    yield run
    for process in started:
        process.kill()
        process.communicate()


def call(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assay.cli.main", "serve", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def wait_for(url: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=60) as client:
        return client.get(url)


def test_it_serves_an_empty_store_and_ends_with_ctrl_c_while_somebody_watches(start: Start) -> None:
    served = start("--port", "0")
    answer = wait_for(served.url)
    assert answer.status_code == 200
    assert "assay run" in answer.text  # what an empty store teaches
    assert "server" not in answer.headers
    watching = threading.Event()

    def watch() -> None:
        with httpx.stream("GET", f"{served.url}live/events", timeout=60) as stream:
            for _ in stream.iter_lines():
                watching.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert watching.wait(60)
    assert served.end() in {0, 130, -signal.SIGINT}
    watcher.join(30)
    assert not watcher.is_alive()


def test_a_port_that_is_taken_is_said_and_without_one_the_next_is_found(
    start: Start, environment: dict[str, str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = call(environment, "--port", str(port))
    assert refused.returncode == 2
    assert f"Port {port} of 127.0.0.1 is in use." in refused.stderr
    one, other = start(), start()
    assert one.url != other.url
    assert wait_for(other.url).status_code == 200


def test_other_machines_need_a_token(start: Start, environment: dict[str, str]) -> None:
    refused = call(environment, "--host", "0.0.0.0", "--port", "0")  # noqa: S104  (it is refused)
    assert refused.returncode == 2
    assert "assay serve token new" in refused.stderr
    token = call(environment, "token", "new", "ana").stdout.strip()
    assert call(environment, "token", "new", "ana").returncode == 2
    assert "ana" in call(environment, "token", "ls", "--json").stdout
    assert token not in call(environment, "token", "ls", "--json").stdout
    served = start("--host", "0.0.0.0", "--port", "0")  # noqa: S104  (with a token)
    assert wait_for(f"{served.url}api/v1/runs").status_code == 401
    known = httpx.get(f"{served.url}api/v1/runs", headers={"authorization": f"Bearer {token}"}, timeout=60)
    assert known.status_code == 200
    assert served.end() in {0, 130, -signal.SIGINT}
    assert call(environment, "token", "revoke", "ana").returncode == 0
    assert call(environment, "token", "revoke", "ana").returncode == 2
    assert "There are no tokens" in call(environment, "token", "ls").stdout


@pytest.mark.parametrize(("words", "said"), [
    (("--root-path", "assay"), "--root-path 'assay' is no path"),
    (("--root-path", "/a<b"), "is no path"),
    (("--host", "no.such.host.invalid"), "is no address of this machine"),
    (("--store", "/nowhere/at/all"), "/nowhere/at/all"),
])  # fmt: skip
def test_slips_are_said_in_words(environment: dict[str, str], words: tuple[str, ...], said: str) -> None:
    done = call(environment, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_helping_and_naming_tokens_load_no_framework(environment: dict[str, str]) -> None:
    code = (
        "import sys; from assay.cli import serve; "
        "assert not {'fastapi', 'uvicorn', 'jinja2', 'matplotlib', 'duckdb'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
