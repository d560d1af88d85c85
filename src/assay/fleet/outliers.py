"""Which host is slow: hosts with the same hardware, held against each other on the cases that they share. Pure.

For host h and case c, r is the logarithm of its median over the median of the other hosts' medians. The host's ratio is
exp(median of r over its cases). It counts as an outlier where |median r| is at least 3.5 of its scale (the threshold of
Iglewicz and Hoaglin 1993, "How to detect and handle outliers") and the ratio is at least the floor of 3 % from 1. The
scale adds, squared, the standard error of that median (1.4826 x 1.2533 x MAD / sqrt(n)) and the spread of the other
hosts' own ratios (1.4826 x MAD, where three or more are left). May import: standard library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

LEAST_SHARED = 5
"""Cases that a host must share with others before anything is said of it."""
FLOOR = 0.03
THRESHOLD = 3.5
_MAD_TO_SD = 1.4826
_SE_OF_MEDIAN = 1.2533
_LEAST_SD = 0.002
"""No two hosts agree to better than 0.2 %: repeated medians of quantised times can have a MAD of 0."""
_LEAST_OTHERS = 3

Medians = Mapping[str, Mapping[str, float]]
"""By host, by case: the median of what it took."""


@dataclass(frozen=True, slots=True)
class HostSpeed:
    """One host beside the others: ``ratio`` above 1 is slow, ``z`` how many scales from them, over ``cases`` cases."""

    host: str
    ratio: float
    z: float
    cases: int
    others: int
    is_outlier: bool


def compare_hosts(medians: Medians) -> list[HostSpeed]:
    """Hold each host against the others, slowest first. Hosts with fewer than five shared cases are left out."""
    logs = {host: {case: math.log(value) for case, value in own.items()} for host, own in medians.items()}
    ratios = {host: _log_ratios(host, logs) for host in logs}
    centres = {host: median(found) for host, found in ratios.items() if len(found) >= LEAST_SHARED}
    speeds = []
    for host, centre in centres.items():
        found = ratios[host]
        others = [value for other, value in centres.items() if other != host]
        within = max(_LEAST_SD, _MAD_TO_SD * _mad(found)) * _SE_OF_MEDIAN / math.sqrt(len(found))
        between = _MAD_TO_SD * _mad(others) if len(others) >= _LEAST_OTHERS else 0.0
        z = centre / math.hypot(within, between)
        ratio = math.exp(centre)
        is_outlier = abs(z) >= THRESHOLD and abs(ratio - 1) >= FLOOR and len(logs) > 2  # noqa: PLR2004  (of two, who is off?)
        speeds.append(HostSpeed(host, ratio, z, len(found), len(logs) - 1, is_outlier))
    return sorted(speeds, key=lambda one: -one.ratio)


def _log_ratios(host: str, logs: Medians) -> list[float]:
    found = []
    for case, value in logs[host].items():
        others = [own[case] for other, own in logs.items() if other != host and case in own]
        if others:
            found.append(value - median(others))
    return found


def _mad(values: list[float]) -> float:
    centre = median(values)
    return median(abs(value - centre) for value in values)
