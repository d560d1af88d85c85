"""Three standard models and the least time that a device can need for one unit of their work, by the roofline.

The least time is the longer of arithmetic at the 16-bit peak and of traffic at the memory's bandwidth. No device
reaches it, so rates from it are highest rates and are marked as estimates wherever they stand. The roofline:
S. Williams, A. Waterman, D. Patterson, CACM 52 (4), 2009. May import: standard library.
"""

from __future__ import annotations

from dataclasses import dataclass

_BYTES = 2
"""Of a number of 16 bits."""


@dataclass(frozen=True, slots=True)
class StandardModel:
    """The work of one unit (an image, a sequence, a token) of a model in 16 bits, at batch ``batch``.

    ``bytes_per_unit`` is the traffic that cannot be avoided: the weights once for a batch, and what one operation
    hands to the next. ``weight_bytes`` have to fit into the memory.
    """

    key: str
    title: str
    unit: str
    batch: int
    flops_per_unit: float
    bytes_per_unit: float
    weight_bytes: float
    work: str
    source: str

    @property
    def assumptions(self) -> str:
        """What an estimate for this model takes for granted, in words."""
        return (
            f"estimate: the most that the roofline allows, for {self.title} in 16 bits at batch {self.batch}: "
            f"{self.flops_per_unit / 1e9:.4g} GFLOP and {self.bytes_per_unit / 1e6:.4g} MB of traffic for one "
            f"{self.unit}; measured rates are lower"
        )

    def least_time_s(self, flops_per_s: float, bytes_per_s: float) -> float:
        """Return the seconds that one unit needs at least."""
        return max(self.flops_per_unit / flops_per_s, self.bytes_per_unit / bytes_per_s)


def _resnet50() -> StandardModel:
    multiply_adds, weights, activations, batch = 4.1e9, 25.6e6, 11.1e6, 32
    return StandardModel(
        "resnet50", "ResNet-50, 224 x 224", "image", batch,
        flops_per_unit=2 * multiply_adds,
        # Every activation is written once and read once.
        bytes_per_unit=_BYTES * (weights / batch + 2 * activations),
        weight_bytes=_BYTES * weights,
        work="4.1 G multiply-adds; 25.6 M weights once a batch, 11.1 M activations written and read",
        source="I. Radosavovic et al., Designing Network Design Spaces, 2020 (multiply-adds, weights, activations)",
    )  # fmt: skip


def _bert_base() -> StandardModel:
    layers, width, length, batch = 12, 768, 128, 32
    flops = layers * (24 * length * width**2 + 4 * length**2 * width)
    weights = layers * 12 * width**2
    # Inputs and outputs of the products of a layer, attention in one pass: 20 times length x width.
    traffic = layers * 20 * length * width
    return StandardModel(
        "bert_base", "BERT-base, 128 tokens", "sequence", batch,
        flops_per_unit=flops,
        bytes_per_unit=_BYTES * (weights / batch + traffic),
        weight_bytes=_BYTES * weights,
        work=(
            "12 layers of 24 s h^2 + 4 s^2 h operations; 12 h^2 weights a layer once a batch, 20 s h numbers a layer "
            "between operations (s = 128, h = 768)"
        ),
        source="operations of a layer: D. Narayanan et al., SC 2021, appendix; sizes: J. Devlin et al., 2019",
    )  # fmt: skip


def _llama2_7b() -> StandardModel:
    weights = 6.74e9
    return StandardModel(
        "llama2_7b", "Llama 2 7B, one token after another", "token", 1,
        flops_per_unit=2 * weights,
        bytes_per_unit=_BYTES * weights,
        weight_bytes=_BYTES * weights,
        work="2 operations for each of 6.74 G weights, every weight read for every token; no cache of earlier tokens",
        source="H. Touvron et al., Llama 2, 2023 (sizes); J. Kaplan et al., 2020 (2 operations a weight)",
    )  # fmt: skip


STANDARD_MODELS = (_resnet50(), _bert_base(), _llama2_7b())
"""An image model bound by arithmetic or traffic, an encoder bound by arithmetic, a decoder bound by traffic."""
