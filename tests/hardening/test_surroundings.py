"""Places where programs die of what is around them: a locale without UTF-8, a home that is not there, odd paths."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
# PEP 538 and 540 would make UTF-8 of it; what is left then is ASCII, as in bare containers and old services.
PLAIN_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NO_HOME = "/proc/no-home" if sys.platform == "linux" else "/dev/null/no-home"
"""A folder that nobody can make, not even root, as whom tests in containers run."""


def test_everything_is_said_in_ascii_where_there_is_nothing_else(assay: Run, suite_file: Path) -> None:
    made = assay("run", "--suite", suite_file, "--note", "ein süßer Lauf", "--json", **PLAIN_LOCALE)
    assert made.returncode == 0, made.stderr
    assert "Traceback" not in made.stderr
    json.loads(made.stdout)
    for words in (
        ("ls",), ("show", "last"), ("show", "last", "--launches", "--environment"), ("doctor",), ("suite", "ls"),
        ("report", "last"), ("report", "last", "-o", "report.md"), ("trend",), ("catalog", "ls"), ("--help",),
        ("run", "--help"), ("kpi",), ("store", "check"), ("targets", "--target", "p50_latency_ms <= 50"),
    ):  # fmt: skip
        said = assay(*words, **PLAIN_LOCALE)
        assert "Traceback" not in said.stderr, (words, said.stderr)
        assert said.returncode in {0, 1, 2}, (words, said.stderr)
        assert said.stdout.isascii(), words


def test_files_are_utf8_whatever_the_locale_is(assay: Run, suite_file: Path, tmp_path: Path) -> None:
    assert assay("run", "--suite", suite_file, "--note", "süß", **PLAIN_LOCALE).returncode == 0
    for name in ("report.md", "report.csv", "report.json"):
        assert assay("report", "last", "-o", name, **PLAIN_LOCALE).returncode == 0
        (tmp_path / name).read_text(encoding="utf-8")
    shown = assay("sql", "SELECT note FROM runs", "--json")
    assert json.loads(shown.stdout)[0]["note"] == "süß"


def test_a_suite_in_utf8_is_read_in_any_locale(assay: Run, suite_file: Path) -> None:
    text = suite_file.read_text(encoding="utf-8").replace("name: small", "name: small\ndescription: größer − µs")
    suite_file.write_text(text, encoding="utf-8")
    said = assay("suite", "show", suite_file, **PLAIN_LOCALE)
    assert said.returncode == 0, said.stderr
    assert "Traceback" not in said.stderr


def test_a_home_that_cannot_be_written_costs_comfort_only(assay: Run, suite_file: Path) -> None:
    homeless = {"HOME": NO_HOME, "XDG_DATA_HOME": "", "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}
    made = assay("run", "--suite", suite_file, "--json", **homeless)
    assert made.returncode == 0, made.stderr
    assert all(one["status"] == "ok" for one in json.loads(made.stdout)["results"])
    for line in ("ls", "doctor", "cache ls", "predict ls", "catalog own", "web ls", "check"):
        words = line.split()
        said = assay(*words, **homeless)
        assert "Traceback" not in said.stderr, (words, said.stderr)
        assert said.returncode in {0, 2, 4}, (words, said.stderr)


def test_without_a_home_a_store_has_to_be_named(assay: Run, suite_file: Path) -> None:
    homeless = {"HOME": NO_HOME, "XDG_DATA_HOME": "", "ASSAY_STORE": ""}
    said = assay("run", "--suite", suite_file, **homeless)
    assert said.returncode == 2
    assert "Traceback" not in said.stderr
    assert "--store" in said.stderr


@pytest.mark.parametrize("name", ["with space", "quote'd", "süß-µ", "semi;colon", "5% more", "-dash", "ends."])
def test_a_store_may_have_an_odd_name(assay: Run, suite_file: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    assert assay("run", "--suite", suite_file, ASSAY_STORE=str(place)).returncode == 0
    shown = assay("ls", "--json", ASSAY_STORE=str(place))
    assert shown.returncode == 0, shown.stderr
    assert len(json.loads(shown.stdout)) == 1


def test_a_name_that_reads_like_an_escape_is_refused_in_words(assay: Run, suite_file: Path, tmp_path: Path) -> None:
    said = assay("run", "--suite", suite_file, "--store", tmp_path / "per%20cent")
    assert said.returncode == 2
    assert "reads like an escape" in said.stderr


def test_standard_output_that_is_full_or_gone_is_no_traceback(worker_environ: dict[str, str], tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "assay.cli.main", "suite", "ls", "--json"],
            env=worker_environ, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode != 0
    assert "No space left" in done.stderr
