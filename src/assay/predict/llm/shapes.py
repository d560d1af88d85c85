"""What language models that are served weigh and move, from what their makers published; a source for each.

A model nobody here can vouch for is not in the table, and its published times are not learned from. May import:
standard library.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "llm/"
"""What the names of these workloads start with."""


@dataclass(frozen=True, slots=True)
class LlmShape:
    """A decoder. ``parameters`` in total, ``active`` of them for a token; ``experts`` 1 for a dense model.

    ``cache_width`` is the numbers that a layer with full attention keeps of a token (keys and values of all heads, or
    what multi-head latent attention keeps in their place), ``cache_heads`` between how many devices they can be dealt.
    ``full_layers`` of ``layers`` attend to the whole text, ``window`` is how far the others reach; ``reads_at_most`` is
    the most tokens that sparse attention reads. ``attention_width`` is query heads x their width.
    """

    name: str
    parameters: float
    active: float
    layers: int
    cache_width: int
    cache_heads: int
    attention_width: int
    source: str
    experts: int = 1
    experts_used: int = 1
    full_layers: int | None = None
    window: int = 0
    reads_at_most: int | None = None

    @property
    def expert_parameters(self) -> float:
        """Parameters of all experts of which a token uses some; 0 for a dense model."""
        if self.experts == 1:
            return 0.0
        return (self.parameters - self.active) / (1 - self.experts_used / self.experts)

    @property
    def shared_parameters(self) -> float:
        """Parameters that every token uses."""
        return self.parameters - self.expert_parameters

    def touched(self, tokens: float) -> float:
        """Share of the experts that ``tokens`` reach when each picks its own at random."""
        return 1 - (1 - self.experts_used / self.experts) ** tokens if self.experts > 1 else 0.0

    def cache_numbers(self, length: float) -> float:
        """Numbers kept and read of one text of ``length`` tokens."""
        full = self.layers if self.full_layers is None else self.full_layers
        reach = length if self.reads_at_most is None else min(length, self.reads_at_most)
        return self.cache_width * (full * reach + (self.layers - full) * min(length, self.window))


_DEEPSEEK = "DeepSeek-V3 technical report, arXiv 2412.19437, section 4.2 (R1 and V3.1 have the same shape)"
_LLAMA = "The Llama 3 herd of models, arXiv 2407.21783, table 3"
_QWEN3 = "Qwen3 technical report, arXiv 2505.09388, tables 1 and 2"
SHAPES: tuple[LlmShape, ...] = (
    LlmShape("deepseek-v3", 671e9, 37e9, 61, 576, 1, 20480, _DEEPSEEK, 256, 8),
    LlmShape("minimax-m2.5", 230e9, 10e9, 62, 2048, 8, 6144, "model card and config.json of MiniMax-M2.5", 256, 8),
    LlmShape(
        "gpt-oss-120b", 116.8e9, 5.1e9, 36, 1024, 8, 4096, "gpt-oss model card, arXiv 2508.10925, section 2", 128, 4,
        full_layers=18, window=128,
    ),
    LlmShape("llama-3.1-70b", 70.6e9, 70.6e9, 80, 2048, 8, 8192, _LLAMA),
    LlmShape("llama-3.1-8b", 8.03e9, 8.03e9, 32, 2048, 8, 4096, _LLAMA),
    LlmShape("qwen3-32b", 32.8e9, 32.8e9, 64, 2048, 8, 8192, _QWEN3),
    LlmShape("qwen3-235b-a22b", 235e9, 22e9, 94, 1024, 4, 8192, _QWEN3, 128, 8),
    LlmShape(
        "qwen3.5-397b-a17b", 397e9, 17e9, 60, 1024, 2, 8192, "model card of Qwen3.5-397B-A17B", 512, 10,
        full_layers=15,
    ),
    LlmShape("kimi-k2.5", 1.04e12, 32e9, 61, 576, 1, 10240, "Kimi K2, arXiv 2507.20534, table 2", 384, 8),
    LlmShape("glm-5", 744e9, 40e9, 78, 576, 1, 14336, "GLM-5, arXiv 2602.15763, and its config.json", 256, 8,
             reads_at_most=2048),
)  # fmt: skip
_ALIASES = {
    "deepseek-r1": "deepseek-v3", "deepseek-v3.1": "deepseek-v3", "deepseek-r1-nvfp4": "deepseek-v3",
    "deepseek-v3.1-nvfp4": "deepseek-v3", "llama-3.3-70b": "llama-3.1-70b", "llama-3.1-8b-instruct": "llama-3.1-8b",
    "llama-3.1-8b-instruct-fp8": "llama-3.1-8b", "qwen3-32b-nvfp4": "qwen3-32b",
    "qwen3-235b-a22b-fp8": "qwen3-235b-a22b",
}  # fmt: skip
_BY_NAME = {one.name: one for one in SHAPES}


def find_shape(name: str) -> LlmShape | None:
    """Return the model behind ``llm/minimax-m2.5``, ``MiniMaxAI/MiniMax-M2.5`` or ``minimax-m2.5``; None if unknown."""
    word = name.rpartition("/")[2].casefold()
    return _BY_NAME.get(_ALIASES.get(word, word))
