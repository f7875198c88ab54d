"""Trained models of a study: predict with them and export them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.engine.folders import require_writable
from sweeps.io.errors import Refused, Unavailable
from sweeps.io.escape import one_line
from sweeps.io.files import write_atomic
from sweeps.models.card import CARD, CLASSES, RECIPE, card, recipe_text, require_export_folder
from sweeps.models.trained import TrainedModels, deliver, in_words, select
from sweeps.prepare import environment
from sweeps.prepare.devices.choice import device_for_use
from sweeps.recipe.schema import BadRecipe
from sweeps.workload import Exported, Predictions, Site, Workload, load

if TYPE_CHECKING:
    from sweeps.storage.results import Results
    from sweeps.trial.trial import Trial


class Model:
    """A trained model of a study, or several of one recipe whose probabilities are averaged.

    Example:
        >>> model = sweeps.load("digits").model()
        >>> model.predict("new_images.npz").labels[:3]
        array([7, 2, 1])
    """

    def __init__(self, trained: TrainedModels, data_dir: str | Path | None = None) -> None:
        self._trained = trained
        self._data_dir = data_dir

    @classmethod
    def of(
        cls, name: str, *, runs_dir: str | Path = "runs", ensemble: bool = False, data_dir: str | Path | None = None
    ) -> Model:
        """Return the model that `name` stands for.

        Args:
            name: "STUDY:7" for trial 7 of the search, "STUDY:final/0" for a run of another stage. "STUDY" stands for
                the final model; before there is one for the incumbent, or the best trial of the search.
            runs_dir: The folder of all studies.
            ensemble: Take all completed runs of the recipe.
            data_dir: The data folder; by default `$SWEEP_DATA` or the platform's cache folder.

        Raises:
            NotFound: There is no such study or trial.
            NoModel: The run has not completed, or an ensemble has one run only.
            Unavailable: The checkpoint is missing or damaged.
        """
        return cls(deliver(Path(runs_dir).expanduser(), name, ensemble), data_dir)

    @classmethod
    def select(
        cls, records: Results, run: str = "", *, ensemble: bool = False, data_dir: str | Path | None = None
    ) -> Model:
        """Return a model of a study that has been loaded: as `StudyResults.model` does."""
        return cls(select(records, run, ensemble), data_dir)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The whole recipe that it was trained with, as nested settings."""
        return self._trained.settings

    @property
    def study(self) -> str:
        """The name of its study."""
        return self._trained.results.name

    @property
    def origin(self) -> str:
        """Where it comes from: "digits, the incumbent (final/0)"."""
        return self._trained.origin

    @property
    def runs(self) -> tuple[Trial, ...]:
        """The runs that trained it."""
        return self._trained.runs

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """The checkpoint folder of each run; what is in it is the workload's own."""
        return self._trained.folders

    @property
    def description(self) -> str:
        """How many models there are and which: "1 model: digits, the incumbent (final/0)"."""
        return in_words(self._trained)

    @property
    def workload(self) -> Workload:
        """The workload that trained it."""
        return load(self._trained.results.study.workload)

    def predict(self, source: str | Path, *, tta: str = "recipe") -> Predictions:
        """Predict the classes of unlabelled examples.

        Args:
            source: A pickle, `.npz` file or folder of examples, whatever the workload reads.
            tta: Test-time augmentation: "none", "mirror", "mirror_translate" or "recipe" (the recipe's own).

        Raises:
            Refused: The workload cannot predict from these examples.
            Unavailable: The recipe or the checkpoint is not one of the workload.
            BadWorkload: The workload has no function `predict`.
        """
        workload, recipe = self.workload, self._validated()
        with _refusals():
            return workload.predict(recipe, self.checkpoints, self._site(), Path(source).expanduser(), tta)

    def export(self, folder: str | Path, *, format: str = "safetensors") -> Exported:
        """Write the model, its recipe, its class names and a model card into `folder`.

        Args:
            folder: The folder; it is created if it is missing.
            format: "safetensors", "onnx", "torchscript" or "torch.export", as far as the workload offers them.

        Returns:
            The file and how far its outputs differ from the model's; the workload has compared them.

        Raises:
            Refused: The workload cannot export in this format, or the folder has files of something else.
            Unavailable: The recipe or the checkpoint is not one of the workload.
            BadWorkload: The workload has no function `export`.
        """
        workload, recipe, out = self.workload, self._validated(), Path(folder).expanduser()
        require_writable(out)
        require_export_folder(out, self._trained)
        out.mkdir(parents=True, exist_ok=True)
        with _refusals():
            exported = workload.export(recipe, self.checkpoints[0], self._site(), format, out)
        write_atomic(out / RECIPE, recipe_text(self.recipe))
        write_atomic(out / CLASSES, "".join(f"{one_line(name)}\n" for name in exported.names))
        write_atomic(out / CARD, card(self._trained, exported))
        return exported

    def _validated(self) -> Any:
        """The recipe as the workload's own type. Raises Unavailable where it is none any more."""
        workload = self.workload
        try:
            return workload.schema.validate(self.recipe)
        except (BadRecipe, ValueError) as error:
            raise Unavailable(
                f"{self.origin}: its recipe.yaml is not a recipe of the workload {workload.name}: {error}; "
                f"restore the file or the workload's code, or name another run"
            ) from None

    def _site(self) -> Site:
        # This machine, on which the model was not necessarily trained.
        folder = environment.data_dir(Path(self._data_dir) if self._data_dir is not None else None)
        return Site(folder, device_for_use(self._trained.results.study))

    def __repr__(self) -> str:
        return f"<{self.description}>"


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn a workload's ValueError, for data or a format that it cannot handle, into an error of the user's."""
    try:
        yield
    except ValueError as error:
        raise Refused(str(error)) from error
