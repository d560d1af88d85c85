"""What is in a wheel, held to what has to be: built web assets, data, templates, entry points, and nothing else.

Users get the wheel, not the checkout. So the wheel is looked at before it is published, and by a test:

    python tools/check_wheel.py                  # build one into dist/ and look at it
    python tools/check_wheel.py dist/assay-*.whl

Returns 1 where something is missing or too much. May import: the standard library; pip and hatchling are run as
programs.
"""

from __future__ import annotations

import argparse
import configparser
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
BUILT = (
    "assay/web/static/vendor/htmx.min.js",
    "assay/web/static/vendor/plotly.min.js",
    "assay/engines/web/vendor/",
)
"""What building adds, though git ignores it: files, and a folder that must not be empty."""
_UNWANTED = ("__pycache__", ".pyc", ".orig", ".so", ".pkl", ".pickle", ".DS_Store", "/tests/", ".egg-info")
_LARGEST_BYTES = 60 << 20


def main() -> int:
    """Build where no wheel is named, look at it, print what is in it, and return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", nargs="?", type=Path, help="a wheel; without one it is built")
    wheel = parser.parse_args().wheel or build_wheel(ROOT / "dist")
    for line in describe(wheel):
        print(line)
    problems = list(find_problems(wheel))
    for problem in problems:
        print(f"wrong: {problem}", file=sys.stderr)
    return 1 if problems else 0


def build_wheel(folder: Path, project: Path = ROOT) -> Path:
    """Build the wheel of ``project`` into ``folder`` and return it. Raises CalledProcessError where that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(project)]
    if _has_backend():
        command.insert(-1, "--no-build-isolation")
    subprocess.run(command, check=True)
    return max(folder.glob("*.whl"), key=lambda one: one.stat().st_mtime_ns)


def _has_backend() -> bool:
    import importlib.util

    return importlib.util.find_spec("hatchling") is not None


def describe(wheel: Path) -> Iterator[str]:
    """Say how large the wheel is, packed and unpacked, and which parts of it are the largest."""
    with zipfile.ZipFile(wheel) as archive:
        sizes: dict[str, tuple[int, int, int]] = {}
        for one in archive.infolist():
            part = "/".join(one.filename.split("/")[:2])
            files, packed, whole = sizes.get(part, (0, 0, 0))
            sizes[part] = (files + 1, packed + one.compress_size, whole + one.file_size)
    total = sum(whole for _, _, whole in sizes.values())
    files = sum(count for count, _, _ in sizes.values())
    yield f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB packed, {total / 1e6:.2f} MB unpacked, {files} files"
    for part, (count, packed, whole) in sorted(sizes.items(), key=lambda pair: -pair[1][1])[:10]:
        yield f"  {part:<28} {count:>5} files  {packed / 1e6:>7.2f} MB packed  {whole / 1e6:>7.2f} MB"


def find_problems(wheel: Path) -> Iterator[str]:
    """Yield what is missing in the wheel, or should not be there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (info,) = {name.split("/")[0] for name in names if name.split("/")[0].endswith(".dist-info")}
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        points = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        points.optionxform = str  # type: ignore[method-assign,assignment]
        points.read_string(archive.read(f"{info}/entry_points.txt").decode())
    yield from (f"{name} is not in it" for name in _expected() - names)
    for wanted in BUILT:
        if not any(name.startswith(wanted) and not name.endswith("/") for name in names):
            yield f"{wanted} is not in it: it was built without npm's files"
    yield from (f"{name} should not be in it" for name in sorted(names) if any(part in name for part in _UNWANTED))
    tops = {name.split("/")[0] for name in names}
    yield from (f"{top}/ should not be in it" for top in sorted(tops - {"assay", info}))
    if not any(name.startswith(f"{info}/licenses/") for name in names):
        yield "the licence is not in it"
    yield from _problems_of_metadata(metadata.get_all("Provides-Extra") or [], set(project["optional-dependencies"]))
    yield from _problems_of_entry_points(points, project, names)
    if wheel.stat().st_size > _LARGEST_BYTES:
        yield f"it is larger than {_LARGEST_BYTES >> 20} MiB"


def _expected() -> set[str]:
    """Every file of the package in this checkout, as it is named in a wheel."""
    left_out = ("__pycache__", "/vendor/")
    files = (one for one in (SOURCE / "assay").rglob("*") if one.is_file())
    names = (one.relative_to(SOURCE).as_posix() for one in files)
    return {name for name in names if not any(part in name for part in left_out) and not name.endswith(".pyc")}


def _problems_of_metadata(extras: list[str], wanted: set[str]) -> Iterator[str]:
    if set(extras) != wanted:
        yield f"its extras are {sorted(extras)}, expected {sorted(wanted)}"


def _problems_of_entry_points(
    points: configparser.ConfigParser, project: dict[str, dict[str, dict[str, str]]], names: set[str]
) -> Iterator[str]:
    declared: dict[str, dict[str, str]] = dict(project["entry-points"])
    found = {group: dict(points[group]) for group in points.sections()}
    for group, wanted in declared.items():
        if found.get(group) != wanted:
            yield f"its entry points of {group} are not those of pyproject.toml"
    modules = {module.partition(":")[0] for group in found.values() for module in group.values()}
    for module in sorted(modules):
        path = module.replace(".", "/")
        if f"{path}.py" not in names and f"{path}/__init__.py" not in names:
            yield f"an entry point names {module}, which is not in it"


if __name__ == "__main__":
    raise SystemExit(main())
