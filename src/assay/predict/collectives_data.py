"""Published times of exchanges between devices, each with the link that the sheets give it.

May import: core, predict; pyarrow inside functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.predict.base import DataUse, ExampleSource, Gathered
from assay.predict.collectives import Collective, Link, find_link
from assay.predict.devices import find_profile

_FOLDER = "vidur_profiling"
_FILES = {Collective.ALL_REDUCE: "network_all_reduce.parquet", Collective.SEND: "network_send_recv.parquet"}
_DEVICES = {
    "a100_dgx": "nvidia-a100-sxm4-80gb", "a100_pairwise_nvlink": "nvidia-a100-pcie-80gb",
    "h100_dgx": "nvidia-h100-sxm5-80gb", "h100_pairwise_nvlink": "nvidia-h100-pcie-80gb",
    "a40_pairwise_nvlink": "nvidia-a40",
}  # fmt: skip
"""What the names of the folders say: A DGX has SXM modules, pairs that a bridge links are cards."""
_MS = 1e6


@dataclass(frozen=True, slots=True)
class Timing:
    """One published time of one message. ``link`` is None between machines, whose network is not told."""

    system: str
    collective: Collective
    ranks: int
    of_a_machine: int
    size_bytes: float
    time_ns: float
    link: Link | None

    @property
    def group(self) -> str:
        """The configuration: all sizes of it share its quirks."""
        return f"{self.system} {self.collective} of {self.ranks}, {self.of_a_machine} a machine"

    @property
    def device(self) -> str:
        """The chip, whatever it sits on."""
        return self.system.partition("_")[0]


def gather_collectives(source: ExampleSource) -> Gathered:
    """Read published timings. What repeats another system's rows to the last digit is left out, and said."""
    folder = source.find(_FOLDER)
    if folder is None:
        return Gathered((), (), (f"no folder {_FOLDER}",))
    from pyarrow import parquet

    timings: list[Timing] = []
    digest, notes = hashlib.sha256(), []
    known: dict[tuple[float, ...], str] = {}
    for collective, name in _FILES.items():
        path = folder / name
        if not path.is_file():
            notes.append(f"{name} is not there")
            continue
        digest.update(path.read_bytes())
        found: dict[str, list[Timing]] = {}
        for one in _read(parquet.read_table(path).to_pydict(), collective):
            found.setdefault(one.group, []).append(one)
        for group, own in found.items():
            content = tuple(one.time_ns for one in own)
            if content in known:
                notes.append(f"{group} repeats {known[content]} to the last digit: left out")
                continue
            known[content] = group
            timings += own
    uses = (DataUse(_FOLDER, len(timings), digest.hexdigest(), "MIT"),) if timings else ()
    return Gathered(tuple(timings), uses, tuple(notes))


def _read(columns: Mapping[str, Sequence[object]], collective: Collective) -> Iterator[Timing]:
    word = "all_reduce" if collective is Collective.ALL_REDUCE else "send_recv"
    links: dict[tuple[str, int, int], Link | None] = {}
    for file, ranks, near, size, time_ms in zip(
        columns["file"], columns["num_workers"], columns["devices_per_node"], columns["size"],
        columns[f"time_stats.{word}.median"], strict=True,
    ):  # fmt: skip
        system = str(file).split("/")[1]
        key = (system, int(str(ranks)), int(str(near)))
        if key not in links:
            links[key] = _link_of(*key)
        value = float(str(time_ms)) * _MS
        if value > 0:
            yield Timing(system, collective, key[1], key[2], float(str(size)), value, links[key])


def _link_of(system: str, ranks: int, near: int) -> Link | None:
    """The link by the sheets, None between machines, and for a system that nobody knows."""
    name = _DEVICES.get(system)
    if name is None or ranks != near:
        return None
    found = find_link(find_profile(name), ranks)
    return found if isinstance(found, Link) else None
