"""A rule of advice: a product that reaches only a part of the rate that another one reached here. May import: assay."""

from __future__ import annotations

from collections.abc import Iterator

from assay.core.records import ResultRecord
from assay.recommend.base import Advice, Evidence, Ground, rules
from assay_matmul.metric import flops_per_s

SMALL_SHARE = 0.5
"""Below half of the best rate a product is worth another thought."""


@rules.register("matmul-rate")
def advise(ground: Ground) -> Iterator[Advice]:
    """Say which products are far from the best rate that this machine reached, with both rates."""
    rates = {one.result_id: (one, rate) for one in ground.known if (rate := _rate(one)) is not None}
    if not rates:
        return
    best, best_rate = max(rates.values(), key=lambda pair: pair[1])
    for result in ground.subjects:
        rate = _rate(result)
        if rate is not None and rate < SMALL_SHARE * best_rate:
            yield Advice(
                rule="matmul-rate",
                subject=result.case.label,
                action="make larger products, or more of them in one call",
                because=f"it reaches {rate / best_rate:.0%} of the rate of {best.case.label}",
                evidence=(
                    Evidence("rate", rate, "1/s", result.result_id),
                    Evidence("best rate", best_rate, "1/s", best.result_id),
                ),
            )


def _rate(result: ResultRecord) -> float | None:
    is_product = result.is_usable and result.case.workload.startswith("matmul/")
    return flops_per_s(result).value if is_product else None
