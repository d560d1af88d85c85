"""What tests of trials share: an engine that says which code ran, a scratch repository, another environment."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay.artefacts.base import recipes
from assay.engines.base import engines
from assay.runner.suite_model import Suite, build_suite
from assay.store import Store

PLUGIN = Path(__file__).parent / "plugin"
TIMING = {"min_time_s": 0.05, "max_time_s": 0.2, "min_samples": 5, "warmup_min_s": 0, "warmup_max_s": 0.1}
Git = Callable[..., str]
MakeSuite = Callable[..., Suite]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine ``told`` here and in every process that is started, with a cache and a temporary folder of the test's.

    Installed as a package of somebody else's would be: by an entry point.
    """
    metadata = tmp_path / "installed" / "assay_told-1.0.dist-info"
    metadata.mkdir(parents=True)
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: assay-told\nVersion: 1.0\n")
    points = "[assay.engine]\ntold = told_engine\n\n[assay.recipe]\ntold-file = told_engine\n"
    metadata.joinpath("entry_points.txt").write_text(points)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(metadata.parent), str(PLUGIN)]))
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(PLUGIN))
    importlib.import_module("told_engine")
    yield
    engines._loaded.pop("told")
    recipes._loaded.pop("told-file")
    sys.modules.pop("told_engine")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


@pytest.fixture
def make_suite() -> MakeSuite:
    """A suite of short launches: ``make_suite("mine:make", batch=[1, 2], launches=1)``."""

    def make(model: str, *, launches: int = 1, **entry: object) -> Suite:
        case = {"model": model, "engine": "told", "device": "cpu"} | entry
        content = {"name": "trial", "launches": launches, "launch_limit_s": 60, "timing": TIMING, "cases": [case]}
        return build_suite(content)

    return make


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Where the repository of ``git`` is, with a folder in it where the user stands."""
    return tmp_path / "code"


@pytest.fixture
def git(repository: Path) -> Git:
    """Run git in an empty repository."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    repository.mkdir()
    settings = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")

    def run(*arguments: str) -> str:
        command = ["git", "-C", str(repository), *settings, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    run("init", "--initial-branch=main")
    return run


@pytest.fixture
def commit(git: Git, repository: Path) -> Callable[..., str]:
    """Write files and commit them: ``commit("first", {"models/mine.py": "..."})`` gives the hash."""

    def make(message: str, files: dict[str, str]) -> str:
        for name, text in files.items():
            file = repository / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        git("add", "--all")
        git("commit", "-m", message)
        return git("rev-parse", "HEAD")

    return make


@pytest.fixture(scope="session")
def other_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that borrows the packages of this one, without its assay, and has another transformers."""
    folder = tmp_path_factory.mktemp("environments") / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    installed = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    installed.joinpath("borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    metadata = installed / "transformers-99.1.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 99.1\n")
    return folder


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment in which nothing is installed."""
    folder = tmp_path_factory.mktemp("environments") / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    return folder
