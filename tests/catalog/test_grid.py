"""Carbon intensity of electricity: every figure with its source, every region with its zone."""

from __future__ import annotations

import pytest

from assay.catalog.grid import WORLD, find_grid_factor, load_cloud_regions, load_grid, load_grid_sources
from assay.core.errors import UnknownNameError, UsageError


def test_every_factor_has_a_source_and_a_plausible_value() -> None:
    sources = load_grid_sources()
    for factor in load_grid().values():
        assert factor.source_id in sources
        assert 0 < factor.g_co2e_per_kwh < 1000
        assert 2022 <= factor.year <= 2025
    assert {factor.source_id for factor in load_grid().values()} == set(sources)


def test_every_region_has_a_zone_and_is_there_once() -> None:
    zones = load_grid()
    regions = load_cloud_regions()
    assert all(region.zone in zones for region in regions)
    assert len({(region.provider, region.region) for region in regions}) == len(regions)


@pytest.mark.parametrize(
    ("text", "zone", "grams"),
    [
        ("DE", "DE", 381), ("germany", "DE", 381), ("us-va", "US-VA", 245), ("us-east-1", "US-VA", 245),
        ("eu-north-1", "SE", 41), ("us-east4", "GCP:us-east4", 323.05), ("westeurope", "NL", 268),
        ("World", WORLD, 481), ("GCP:europe-west9", "GCP:europe-west9", 16.3),
    ],
)  # fmt: skip
def test_a_zone_is_found_by_its_id_its_name_and_a_cloud_s_region(text: str, zone: str, grams: float) -> None:
    factor = find_grid_factor(text)
    assert (factor.zone, factor.g_co2e_per_kwh) == (zone, grams)


def test_a_name_of_two_providers_needs_the_provider() -> None:
    with pytest.raises(UsageError, match="Google Cloud, Nebius"):
        find_grid_factor("us-central1")
    assert find_grid_factor("us-central1", provider="google cloud").zone == "GCP:us-central1"
    assert find_grid_factor("us-central1", provider="Nebius").zone == "US-MO"


@pytest.mark.parametrize("text", ["us-east-1-lim-1", "eu-west-3-wl1-dss1", "all", "", "nowhere"])
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    with pytest.raises(UnknownNameError):
        find_grid_factor(text)


def test_a_name_is_not_another_provider_s_region() -> None:
    with pytest.raises(UnknownNameError):
        find_grid_factor("us-east-1", provider="Azure")


def test_a_kilowatt_hour_is_3_6_megajoules() -> None:
    factor = find_grid_factor("US-VA")
    assert factor.grams_of(3.6e6) == pytest.approx(245)
    assert factor.label == "Virginia, 2023, 245 g CO2e/kWh (US EPA)"
