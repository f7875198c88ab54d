"""The functions of a workload.

A workload is an object, usually a module, with a function `train` and, optionally, `cost`, `toggles`, `prepare`,
`check_test_data`, `image_hashes`, `confirm_duplicates`, `duplicate_policy`, `chance`, `percentages`, `smoke`, `scale`,
`references`, `without_validation`, `evaluations`, `evaluate`, `thumbnails`, `predict`, `export`, `tune_batch`,
`tune_lr`, `gpu_share`, `data_files` and `fetch_data`. They have the parameters and results of the methods of
`Workload`. A generator function alone is a workload too.

The annotation of the first argument of `train`, a pydantic model or a dataclass, is the recipe: its fields are the
settings that a study file may name. Metrics are plain numbers, except those that `percentages` names.

What `train` or `evaluate` raises ends the trial as failed, a MemoryError (or a class named OutOfMemoryError) as out of
memory. `sweeps.workload.DeviceLost` says that the process can use its device no more: it ends, and the trial continues
once in a new one. The engine drops an error, with the frames in its traceback, before it reports the trial's end.

Example:
    @dataclass(frozen=True)
    class Recipe:
        lr: float = 0.1
        epochs: int = 5

    def train(recipe: Recipe, run: Run) -> Iterator[Metrics]:
        state = torch.load(run.restored / "state.pt") if run.restored else fresh(recipe, run.seed)
        for epoch in range(state["epoch"], recipe.epochs):
            ...
            yield {"val_accuracy": 93.1}
            run.save("state.pt", state, torch.save)

    def percentages() -> list[str]:
        return ["accuracy"]

    def toggles() -> dict[str, dict[str, Any]]:
        return {"momentum": {"optimizer.momentum": 0.0}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.recipe.schema import RecipeSchema
from sweeps.workload.protocol import (
    BadWorkload,
    DataFiles,
    DuplicatePolicy,
    Exported,
    ImageHashes,
    Metrics,
    Predictions,
    Prepared,
    Sharing,
    Site,
    Tuned,
)
from sweeps.workload.run import Run

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Workload:
    """A loaded workload. Each optional function that it lacks has a default that does nothing.

    Attributes:
        name: The name under which it was loaded.
        schema: The schema of its recipe.
        target: The object with the functions.
    """

    name: str
    schema: RecipeSchema
    target: Any
    _train: Callable[[Any, Run], Iterator[Metrics]]

    def train(self, recipe: Any, run: Run) -> Iterator[Metrics]:
        """Train a model.

        A run with `run.restored` continues from that checkpoint, and gives the same metrics as one without a stop.

        Args:
            recipe: The settings of the trial.
            run: Seeds, device, folders and checkpoints.

        Yields:
            The metrics once per epoch, as numbers by name; the study's metric is one of them. A run in which it, or a
            loss, is not finite has diverged. A run with `run.final` yields no metric that starts with `val_`. A metric
            of the name `GPU_MEMORY` is shown beside the costs of the trials.
        """
        return self._train(recipe, run)

    def cost(self, recipe: Any) -> dict[str, int]:
        """Return the counts that constraints limit, without training.

        Args:
            recipe: A valid recipe.

        Returns:
            `parameters`, `trainable_parameters` and `macs` (multiply-accumulates of one example's forward pass), or
            some of them.

        Raises:
            ValueError: No model can be built from the recipe.
        """
        return dict(self._call("cost", {}, recipe))

    def toggles(self) -> dict[str, dict[str, Any]]:
        """Return the parts that a study may switch off: name -> settings by dotted key that remove the part."""
        return {name: dict(edit) for name, edit in self._call("toggles", {}).items()}

    def prepare(self, recipe: Any, site: Site) -> Prepared:
        """Check, and if need be download, what training needs. Called once per study, before any trial.

        Args:
            recipe: The recipe of the baseline.
            site: The machine and the folders.

        Returns:
            Settings resolved for the machine, and a description of the data.

        Raises:
            Unavailable: Data, weights or a library are missing.
            ValueError: The recipe does not fit the data.
        """
        prepared = self._call("prepare", Prepared(), recipe, site)
        assert isinstance(prepared, Prepared), f"{self.name}.prepare must return sweeps.workload.Prepared"
        return prepared

    def data_files(self, recipe: Any, site: Site) -> DataFiles:
        """Return the files of the recipe's data, and what is wrong with each.

        Args:
            recipe: A recipe; its data is looked at.
            site: The machine and the folders.

        Raises:
            BadWorkload: The workload has no function `data_files`.
        """
        self._require("data_files")
        files = self._call("data_files", None, recipe, site)
        assert isinstance(files, DataFiles), f"{self.name}.data_files must return sweeps.workload.DataFiles"
        return files

    def fetch_data(self, recipe: Any, site: Site) -> None:
        """Download the recipe's data, unless it is there.

        Args:
            recipe: A recipe; its data is downloaded.
            site: The machine and the folders.

        Raises:
            Unavailable: The download failed.
            BadWorkload: The workload has no function `fetch_data`.
        """
        self._require("fetch_data")
        self._call("fetch_data", None, recipe, site)

    def check_test_data(self, recipe: Any, site: Site) -> list[str]:
        """Check the test set, and the further sets of `site.evaluate`, before anything is trained.

        Called after `prepare`, whenever a study with a stage final is planned or run, so that a test set that cannot be
        evaluated is found before its models are paid for. It must not read a test example: it may look at names, sizes,
        shapes, types and labels.

        Args:
            recipe: The recipe of the baseline.
            site: The machine and the folders.

        Returns:
            What the user should know about the sets, one line each.

        Raises:
            Unavailable: A set is missing.
            ValueError: A set could not be evaluated.
        """
        return list(self._call("check_test_data", (), recipe, site))

    def image_hashes(self, recipe: Any, site: Site) -> dict[str, ImageHashes]:
        """Return the hashes of all images that a study uses, to find those that it has twice.

        Called after `prepare`, whenever a study is planned or run. Of the test set, nothing but these hashes may leave
        the workload. It should store the hashes with the data, so that a second call takes no time.

        Args:
            recipe: The recipe of the baseline.
            site: The machine and the folders.

        Returns:
            Part -> hashes of its images. "train": all images that training and validation share, including those that
            the recipe drops as duplicates; row i is the image that the workload calls number i. "test", in the order
            of the predictions that `evaluate` records. "unlabelled": further training images without labels. And one
            part for each set of `site.evaluate` with images of its own, by the name of the set. What the study does
            not have is left out, as is a set that is derived from the images of another part. Empty where the workload
            has no function `image_hashes`: then nothing is checked.
        """
        return dict(self._call("image_hashes", {}, recipe, site))

    def confirm_duplicates(
        self, recipe: Any, site: Site, pairs: Mapping[tuple[str, str], np.ndarray]
    ) -> dict[tuple[str, str], np.ndarray]:
        """Decide by their pixels which pairs of images are near duplicates, and return nothing else about them.

        Args:
            recipe: The recipe of the baseline.
            site: The machine and the folders.
            pairs: (part, part) -> M pairs of images whose perceptual hashes are alike, shape (M, 2), int64: the number
                of the image in the first part, and that of the image in the second. Both parts may be the same.

        Returns:
            (part, part) -> whether each pair is the same image, perhaps mirrored, shifted, recompressed or slightly
            changed, shape (M,), bool.

        Raises:
            BadWorkload: The workload has no function `confirm_duplicates`; near duplicates are not looked for then.
        """
        self._require("confirm_duplicates")
        return dict(self._call("confirm_duplicates", {}, recipe, site, pairs))

    def duplicate_policy(self, recipe: Any) -> DuplicatePolicy:
        """Return what becomes of training images that are test images too: kept, dropped, or the study is refused.

        Args:
            recipe: The recipe of the baseline.

        Returns:
            The policy; "refuse" where the workload has no function `duplicate_policy`.
        """
        policy = self._call("duplicate_policy", DuplicatePolicy(), recipe)
        assert isinstance(policy, DuplicatePolicy), (
            f"{self.name}.duplicate_policy must return sweeps.workload.DuplicatePolicy"
        )
        return policy

    def chance(self, recipe: Any) -> dict[str, float]:
        """Return the metrics of a model that guesses. A diverged run counts with these values.

        A finite run that ends there while others of its arm do not has collapsed.
        """
        return dict(self._call("chance", {}, recipe))

    def percentages(self) -> list[str]:
        """Return the names of the metrics that are in percent, from 0 to 100.

        They are shown with "%", and their differences in percentage points; all others are plain numbers. A name stands
        for every metric that ends with it as a word: "accuracy" for `accuracy`, `val_accuracy` and `train_accuracy`.
        """
        return [str(name) for name in self._call("percentages", [])]

    def references(self, recipe: Any) -> dict[str, str]:
        """Return the models of other studies that the recipe uses.

        Returns:
            Dotted key of the setting -> reference to the trial, such as "r7:3". Settings that name a file are left out.
        """
        return dict(self._call("references", {}, recipe))

    def without_validation(self, recipe: Any, epochs: Sequence[int]) -> dict[str, Any]:
        """Return the settings that replace early stopping in a final run, where no validation data is held out.

        Args:
            recipe: The recipe of the final run.
            epochs: The epochs for which earlier runs of the recipe trained; empty if there were none.

        Returns:
            Settings by dotted key.
        """
        return dict(self._call("without_validation", {}, recipe, epochs))

    def smoke(self, recipe: Any) -> dict[str, Any]:
        """Return the settings, by dotted key, with which a trial takes seconds: one epoch on few examples."""
        return dict(self._call("smoke", {}, recipe))

    def scale(self, recipe: Any, factor: float) -> dict[str, Any]:
        """Return the settings, by dotted key, that scale the widths of the model.

        Args:
            recipe: The recipe to scale.
            factor: Above 0, at most 1.

        Raises:
            ValueError: The model cannot be scaled by this factor.
        """
        return dict(self._call("scale", {}, recipe, factor))

    def evaluations(self, recipe: Any, entry: Any) -> list[str]:
        """Return the names of the labelled sets that an entry of the study's `evaluate` stands for.

        Args:
            recipe: The recipe of the baseline.
            entry: Text or a mapping, as in the study file.

        Raises:
            ValueError: The workload does not know the entry.
        """
        return list(self._call("evaluations", [], recipe, entry))

    def evaluate(self, recipe: Any, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Metrics]]:
        """Evaluate a trained model on the test set and on further labelled sets.

        Args:
            recipe: The recipe that the model was trained with.
            run: A run whose `restored` is the checkpoint of the model and whose `access` includes "test".
            entries: The entries of the study's `evaluate`.

        Yields:
            (name of the set, metrics). The first set is "test". Metrics have the names that `train` yields, without the
            prefix `val_`.
        """
        yield from self._call("evaluate", (), recipe, run, entries)

    def thumbnails(self, recipe: Any, site: Site, set_name: str, indices: Sequence[int]) -> Any:
        """Return images for people to look at: those that a component decides, in the report.

        Args:
            recipe: The recipe of the baseline.
            site: The machine and the folders.
            set_name: "validation", "test", or the name of a further set. Images of a set that only the stage final
                opens are asked for after its opening.
            indices: The indices of N images, as `Run.record_predictions` was given them.

        Returns:
            Pixels, shape (N, H, W, 3) uint8.

        Raises:
            BadWorkload: The workload has no function `thumbnails`.
        """
        self._require("thumbnails")
        return self._call("thumbnails", None, recipe, site, set_name, indices)

    def predict(self, recipe: Any, models: Sequence[Path], site: Site, source: Path, tta: str) -> Predictions:
        """Predict the classes of unlabelled examples.

        Args:
            recipe: The recipe that the models were trained with.
            models: The checkpoint folder of each model. Of several models, the mean of the probabilities decides.
            site: The machine and the folders.
            source: The file or folder with the examples.
            tta: The test-time augmentation: "none", "recipe" for that of the recipe, or another kind that the workload
                knows.

        Raises:
            BadWorkload: The workload has no function `predict`.
            ValueError: The examples cannot be read.
        """
        self._require("predict")
        predictions = self._call("predict", None, recipe, models, site, source, tta)
        assert isinstance(predictions, Predictions), f"{self.name}.predict must return sweeps.workload.Predictions"
        return predictions

    def export(self, recipe: Any, model: Path, site: Site, form: str, folder: Path) -> Exported:
        """Write a model to a file for other programs, and compare the outputs of the file with those of the model.

        Args:
            recipe: The recipe that the model was trained with.
            model: The checkpoint folder of the model.
            site: The machine and the folders.
            form: The format of the file.
            folder: The folder for the file.

        Raises:
            BadWorkload: The workload has no function `export`.
            Unavailable: A library is missing.
            ValueError: The format is unknown, or the file, loaded again, gives other outputs.
        """
        self._require("export")
        exported = self._call("export", None, recipe, model, site, form, folder)
        assert isinstance(exported, Exported), f"{self.name}.export must return sweeps.workload.Exported"
        return exported

    def tune_batch(self, recipe: Any, site: Site) -> Tuned:
        """Find the largest batch size with which the recipe trains at the site.

        Raises:
            BadWorkload: The workload has no function `tune_batch`.
        """
        return self._tuned("tune_batch", recipe, site)

    def tune_lr(self, recipe: Any, site: Site) -> Tuned:
        """Find a learning rate with which the recipe trains well at the site.

        Raises:
            BadWorkload: The workload has no function `tune_lr`.
        """
        return self._tuned("tune_lr", recipe, site)

    def gpu_share(self, recipe: Any, site: Site, most: int) -> Sharing:
        """Find how many trials on one GPU, each a process of its own, finish the most work together.

        Args:
            recipe: The recipe of the trials.
            site: The machine and the folders.
            most: The largest number to try.

        Returns:
            The number of trials; 1 where the workload has no function `gpu_share`.
        """
        default = Sharing(
            1, [], f"1 on each GPU: the workload {self.name} has no function gpu_share to measure more with"
        )
        sharing = self._call("gpu_share", default, recipe, site, most)
        assert isinstance(sharing, Sharing), f"{self.name}.gpu_share must return sweeps.workload.Sharing"
        return sharing

    def has(self, capability: str) -> bool:
        """Return whether the workload itself has a function of this name."""
        # `self` has them all, with defaults.
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
