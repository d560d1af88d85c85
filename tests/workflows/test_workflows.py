"""The workflows: their form, their rights, and that every command, file, option and target which they name exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
# Where somebody else's actions come from; everything else in `uses` would be a stranger with our rights.
OWNERS = {"actions", "pypa"}
JOB_KEYS = {
    "runs-on", "steps", "timeout-minutes", "strategy", "needs", "if", "permissions", "environment", "concurrency",
    "continue-on-error",
}  # fmt: skip
STEP_KEYS = {"name", "id", "if", "uses", "with", "env", "run"}


def read(file: Path) -> dict[str, Any]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    content["on"] = content.pop(True, None) or content.get("on")  # YAML 1.1 reads the key as a truth value
    return content


def steps_of(file: Path) -> Iterator[dict[str, Any]]:
    for job in read(file)["jobs"].values():
        yield from job["steps"]


def commands_of(file: Path) -> Iterator[list[str]]:
    for step in steps_of(file):
        for line in str(step.get("run", "")).splitlines():
            for part in line.split(" && "):
                words = shlex.split(part, comments=True)
                if words:
                    yield words


def test_there_is_one_for_each_purpose() -> None:
    assert {file.stem for file in FILES} >= {"ci", "docs", "release", "nightly"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rights_are_few_and_jobs_end(file: Path) -> None:
    content = read(file)
    assert content["permissions"] == {"contents": "read"}
    for name, job in content["jobs"].items():
        assert set(job) <= JOB_KEYS, name
        assert job["timeout-minutes"] <= 150
        written = {what for what, how in job.get("permissions", {}).items() if how == "write"}
        assert written <= {"id-token", "pages", "attestations"}, name
        for step in job["steps"]:
            assert set(step) <= STEP_KEYS
            assert ("uses" in step) != ("run" in step)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_stranger_and_no_secret(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "pull_request_target" not in text
    for step in steps_of(file):
        uses = step.get("uses")
        if uses and uses != "./":
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", uses), uses
            assert uses.split("/")[0] in OWNERS, uses
        assert "${{" not in str(step.get("run", "")), "an input in a script runs whatever it holds"
        if (uses or "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_and_target_that_is_named_exists(file: Path) -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    for words in commands_of(file):
        if words[0] == "make":
            assert set(words[1:]) <= TARGETS, words
        for word in words:
            if re.match(r"(tools|benchmarks|tests|src)/", word):
                assert (ROOT / word.partition("::")[0]).exists(), word
            for named in re.findall(r"\.\[([\w,]+)\]", word):
                assert set(named.split(",")) <= extras, word
        if "--extra" in words:
            assert set(words[words.index("--extra") + 1].split(",")) <= extras | {"base"}
        if "--group" in words:
            assert words[words.index("--group") + 1] in PROJECT["dependency-groups"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_our_own_programs_take_the_options_that_are_given(file: Path) -> None:
    for words in commands_of(file):
        script = next((word for word in words if re.match(r"(tools|benchmarks|tests)/.+\.py$", word)), None)
        if script is None or "pytest" in words:
            continue
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        if not options:
            continue
        said = subprocess.run(
            [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert said.returncode == 0, said.stderr
        assert options <= set(re.findall(r"--[\w-]+", said.stdout)), words


def test_every_python_that_is_promised_is_tested() -> None:
    promised = [text.rpartition(" ")[2] for text in PROJECT["project"]["classifiers"] if "Python :: 3." in text]
    assert read(FOLDER / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == promised


def test_what_is_published_is_what_was_checked() -> None:
    jobs = read(FOLDER / "release.yml")["jobs"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"] == "release"
    run = "\n".join(str(step.get("run")) for step in jobs["build"]["steps"])
    assert run.index("python -m build") < run.index("tools/check_wheel.py") < run.index("tools/sbom.py")


def test_the_version_is_the_same_wherever_it_stands() -> None:
    import assay

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == assay.__version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert assay.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
