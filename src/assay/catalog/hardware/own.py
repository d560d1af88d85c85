"""A user's own devices: YAML files in one folder, read strictly, each cell with the source that the user names.

The folder is ``$ASSAY_CATALOGUE``, or ``catalogue`` in the user's configuration folder of the platform; every
``*.yaml`` in it counts. A file (docs/own-devices.md)::

    source: ACME data sheet, revision 3     # of every device that names none itself
    as_of: 2026-05
    devices:
      - id: acme-npu-1                      # a new device: name, vendor, architecture and category are needed
        name: ACME NPU 1
        vendor: ACME
        architecture: First
        category: ai accelerator
        aliases: [NPU-1]
        tdp_w: 300
        tensor_bf16_tflops: 250
      - id: nvidia-a100-sxm4-80gb           # one of the shipped table: these cells go before its own
        tdp_w: 300
        source: power cap of our racks

May import: standard library, core, catalog; platformdirs and yaml inside functions.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.fields import HIGHEST_TERA, NUMBER_COLUMNS, RATE_COLUMNS, REQUIRED, TEXTS
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.words import split_words
from assay.catalog.strict_yaml import Places, Where, load_strict_yaml
from assay.core.errors import UsageError, join_or, nearest_names

FOLDER_VARIABLE = "ASSAY_CATALOGUE"
_TOP = ("source", "as_of", "devices")
_OF_DEVICE = ("id", "source", "as_of", "aliases", *REQUIRED[1:], *TEXTS, *NUMBER_COLUMNS, *RATE_COLUMNS)
_IDENTITY = REQUIRED[1:]
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")
_SLIP = 10.0
"""Beyond the bounds of known devices by this factor a number is a slip of units and no device to come."""


class OwnDeviceError(UsageError):
    """A file of own devices that cannot be used; the message carries file, line and column."""


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """One device of a user's file. ``is_new`` where the shipped table lacks it; ``cells`` are what the user says of it.

    ``name``, ``vendor``, ``architecture`` and ``category`` of a device that is not new are the shipped table's.
    """

    hw_id: str
    name: str
    vendor: str
    architecture: str
    category: str
    aliases: tuple[str, ...]
    is_new: bool
    source: str
    as_of: str
    file: str
    cells: tuple[CatalogueCell, ...]


def own_folder() -> Path:
    """Return the folder of own devices, whether or not it is there."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_config_dir("assay", appauthor=False)) / "catalogue"


def load_own_devices(folder: Path | None = None) -> tuple[OwnDevice, ...]:
    """Return the devices of every file of the folder, in the order of the files' names.

    Raises OwnDeviceError for a file that cannot be used, and where two files speak of the same device.
    """
    place = own_folder() if folder is None else folder
    found: dict[str, OwnDevice] = {}
    for path in sorted(place.glob("*.yaml")) if place.is_dir() else ():
        for device in read_own_file(path):
            if (other := found.get(device.hw_id)) is not None:
                raise OwnDeviceError(
                    f"{path}: {device.hw_id} is in {other.file} too; a device has one file.",
                    hint=f"Take it out of one of them, in {place}.",
                )
            found[device.hw_id] = device
    return tuple(found.values())


def load_own_cells(folder: Path | None = None) -> tuple[CatalogueCell, ...]:
    """Return what the user says, cell by cell; () where there is no such file. Raises OwnDeviceError."""
    return tuple(cell for device in load_own_devices(folder) for cell in device.cells)


def read_own_file(path: Path) -> tuple[OwnDevice, ...]:
    """Read one file. Raises OwnDeviceError with file, line and column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OwnDeviceError(f"{path} cannot be read: {error}.", hint="Expected a YAML file of devices.") from None
    content, places = load_strict_yaml(text, str(path), what="file of devices", error=OwnDeviceError)
    return _Reader(places, path.name).read(content)


def add_own_file(path: Path, *, replace: bool = False, folder: Path | None = None) -> tuple[OwnDevice, ...]:
    """Check a file and copy it into the folder of own devices, comments and all; return its devices.

    ``replace`` puts it in the place of one of the same name. Raises OwnDeviceError, UsageError.
    """
    devices = read_own_file(path)
    place = own_folder() if folder is None else folder
    target = place / f"{path.stem}.yaml"
    if target.exists() and not replace and path.resolve() != target.resolve():
        raise UsageError(
            f"{target} is there already.", hint="Replace it with --replace, or give the file another name."
        )
    for other in load_own_devices(place):
        if other.file != target.name and other.hw_id in {device.hw_id for device in devices}:
            raise OwnDeviceError(
                f"{path}: {other.hw_id} is in {place / other.file} too; a device has one file.",
                hint="Take it out of one of them.",
            )
    place.mkdir(parents=True, exist_ok=True)
    if path.resolve() != target.resolve():
        shutil.copyfile(path, target)
    return devices


def match_own(text: str, devices: Iterable[OwnDevice]) -> OwnDevice | None:
    """Return the own device that a name means: its id, its name or an alias, in whatever case and spacing."""
    words = split_words(text)
    for device in devices:
        names = (device.hw_id, device.name, *device.aliases) if device.is_new else (device.hw_id, *device.aliases)
        if any(split_words(name) == words for name in names):
            return device
    return None


@dataclass(slots=True)
class _Reader:
    """Reads the content of one file, and knows where each fault stands."""

    places: Places
    file: str

    def read(self, content: Any) -> tuple[OwnDevice, ...]:
        """Return its devices."""
        top = self._mapping(content, (), _TOP, "the file")
        entries = top.get("devices")
        if not isinstance(entries, list) or not entries:
            self._fail("expected a list of devices under `devices`.", ("devices",))
        source, as_of = self._source(top, ()), self._date(top, ())
        found: dict[str, OwnDevice] = {}
        for position, entry in enumerate(entries):
            where: Where = ("devices", position)
            device = self._read_device(self._mapping(entry, where, _OF_DEVICE, "a device"), where, source, as_of)
            if device.hw_id in found:
                self._fail(f"{device.hw_id} is there twice.", (*where, "id"))
            found[device.hw_id] = device
        return tuple(found.values())

    def _read_device(self, entry: Mapping[str, Any], where: Where, source: str, as_of: str) -> OwnDevice:
        hw_id = entry.get("id")
        if not isinstance(hw_id, str) or not _ID.fullmatch(hw_id):
            self._fail(
                f"the id {hw_id!r} is none: expected lower case letters and digits with single hyphens.",
                (*where, "id"),
            )
        shipped = load_catalogue().get(hw_id)
        source, as_of = self._source(entry, where) or source, self._date(entry, where) or as_of
        if not source:
            self._fail(f"nothing says where the figures of {hw_id} come from: give `source`.", where)
        if shipped is None:
            missing = [column for column in _IDENTITY if not entry.get(column)]
            if missing:
                near = nearest_names(hw_id, tuple(load_catalogue()))
                hint = f" Or did you mean {join_or(near)}?" if near else ""
                self._fail(f"{hw_id} is a new device and lacks {', '.join(missing)}.{hint}", where)
        identity = {column: self._word(entry, column, where) for column in _IDENTITY if column in entry}
        if shipped is not None and identity:
            self._fail(f"{hw_id} is of the shipped table, which has its names already.", (*where, next(iter(identity))))
        self._check_category(identity.get("category"), where)
        aliases = self._aliases(entry, where)
        values: dict[str, float | str] = {**identity}
        if aliases:
            values["aliases"] = ";".join(aliases)
        for column in entry:
            if column in {*TEXTS, *NUMBER_COLUMNS, *RATE_COLUMNS} and entry[column] is not None:
                values[column] = self._value(entry, column, where)
        names = identity if shipped is None else {column: str(getattr(shipped, column)) for column in _IDENTITY}
        cells = tuple(
            CatalogueCell(hw_id, names["name"], column, value, Layer.OWN, f"own:{self.file}", as_of)
            for column, value in values.items()
        )
        return OwnDevice(
            hw_id, names["name"], names["vendor"], names["architecture"], names["category"], aliases, shipped is None,
            source, as_of, self.file, cells,
        )  # fmt: skip

    def _value(self, entry: Mapping[str, Any], column: str, where: Where) -> float | str:
        if column in TEXTS:
            word = self._word(entry, column, where)
            if column == "release" and not _DATE.fullmatch(word):
                self._fail(
                    f"release: {word!r} is no year, month or day, expected 2026-05 for instance.", (*where, column)
                )
            return word
        raw = entry[column]
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            self._fail(f"{column}: {raw!r} is no number.", (*where, column))
        bounds = NUMBER_COLUMNS.get(column)
        highest = HIGHEST_TERA if bounds is None else bounds.highest
        lowest = 0.0 if bounds is None else bounds.lowest
        if not (raw > 0 and lowest / _SLIP <= raw <= highest * _SLIP):
            expected = f"known devices have {lowest:g} to {highest:g}"
            self._fail(f"{column}: {raw:g} cannot be right ({expected}): a slip of units?", (*where, column))
        return float(raw)

    def _aliases(self, entry: Mapping[str, Any], where: Where) -> tuple[str, ...]:
        raw = entry.get("aliases", [])
        if not isinstance(raw, list) or not all(isinstance(one, str | int) and str(one).strip() for one in raw):
            self._fail("aliases: expected a list of names.", (*where, "aliases"))
        names = tuple(str(one).strip() for one in raw)
        if any(";" in name for name in names):
            self._fail("aliases: a name has no semicolon.", (*where, "aliases"))
        return names

    def _check_category(self, category: str | None, where: Where) -> None:
        known = sorted({device.category for device in load_catalogue().values()})
        if category is not None and category not in known:
            self._fail(f"category: {category!r} is none of {', '.join(known)}.", (*where, "category"))

    def _source(self, content: Mapping[str, Any], where: Where) -> str:
        return self._word(content, "source", where) if content.get("source") is not None else ""

    def _date(self, content: Mapping[str, Any], where: Where) -> str:
        raw = content.get("as_of")
        if raw is None:
            return ""
        if not _DATE.fullmatch(str(raw)):
            self._fail(f"as_of: {raw!r} is no year, month or day, expected 2026-05 for instance.", (*where, "as_of"))
        return str(raw)

    def _word(self, content: Mapping[str, Any], key: str, where: Where) -> str:
        raw = content[key]
        if isinstance(raw, bool) or not isinstance(raw, str | int | float) or not str(raw).strip():
            self._fail(f"{key}: {raw!r} is no text.", (*where, key))
        return " ".join(str(raw).split())

    def _mapping(self, content: Any, where: Where, known: Sequence[str], what: str) -> Mapping[str, Any]:
        if not isinstance(content, dict):
            self._fail(f"{what} is no mapping of keys to values.", where)
        for key in content:
            if key not in known:
                near = nearest_names(key, tuple(known))
                hint = f" Did you mean {join_or(near)}?" if near else f" Expected one of {', '.join(known[:12])}, ..."
                self._fail(f"unknown key {key!r} of {what}.{hint}", (*where, key), at_key=True)
        return content

    def _fail(self, message: str, where: Where, *, at_key: bool = False) -> NoReturn:
        raise OwnDeviceError(self.places.describe(message, where, at_key=at_key))
