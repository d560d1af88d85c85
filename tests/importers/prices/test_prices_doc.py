"""docs/prices.md says what the importer does: its mapping, its formats, its counts."""

from __future__ import annotations

import re
from pathlib import Path

from assay.importers.prices.columns import AMOUNTS, FORMATS, THINGS
from assay.importers.prices.read import read_price_list

PAGE = (Path(__file__).parents[3] / "docs" / "prices.md").read_text(encoding="utf-8")


def test_its_mapping_reads_its_list(tmp_path: Path) -> None:
    paths = []
    for language in ("csv", "yaml"):
        (body,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        paths.append(tmp_path / f"quotes.{language}")
        paths[-1].write_text(body, encoding="utf-8")
    found = read_price_list(paths[0], mapping=paths[1], as_of="2026-11-23")
    (one,) = found.prices
    assert (one.hw_id, one.per_device_usd_h, one.region) == ("nvidia-geforce-rtx-4090", 0.7, "eu-west")
    assert ["EUR" in refusal.error for refusal in found.refused] == [True]


def test_every_format_and_every_thing_is_named() -> None:
    named = re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)
    assert named == list(FORMATS)
    assert all(f"`{thing}`" in PAGE for thing in (*THINGS, *AMOUNTS))
