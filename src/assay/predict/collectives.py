"""How long devices exchange a message: all-reduce, all-gather, reduce-scatter, send, by its size and their number.

A ring's traffic over the link's bandwidth, and a latency (alpha and beta). What share of a sheet's bandwidth is
reached, and the latency, are learned from published timings (`collectives_kind`); a link that `assay run --suite
distributed` measured answers by those timings. Formulas and figures: docs/predict-strategy.md. May import: core,
catalog, store, predict.values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.core.absence import Unavailable
from assay.core.units import format_bytes

if TYPE_CHECKING:
    from assay.predict.values import DeviceProfile
    from assay.store import Store

MACHINE_DEVICES = 8
"""More devices than this are taken for more than one machine, whose network no sheet of a device tells."""
LARGE_BYTES = 1 << 20
"""From here on the link rules and not the latency: the two are calibrated apart."""
_PCIE_BYTES_PER_S = {3: 15.75e9, 4: 31.5e9, 5: 63.0e9}
"""Sixteen lanes in one direction: 8, 16 and 32 GT/s a lane, 128 of 130 bits are payload (PCI-SIG, PCI Express Base
Specification 3.0, 4.0, 5.0)."""
_PCIE_GENERATION = {
    "Pascal": 3, "Volta": 3, "Turing": 3, "Ampere": 4, "Ada Lovelace": 4, "Hopper": 5, "Blackwell": 5,
    "Blackwell Ultra": 5, "CDNA": 4, "CDNA 2": 4, "CDNA 3": 5, "CDNA 4": 5, "RDNA 2": 4, "RDNA 3": 4, "RDNA 4": 5,
    "Xe-HPC": 5, "Xe-HPG": 4, "Xe2": 5,
}  # fmt: skip
"""Of what each architecture's cards are made for, by the makers' data sheets. A slot may give less."""
_ALL_TO_ALL = ("SXM", "OAM", "superchip")
"""Forms that sit on a board which links all of a machine's devices; bridges link two cards."""
_NOT_BETWEEN_DEVICES = "C2C"
_SMALL_ERROR = 0.05
"""Relative errors below this weigh as squares, larger ones by their size (iteratively reweighted least squares)."""
_PHASE_METRIC = "all_reduce_bytes_per_s"


class Collective(StrEnum):
    """What devices do together. ``size`` is always that of the whole message, as every device has it in the end."""

    ALL_REDUCE = "all-reduce"
    ALL_GATHER = "all-gather"
    REDUCE_SCATTER = "reduce-scatter"
    SEND = "send"


class LinkKind(StrEnum):
    """What joins devices, as far as timings differ by it."""

    DIRECT = "direct"
    """NVLink, Infinity Fabric: devices reach each other's memory without the host."""
    HOST = "host"
    """PCI Express."""


@dataclass(frozen=True, slots=True)
class Link:
    """What joins the devices of one machine. ``bytes_per_s`` is of one device, in one direction, by the sheet."""

    kind: LinkKind
    bytes_per_s: float
    ranks: int
    origin: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredLink:
    """Times of all-reduces of ``ranks`` devices by size in bytes, smallest first, as they were measured."""

    ranks: int
    points: tuple[tuple[float, float], ...]
    origin: str


@dataclass(frozen=True, slots=True)
class LinkTerms:
    """What was learned of one kind of link.

    ``latency_ns`` is of two ranks, ``per_rank_ns`` more for each further one; ``shares`` by collective are those of
    the sheet's bandwidth that a large message reaches.
    """

    latency_ns: float
    per_rank_ns: float
    shares: Mapping[str, float]

    def share(self, collective: Collective) -> float:
        """The share reached. An all-gather and a reduce-scatter are halves of an all-reduce, and reach what it does."""
        name = collective if collective is Collective.SEND else Collective.ALL_REDUCE
        return self.shares.get(name.value) or max(self.shares.values(), default=1.0)


def count_traffic(collective: Collective, ranks: int) -> float:
    """Return the bytes that each device must at least send, over the size of the message.

    All-reduce 2 (n - 1) / n, all-gather and reduce-scatter (n - 1) / n, a send 1. Source: Patarasuk, Yuan 2009,
    "Bandwidth optimal all-reduce algorithms for clusters of workstations", Journal of Parallel and Distributed
    Computing 69(2); the same factors stand in NVIDIA's nccl-tests, doc/PERFORMANCE.md. Raises ValueError below 1 rank.
    """
    if ranks < 1:
        raise ValueError(f"got {ranks} ranks; expected at least 1")
    if collective is Collective.SEND:
        return 1.0 if ranks > 1 else 0.0
    once = (ranks - 1) / ranks
    return 2 * once if collective is Collective.ALL_REDUCE else once


def count_steps(collective: Collective, ranks: int) -> int:
    """Return how many messages follow each other in a ring: the latency's multiple. 2 (n - 1), n - 1, or 1."""
    if collective is Collective.SEND:
        return 1 if ranks > 1 else 0
    return (ranks - 1) * (2 if collective is Collective.ALL_REDUCE else 1)


def time_exchange(terms: LinkTerms, link: Link, collective: Collective, size_bytes: float, ranks: int) -> float:
    """Return the time in ns that ``ranks`` devices take for a message: latency + traffic / bandwidth reached.

    The alpha-beta model (Hockney 1994, "The communication challenge for MPP", Parallel Computing 20(3)) of a ring.
    Of one rank 0. Raises ValueError for a size below 0.
    """
    if size_bytes < 0:
        raise ValueError(f"got a message of {size_bytes} bytes; expected 0 or more")
    if ranks == 1:
        return 0.0
    further = max(0, count_steps(collective, ranks) // (2 if collective is Collective.ALL_REDUCE else 1) - 1)
    latency = terms.latency_ns + terms.per_rank_ns * further
    traffic = count_traffic(collective, ranks) * size_bytes
    return latency + traffic / (link.bytes_per_s * terms.share(collective)) * 1e9


def time_measured(link: MeasuredLink, collective: Collective, size_bytes: float) -> float:
    """Return the time in ns by the times that were measured: between two sizes in a straight line on logarithms.

    Below the smallest it is the latency of that one, above the largest its bandwidth. Other collectives than an
    all-reduce take its time by their share of its traffic.
    """
    share = count_traffic(collective, link.ranks) / count_traffic(Collective.ALL_REDUCE, link.ranks)
    points = link.points
    if size_bytes <= points[0][0]:
        return points[0][1] * share
    if size_bytes >= points[-1][0]:
        return points[-1][1] * size_bytes / points[-1][0] * share
    after = next(place for place, one in enumerate(points) if one[0] >= size_bytes)
    (low, before_ns), (high, after_ns) = points[after - 1], points[after]
    part = math.log(size_bytes / low) / math.log(high / low)
    return float(before_ns * (after_ns / before_ns) ** part * share)


def find_link(device: DeviceProfile, ranks: int) -> Link | Unavailable:
    """Return what joins ``ranks`` of a device in one machine by the sheets, or why nobody can say.

    A sheet's NVLink or Infinity Fabric figure is of both directions together: half of it is one. On boards that join
    all devices (SXM, OAM) it counts for all of them, of cards with bridges for two; more cards meet on PCI Express.
    """
    if device.kind == "cpu":
        return Unavailable("no link between machines is known", "measure it: assay run --suite distributed")
    if ranks > MACHINE_DEVICES:
        return Unavailable(
            f"{ranks} devices are more than one machine of {MACHINE_DEVICES}, and no network is known",
            "measure it there: assay run --suite distributed",
        )
    form, interconnect = _form_of(device)
    is_board = form.startswith(_ALL_TO_ALL)
    both = device.interconnect_bytes_per_s
    if both and _NOT_BETWEEN_DEVICES not in interconnect and (is_board or ranks <= 2):  # noqa: PLR2004  (a bridge)
        notes = () if is_board else (f"a bridge between two {device.name} is taken for granted",)
        return Link(LinkKind.DIRECT, both / 2, ranks, f"{interconnect or 'interconnect'} of the sheet", notes)
    generation = _PCIE_GENERATION.get(device.architecture)
    if generation is None:
        return Unavailable(
            f"what joins {ranks} {device.name} is not known", "measure it: assay run --suite distributed"
        )
    note = f"{ranks} {device.name} meet on PCI Express {generation}.0 x16 at best, as cards of {device.architecture} do"
    return Link(LinkKind.HOST, _PCIE_BYTES_PER_S[generation], ranks, f"PCI Express {generation}.0", (note,))


def read_links(store: Store) -> Mapping[tuple[str, int], MeasuredLink]:
    """Return what the store measured of all-reduces, by hardware and ranks; the newest result of each counts.

    Raises StoreError.
    """
    found = {}
    for result in store.results(status="ok", mode="training"):
        if not result.is_usable or result.hardware is None:
            continue
        ranks = dict(result.own_case.options).get("ranks")
        if not isinstance(ranks, int) or ranks < 2:  # noqa: PLR2004  (one exchanges nothing)
            continue
        points = sorted(
            (size, count_traffic(Collective.ALL_REDUCE, ranks) * size / one.value * 1e9)
            for one in result.metrics
            if one.name == _PHASE_METRIC and one.value and (size := read_size(one.phase)) is not None
        )
        if points:
            found[result.hardware, ranks] = MeasuredLink(ranks, tuple(points), f"result {result.result_id}")
    return found


def read_size(phase: str) -> float | None:
    """Return the bytes that a phase like ``64.0 KiB`` says; None for anything else."""
    number, _, unit = phase.partition(" ")
    scale = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}.get(unit)
    try:
        return None if scale is None else float(number) * scale
    except ValueError:
        return None


def fit_terms(
    sizes: Sequence[float], times_ns: Sequence[float], links: Sequence[tuple[float, int, Collective]],
    weights: Sequence[float],
) -> LinkTerms:  # fmt: skip
    """Learn a kind of link from times (n,) of messages; ``links`` are bandwidth, ranks and collective of each.

    Least squares of relative errors with coefficients that are not negative (Lawson, Hanson 1974, Solving Least
    Squares Problems), reweighted so that twice and half count alike. Raises ValueError for none.
    """
    import numpy as np
    from scipy.optimize import nnls

    if not len(sizes):
        raise ValueError("got no times; expected some")
    kinds = sorted({one[2] for one in links})
    further = [max(0, one[1] - 2) if one[2] is not Collective.SEND else 0 for one in links]
    wire = [count_traffic(one[2], one[1]) * size / one[0] * 1e9 for size, one in zip(sizes, links, strict=True)]
    columns = [np.ones(len(sizes)), np.array(further, dtype=float)]
    columns += [np.array([value if one[2] is kind else 0.0 for value, one in zip(wire, links, strict=True)])
                for kind in kinds]  # fmt: skip
    table, truth = np.stack(columns, axis=1), np.asarray(times_ns, dtype=float)
    guess = truth
    found = np.zeros(table.shape[1])
    for _ in range(12):
        # A weight of 1 / (t x guess) makes squares of errors those of logarithms, near enough; over their size they
        # are no squares any more, so that one odd system does not rule the others.
        size = np.maximum(np.abs(np.log(truth / guess)), _SMALL_ERROR)
        scale = np.sqrt(np.asarray(weights) / (truth * guess * size))
        found, _rest = nnls(table * scale[:, None], truth * scale)
        guess = np.maximum(table @ found, 1.0)
    shares = {kind.value: 1 / float(slope) for kind, slope in zip(kinds, found[2:], strict=True) if slope > 0}
    return LinkTerms(float(found[0]), float(found[1]), shares)


def describe_message(collective: Collective, size_bytes: float, ranks: int) -> str:
    """Return it in words: ``all-reduce of 1.00 MiB between 8``."""
    return f"{collective} of {format_bytes(round(size_bytes))} between {ranks}"


def _form_of(device: DeviceProfile) -> tuple[str, str]:
    """Form factor and interconnect of a device in the catalogue; empty where it is not there."""
    from assay.catalog.hardware.load import load_catalogue

    found = load_catalogue().get(device.hw_id or "")
    return ("", "") if found is None else (found.form_factor or "", found.interconnect or "")
