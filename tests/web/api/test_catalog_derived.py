"""What follows from sheets and prices, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.catalog.hardware.derived import DERIVED

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_the_registry(client: TestClient) -> None:
    items = client.get("/api/v1/catalog/derived").json()["items"]
    assert [one["name"] for one in items] == list(DERIVED)
    assert {one["is_estimate"] for one in items if one["group"] == "estimates"} == {True}


def test_one_device(client: TestClient) -> None:
    found = client.get("/api/v1/catalog/devices/nvidia-l4/derived?grid=DE").json()
    assert set(found["metrics"]) == set(DERIVED)
    balance, rent = found["metrics"]["balance16"], found["metrics"]["usd_per_h"]
    assert balance["value"] == pytest.approx(403.3, abs=0.1)
    assert balance["layers"] == ["shipped"]
    assert (rent["value"], bool(rent["reason"])) == (None, True)
    assert "Germany" in found["metrics"]["carbon_per_h"]["note"]


def test_several_devices_with_some_metrics(client: TestClient) -> None:
    items = client.get("/api/v1/catalog/compare?device=nvidia-l4&device=nvidia-a10g&metric=per%20watt").json()["items"]
    assert [one["hw_id"] for one in items] == ["nvidia-l4", "nvidia-a10g"]
    assert "rate16_per_w" in items[0]["metrics"]
    assert "balance16" not in items[0]["metrics"]


def test_prices_of_a_store_without_any(client: TestClient) -> None:
    assert client.get("/api/v1/catalog/prices?device=nvidia-l4").json() == {"total": 0, "items": []}


def test_figures_say_their_layer(client: TestClient) -> None:
    found = client.get("/api/v1/catalog/devices/nvidia-l4").json()["figures"]["tdp_w"]
    assert (found["value"], found["layer"], bool(found["as_of"])) == ("72.0", "shipped", True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("compare?device=nvidia-l5", 404),
        ("devices/nothing/derived", 404),
        ("compare?device=nvidia-l4&metric=speed", 400),
        ("compare?device=nvidia-l4&grid=atlantis", 400),
        ("compare?device=nvidia-l4&terms=gift", 422),
        ("compare", 422),
    ],
)
def test_what_is_refused(client: TestClient, path: str, status: int) -> None:
    assert client.get(f"/api/v1/catalog/{path}").status_code == status
