"""Names of the catalogue by their words, and what words a device explains.

May import: standard library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.words import describe, split_words

_FILLERS = """
gpu gpus graphics adapter card accelerator accelerators ai processor processors processo cpu chip series
generation edition with the of platform custom code named cts dlc ac virtualized virtualised
dell hpe lenovo supermicro lambdacloud azure gcp
"""
FILLERS = frozenset(_FILLERS.split())
"""Words that change nothing about which device it is, those of whose machine it is in among them."""
_VENDOR_WORDS = {
    "NVIDIA": "nvidia geforce tesla hgx dgx tensor core",
    "AMD": "amd ati advanced micro devices radeon instinct",
    "Intel": "intel habana xeon scalable core",
    "Apple": "apple silicon",
    "Google": "google cloud",
    "Amazon": "aws amazon",
}
_MAKER_WORDS = (
    "nvidia amd ati intel apple google amazon aws huawei qualcomm arm xgi ampere geforce radeon tesla xeon epyc"
)
MAKERS = frozenset(_MAKER_WORDS.split())
"""Words by which a name says whose it is: a device of another maker is not even a candidate."""


def find_named(words: Sequence[str]) -> list[tuple[Hardware, list[str]]]:
    """The devices whose name or alias stands in ``words``, each with the words it leaves unexplained.

    What explains most words wins, and of those the longest name, its maker's words not counted: RTX 6000 Ada is not
    RTX 6000, and an RTX 3060 Laptop is no RTX 3060 though NVIDIA GeForce RTX 3060 is longer.
    """
    index = _index()
    found: dict[str, tuple[int, int, Hardware, list[str]]] = {}
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            name = words[start : start + length]
            for device in index.get(tuple(name), ()):
                rest = [*words[:start], *words[start + length :]]
                unexplained = [word for word in rest if word not in _words_of(device.hw_id)]
                if len(unexplained) > length or MAKERS.intersection(unexplained):
                    continue
                own = sum(word not in _vendor_words(device) for word in name)
                known = found.get(device.hw_id)
                if known is None or (len(unexplained), -own) < (known[0], -known[1]):
                    found[device.hw_id] = len(unexplained), own, device, unexplained
    if not found:
        return []
    least = min(one[0] for one in found.values())
    longest = max(one[1] for one in found.values() if one[0] == least)
    return [(one[2], one[3]) for one in found.values() if (one[0], one[1]) == (least, longest)]


def find_incomplete(words: Sequence[str]) -> list[Hardware]:
    """The devices that have all of ``words``, or are of the design that they name (``Neoverse-N1``)."""
    wanted = set(words)
    design = [word for word in words if word != "arm"]
    return [
        device
        for device in load_catalogue().values()
        if wanted <= _words_of(device.hw_id) or split_words(device.architecture) == design
    ]


@cache
def _index() -> Mapping[tuple[str, ...], tuple[Hardware, ...]]:
    """Names without vendor, memory and form factor, in words: the devices they belong to."""
    index: dict[tuple[str, ...], dict[str, Hardware]] = {}
    for device in load_catalogue().values():
        for name in (device.name, *device.aliases):
            words = tuple(word for word in describe(name).words if word not in FILLERS)
            bare = tuple(word for word in words if word not in _vendor_words(device))
            for key in {words, bare}:
                if len(key) > 1 or (key and not key[0].isdigit() and key[0] not in MAKERS) or key in _BARE_NUMBERS:
                    index.setdefault(key, {})[device.hw_id] = device
    return {words: tuple(devices.values()) for words, devices in index.items()}


_BARE_NUMBERS = frozenset((str(series * 100 + model),) for series in range(20, 51, 10) for model in range(50, 91, 10))
"""GeForce cards that people name by their number alone: 3090."""


@cache
def _words_of(hw_id: str) -> frozenset[str]:
    """The words that may stand beside a device's name: its maker's, its design's, its form's; numbers name models."""
    device = load_catalogue()[hw_id]
    texts = (device.name, device.architecture, device.codename or "", device.form_factor or "")
    own = {word for text in texts for word in split_words(text) if not word.isdigit()}
    return frozenset(own) | _vendor_words(device) | FILLERS


def _vendor_words(device: Hardware) -> frozenset[str]:
    return frozenset(_VENDOR_WORDS.get(device.vendor, device.vendor.casefold()).split())
