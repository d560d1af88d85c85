"""Each shape is known by one importer, and nothing that a file can hold makes one break."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import AssayError
from assay.importers.base import Facts, ImportedRow, ImportFileError, Refusal, importers
from assay.importers.source import Source

_JUNK: tuple[object, ...] = (None, True, -1, "x", [], {"a": 1}, float("inf"))


def test_every_importer_carries_the_name_it_is_registered_by(modules: dict[str, str]) -> None:
    for name in modules:
        assert importers.get(name).name == name
        assert importers.get(name).title


def test_exactly_one_importer_recognises_each_shape(
    modules: dict[str, str],
    shape_names: tuple[str, ...],
    compose: Callable[[str], dict[str, Any]],
    as_source: Callable[[object], Source],
) -> None:
    for shape in shape_names:
        source = as_source(compose(shape))
        assert [name for name in modules if importers.get(name).recognise(source)] == [shape.split()[0]], shape


@pytest.mark.parametrize(
    "content", [{}, [], 1, "x", None, {"results": {}}, {"benchmarks": []}, {"a": {"b": 1}}, [{"model": 1}]]
)
def test_nothing_else_is_recognised_and_reading_it_says_what_was_expected(
    content: object, modules: dict[str, str], as_source: Callable[[object], Source]
) -> None:
    source = as_source(content)
    for name in modules:
        assert not importers.get(name).recognise(source)
        with pytest.raises(ImportFileError, match=r"content\.json"):
            list(importers.get(name).read(source))


def test_broken_text_is_not_recognised_and_said_to_be_broken(modules: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "torn.json"
    path.write_text('{"benchmarks": {"a": ', encoding="utf-8")
    source = Source(path, "torn.json", path.stat().st_size)
    for name in modules:
        assert not importers.get(name).recognise(source)
    with pytest.raises(ImportFileError, match=r"torn\.json, line 1, column"):
        importers.get("ipfs-suite").read(source)


def test_no_value_in_any_place_breaks_a_reader(
    shape_names: tuple[str, ...],
    compose: Callable[[str], dict[str, Any]],
    as_source: Callable[[object], Source],
) -> None:
    for shape in shape_names:
        importer = importers.get(shape.split()[0])
        source = as_source(compose(shape))
        for content in _damaged(compose(shape)):
            vars(source)["json"] = content  # as if the file held it: parsing thousands of files takes long
            importer.recognise(source)
            try:
                items = list(importer.read(source))
            except ImportFileError:
                continue
            except AssayError as error:
                raise AssertionError((shape, content)) from error
            for item in items:
                if isinstance(item, ImportedRow):
                    json.dumps([item.fields, item.case.to_dict()], allow_nan=False)
                    assert item.reason is not None or not item.status.is_failure
                elif isinstance(item, Facts):
                    json.dumps([item.values, item.hardware], allow_nan=False)
                elif isinstance(item, Refusal):
                    assert item.error


def _damaged(content: Any) -> Iterator[Any]:
    for path in list(_paths(content, ())):
        shortened = copy.deepcopy(content)
        del _at(shortened, path[:-1])[path[-1]]
        yield shortened
        for junk in _JUNK:
            changed = copy.deepcopy(content)
            _at(changed, path[:-1])[path[-1]] = junk
            yield changed


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield (*path, key)
        yield from _paths(each, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value
