"""The sections of a study file beside its parameters: what each may say, and the rules inside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator

from sweeps.io.paths import Violation, shown
from sweeps.study.problems import RuleError

MAX_SEEDS = 1_000
STAGES = ("search", "confirm", "ablation", "final")
AUTO = "auto"


class Section(BaseModel):
    """A mapping in a study file. `hints` say, for keys that users bring from elsewhere, what to write instead."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    hints: ClassVar[Mapping[str, str]] = {}


def _finite(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"must be a number but got {shown(value)}")
    return value


Finite = Annotated[Any, BeforeValidator(_finite), WithJsonSchema({"type": "number"})]
"""An int or a float, kept as written: whole bounds search integers."""

SeedCount = Annotated[int, Field(ge=2, le=MAX_SEEDS)]
"""Replicates, each on a seed of its own."""

_Item = TypeVar("_Item")
Listed = Annotated[tuple[_Item, ...], Field(strict=False)]
"""A YAML list, frozen."""


FORMS = frozenset({"<list>", "<mapping>", "<scalar>"})
"""The tags of a section's forms, which pydantic puts into the paths of its errors."""


def shape(value: Any) -> str:
    """Which form a section has: "mapping", "list" or "scalar"."""
    if isinstance(value, Mapping | BaseModel):
        return "mapping"
    return "list" if isinstance(value, list | tuple) else "scalar"


class Metric(Section):
    """What is optimised."""

    name: Annotated[str, Field(min_length=1)]
    """The metric's name, as the workload yields it."""
    goal: Literal["maximize", "minimize"]
    at: Literal["last", "best"] = "last"
    """The epoch whose value counts. The best one is a maximum over epochs, and optimistic."""
    target: float | None = None
    """Stop searching once a trial reaches it."""


class EarlyTerminate(Section):
    """Stop unpromising trials. Which rule to take when: docs/early-termination.md."""

    hints = {"s": "is W&B's number of brackets: write type: hyperband and brackets"}
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "asha": {"min_iter": 1, "max_iter": None, "eta": 3},
        "hyperband": {"min_iter": 1, "max_iter": None, "eta": 3, "brackets": None},
        "median": {"min_iter": 1, "min_trials": 5},
        "one_epoch": {"epochs": 1, "top": 3},
    }

    type: Literal["asha", "hyperband", "median", "one_epoch"] = "asha"
    """asha: successive halving; hyperband: in several brackets; median: who falls behind the median of the others;
    one_epoch: train all for a few epochs, then only the best to the end."""
    min_iter: Annotated[int, Field(ge=1)] | None = None
    """No trial is stopped before this epoch; left out, 1. Of asha, hyperband and median."""
    max_iter: Annotated[int, Field(ge=2)] | None = None
    """The epochs of a full trial; left out, the recipe's `epochs`. Of asha and hyperband."""
    eta: Annotated[int, Field(ge=2)] | None = None
    """One in `eta` goes on at each rung; left out, 3. Of asha and hyperband."""
    brackets: Annotated[int, Field(ge=1)] | None = None
    """How many ladders, each starting `eta` times as late as the one before; left out, all that fit. Of hyperband."""
    min_trials: Annotated[int, Field(ge=1)] | None = None
    """No trial is stopped before so many others have come as far; left out, 5. Of median."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """The epochs that all trials train for; left out, 1. Of one_epoch."""
    top: Annotated[int, Field(ge=1)] | None = None
    """How many trials go on to the end; left out, 3. Of one_epoch."""

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, data: Any) -> Any:
        """What is left out has the default of its type."""
        if not isinstance(data, Mapping):
            return data
        given = {key: value for key, value in data.items() if value is not None}
        kind = given.get("type", "asha")
        return {**(cls.defaults.get(kind, {}) if isinstance(kind, str) else {}), **given}

    @model_validator(mode="after")
    def _consistent(self) -> EarlyTerminate:
        if found := [*self._of_its_type(), *self._ordered()]:
            raise RuleError(found)
        return self

    def _of_its_type(self) -> Iterator[Violation]:
        own = self.defaults[self.type]
        for key in type(self).model_fields:
            if key != "type" and key not in own and getattr(self, key) is not None:
                takers = " and ".join(kind for kind, settings in self.defaults.items() if key in settings)
                yield (key,), f"is a setting of {takers}, but type is {self.type}, which takes: {', '.join(own)}"

    def _ordered(self) -> Iterator[Violation]:
        if self.max_iter is not None and self.min_iter is not None and self.min_iter >= self.max_iter:
            yield ("min_iter",), f"must be below max_iter = {self.max_iter} but got {self.min_iter}"


class Confirm(Section):
    """Rerun the best of the search on fresh seeds; the incumbent is the best mean."""

    top: Annotated[int, Field(ge=1)]
    seeds: SeedCount


class Seeds(Section):
    """As many paired seeds as the precision asks, within bounds (Stein's two-stage procedure)."""

    min: SeedCount
    max: Annotated[int, Field(le=MAX_SEEDS)]
    precision: Annotated[float, Field(gt=0)]
    """Half the width of the 95 % interval, in the units of the metric's difference (points for accuracies)."""

    @model_validator(mode="after")
    def _ordered(self) -> Seeds:
        if self.min > self.max:
            raise RuleError([(("max",), f"must be at least min = {self.min} but got {self.max}")])
        return self


class Retune(Section):
    """Search some settings again for each variant, so that none is judged at the baseline's tuning."""

    parameters: Annotated[Listed[str], Field(min_length=1)]
    """Keys of the study's `parameters`."""
    trials: Annotated[int, Field(ge=1)]


_Part = Annotated[
    Annotated[str, Tag("<scalar>")] | Annotated[dict[str, Any], Tag("<mapping>")],
    Discriminator(lambda value: "<mapping>" if shape(value) == "mapping" else "<scalar>"),
]
_Component = Annotated[
    Annotated[str, Tag("<scalar>")]
    | Annotated[Annotated[Listed[_Part], Field(min_length=1)], Tag("<list>")]
    | Annotated[dict[str, Any], Tag("<mapping>")],
    Discriminator(lambda value: f"<{shape(value)}>"),
]


class Ablation(Section):
    """Which parts earn their place: the baseline against variants, over paired seeds."""

    baseline: Literal["best", "given"] = "best"
    """The confirmed best of the search, or the recipe as given under `baseline`."""
    design: Literal["leave_one_out", "add_one_in", "factorial", "path", "alternatives"] = "leave_one_out"
    """alternatives: components are not parts but other recipes, each set in the place of the baseline."""
    components: (
        Annotated[
            Annotated[Annotated[Listed[str], Field(min_length=1)], Tag("<list>")]
            | Annotated[Annotated[dict[str, _Component], Field(min_length=1)], Tag("<mapping>")],
            Discriminator(lambda value: "<list>" if shape(value) == "list" else "<mapping>"),
        ]
        | None
    ) = None
    """Each part by name with what removes it: settings, a toggle, or a list of both; or a list of toggles."""
    seeds: Annotated[
        Annotated[SeedCount, Tag("<scalar>")] | Annotated[Seeds, Tag("<mapping>")],
        Discriminator(lambda value: "<mapping>" if shape(value) == "mapping" else "<scalar>"),
    ]
    margin: Annotated[float, Field(gt=0)] | None = None
    """The largest difference that does not matter, in the units of the metric's difference."""
    over_budget: Literal["shrink"] | None = None
    """Scale the widths of variants that break a constraint until they fit; left out, they are not applicable."""
    retune: Retune | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Ablation:
        if found := [*self._components_stand(), *self._design_stands()]:
            raise RuleError(found)
        return self

    def _components_stand(self) -> Iterator[Violation]:
        names = list(self.components or ())
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("components", index), f"{name!r} is given twice"
        for name, edit in self.components.items() if isinstance(self.components, dict) else ():
            if isinstance(edit, Mapping) and not edit:
                yield ("components", name), "changes nothing: give the settings that remove the part"

    def _design_stands(self) -> Iterator[Violation]:
        if self.design != "path":
            if self.components is None:
                yield ("components",), f"is required with design: {self.design}"
            if self.design == "factorial" and self.retune is not None:
                yield ("retune",), "is offered with leave_one_out, add_one_in and alternatives, not with factorial"
            return
        if self.components is not None:
            yield ("components",), "path takes its steps from the searched settings: leave components out"
        if self.baseline == "given":
            yield ("baseline",), "path leads from the given baseline to the best: leave baseline out"
        for name in ("retune", "over_budget"):
            if getattr(self, name) is not None:
                yield (name,), "is not offered with design: path"


class Final(Section):
    """Train on everything but the test set, then open that once."""

    seeds: SeedCount
    arms: Literal["best", "all"] = "best"
    """The incumbent alone, or the ablation's variants too."""


def _device_share(value: Any) -> Any:
    if value == AUTO:
        return value
    if isinstance(value, str):
        raise ValueError(
            f"must be a share of one device (0 to 1), a number of devices or {AUTO} but got {shown(value)}"
        )
    if _finite(value) < 0 or (value > 1 and value != int(value)):
        raise ValueError(f"must be a share of one device (0 to 1) or a whole number of devices but got {value}")
    return value


class Resources(Section):
    """What one trial takes."""

    gpu: Annotated[float | Literal["auto"], BeforeValidator(_device_share)] | None = None
    """A share of one GPU (0.5 trains two trials on each) or a number of them; left out, as the machine has. auto: as
    many trials on each as do more together than fewer would, found once by training copies of the baseline."""
    cpu: Annotated[float, Field(gt=0)] = 1.0

    @property
    def gpu_share(self) -> float:
        """The GPUs that a trial takes where there are any; one where nothing is said, or auto is not settled."""
        return 1.0 if self.gpu is None or isinstance(self.gpu, str) else self.gpu


class Budget(Section):
    """What the whole study may take."""

    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Allocated share of devices × wall time, over all stages."""
    shares: Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] | None = None
    """Each stage's part of gpu_hours; they sum to 1, and what one leaves the next may use."""

    @model_validator(mode="after")
    def _shares_fit(self) -> Budget:
        if self.shares is None:
            return self
        total = math.fsum(self.shares.values())
        found: list[Violation] = []
        if not math.isclose(total, 1, abs_tol=1e-6):
            found.append((("shares",), f"must sum to 1 but sum to {total:.6g}"))
        if self.gpu_hours is None:
            found.append((("shares",), "are parts of gpu_hours, which is missing"))
        if found:
            raise RuleError(found)
        return self
