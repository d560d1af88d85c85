"""From texts to token ids, with nothing to download: by hashing words, or by WordPiece where a vocabulary is given.

Both split as BERT does: lower case without accents (unless the vocabulary has capitals), words and single punctuation
marks. Hashing maps each word to a fixed id by CRC-32, so that any text of any language works at once; different words
may share an id. WordPiece (Wu et al. 2016, arXiv:1609.08144; as in BERT, arXiv:1810.04805) takes the longest pieces of
the vocabulary from the left. May import: core, workloads.datasets; numpy.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from assay.core.errors import WorkloadError
from assay.workloads.datasets.arrays import check_positions
from assay.workloads.datasets.base import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAD, UNKNOWN, BEGIN, END = 0, 100, 101, 102
"""As in the published vocabularies of BERT: [PAD], [UNK], [CLS], [SEP]."""
FIRST_WORD = 999
"""Ids from here on are words in those vocabularies; below are special tokens and room for more."""
DEFAULT_VOCAB = 30522
"""BERT's count of ids, which its embedding has rows for."""
_LONGEST_WORD = 100
_PARTS = re.compile(r"[^\W_]+|[^\w\s]|_")
_WIDE = re.compile("([\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff])")


class Tokenizer(Protocol):
    """Turns a text into ids below ``vocab``."""

    vocab: int

    def encode(self, text: str) -> list[int]:
        """Return the ids of the text alone, without begin and end."""
        ...


@dataclass(slots=True)
class HashingTokenizer:
    """Each word has the id that its CRC-32 falls on."""

    vocab: int = DEFAULT_VOCAB
    _known: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.vocab <= FIRST_WORD:
            raise WorkloadError(f"got vocab={self.vocab}, expected more than {FIRST_WORD}: words have ids from there.")

    def encode(self, text: str) -> list[int]:
        """Return one id a word or mark."""
        ids = []
        for word in split_words(text, lower=True):
            found = self._known.get(word)
            if found is None:
                found = self._known[word] = FIRST_WORD + zlib.crc32(word.encode()) % (self.vocab - FIRST_WORD)
            ids.append(found)
        return ids


@dataclass(slots=True)
class WordPieceTokenizer:
    """Pieces of a vocabulary, one a line, those inside words beginning with ``##``."""

    pieces: dict[str, int]
    lower: bool
    special: tuple[int, int, int]
    """Ids of [UNK], [CLS] and [SEP]."""
    vocab: int
    _known: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def encode(self, text: str) -> list[int]:
        """Return one id or more a word; a word that cannot be pieced together is one [UNK]."""
        ids: list[int] = []
        for word in split_words(text, lower=self.lower):
            found = self._known.get(word)
            if found is None:
                found = self._known[word] = self._cut(word)
            ids.extend(found)
        return ids

    def _cut(self, word: str) -> list[int]:
        unknown = [self.special[0]]
        if len(word) > _LONGEST_WORD:
            return unknown
        ids, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.pieces.get(("##" if start else "") + word[start:end])
                if piece is not None:
                    break
            else:
                return unknown
            ids.append(piece)
            start = end
        return ids


def read_vocabulary(file: Path) -> WordPieceTokenizer:
    """Read ``vocab.txt``, one piece a line. Raises WorkloadError where a special token is missing."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"The vocabulary {file} could not be read: {error}.") from error
    pieces = {line.rstrip("\r\n"): number for number, line in enumerate(lines)}
    missing = [name for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if name not in pieces]
    if missing or pieces["[PAD]"] != PAD:
        what = f"lacks {', '.join(missing)}" if missing else f"has [PAD] as {pieces['[PAD]']}, expected {PAD}"
        raise WorkloadError(f"The vocabulary {file} {what}.", hint="Expected a vocab.txt as BERT's.")
    has_capitals = any(piece != piece.lower() for piece in pieces if not piece.startswith("["))
    special = (pieces["[UNK]"], pieces["[CLS]"], pieces["[SEP]"])
    return WordPieceTokenizer(pieces, not has_capitals, special, len(lines))


def split_words(text: str, *, lower: bool) -> list[str]:
    """``It's GOOD!`` -> ``it ' s good !``; characters of Chinese writing stand alone."""
    if lower:
        decomposed = unicodedata.normalize("NFD", text.lower())
        text = "".join(one for one in decomposed if unicodedata.category(one) != "Mn")
    return _PARTS.findall(_WIDE.sub(r" \1 ", text))


@dataclass(frozen=True, slots=True)
class TokenSplit:
    """Token ids of all texts, one after another, cut and padded to ``seq`` when they are read.

    ``starts`` has one entry more than there are texts.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64]
    seq: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Sequence[int]) -> Batch:
        """Return ``input_ids`` and ``attention_mask`` (batch, seq) and ``labels`` (batch), all int64."""
        chosen = check_positions(positions, len(self))
        begins = self.starts[chosen]
        lengths = self.starts[chosen + 1] - begins
        mask = np.arange(self.seq) < lengths[:, None]
        ids = np.zeros((len(chosen), self.seq), dtype=np.int64)
        ids[mask] = self.ids[(begins[:, None] + np.arange(self.seq))[mask]]
        return {"input_ids": ids, "attention_mask": mask.astype(np.int64), "labels": self.labels[chosen]}


def encode_texts(texts: Iterable[str], labels: Sequence[int], tokenizer: Tokenizer, seq: int) -> TokenSplit:
    """Encode texts once: begin, ids, end, at most ``seq`` together. Raises WorkloadError for a ``seq`` without room."""
    if seq < 3:  # noqa: PLR2004  (begin, one word, end)
        raise WorkloadError(f"got seq={seq}, expected at least 3: a text has a begin, a word and an end.")
    begin, end = tokenizer.special[1:] if isinstance(tokenizer, WordPieceTokenizer) else (BEGIN, END)
    ids, starts = array("i"), array("q", [0])
    for text in texts:
        ids.append(begin)
        ids.extend(tokenizer.encode(text)[: seq - 2])
        ids.append(end)
        starts.append(len(ids))
    # Copies: memory that belongs to an array.array cannot be pickled as an array's own.
    kept: NDArray[Any] = np.array(ids, dtype=np.int32)
    return TokenSplit(kept, np.array(starts, dtype=np.int64), np.asarray(labels, dtype=np.int64), seq)
