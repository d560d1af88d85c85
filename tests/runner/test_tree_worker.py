"""Imports that would come from the user's own tree come from the checkout, whatever way the code is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.runner.program import TreeSwap, WorkerProgram
from assay.runner.tree_worker import TreeFinder

SAY = """
import sys
from pathlib import Path
from assay.runner.tree_worker import divert_imports
divert_imports(Path(sys.argv[1]), Path(sys.argv[2]))
"""
Say = Callable[..., str]


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """The user's own tree and a checkout; every module says which it is of."""
    both = tmp_path / "own", tmp_path / "checkout"
    for tree in both:
        write(tree / "src/pack/__init__.py", f"OF = {tree.name!r}")
        write(tree / "src/pack/inner.py", f"OF = {tree.name!r}")
        write(tree / "src/single.py", f"OF = {tree.name!r}")
        write(tree / "src/spread/part.py", f"OF = {tree.name!r}")  # no __init__.py: a namespace
    write(both[0] / "src/fresh.py", "OF = 'not committed'")
    return both


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


@pytest.fixture
def say(trees: tuple[Path, Path]) -> Say:
    """Run code behind the diversion, with more folders on the path, and return what it printed."""

    def run(code: str, *search_path: Path, before: str = "") -> str:
        command = [sys.executable, "-P", "-c", before + SAY + code, *map(str, trees)]
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, search_path))}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


IMPORT_ALL = "import pack.inner, single, spread.part; print(pack.OF, pack.inner.OF, single.OF, spread.part.OF)"


def test_a_folder_on_the_path(say: Say, trees: tuple[Path, Path]) -> None:
    assert say(IMPORT_ALL, trees[0] / "src") == "checkout checkout checkout checkout"


HOOK = """
import sys
from importlib.machinery import PathFinder
class Editable:
    "As the hook of an editable installation does: it knows the folder, the path does not."
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [FOLDER]) if path is None else None
sys.meta_path.append(Editable)
"""


def test_an_import_hook_that_names_the_tree(say: Say, trees: tuple[Path, Path]) -> None:
    hook = HOOK.replace("FOLDER", repr(str(trees[0] / "src")))
    assert say(IMPORT_ALL, before=hook) == "checkout checkout checkout checkout"


def test_a_link_to_the_tree(say: Say, trees: tuple[Path, Path], tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(trees[0], target_is_directory=True)
    assert say(IMPORT_ALL, link / "src") == "checkout checkout checkout checkout"


def test_what_the_checkout_lacks_is_not_taken_from_the_tree(say: Say, trees: tuple[Path, Path]) -> None:
    code = "\ntry:\n    import fresh\nexcept ModuleNotFoundError as error:\n    print(error)"
    assert say(code, trees[0] / "src").startswith("No module named 'fresh'")
    hook = HOOK.replace("FOLDER", repr(str(trees[0] / "src")))
    assert say(code, before=hook) == (
        f"'fresh' is {trees[0] / 'src/fresh.py'} in the tree as it is, and not in that of the ref"
    )


def test_installed_packages_stay_where_they_are(say: Say, trees: tuple[Path, Path]) -> None:
    """An environment may lie in the repository."""
    packages = trees[0] / ".venv/lib/python3/site-packages"
    write(packages / "installed.py", "OF = 'installed'")
    assert say("import installed, numpy; print(installed.OF)", packages) == "installed"


def test_assay_stays_the_one_that_runs(trees: tuple[Path, Path]) -> None:
    """Its own repository is somebody's code too."""
    finder = TreeFinder(*trees)
    assert finder.move_path(str(trees[0] / "src")) == str(trees[1] / "src")
    write(trees[0] / "src/assay/__init__.py", "")
    assert finder.move_path(str(trees[0] / "src")) == str(trees[0] / "src")
    assert finder.find_spec("assay") is None
    assert finder.move_path("/nowhere") == "/nowhere"
    assert finder.move(str(trees[1] / "src")) is None


def test_processes_that_are_spawned_see_the_checkout_too(say: Say, trees: tuple[Path, Path]) -> None:
    code = """
import multiprocessing
with multiprocessing.get_context("spawn").Pool(1) as pool:
    print(pool.apply(eval, ("__import__('single').OF",)))
"""
    assert say(code, trees[0] / "src") == "checkout"


def test_a_program_says_how_it_is_started(tmp_path: Path) -> None:
    own = WorkerProgram()
    assert own.is_own
    assert own.command("assay.runner.worker") == [sys.executable, "-P", "-m", "assay.runner.worker"]
    assert own.environment({"PYTHONHOME": "x", "PYTHONPATH": "mine"}) == {"PYTHONHOME": "x", "PYTHONPATH": "mine"}
    swap = TreeSwap(tmp_path / "own", tmp_path / "checkout")
    other = WorkerProgram(tmp_path / "python", (tmp_path / "lent",), tmp_path, swap)
    assert not other.is_own
    start = [str(tmp_path / "python"), "-P", "-m"]
    swapped = ["assay.runner.tree_worker", "a.module", str(swap.original), str(swap.tree)]
    assert other.command("a.module") == start + swapped
    joined = os.pathsep.join([str(tmp_path / "lent"), "mine"])
    assert other.environment({"PYTHONHOME": "x", "PYTHONPATH": "mine"}) == {"PYTHONPATH": joined}
