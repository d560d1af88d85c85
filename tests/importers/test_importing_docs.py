"""docs/importing.md says what the program does: its examples run, its marks and numbers are those of the code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.registry import Registry
from assay.core.words import Mark
from assay.importers import base, pipeline
from assay.importers.base import Importer
from assay.importers.pipeline import import_paths
from assay.importers.source import Limits
from assay.store import Store

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_program_of_the_page_runs(
    tmp_path: Path,
    write_plain: Callable[..., Path],
    registry: Registry[Importer],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_plain("a.json", {"model": "bert/base", "ms": 12.5}).parent.rename(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    defaults = import_paths.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "importers", registry)
    exec(compile(EXAMPLES[0], "importing.md", "exec"), {})  # noqa: S102  (our own docs)
    assert capsys.readouterr().out == "results/a.json taken 1 0\n1 1\n"


def test_the_importer_of_the_page_imports(
    tmp_path: Path, store: Store, registry: Registry[Importer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "importers", registry)
    exec(compile(EXAMPLES[1], "importing.md", "exec"), {})  # noqa: S102  (our own docs)
    (tmp_path / "times.csv").write_text("model,ms\nbert,12.5\nbert,-1\n", encoding="utf-8")
    (one,) = import_paths(store, [tmp_path / "times.csv"], importers=registry).files
    assert (one.format, one.rows_taken, [refusal.error for refusal in one.refusals]) == (
        "stopwatch", 1, ["ms: -1 ms is negative."],
    )  # fmt: skip


def test_the_marks_of_the_page_are_those_of_the_code() -> None:
    told = dict(re.findall(r"^\| `([a-z ]+)` \| .* \| (yes|no) \|$", PAGE, re.MULTILINE))
    assert told == {mark.value: "yes" if mark.excludes else "no" for mark in Mark}


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    limits, mib, gib = Limits(), 1024**2, 1024**3
    field, line, packed = limits.field_bytes // mib, limits.line_bytes // mib, limits.unpacked_bytes // gib
    for said in (
        f"JSON larger than {limits.json_bytes // mib} MiB",
        f"a field of more than {field} MiB or a line of more than {line} MiB",
        f"more than {limits.unpacked_ratio} times its size, or to more than {packed} GiB",
        f"nesting beyond {limits.depth} levels",
        f"a download of more than {limits.download_bytes // gib} GiB or {limits.download_s:.0f} s",
        f"more than {limits.members:,} files".replace(",", " "),
        f"up to {pipeline.HELD_ROWS:,} of files of up to {pipeline.HELD_BYTES // mib} MiB".replace(",", " "),
    ):
        assert said in PAGE
