"""What docs/architecture.md says of packages, layers, places and doors is so: held to the source and its contracts."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "assay"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def layers_told() -> list[set[str]]:
    """The packages of each layer, by the numbers of the table."""
    found: dict[int, set[str]] = {}
    for number, packages in re.findall(r"^\| (\d+) \| ([^|]+) \|", section("Packages and layers"), re.MULTILINE):
        found.setdefault(int(number), set()).update(re.findall(r"`(\w+)`", packages))
    assert list(found) == list(range(1, len(found) + 1))
    return list(found.values())


def test_the_packages_are_those_of_the_source() -> None:
    assert set().union(*layers_told()) == {file.parent.name for file in SOURCE.glob("*/__init__.py")}


def test_the_layers_are_those_that_are_held() -> None:
    held = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    assert layers_told() == [set(layer.replace("assay.", "").split(" | ")) for layer in held]


def test_every_place_of_a_decision_is_there() -> None:
    places = re.findall(r"`([\w*]+/[\w*/.-]*)`", section("Where each decision lives"))
    assert len(places) > 80
    assert [place for place in places if not list(SOURCE.glob(place.rstrip("/")))] == []


def test_every_door_for_extensions_is_told() -> None:
    sentence = section("Packages and layers").partition("Extensions (")[2].partition(")")[0]
    told = {
        word.strip().replace("report kind", "report").replace("data set", "dataset") for word in sentence.split(",")
    }
    assert {group.removeprefix("assay.") for group in PROJECT["project"]["entry-points"]} <= told
