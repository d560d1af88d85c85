"""Take a device's written name apart: what is said of it in numbers, and the words that are left.

Drivers, benchmark submissions and price lists add memory, form factor, count, power and partition to a name in every
order; these are read first, so that only the name itself remains to be looked up. May import: standard library.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a device; its shares are derived from the profile's name, None where that does not tell."""

    text: str
    compute_share: float | None
    memory_share: float | None


@dataclass(frozen=True, slots=True)
class Description:
    """A written name in parts; ``words`` is what is left of it, lower case, letters and digits apart.

    ``mig_profile`` is (compute slices, GiB); ``vgpu_profile`` is GiB and the letter of its kind: ``24Q``. ``n_devices``
    is how many it says there are, and ``before`` what stands before that number: a host, or another device.
    """

    words: tuple[str, ...]
    before: tuple[str, ...]
    n_devices: int | None
    memory_gib: int | None
    memory_kind: str | None
    form_factor: str | None
    cores: int | None
    mig_profile: tuple[int, int] | None
    vgpu_profile: str | None
    notes: tuple[str, ...]


_HYPHENS = {0x2010: "-", 0x2011: "-"}
_START = r"(?<![a-z0-9.])"
_MARKS = re.compile(r"\((?:r|tm|c)\)|[®™©]", re.IGNORECASE)  # before NFKC, which spells the signs out
_MIG = re.compile(r"\(?(?:\d+\s*x\s*)?(?:mig\s*)?" + _START + r"(?:\d+x)?(\d)g\.(\d+)gb(?:\+me)?(?:\s*mig)?\)?")
_VGPU = re.compile(r"(?<=[a-z0-9])-(\d{1,3})([qcab])\b")
_MULTIPLE = (
    re.compile(r"^(?P<before>.*?)" + _START + r"(?P<n>\d{1,2})\s*x\s*(?=[a-z])"),
    re.compile(r"(?:\s*\*\s*|(?<=gb)\s*x\s*|\s+x\s*)(?P<n>\d{1,2})\s*$"),
)
_POWER = re.compile(_START + r"\(?(\d{2,4})\s?w\b\)?")
_WHOLE = re.compile(r"\bnps1-spx\b")
"""How AMD calls an Instinct that is not partitioned."""
_CLOCK = re.compile(r"@?\s*" + _START + r"\d+(?:\.\d+)?\s*[gm]hz\b|@")
_MEMORY = re.compile(_START + r"(\d{1,3})\s?(?:gib|gb|g)\b")
_MEMORY_KIND = re.compile(r"\b(hbm\d?e?|gddr\dx?|lpddr\dx?)\b")
_FORM = re.compile(r"(sxm\s?\d?|pcie?(?:\s*gen\s?\d)?|pcle|dgxs|oam|nvl)(?![a-z])")
_FORM_SPELLING = re.compile(r"\s*gen.*|\s")
_CORES = re.compile(_START + r"(\d{1,3})[- ]cores?\b(?!\s*gpu)")
_GENERATION = re.compile(r"\b\d+th gen\b")
_BESIDE = re.compile(r"\b(?:w/|with) radeon\b.*?(?:\bgraphics\b|$)")
"""The graphics inside a processor, which its name goes on to say: w/ Radeon 780M Graphics."""
_WORD = re.compile(r"[a-z]+|\d+|\+")


def describe(text: str) -> Description:
    """Take ``text`` apart. Never raises; what is not understood stays in ``words``."""
    plain = unicodedata.normalize("NFKC", _MARKS.sub(" ", text)).lower().translate(_HYPHENS)
    rest = _Rest(_BESIDE.sub(" ", _WHOLE.sub(" ", _GENERATION.sub(" ", _CLOCK.sub(" ", plain)))))
    mig, vgpu = rest.take(_MIG), rest.take(_VGPU)
    many = [found for pattern in _MULTIPLE if (found := rest.take(pattern))]
    notes = [f"{int(found['n'])} of them" for found in many]
    notes += [f"run at {power[1]} W" for power in (rest.take(_POWER),) if power]
    cores, memory, kind, form = (rest.take(pattern) for pattern in (_CORES, _MEMORY, _MEMORY_KIND, _FORM))
    return Description(
        words=tuple(split_words(rest.text)),
        before=tuple(word for found in many for word in split_words(found.groupdict().get("before") or "")),
        n_devices=int(many[0]["n"]) if len(many) == 1 else None,
        memory_gib=int(memory[1]) if memory else None,
        memory_kind=kind[1] if kind else None,
        form_factor=_FORM_SPELLING.sub("", form[1]).replace("pcle", "pcie") if form else None,
        cores=int(cores[1]) if cores else None,
        mig_profile=(int(mig[1]), int(mig[2])) if mig else None,
        vgpu_profile=f"{vgpu[1]}{vgpu[2].upper()}" if vgpu else None,
        notes=tuple(notes),
    )


@dataclass(slots=True)
class _Rest:
    """What is left of a name while its parts are taken out of it."""

    text: str

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.search(self.text)
        if found is not None:
            self.text = f"{self.text[: found.start()]} {self.text[found.end() :]}"
        return found


def split_words(text: str) -> list[str]:
    """``RTX4090 Ti`` -> ``rtx 4090 ti``, ``8480+`` -> ``8480 +``, ``MI300X`` -> ``mi 300 x``."""
    return _WORD.findall(text.lower())
