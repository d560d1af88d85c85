"""What a device's name, as drivers, benchmarks and people write it, means in the catalogue.

Every word of it must be explained by one device, and what it says of memory, form, cores and partition must be true of
that device; what fits several is ambiguous and names them. Clouds' and browsers' texts are ``match``'s. May import:
standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.fields import GIB
from assay.catalog.hardware.index import FILLERS, MAKERS, find_incomplete, find_named
from assay.catalog.hardware.words import Description, Partition, describe, split_words

EXACT, EXPLAINED, NARROWED, VARIANT = 1.0, 0.9, 0.8, 0.7
"""Confidence: the catalogue's own name; every word explained and one device fits; memory or kind decided between
several; it is also sold with another kind of memory, which the name does not say."""
_MOST_CANDIDATES = 12
_MIG_SLICES = {"nvidia-a30": 4}
_USUAL_MIG_SLICES = 7
"""Compute slices of a GPU with MIG (NVIDIA Multi-Instance GPU User Guide, supported profiles)."""
_LEAST_VISIBLE, _MOST_VISIBLE = 0.90, 1.02
"""A driver shows less memory than is sold: ECC takes a sixteenth of GDDR, the firmware some more."""
_NOTED = {"virtualized": "virtualised", "virtualised": "virtualised", "cts": "custom thermal solution"}


@dataclass(frozen=True, slots=True)
class Match:
    """The device a name means, or None and those it may mean. ``reason`` is a sentence for people.

    ``n_devices`` is how many of it the name says there are, None where it says nothing. ``family`` is the maker's
    architecture where a browser told no more than that (``NVIDIA Ampere``); a family is never a device.
    """

    hw_id: str | None
    confidence: float
    reason: str
    candidates: tuple[str, ...] = ()
    partition: Partition | None = None
    n_devices: int | None = None
    family: str | None = None

    @property
    def is_ambiguous(self) -> bool:
        """The name fits several devices, or one with something unexplained."""
        return self.hw_id is None and bool(self.candidates)


def match_name(text: str, vendor: str | None, memory_bytes: float | None, kind: str | None) -> Match:
    """Resolve the name of a device, as ``match_hardware`` does for every kind of text; arguments as there."""
    said = describe(text)
    words = [word for word in said.words if word not in FILLERS]
    if not words:
        return Match(None, 0, "the name says nothing")
    named = find_named(words)
    others = _others_named(said.before, kind, {device.hw_id for device, _ in named})
    if others and named:
        both = [*others, *(device for device, _ in named)]
        return Match(None, 0, f"it names several devices: {_names(others)} too", ids_of(both))
    if not named:
        incomplete = [one for one in find_incomplete(words) if is_of(one, vendor, kind)]
        if incomplete:
            reason = f"the name is incomplete: it fits {count_devices(incomplete)}"
            return Match(None, 0, reason, ids_of(incomplete), family=_name_family(words, incomplete))
        return Match(None, 0, "no device of the catalogue has this name")
    fitting = [device for device, rest in named if not rest]
    if not fitting:
        shortest = min((rest for _, rest in named), key=len)
        return Match(None, 0, f"nothing explains {' '.join(shortest)!r} in the name", ids_of(one for one, _ in named))
    return _narrow(fitting, said, text, vendor=vendor, memory_bytes=memory_bytes, kind=kind)


def _name_family(words: list[str], devices: list[Hardware]) -> str | None:
    """``NVIDIA Blackwell`` where the words are a maker's and an architecture's, and nothing more."""
    own = [word for word in words if word not in MAKERS]
    names = (f"{one.vendor} {one.architecture}" for one in devices if own == split_words(one.architecture))
    return next(names, None) if len(own) < len(words) else None


def _others_named(before: Iterable[str], kind: str | None, ids: set[str]) -> list[Hardware]:
    """What stands before ``4x`` is most often a host; where it names devices that were asked for, they count too."""
    words = [word for word in before if word not in FILLERS]
    found = [device for device, rest in find_named(words) if not {*rest} - {"+"}] if words else []
    return [device for device in found if device.hw_id not in ids and (kind is None or device.kind == kind)]


def _narrow(
    named: list[Hardware],
    said: Description,
    text: str,
    *,
    vendor: str | None,
    memory_bytes: float | None,
    kind: str | None,
) -> Match:
    fitting, refused = _keep(named, said, vendor)
    if kind is None and "gpu" in said.words and any(device.kind == "soc" for device in fitting):
        kind = "gpu"
    before = fitting
    fitting = _of_kind(fitting, kind)
    if not fitting:
        return Match(None, 0, refused or f"the catalogue has it, and not as a {kind}", ids_of(before or named))
    partition: Partition | None = None
    if memory_bytes is not None and said.mig_profile is None and said.vgpu_profile is None:
        by_memory = [(device, fit) for device in fitting if (fit := _fit_memory(device, memory_bytes)) is not None]
        if not by_memory:
            reason = f"its memory of {memory_bytes / GIB:.4g} GiB is not that of {_names(fitting)}"
            return Match(None, 0, reason, ids_of(fitting))
        fitting = [device for device, _ in by_memory]
        partition = by_memory[0][1] if isinstance(by_memory[0][1], Partition) else None
    if len(fitting) > 1:
        return Match(None, 0, f"it fits {count_devices(fitting)}", ids_of(fitting))
    device = fitting[0]
    other = _other_variant(device, said, is_memory_known=memory_bytes is not None)
    if other is not None and other.endswith("GB"):
        return Match(None, 0, f"it is also sold with {other}, which the catalogue does not have", ids_of(fitting))
    is_own_name = said.mig_profile is None and split_words(device.name) == split_words(text)
    confidence = VARIANT if other else EXACT if is_own_name else EXPLAINED if len(before) == 1 else NARROWED
    reason = "the name is the catalogue's" if is_own_name else _explain(before, said)
    notes = [*said.notes, *(_NOTED[word] for word in said.words if word in _NOTED)]
    if other:
        notes.append(f"it is also sold with {other}")
    whole = Match(device.hw_id, confidence, "; ".join([reason, *notes]), (device.hw_id,), partition, said.n_devices)
    return _with_partition(whole, device, said)


def _explain(before: list[Hardware], said: Description) -> str:
    told = {"memory": said.memory_gib, "form factor": said.form_factor, "number of cores": said.cores}
    agreeing = [what for what, value in told.items() if value is not None]
    parts = ["every word is explained", *([f"{' and '.join(agreeing)} as said"] if agreeing else [])]
    if len(before) > 1:
        parts.append(f"memory or kind decided between {len(before)}")
    return ", ".join(parts)


def _keep(devices: list[Hardware], said: Description, vendor: str | None) -> tuple[list[Hardware], str]:
    """Keep the devices that nothing said contradicts; where none is left, the sentence that says why."""
    tests: tuple[tuple[object, Callable[[Hardware], bool], str], ...] = (
        (vendor, lambda device: device.vendor.casefold() == str(vendor).casefold(), "vendor"),
        (said.form_factor, lambda device: _fit_form(device, str(said.form_factor)), "form factor"),
        (said.memory_gib, lambda device: _fit_sold(device, said.memory_gib or 0), "memory"),
        (said.memory_kind, lambda device: _fit_memory_kind(device, str(said.memory_kind)), "kind of memory"),
        (said.cores, lambda device: device.kind == "gpu" or device.units in {None, said.cores}, "number of cores"),
        (said.vgpu_profile, lambda device: _fit_profile(device, str(said.vgpu_profile)), "vGPU profile"),
    )
    for value, fits, what in tests:
        if value is None:
            continue
        kept = [device for device in devices if fits(device)]
        if not kept:
            return [], f"the {what} ({value}) is not that of {_names(devices)}"
        devices = kept
    return devices, ""


def _fit_form(device: Hardware, said: str) -> bool:
    form = (device.form_factor or "").casefold().removesuffix(" card")
    return form.startswith(said) or (form == "sxm" and said.startswith(form))


def _fit_sold(device: Hardware, gib: int) -> bool:
    # A Mac or an accelerator of unknown memory is sold with several: what is said is the configuration.
    return device.memory_bytes is None or device.memory_bytes == gib * GIB


def _fit_profile(device: Hardware, profile: str) -> bool:
    return device.memory_bytes is None or int(profile[:-1]) * GIB <= device.memory_bytes


def _fit_memory_kind(device: Hardware, said: str) -> bool:
    known = (device.memory_kind or said).casefold()
    return known in {said, "hbm"} or (said == "hbm" and known.startswith(said))


def _fit_memory(device: Hardware, memory_bytes: float) -> Partition | bool | None:
    """True: it is this device's; a Partition where it is that of one die of several; None: it does not fit."""
    if device.memory_bytes is None:
        return True
    share = memory_bytes / device.memory_bytes
    if _LEAST_VISIBLE <= share <= _MOST_VISIBLE:
        return True
    if device.dies and _LEAST_VISIBLE <= share * device.dies <= _MOST_VISIBLE:
        return Partition(f"1 of {device.dies} dies", 1 / device.dies, 1 / device.dies)
    return None


def _of_kind(devices: list[Hardware], kind: str | None) -> list[Hardware]:
    """A chip that is CPU and GPU in one has its own entry; the variants of its GPU count where a GPU is meant."""
    if kind is None:
        return [device for device in devices if device.kind == "soc"] or devices
    return [device for device in devices if device.kind == kind or (kind == "cpu" and device.kind == "soc")]


def is_of(device: Hardware, vendor: str | None, kind: str | None) -> bool:
    """Tell whether a device is of the maker and of the kind that are asked for; None asks for none."""
    is_vendor = vendor is None or device.vendor.casefold() == vendor.casefold()
    return is_vendor and bool(_of_kind([device], kind))


def _other_variant(device: Hardware, said: Description, *, is_memory_known: bool) -> str | None:
    """The first variant of the same name that the catalogue lacks and that nothing said rules out."""
    for variant in device.also_sold:
        is_size = variant.endswith("GB")
        if is_size and said.memory_gib is None and not is_memory_known:
            return variant.removesuffix("GB") + " GB"
        if not is_size and said.memory_kind is None:
            return variant
    return None


def _with_partition(match: Match, device: Hardware, said: Description) -> Match:
    if said.mig_profile is not None:
        slices, gib = said.mig_profile
        share = slices / _MIG_SLICES.get(device.hw_id, _USUAL_MIG_SLICES)
        partition = Partition(f"MIG {slices}g.{gib}gb", share, _share(gib, device))
        return replace(match, partition=partition, reason=f"{match.reason}; a MIG slice of it")
    if said.vgpu_profile is not None:
        partition = Partition(f"vGPU {said.vgpu_profile}", None, _share(int(said.vgpu_profile[:-1]), device))
        return replace(match, partition=partition, reason=f"{match.reason}; a virtual GPU on it")
    return match


def _share(gib: int, device: Hardware) -> float | None:
    return None if device.memory_bytes is None else min(1.0, gib * GIB / device.memory_bytes)


def ids_of(devices: Iterable[Hardware]) -> tuple[str, ...]:
    """Return the ids of devices, as many of them as a match keeps."""
    return tuple(device.hw_id for device in devices)[:_MOST_CANDIDATES]


def _names(devices: Iterable[Hardware]) -> str:
    return " or ".join([device.name for device in devices][:3])


def count_devices(devices: list[Hardware]) -> str:
    """``no devices``, ``1 device``, ``12 devices``."""
    return f"{len(devices) or 'no'} device{'' if len(devices) == 1 else 's'}"
