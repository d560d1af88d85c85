"""One process for each domain of a recipe: results that differ by more than a factor teach each other nothing.

Tried on published systems: with all scenarios and all software in one process the mean error on unseen accelerators was
20.4 %, with each domain apart 15.1 % by much the same terms. May import: core, predict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.core.absence import Unavailable
from assay.core.errors import AssayError
from assay.predict.base import Gathered, Payload
from assay.predict.system.fit import FEWEST, check_payload, fit_recipe, load_recipe
from assay.predict.system.model import SystemModel
from assay.predict.system.recipe import Recipe
from assay.predict.values import Abstention, Answer, Example, Question

_SEPARATOR = "/"


class KeptModels(Mapping[str, SystemModel]):
    """Models by domain as they were kept; each is made the first time it is asked, which takes tenths of a second."""

    def __init__(self, recipe: Recipe, payloads: Mapping[str, Payload]) -> None:
        self._recipe = recipe
        self._payloads = payloads
        self._made: dict[str, SystemModel] = {}

    def __getitem__(self, domain: str) -> SystemModel:
        """The model of a domain. Raises KeyError, or AssayError where what was kept is no covariance."""
        if domain not in self._made:
            self._made[domain] = load_recipe(self._recipe.narrow(domain), self._payloads[domain])
        return self._made[domain]

    def __contains__(self, domain: object) -> bool:
        """Whether there is such a model, without making it."""
        return domain in self._payloads

    def __iter__(self) -> Iterator[str]:
        """The domains."""
        return iter(self._payloads)

    def __len__(self) -> int:
        """How many domains there are."""
        return len(self._payloads)


@dataclass(frozen=True, slots=True)
class DomainModel:
    """A model for each domain that had enough published."""

    recipe: Recipe
    models: Mapping[str, SystemModel]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer each question by the model of its domain; abstain where there is none."""
        answers: list[Answer | None] = [None] * len(questions)
        asked: dict[str, list[int]] = defaultdict(list)
        for place, question in enumerate(questions):
            described = self.recipe.describe(question)
            if isinstance(described, Unavailable):
                answers[place] = Abstention(question.metric, described.reason)
            elif described.domain not in self.models:
                answers[place] = Abstention(question.metric, f"too little was published of {described.domain}")
            else:
                asked[described.domain].append(place)
        for domain, places in asked.items():
            found = self.models[domain].answer([questions[place] for place in places])
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
        return [one for one in answers if one is not None]

    def payload(self) -> Payload:
        """What ``load_domains`` reads."""
        parts = {name: model.payload() for name, model in self.models.items()}
        arrays = {
            f"{place}{_SEPARATOR}{name}": array
            for place, part in enumerate(parts.values())
            for name, array in part.arrays.items()
        }
        return Payload({"domains": [[name, dict(part.meta)] for name, part in parts.items()]}, arrays)


def fit_domains(recipe: Recipe, gathered: Gathered, seed: int, *, only: frozenset[str] | None = None) -> DomainModel:
    """Learn each domain that has enough (of ``only`` these). Raises AssayError where none has."""
    by_domain: dict[str, list[Example]] = defaultdict(list)
    for one in gathered.examples:
        described = recipe.describe(one.question)
        if not isinstance(described, Unavailable) and (only is None or described.domain in only):
            by_domain[described.domain].append(one)
    models = {}
    for name, examples in sorted(by_domain.items()):
        try:
            models[name] = fit_recipe(recipe.narrow(name), Gathered(tuple(examples), ()), seed)
        except AssayError:
            continue  # fewer than FEWEST: questions of that domain are abstained from
    if not models:
        raise AssayError(
            f"None of {len(by_domain)} domains of {recipe.kind!r} has {FEWEST} published cells or more.",
            hint="Give the folders of published results with --data.",
        )
    return DomainModel(recipe, models)


def load_domains(recipe: Recipe, payload: Payload) -> DomainModel:
    """Read back a payload. Raises AssayError where it is not sound."""
    kept = {}
    try:
        for place, (name, meta) in enumerate(payload.meta["domains"]):
            start = f"{place}{_SEPARATOR}"
            arrays = {key.removeprefix(start): one for key, one in payload.arrays.items() if key.startswith(start)}
            kept[str(name)] = Payload(dict(meta), arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise AssayError(
            f"What the predictor {recipe.kind!r} learned cannot be read: {type(error).__name__}: {error}.",
            hint="Learn it again: assay predict train",
        ) from error
    for name, part in kept.items():
        check_payload(recipe.narrow(name), part)
    return DomainModel(recipe, KeptModels(recipe, kept))
