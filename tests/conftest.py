"""What tests of several packages share: processes of ``assay`` that find an engine without PyTorch, and their ends.

The suite runs in one process, or in several at once (pytest-xdist), each of which makes the session's fixtures for
itself: its own ports, its own folders. Only what takes long to make is shared, in ``shared_folder``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import hypothesis
import psutil
import pytest

from assay.engines.base import engines

PLUGIN = Path(__file__).parent / "plugin"
MARKER = "ASSAY_TEST_MARKER"
MakeOnce = Callable[[str, Callable[[Path], None]], Path]

# No test asserts a time, and a deadline for an example is one: a busy machine takes longer.
hypothesis.settings.register_profile("assay", deadline=None)
hypothesis.settings.load_profile("assay")

# Tests may import openvino before assay does, and it would then report everything it does to its makers, from a process
# forked for each report. None marks a module that cannot be imported (Python's language reference, 5.3.1).
cast("dict[str, ModuleType | None]", sys.modules).setdefault("openvino_telemetry", None)


def pytest_collection_finish() -> None:
    """Leave what is imported by now, PyTorch mostly, out of garbage collections: each measurement begins with one."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _heed_ctrl_c() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl-C, and every process they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this session have in common; pytest-xdist gives each one a folder within it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def make_once(shared_folder: Path) -> MakeOnce:
    """Return a folder of this name that is filled once a session: who comes later waits, and finds it whole."""

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, whole = shared_folder / name, shared_folder / f"{name}.whole"
        deadline = time.monotonic() + 240
        while not whole.exists():
            try:
                folder.mkdir()  # of several processes, one can
            except FileExistsError:
                assert time.monotonic() < deadline, f"waited in vain for another process to make {folder}"
                time.sleep(0.05)
                continue
            try:
                fill(folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
            whole.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a port on loopback for a server that starts later, or again.

    Ports that the system gives out by itself (Linux: from 32768 on) are no good for that: until the server is there,
    any connection of another process may begin at it. Each process of the tests draws from a range of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    draw = random.SystemRandom()

    def find() -> int:
        while True:
            port = 20_000 + 3_000 * (worker % 4) + draw.randrange(3_000)
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port

    return find


@pytest.fixture(scope="session")
def artefact_cache(shared_folder: Path) -> Path:
    """One cache of artefacts for all tests that are not about the cache: it has locks, so processes may share it."""
    return shared_folder / "artefacts"


@pytest.fixture(scope="session")
def plugin_paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders for PYTHONPATH in which the engine ``plain`` is installed, as a package of somebody else's would be."""
    folder = tmp_path_factory.mktemp("installed")
    metadata = folder / "assay_plain-1.0.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: assay-plain\nVersion: 1.0\n")
    metadata.joinpath("entry_points.txt").write_text("[assay.engine]\nplain = plain_engine\n")
    return str(folder), str(PLUGIN)


@pytest.fixture(scope="session")
def install_plain(plugin_paths: tuple[str, str]) -> Callable[[pytest.MonkeyPatch], None]:
    """Let this process find the engine ``plain`` for as long as the patch lasts, whatever was looked up before."""

    def install(patch: pytest.MonkeyPatch) -> None:
        for path in plugin_paths:
            patch.syspath_prepend(path)
        patch.setattr(engines, "_declared", None)  # the registry looks again
        loaded: tuple[tuple[dict[str, Any], str], ...] = ((engines._loaded, "plain"), (sys.modules, "plain_engine"))
        for kept, name in loaded:
            patch.setitem(kept, name, None)  # so that the patch's end takes away what is there then
            del kept[name]

    return install


@pytest.fixture
def marker() -> Iterator[str]:
    """A word in the environment of every process a test starts, by which what is left of them is found, and ended."""
    word = uuid.uuid4().hex
    yield word
    for process in find_marked(word):
        process.kill()


def find_marked(word: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARKER) == word:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def marked(marker: str) -> Callable[[], list[psutil.Process]]:
    """Processes of this test that still run."""
    return lambda: [one for one in find_marked(marker) if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Wait for something that another process does; the limit is for a test that would hang, not for speed."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 150
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return wait


@pytest.fixture
def worker_environ(plugin_paths: tuple[str, str], marker: str, tmp_path: Path) -> dict[str, str]:
    """The environment for processes of a test: nothing of the caller's assay, settings or colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSAY_", "PYTHON", "FORCE_"))}
    return kept | {
        "PYTHONPATH": os.pathsep.join(plugin_paths),
        "ASSAY_STORE": str(tmp_path / "store"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        MARKER: marker,
    }


Assay = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def assay(worker_environ: dict[str, str], tmp_path: Path) -> Assay:
    """Run the real command: ``assay("ls", "--json")``."""

    def run(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            assay_command(arguments),
            env=worker_environ | environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    return run


@pytest.fixture
def start_assay(worker_environ: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the real command and do not wait for it."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            assay_command(arguments),
            env=worker_environ,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def assay_command(arguments: Sequence[object]) -> list[str]:
    return [sys.executable, "-P", "-m", "assay.cli.main", *map(str, arguments)]


@pytest.fixture
def full_match() -> Callable[[str, str], None]:
    """Hold a whole message to a pattern, and show both where they differ."""

    def check(pattern: str, text: str) -> None:
        assert re.fullmatch(pattern, text), f"expected {pattern}\n     got {text}"

    return check


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch, or a skip. Tests that need no PyTorch do not ask for it."""
    pytest.importorskip("transformers", reason="building workloads needs transformers: pip install 'assay[torch]'")
    return pytest.importorskip("torch", reason="this engine needs torch: pip install 'assay[torch]'")


@pytest.fixture
def settings(torch: Any) -> Iterator[None]:
    """Run on one thread, as tiny models gain nothing from two, and put back what an engine sets for its process."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision(precision)
