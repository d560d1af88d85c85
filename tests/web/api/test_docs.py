"""docs/rest-api.md names every operation and every kind of problem, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.testclient import TestClient

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "rest-api.md").read_text(encoding="utf-8")
KINDS = re.compile(
    r"RefusalError\(\s*[\w.]+,\s*\"([a-z-]+)\"|kind=\"([a-z-]+)\"|\d{3}, \"([a-z-]+)\"|\d{3}: \"([a-z-]+)\""
)


def test_every_operation_is_listed_and_no_other(client: TestClient) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    described = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert set(re.findall(r"^\| `((?:GET|POST) /[^`]*)` \|", PAGE, flags=re.MULTILINE)) == described


def test_every_kind_of_problem_is_listed_and_no_other() -> None:
    section = PAGE.partition("## Errors")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", section, flags=re.MULTILINE))
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "src" / "assay" / "web").rglob("*.py")
        if path.name != "client.py"
    )
    raised = {next(filter(None, found)) for found in KINDS.findall(sources)}
    assert raised - listed == set()
    assert listed - raised - {"http"} == set()


def test_links_lead_to_pages() -> None:
    for name in ("rest-api.md", "serving-securely.md"):
        page = (ROOT / "docs" / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+\.md)", page):
            assert (ROOT / "docs" / target).exists(), target
