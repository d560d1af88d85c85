"""What a browser says of its graphics hardware, taken apart: a family by WebGPU, a renderer's name by WebGL.

WebGPU gives a page a vendor and an architecture (``nvidia ampere``), which many devices share. WebGL's unmasked
renderer wraps what the driver says (``ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11 ..., D3D11)``), and Firefox
names one card for a group of them and says so (``or similar``). Only the driver's own words can mean a device. May
import: standard library, core.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from assay.core.adapters import SEPARATOR, SOFTWARE_ADAPTER
from assay.core.errors import AssayError

_DATA = Path(__file__).parent / "data" / "adapters.csv"
_COLUMNS = ["vendor", "architecture", "maker", "architectures", "source"]
_ANY = "*"
_SOFTWARE = re.compile(r"swiftshader|llvmpipe|lavapipe|softpipe|\bwarp\b|microsoft basic render", re.IGNORECASE)
_ANGLE = re.compile(r"^\s*ANGLE \((.*)\)\s*(?:\[\w+\])?$", re.IGNORECASE | re.DOTALL)
_SIMILAR = re.compile(r",?\s*or similar\s*$", re.IGNORECASE)
_VULKAN = re.compile(r"^Vulkan [\d.]+ \((.*)\)$", re.IGNORECASE)
_METAL = re.compile(r"^ANGLE Metal Renderer:\s*", re.IGNORECASE)
_NOISE = re.compile(
    r"\(0x[0-9a-f]+\)"  # the PCI id of the device
    r"|\bDirect3D ?\w+\b.*$"  # the back end and its shader models
    r"|/PCIe?(?:/SSE2)?$|/SSE2$"
    r"|\bOpenGL (?:ES|Engine)\b.*$"
    r"|\((?:[a-z0-9_ -]*LLVM|[a-z -]{2,8} GT\d|radeonsi|rev )[^)]*\)"  # what Mesa adds: the chip and its compiler
    r"|^Mesa (?:DRI )?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Family:
    """A maker's architecture, as WebGPU names it. ``architectures`` are the catalogue's, empty where it has none.

    ``is_all`` says that the word tells nothing but the maker (Apple's Metal families hold every M chip).
    """

    maker: str
    word: str
    architectures: tuple[str, ...]
    is_all: bool
    source_id: str

    @property
    def name(self) -> str:
        """``NVIDIA Ampere``; Apple's have the word of the programming interface."""
        return f"{self.maker} {self.word}"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A browser's text in parts: at most one of ``family`` and ``renderer`` is there.

    ``renderer`` is what the driver called the device. ``is_grouped``: the browser names one device for many.
    """

    family: Family | None = None
    renderer: str | None = None
    is_software: bool = False
    is_grouped: bool = False


def read_adapter(text: str) -> Adapter | None:
    """Take a browser's text apart; None where it is no such text, but a device's name as others write it.

    The hardware of a result (``<adapter> | <machine>``) counts by its adapter.
    """
    text = text.rpartition(SEPARATOR)[0] if SEPARATOR in text else text
    if text.rstrip().endswith(SOFTWARE_ADAPTER) or _SOFTWARE.search(text):
        return Adapter(is_software=True)
    renderer = _read_renderer(text)
    if renderer is not None:
        return renderer
    family = find_family(text)
    return None if family is None else Adapter(family=family)


def find_family(text: str) -> Family | None:
    """Return the family that a vendor and an architecture name, in WebGPU's words: ``nvidia ampere``."""
    return _load_families().get(_key(text))


def _read_renderer(text: str) -> Adapter | None:
    is_grouped = _SIMILAR.search(text) is not None
    text = _SIMILAR.sub("", text)
    wrapped = _ANGLE.match(text)
    if wrapped is None:
        return Adapter(renderer=_clean(text), is_grouped=True) if is_grouped else None
    parts = _split(wrapped[1])
    # Since Chromium 90: vendor, renderer, version. Before that, the renderer alone.
    renderer = parts[1] if len(parts) > 1 else parts[0]
    return Adapter(renderer=_clean(renderer), is_grouped=is_grouped)


def _clean(renderer: str) -> str:
    renderer = _METAL.sub("", renderer.strip())
    inner = _VULKAN.match(renderer)
    return " ".join(_NOISE.sub(" ", inner[1] if inner else renderer).split())


def _split(text: str) -> list[str]:
    """Split at commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


@cache
def _load_families() -> Mapping[str, Family]:
    with _DATA.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _COLUMNS:
            raise AssayError(f"adapters.csv has the columns {reader.fieldnames}; expected {_COLUMNS}.")
        families = {}
        for row in reader:
            names = tuple(name for name in row["architectures"].split(";") if name)
            is_all = names == (_ANY,)
            word = row["architecture"] if is_all or not names else names[0]
            family = Family(row["maker"], word, () if is_all else names, is_all, row["source"])
            families[_key(f"{row['vendor']} {row['architecture']}")] = family
    return MappingProxyType(families)


def _key(text: str) -> str:
    # Browsers differ in hyphens: gen-12lp, gen-12-lp.
    return re.sub(r"[^a-z0-9]", "", text.casefold())
