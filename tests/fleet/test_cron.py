from __future__ import annotations

import configparser
import shlex
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import UnknownNameError, UsageError
from assay.fleet.cron import KINDS, read_every, write_manifest

WORDS = ["my suite.yaml", "--on", "ray://head:10001", "--store", "s3://team/assay", "--note", 'it\'s "100%" $HOME']


def _write(kind: str, words: list[str] | None = None, **more: Any) -> str:
    return write_manifest(kind, read_every("6h"), WORDS if words is None else words, image="repo/assay:1", **more)


@pytest.mark.parametrize(
    ("text", "cron", "calendar"),
    [
        ("1m", "* * * * *", "*-*-* *:0/1:00"),
        ("15m", "*/15 * * * *", "*-*-* *:0/15:00"),
        ("60min", "0 * * * *", "*-*-* *:00:00"),
        ("hourly", "0 * * * *", "*-*-* *:00:00"),
        ("6h", "0 */6 * * *", "*-*-* 0/6:00:00"),
        ("24h", "0 3 * * *", "*-*-* 03:00:00"),
        ("weekly", "0 3 * * 1", "Mon *-*-* 03:00:00"),
        ("30 2 * * 1-5", "30 2 * * 1-5", "Mon..Fri *-*-* 2:30:00"),
        ("*/10 0 1 */3 *", "*/10 0 1 */3 *", "*-1/3-1 0:0/10:00"),
    ],
)
def test_times(text: str, cron: str, calendar: str) -> None:
    every = read_every(text)
    assert (every.cron, every.calendar) == (cron, calendar)


@pytest.mark.parametrize("text", ["", "7m", "5h", "2d", "0h", "soon", "* * * *", "* * * * ;rm", "$(date) * * * *"])
def test_what_cannot_be_said_evenly_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--every got"):
        read_every(text)


def test_systemd_units_are_whole() -> None:
    text = _write("systemd")
    service, timer = text.split("# ---- assay-fleet.timer ----")
    units = []
    for part in (service, timer):
        parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
        parser.optionxform = str  # type: ignore[method-assign, assignment]
        parser.read_string(part)
        units.append(parser)
    assert units[0]["Service"]["Type"] == "oneshot"
    assert units[0]["Service"]["ExecStart"] == (
        '/usr/bin/env assay fleet run "my suite.yaml" --on ray://head:10001 --store s3://team/assay --note '
        '"it\'s \\"100%%\\" $$HOME"'
    )
    assert units[1]["Timer"]["OnCalendar"] == "*-*-* 0/6:00:00"
    assert units[1]["Install"]["WantedBy"] == "timers.target"


def test_a_workflow_runs_the_very_words() -> None:
    found = yaml.safe_load(_write("github"))
    assert found["on"]["schedule"] == [{"cron": "0 */6 * * *"}]
    steps = found["jobs"]["fleet"]["steps"]
    assert shlex.split(steps[-1]["run"]) == ["assay", "fleet", "run", *WORDS]
    assert steps[-1]["env"]["AWS_ACCESS_KEY_ID"] == "${{ secrets.AWS_ACCESS_KEY_ID }}"


def test_a_cronjob_runs_the_very_words() -> None:
    job, claim = yaml.safe_load_all(_write("k8s", name="nightly"))
    assert (job["kind"], job["metadata"]["name"], job["spec"]["schedule"]) == ("CronJob", "nightly", "0 */6 * * *")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"] == ["assay", "fleet", "run", *WORDS]
    assert pod["containers"][0]["image"] == "repo/assay:1"
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


@settings(max_examples=60)
@given(words=st.lists(st.text(st.characters(exclude_categories=["C", "Z"])), min_size=1))
def test_no_word_leaves_its_place(words: list[str]) -> None:
    job, _ = yaml.safe_load_all(_write("k8s", words))
    assert job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"][3:] == words
    if any("${{" in word for word in words):
        return
    run = yaml.safe_load(_write("github", words))["jobs"]["fleet"]["steps"][-1]["run"]
    assert shlex.split(run)[3:] == words


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_break_and_an_odd_name_are_refused(kind: str) -> None:
    with pytest.raises(UsageError, match="line break"):
        _write(kind, ["a\nExecStart=/bin/evil"])
    with pytest.raises(UsageError, match="expression"):
        _write("github", ["${{ secrets.TOKEN }}"])
    with pytest.raises(UsageError, match="--name got"):
        _write(kind, name="Evil: name")
    with pytest.raises(UsageError, match="nothing to run"):
        _write(kind, [])
    with pytest.raises(UnknownNameError):
        _write("launchd")
