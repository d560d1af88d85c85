"""Tests of real browsers are skipped where one is missing, and say so; continuous integration must have them."""

from __future__ import annotations

import os

import pytest

from assay.core.absence import Unavailable
from assay.engines.web.assets import find_runtime
from assay.engines.web.browsers import find_browser


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="only continuous integration (CI=true) must have browsers")
@pytest.mark.parametrize("name", ["chromium", "firefox", "sparticuz"])
def test_continuous_integration_has_its_browsers(name: str) -> None:
    found = find_browser(name)
    assert not isinstance(found, Unavailable), f"{found}; run tools/install_browsers.py"


def test_the_runtime_is_here() -> None:
    found = find_runtime()
    assert not isinstance(found, Unavailable), f"{found}; run make assets"
