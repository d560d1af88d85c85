"""The views of the KPI page lead to each other, hold what their reports hold, and refuse what is none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from starlette.testclient import TestClient

VIEWS = {
    "explorer": "The explorer", "together": "Which numbers go together", "bias": "Measured against data sheets",
    "sheets": "Data sheets against each other",
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_leads_to_the_others(imported: TestClient, view: str) -> None:
    page = imported.get(f"/kpi?view={view}")
    assert page.status_code == 200
    for name, words in VIEWS.items():
        if name == view:
            continue
        assert words in page.text
        assert ("/kpi?view=" + name in page.text) or (name == "explorer" and 'href="/kpi"' in page.text)


def test_the_twin_of_a_view_is_its_report(imported: TestClient) -> None:
    content = imported.get("/kpi.json?view=bias").json()
    assert content["kind"] == "kpi"
    assert dict(content["scope"])["show"] == "bias"


def test_what_is_no_view_is_refused(imported: TestClient) -> None:
    assert imported.get("/kpi?view=odd").status_code == 400
