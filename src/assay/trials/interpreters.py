"""Another environment's Python as a side of a trial: found, asked what it is, and lent our own assay.

Only the assay that runs now knows what the supervisor says, and every side must be measured by the same one; so the
package and the names of its extensions are put before whatever that environment has, in a folder that holds nothing
else. May import: core, runner.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import assay
from assay.core.case import Case
from assay.core.errors import AssayError, SuiteError, UsageError
from assay.core.ids import content_hash
from assay.core.records import EnvironmentRecord
from assay.core.words import Status
from assay.runner.plan import Machine, Obstacle
from assay.runner.program import WorkerProgram
from assay.runner.suite_model import Suite, suite_to_dict

OLDEST = (3, 11)
_NEEDED = ("numpy",) if sys.platform == "linux" else ("numpy", "psutil")
"""Packages without which no worker can measure (docs/dependencies.md); what an engine needs the plan asks about."""
_IN_A_FOLDER = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")
_LONGEST_S = 120.0

# Runs in any Python from 2.7 on, so that an old one can say that it is old.
_INTRODUCTION = """
import json, sys
sys.path.pop(0)
told = {"version": list(sys.version_info[:3]), "prefix": sys.prefix, "missing": {}}
if sys.version_info >= (3, 11):
    for name in sys.argv[1:]:
        try:
            __import__(name)
        except Exception as error:
            told["missing"][name] = "%s: %s" % (type(error).__name__, error)
sys.stdout.write("\\n" + json.dumps(told) + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What another environment says of a suite before anything is launched.

    ``python`` are the facts of its Python and packages; ``cases`` are its plan: case, threads, why it cannot run there.
    """

    python: Mapping[str, Any]
    cases: tuple[tuple[Case, int, Obstacle | None], ...]


def find_interpreter(given: Path, folder: Path) -> Path | None:
    """Return the interpreter that ``--python`` names: a file, a command, or the folder of a virtual environment.

    ``folder`` is where a relative path starts. None where it is the environment that runs now. Raises UsageError for
    what is no Python, one that is too old, and one that lacks what every worker needs.
    """
    python = _locate(given, folder)
    told = _introduce(python, given)
    version = tuple(told["version"])
    if version < OLDEST:
        raise UsageError(
            f"--python {given} is Python {_dotted(version)}; assay needs {_dotted(OLDEST)} or newer.",
            hint="Make the environment with a newer Python, such as: python3.12 -m venv FOLDER",
        )
    if told["missing"]:
        complaints = "; ".join(f"{name} cannot be imported ({why})" for name, why in told["missing"].items())
        raise UsageError(
            f"--python {given}: {complaints}.", hint=f"Install there: {_pip(python)} {' '.join(told['missing'])}"
        )
    is_this = (told["prefix"], version) == (sys.prefix, sys.version_info[:3])
    return None if is_this else python


@contextlib.contextmanager
def lend_assay() -> Iterator[Path]:
    """Give a folder in which an interpreter finds this very assay and its extensions, and no other package."""
    with tempfile.TemporaryDirectory(prefix="assay-lent-") as name:
        folder = Path(name)
        source = Path(assay.__file__).parent
        try:
            folder.joinpath("assay").symlink_to(source, target_is_directory=True)
        except OSError:  # Windows lets only some people make links
            shutil.copytree(source, folder / "assay", ignore=shutil.ignore_patterns("__pycache__"))
        metadata = folder / f"assay-{assay.__version__}.dist-info"
        metadata.mkdir()
        for file, text in _read_metadata().items():
            metadata.joinpath(file).write_text(text, encoding="utf-8")
        yield folder


def foresee(program: WorkerProgram, suite: Suite, machine: Machine, *, label: str) -> Foresight:
    """Plan the suite in another environment. Raises SuiteError for what can never run there, as planning here does.

    ``label`` is the side's name in messages.
    """
    question = {"suite": suite_to_dict(suite), "machine": asdict(machine), "source": f"side {label!r}"}
    told = _ask(program, question)
    if "error" in told:
        raise SuiteError(
            f"{told['error']} This is what {program.python} said.",
            hint=f"Packages are installed there with: {_pip(program.python)} PACKAGE",
        )
    if Path(told["assay"]) not in [folder / "assay" for folder in program.search_path]:
        raise AssayError(
            f"{program.python} imports the assay in {told['assay']}, and not the one that runs now.",
            hint="Look for a .pth file or a sitecustomize module there that puts its own first.",
        )
    return Foresight(told["python"], tuple(map(_read_case, told["cases"])))


def environment_there(environment: EnvironmentRecord, foresight: Foresight) -> EnvironmentRecord:
    """Return the record of the same machine with another environment's Python and packages.

    The machine is looked at once, from here: how much of a GPU is seen depends on the packages that are installed.
    """
    facts = {**environment.facts, "python": foresight.python}
    return replace(environment, env_id=content_hash(facts), facts=facts)


def _locate(given: Path, folder: Path) -> Path:
    # Never resolved: the interpreter of a virtual environment is a link, and means the environment by its place.
    place = folder.absolute() / given.expanduser()
    if place.is_dir():
        found = next((place / inner for inner in _IN_A_FOLDER if (place / inner).is_file()), None)
        if found is None:
            raise UsageError(
                f"--python {given} is a folder without a Python in it.",
                hint=f"Expected a virtual environment, with {_IN_A_FOLDER[0]}; make one with: python -m venv {given}",
            )
        return found
    if place.is_file():
        return place
    command = shutil.which(str(given)) if given.name == str(given) else None
    if command is None:
        raise UsageError(
            f"--python {given}: there is no such file or folder.",
            hint="Give the folder of a virtual environment, or the Python in its bin folder.",
        )
    return Path(command)


def _introduce(python: Path, given: Path) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(python), "-c", _INTRODUCTION, *_NEEDED],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_S,
            env=WorkerProgram(python).environment(os.environ),
            check=False,
        )
        told = json.loads(done.stdout.rstrip("\n").rpartition("\n")[2])
        return {"version": told["version"], "prefix": told["prefix"], "missing": dict(told["missing"])}
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(error)
    except (ValueError, KeyError, TypeError):
        reason = _last_line(done.stderr) or "it did not answer as a Python does"
    raise UsageError(f"--python {given} cannot be used: {reason}.", hint="Expected a Python interpreter.")


def _ask(program: WorkerProgram, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            program.command("assay.trials.inside"),
            input=json.dumps(question),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_S,
            cwd=program.folder,
            env=program.environment(os.environ),
            check=False,
        )
        told = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError) as error:
        raise AssayError(f"{program.python} could not be asked what it can run: {error}.") from error
    except ValueError as error:
        raise AssayError(
            f"{program.python} could not say what it can run: {_last_line(done.stderr) or 'it said nothing'}.",
            hint="Try it by hand: import numpy there, and the packages of the engine.",
        ) from error
    return dict(told)


def _read_case(entry: Mapping[str, Any]) -> tuple[Case, int, Obstacle | None]:
    found = entry["obstacle"]
    obstacle = None if found is None else Obstacle(Status(found["status"]), found["reason"], found["key"])
    return Case.from_dict(entry["case"]), int(entry["threads"]), obstacle


def _read_metadata() -> dict[str, str]:
    """What must be known of an installed distribution: its name, and which extensions it has."""
    try:
        installed = importlib.metadata.distribution("assay")
    except importlib.metadata.PackageNotFoundError as error:
        raise AssayError(
            "assay is not installed here, so its engines cannot be lent to another environment.",
            hint="Install it: pip install assay, or pip install -e . in its source.",
        ) from error
    described = f"Metadata-Version: 2.1\nName: assay\nVersion: {assay.__version__}\n"
    return {"METADATA": described, "entry_points.txt": installed.read_text("entry_points.txt") or ""}


def _pip(python: Path) -> str:
    return f"{python} -m pip install"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""
