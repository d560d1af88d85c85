"""What each format looks like, as files: a change of them is looked at and then written by ASSAY_WRITE_GOLDEN=1.

Style sheet, script and policy of the page are left out of its file: they change for other reasons than a number.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
SUFFIXES = {"text": "txt", "markdown": "md", "csv": "csv", "json": "json", "html": "html"}


def steady(form: str, text: str) -> str:
    if form != "html":
        return text
    text = re.sub(r"(?s)<(style|script)>.*?</\1>", r"<\1></\1>", text)
    return re.sub(r'content="default-src[^"]*"', 'content=""', text)


@pytest.mark.parametrize("form", SUFFIXES)
def test_golden(form: str, rendered: dict[str, str]) -> None:
    path = GOLDEN / f"report.{SUFFIXES[form]}"
    shown = steady(form, rendered[form]).encode()
    if os.environ.get("ASSAY_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(shown)
    assert path.read_bytes() == shown, f"{path.name} differs; look at it, then run with ASSAY_WRITE_GOLDEN=1"
