"""The form of a suite file as pydantic models: types, bounds, names, and what each key means.

Importing this module imports pydantic, so nothing imports it before a suite is read. The descriptions here feed
the JSON Schema that editors use; a test holds docs/suites.md to them. May import: core, workloads.base,
engines.base, suite_model, pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from assay.catalog.targets import parse_target
from assay.core.errors import AssayError, UnknownNameError
from assay.core.words import Mode, Precision
from assay.engines.base import engines
from assay.engines.options import OPTIONS, Option, read_option
from assay.runner import suite_model
from assay.runner.timing import Timing
from assay.workloads.base import Tier, families, find_workload

T = TypeVar("T")

MAX_COUNT = 2**31 - 1
MAX_SEED = 2**32 - 1
MAX_SECONDS = 1_000_000
MAX_TEXT = 500
ALL_FAMILIES = "all"
_SHOWN_TEXT = 60
_REFERENCE = re.compile(r"(\.{0,2}[/\\]|~[/\\]).+|[^:]+:.+|.+\.(onnx|xml|pt2)", re.DOTALL)
_DEFAULT_TIMING = Timing()


def describe_value(value: Any) -> str:
    """A value in a message: short, quoted where it is text, with its kind where that is the point."""
    match value:
        case None:
            text = "nothing"
        case bool():
            text = f"{str(value).lower()} (a boolean)"
        case dict():
            text = "a mapping" if value else "an empty mapping"
        case list() | tuple():
            text = "a list" if value else "an empty list"
        case str() if len(value) > _SHOWN_TEXT:
            text = f"{value[:_SHOWN_TEXT]!r}..."
        case int() if abs(value) > 10**_SHOWN_TEXT:
            text = "an enormous number"
        case _:
            text = repr(value)
    return text


def is_reference(model: str) -> bool:
    """True for a model that is not a registered name: ``hf:...``, a folder, ``module:function``."""
    return _REFERENCE.fullmatch(model) is not None


@dataclass(frozen=True, slots=True)
class Expect:
    """Annotation: whatever the inner type refuses is reported as ``got <value>, expected <text>``."""

    text: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the inner validation."""

        def check(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
            try:
                return validate(value)
            except ValidationError:
                raise _refuse(f"got {describe_value(value)}, expected {self.text}.") from None

        return core_schema.no_info_wrap_validator_function(check, handler(source))


@dataclass(frozen=True, slots=True)
class Named:
    """Annotation: text that ``check`` accepts; an AssayError it raises becomes the message.

    ``offered`` are the names an editor may complete to; ``closed`` says that there are no others.
    """

    check: Callable[[str], object]
    expected: str
    offered: Callable[[], tuple[str, ...]]
    closed: bool = True

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take text and look it up."""

        def look_up(value: Any) -> str:
            if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
                raise _refuse(f"got {describe_value(value)}, expected {self.expected}.")
            try:
                self.check(value)
            except AssayError as error:
                raise _refuse(str(error)) from None
            return value

        return core_schema.no_info_plain_validator_function(look_up)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The names there are now, to an editor."""
        names = {"enum": list(self.offered())}
        return names if self.closed else {"anyOf": [names, {"type": "string", "minLength": 1}]}


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """Annotation on a list: one bare value stands for a list of itself; an empty list is refused."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap a bare value before the list is validated."""

        def as_list(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                if not value:
                    raise _refuse("got an empty list, expected at least one value (leave the key out for its default).")
                return list(value)
            return [value]

        return core_schema.no_info_before_validator_function(as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either form, to an editor."""
        array = {**handler(schema), "minItems": 1, "uniqueItems": True}
        return {"anyOf": [array["items"], array]}


def _refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("assay", "{message}", {"message": message})


def _among(kind: str, names: Callable[[], tuple[str, ...]], expected: str = "") -> Named:
    def check(name: str) -> None:
        if name not in names():
            raise UnknownNameError(kind, name, names())

    return Named(check, expected or f"one of {', '.join(names())}", names)


def _check_model(name: str) -> None:
    if not is_reference(name):
        find_workload(name)


def _list_models() -> tuple[str, ...]:
    models: list[str] = []
    for name in families.names():
        # A family that cannot be imported is offered to nobody; using it says why.
        with suppress(AssayError):
            models.extend(f"{name}/{size}" for size in families.get(name).sizes)
    return tuple(models)


def _list_families() -> tuple[str, ...]:
    return (ALL_FAMILIES, *families.names())


Count = Annotated[int, Field(strict=True, ge=1, le=MAX_COUNT), Expect(f"a whole number from 1 to {MAX_COUNT}")]
Seconds = Annotated[
    float,
    Field(strict=True, gt=0, le=MAX_SECONDS, allow_inf_nan=False),
    Expect(f"a number of seconds above 0, at most {MAX_SECONDS}"),
]
SecondsOrZero = Annotated[
    float,
    Field(strict=True, ge=0, le=MAX_SECONDS, allow_inf_nan=False),
    Expect(f"a number of seconds from 0 to {MAX_SECONDS}"),
]
Share = Annotated[
    float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False), Expect("a fraction between 0 and 1, such as 0.01")
]
Seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED), Expect(f"a whole number from 0 to {MAX_SEED}")]
Flag = Annotated[bool, Field(strict=True), Expect("true or false")]
Slug = Annotated[
    str,
    Field(strict=True, pattern=r"^[a-z0-9-]{1,100}$"),
    Expect("lower-case letters, digits and hyphens (in quotes where only digits)"),
]
Line = Annotated[
    str,
    Field(strict=True, pattern=r"^[^\r\n]*$", max_length=MAX_TEXT),
    Expect(f"one line of text, at most {MAX_TEXT} characters"),
]
Device = Annotated[
    str,
    Field(strict=True, pattern=r"^[a-z][a-z0-9_-]*(:[A-Za-z0-9._-]+)?$", max_length=MAX_TEXT),
    Expect("a device such as auto, cpu, cuda or cuda:0"),
]
Many = Annotated[list[T], OneOrMany()]
Model = Annotated[
    str,
    Named(
        _check_model,
        "a model such as bert/tiny, hf:owner/name, ./folder or module:function",
        offered=_list_models,
        closed=False,
    ),
]
EngineName = Annotated[str, _among("engine", engines.names, "the name of an engine, such as torch")]
ModeName = Annotated[str, _among("mode", lambda: tuple(mode.value for mode in Mode))]
PrecisionName = Annotated[str, _among("precision", lambda: tuple(precision.value for precision in Precision))]
TierName = Annotated[str, _among("tier", lambda: tuple(tier.value for tier in Tier))]
FamilyName = Annotated[str, _among("workload family", _list_families, "the name of a family, or all")]
Shape = Annotated[
    dict[Annotated[str, Field(strict=True)], Many[Count]],
    Field(strict=True, min_length=1),
]


@dataclass(frozen=True, slots=True)
class OptionLists:
    """Annotation on a mapping of options: each value must be one that its option takes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Look at the mapping before its lists are validated."""

        def look_up(value: Any) -> Any:
            if not isinstance(value, dict) or not value:
                raise _refuse(f"got {describe_value(value)}, expected a mapping of options to their values.")
            for name, entry in value.items():
                for one in entry if isinstance(entry, (list, tuple)) else (entry,):
                    try:
                        read_option(str(name), one)
                    except AssayError as error:
                        raise _refuse(str(error)) from None
            return value

        return core_schema.no_info_before_validator_function(look_up, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The options there are, to an editor."""
        return {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {name: _describe_option(option) for name, option in OPTIONS.items() if name != "threads"},
        }


def _describe_option(option: Option) -> dict[str, Any]:
    one: dict[str, Any] = {"type": {int: "integer", float: "number", str: "string"}[option.kind]}
    if option.choices:
        one["enum"] = list(option.choices)
    return {"description": option.description, "anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


Options = Annotated[dict[str, Many[str | int | float]], OptionLists()]


class IsTarget:
    """Annotation: an inequality such as ``latency_ms <= 50``, or a mapping with one and what narrows it."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read it as a target is read; it stays as it was written."""

        def check(value: Any) -> Any:
            try:
                parse_target(value)
            except AssayError as error:
                raise _refuse(str(error)) from None
            return value

        return core_schema.no_info_plain_validator_function(check)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either form, to an editor."""
        inequality = {"type": "string", "minLength": 1}
        words = {"type": "object", "additionalProperties": {"type": ["string", "number", "null"]}}
        keys = {"target": inequality, "name": {"type": "string"}, "where": words, "by_hardware": words,
                "weight": {"type": "number", "exclusiveMinimum": 0}}  # fmt: skip
        narrowed = {"type": "object", "additionalProperties": False, "required": ["target"], "properties": keys}
        return {"anyOf": [inequality, narrowed]}


class Form(BaseModel):
    """What the models here share: no key that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TimingForm(Form):
    """How a launch warms up and when it stops."""

    min_time_s: Seconds = Field(default=_DEFAULT_TIMING.min_time_s, description="Sample for at least this long.")
    max_time_s: Seconds = Field(default=_DEFAULT_TIMING.max_time_s, description="Never sample for longer than this.")
    min_samples: Count = Field(default=_DEFAULT_TIMING.min_samples, description="Take at least this many samples.")
    target_ci: Share = Field(
        default=_DEFAULT_TIMING.target_ci,
        description="Stop once the 95 % interval of the median is at most this fraction to either side.",
    )
    warmup_min_s: SecondsOrZero = Field(
        default=_DEFAULT_TIMING.warmup_min_s, description="Warm up for at least this long."
    )
    warmup_max_s: SecondsOrZero = Field(
        default=_DEFAULT_TIMING.warmup_max_s, description="Never warm up longer than this."
    )
    warmup_max_calls: Count = Field(
        default=_DEFAULT_TIMING.warmup_max_calls, description="Never make more warm-up calls."
    )


class EntryForm(Form):
    """One entry of ``cases``, or ``defaults``. A list that is left out is empty here."""

    model: Many[Model] = Field(
        default_factory=list, description="Workloads: family/size, hf:owner/name, a folder or module:function."
    )
    families: Many[FamilyName] = Field(default_factory=list, description="Instead of model: families by name, or all.")
    tiers: Many[TierName] = Field(default_factory=list, description="With families: take their sizes of these tiers.")
    max_size: TierName = Field(default="", description="With families, instead of tiers: sizes of this tier and below.")
    engine: Many[EngineName] = Field(default_factory=list, description="What executes the model.")
    device: Many[Device] = Field(
        default_factory=list, description="Where it runs; auto is the best device that the engine can drive."
    )
    mode: Many[ModeName] = Field(default_factory=list, description="What kind of work is timed.")
    precision: Many[PrecisionName] = Field(default_factory=list, description="Arithmetic of weights and activations.")
    batch: Many[Count] = Field(default_factory=list, description="Samples in one call.")
    shape: Shape = Field(
        default_factory=dict, description="Free dimensions of the inputs, by name; a model takes those that it has."
    )
    threads: Many[Count] = Field(default_factory=list, description="CPU threads that the engine may use.")
    options: Options = Field(
        default_factory=dict, description="What else changes the computation, by name; an engine takes those it has."
    )
    quick: Flag = Field(default=True, description="Whether the entry is part of a quick look (assay run --quick).")


class SuiteForm(Form):
    """A whole suite file."""

    name: Slug = Field(description="What results of this suite are filed under.")
    description: Line = Field(default="", description="One line for listings.")
    version: Count = Field(default=1, description="The suite's own version; raise it when its cases change meaning.")
    launches: Count = Field(default=suite_model.DEFAULT_LAUNCHES, description="Fresh processes that time each case.")
    timing: TimingForm = Field(default_factory=TimingForm, description="How a launch warms up and when it stops.")
    launch_limit_s: Seconds = Field(
        default=suite_model.DEFAULT_LAUNCH_LIMIT_S,
        description="A launch that takes longer is ended, with status timeout.",
    )
    seed: Seed = Field(
        default=suite_model.DEFAULT_SEED, description="Seed of weights, inputs and the order of launches."
    )
    energy: Flag = Field(
        default=False, description="Read joules in a pass of their own, some 17 s a launch, where there is a meter."
    )
    targets: list[Annotated[Any, IsTarget()]] = Field(
        default_factory=list, description="What the results must be: docs/targets.md."
    )
    defaults: EntryForm = Field(default_factory=EntryForm, description="Case keys for entries that do not give them.")
    cases: Annotated[list[EntryForm], Field(min_length=1)] = Field(
        description="Each entry is the product of its lists."
    )


def make_json_schema() -> dict[str, Any]:
    """The JSON Schema of a suite file; the defaults of case keys are in docs/suites.md, not here."""
    schema = SuiteForm.model_json_schema()
    top, entry = schema["properties"], schema["$defs"]["EntryForm"]["properties"]
    for key, info in SuiteForm.model_fields.items():
        # What refers to a form of its own comes without the description of the key.
        top[key]["description"] = info.description
    for key in (*entry.values(), top["defaults"], top["timing"], top["targets"]):
        key.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
