"""What installing costs: the wheel into an environment that has nothing else, by itself and with each extra.

For each: seconds (packages are downloaded before, so that the net is not in them), megabytes on disk, packages, and
whether what is installed works: ``assay --version``, loading every entry point, and what ``assay run`` and ``assay
serve`` say where their extras are missing. Usage:

    python benchmarks/install.py                       # base and every extra; downloads gigabytes
    python benchmarks/install.py --extra base,serve    # some
    python benchmarks/install.py --with uvx            # run it through uvx and pipx, where they are installed

Returns 1 where anything did not work.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from check_wheel import build_wheel, describe, find_problems  # noqa: E402  (it is beside, not installed)

LOAD = """
import importlib.metadata, json, sys
failed = {}
count = 0
for point in importlib.metadata.distribution("assay").entry_points:
    count += 1
    try:
        point.load()
    except Exception as error:
        failed[f"{point.group}:{point.name}"] = f"{type(error).__name__}: {error}"
print(json.dumps({"count": count, "failed": failed}))
"""
"""Run in the new environment: loads every entry point, and says which could not be."""
_NEEDS_TORCH = re.compile(r"torch|training|vibration|web|all")


@dataclass(frozen=True, slots=True)
class Installed:
    """One environment: how long it took, how large it is, and what was wrong in it."""

    extra: str
    seconds: float
    megabytes: float
    packages: int
    wrong: tuple[str, ...]


def main() -> int:
    """Build, look, install, try; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", help="base and extras, by commas; without: all of them")
    parser.add_argument("--with", dest="runner", choices=("uvx", "pipx"), help="and run it through this program")
    parser.add_argument("--wheel", type=Path, help="a wheel that is there; without one it is built")
    chosen = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = chosen.extra.split(",") if chosen.extra else ["base", *project["optional-dependencies"]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.perf_counter()
        wheel = chosen.wheel or build_wheel(folder / "dist")
        print(f"built in {time.perf_counter() - begin:.1f} s")
        print("\n".join(describe(wheel)))
        problems = list(find_problems(wheel))
        found = [install(wheel, extra, folder) for extra in extras]
        ran = run_through(chosen.runner, wheel) if chosen.runner else None
    print(f"\n{'extra':<10} {'install':>9} {'on disk':>10} {'packages':>9}  what was wrong")
    for one in found:
        wrong = "; ".join(one.wrong) or "nothing"
        print(f"{one.extra:<10} {one.seconds:>7.1f} s {one.megabytes:>7.0f} MB {one.packages:>9}  {wrong}")
    if ran is not None:
        print(f"\n{chosen.runner}: {ran}")
    return 1 if problems or any(one.wrong for one in found) or (ran or "").startswith("failed") else 0


def install(wheel: Path, extra: str, folder: Path) -> Installed:
    """Make an environment, install the wheel with ``extra`` into it, try it, and remove it again."""
    place = folder / f"env-{extra}"
    venv.create(place, with_pip=True)
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = f"{wheel}" if extra == "base" else f"{wheel}[{extra}]"
    constraints = ROOT / "constraints.txt"
    first = [re.search(r"^torch==.*$", constraints.read_text(encoding="utf-8"), re.MULTILINE)]
    torch = [match[0] for match in first if match is not None and _NEEDS_TORCH.fullmatch(extra)]
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    arguments = ["--constraint", str(constraints), *torch, wanted]
    wheels = folder / "wheels"
    subprocess.run([*pip, "download", "--dest", str(wheels), *arguments], check=True, stderr=subprocess.DEVNULL)
    before = size_of(place)
    begin = time.perf_counter()
    command = [*pip, "install", "--no-index", "--find-links", str(wheels), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    wrong = [f"pip: {done.stderr.strip()[-200:]}"] if done.returncode else list(try_out(place, python, extra))
    freeze = subprocess.run([*pip[:3], "list", "--format", "json"], capture_output=True, text=True, check=False)
    packages = len(json.loads(freeze.stdout or "[]"))
    found = Installed(extra, seconds, (size_of(place) - before) / 1e6, packages, tuple(wrong))
    shutil.rmtree(place)
    print(f"  {extra}: {seconds:.1f} s", flush=True)
    return found


def try_out(place: Path, python: Path, extra: str) -> list[str]:
    """Say what does not work in an environment."""
    assay = python.with_name("assay.exe" if os.name == "nt" else "assay")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ASSAY_"))}
    environ["ASSAY_STORE"] = str(place / "store")
    wrong = []
    said = subprocess.run([assay, "--version"], capture_output=True, text=True, env=environ, check=False)
    if said.returncode or not said.stdout.startswith("assay "):
        wrong.append(f"--version: {said.stderr.strip()[-200:]}")
    said = subprocess.run([python, "-c", LOAD], capture_output=True, text=True, env=environ, check=False)
    failed = json.loads(said.stdout)["failed"] if said.returncode == 0 else {"all": said.stderr.strip()[-200:]}
    wrong += [f"{point} cannot be loaded: {why}" for point, why in failed.items()]
    if extra == "base":
        for arguments, hint in (
            (("run",), "pip install 'assay[torch]'"),
            (("run", "--model", "bert/tiny", "--engine", "onnxruntime"), "pip install 'assay["),
            (("run", "--model", "bert/tiny", "--engine", "openvino"), "pip install 'assay["),
            (("serve",), "pip install 'assay[serve"),
        ):
            said = subprocess.run([assay, *arguments], capture_output=True, text=True, env=environ, check=False)
            text = said.stdout + said.stderr
            if said.returncode != 2 or hint not in " ".join(text.split()) or "Traceback" in text:
                wrong.append(f"assay {' '.join(arguments)}: {said.returncode}, {text.strip()[-200:]!r}")
    return wrong


def run_through(runner: str, wheel: Path) -> str:
    """Run ``assay --version`` from the wheel through ``uvx`` or ``pipx``, and say what came of it."""
    if shutil.which(runner) is None:
        return "not installed here"
    begin = time.perf_counter()
    ways = {"uvx": ["uvx", "--from", str(wheel), "assay"], "pipx": ["pipx", "run", "--spec", str(wheel), "assay"]}
    done = subprocess.run([*ways[runner], "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"failed: {done.stderr.strip()[-300:]}"
    return f"{done.stdout.strip()}, {time.perf_counter() - begin:.1f} s with downloading"


def size_of(folder: Path) -> int:
    """Bytes of every file below a folder."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file() and not one.is_symlink())


if __name__ == "__main__":
    raise SystemExit(main())
