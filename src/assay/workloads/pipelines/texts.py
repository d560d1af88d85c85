"""Pipeline of texts: WordPiece tokens of lower-cased words, cut and padded, as BERT's input is made.

The work is done by Hugging Face's ``tokenizers`` library, which is what such models are fed with. May import: core;
numpy and tokenizers inside functions.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.workloads.datasets.base import Batch
from assay.workloads.pipelines.base import Opened, PipelineKind, PipelineRequest, generator_for

if TYPE_CHECKING:
    import numpy as np

_TEXTS = 512
_WORDS = 4000
_PIECES = 2000
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_ZIPF = 1.3
"""Exponent by which words are drawn: a few are everywhere, most are rare, as in any language."""


@dataclass(frozen=True, slots=True)
class Tokenise:
    """``tokenizer`` is kept as its JSON, and parsed once in each process."""

    texts: tuple[str, ...]
    tokenizer: str
    batch: int
    seed: int

    def make_batch(self, index: int) -> Batch:
        """``input_ids`` and ``attention_mask`` (batch, seq) int64."""
        import numpy as np

        chosen = generator_for(self.seed, index).integers(len(self.texts), size=self.batch)
        encoded = _parse(self.tokenizer).encode_batch([self.texts[number] for number in chosen])
        return {
            "input_ids": np.asarray([one.ids for one in encoded], np.int64),
            "attention_mask": np.asarray([one.attention_mask for one in encoded], np.int64),
        }


_parsed: dict[str, Any] = {}


def _parse(content: str) -> Any:
    from tokenizers import Tokenizer

    if content not in _parsed:
        _parsed[content] = Tokenizer.from_str(content)
    return _parsed[content]


def _make_tokenizer(words: list[str], seq: int) -> str:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    # Half of the words are whole in the vocabulary; the others fall into pieces, down to letters.
    whole = words[:_PIECES]
    letters = [prefix + letter for prefix in ("", "##") for letter in string.ascii_lowercase]
    endings = [f"##{word[-3:]}" for word in words]
    vocabulary = list(dict.fromkeys([*_SPECIAL, *letters, ".", ",", *whole, *endings]))
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(vocabulary)}, unk_token="[UNK]"))  # noqa: S106  (a token of a text)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(seq)
    tokenizer.enable_padding(length=seq)
    return str(tokenizer.to_str())


def _make_words(generator: np.random.Generator) -> list[str]:
    lengths = generator.integers(2, 12, size=_WORDS)
    letters = list(string.ascii_lowercase)
    return list(dict.fromkeys("".join(generator.choice(letters, size=length)) for length in lengths))


def _open(request: PipelineRequest) -> Opened:
    import numpy as np
    import tokenizers

    generator = np.random.default_rng(request.seed)
    words, seq = _make_words(generator), request.shape["seq"]
    texts = []
    for _ in range(_TEXTS):
        # As many words as tokens: texts are cut about as often as they are padded.
        count = int(generator.integers(max(1, seq // 4), seq + 1))
        drawn = np.minimum(generator.zipf(_ZIPF, size=count), len(words)) - 1
        texts.append(" ".join(words[number] for number in drawn).capitalize() + ".")
    facts = {
        "dataset": "texts-synthetic", "dataset_kind": "synthetic", "tokenizers": tokenizers.__version__,
        "mean_text_bytes": str(sum(map(len, texts)) // len(texts)),
    }  # fmt: skip
    return Opened(Tokenise(tuple(texts), _make_tokenizer(words, seq), request.batch, request.seed), facts)


KINDS = (
    PipelineKind(
        "texts", "texts cut into WordPiece tokens, truncated and padded", {"seq": 128}, _open,
        packages={"tokenizers": "pip install 'assay[torch]'"},
    ),
)  # fmt: skip
