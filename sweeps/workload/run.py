"""The object that a workload trains one trial with: seeds, data access, checkpoints and artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.confusion import Confusion, write_confusion
from sweeps.artifacts.layout import CHECKPOINT, append_log
from sweeps.artifacts.references import Saved, find
from sweeps.workload.checkpoints import CheckpointWriter, State

T = TypeVar("T")


class Preempted(BaseException):
    """Ends a run that has just saved a checkpoint, because the study is to stop or other runs come first.

    A workload must let it pass; the run continues later from the checkpoint. It is not an `Exception`, so that
    `except Exception` lets it pass.
    """


class DeviceLost(Exception):
    """The device of a run failed in such a way that this process can never use it again.

    A workload raises it for what CUDA calls a sticky error (an illegal memory access, a failed assertion on the device,
    an uncorrectable memory error), not for a device that is full. No other run is then started in this process: it
    ends, and the run continues once from its latest checkpoint in a new process. A run to which it happens again has
    failed.

    Example:
        try:
            loss = step(batch)
        except RuntimeError as error:
            if "an illegal memory access was encountered" in str(error):
                raise DeviceLost(str(error)) from error
            raise
    """


@dataclass
class Run:
    """One training, or one evaluation, of a workload.

    Attributes:
        seed: The seed of initialisation, data order, augmentation and dropout. Derive seeds for each purpose with
            `sweeps.workload.stream`.
        split_seed: The seed of the split into training and validation data.
        device: "cpu", "cuda" or "mps".
        data_dir: The folder with the data sets.
        folder: The folder of the trial.
        access: The parts of the data that the run may read: "train", "validation", "test".
        final: Whether to train on training and validation data together. Nothing is held out then, so `train` yields no
            metric that starts with `val_`.
        restored: The folder of the newest intact checkpoint, with the files that the workload saved; None at the start.
        epoch: The number of epochs finished so far. The engine increments it for each mapping that `train` yields.
        refused: The epochs of newer checkpoints that are damaged and therefore not used.
        runs_dir: The folder of all studies, in which `saved` looks for models.
        stop_file: Where this file exists, the run saves its state and ends at the next call of `save` or `checkpoint`.
        until: From this epoch on, the run ends at any such call.
        on_saved: Called at each such call, before the run may end.
        checkpoint_every: Seconds of training between two states that `save` saves beside the training; 0 saves each
            one. None, as in a run without the engine, saves each one before `save` returns.
        share: The fraction of the device's memory for this run, above 0 and at most 1.
        keeps_predictions: Whether a workload that can should call `record_predictions`. The engine sets it for
            replicates and evaluations, not for trials of a search.
    """

    seed: int
    split_seed: int
    device: str
    data_dir: Path
    folder: Path
    access: frozenset[str] = frozenset({"train", "validation"})
    final: bool = False
    restored: Path | None = None
    epoch: int = 0
    refused: tuple[int, ...] = ()
    runs_dir: Path | None = None
    stop_file: Path | None = None
    until: int | None = None
    on_saved: Callable[[], None] | None = None
    keeps_predictions: bool = False
    share: float = 1.0
    checkpoint_every: float | None = None
    _writer: CheckpointWriter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._writer = CheckpointWriter(CheckpointFolder(self.folder / CHECKPOINT), self.checkpoint_every or 0.0)

    def require(self, *parts: str) -> None:
        """Check that the run may read parts of the data. Call it before opening a file of them.

        Args:
            *parts: "train", "validation" or "test".

        Raises:
            PermissionError: The run may not read one of the parts.
        """
        denied = [part for part in parts if part not in self.access]
        if denied:
            raise PermissionError(f"this run may not read the {denied[0]} part, only {', '.join(sorted(self.access))}")

    def save(
        self,
        name: str,
        state: T,
        dump: Callable[[T, BinaryIO], None],
        *,
        copy: Callable[[T], T] = deepcopy,
        last: bool | None = None,
    ) -> None:
        """Hand over the state after an epoch; it becomes the newest checkpoint of the trial where that is due.

        Call it after each epoch, once its metrics were yielded, so that they are recorded first. Most calls save
        nothing: the study's `checkpoint_every` says how much training a kill may repeat. A state that is due is copied
        before the call returns, and written by a thread while training goes on. The last epoch, a pause and a request
        to stop are saved in any case, before the trial ends or leaves.

        The state must hold all that a resumed run needs to go on as if it had not stopped: weights, optimiser,
        schedule, epoch, generators. After a kill at any moment, the newest checkpoint is a whole one, and the metrics
        of the epochs that are trained again are recorded once.

        Args:
            name: The name of the file in the folder that `restored` will be.
            state: What to save: the objects themselves, no copies. After the last epoch they must not change any more.
            dump: Writes a state into a binary file, from the beginning to the end, as `torch.save`, `pickle.dump` and
                `joblib.dump` do. It is called in another thread.
            copy: Returns a copy that does not change when training goes on. The default copies all that the state
                refers to, tensors of a GPU within its memory.
            last: Whether this was the last epoch. None: the engine finds out when `train` ends, and keeps a reference
                to the state until then.

        Raises:
            Preempted: The state is saved, and the run is to end.
            Unwritable: The disk is full or read-only; perhaps found by the thread since the last call.

        Example:
            yield {"val_accuracy": accuracy}
            state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
            run.save("state.pt", state, torch.save)
        """
        handed_over, ends = State(self.epoch, name, state, dump), self._is_to_end()
        if ends or last or self.checkpoint_every is None:
            self._writer.save(handed_over)
        else:
            self._writer.offer(handed_over, copy, keep=last is None)
        self._progress(ends)

    @contextmanager
    def checkpoint(self) -> Iterator[Path]:
        """Yield an empty folder that becomes the newest checkpoint of the trial when the block ends.

        It saves at each call, and training waits for it: for a state of several files. `save` costs less. Call it after
        the metrics of the epoch were yielded, so that they are recorded first. The files are flushed to disk and
        hashed, and the folder is renamed into place: after a kill at any moment, the newest checkpoint is either the
        previous one or this one. The last two are kept.

        Raises:
            Preempted: After the checkpoint is saved, where the run is to end.
            Unwritable: The disk is full or read-only.

        Example:
            yield {"val_accuracy": accuracy}
            with run.checkpoint() as folder:
                torch.save({"epoch": epoch, "model": model.state_dict()}, folder / "state.pt")
        """
        self._writer.wait()
        with CheckpointFolder(self.folder / CHECKPOINT).save(self.epoch) as folder:
            yield folder
        self._progress(self._is_to_end())

    def finish(self) -> None:
        """Save the state of the last epoch, if it is not saved, and wait for the disk. The engine calls it.

        Raises:
            Unwritable: The disk is full or read-only.
        """
        self._writer.finish(self.epoch)

    def close(self) -> None:
        """Wait until nothing is written any more, whatever has ended the training. The engine calls it."""
        self._writer.close()

    def _is_to_end(self) -> bool:
        """Whether the run is to end where its state is saved: it has reached a pause, or the study is to stop."""
        paused = self.until is not None and self.epoch >= self.until
        return paused or (self.stop_file is not None and self.stop_file.exists())

    def _progress(self, ends: bool) -> None:
        if self.on_saved is not None:
            self.on_saved()  # before the run may end: a checkpoint is progress for the watchdog
        if ends:
            raise Preempted

    def record_confusion(self, set_name: str, names: Iterable[Any], counts: Iterable[Iterable[Any]]) -> None:
        """Save the confusion matrix of a labelled set, for the report.

        Args:
            set_name: "validation", "test", or the name of a further set. A later call for the same set replaces the
                matrix.
            names: The names of the K classes.
            counts: Numbers of examples, shape (K, K), by true class (row) and predicted class (column).

        Raises:
            ValueError: There is not one row and one column for each name, or a count is negative.
        """
        write_confusion(self.folder, set_name, Confusion.of(names, counts))

    def record_predictions(
        self,
        set_name: str,
        *,
        images: Any,
        labels: Any,
        predicted: Any,
        top_probability: Any,
        label_log_probability: Any,
        logits: Any = None,
    ) -> None:
        """Save the prediction for each image of a labelled set, for comparisons image by image.

        Call it where `keeps_predictions` is true, with the network that the last metrics are of.

        Args:
            set_name: "validation", "test", or the name of a further set. A later call for the same set replaces them.
            images: The index of each image in its part of the data, shape (N,): for "validation" in the training
                images, so that an image has the same index in every split; else in the set.
            labels: The true classes, shape (N,).
            predicted: The most probable classes, shape (N,).
            top_probability: The probabilities of the predicted classes, shape (N,).
            label_log_probability: The natural logarithms of the probabilities of the true classes, shape (N,).
            logits: Logits, shape (N, K), where they are to be kept; they are stored in 16 bits.

        Raises:
            ValueError: The arrays do not fit each other, or are too large to keep.
        """
        from sweeps.artifacts.predictions import ImagePredictions, write_predictions  # loads NumPy

        made = ImagePredictions.of(images, labels, predicted, top_probability, label_log_probability, logits)
        write_predictions(self.folder, set_name, made)

    def saved(self, reference: str) -> Saved:
        """Return the model of a trial of another study.

        Args:
            reference: "STUDY:NUMBER" for a trial of the search, "STUDY:STAGE/NUMBER" for a run of another stage.

        Returns:
            The checkpoint folder and the recipe that the model was trained with.

        Raises:
            Unavailable: There is no such trial, or it has no intact checkpoint.

        Example:
            teacher = run.saved("r7:3")
            state = torch.load(teacher.folder / "state.pt")
        """
        return find(self.runs_dir, reference)

    def log(self, text: str) -> None:
        """Append a line to `log.txt` in the trial's folder."""
        append_log(self.folder, text)
