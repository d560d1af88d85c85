"""``assay cache``: what is kept is listed, and goes when asked to, and not before."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.artefacts.base import BuildRequest, Recipe, recipes, request_artefact
from assay.artefacts.cache import MANIFEST, make_artefact
from assay.cli.cache import COLUMNS, complete_recipe
from assay.workloads.base import find_workload

Here = Callable[..., Any]
DAY_S = 86_400


def _write(wanted: BuildRequest) -> dict[str, str]:
    (wanted.folder / "model").write_bytes(b"x" * 2048)
    return {"by": "this test"}


@pytest.fixture
def cache(tmp_path: Path, worker_environ: dict[str, str]) -> Iterator[Path]:
    """A cache of three artefacts: two of bert, one of them made for every batch, and one of vit."""
    root = tmp_path / "cache"
    worker_environ["ASSAY_CACHE"] = str(root)  # before `here` takes it over
    for name, every in (("test-graph", True), ("test-table", False)):
        recipes.add(
            name,
            Recipe(
                name=name, version=1, description="of this test", build=_write, packages=(), install_hint="",
                serves_every_batch=every,
            ),
        )  # fmt: skip
    for recipe, model in (("test-graph", "bert/tiny"), ("test-table", "bert/tiny"), ("test-table", "vit/tiny")):
        workload = find_workload(model)
        request = request_artefact(recipe, workload, batch=4, shape=workload.resolve_shape({}), seed=0)
        make_artefact(request, workload, root, threads=1)
    yield root
    for name in ("test-graph", "test-table"):
        recipes._loaded.pop(name)


@pytest.fixture
def ask(cache: Path, here: Here) -> Here:
    """Run ``assay cache`` over the cache of this test."""
    assert cache.is_dir()

    def run(*arguments: object) -> Any:
        return here("cache", *arguments)

    return run


def kept(root: Path) -> list[str]:
    return sorted(json.loads(one.read_text())["recipe"] for one in root.glob(f"*/{MANIFEST}"))


def make_draft(root: Path, pid: int) -> Path:
    draft = root / f".draft-{pid}-abcd"
    draft.mkdir()
    (draft / "half").write_bytes(b"x")
    return draft


# --- ls -------------------------------------------------------------------------------------------------------


def test_the_list_says_the_same_in_every_form(ask: Here, cache: Path) -> None:
    content = json.loads(ask("ls", "--json").out)
    rows = content["artefacts"]
    assert (content["location"], content["drafts"], content["size_bytes"]) == (str(cache), 0, 3 * 2048)
    assert [(row["recipe"], row["workload"], row["batch"]) for row in rows] == [
        ("test-table", "vit/tiny", 4), ("test-table", "bert/tiny", 4), ("test-graph", "bert/tiny", None),
    ]  # fmt: skip
    assert all(row["size_bytes"] == 2048 and row["build_ns"] > 0 for row in rows)
    assert all(Path(row["folder"]).name == row["key"] for row in rows)
    listed = list(csv.DictReader(io.StringIO(ask("ls", "--csv").out)))
    assert tuple(listed[0]) == COLUMNS
    assert [row["key"] for row in listed] == [row["key"] for row in rows]
    said = ask("ls")
    assert (said.code, said.err) == (0, "")
    assert all(row["key"] in said.out for row in rows)
    assert "  any  " in said.out
    assert "3 artefacts, 6.00 KiB, " in said.out


def test_the_list_can_be_narrowed(ask: Here) -> None:
    def keys(*arguments: str) -> list[tuple[str, str]]:
        rows = json.loads(ask("ls", "--json", *arguments).out)["artefacts"]
        return [(row["recipe"], row["workload"]) for row in rows]

    assert keys("--recipe", "test-graph") == [("test-graph", "bert/tiny")]
    assert keys("--workload", "vit/tiny") == [("test-table", "vit/tiny")]
    assert keys("--recipe", "test-table", "--workload", "bert/tiny") == [("test-table", "bert/tiny")]
    assert len(keys("--recipe", "test-table", "--recipe", "test-graph")) == 3
    said = ask("ls", "--recipe", "test-tabel")
    assert (said.code, said.out) == (2, "")
    assert "Unknown recipe 'test-tabel'. Did you mean 'test-table'" in said.err
    assert "Unknown workload in the cache 'vit'" in ask("ls", "--workload", "vit").err


def test_an_empty_cache_is_nothing_special(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "none"))
    assert here("cache", "ls").out == f"Nothing is kept in {tmp_path / 'none'}.\n"
    assert json.loads(here("cache", "ls", "--json").out)["artefacts"] == []
    assert here("cache", "clear").out == "Nothing to remove.\n"
    assert not (tmp_path / "none").exists()


# --- clear ----------------------------------------------------------------------------------------------------


def test_nothing_goes_without_a_word_from_somebody(ask: Here, cache: Path) -> None:
    said = ask("clear")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"error: 3 artefacts (6.00 KiB) in {cache} would be removed, and there is nobody to ask.\n"
        "  Say --yes, or --dry-run to see what would go.\n"
    )
    said = ask("clear", "--dry-run")
    assert said.code == 0
    assert said.out.endswith("Would remove 3 artefacts: 6.00 KiB.\n")
    assert len(kept(cache)) == 3


def test_clearing_a_part_and_then_all(ask: Here, cache: Path) -> None:
    said = ask("clear", "--recipe", "test-graph", "--yes")
    assert (said.code, said.out) == (0, "Removed 1 artefact: 2.00 KiB.\n")
    assert kept(cache) == ["test-table", "test-table"]
    content = json.loads(ask("clear", "--yes", "--json").out)
    assert (content["removed"], content["size_bytes"], len(content["artefacts"])) == (True, 4096, 2)
    assert kept(cache) == []


def test_age_counts_from_the_last_use(ask: Here, cache: Path) -> None:
    for manifest in cache.glob(f"*/{MANIFEST}"):
        if json.loads(manifest.read_text())["workload"] == "vit/tiny":
            long_ago = time.time() - 40 * DAY_S
            os.utime(manifest, (long_ago, long_ago))
    assert ask("clear", "--older-than", "60d").out == "Nothing to remove.\n"
    assert len(json.loads(ask("ls", "--json").out)["artefacts"]) == 3  # looking is not using
    said = ask("clear", "--older-than", "30d", "--yes")
    assert said.out == "Removed 1 artefact: 2.00 KiB.\n"
    assert kept(cache) == ["test-graph", "test-table"]
    assert "--older-than: 'soon' is not a duration" in ask("clear", "--older-than", "soon").err


def test_what_killed_processes_left_goes_too(ask: Here, cache: Path) -> None:
    abandoned, at_work = make_draft(cache, 2**22 + 1), make_draft(cache, os.getpid())
    said = ask("ls")
    assert said.err == "1 half made by killed processes; assay cache clear removes them too.\n"
    assert ask("clear", "--dry-run").out.endswith("Would remove 3 artefacts and 1 half made: 6.00 KiB.\n")
    assert ask("clear", "--yes").out == "Removed 3 artefacts and 1 half made: 6.00 KiB.\n"
    assert not abandoned.exists()
    assert at_work.exists()


@pytest.mark.parametrize(("answer", "left"), [(True, 0), (False, 3)])
def test_a_person_is_asked(ask: Here, cache: Path, monkeypatch: pytest.MonkeyPatch, *, answer: bool, left: int) -> None:
    import typer

    asked: list[str] = []

    def confirm(text: str, **_how: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("assay.cli.cache._is_terminal", lambda: True)
    monkeypatch.setattr(typer, "confirm", confirm)
    assert ask("clear").code == 0
    assert asked == [f"Remove 3 artefacts (6.00 KiB) from {cache}?"]
    assert len(kept(cache)) == left


def test_recipes_are_completed() -> None:
    assert "reference" in complete_recipe("ref")
    assert complete_recipe("zz") == []
