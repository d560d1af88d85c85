"""How large a batch is worth having: the noise scale of the gradient, from gradients of two batch sizes.

McCandlish, Kaplan, Amodei et al. 2018, "An Empirical Model of Large-Batch Training", arXiv:1812.06162: the gradient of
a batch of B samples is the true gradient G plus noise of covariance Sigma / B. Far below B = tr(Sigma) / |G|^2 a batch
twice as large halves the steps; far above it only doubles the work. May import: standard library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True)
class GradientNoise:
    """Unbiased estimates of |G|^2 (``signal``) and tr(Sigma) (``noise``), in squared units of the gradient.

    ``signal`` may come out at or below 0 where the noise hides it.
    """

    signal: float
    noise: float

    @property
    def scale(self) -> float | None:
        """The simple noise scale in samples, tr(Sigma) / |G|^2; None where the noise hides the signal."""
        return self.noise / self.signal if self.signal > 0 and self.noise > 0 else None


def estimate_noise(
    small_square_norms: Sequence[float], big_square_norm: float, *, small_batch: int, big_batch: int
) -> GradientNoise:
    """Estimate signal and noise from the gradients of some small batches and of all of them as one (appendix A.1).

    |G_B|^2 has the mean |G|^2 + tr(Sigma) / B. With the mean of ``small_square_norms`` at B = ``small_batch`` and
    ``big_square_norm`` at B = ``big_batch``, those are two equations for two unknowns. Raises ValueError for no norms,
    one that is not finite, and batches that are not small < big.
    """
    if not 0 < small_batch < big_batch:
        raise ValueError(f"got batches of {small_batch} and {big_batch}; expected a small one and a larger one")
    if not small_square_norms or not all(map(math.isfinite, (*small_square_norms, big_square_norm))):
        raise ValueError("got no gradients, or a norm that is not finite")
    small = fmean(small_square_norms)
    signal = (big_batch * big_square_norm - small_batch * small) / (big_batch - small_batch)
    noise = (small - big_square_norm) / (1 / small_batch - 1 / big_batch)
    return GradientNoise(signal, noise)


def combine_noise(moments: Sequence[GradientNoise]) -> GradientNoise:
    """Average several moments of a training: signal and noise each, since a mean of ratios is biased (appendix A.1).

    Raises ValueError for none.
    """
    if not moments:
        raise ValueError("got no moments; an average takes at least one")
    return GradientNoise(fmean(one.signal for one in moments), fmean(one.noise for one in moments))


def suggest_batch(scale: float, *, most: int) -> int:
    """Return the power of two nearest to the noise scale, from 1 to ``most``.

    At a batch of the noise scale, training takes twice the fewest possible steps and twice the fewest possible samples
    (section 2 there): the usual compromise. Raises ValueError for a scale that is not positive and finite.
    """
    if not (math.isfinite(scale) and scale > 0 and most >= 1):
        raise ValueError(f"got a noise scale of {scale:g} and at most {most}; expected both above 0")
    highest = int(math.log2(most))
    return int(2 ** min(highest, max(0, round(math.log2(scale)))))
