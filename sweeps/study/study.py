"""The study: a study file as one validated, frozen value."""

from __future__ import annotations

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

from sweeps.artifacts.layout import STUDY_NAME_LENGTH, is_study_name
from sweeps.io.paths import shown
from sweeps.recipe.schema import RecipeSchema
from sweeps.space.space import Space
from sweeps.study.constraints import Constraint
from sweeps.study.diff import Change, changes
from sweeps.study.document import TOP_LEVEL, Document, write
from sweeps.study.explain import as_written, explain
from sweeps.study.parameters import Parameter, flatten
from sweeps.study.problems import RuleError, StudyError
from sweeps.study.rules import broken_rules, constants, dimensions
from sweeps.study.search.early_terminate import EarlyTerminate
from sweeps.study.sections import (
    Ablation,
    Budget,
    Confirm,
    Final,
    Finite,
    Listed,
    Metric,
    Resources,
    Section,
    plain,
    shape,
)

__all__ = ["Study", "StudyError", "diff", "dump", "parse", "schema", "valid_part"]


def _name(value: Any) -> Any:
    if isinstance(value, str) and not is_study_name(value):
        raise ValueError(
            f"names the study's folder: letters, digits, '_', '.' and '-', a letter or digit first, at most "
            f"{STUDY_NAME_LENGTH}; got {shown(value)}"
        )
    return value


def _constraint(value: Any) -> Any:
    return value if isinstance(value, Constraint) else Constraint.parse(value)


def _seconds(value: Any) -> Any:
    if value is not None and not (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        raise ValueError(f"must be a number of seconds above 0 but got {shown(value)}")
    return value


def _interval(value: Any) -> Any:
    if value is not None and not (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0):
        raise ValueError(f"must be a number of seconds, 0 (after every epoch) or more, but got {shown(value)}")
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
    """A study: what to train, what to search, and the stages to run.

    `parameters` are flattened to dotted keys, and their conditions are lists of values.
    """

    hints = {  # noqa: RUF012
        "program": "is W&B's: write workload: the package or module that trains",
        "command": "is W&B's: there is no command line to build; write workload: the package or module that trains",
        "project": "is W&B's: write name: the study's folder is named after it",
        "entity": "is W&B's: there are no accounts here; leave it out",
        "description": "is W&B's: write question",
    }

    name: Annotated[str, BeforeValidator(_name)]
    """Name of the study and of its folder."""
    question: _Words
    """The question that the study answers, as a sentence; the heading of the report."""
    workload: _Words
    """What to train: a package, a module or "package.module:function"."""
    baseline: dict[str, Any] = Field(default_factory=dict)
    """Settings of the recipe from which every trial starts; the others keep the workload's defaults."""
    constraints: Listed[_Limit] = ()
    """Upper limits such as "parameters <= 5_000_000" or "macs <= 250M", checked before training."""
    method: Literal["bayes", "tpe", "random", "grid"] = "bayes"
    """How configurations are chosen: bayes (a Gaussian process over configurations and epochs), tpe (Optuna's
    sampler), random, or grid."""
    metric: Metric
    parameters: _Parameters = Field(default_factory=dict)
    """The settings to search, by dotted key of the recipe."""
    toggles: Listed[str] = ()
    """Parts of the workload, by name, that the search may switch off."""
    warm_start: Listed[_Words] = ()
    """Earlier studies in the runs folder, by name, whose curves inform the search, each as far as it agrees with what
    this search measures. For method bayes."""
    run_cap: Annotated[int, Field(ge=0, validate_default=True)] = 0
    """Number of trials in the search; default with method grid: the whole grid, and with budget.trainings: as many as
    that pays for."""
    early_terminate: EarlyTerminate | None = None
    confirm: Confirm | None = None
    ablation: Ablation | None = None
    final: Final | None = None
    evaluate: Listed[_Set] = ()
    """Further labelled sets on which the stage final evaluates."""
    device: Literal["auto", "cpu", "cuda", "mps"] | None = None
    """The device that trials train on; cuda is also AMD's under ROCm, mps Apple's. auto (default): a GPU where torch
    can use one, else the CPU. A device that is named and not usable is refused."""
    resources: Resources = Field(default_factory=Resources)
    budget: Budget = Field(default_factory=Budget)
    seed: Annotated[int, Field(ge=0, lt=10**18)] = 0
    """Seed from which every random number of the study is derived."""
    trial_timeout: Annotated[Finite | None, BeforeValidator(_seconds)] = None
    """Seconds without a finished epoch or a checkpoint after which a trial is stopped as failed."""
    checkpoint_every: Annotated[Finite | None, BeforeValidator(_interval)] = None
    """Seconds of training that a kill may repeat; 0 saves after every epoch. Default: 30, or an epoch if longer."""

    def settings(self, recipe: RecipeSchema) -> dict[str, Any]:
        """Return the recipe settings from which every trial starts: the baseline with the constants of `parameters`.

        Args:
            recipe: The schema of the workload's recipe.

        Returns:
            Nested settings, with the shorthands of the recipe written out.
        """
        return recipe.merge(self.baseline, self.space.constants)

    @property
    def space(self) -> Space:
        """The space that is searched."""
        return Space.of(dimensions(self.parameters, self.toggles), constants(self.parameters))

    @property
    def most_trials(self) -> int | None:
        """The most trials that the search can have: `run_cap`, or every configuration of a smaller space.

        None where neither limits it, only `budget.trainings`.
        """
        space = self.space
        if not space.dimensions:
            return 0
        return min((limit for limit in (self.run_cap or None, space.size) if limit is not None), default=None)

    def written(self) -> dict[str, Any]:
        """Return the study as the plain data of a study file: defaults written out, nothing that is empty."""
        return _written(_sections(self))

    def edited(self, changes: Mapping[str, Any]) -> Study:
        """Return a copy with other sections, validated as a study file is.

        The result equals that of writing the copy to a file and parsing it again: tuples in plain data become lists,
        defaults are filled in, and nothing that can be changed in place is shared with this study.

        Args:
            changes: Sections by name, as in a study file or as models of `sweeps.study.sections`. None: not given.

        Raises:
            StudyError: The new study breaks rules; with all of them.
            TypeError: A study has no such section.

        Example:
            >>> study.edited({"name": "short", "run_cap": 2, "final": None, "evaluate": ()})
        """
        if unknown_names := changes.keys() - type(self).model_fields.keys():
            raise TypeError(f"a study has no {', '.join(sorted(unknown_names))}")
        sections = _sections(self) | dict(changes)
        # Back to plain data first: pydantic takes instances as they are, and one that `model_copy` made may be invalid.
        return parse(Document(sections["name"], _written(sections), {(): sections["name"]}))

    @field_validator("run_cap", mode="after")
    @classmethod
    def _whole_grid(cls, run_cap: int, info: ValidationInfo) -> int:
        """Without a run cap, the grid is run as a whole."""
        sections = info.data
        if run_cap or sections.get("method") != "grid" or not {"parameters", "toggles"} <= set(sections):
            return run_cap
        searched = dimensions(sections["parameters"], sections["toggles"])
        try:
            return (Space.of(searched, {}).size or 0) if searched else 0
        except ValueError:  # circular conditions, which `broken_rules` reports
            return 0

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if violations := broken_rules(_sections(self)):
            raise RuleError(violations)
        return self


def parse(document: Document) -> Study:
    """Parse a study file and check the rules that need no workload.

    Raises:
        StudyError: With all the mistakes, each with its line.
    """
    try:
        return Study.model_validate(document.data)
    except ValidationError as error:
        violations = explain(error, Study, document.data)
        # Pydantic checks the rules between sections only where every section is valid. Check those that can be checked
        # all the same, so that one report has all the mistakes; unless they are what failed (an error without a path).
        if all(detail["loc"] for detail in error.errors()):
            between_sections = broken_rules(_valid_sections(document.data))
            violations += [(as_written(path, document.data), rule) for path, rule in between_sections]
        raise StudyError(document.mistake(path, rule) for path, rule in violations) from None


def valid_part(document: Document) -> Study:
    """Return the valid part of a faulty study, to check it against the workload in the same report.

    Faulty sections have their defaults; those without a default are absent, so that reading them raises
    AttributeError. Parameters have no conditions.
    """
    sections = _valid_sections(document.data)
    return Study.model_construct(**{**sections, "parameters": _valid_parameters(document.data)})


def dump(study: Study) -> str:
    """Return the study as YAML with every default written out. `parse` of it gives an equal study."""
    return write(study.written())


def diff(old: Study, new: Study) -> list[Change]:
    """Return the settings that differ between two versions of a study, and whether each may change now.

    Returns:
        The changes by dotted key, in the order of the keys.
    """
    data = [{**plain(study.model_dump()), "parameters": plain(study.parameters)} for study in (old, new)]
    return changes(*data)


def schema(recipe: RecipeSchema | None = None) -> dict[str, Any]:
    """Return the JSON Schema of study files, for editors.

    Args:
        recipe: The schema of a workload's recipe, whose settings are then described under `baseline` and `parameters`.
    """
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
    """The validator of one section, as in the whole study."""
    info = Study.model_fields[name]
    # None makes it an Annotated even where the field has no metadata: Annotated takes two arguments or more.
    annotation: Any = Annotated[info.annotation, *info.metadata, None]
    return TypeAdapter(annotation)


def _sections(study: Study) -> dict[str, Any]:
    return {name: getattr(study, name) for name in Study.model_fields}


def _written(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The plain data of a study file: every default written out, without what is empty or not given."""
    constraints = [str(constraint) for constraint in sections["constraints"]]
    data = {key: plain(sections[key]) for key in TOP_LEVEL} | {"constraints": constraints}
    return {key: value for key, value in data.items() if value not in (None, {}, [])}
