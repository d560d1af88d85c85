"""``doctor``, ``suite`` and ``store``: that each does what it says, and says it to programs too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.cli.output import format_age
from assay.probes.devices import Device
from assay.runner import diagnose as module
from assay.store import Store

Here = Callable[..., Any]


@pytest.fixture
def quick_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch answers at once; asking it for real is tested with the diagnosis."""
    answer = {"version": "2.13.0", "cuda": False, "rocm": False, "mps": False, "xpu": False}
    monkeypatch.setattr(module, "_ask_torch", lambda: answer)
    monkeypatch.setattr(module, "_run_python", lambda _code: ("", None))


# --- doctor ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_doctor")
def test_doctor_says_the_same_to_people_and_programs(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = (Device("cpu", "cpu", "some [CPU]", None), Device("cuda:0", "cuda", "some GPU", None))
    monkeypatch.setattr(module, "detect_devices", lambda: devices)
    said = here("doctor", "--json")
    findings = json.loads(said.out)
    assert (said.code, said.err, [one for one in findings if one["level"] == "error"]) == (0, "", [])
    assert {"area", "level", "what", "advice"} == set(findings[0])
    assert {one["area"] for one in findings} == {"hardware", "engines", "energy", "timing", "store"}
    for_people = here("doctor").out
    for finding in findings:
        if "load" not in finding["what"]:  # which changes by the second, as does the figure before these words
            assert re.sub(r"[\d.]+ \w+ memory available", "", finding["what"]) in for_people
    assert re.search(r"\d threads by default; [\d.]+ \w+ memory available\n", for_people)
    assert "✓ cpu: some [CPU]" in for_people
    assert "! cuda:0: some GPU: PyTorch cannot use it\n      → install a PyTorch built for cuda" in for_people
    assert "\x1b" not in for_people


@pytest.mark.usefixtures("quick_doctor")
def test_doctor_exits_2_where_something_is_broken(here: Here, tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("")
    said = here("doctor", "--store", tmp_path / "file" / "store")
    assert said.code == 2
    assert "✗ No store could be made in" in said.out
    assert "→ Choose another folder with --store or ASSAY_STORE." in said.out


# --- suite ----------------------------------------------------------------------------------------------------


def test_shipped_suites_are_listed(here: Here) -> None:
    assert [one["name"] for one in json.loads(here("suite", "ls", "--json").out)] == [
        "accuracy", "contrastive", "data", "distributed", "engines", "quick", "standard", "training", "web",
    ]  # fmt: skip
    assert "standard" in here("suite", "ls").out


@pytest.mark.parametrize("family", ["bert", "resnet", "whisper", None])
def test_a_new_suite_passes_its_own_check(here: Here, tmp_path: Path, family: str | None) -> None:
    said = here("suite", "new", *(["--family", family] if family else []))
    assert (said.code, said.err) == (0, "")
    path = tmp_path / "new.yaml"
    path.write_text(said.out)
    said = here("suite", "check", path)
    assert said.code == 0
    assert said.out.startswith(f"{path}: ok: suite ")


def test_a_new_suite_of_an_unknown_family(here: Here) -> None:
    said = here("suite", "new", "--family", "brt")
    assert (said.code, said.out) == (2, "")
    assert "Unknown workload family 'brt'. Did you mean 'bert'?" in said.err


def test_a_suite_is_shown_as_it_is_understood(here: Here, write_suite: Callable[..., Path], tmp_path: Path) -> None:
    shown = json.loads(here("suite", "show", write_suite(), "--json").out)
    assert shown["timing"]["target_ci"] == 0.01  # a default, filled in
    again = tmp_path / "again.yaml"
    again.write_text(here("suite", "show", write_suite()).out)
    assert json.loads(here("suite", "show", again, "--json").out) == shown


def test_a_faulty_suite_fails_its_check(here: Here, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\ncases:\n  - model: bert/tiny\n    batch: many\n")
    said = here("suite", "check", path)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: {path}:4:12: ")


def test_the_schema_is_json(here: Here) -> None:
    assert json.loads(here("suite", "schema").out)["$schema"].startswith("https://json-schema.org/")


# --- store ----------------------------------------------------------------------------------------------------


def test_a_sound_store_is_clean(here: Here, kept: str) -> None:
    said = here("store", "check", "--store", kept)
    assert (said.code, said.out) == (0, f"{kept}: clean, 2 runs\n")
    report = json.loads(here("store", "check", "--store", kept, "--json").out)
    assert (report["problems"], report["runs"]) == ([], 2)


def test_info_counts_rows(here: Here, kept: str) -> None:
    described = json.loads(here("store", "info", "--store", kept, "--json").out)
    rows = {one["name"]: one["rows"] for one in described["tables"]}
    assert (rows["runs"], rows["results"], rows["launches"]) == (2, 4, 6)
    for_people = here("store", "info", "--store", kept).out
    assert all(name in for_people for name in rows)


def test_there_is_nothing_to_recover(here: Here) -> None:
    assert here("store", "recover").out == "Nothing to recover: every run was published.\n"
    assert json.loads(here("store", "recover", "--json").out) == []


def test_an_empty_leaving_is_found_and_mended(here: Here, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    store.check_writable()
    leaving = Path(store.location, "journal", "01a20000-0000-7000-8000-000000000000.jsonl")
    leaving.write_text("")
    said = here("store", "check")
    assert said.code == 4
    assert leaving.stem in said.out
    assert here("store", "repair").code == 0
    assert here("store", "check").code == 0
    assert not leaving.exists()


# --- words ----------------------------------------------------------------------------------------------------


def test_ages_are_said_as_people_say_them() -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    said = {
        timedelta(seconds=-5): "0 s ago",
        timedelta(seconds=89): "89 s ago",
        timedelta(minutes=3): "3 min ago",
        timedelta(hours=5): "5 h ago",
        timedelta(days=3): "3 d ago",
        timedelta(days=60): f"{(now - timedelta(days=60)).astimezone():%Y-%m-%d}",
    }
    assert {age: format_age(now - age, now) for age in said} == said
