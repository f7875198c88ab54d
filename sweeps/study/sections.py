"""The sections of a study file other than `parameters`: their keys, and the rules within each section.

The docstrings of the classes and of their fields are the descriptions in the JSON Schema of study files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, SEARCH
from sweeps.io.paths import Violation, shown, text_hint
from sweeps.stats.goal import Goal, sign
from sweeps.study.problems import RuleError

MAX_SEEDS = 1_000
MIN_LOOK, MAX_LOOKS = 3, 100  # pairs at the first look with anytime, and at the last: each costs computing time
STAGE_NAMES = (SEARCH, CONFIRM, ABLATION, FINAL)
"""The stages in the order in which they run."""
AUTO = "auto"


class Section(BaseModel):
    """Base class of the sections of a study file: frozen, strict, and without unknown keys.

    `hints` are the messages for keys that users bring from elsewhere: key -> what to write instead.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    hints: ClassVar[Mapping[str, str]] = {}

    def written(self) -> dict[str, Any]:
        """Return the section as plain data, with its defaults, as a study file may have it."""
        return {key: plain(value) for key, value in self.model_dump(exclude_none=True).items()}


def plain(value: Any) -> Any:
    """Return a deep copy of a value as plain data: sections as mappings, tuples as lists."""
    if isinstance(value, Section):
        return value.written()
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _finite(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"must be a number but got {shown(value)}{text_hint(value)}")
    return value


Finite = Annotated[Any, BeforeValidator(_finite), WithJsonSchema({"type": "number"})]
"""An int or a float, kept as written, because bounds that are both integers search integers."""


def _more_than_one(value: Any) -> Any:
    if isinstance(value, int) and value < 2:
        raise ValueError(
            f"must be at least 2 but got {shown(value)}: one run of each shows no spread over seeds, so chance and "
            f"configuration could not be told apart"
        )
    return value


SeedCount = Annotated[int, Field(ge=2, le=MAX_SEEDS), BeforeValidator(_more_than_one)]
"""A number of replicates of configurations that are compared, each with a seed of its own."""

_Item = TypeVar("_Item")
Listed = Annotated[tuple[_Item, ...], Field(strict=False)]
"""A YAML list as a tuple. Strict mode would accept tuples only."""


FORMS = frozenset({"<list>", "<mapping>", "<scalar>"})
"""The tags of the forms of a union, which pydantic puts into the paths of its errors."""


def shape(value: Any) -> str:
    """Return the form of a value of a union: "mapping", "list" or "scalar"."""
    if isinstance(value, Mapping | BaseModel):
        return "mapping"
    return "list" if isinstance(value, list | tuple) else "scalar"


# Unions below name the form of each member and pick it by `shape`. Without that, pydantic reports the errors of every
# member: a typo in a mapping of seeds would also be told that a mapping is no integer.
_OneOrMapping = Discriminator(lambda value: "<mapping>" if shape(value) == "mapping" else "<scalar>")
_ListOrMapping = Discriminator(lambda value: "<list>" if shape(value) == "list" else "<mapping>")
_AnyForm = Discriminator(lambda value: f"<{shape(value)}>")


class Metric(Section):
    """The metric to optimise."""

    name: Annotated[str, Field(min_length=1)]
    """Name of the metric, as the workload yields it."""
    goal: Goal
    at: Literal["last", "best"] = "last"
    """The epoch that counts: the last, or the one with the best value, which is optimistic."""
    target: float | None = None
    """Start no more trials of the search once a completed one has reached this value; those that run train to their
    end."""

    def reached_by(self, value: float | None) -> bool:
        """Return whether the value of a completed trial is at the target or better; False without a target."""
        if self.target is None or value is None:
            return False
        return sign(self.goal) * (value - self.target) >= 0


class Confirm(Section):
    """Rerun the best trials of the search with new seeds: those with the best values or, with method bayes, those of
    which the surrogate expects the best new runs. The configuration with the best mean is the incumbent.

    The incumbent is then run again on as many further seeds, for a figure that had no part in the choice, unless the
    ablation has it as its baseline.
    """

    top: Annotated[int, Field(ge=1)]
    """Number of trials to rerun."""
    seeds: SeedCount
    """Number of seeds for each."""
    prefer: Literal["accuracy", "smaller"] | None = None
    """accuracy (the default): the best mean is the incumbent; smaller: the configuration with the fewest parameters,
    then MACs, among those that cannot be told apart from the best mean. With few seeds little can be told apart."""


class Seeds(Section):
    """As many paired seeds as are needed, within bounds: for a precision, or until every comparison is decided."""

    min: SeedCount
    """Number of pairs that every comparison gets."""
    max: Annotated[int, Field(le=MAX_SEEDS)]
    """Largest number of pairs."""
    precision: Annotated[float, Field(gt=0)] | None = None
    """Half the width of the 95 % interval, in the units of the metric's difference (percentage points for
    accuracies). The first `min` pairs fix how many more are needed (Stein's two-stage procedure)."""
    anytime: Annotated[bool | None, AfterValidator(lambda value: value or None)] = None
    """true: intervals and p stay valid when they are looked at after every pair from `min` to `max`, and the ablation
    ends as soon as every comparison is decided. The intervals are wider than those of a fixed number."""

    @model_validator(mode="after")
    def _consistent(self) -> Seeds:
        if violations := [*self._wrong_rule(), *self._wrong_bounds()]:
            raise RuleError(violations)
        return self

    def _wrong_rule(self) -> Iterator[Violation]:
        """Neither or both of the rules by which seeds are added."""
        if self.precision is None and not self.anytime:
            yield ("precision",), "is required, or anytime: true; a fixed number is written seeds: 8"
        if self.precision is not None and self.anytime:
            yield (
                ("anytime",),
                f"goes without precision, but precision is {self.precision:g}: Stein's procedure fixes the number of "
                f"pairs from the first {self.min}, anytime allows a look after each: give one of the two",
            )

    def _wrong_bounds(self) -> Iterator[Violation]:
        if self.min > self.max:
            yield ("max",), f"must be at least min = {self.min} but got {self.max}"
        if self.anytime and self.max > MAX_LOOKS:
            yield ("max",), f"must be at most {MAX_LOOKS} with anytime but got {self.max}"
        if self.anytime and self.min < MIN_LOOK:
            yield ("min",), f"must be at least {MIN_LOOK} with anytime but got {self.min}: two pairs give no interval"


class Retune(Section):
    """Search some settings again for each variant, so that no variant is judged with settings tuned for another."""

    parameters: Annotated[Listed[str], Field(min_length=1)]
    """Keys of the study's `parameters` to search again."""
    trials: Annotated[int, Field(ge=1)]
    """Number of trials for each variant."""


_Part = Annotated[Annotated[str, Tag("<scalar>")] | Annotated[dict[str, Any], Tag("<mapping>")], _OneOrMapping]
_Component = Annotated[
    Annotated[str, Tag("<scalar>")]
    | Annotated[Annotated[Listed[_Part], Field(min_length=1)], Tag("<list>")]
    | Annotated[dict[str, Any], Tag("<mapping>")],
    _AnyForm,
]


class Ablation(Section):
    """Compare the baseline with variants of it over paired seeds, to find out which parts matter."""

    baseline: Literal["best", "given"] = "best"
    """best: the confirmed best of the search; given: the recipe under `baseline`."""
    design: Literal["leave_one_out", "add_one_in", "factorial", "path", "alternatives"] = "leave_one_out"
    """leave_one_out: remove each component from the baseline; add_one_in: add each to the recipe without any;
    factorial: remove them in every combination, or in a fraction of the combinations; path: go from the given baseline
    to the best one change at a time; alternatives: each component is another recipe that replaces the baseline."""
    components: (
        Annotated[
            Annotated[Annotated[Listed[str], Field(min_length=1)], Tag("<list>")]
            | Annotated[Annotated[dict[str, _Component], Field(min_length=1)], Tag("<mapping>")],
            _ListOrMapping,
        ]
        | None
    ) = None
    """Each component by name with what removes it: settings, a toggle, or a list of both. Or a list of toggles."""
    seeds: Annotated[Annotated[SeedCount, Tag("<scalar>")] | Annotated[Seeds, Tag("<mapping>")], _OneOrMapping]
    margin: Annotated[float, Field(gt=0)] | None = None
    """Largest difference that does not matter, in the units of the metric's difference."""
    over_budget: Literal["shrink"] | None = None
    """shrink: scale down the widths of variants that violate a constraint until they fit; default: do not train
    them."""
    retune: Retune | None = None

    @property
    def min_seeds(self) -> int:
        """The smallest number of seeds that every arm gets: the fixed number, or the minimum of `Seeds`."""
        return self.seeds.min if isinstance(self.seeds, Seeds) else self.seeds

    @model_validator(mode="after")
    def _consistent(self) -> Ablation:
        if violations := [*self._wrong_components(), *self._wrong_for_design()]:
            raise RuleError(violations)
        return self

    def _wrong_components(self) -> Iterator[Violation]:
        names = list(self.components or ())
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("components", index), f"{name!r} is given twice"
        for name, edit in self.components.items() if isinstance(self.components, dict) else ():
            if isinstance(edit, Mapping) and not edit:
                yield ("components", name), "changes nothing: give the settings that remove the part"

    def _wrong_for_design(self) -> Iterator[Violation]:
        if self.design != "path":
            if self.components is None:
                yield ("components",), f"is required with design: {self.design}"
            if self.design == "factorial" and self.retune is not None:
                yield ("retune",), "is offered with leave_one_out, add_one_in and alternatives, not with factorial"
            return
        if self.components is not None:
            yield ("components",), "path takes its steps from the searched settings: leave components out"
        if self.baseline == "given":
            yield ("baseline",), "path always starts at the given baseline and ends at the best: leave baseline out"
        for name in ("retune", "over_budget"):
            if getattr(self, name) is not None:
                yield (name,), "is not offered with design: path"


class Final(Section):
    """Train on all data except the test set, then evaluate on the test set, once."""

    seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)]
    """Number of seeds for each model. With 1 the test figure has no interval."""
    arms: Literal["best", "all"] = "best"
    """best: the incumbent alone; all: the variants of the ablation too."""


def _device_share(value: Any) -> Any:
    if value == AUTO:
        return value
    if isinstance(value, str):
        raise ValueError(f"must be a share of one GPU (0 to 1) or {AUTO} but got {shown(value)}")
    # Whole numbers above 1 are refused by `sweeps.validation.resources`: studies begun with them can still be read.
    if _finite(value) < 0 or (value > 1 and value != int(value)):
        raise ValueError(f"must be a share of one GPU (0 to 1) but got {value}")
    return value


class Resources(Section):
    """The devices that one trial gets."""

    gpu: Annotated[float | Literal["auto"], BeforeValidator(_device_share)] | None = None
    """A share of one GPU (0.5: two trials on each), 1 at most; default: 1 where there are any. Above 0 the study is
    refused where torch can use no GPU; 0: the CPU. auto: measure once, with copies of the baseline, how many trials on
    each GPU finish the most work together."""
    cpu: Annotated[float, Field(gt=0)] = 1.0
    """Number of CPU cores."""

    @property
    def gpu_share(self) -> float:
        """The GPUs that a trial holds on a machine with GPUs: 1 by default, and while auto is not measured yet."""
        return 1.0 if self.gpu is None or isinstance(self.gpu, str) else self.gpu


def _one_training_or_more(value: Any) -> Any:
    if value is not None and _finite(value) < 1:
        raise ValueError(
            f"must be at least 1 but got {shown(value)}: a configuration that trains to its end costs about one "
            f"training of the baseline; for a smaller search write run_cap, or fewer epochs"
        )
    return value


class Budget(Section):
    """Limits for the study as a whole, and the size of its search."""

    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Device-hours over all stages: the share of the devices that the trials hold × wall time."""
    trainings: Annotated[float, Field(ge=1), BeforeValidator(_one_training_or_more)] | None = None
    """Size of the search in full trainings of the baseline: MACs × epochs of its trials, so it is the same on every
    machine. Without run_cap it alone limits the number of trials; with both, whichever ends first."""
    shares: Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] | None = None
    """Each stage's fraction of gpu_hours; they sum to 1. A stage may also use what earlier stages did not."""

    @model_validator(mode="after")
    def _shares_fit(self) -> Budget:
        if self.shares is None:
            return self
        total = math.fsum(self.shares.values())
        violations: list[Violation] = []
        if not math.isclose(total, 1, abs_tol=1e-6):
            violations.append((("shares",), f"must sum to 1 but sum to {total:.6g}"))
        if self.gpu_hours is None:
            violations.append((("shares",), "are parts of gpu_hours, which is missing"))
        if violations:
            raise RuleError(violations)
        return self
