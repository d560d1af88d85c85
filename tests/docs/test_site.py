"""The site: every page has its place, guides say what the program does, and the build warns of nothing."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "howto").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MADE = re.compile(r"(reference|project)/.+|pages\.md")
"""Pages that building adds."""


@pytest.fixture(scope="module")
def builder() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("build_docs")


@pytest.fixture(scope="module")
def commands(builder: Any) -> dict[str, Any]:
    del builder
    found: dict[str, Any] = importlib.import_module("make_reference").commands()
    return found


def test_every_page_has_one_place_in_the_navigation(builder: Any) -> None:
    placed = builder.nav_pages()
    assert len(placed) == len(set(placed))
    own = {page for page in placed if not MADE.fullmatch(page)}
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"README.md"}
    assert own == written, "add the page to nav in zensical.toml"


def test_the_navigation_goes_from_learning_to_looking_up(builder: Any) -> None:
    import tomllib

    nav = tomllib.loads(builder.CONFIG.read_text(encoding="utf-8"))["project"]["nav"]
    assert [next(iter(one)) for one in nav] == [
        "Home", "Tutorial", "How-to", "Reference", "Explanation", "Troubleshooting", "Project",
    ]  # fmt: skip


def test_the_first_page_leads_to_every_guide() -> None:
    linked = set(re.findall(r"\]\((howto/[\w-]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert linked == {page.relative_to(DOCS).as_posix() for page in GUIDES}


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_links_of_guides_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors_of(goal), target


def typed(page: Path) -> list[list[str]]:
    """What a guide has its reader type, as words, without settings before and pipes behind; assay's commands only."""
    text = page.read_text(encoding="utf-8")
    lines = [line for word, body in FENCE.findall(text) if word == "console" for line in body.splitlines()]
    lines += re.findall(r"`(assay [a-z-][^`]*)`", FENCE.sub("", text))
    found = [shlex.split(re.sub(r"^(\$ )?([A-Z_]+=\S+ )?", "", line).partition(" > ")[0]) for line in lines]
    return [words for words in found if words[0] == "assay"]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_commands_of_guides_exist_with_their_options(page: Path, commands: dict[str, Any]) -> None:
    for words in typed(page):
        name = next(" ".join(words[:n]) for n in (4, 3, 2, 1) if " ".join(words[:n]) in commands)
        options = {text for one in commands[name].params for text in (*one.opts, *one.secondary_opts)}
        own = words[: words.index("--")] if "--" in words else words  # what is behind is handed on
        assert {word.partition("=")[0] for word in own if word.startswith("-")} <= options, words
        assert name != "assay" or len(words) == 1 or words[1].startswith("-"), words


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_what_guides_measure_can_be_planned(
    page: Path, commands: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real command plans every ``assay run`` of a guide: it looks at models, engines, options, suites."""
    pytest.importorskip("torch", reason="planning the guides' models needs PyTorch")
    del commands
    from typer.testing import CliRunner

    from assay.cli.main import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))
    runner = CliRunner()
    bench = runner.invoke(app, ["suite", "new", "--family", "bert"])
    (tmp_path / "bench.yaml").write_text(bench.stdout, encoding="utf-8")
    for words in typed(page):
        if words[1:2] == ["run"]:
            kept = [word for word in words[1:] if word != "--dry-run"]
            if "--visit" in kept:  # it would wait for somebody to come
                continue
            said = runner.invoke(app, [*kept, "--dry-run"])
            if "There is no browser" in str(said.exception):  # not every machine has Chrome
                continue
            assert said.exit_code == 0, (words, said.output, said.exception)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(builder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("zensical is not installed")
    pytest.importorskip("fastapi", reason="the routes need the extra serve")
    shutil.rmtree(builder.SITE, ignore_errors=True)
    builder.stage(builder.STAGE)
    code = builder.build()
    assert code == 0, capsys.readouterr()
    first = (builder.SITE / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!zensical\.org)[^"]+\.(?:js|css|woff2?)"', first)
    for page in builder.nav_pages():
        assert "<h1" in (builder.SITE / page).with_suffix(".html").read_text(encoding="utf-8"), page


def test_links_are_turned_to_where_pages_are_on_the_site(builder: Any, tmp_path: Path) -> None:
    if importlib.util.find_spec("fastapi") is None:
        pytest.skip("the routes need the extra serve")
    count = builder.stage(tmp_path / "docs")
    assert count == len(builder.nav_pages())
    project = (tmp_path / "docs" / "project" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "(../architecture.md#packages-and-layers)" in project
    assert "(project/CHANGELOG.md)" in (tmp_path / "docs" / "pages.md").read_text(encoding="utf-8")
    assert "](pages.md)" in (tmp_path / "docs" / "index.md").read_text(encoding="utf-8")
    assert sys.version_info >= (3, 11)
