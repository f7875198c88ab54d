"""What a workload holds while it trains one trial."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.confusion import Confusion, write_confusion
from sweeps.artifacts.references import Saved, find


class Preempted(BaseException):
    """Ends a run that has just saved its state: its study is to end, or others come first. Workloads let it pass."""


@dataclass
class Run:
    """What a workload holds while it trains one trial.

    `seed` feeds initialisation, data order, augmentation and dropout; `split_seed` the train/validation split.
    `device` is "cpu" or "cuda". `access` names the parts of the data that this run may read: "train", "validation",
    "test". `final` asks to train on train and validation together, so that nothing is held out and no `val_` metric is
    yielded. `restored` is the folder of the latest intact checkpoint, or None at a fresh start; `epoch` counts the
    epochs finished so far, `refused` are those of newer checkpoints that are damaged. `runs_dir` is the folder of all
    studies, in which `saved` finds trials of others. Where `stop_file` exists, the run ends with its next checkpoint;
    from epoch `until` on, with any.
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

    def require(self, *parts: str) -> None:
        """Raise PermissionError unless this run may read these parts of the data."""
        denied = [part for part in parts if part not in self.access]
        if denied:
            raise PermissionError(f"this run may not read the {denied[0]} part, only {', '.join(sorted(self.access))}")

    @contextmanager
    def checkpoint(self) -> Iterator[Path]:
        """A fresh folder to save the state in; when the block ends it becomes the trial's latest checkpoint.

        Files are flushed to disk, hashed and renamed into place, so a kill at any moment leaves either the previous
        checkpoint or the new one. The last two are kept. Raises Leave afterwards where the study is to end now or the
        run is to wait for others, Unwritable where there is no room.
        """
        with CheckpointFolder(self.folder / "checkpoint").save(self.epoch) as folder:
            yield folder
        if self.on_saved is not None:
            self.on_saved()
        if self.until is not None and self.epoch >= self.until:
            raise Preempted
        if self.stop_file is not None and self.stop_file.exists():
            raise Preempted

    def record_confusion(self, set_name: str, names: Iterable[Any], counts: Iterable[Iterable[Any]]) -> None:
        """Leave beside the trial's curve what is taken for what on a labelled set ("validation", "test", another).

        `counts` (K, K) are numbers of images by true class (row) and predicted class (column), `names` (K,) those of
        the classes. A later call for the same set replaces the earlier one. Raises ValueError for another shape.
        """
        write_confusion(self.folder, set_name, Confusion.of(names, counts))

    def saved(self, reference: str) -> Saved:
        """The model that a trial of another study left: `reference` is "STUDY:NUMBER" or "STUDY:STAGE/NUMBER".

        Raises Unavailable where there is no such trial, or it has no intact checkpoint.
        """
        return find(self.runs_dir, reference)

    def log(self, text: str) -> None:
        """Append a line to the trial's `log.txt`."""
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")
