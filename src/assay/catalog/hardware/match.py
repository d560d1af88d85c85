"""Which device of the catalogue does a written name mean? Never silently the wrong one.

A name resolves only where every word of it is explained by one device: a word that nothing explains (Laptop, Ti, D,
the C of 8480C) means another device, not noise. What fits several devices is ambiguous and names them. A cloud's
machine is looked up whole; what a browser says may be no more than a family. May import: standard library, core.
"""

from __future__ import annotations

from dataclasses import replace

from assay.catalog.hardware.adapters import Adapter, Family, read_adapter
from assay.catalog.hardware.instances import Instance, find_instance, takes_any_accelerator
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match_names import EXPLAINED, Match, count_devices, ids_of, is_of, match_name
from assay.catalog.hardware.words import Partition
from assay.core.adapters import SEPARATOR, adapter_of, is_software_adapter, machine_of

__all__ = ["Match", "match_hardware"]


def match_hardware(
    text: str, *, vendor: str | None = None, memory_bytes: float | None = None, kind: str | None = None
) -> Match:
    """Resolve ``text``. ``vendor``, ``memory_bytes`` (as a driver shows it) and ``kind`` (cpu, gpu) narrow it down.

    ``confidence`` is 1 for the catalogue's own name, 0.9 where every word is explained and one device fits, 0.8 where
    memory or kind decided between several, 0.7 where another variant has the same name, 0 where there is no answer.
    """
    if SEPARATOR in text and kind == "cpu":
        text = machine_of(text) or text
    elif SEPARATOR in text and not is_software_adapter(text):
        text = adapter_of(text) or text
    instance = find_instance(text)
    if instance is not None:
        return _match_instance(instance, vendor, kind)
    if takes_any_accelerator(text):
        return Match(None, 0, "a machine of this type has the accelerators its user attaches: its name says none")
    adapter = read_adapter(text)
    if adapter is not None:
        return _match_adapter(adapter, vendor, kind)
    return match_name(text, vendor, memory_bytes, kind)


def _match_instance(instance: Instance, vendor: str | None, kind: str | None) -> Match:
    """A cloud's machine is the device that its provider's table names, as many as it has, or a share of one."""
    said = f"{instance.instance} of {instance.provider}"
    device = None if instance.hw_id is None else load_catalogue().get(instance.hw_id)
    if device is None:
        # The provider's word for the device is no better than anyone's: it may fit several, or none.
        match = match_name(instance.device, vendor, None, kind)
        return replace(match, reason=f"{said} has {instance.device}: {match.reason}", n_devices=instance.n_devices)
    if not is_of(device, vendor, kind):
        return Match(None, 0, f"{said} has {device.name}, which was not asked for", (device.hw_id,))
    many = "" if instance.n_devices is None else f", {instance.n_devices} of them"
    partition = None
    if instance.share is not None:
        many = f", {instance.share_text} of one"
        partition = Partition(f"{instance.share_text} as a virtual GPU", None, instance.share)
    reason = f"{said}{many}, by its provider's table ({instance.source_id})"
    return Match(device.hw_id, EXPLAINED, reason, (device.hw_id,), partition, instance.n_devices)


def _match_adapter(adapter: Adapter, vendor: str | None, kind: str | None) -> Match:
    if adapter.is_software:
        return Match(None, 0, "a software adapter: a CPU plays the graphics hardware")
    if adapter.family is not None:
        return _match_family(adapter.family)
    renderer = adapter.renderer or ""
    if adapter.is_grouped:
        return Match(None, 0, f"the browser names one device for a group of them ({renderer}, or similar)")
    if (family := read_adapter(renderer)) is not None and family.family is not None:
        return _match_family(family.family)
    match = match_name(renderer, vendor, None, kind or "gpu")
    reason = f"the browser's renderer is {renderer!r}: {match.reason}"
    return replace(match, reason=reason, confidence=min(match.confidence, EXPLAINED))


def _match_family(family: Family) -> Match:
    devices = [
        device
        for device in load_catalogue().values()
        if device.vendor == family.maker
        and device.kind in {"gpu", "soc"}
        and (family.is_all or device.architecture in family.architectures)
    ]
    what = "its maker" if family.is_all else "maker and architecture"
    reason = f"a browser says {what} alone ({family.name}), a family with {count_devices(devices)} in the catalogue"
    return Match(None, 0, reason, ids_of(devices), family=family.name)
