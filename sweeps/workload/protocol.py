"""The values that a workload and the engine exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sweeps.artifacts.references import Saved, find
from sweeps.duplicates.hashes import ImageHashes as ImageHashes
from sweeps.io.errors import UserError

Metrics = Mapping[str, float]
"""The metrics of one epoch, or of one labelled set, by name: plain numbers, or percentages (`Workload.percentages`)."""

GPU_MEMORY = "gpu_memory_mib"
"""The metric by which a workload may report the most GPU memory that a trial has held so far, in MiB. `sweep plan` and
the tables of a report show it; on a CPU it is left out."""


class BadWorkload(UserError):
    """There is no workload of this name, or it lacks a function that was asked of it."""


@dataclass(frozen=True)
class Site:
    """The machine and the folders of a study, for what a workload does outside training.

    Attributes:
        data_dir: The folder with the data sets.
        device: The kind of device of the trials, "cpu", "cuda" or "mps".
        runs_dir: The folder of all studies; None where no model of another study can be found.
        evaluate: The entries of the study's `evaluate`: the further labelled sets that the stage final will open.
        share: The fraction of the device's memory for one trial, above 0 and at most 1.
        measure: Whether `prepare` may train to find settings. If not, it leaves unmeasured what takes training to find.
        begun: Whether an earlier run of the study has settled its settings. They stay: what `prepare` returns as
            settings then is not used.
    """

    data_dir: Path
    device: str
    runs_dir: Path | None = None
    evaluate: tuple[Any, ...] = ()
    share: float = 1.0
    measure: bool = True
    begun: bool = False

    def saved(self, reference: str) -> Saved:
        """Return the model of a trial of another study, as `Run.saved` does.

        Raises:
            Unavailable: There is no such trial, or it has no intact checkpoint.
        """
        return find(self.runs_dir, reference)


@dataclass(frozen=True)
class Prepared:
    """The result of `prepare`, once per study.

    Attributes:
        settings: Settings of the recipe resolved for this machine (such as `precision: auto`), by dotted key. All
            trials of the study use them.
        provenance: The description of the data in the report, as JSON: fingerprint, sizes, classes. The `fingerprint`
            identifies the data. With `validation_images`, the number of validation images, the resolution of a metric
            in percent is known (docs/evidence.md, "Ties").
        notes: How settings were measured; one line each, shown to the user.
        data_notes: What the user should know about the data, such as how many files were not read; one line each,
            shown at every start.

    Example:
        >>> prepared = Prepared({"precision": "bf16"}, {"fingerprint": "9f3c", "train_images": 45_000})
        >>> prepared.provenance["train_images"]
        45000
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    data_notes: Sequence[str] = ()


@dataclass(frozen=True)
class DataFile:
    """A file, or a folder, that a data set is read from.

    Attributes:
        path: Where it is, or has to be.
        problem: What is wrong with it, in words that follow the path: "is missing". "" where it is complete.
    """

    path: Path
    problem: str = ""


@dataclass(frozen=True)
class DataFiles:
    """The files of a data set.

    Attributes:
        files: The files; empty where the data needs none.
        source: Where they come from, and where they have to be.
    """

    files: Sequence[DataFile]
    source: str


@dataclass(frozen=True)
class DuplicatePolicy:
    """What becomes of training images that are test images too: the result of `duplicate_policy`.

    Attributes:
        choice: "refuse": no trial is begun. "drop": the workload trains without these images. "keep": the workload
            trains with them, and the figures of the stage final are shown with and without the test images.
        key: The setting of the recipe that decides this, by dotted key, for the message that refuses; empty if there is
            none.
        together: Whether duplicates within training stay on one side of every split into training and validation.
    """

    choice: Literal["keep", "drop", "refuse"] = "refuse"
    key: str = ""
    together: bool = False


@dataclass(frozen=True)
class Predictions:
    """The predicted classes of unlabelled examples.

    Attributes:
        ids: The names of the N examples, shape (N,).
        labels: The index of the predicted class of each, shape (N,), from 0 to K - 1.
        names: The names of the K classes, shape (K,).
        warnings: How the examples differ from those that the models were trained on; one sentence each.
    """

    ids: Sequence[str]
    labels: Sequence[int]
    names: Sequence[str]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Exported:
    """A model in a file for other programs.

    Attributes:
        file: The file.
        contract: The inputs and outputs of the model, one line each: names, shapes, units.
        example: Code that loads the file.
        names: The names of the K classes, shape (K,).
        difference: The largest difference between the outputs of the file, loaded again, and those of the model.
        tolerance: The largest difference that is allowed.
        unit: The unit of `difference` and `tolerance`.
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
    """The result of `tune_batch` or `tune_lr`.

    Attributes:
        settings: The settings that were found, by dotted key; empty if none was.
        rows: The measurements, as the rows of a table: column -> value.
        note: One sentence for the user on what the settings are good for, and what they are not.
    """

    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    note: str


@dataclass(frozen=True)
class Sharing:
    """The result of `gpu_share`.

    Attributes:
        copies: The number of trials, each a process of its own, to run on one GPU at a time.
        rows: The measurements, as the rows of a table: column -> value.
        note: One line for the user on how the number was found.
    """

    copies: int
    rows: Sequence[Mapping[str, Any]]
    note: str
