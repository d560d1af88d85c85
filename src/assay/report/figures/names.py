"""Names of many cases, made short: words that all of them share are said once. May import: report.figures._words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.report.figures._words import say_name


@dataclass(frozen=True, slots=True)
class ShortNames:
    """``names`` in the order given, each without the words in ``shared`` (empty where nothing could be left out)."""

    names: tuple[str, ...]
    shared: str = ""

    @property
    def caption(self) -> str | None:
        """The sentence that says what was left out; None where nothing was."""
        return f"All: {say_name(self.shared)}." if self.shared else None


def tell_apart(labels: Sequence[str]) -> ShortNames:
    """Leave out the words (between single blanks) that stand in every label, but for the first, which names the thing.

    ``bert/base torch cpu fp32 b1`` and ``vit/base torch cpu bf16 b1`` become ``bert/base fp32`` and ``vit/base bf16``,
    with ``torch cpu b1`` shared. Labels stay whole where there is only one, or where two of them would become the same.
    """
    whole = ShortNames(tuple(labels))
    if len(set(labels)) < 2:  # noqa: PLR2004  (one name is not told apart from anything)
        return whole
    words = [label.split(" ") for label in labels]
    common = set(words[0][1:]).intersection(*(each[1:] for each in words[1:]))
    common.discard("")
    if not common:
        return whole
    names = tuple(" ".join([each[0], *(word for word in each[1:] if word not in common)]) for each in words)
    if len(set(names)) < len(set(labels)):
        return whole
    return ShortNames(names, " ".join(dict.fromkeys(word for word in words[0][1:] if word in common)))
