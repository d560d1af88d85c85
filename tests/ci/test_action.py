"""The action: its structure by GitHub's documentation, and its scripts, run as a runner runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLUGIN = Path(__file__).parents[1] / "plugin"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
STEP_KEYS = {"name", "id", "if", "uses", "with", "env", "run", "shell", "working-directory", "continue-on-error"}
"""Of a step of a composite action: "Metadata syntax reference", runs.steps."""
CONTEXTS = {"inputs", "steps", "github", "runner"}

SUITE = """\
name: bench
launches: 1
launch_limit_s: 60
timing: {min_time_s: 0.05, max_time_s: 0.2, min_samples: 5, warmup_min_s: 0, warmup_max_s: 0.1}
cases:
  - model: [MODELS]
    engine: plain
"""


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def steps(action: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = action["runs"]["steps"]
    return found


# -- structure -------------------------------------------------------------------------------------------------


def test_the_keys_are_those_of_a_composite_action(action: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    assert set(action) == {"name", "description", "author", "branding", "inputs", "outputs", "runs"}
    assert set(action["runs"]) == {"using", "steps"}
    assert action["runs"]["using"] == "composite"
    assert set(action["branding"]) == {"icon", "color"}
    for name, one in action["inputs"].items():
        assert re.fullmatch(r"[a-z_][a-z0-9_-]*", name)
        assert {"description"} <= set(one) <= {"description", "required", "default"}
        assert isinstance(one.get("default", ""), str)  # a bare true or 3.10 would be another text
        assert ("default" in one) != one.get("required", False)
    for one in action["outputs"].values():
        assert set(one) == {"description", "value"}
    for step in steps:
        assert set(step) <= STEP_KEYS
        assert ("run" in step) != ("uses" in step)
        assert ("shell" in step) == ("run" in step)
        assert "with" not in step or "uses" in step
        assert "uses" not in step or re.fullmatch(r"actions/[a-z/-]+@v\d+", step["uses"])


def test_every_expression_names_something_that_is_there(action: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\binputs\.([a-z0-9_-]+)", text))
    assert used == set(action["inputs"])
    seen: set[str] = set()
    written: dict[str, set[str]] = {}
    for step in steps:
        for expression in [*EXPRESSION.findall(yaml.safe_dump(step)), step.get("if", "")]:
            assert {word.partition(".")[0] for word in re.findall(r"\b[a-z]+\.[\w.-]+", expression)} <= CONTEXTS
            assert set(re.findall(r"\bsteps\.([\w-]+)\.", expression)) <= seen
        if "id" in step:
            assert step["id"] not in seen
            seen.add(step["id"])
            written[step["id"]] = set(re.findall(r'"([a-z-]+)=[^"]*"', step.get("run", "")))
    for step_id, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", text):
        of_github_command = {"headline", "alarms", "regressed", "suspect", "missing", "failed", "improved"}
        of_github_command |= {"check-id", "comment-url"}
        assert output in written[step_id] | (of_github_command if step_id == "report" else set()), output


def test_no_input_is_written_into_a_script(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        assert "${{" not in step.get("run", ""), step["name"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="the scripts are bash's, which is not here")
def test_every_script_can_be_read_by_bash(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        if "run" in step:
            done = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True, check=False)  # noqa: S607
            assert (done.returncode, done.stderr) == (0, ""), step["name"]


def test_the_inputs_and_outputs_are_documented(action: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    table = page.partition("| input |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[a-z, `-]+`) \| ?(.*?) ?\| .* \|$", table, re.MULTILINE)
    documented = {name: value for names, value in rows for name in re.findall(r"`([a-z-]+)`", names)}
    assert set(documented) == set(action["inputs"])
    for name, one in action["inputs"].items():
        default = one.get("default", "")
        assert f"`{default}`" in documented[name] or "${{" in default or not default, name
    outputs = re.search(r"^Outputs: (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    assert outputs
    assert re.findall(r"`([a-z-]+)`", outputs[1]) == list(action["outputs"])


def test_the_examples_of_the_page_are_yaml_with_inputs_that_exist(action: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    examples = [yaml.safe_load(body) for body in re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    assert len(examples) == 4
    found = []
    waiting: list[Any] = list(examples)
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "/assay@" in str(one.get("uses", "")):
                found.append(one)
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    assert len(found) == 2
    assert all(set(one["with"]) <= set(action["inputs"]) for one in found)


# -- the scripts, run ------------------------------------------------------------------------------------------


class Runner:
    """As much of GitHub's runner as the action's scripts see: variables, files, expressions, the order of steps."""

    def __init__(self, folder: Path, action: dict[str, Any], environ: dict[str, str]) -> None:
        self.folder = folder
        self.action = action
        self.outputs: dict[str, dict[str, str]] = {}
        self.log = ""
        self.environ = environ | {
            "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_REF_NAME": "feature,x", "GITHUB_HEAD_REF": "",
            "GITHUB_BASE_REF": "",
            "GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "77", "GITHUB_API_URL": "http://127.0.0.1:1",
        }  # fmt: skip

    def evaluate(self, text: str, inputs: dict[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            words = found[1].split(".")
            if words[0] == "inputs":
                return inputs[words[1]]
            assert (words[0], words[2]) == ("steps", "outputs")
            return self.outputs[words[1]].get(words[3], "")

        return EXPRESSION.sub(value, text)

    def use(self, *, last: str = "", **given: str) -> int:
        """Run the steps that are scripts, but for the installation, up to ``last``; return the code of the last."""
        inputs = {name: one.get("default", "") for name, one in self.action["inputs"].items()} | given
        inputs["token"] = ""
        code = 0
        for step in self.action["runs"]["steps"]:
            if "run" not in step or step["name"] == "Install assay":
                continue
            output = self.folder / "output"
            output.write_text("", encoding="utf-8")
            more = {name: self.evaluate(value, inputs) for name, value in step.get("env", {}).items()}
            script = self.folder / "script.sh"
            script.write_text(step["run"], encoding="utf-8")
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],  # noqa: S607  (as the runner does)
                env=self.environ | more | {"GITHUB_OUTPUT": str(output)},
                cwd=self.folder / self.evaluate(step.get("working-directory", "."), inputs),
                capture_output=True,
                text=True,
                check=False,
            )
            self.log += f"== {step['name']}\n{done.stdout}{done.stderr}"
            self.outputs[step.get("id", step["name"])] = read_outputs(output.read_text(encoding="utf-8"))
            code = done.returncode
            if code or step.get("id") == last:
                break
        return code


def read_outputs(text: str) -> dict[str, str]:
    """Read the file as the runner does: ``name=value``, or up to the delimiter that a line names."""
    found: dict[str, str] = {}
    waiting = text.split("\n")
    while waiting:
        line = waiting.pop(0)
        if "<<" in line:
            name, _, delimiter = line.partition("<<")
            end = waiting.index(delimiter)
            found[name], waiting = "\n".join(waiting[:end]), waiting[end + 1 :]
        elif line:
            name, _, found[name] = line.partition("=")
    return found


@pytest.fixture
def runner(tmp_path: Path, action: dict[str, Any], worker_environ: dict[str, str]) -> Runner:
    """A scratch checkout with a suite, and assay on the path as an installation would put it."""
    if shutil.which("bash") is None:
        pytest.skip("the scripts are bash's, which is not here")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, words in {"assay": "-P -m assay.cli.main", "python": ""}.items():
        file = commands / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    folder = tmp_path / "checkout"
    folder.mkdir()
    environ = {name: value for name, value in worker_environ.items() if not name.startswith(("GITHUB_", "ASSAY_"))}
    path = os.pathsep.join([str(commands), environ["PATH"]])
    return Runner(folder, action, environ | {"PATH": path})


def write_suite(runner: Runner, models: str) -> None:
    (runner.folder / "bench.yaml").write_text(SUITE.replace("MODELS", models), encoding="utf-8")


@pytest.mark.slow
def test_the_scripts_measure_check_report_and_end_as_the_check_did(runner: Runner) -> None:
    write_suite(runner, "plain_models:good, plain_models:raises")
    assert runner.use(suite="bench.yaml", confirm="false", link="https://x.example/r") == 4, runner.log
    assert runner.outputs["place"] == {
        "branch": "feature_x~", "base": "~", "folder": str(runner.folder / ".assay-store"),
    }  # fmt: skip
    report = runner.outputs["report"]
    assert runner.outputs["check"]["exit-code"] == report["exit-code"] == report["code"] == "4"
    assert report["failed"] == "1"
    assert report["run-id"] == runner.outputs["measure"]["run-id"]
    assert "1 failed" in report["headline"]
    assert f"### assay: {report['headline']}\n" in (runner.folder / "summary").read_text(encoding="utf-8")
    assert "[Full report](https://x.example/r)" in (runner.folder / "assay-comment.md").read_text(encoding="utf-8")
    for name in ("assay-junit.xml", "assay-badge.svg"):
        assert (runner.folder / name).stat().st_size > 0
    assert "::error title=assay%3A failed" in runner.log


@pytest.mark.slow
def test_a_run_or_check_that_cannot_be_made_ends_the_job(runner: Runner) -> None:
    assert runner.use(suite="absent.yaml") == 2, runner.log
    assert list(runner.outputs) == ["place", "measure"]
    write_suite(runner, "plain_models:good")
    assert runner.use(suite="bench.yaml", against="baseline:none") == 2, runner.log
    assert list(runner.outputs) == ["place", "measure", "check"]


def test_a_store_at_an_address_is_not_cached(runner: Runner) -> None:
    runner.use(store="s3://bucket/prefix", suite="x", last="place")
    assert runner.outputs["place"]["folder"] == ""
