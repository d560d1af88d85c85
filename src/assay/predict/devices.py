"""What a device gives, by its name: the maker's sheet, the user's own sheet, or what a probe of this machine measured.

Every field says where it is from. A name that fits several forms of one device takes the fastest of them and says so.
May import: core, catalog, analysis.device_names, store, runner, probes, predict.values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.catalog.hardware.fields import PRECISIONS
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import match_hardware
from assay.catalog.hardware.own_sheets import find_own_sheet
from assay.core.errors import UnknownNameError, UsageError
from assay.predict.values import DeviceProfile

if TYPE_CHECKING:
    from assay.catalog.hardware.entry import Hardware
    from assay.store import Store

HERE = ("cpu", "cuda", "rocm", "mps", "xpu", "here")
"""Words for a device of this machine, before any number."""
_MOST_NAMED = 6


def find_profile(name: str, *, store: Store | None = None) -> DeviceProfile:
    """Return what ``name`` gives: a catalogue id or any way to write a device, or a device of this machine (``cpu``).

    Raises UnknownNameError with the nearest names, UsageError for a family that is several different devices.
    """
    text = name.strip()
    if text.partition(":")[0].casefold() in HERE:
        return profile_here("cpu" if text.casefold() == "here" else text.casefold(), store=store)
    if (own := find_own_sheet(text)) is not None:
        return profile_of(own)
    catalogue = load_catalogue()
    if text in catalogue:
        return profile_of(catalogue[text])
    match = match_hardware(text)
    if match.hw_id is not None:
        profile = profile_of(catalogue[match.hw_id])
        if match.partition is not None:
            note = f"a part of it was asked for ({match.partition.text}); the figures are of the whole"
            return replace(profile, notes=(*profile.notes, note))
        return profile
    forms = [catalogue[hw_id] for hw_id in match.candidates if hw_id in catalogue]
    if not forms:
        words = [one.name for one in catalogue.values()] + [
            alias for one in catalogue.values() for alias in one.aliases
        ]
        raise UnknownNameError("device", name, words, hint="See them: assay catalog ls")
    return _take_fastest(name, forms)


def profile_of(device: Hardware) -> DeviceProfile:
    """Return the profile of a sheet. A figure that it lacks is None, or not among the rates."""
    rates = {
        precision: max(known)
        for precision in PRECISIONS
        if (
            known := [
                device.rates[key] for key in (f"tensor_{precision}", f"vector_{precision}") if key in device.rates
            ]
        )
    }
    caches = [one for one in (device.l2_bytes, device.l3_bytes) if one]
    clock = device.boost_clock_mhz or device.base_clock_mhz
    profile = DeviceProfile(
        name=device.name,
        hw_id=device.hw_id,
        vendor=device.vendor,
        architecture=device.architecture,
        kind=_kind(device),
        flops_per_s=rates,
        vector_flops_per_s=device.rates.get("vector_fp32"),
        bandwidth_bytes_per_s=device.memory_bandwidth_bytes_per_s,
        memory_bytes=device.memory_bytes,
        cache_bytes=float(max(caches)) if caches else None,
        units=device.units,
        clock_hz=None if clock is None else clock * 1e6,
        power_w=device.tdp_w,
        interconnect_bytes_per_s=device.interconnect_bytes_per_s,
    )
    return replace(profile, origin=dict.fromkeys(_known_fields(profile), "sheet"))


def profile_here(device: str, *, store: Store | None = None) -> DeviceProfile:
    """Return a device of this machine: rates that a probe in the store measured, the rest from its sheet if it has one.

    Raises UsageError where this machine has no such device.
    """
    from assay.catalog.hardware.environment import find_match
    from assay.probes.environment import collect_environment, hardware_class

    environment = collect_environment()
    match = find_match(environment.facts, device)
    if match is None and device != "cpu":
        raise UsageError(f"This machine has no device {device!r}.", hint="See what it has: assay doctor")
    name = hardware_class(environment.facts, device)
    sheet = load_catalogue().get(match.match.hw_id) if match is not None and match.match.hw_id else None
    base = DeviceProfile(name=name, kind="cpu" if device == "cpu" else "gpu") if sheet is None else profile_of(sheet)
    base = replace(base, name=name)
    if store is None:
        return replace(base, notes=(*base.notes, "no store was given, so no probe is known"))
    from assay.predict.own.gather import profile_machine

    probed = profile_machine(store, environment, device, name)
    if not probed.flops_per_s:
        return replace(base, notes=(*base.notes, "never probed: run assay probe"))
    return merge_probe(base, probed)


def merge_probe(sheet: DeviceProfile, probed: DeviceProfile) -> DeviceProfile:
    """Put what was measured in the place of what a sheet says, field by field."""
    return replace(
        sheet,
        name=probed.name,
        flops_per_s={**sheet.flops_per_s, **probed.flops_per_s},
        bandwidth_bytes_per_s=probed.bandwidth_bytes_per_s or sheet.bandwidth_bytes_per_s,
        launch_overhead_ns=probed.launch_overhead_ns or sheet.launch_overhead_ns,
        origin={**sheet.origin, **probed.origin},
        notes=tuple(dict.fromkeys((*sheet.notes, *probed.notes))),
    )


def effective_peak(profile: DeviceProfile, precision: str) -> float | None:
    """Flop/s in a precision, else in fp32, else of the vector units: what has no unit is computed there."""
    rates = profile.flops_per_s
    return rates.get(precision) or rates.get("fp32") or profile.vector_flops_per_s


def _take_fastest(name: str, forms: Sequence[Hardware]) -> DeviceProfile:
    """Of several forms of one chip the fastest; of different chips none."""
    profiles = [profile_of(one) for one in forms]
    if len({(one.vendor, one.architecture) for one in profiles}) > 1:
        known = ", ".join(one.name for one in profiles[:_MOST_NAMED])
        more = f" and {len(profiles) - _MOST_NAMED} more" if len(profiles) > _MOST_NAMED else ""
        raise UsageError(f"The device {name!r} may be several: {known}{more}.", hint="Name one of them.")
    best = max(profiles, key=_speed)
    others = ", ".join(one.name for one in profiles if one is not best)
    note = f"{name} fits {len(profiles)} devices; the fastest is taken, {best.name} (not {others})"
    return replace(best, notes=(*best.notes, note))


def _speed(profile: DeviceProfile) -> tuple[float, float, float]:
    rate = profile.flops_per_s.get("fp16") or profile.vector_flops_per_s or 0.0
    return rate, profile.bandwidth_bytes_per_s or 0.0, profile.memory_bytes or 0.0


def _kind(device: Hardware) -> str:
    last = device.category.rpartition(" ")[2]
    return last if last in {"cpu", "gpu", "soc"} else "accelerator"


def _known_fields(profile: DeviceProfile) -> Mapping[str, None]:
    names = (
        "flops_per_s", "vector_flops_per_s", "bandwidth_bytes_per_s", "memory_bytes", "cache_bytes", "units",
        "clock_hz", "power_w", "interconnect_bytes_per_s",
    )  # fmt: skip
    return {name: None for name in names if getattr(profile, name)}
