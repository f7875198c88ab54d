"""What can be trained: the workload protocol, and the loader that finds a workload by its name.

A workload is one object (a module will do) with the method `train` and, optionally, `cost`, `toggles`, `prepare`,
`chance`, `smoke`, `scale`, `references`, `without_validation`, `evaluations`, `evaluate`, `predict`, `export`,
`tune_batch`, `tune_lr` and `gpu_share`. A bare generator function is a workload too. The annotation of `train`'s first
argument, a pydantic model or a dataclass, is its recipe: the settings that a study file may name. Metrics whose names
end in `accuracy` are in percent.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from sweeps.errors import Unavailable, UserError
from sweeps.recipe import RecipeSchema
from sweeps.saved import Saved, find, is_reference
from sweeps.trial import Run, stream

__all__ = [
    "BadWorkload",
    "Exported",
    "Predictions",
    "Prepared",
    "Run",
    "Saved",
    "Sharing",
    "Site",
    "Tuned",
    "Unavailable",
    "Workload",
    "is_reference",
    "load",
    "stream",
]

Metrics = Mapping[str, float]
LONGEST_NAME = 200
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class BadWorkload(UserError):
    """The name leads to nothing that can be trained."""


@dataclass(frozen=True)
class Site:
    """Where a study runs: its data folder and the device kind of its trials ("cpu" or "cuda").

    `runs_dir` is the folder of all studies, None where nothing is to be trained; `evaluate` are the further labelled
    sets of the study file, which `final` will open. `share` is the part of the device's memory that one trial gets.
    Without `measure`, what would take training to find is not looked for.
    """

    data_dir: Path
    device: str
    runs_dir: Path | None = None
    evaluate: tuple[Any, ...] = ()
    share: float = 1.0
    measure: bool = True

    def saved(self, reference: str) -> Saved:
        """The model that a trial of another study left, as `Run.saved` gives it. Raises Unavailable."""
        return find(self.runs_dir, reference)


@dataclass(frozen=True)
class Prepared:
    """What `prepare` settled once for the whole study.

    `settings` are recipe settings resolved for this machine (such as `precision: auto`), by dotted key, so that every
    trial of a study shares them. `provenance` is what the report says of the data: fingerprint, sizes, classes. `notes`
    say, a line each, how a setting was found where that was measured.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Predictions:
    """What models say of unlabelled examples.

    `ids` (N,) is what the examples are called, `labels` (N,) the index of the predicted class of each, `names` (K,)
    what the classes are called. `warnings` say where the examples are not like those that were trained on.
    """

    ids: Sequence[str]
    labels: Sequence[int]
    names: Sequence[str]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Exported:
    """A model in a file that other programs read.

    `contract` are lines on what goes in and what comes out, `example` is code that loads it, `names` (K,) are the
    classes. `difference` is the largest one between what the file, loaded again, and the model itself give, in what
    `unit` says, and `tolerance` the largest one that was allowed.
    """

    file: Path
    contract: Sequence[str]
    example: str
    names: Sequence[str]
    difference: float
    tolerance: float
    unit: str


@dataclass(frozen=True)
class Tuned:
    """What a look for a good setting found: `settings` by dotted key (empty: none), with the `rows` that it rests on.

    `note` says in a sentence what the settings are and are not.
    """

    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    note: str


@dataclass(frozen=True)
class Sharing:
    """How many trials, as processes of their own, are to share one GPU; the `rows` it rests on; how it was found."""

    copies: int
    rows: Sequence[Mapping[str, Any]]
    note: str


@dataclass(frozen=True)
class Workload:
    """A loaded workload: `train(recipe, run)` and the optional capabilities, each with a default that does nothing."""

    name: str
    schema: RecipeSchema
    target: Any
    _train: Callable[[Any, Run], Iterator[Metrics]]

    def train(self, recipe: Any, run: Run) -> Iterator[Metrics]:
        """Train, yielding the metrics once per epoch."""
        return self._train(recipe, run)

    def cost(self, recipe: Any) -> dict[str, int]:
        """Counts known before training: `parameters`, `trainable_parameters`, `macs` (per example); may be empty."""
        return dict(self._call("cost", {}, recipe))

    def toggles(self) -> dict[str, dict[str, Any]]:
        """Named edits of a recipe: name -> settings by dotted key that remove the part."""
        return {name: dict(edit) for name, edit in self._call("toggles", {}).items()}

    def prepare(self, recipe: Any, site: Site) -> Prepared:
        """Check (and fetch) what training needs, before any trial starts; settle what is measured, if not yet settled.

        Raises Unavailable.
        """
        prepared = self._call("prepare", Prepared(), recipe, site)
        assert isinstance(prepared, Prepared), f"{self.name}.prepare must return sweeps.workload.Prepared"
        return prepared

    def chance(self, recipe: Any) -> dict[str, float]:
        """The metrics of a model that guesses, which a diverged run counts with."""
        return dict(self._call("chance", {}, recipe))

    def references(self, recipe: Any) -> dict[str, str]:
        """The settings by dotted key that name a trial of another study ("r7:3"), whose model the recipe goes on from.

        A setting that names a file instead is none of them.
        """
        return dict(self._call("references", {}, recipe))

    def without_validation(self, recipe: Any, epochs: Sequence[int]) -> dict[str, Any]:
        """Settings by dotted key for the recipe's final run, in which nothing is held out to stop early by.

        `epochs` are those that the recipe's earlier runs trained for; empty where there was none.
        """
        return dict(self._call("without_validation", {}, recipe, epochs))

    def smoke(self, recipe: Any) -> dict[str, Any]:
        """Settings by dotted key that shrink `recipe` to seconds: one epoch on few examples."""
        return dict(self._call("smoke", {}, recipe))

    def scale(self, recipe: Any, factor: float) -> dict[str, Any]:
        """Settings by dotted key that scale the recipe's widths by `factor` (0 < factor <= 1), for `over_budget`."""
        return dict(self._call("scale", {}, recipe, factor))

    def evaluations(self, recipe: Any, entry: Any) -> list[str]:
        """The labelled sets that an entry of the study's `evaluate` stands for. Raises ValueError."""
        return list(self._call("evaluations", [], recipe, entry))

    def evaluate(self, recipe: Any, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Metrics]]:
        """Measure the model in `run.restored` on the test set and on what `entries` stand for: (name of set, metrics).

        The test set comes first, as "test". A metric is named as `train` names it, but without the prefix `val_`.
        """
        yield from self._call("evaluate", (), recipe, run, entries)

    def predict(self, recipe: Any, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
        """What the models saved in the checkpoint folders `models` say of the unlabelled examples in `source`.

        Of several models, the mean of their probabilities decides; `tta` names a kind of test-time augmentation, "none"
        being none and "recipe" that of the recipe. Raises BadWorkload without that capability, ValueError for what
        cannot be read.
        """
        self._require("predict")
        predictions = self._call("predict", None, recipe, models, site, source, tta)
        assert isinstance(predictions, Predictions), f"{self.name}.predict must return sweeps.workload.Predictions"
        return predictions

    def export(self, recipe: Any, model: Path, site: Site, form: str, folder: Path) -> Exported:
        """Write the model saved in the checkpoint folder `model` into `folder`, in the format `form`, and check it.

        Raises BadWorkload without that capability, Unavailable where a library is missing, ValueError for an unknown
        format and for a file that, loaded again, does not give the same.
        """
        self._require("export")
        exported = self._call("export", None, recipe, model, site, form, folder)
        assert isinstance(exported, Exported), f"{self.name}.export must return sweeps.workload.Exported"
        return exported

    def tune_batch(self, recipe: Any, site: Site) -> Tuned:
        """The largest batch that `recipe` trains with at `site`. Raises BadWorkload without that capability."""
        return self._tuned("tune_batch", recipe, site)

    def tune_lr(self, recipe: Any, site: Site) -> Tuned:
        """A learning rate that `recipe` trains well with at `site`. Raises BadWorkload without that capability."""
        return self._tuned("tune_lr", recipe, site)

    def gpu_share(self, recipe: Any, site: Site, most: int) -> Sharing:
        """How many trials like `recipe`, up to `most`, do the most together on one GPU at `site`; one where unknown."""
        unknown = Sharing(
            1, [], f"1 on each GPU: the workload {self.name} has no function gpu_share to measure more with"
        )
        sharing = self._call("gpu_share", unknown, recipe, site, most)
        assert isinstance(sharing, Sharing), f"{self.name}.gpu_share must return sweeps.workload.Sharing"
        return sharing

    def has(self, capability: str) -> bool:
        """Whether the workload itself offers `capability`."""
        return callable(getattr(self.target, capability, None))

    def _tuned(self, capability: str, recipe: Any, site: Site) -> Tuned:
        self._require(capability)
        tuned = self._call(capability, None, recipe, site)
        assert isinstance(tuned, Tuned), f"{self.name}.{capability} must return sweeps.workload.Tuned"
        return tuned

    def _require(self, capability: str) -> None:
        if not self.has(capability):
            raise BadWorkload(f"workload {self.name!r} has no function {capability!r}")

    def _call(self, capability: str, default: Any, *arguments: Any) -> Any:
        return getattr(self.target, capability)(*arguments) if self.has(capability) else default


def load(name: str) -> Workload:
    """The workload called `name`: "package" (its module `workload`), "package.module" or "package.module:object".

    The current folder is searched too. Raises BadWorkload with what was looked for.
    """
    target = _find(name)
    train = getattr(target, "train", None)
    if not callable(train):
        train = target if callable(target) else None
    if train is None:
        raise BadWorkload(f"workload {name!r} has no function 'train' and is not a function itself")
    return Workload(name=name, schema=RecipeSchema(_recipe_type(name, train)), target=target, _train=train)


def _find(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    if not _MODULE.fullmatch(module_name) or len(name) > LONGEST_NAME:  # nor a path, nor relative
        raise BadWorkload(
            f"workload {name[:LONGEST_NAME]!r} names no module; write 'package', 'package.module' or "
            "'package.module:function'"
        )
    module = _import(name, module_name)
    if attribute:
        try:
            return getattr(module, attribute)
        except AttributeError:
            raise BadWorkload(f"module {module_name!r} has no {attribute!r} (workload {name!r})") from None
    if hasattr(module, "__path__") and importlib.util.find_spec(f"{module_name}.workload"):
        return _import(name, f"{module_name}.workload")
    return module


def _import(name: str, module_name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise BadWorkload(
                f"workload {name!r}: no module {error.name!r}; write 'package.module:function', "
                f"importable from {here} or installed"
            ) from None
        raise BadWorkload(f"workload {name!r} needs the module {error.name!r}, which is not installed") from error


def _recipe_type(name: str, train: Callable[..., Any]) -> type:
    try:
        parameters = list(inspect.signature(train).parameters.values())
    except (TypeError, ValueError):  # of a built-in one
        raise BadWorkload(f"workload {name!r} is written in another language: its arguments cannot be read") from None
    if len(parameters) < 2:
        raise BadWorkload(f"workload {name!r}: train must take (recipe, run), but takes {len(parameters)} argument(s)")
    try:
        hints = typing.get_type_hints(train)
    except NameError as error:
        raise BadWorkload(f"workload {name!r}: the annotations of train cannot be resolved: {error}") from None
    recipe = hints.get(parameters[0].name)
    if not RecipeSchema.accepts(recipe):
        raise BadWorkload(
            f"workload {name!r}: annotate the first argument of train with a pydantic model or a dataclass, "
            f"the recipe; it is {recipe!r}"
        )
    return typing.cast(type, recipe)
