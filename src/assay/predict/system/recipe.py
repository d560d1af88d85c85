"""What a kind of published results is told by: the words and ratios of a question, and the covariance over them.

May import: core, predict.values, predict.system.process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from assay.core.absence import Unavailable
from assay.predict.system.process import Term
from assay.predict.values import Example, Question, Situation

Baseline = Callable[[Sequence[Example], Sequence[Example]], list[float | None]]
"""Values foretold for the second sequence from the first; None where it has nothing to go by."""


@dataclass(frozen=True, slots=True)
class Described:
    """A question in words and numbers. ``reference`` is the logarithm of what data sheets alone would say.

    Questions of one ``domain`` are learned together, apart from those of all others.
    """

    words: Mapping[str, str]
    columns: Mapping[str, float]
    reference: float
    domain: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind learns: the value's logarithm minus ``reference``, by ``terms``.

    ``series`` is the word that has to be known for an answer (a benchmark in its scenario). ``says`` names the
    reference for people, ``warning`` stands with every answer. ``own_terms`` are those of domains that differ.
    It ``abstains`` in situations where validation showed it to be of no use, or no better than a naive baseline.
    """

    kind: str
    metric: str
    unit: str
    terms: tuple[Term, ...]
    describe: Callable[[Question], Described | Unavailable]
    baselines: Mapping[str, Baseline]
    says: str
    series: str = "series"
    warning: str = ""
    own_terms: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
    abstains: frozenset[Situation] = frozenset()

    def narrow(self, domain: str) -> Recipe:
        """The recipe with the terms of one domain."""
        return replace(self, terms=self.own_terms.get(domain, self.terms))

    @property
    def words(self) -> tuple[str, ...]:
        """All words that terms ask for, and those that every kind has."""
        return tuple(
            dict.fromkeys([self.series, "device", "vendor", *(word for one in self.terms for word in one.same)])
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """All numbers that terms ask for."""
        return tuple(dict.fromkeys(name for one in self.terms for name in one.columns))
