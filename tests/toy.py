"""A hostile workload: a noisy quadratic that diverges, raises, dies, hangs or runs out of memory on demand.

Every epoch it finishes is appended to `epochs.txt` in the data folder: the acknowledgement that tests compare with the
storage.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sweeps.workload import Prepared, Run, Site, Unavailable


class OutOfMemory(MemoryError):
    """A device's, which says how much it took."""


@dataclass(frozen=True)
class Net:
    """A net of `depth` layers of `width` units."""

    width: int = 8
    depth: int = 2
    act: str = "relu"
    blocks: tuple[int, ...] = (1, 1)


@dataclass(frozen=True)
class Toy:
    """Accuracy peaks at lr = 0.1; `fault` names what goes wrong in epoch `fault_epoch`."""

    lr: float = 0.05
    epochs: int = 4
    momentum: float = 0.9
    net: Net = field(default_factory=Net)
    fault: str = ""
    fault_epoch: int = 2
    wait_for: str = ""  # a file in the data folder without which epochs, from this one on, do not end
    wait_from: int = 1
    pause: float = 0.0  # seconds that an epoch takes
    data: str = ""
    handicap: float = 0.0  # points of accuracy that a part costs
    unused: int = 0
    meet: int = 0  # how many runs must be inside their first epoch at once before one of them ends
    spread: float = 0.0  # how far the seeds lie apart, in points
    ballast: int = 0  # bytes that a checkpoint takes besides its few
    saves: int = 1  # how often each epoch's state is saved, the later times over the first


def train(recipe: Toy, run: Run) -> Iterator[Mapping[str, float]]:
    """Yields `val_accuracy` and `train_loss` once per epoch."""
    state = json.loads((run.restored / "state.json").read_text()) if run.restored else {"epoch": 0, "sum": 0.0}
    for epoch in range(state["epoch"] + 1, recipe.epochs + 1):
        noise = np.random.default_rng([run.seed, epoch]).normal(0, 0.01)
        state = {"epoch": epoch, "sum": state["sum"] + noise}
        loss = (math.log10(recipe.lr) + 1) ** 2 + abs(state["sum"])
        metrics = {"val_accuracy": _accuracy(recipe, run, loss) * epoch / recipe.epochs, "train_loss": loss}
        if run.final:
            metrics = {"train_loss": loss}
        if recipe.fault and epoch >= recipe.fault_epoch:
            metrics = _go_wrong(recipe.fault, metrics, run)
        _wait(recipe, run)
        run.data_dir.mkdir(parents=True, exist_ok=True)
        with (run.data_dir / "epochs.txt").open("a") as file:
            file.write(f"{run.folder.name} {epoch}\n")
        yield metrics
        for _ in range(recipe.saves):
            with run.checkpoint() as folder:
                (folder / "state.json").write_text(json.dumps(state))
                if recipe.ballast:
                    (folder / "ballast").write_bytes(bytes(recipe.ballast))


def evaluate(recipe: Toy, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The test set, and a shifted set a point below it for each entry. What was opened is written down."""
    run.require("test")
    assert run.restored is not None
    if recipe.fault == "no model":
        raise RuntimeError("the model cannot be read")
    with (run.data_dir / "opened.txt").open("a") as file:
        file.write(f"{run.folder.name}\n")
    state = json.loads((run.restored / "state.json").read_text())
    loss = (math.log10(recipe.lr) + 1) ** 2 + abs(state["sum"])
    for place, name in enumerate(("test", *entries)):
        measured = {"accuracy": _accuracy(recipe, run, loss) - place, "loss": loss}
        if measured := _mismeasure(recipe.fault, measured):
            yield name, measured


def evaluations(recipe: Toy, entry: Any) -> list[str]:
    """A shifted set has any name that begins so."""
    if not isinstance(entry, str) or not entry.startswith("shifted"):
        raise ValueError(f"unknown set {entry!r}; valid: shifted, shifted-NAME")
    return [entry]


def scale(recipe: Toy, factor: float) -> dict[str, Any]:
    """The width times `factor`."""
    return {"net.width": max(1, round(recipe.net.width * factor))}


def cost(recipe: Toy) -> dict[str, int]:
    """Counts as of a stack of square layers."""
    if recipe.net.width > 1024:
        raise ValueError(f"a layer of {recipe.net.width} units does not fit")
    parameters = recipe.net.width**2 * recipe.net.depth
    return {"parameters": parameters, "trainable_parameters": parameters, "macs": parameters}


def toggles() -> dict[str, dict[str, Any]]:
    """Parts that can be removed."""
    return {"relu": {"net.act": "identity"}, "momentum": {"momentum": 0.0}, "depth": {"net.depth": 1}}


def prepare(recipe: Toy, site: Site) -> Prepared:
    """The toy's data is its name; "missing" is missing."""
    if recipe.data == "missing":
        raise Unavailable(f"no data in {site.data_dir}; put it there or give --data-dir")
    return Prepared(provenance={"fingerprint": recipe.data or "toy"})


def chance(recipe: Toy) -> dict[str, float]:
    """What guessing reaches."""
    return {"val_accuracy": 10.0}


def smoke(recipe: Toy) -> dict[str, Any]:
    """One epoch."""
    return {"epochs": 1}


def _accuracy(recipe: Toy, run: Run, loss: float) -> float:
    """Peaks at lr = 0.1, less the handicap; splits and seeds lie apart, and so do recipes, a tenth as far."""
    if not recipe.spread:
        return 100 * math.exp(-loss) - recipe.handicap
    shared = np.random.default_rng(run.split_seed % 2**32).normal(0, recipe.spread)
    told_apart = repr((recipe.lr, recipe.momentum, recipe.handicap, recipe.unused, recipe.net))
    own = np.random.default_rng([run.seed, zlib.crc32(told_apart.encode())]).normal(0, recipe.spread / 10)
    return 100 * math.exp(-loss) - recipe.handicap + shared + own


def _go_wrong(fault: str, metrics: dict[str, float], run: Run) -> dict[str, float]:
    if fault == "raise":
        raise RuntimeError("<b>the toy broke</b>")
    if fault == "exit":
        raise SystemExit(3)
    if fault == "peek" or (fault == "peek later" and run.split_seed):  # only replicates have a split of their own
        run.require("test")
    if fault == "memory":
        raise MemoryError("the toy is too large")
    if fault == "device memory":
        raise OutOfMemory("peak 7.1 of 8.0 GiB; batch_size 64 would fit\nwhat was allocated, line by line")
    if fault == "crowded" and not (run.folder / "crowded").exists():
        (run.folder / "crowded").touch()
        raise MemoryError("beside others the toy is too large")
    if fault == "die always" or (fault == "die" and not (run.folder / "died").exists()):
        (run.folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "signal" and not (run.folder / "signalled").exists():
        (run.folder / "signalled").touch()
        os.kill(os.getpid(), signal.SIGTERM)
    if fault == "hang":
        threading.Event().wait()
    if fault == "nan":
        return {**metrics, "train_loss": math.nan}
    if fault == "inf":
        return {**metrics, "val_accuracy": math.inf}
    if fault == "text":
        return {**metrics, "val_accuracy": "high"}  # type: ignore[dict-item]
    if fault == "nothing":
        return {}
    return metrics


def _mismeasure(fault: str, measured: dict[str, float]) -> dict[str, float]:
    """What an evaluation that goes wrong gives instead; nothing for a set that it leaves out."""
    if fault == "sets left out":
        return {}
    if fault == "accuracy left out":
        return {"loss": measured["loss"]}
    if fault == "accuracy nan":
        return {**measured, "accuracy": math.nan}
    if fault == "test loss nan":
        return {**measured, "loss": math.nan}
    return measured


def _wait(recipe: Toy, run: Run) -> None:
    """Block until the file that the test holds back is there."""
    pause = threading.Event()
    pause.wait(recipe.pause)
    while recipe.wait_for and run.epoch + 1 >= recipe.wait_from and not (run.data_dir / recipe.wait_for).exists():
        pause.wait(0.02)
    if recipe.meet and not run.epoch:
        _meet(recipe.meet, run, pause)


def _meet(runs: int, run: Run, pause: threading.Event) -> None:
    """Block until the run's turn of `runs` has come together: those of one stage, in the order of their numbers."""
    place, number = run.data_dir / "met" / run.folder.parent.name, int(run.folder.name)
    place.mkdir(parents=True, exist_ok=True)
    (place / run.folder.name).touch()
    first = number - number % runs
    while not all((place / f"{other:04d}").exists() for other in range(first, first + runs)):
        pause.wait(0.02)
