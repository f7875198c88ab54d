"""What can be trained: the workload protocol, and the loader that finds a workload by its name.

A workload is one object (a module will do) with the method `train` and, optionally, `cost`, `toggles`, `prepare`,
`chance`, `smoke`, `scale`, `references`, `without_validation`, `evaluations`, `evaluate`, `predict`, `export`,
`tune_batch`, `tune_lr` and `gpu_share`. A bare generator function is a workload too. The annotation of `train`'s first
argument, a pydantic model or a dataclass, is its recipe: the settings that a study file may name. Metrics whose names
end in `accuracy` are in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.recipe.schema import RecipeSchema
from sweeps.workload.protocol import BadWorkload, Exported, Metrics, Predictions, Prepared, Sharing, Site, Tuned
from sweeps.workload.run import Run


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
