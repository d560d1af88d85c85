"""A clock of the wall that jumps: durations come from the monotonic one, and what is kept stays in order."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "assay"
Run = Callable[..., "subprocess.CompletedProcess[str]"]
JUMPS = '''
"""The wall clock of every process moves an hour each time assay asks it, as after a bad battery or a wrong server.

The real type stays where compiled libraries look for it; modules of assay get another one once they are imported.
"""
import datetime as module
import importlib.abc
import importlib.machinery
import sys
import time

_real, _asked, datetime = time.time, 0, module.datetime


def jump():
    global _asked
    _asked += 1
    return _real() {sign} 3600 * _asked


class Meta(type(datetime)):
    def __instancecheck__(cls, value):
        return isinstance(value, datetime)


class Jumping(datetime, metaclass=Meta):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(jump(), tz)


time.time = jump
time.time_ns = lambda: int(jump() * 1e9)


class Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self.loader = loader

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, made):
        self.loader.exec_module(made)
        if made.__dict__.get("datetime") is datetime:
            made.datetime = Jumping


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] != "assay":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(spec.loader)
        return spec


sys.meta_path.insert(0, Finder())
'''
MAY_ASK = {
    "artefacts/cache.py": "how old a manifest is on disk",
    "ci/http.py": "when a forge says that it may be asked again",
    "core/ids.py": "ids sort by time; a counter keeps their order where the clock goes back",
    "engines/web/profile.py": "how old a folder is on disk",
    "store/cluster.py": "when a rewriting began, which other machines judge too",
    "store/latest.py": "how old a file is on disk",
    "store/marks.py": "it has to go on while the machine sleeps",
    "store/writing.py": "times that Delta's log keeps, and other machines judge",
}
"""Modules that may ask ``time.time()``, and why: no number that is measured comes of it."""


@pytest.mark.parametrize("sign", ["-", "+"])
def test_a_run_through_jumps_of_the_clock_is_whole(
    assay: Run, suite_file: Path, tmp_path: Path, plugin_paths: tuple[str, str], sign: str
) -> None:
    folder = tmp_path / "jumps"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(JUMPS.replace("{sign}", sign), encoding="utf-8")
    jumping = {"PYTHONPATH": ":".join((str(folder), *plugin_paths))}
    made = assay("run", "--suite", suite_file, "--json", **jumping)
    assert made.returncode == 0, made.stderr
    results = json.loads(made.stdout)["results"]
    assert [one["status"] for one in results] == ["ok", "ok"]
    for result in results:
        (latency,) = [one for one in result["metrics"] if (one["name"], one["stat"]) == ("latency_ns", "median")]
        assert 1e6 <= latency["value"] < 1e9  # it sleeps a millisecond or two: no hour is in it, and none is below 0
    for words in (("ls",), ("show", "last", "--launches"), ("store", "check"), ("report", "last")):
        said = assay(*words, **jumping)
        assert said.returncode == 0, (words, said.stderr)
        assert "Traceback" not in said.stderr
    calm = assay("sql", "SELECT count(*) AS n FROM launches WHERE spawned_at IS NULL", "--json")
    assert calm.returncode in {0, 2}
    again = assay("run", "--suite", suite_file, "--json", **jumping)
    assert again.returncode == 0, again.stderr
    listed = json.loads(assay("ls", "--json").stdout)
    assert len(listed) == 2


def calls_of(tree: ast.AST) -> list[str]:
    """Every call like ``time.time()`` in a module, as it is written."""
    return [ast.unparse(one.func) for one in ast.walk(tree) if isinstance(one, ast.Call)]


def test_no_duration_is_taken_from_the_clock_of_the_wall() -> None:
    asking = {}
    for file in SOURCE.rglob("*.py"):
        called = calls_of(ast.parse(file.read_text(encoding="utf-8")))
        if {"time.time", "time.time_ns"} & set(called):
            asking[file.relative_to(SOURCE).as_posix()] = called
    assert set(asking) <= set(MAY_ASK), "durations are taken from time.perf_counter_ns or time.monotonic"


def test_no_time_of_day_is_without_a_zone() -> None:
    for file in SOURCE.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "datetime.now":
                assert [ast.unparse(one) for one in call.args] == ["UTC"], f"{file.name}: {ast.unparse(call)}"
            assert not (isinstance(call, ast.Call) and ast.unparse(call.func) == "datetime.utcnow"), file.name
