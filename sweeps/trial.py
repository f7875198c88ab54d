"""The nouns of a run: what a trial is, how it ended, and what its workload holds while it trains."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sweeps.checkpoint import CheckpointFolder
from sweeps.confusion import Confusion, write_confusion
from sweeps.saved import Saved, find


class Status(StrEnum):
    """How a trial stands. Every status but RUNNING is final."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"  # stopped by early termination
    DIVERGED = "diverged"  # NaN or infinity in its metrics
    OUT_OF_MEMORY = "out_of_memory"
    REJECTED = "rejected"  # over a constraint or not buildable: never trained
    DUPLICATE = "duplicate"  # the sampler repeated a configuration: never trained
    FAILED = "failed"  # a machine or a bug
    ABANDONED = "abandoned"  # half-sampled when the driver died: never trained

    @property
    def counted(self) -> bool:
        """Whether a trial of this status counts towards `run_cap`."""
        return self in _COUNTED

    @property
    def told(self) -> str:
        """The state that Optuna is told: TPE ignores FAIL and would come back to the same place, so what the
        configuration is to blame for is PRUNED.
        """
        return _TOLD.get(self, "PRUNED")


_TOLD = {
    Status.RUNNING: "RUNNING",
    Status.COMPLETE: "COMPLETE",
    Status.FAILED: "FAIL",
    Status.DUPLICATE: "FAIL",
    Status.ABANDONED: "FAIL",
}
_COUNTED = frozenset({Status.COMPLETE, Status.PRUNED, Status.DIVERGED, Status.OUT_OF_MEMORY})


@dataclass(frozen=True)
class Outcome:
    """How a trial ended, and why in one line (empty when it completed)."""

    status: Status
    reason: str = ""
    details: str = ""  # a traceback, for the trial's log


@dataclass(frozen=True)
class Trial:
    """One configuration of a study and what became of it.

    `parameters` holds the searched settings by dotted key; `curve` the study's metric by epoch, counted from 1;
    `cost` the workload's counts (`parameters`, `trainable_parameters`, `macs`); `seconds` the time that the trial
    held its device. A replicate (a run of confirm, ablation or final) names its arm in `variant` and its place among
    the stage's seeds, from 0, in `replicate`; `recipe` is the digest of its resolved settings. `metrics` holds, in the
    stage final, what each labelled set gave. `source` names the finished run (study/stage/number) that the result
    cache took the figures from; `key` is the name under which that cache knows a run.
    """

    number: int
    stage: str
    status: Status
    parameters: Mapping[str, Any]
    value: float | None = None
    curve: Mapping[int, float] = field(default_factory=dict)
    cost: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    seed: int = 0
    seconds: float = 0.0
    started: datetime | None = None
    finished: datetime | None = None
    variant: str = ""
    replicate: int | None = None
    recipe: str = ""
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    source: str = ""
    key: str = ""
    trained: int = 0  # epochs of a run of the stage final, whose curve is empty: nothing is held out
    deaths: int = 0  # how many times the process that it was trained in died under it
    drift: int = 0  # how many changes of code, data, library or study file had been accepted when it began

    @property
    def epochs(self) -> int:
        """Epochs trained and recorded."""
        return max(self.curve, default=self.trained)

    @property
    def figure(self) -> float | None:
        """The metric that the run counts with in a comparison of arms: its value or, where it diverged, chance.

        None for a run that has not ended, or of which a machine left no figure.
        """
        if self.status is Status.DIVERGED and self.curve:
            return self.curve[max(self.curve)]
        return self.value if self.status is Status.COMPLETE else None


def stream(seed: int, *path: object) -> int:
    """A seed in [0, 2**63) for one purpose: streams of different `path` are disjoint, equal paths give equal seeds."""
    text = "/".join(map(str, (seed, *path)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Leave(BaseException):
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
            raise Leave
        if self.stop_file is not None and self.stop_file.exists():
            raise Leave

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
