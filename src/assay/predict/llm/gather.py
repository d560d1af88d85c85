"""Published end-to-end times of served language models, with what of them can be learned from.

The table was put together from several dumps of the same sweeps, with columns filled in by rules that do not hold
everywhere. What is left out, and what is read otherwise than it stands there, is counted in the notes. May import:
core, predict.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from assay.core.errors import AssayError
from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.devices import find_profile
from assay.predict.llm.setups import PRECISIONS, Setup, rate_of
from assay.predict.llm.shapes import find_shape
from assay.predict.values import DeviceProfile

_FOLDER, _FILE = "aiconfigurator", "silicon_sample.csv"
_USERS = re.compile(r"silicon_concurrency=(\d+)")
_MEASURED = re.compile(r"measured=(\d{4}-\d{2}-\d{2})")
_NAMED = re.compile(r"_tp(\d+)(?:_0)?_ep(\d+)")
_MACHINE = 8
_MS = 1e6


@dataclass(frozen=True, slots=True)
class Served:
    """One published measurement. ``measured`` is its day, empty where it is not told; ``system`` the device's id."""

    setup: Setup
    system: str
    vendor: str
    first_ns: float
    between_ns: float
    measured: str
    source: str

    @property
    def curve(self) -> str:
        """The configuration at any number of users: its quirks are shared by all of them."""
        one = self.setup
        flags = "".join("ny"[flag] for flag in (one.is_attention_parallel, one.is_expert_parallel, one.is_split))
        held = f"{one.workers:.0f}x{one.devices:.0f}+{one.prefill_workers:.0f}x{one.prefill_devices:.0f}"
        lengths = f"{one.isl:.0f}+{one.osl:.0f}"
        return f"{one.shape.name} {one.precision} on {held} {self.system} {one.backend} {lengths} {flags}"

    @property
    def configuration(self) -> str:
        """The curve at its users: what is measured again on another day."""
        return f"{self.curve} at {self.setup.users:.0f}"


def gather_llm(source: ExampleSource) -> Gathered:
    """Read the published rows. Those that nobody can tell the set-up of are left out and counted."""
    folder = source.find(_FOLDER)
    path = None if folder is None else folder / _FILE
    if path is None or not path.is_file():
        return Gathered((), (), (f"no {_FOLDER}/{_FILE}",))
    content = path.read_bytes()
    rows = list(csv.DictReader(content.decode("utf-8").splitlines()))
    kept: dict[tuple[str, str, str], Served] = {}
    left_out: Counter[str] = Counter()
    profiles: dict[str, DeviceProfile | None] = {}
    for row in rows:
        try:
            found = _read(row, profiles)
        except _LeftOutError as error:
            left_out[str(error)] += 1
            continue
        # One run stands in several dumps: under the names of models of one shape too, and with fewer digits.
        key = (found.configuration, f"{found.first_ns:.3g}", f"{found.between_ns:.3g}")
        if key in kept:
            left_out["the same run in another dump"] += 1
        if key not in kept or not kept[key].measured:
            kept[key] = found
    notes = tuple(f"{count} of {len(rows)} rows left out: {why}" for why, count in sorted(left_out.items()))
    digest = hashlib.sha256(content).hexdigest()
    return Gathered(tuple(kept.values()), (DataUse(_FOLDER, len(kept), digest, "Apache-2.0"),), notes)


class _LeftOutError(ValueError):
    """A row that is not learned from, and why."""


def _read(row: Mapping[str, str], profiles: dict[str, DeviceProfile | None]) -> Served:
    """One row. Raises _LeftOutError."""
    source = row["silicon_data_source"]
    if "gtl_task_id=" in source:
        raise _LeftOutError("runs of a dump whose times jump up and down with users (8, 42, 28, 42, 29 ms at 1 to 32)")
    shape = find_shape(row["model_path"])
    users = _USERS.search(source)
    if shape is None or users is None:
        raise _LeftOutError("users not told" if shape else f"the shape of {row['model_path']} is not known")
    # A checkpoint without a precision in its name is as it was published, which is bf16 for those that have none here.
    precision = row["precision"] or ("bf16" if not row["gemm_quant_mode"] else "")
    if precision not in PRECISIONS:
        raise _LeftOutError("no precision")
    device, rate, bandwidth, memory = _find(row["system"], precision, profiles)
    try:
        first, between = float(row["silicon_ttft_ms"]) * _MS, float(row["silicon_tpot_ms"]) * _MS
        isl, osl = float(row["isl"]), float(row["osl"])
        is_split = row["mode"] == "disagg"
        workers, devices, readers, prefill_devices, attention, expert = (_deal_split if is_split else _deal_whole)(row)
    except _LeftOutError:
        raise
    except ValueError:
        raise _LeftOutError("a number that is none") from None
    setup = Setup(
        shape, rate, bandwidth, memory, precision, isl, osl, float(users[1]), float(devices), float(workers),
        float(prefill_devices), float(readers), is_split, attention, expert, row["backend"],
    )  # fmt: skip
    if not all(0 < one < math.inf for one in (first, between, isl, osl, setup.users)):
        raise _LeftOutError("a time, a length or a number of users that is not positive")
    if sum(setup.parameter_bytes) > memory * devices:
        raise _LeftOutError("weights that do not fit the devices told")
    measured = _MEASURED.search(source)
    day = measured[1] if measured else ""
    return Served(setup, device.hw_id or device.name, device.vendor, first, between, day, row["id"])


_Dealt = tuple[int, int, int, int, bool, bool]


def _deal_whole(row: Mapping[str, str]) -> _Dealt:
    """Devices of a set-up that does both. Where the table multiplied a number with itself, it is read once.

    Its identifiers have the tensor and expert parallel numbers as they were set, and the second deals the same devices
    again: tp4 ep4 are 4 devices, which columns give as 16 (tp_size 16 or attention_dp_size 16, moe 4 x 4).
    """
    tensor, attention = _whole(row["tp_size"]), _whole(row["attention_dp_size"])
    moe, expert = _whole(row["moe_tp_size"]), _whole(row["moe_ep_size"])
    named = _NAMED.search(row["id"])
    if named is not None:
        devices = int(named[1])
    elif row["silicon_data_source"].startswith("db-dump"):
        is_square = moe == expert and moe > 1
        devices = moe if is_square else tensor if tensor == attention else max(tensor, attention, moe)
    else:
        devices = tensor
    if devices > _MACHINE or devices & (devices - 1):
        raise _LeftOutError("devices of several machines given as one tensor parallel group")
    return 1, devices, 1, devices, attention > 1, expert > 1


def _deal_split(row: Mapping[str, str]) -> _Dealt:
    """Devices of a set-up whose prompts are read on devices of their own."""
    workers, prefill_workers = row["decode_num_workers"], row["prefill_num_workers"]
    if not workers or not prefill_workers:
        raise _LeftOutError("split set-ups that do not tell how many workers there are")
    sizes = {
        part: (_whole(row[f"{part}_tp_size"]), _whole(row[f"{part}_attention_dp_size"]))
        for part in ("decode", "prefill")
    }
    (tensor, attention), (prefill_tensor, prefill_attention) = sizes["decode"], sizes["prefill"]
    devices, prefill_devices = tensor * attention, prefill_tensor * prefill_attention
    expert = _whole(row["decode_moe_ep_size"]) > 1
    return int(workers), devices, int(prefill_workers), prefill_devices, attention > 1, expert


def _whole(text: str) -> int:
    """The number, 1 where there is none or 0."""
    return max(1, int(float(text))) if text else 1


def _find(
    name: str, precision: str, profiles: dict[str, DeviceProfile | None]
) -> tuple[DeviceProfile, float, float, float]:
    """The sheet of a system, its rate, bandwidth and memory. Raises _LeftOutError."""
    if name not in profiles:
        try:
            profiles[name] = find_profile(name)
        except AssayError:
            profiles[name] = None
    device = profiles[name]
    rate = None if device is None else rate_of(device, precision)
    if device is None or not (rate and device.bandwidth_bytes_per_s and device.memory_bytes):
        raise _LeftOutError(f"no sheet of {name}")
    return device, rate, device.bandwidth_bytes_per_s, device.memory_bytes
