"""Sentences that a program writes, with a feeling that follows from all of their words.

A sentence has one or two statements about a film. The feeling of a statement is that of its word of judgement, turned
round by a negation; after ``but`` the second statement counts, after ``although`` the second too, after ``and`` both
agree. Counting kind and unkind words alone is therefore right often, and not always. One label in twenty is wrong, in
both splits, as annotators err: nobody who has not seen the answers is right in more than 95 %. May import: numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_KIND = (
    "good", "great", "fine", "lovely", "warm", "witty", "clever", "charming", "moving", "gripping", "honest",
    "fresh", "bright", "brave", "gentle", "rich", "tender", "funny", "graceful", "wise", "vivid", "sharp",
    "elegant", "thrilling", "touching", "superb", "splendid", "delightful", "inventive", "assured", "memorable",
    "absorbing", "poignant", "playful", "radiant", "stirring", "subtle", "sincere", "polished", "original",
)  # fmt: skip
_UNKIND = (
    "bad", "poor", "dull", "cold", "clumsy", "tired", "boring", "slow", "dishonest", "stale", "bleak", "timid",
    "harsh", "thin", "hollow", "flat", "silly", "awkward", "vague", "blunt", "crude", "tedious", "shallow",
    "dreadful", "awful", "lazy", "forgettable", "muddled", "bloated", "grating", "lifeless", "tiresome", "feeble",
    "messy", "contrived", "pointless", "sour", "shrill", "stiff", "derivative",
)  # fmt: skip
_SUBJECTS = (
    "film", "movie", "plot", "story", "script", "dialogue", "ending", "opening", "cast", "acting", "director",
    "camera", "music", "score", "pacing", "humor", "drama", "romance", "comedy", "thriller", "sequel", "remake",
    "lead", "villain", "hero", "scene", "narrative", "cinematography", "editing", "soundtrack", "premise",
    "twist", "finale", "character", "performance", "screenplay", "documentary", "picture", "production", "debut",
)  # fmt: skip
_DEGREES = (
    "very", "quite", "rather", "really", "truly", "deeply", "so", "surprisingly", "remarkably", "often", "mostly",
    "simply",
)  # fmt: skip
_NEGATIONS = ("not", "never", "hardly", "far from", "anything but")
_FILLERS = (
    "at times", "in the end", "from start to finish", "for once", "despite its length", "like few others",
    "as expected", "after all", "on the whole", "in every frame", "all the same", "by any measure",
)  # fmt: skip
LABELS = ("negative", "positive")
_WRONG = 0.05


def write_sentences(count: int, *, key: tuple[int, ...]) -> tuple[list[str], list[int]]:
    """Return ``count`` sentences and whether each is called positive (1) or negative (0), about half of them each."""
    random = np.random.default_rng([*key])
    # One table of uniform numbers: drawing them one by one would take most of the time. A row is a sentence.
    table = random.random((count, 17)).tolist()
    labels = (random.permutation(count) % 2).tolist()
    texts = [_write(row, is_positive=bool(label)) for row, label in zip(table, labels, strict=True)]
    is_wrong = (random.random(count) < _WRONG).tolist()
    return texts, [label ^ wrong for label, wrong in zip(labels, is_wrong, strict=True)]


def _write(row: Sequence[float], *, is_positive: bool) -> str:
    joint, filler = row[0], row[1]
    if joint < 0.4:  # noqa: PLR2004  (shares of the four forms)
        text = _state(row[2:9], is_positive=is_positive)
    elif joint < 0.6:  # noqa: PLR2004
        text = f"{_state(row[2:9], is_positive=is_positive)} and {_state(row[9:16], is_positive=is_positive)}"
    elif joint < 0.8:  # noqa: PLR2004
        text = f"{_state(row[2:9], is_positive=not is_positive)} , but {_state(row[9:16], is_positive=is_positive)}"
    else:
        first, second = _state(row[2:9], is_positive=not is_positive), _state(row[9:16], is_positive=is_positive)
        text = f"although {first} , {second}"
    if filler < 0.5:  # noqa: PLR2004  (half of the sentences have one)
        text = f"{text} {_pick(_FILLERS, row[16])}"
    return f"{text} ."


def _state(row: Sequence[float], *, is_positive: bool) -> str:
    """``the script is not very clever``: a negation in three of ten statements, a degree in half of them."""
    is_negated = row[0] < 0.3  # noqa: PLR2004
    words = ["the", _pick(_SUBJECTS, row[1]), "is" if row[2] < 0.8 else "feels"]  # noqa: PLR2004
    if is_negated:
        words.append(_pick(_NEGATIONS, row[3]))
    if row[4] < 0.5:  # noqa: PLR2004
        words.append(_pick(_DEGREES, row[5]))
    words.append(_pick(_KIND if is_positive != is_negated else _UNKIND, row[6]))
    return " ".join(words)


def _pick(words: Sequence[str], uniform: float) -> str:
    return words[int(uniform * len(words))]
