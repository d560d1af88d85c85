"""The report with everything in it, the modules that help to read it back, and each format of it once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from assay.report.renderers.csv_text import render_tidy
from assay.report.renderers.html import render_html
from assay.report.renderers.json_text import render_json
from assay.report.renderers.markdown import render_markdown
from assay.report.renderers.text import render_text
from assay.report.renderers.xlsx import render_xlsx
from assay.report.values import Report


def load(name: str) -> ModuleType:
    """Import a module that stands beside these tests."""
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"renderer_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for the names in their annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def rich() -> ModuleType:
    """The module of the composed report and its hostile texts."""
    return load("rich_report")


@pytest.fixture(scope="session")
def read_back() -> ModuleType:
    """Readers of each format."""
    return load("read_back")


@pytest.fixture(scope="session")
def report(rich: ModuleType) -> Report:
    """The composed report."""
    made = rich.rich_report()
    assert isinstance(made, Report)
    return made


@pytest.fixture(scope="session")
def rendered(report: Report) -> dict[str, str]:
    """Every format that is text, figures left to their words and numbers."""
    return {
        "text": render_text(report, 100, draw=lambda _figure, _width: ""),
        "markdown": render_markdown(report),
        "csv": render_tidy(report),
        "json": render_json(report),
        "html": render_html(report, draw=lambda _figure: None),
    }


@pytest.fixture(scope="session")
def workbook(report: Report) -> bytes:
    """The workbook, figures left to their numbers."""
    return render_xlsx(report, draw=lambda _figure: None)
