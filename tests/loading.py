"""Modules that tests share and that are no tests themselves: composed stores, results and figures.

pytest (``--import-mode=importlib``) makes ``tests`` a package by its place; nothing has to be on the path.
"""

from __future__ import annotations

import importlib
from typing import Any


def load_module(name: str) -> Any:
    """Return a module by its name below tests: ``analysis.trend_history``. Each process of tests executes it once."""
    return importlib.import_module(f"tests.{name}")
