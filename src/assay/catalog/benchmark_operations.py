"""How many operations one unit of a published benchmark's work takes, where somebody counted and said so.

Only with it does a throughput become a share of a data sheet's peak. Where the count depends on what is fed in (lengths
of sentences, sizes of volumes) there is none here, and the share is not known. A multiply-accumulate is two operations.
May import: standard library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operations:
    """Operations of one unit of work of ``workload`` under the rules of MLPerf's closed division.

    ``is_bound`` says that a unit takes at least so many: shares computed from it are bounds from below.
    """

    workload: str
    unit_of_work: str
    operations: float
    source: str
    is_bound: bool = False


_PAPER = "Reddi et al. 2020, MLPerf Inference Benchmark, ISCA, table I (GOPS/input)"
_WEIGHTS_USED = "two operations for each weight that a token passes (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)"
_ALL = (
    Operations("resnet", "sample", 8.2e9, _PAPER),
    Operations(
        "llama2-70b", "token", 2 * 69e9,
        f"{_WEIGHTS_USED}, 69e9 weights (Touvron et al. 2023, arXiv:2307.09288); prompt and attention come on top",
        is_bound=True,
    ),
    Operations(
        "mixtral-8x7b", "token", 2 * 13e9,
        f"{_WEIGHTS_USED}, 13e9 of them used for a token (Jiang et al. 2024, arXiv:2401.04088); prompt and "
        "attention come on top",
        is_bound=True,
    ),
)  # fmt: skip
BENCHMARK_OPERATIONS = {(one.workload, one.unit_of_work): one for one in _ALL}
"""By workload, without its accuracy target, and unit of work."""
