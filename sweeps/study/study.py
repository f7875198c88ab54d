"""A study: the question and everything that the engine needs to answer it, validated and frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from sweeps.io.paths import shown
from sweeps.recipe.schema import RecipeSchema
from sweeps.space.space import Space
from sweeps.study.constraints import Constraint
from sweeps.study.diff import Change, changes
from sweeps.study.document import TOP_LEVEL, Document, write
from sweeps.study.explain import as_written, explain
from sweeps.study.parameters import Parameter, flatten
from sweeps.study.problems import Mistake, RuleError, StudyError
from sweeps.study.rules import broken, constants, dimensions
from sweeps.study.sections import (
    Ablation,
    Budget,
    Confirm,
    EarlyTerminate,
    Final,
    Finite,
    Listed,
    Metric,
    Resources,
    Section,
    shape,
)

__all__ = ["Change", "Mistake", "Study", "StudyError", "diff", "dump", "parse", "schema", "standing"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _name(value: Any) -> Any:
    if isinstance(value, str) and not _NAME.fullmatch(value):
        raise ValueError(
            f"names the study's folder: letters, digits, '_', '.' and '-', a letter or digit first, at most 64; "
            f"got {shown(value)}"
        )
    return value


def _constraint(value: Any) -> Any:
    return value if isinstance(value, Constraint) else Constraint.parse(value)


def _seconds(value: Any) -> Any:
    if value is not None and not (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        raise ValueError(f"must be a number of seconds above 0 but got {shown(value)}")
    return value


_Words = Annotated[str, Field(pattern=r"\S")]
_Limit = Annotated[
    Any,
    BeforeValidator(_constraint),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["parameters <= 5M"]}),
]
_Parameters = Annotated[dict[str, Parameter], BeforeValidator(flatten)]
_Set = Annotated[
    Annotated[str, Tag("<scalar>")] | Annotated[dict[str, Any], Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if shape(value) == "mapping" else "<scalar>"),
]


class Study(Section):
    """One study file. `parameters` are flattened to dotted keys and their conditions are lists of values."""

    hints = {  # noqa: RUF012
        "program": "is W&B's: write workload: the package or module that trains",
        "command": "is W&B's: there is no command line to build; write workload: the package or module that trains",
        "project": "is W&B's: write name: the study's folder is named after it",
        "entity": "is W&B's: there are no accounts here; leave it out",
        "description": "is W&B's: write question",
    }

    name: Annotated[str, BeforeValidator(_name)]
    """The study's name and that of its folder."""
    question: _Words
    """What the study is to answer, as a sentence; it heads the report."""
    workload: _Words
    """What is trained: a package, a module or "package.module:function"."""
    baseline: dict[str, Any] = Field(default_factory=dict)
    """The recipe that everything starts from; what is not named keeps the workload's default."""
    constraints: Listed[_Limit] = ()
    """Upper limits such as "parameters <= 5_000_000" or "macs <= 250M", checked before anything is trained."""
    method: Literal["bayes", "random", "grid"] = "bayes"
    """How the next configuration is found: bayes (TPE), random, or grid."""
    metric: Metric
    parameters: _Parameters = Field(default_factory=dict)
    """What is searched, by dotted key of the recipe."""
    toggles: Listed[str] = ()
    """Named parts of the workload that the search may switch off."""
    run_cap: Annotated[int, Field(ge=0, validate_default=True)] = 0
    """How many trials the search runs; for a grid, left out, all of them."""
    early_terminate: EarlyTerminate | None = None
    confirm: Confirm | None = None
    ablation: Ablation | None = None
    final: Final | None = None
    evaluate: Listed[_Set] = ()
    """Further labelled sets that the stage final evaluates."""
    resources: Resources = Field(default_factory=Resources)
    budget: Budget = Field(default_factory=Budget)
    seed: Annotated[int, Field(ge=0, lt=10**18)] = 0
    """What every random number of the study derives from."""
    trial_timeout: Annotated[Finite | None, BeforeValidator(_seconds)] = None
    """Seconds without progress, an epoch's end or a checkpoint, after which a trial is stopped and failed."""

    def settings(self, recipe: RecipeSchema) -> dict[str, Any]:
        """The baseline with the constants of `parameters`: the recipe settings from which every trial starts."""
        return recipe.merge(self.baseline, self.space.constants)

    @property
    def space(self) -> Space:
        """What is searched."""
        return Space.of(dimensions(self.parameters, self.toggles), constants(self.parameters))

    @field_validator("run_cap", mode="after")
    @classmethod
    def _whole_grid(cls, run_cap: int, info: ValidationInfo) -> int:
        known = info.data
        if run_cap or known.get("method") != "grid" or not {"parameters", "toggles"} <= set(known):
            return run_cap
        searched = dimensions(known["parameters"], known["toggles"])
        try:
            return (Space.of(searched, {}).size or 0) if searched else 0
        except ValueError:  # circular conditions, which `broken` reports
            return 0

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if found := broken({name: getattr(self, name) for name in type(self).model_fields}):
            raise RuleError(found)
        return self


def parse(document: Document) -> Study:
    """The study in `document`, judged by its grammar alone. Raises StudyError with all the mistakes."""
    try:
        return Study.model_validate(document.data)
    except ValidationError as error:
        found = explain(error, Study, document.data)
        if all(detail["loc"] for detail in error.errors()):  # else these rules are what was broken
            between = broken(_valid_sections(document.data))
            found += [(as_written(path, document.data), rule) for path, rule in between]
        raise StudyError(document.mistake(path, rule) for path, rule in found) from None


def standing(document: Document) -> Study:
    """What is left of a faulty study once its mistakes are taken out, to be held against the workload all the same.

    Faulty sections have their defaults (those without one are absent), and parameters have no conditions.
    """
    sections = _valid_sections(document.data)
    return Study.model_construct(**{**sections, "parameters": _valid_parameters(document.data)})


def dump(study: Study) -> str:
    """The study as YAML with every default written out; `parse` of it gives an equal study."""
    data = study.model_dump(mode="python", exclude_none=True)
    data["parameters"] = {key: _spec(parameter) for key, parameter in study.parameters.items()}
    return write({key: _plain(data[key]) for key in TOP_LEVEL if data.get(key) not in (None, {}, (), [])})


def diff(old: Study, new: Study) -> list[Change]:
    """What differs between two versions of a study, by dotted key, and which of it may change once trials exist."""
    return changes(*({key: _plain(value) for key, value in _settings(study).items()} for study in (old, new)))


def schema(recipe: RecipeSchema | None = None) -> dict[str, Any]:
    """The JSON Schema of study files, for editors; with a workload's `recipe`, of its settings too."""
    whole = Study.model_json_schema()
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    if recipe is not None:
        inner = recipe.json_schema(ref_template="#/$defs/recipe.{model}")
        whole["$defs"] |= {f"recipe.{name}": model for name, model in inner.pop("$defs", {}).items()}
        whole["properties"]["baseline"] = inner
        specs = {key: {"$ref": "#/$defs/Parameter"} for key in recipe.keys}
        whole["properties"]["parameters"] |= {"properties": specs, "additionalProperties": True}
    return whole


def _valid_sections(data: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that are valid by themselves, by name; defaults where one is not given."""
    sections: dict[str, Any] = {}
    for name, info in Study.model_fields.items():
        if name in data:
            with suppress(ValidationError):
                sections[name] = _adapter(name).validate_python(data[name])
        elif not info.is_required():
            sections[name] = info.get_default(call_default_factory=True)
    return sections


def _valid_parameters(data: Mapping[str, Any]) -> dict[str, Parameter]:
    valid: dict[str, Parameter] = {}
    with suppress(RuleError):
        for key, spec in flatten(data.get("parameters")).items() if isinstance(data.get("parameters"), Mapping) else ():
            with suppress(ValidationError):
                valid[key] = Parameter.model_validate(spec).model_copy(update={"when": {}})
    return valid


def _adapter(name: str) -> TypeAdapter[Any]:
    info = Study.model_fields[name]
    annotation: Any = Annotated[info.annotation, *info.metadata, None]
    return TypeAdapter(annotation)


def _settings(study: Study) -> dict[str, Any]:
    data = study.model_dump(mode="python")
    data["parameters"] = {key: _spec(parameter) for key, parameter in study.parameters.items()}
    return data


def _spec(parameter: Parameter) -> dict[str, Any]:
    """A parameter as it may be written: without the words that are not given; `value: null` is given."""
    words = parameter.model_dump(mode="python")
    given = {word: value for word, value in words.items() if value is not None and value != {}}
    return {**given, "value": parameter.value} if parameter.kind == "constant" else given


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
