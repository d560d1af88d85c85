"""The bill of materials: what assay needs, what that needs, and what npm brings into the wheel."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> Iterator[Any]:
    pytest.importorskip("packaging", reason="reading requirements needs packaging")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("sbom")


def test_every_required_package_is_listed_with_version_and_licence(tool: Any) -> None:
    bill, missing = tool.make_bill(())
    assert missing == []
    listed = {one["name"].lower(): one for one in bill["components"]}
    for text in importlib.metadata.requires("assay") or ():
        if "extra ==" not in text:
            name = re.split(r"[<>=!~\[ ;]", text)[0].lower()
            assert listed[name]["version"] == importlib.metadata.version(name)
    assert [name for name, one in listed.items() if "licenses" not in one] == []
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs))
    json.dumps(bill)


def test_what_the_wheel_has_of_npm_is_listed_with_digests(tool: Any) -> None:
    components = {one["name"]: one for one in tool.npm_components()}
    assert {"htmx.org", "plotly.js-cartesian-dist-min", "onnxruntime-web"} == components.keys()
    for one in components.values():
        assert all(re.fullmatch(r"[0-9a-f]{128}", file["hashes"][0]["content"]) for file in one["components"])


def test_edges_lead_to_what_is_listed(tool: Any) -> None:
    bill, _ = tool.make_bill(())
    known = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    for one in bill["dependencies"]:
        assert one["ref"] in known
        assert set(one["dependsOn"]) <= known


def test_what_is_needed_and_not_installed_is_said(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.distribution

    def without_psutil(name: str) -> Any:
        if name == "psutil":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "distribution", without_psutil)
    assert tool.make_bill(())[1] == ["psutil"]
