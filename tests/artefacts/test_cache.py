"""The cache of artefacts: keys that follow the content, folders whole or not there, turns between processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.artefacts.base import ArtefactRequest, BuildRequest, Recipe, StaticOnly, recipes, request_artefact
from assay.artefacts.cache import (
    MANIFEST,
    artefact_key,
    cache_location,
    find_artefact,
    list_artefacts,
    make_artefact,
    read_artefact,
    remove_artefact,
    remove_drafts,
)
from assay.core.errors import EngineError
from assay.workloads.base import find_workload

BERT = find_workload("bert/tiny")
built: list[str] = []


def build_text(wanted: BuildRequest) -> Mapping[str, str]:
    built.append(wanted.request.recipe)
    (wanted.folder / "out.txt").write_text(f"{wanted.workload.name} {wanted.request.batch}")
    return {"made_from": ", ".join(sorted(wanted.needs))}


def build_static_only(wanted: BuildRequest) -> Mapping[str, str]:
    if not wanted.request.is_static:
        raise StaticOnly("the batch is baked in")
    return build_text(wanted)


def build_slowly(wanted: BuildRequest) -> Mapping[str, str]:
    (wanted.folder / "half.txt").write_text("half")
    time.sleep(60)
    return {}


def needs_text(request: ArtefactRequest) -> tuple[ArtefactRequest, ...]:
    return (replace(request, recipe="text", options=()),)


@pytest.fixture(autouse=True)
def own_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    def recipe(name: str, build: Any, **more: Any) -> Recipe:
        return Recipe(name, 1, f"the {name}", build, packages=(), install_hint="", **more)

    built.clear()
    for one in (
        recipe("text", build_text, serves_every_batch=True),
        recipe("bound", build_text),
        recipe("static", build_static_only, serves_every_batch=True),
        recipe("above", build_text, needs=needs_text),
        recipe("slow", build_slowly),
    ):
        monkeypatch.setitem(recipes._loaded, one.name, one)


def ask(recipe: str, *, batch: int = 1, **more: Any) -> ArtefactRequest:
    return request_artefact(recipe, BERT, batch=batch, shape=more.pop("shape", {"seq": 8}), seed=0, **more)


def make(request: ArtefactRequest, root: Path) -> Any:
    return make_artefact(request, BERT, root, threads=1)


def test_made_once_and_found_afterwards(tmp_path: Path) -> None:
    assert find_artefact(ask("text"), BERT, tmp_path) is None
    first, second = make(ask("text"), tmp_path), make(ask("text"), tmp_path)
    assert (first.was_cached, second.was_cached, built) == (False, True, ["text"])
    assert first.key == second.key
    assert (second.folder / "out.txt").read_text() == "bert/tiny 1"
    assert second.size_bytes == len("bert/tiny 1")
    assert list_artefacts(tmp_path) == (second,)


def test_one_that_serves_every_batch_is_made_once_for_all(tmp_path: Path) -> None:
    assert make(ask("text", batch=1), tmp_path).key == make(ask("text", batch=8), tmp_path).key
    assert make(ask("bound", batch=1), tmp_path).key != make(ask("bound", batch=8), tmp_path).key


def test_one_that_cannot_serve_every_batch_is_made_for_each(tmp_path: Path) -> None:
    made = make(ask("static", batch=4), tmp_path)
    assert made.batch == 4
    assert find_artefact(ask("static", batch=4), BERT, tmp_path) is not None
    assert find_artefact(ask("static", batch=5), BERT, tmp_path) is None


def test_what_it_builds_upon_is_made_first_and_counted(tmp_path: Path) -> None:
    made = make(ask("above"), tmp_path)
    assert built == ["text", "above"]
    assert made.facts["made_from"] == "text"
    text = make(ask("text"), tmp_path)
    assert made.total_ns == made.build_ns + text.total_ns


@pytest.mark.parametrize(
    "other",
    [
        ask("text", shape={"seq": 16}),
        ask("text", options={"prune": "magnitude:0.5"}),
        replace(ask("text"), seed=1),
        replace(ask("text"), recipe="bound"),
    ],
)
def test_the_key_follows_everything_that_decides_the_content(other: ArtefactRequest) -> None:
    assert artefact_key(other, BERT) != artefact_key(ask("text"), BERT)


def test_the_key_follows_the_version_of_the_recipe_and_of_what_it_builds_upon(monkeypatch: pytest.MonkeyPatch) -> None:
    before = artefact_key(ask("above"), BERT)
    monkeypatch.setitem(recipes._loaded, "text", replace(recipes.get("text"), version=2))
    assert artefact_key(ask("above"), BERT) != before


def test_the_key_follows_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "model.xml"
    file.write_text("<net/>")
    workload = replace(BERT, size=replace(BERT.size, config={"file": str(file)}))
    before = artefact_key(ask("text"), workload)
    (tmp_path / "model.bin").write_bytes(b"weights")
    beside = artefact_key(ask("text"), workload)
    file.write_text("<net />")
    assert len({before, beside, artefact_key(ask("text"), workload)}) == 3


def test_the_same_file_in_another_folder_is_the_same_model(tmp_path: Path) -> None:
    keys = set()
    for name in ("here", "worktree"):
        file = tmp_path / name / "model.xml"
        file.parent.mkdir()
        file.write_text("<net/>")
        keys.add(artefact_key(ask("text"), replace(BERT, size=replace(BERT.size, config={"file": str(file)}))))
    assert len(keys) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"recipe": 1}'])
def test_a_folder_without_a_whole_manifest_is_no_artefact(tmp_path: Path, content: str) -> None:
    made = make(ask("text"), tmp_path)
    (made.folder / MANIFEST).write_text(content)
    assert read_artefact(made.folder) is None
    assert list_artefacts(tmp_path) == ()
    again = make(ask("text"), tmp_path)
    assert not again.was_cached


def test_removing_one_leaves_the_others(tmp_path: Path) -> None:
    made, other = make(ask("text"), tmp_path), make(ask("bound"), tmp_path)
    remove_artefact(made)
    assert [one.key for one in list_artefacts(tmp_path)] == [other.key]
    assert not made.folder.exists()


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "cache"
    file.mkdir()
    (file / "x").write_text("")
    target = file / artefact_key(ask("text"), BERT)
    target.write_text("a file where the folder should be")
    with pytest.raises(EngineError, match="ASSAY_CACHE"):
        make(ask("text"), file)


def run_slow(root: str) -> None:
    make(ask("slow"), Path(root))


def test_a_killed_maker_leaves_no_artefact_and_its_draft_can_be_cleared(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=run_slow, args=(str(tmp_path),))
    process.start()
    while not list(tmp_path.glob(".draft-*/half.txt")):
        time.sleep(0.01)
    assert remove_drafts(tmp_path) == 0  # its writer lives
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert list_artefacts(tmp_path) == ()
    assert find_artefact(ask("slow"), BERT, tmp_path) is None
    assert remove_drafts(tmp_path) == 1
    assert list(tmp_path.glob(".draft-*")) == []


def make_and_tell(root: str, queue: Any) -> None:
    queue.put(make(ask("bound"), Path(root)).was_cached)


def test_two_that_want_the_same_at_once_take_turns(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    makers = [context.Process(target=make_and_tell, args=(str(tmp_path), queue)) for _ in range(4)]
    for one in makers:
        one.start()
    told = sorted(queue.get(timeout=60) for _ in makers)
    for one in makers:
        one.join()
    assert told == [False, True, True, True]
    assert len(list_artefacts(tmp_path)) == 1


def test_the_place_is_the_users_to_choose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path / "here"))
    assert cache_location() == tmp_path / "here"
    monkeypatch.delenv("ASSAY_CACHE")
    assert cache_location().name == "artefacts"


def test_the_manifest_tells_a_person_what_it_is(tmp_path: Path) -> None:
    made = make(ask("bound", batch=2), tmp_path)
    content = json.loads((made.folder / MANIFEST).read_text())
    assert (content["recipe"], content["workload"], content["batch"], content["shape"]) == (
        "bound", "bert/tiny", 2, {"seq": 8},
    )  # fmt: skip
    shutil.rmtree(made.folder)
    assert list_artefacts(tmp_path) == ()
