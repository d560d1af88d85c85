"""Exchanges: traffic and latency by the formulas, links by the sheets, times that were measured, learned terms."""

from __future__ import annotations

import math

import pytest

from assay.core.absence import Unavailable
from assay.predict.collectives import (
    Collective,
    Link,
    LinkKind,
    LinkTerms,
    MeasuredLink,
    count_steps,
    count_traffic,
    find_link,
    fit_terms,
    read_size,
    time_exchange,
    time_measured,
)
from assay.predict.devices import find_profile
from assay.predict.values import DeviceProfile

LINK = Link(LinkKind.DIRECT, 100e9, 4, "made up")
TERMS = LinkTerms(10e3, 2e3, {"all-reduce": 0.5, "send": 0.8})


def test_traffic_is_that_of_a_ring() -> None:
    assert count_traffic(Collective.ALL_REDUCE, 4) == pytest.approx(1.5)
    assert count_traffic(Collective.ALL_GATHER, 4) == count_traffic(Collective.REDUCE_SCATTER, 4) == pytest.approx(0.75)
    assert count_traffic(Collective.SEND, 4) == 1.0
    assert all(count_traffic(one, 1) == 0 for one in Collective)
    assert [count_steps(one, 4) for one in Collective] == [6, 3, 3, 1]
    with pytest.raises(ValueError, match="0 ranks"):
        count_traffic(Collective.SEND, 0)


def test_a_message_takes_its_latency_and_its_traffic_over_what_is_reached() -> None:
    # 10 us, 2 more for each rank beyond two, and 1.5 x 1 MB over half of 100 GB/s.
    assert time_exchange(TERMS, LINK, Collective.ALL_REDUCE, 1e6, 4) == pytest.approx(10e3 + 4e3 + 1.5e6 / 50)
    assert time_exchange(TERMS, LINK, Collective.SEND, 1e6, 2) == pytest.approx(10e3 + 1e6 / 80)
    halves = [time_exchange(TERMS, LINK, one, 1e9, 4) for one in (Collective.ALL_GATHER, Collective.REDUCE_SCATTER)]
    assert sum(halves) == pytest.approx(time_exchange(TERMS, LINK, Collective.ALL_REDUCE, 1e9, 4), rel=1e-3)
    assert time_exchange(TERMS, LINK, Collective.ALL_REDUCE, 1e6, 1) == 0
    with pytest.raises(ValueError, match="-1 bytes"):
        time_exchange(TERMS, LINK, Collective.SEND, -1, 2)


def test_boards_link_all_devices_and_bridges_two() -> None:
    board = find_link(find_profile("nvidia-a100-sxm4-80gb"), 8)
    assert isinstance(board, Link)
    assert (board.kind, board.bytes_per_s) == (LinkKind.DIRECT, 300e9)
    card = find_profile("nvidia-a100-pcie-80gb")
    pair, four = find_link(card, 2), find_link(card, 4)
    assert isinstance(pair, Link)
    assert (pair.kind, pair.bytes_per_s) == (LinkKind.DIRECT, 300e9)
    assert "taken for granted" in pair.notes[0]
    assert isinstance(four, Link)
    assert (four.kind, four.bytes_per_s) == (LinkKind.HOST, 31.5e9)
    plain = find_link(find_profile("nvidia-l4"), 2)
    assert isinstance(plain, Link)
    assert plain.kind is LinkKind.HOST


def test_what_nobody_knows_has_no_link_and_says_why() -> None:
    many = find_link(find_profile("nvidia-h100-sxm5-80gb"), 16)
    assert isinstance(many, Unavailable)
    assert "16 devices are more than one machine" in many.reason
    assert isinstance(find_link(DeviceProfile("here", kind="cpu"), 2), Unavailable)
    odd = find_link(DeviceProfile("odd", architecture="unheard of"), 2)
    assert isinstance(odd, Unavailable)
    assert odd.install_hint == "measure it: assay run --suite distributed"
    # What joins a superchip's GPU to its CPU joins no GPUs.
    chip = find_link(find_profile("nvidia-gh200-96gb"), 2)
    assert not isinstance(chip, Link) or chip.kind is LinkKind.HOST


def test_a_measured_link_answers_between_its_sizes_and_beyond() -> None:
    link = MeasuredLink(4, ((1e3, 10e3), (1e6, 40e3), (1e8, 2e6)), "here")
    assert time_measured(link, Collective.ALL_REDUCE, 10) == 10e3
    assert time_measured(link, Collective.ALL_REDUCE, 1e6) == pytest.approx(40e3)
    assert time_measured(link, Collective.ALL_REDUCE, math.sqrt(1e9)) == pytest.approx(20e3)
    assert time_measured(link, Collective.ALL_REDUCE, 1e9) == pytest.approx(2e7)
    assert time_measured(link, Collective.ALL_GATHER, 1e8) == pytest.approx(1e6)


def test_terms_are_found_again_and_an_odd_system_does_not_rule_them() -> None:
    sizes, times, links = [], [], []
    for ranks in (2, 4, 8):
        for power in range(10, 30):
            sizes.append(2.0**power)
            links.append((300e9, ranks, Collective.ALL_REDUCE))
            times.append(time_exchange(TERMS, Link(LinkKind.DIRECT, 300e9, ranks, ""), *_of(ranks, sizes[-1])))
    found = fit_terms(sizes, times, links, [1.0] * len(sizes))
    assert found.latency_ns == pytest.approx(10e3, rel=0.02)
    assert found.per_rank_ns == pytest.approx(2e3, rel=0.02)
    assert found.share(Collective.ALL_REDUCE) == pytest.approx(0.5, rel=0.02)
    slow = [*times, *(10 * one for one in times[:20])]
    robust = fit_terms([*sizes, *sizes[:20]], slow, [*links, *links[:20]], [1.0] * len(slow))
    assert robust.share(Collective.ALL_REDUCE) == pytest.approx(0.5, rel=0.2)
    with pytest.raises(ValueError, match="no times"):
        fit_terms([], [], [], [])


def _of(ranks: int, size: float) -> tuple[Collective, float, int]:
    return Collective.ALL_REDUCE, size, ranks


def test_sizes_are_read_from_phases() -> None:
    assert read_size("4.00 KiB") == 4096
    assert read_size("16.0 MiB") == 16 << 20
    assert read_size("exposed") is None
    assert read_size("x KiB") is None
