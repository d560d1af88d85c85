from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from tests.loading import load_module

from assay.core.records import RunBundle
from assay.store import Journal, Store

BUNDLES = Path(__file__).parent / "bundles.py"
S3_PROXY = Path(__file__).parent / "s3_proxy.py"


@pytest.fixture(scope="session")
def bundles() -> Any:
    """The module that makes runs to store."""
    return load_module("store.bundles")


@pytest.fixture
def make_bundle(bundles: Any) -> Callable[..., RunBundle]:
    made: Callable[..., RunBundle] = bundles.make_bundle
    return made


@pytest.fixture
def write_all(bundles: Any) -> Callable[[Journal, RunBundle], None]:
    """Write every record of a run into its journal, as the runner does."""
    written: Callable[[Journal, RunBundle], None] = bundles.write_all
    return written


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def start_script() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``bundles.py`` with some arguments; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(BUNDLES), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Forks:
    """Processes that are to be killed, forked from one that has loaded everything (see bundles.py)."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors
        with errors.open("w") as file:
            self._process = subprocess.Popen(
                [sys.executable, str(BUNDLES), "fork"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                start_new_session=True,
            )

    def start(self, *words: object) -> str:
        """Start a process of this role with these arguments; return what kills it."""
        return self._tell("\t".join(map(str, words)))

    def kill(self, process: str) -> None:
        assert self._tell(f"kill\t{process}") == "True", f"it ended by itself: {self._errors.read_text()}"

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _tell(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Callable[[], Forks]]:
    """Make a source of processes that are to be killed, in the environment of that moment."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked and killed by signals")
    made: list[Forks] = []

    def make() -> Forks:
        made.append(Forks(tmp_path / f"errors-of-forks-{len(made)}"))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def kill_writers(tmp_path: Path, forks: Callable[[], Forks]) -> Callable[..., tuple[int, list[str]]]:
    """Let processes append to a store while random ones are killed; return the kills and the acknowledged runs.

    It lasts until so many have been killed, and on a loaded machine longer, until as many runs are acknowledged as
    there are writers.
    """

    def run(
        location: object, *, writers: int, seed: int, pause_s: tuple[float, float], kills: int
    ) -> tuple[int, list[str]]:
        draw = random.Random(seed)
        source = forks()
        acknowledgements: list[Path] = []

        def start() -> str:
            acknowledgements.append(tmp_path / f"acknowledged-{len(acknowledgements)}")
            return source.start("append", location, acknowledgements[-1], draw.randrange(2**32))

        def acknowledged() -> list[str]:
            there = [path for path in acknowledgements if path.exists()]
            return [run_id for path in there for run_id in path.read_text(encoding="ascii").split()]

        processes = [start() for _ in range(writers)]
        current = dict(enumerate(acknowledgements))
        begin, killed = time.monotonic(), 0
        while killed < kills or len(acknowledged()) < writers:
            assert time.monotonic() < begin + 200, "the machine is too slow for this test to mean anything"
            time.sleep(draw.uniform(*pause_s))
            # Mostly one that has got somewhere: else on a slow machine nobody would ever write.
            at_work = [number for number, path in current.items() if path.exists()]
            victim = draw.choice(at_work) if at_work and draw.random() < 0.75 else draw.randrange(writers)
            source.kill(processes[victim])
            killed += 1
            processes[victim] = start()
            current[victim] = acknowledgements[-1]
        for process in processes:
            source.kill(process)
        return killed, acknowledged()

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many MiB, which takes a root that may mount."""
    mounted: list[Path] = []

    def mount(size_mib: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        if not sys.platform.startswith("linux") or os.geteuid() != 0:
            pytest.skip("mounting a small tmpfs takes root on Linux")
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        if outcome.returncode != 0:
            pytest.skip(f"a tmpfs cannot be mounted here: {outcome.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["/bin/umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[int]:
    """The port on loopback of an S3 server in a process of its own, which keeps everything in memory."""
    pytest.importorskip("moto.server", reason="the S3 server of these tests is moto: pip install 'moto[server]'")
    port = free_port()
    with (tmp_path_factory.mktemp("s3") / "log").open("wb") as log:
        command = [sys.executable, str(Path(__file__).parent / "s3_server.py"), str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while True:
                assert server.poll() is None, "the S3 server ended by itself"
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                except OSError:
                    assert time.monotonic() < deadline, "the S3 server did not start"
                    time.sleep(0.05)
                else:
                    break
            yield port
        finally:
            server.kill()
            server.wait()


class Door:
    """The door in front of the S3 server (see s3_proxy.py)."""

    def __init__(self, server_port: int, port: int) -> None:
        command = [sys.executable, str(S3_PROXY), str(server_port), str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def open(self) -> None:
        self._tell("open")

    def shut(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        self._tell("shut")

    def lose(self, share: float, *, seed: int = 0) -> int:
        """Drop that share of answers from now on; return how many were dropped until now."""
        return self._tell(f"lose {share} {seed}")

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture
def s3_door(
    s3_port: int, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Door]:
    """A door to the S3 server, and an environment in which ``s3://`` leads through it."""
    door = Door(s3_port, free_port())
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{door.port}",
        "AWS_ALLOW_HTTP": "true",
        "NO_PROXY": "127.0.0.1",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }.items():
        monkeypatch.setenv(name, value)
    yield door
    door.end()


@pytest.fixture
def s3_address(s3_door: Door, s3_port: int) -> str:
    """An address in a bucket of its own, where nothing is yet."""
    assert s3_door.port
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    connection = http.client.HTTPConnection("127.0.0.1", s3_port, timeout=30)
    connection.request("PUT", f"/{bucket}")
    assert connection.getresponse().status == HTTPStatus.OK
    connection.close()
    return f"s3://{bucket}/some/store"


@pytest.fixture
def s3_store(s3_address: str) -> Store:
    return Store.open(s3_address)
