"""The toy workload: a noisy quadratic that diverges, raises, dies, hangs or runs out of memory on demand.

It appends every finished epoch to `epochs.txt` in the data folder; tests compare this file with the storage.
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
from typing import Any, BinaryIO

import numpy as np

from sweeps.workload import DeviceLost, Prepared, Run, Site, Unavailable

device_lost = (
    False  # from the fault "lost" on, every run of this process fails, as after an error inside a GPU's kernel
)


class OutOfMemory(MemoryError):
    """A device's out-of-memory error, with the peak."""


@dataclass(frozen=True)
class Net:
    """A network of `depth` layers of `width` units."""

    width: int = 8
    depth: int = 2
    act: str = "relu"
    blocks: tuple[int, ...] = (1, 1)


@dataclass(frozen=True)
class Toy:
    """The toy's recipe; its accuracy peaks at lr = 0.1.

    Attributes:
        fault: The fault to simulate from epoch `fault_epoch` on; see `_go_wrong`.
        wait_for: A file in the data folder; epochs from `wait_from` on do not end before it exists.
        pause: Seconds that each epoch takes.
        handicap: Points of accuracy to subtract.
        meet: How many runs must be inside their first epoch together before one of them ends.
        spread: Standard deviation between seeds, in points of accuracy.
        ballast: Additional bytes of a checkpoint.
        saves: How often each epoch's checkpoint is saved; later saves replace the first.
        beside: Whether the state is handed over with `Run.save`, to be written beside the training.
    """

    lr: float = 0.05
    epochs: int = 4
    momentum: float = 0.9
    net: Net = field(default_factory=Net)
    fault: str = ""
    fault_epoch: int = 2
    wait_for: str = ""
    wait_from: int = 1
    pause: float = 0.0
    data: str = ""
    handicap: float = 0.0
    unused: int = 0
    meet: int = 0
    spread: float = 0.0
    ballast: int = 0
    saves: int = 1
    beside: bool = False


def train(recipe: Toy, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield `val_accuracy` and `train_loss` after each epoch."""
    _require_device()
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
        if recipe.beside:
            run.save("state.json", {**state, "ballast": " " * recipe.ballast}, _dump)
            continue
        for _ in range(recipe.saves):
            with run.checkpoint() as folder:
                (folder / "state.json").write_text(json.dumps(state))
                if recipe.ballast:
                    (folder / "ballast").write_bytes(bytes(recipe.ballast))


def _dump(state: Mapping[str, Any], file: BinaryIO) -> None:
    file.write(json.dumps(state).encode())


def evaluate(recipe: Toy, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield the metrics of the test set and of each entry, each a point lower; log the opening in `opened.txt`."""
    run.require("test")
    _require_device()
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
    """Accept any name that begins with "shifted"."""
    if not isinstance(entry, str) or not entry.startswith("shifted"):
        raise ValueError(f"unknown set {entry!r}; valid: shifted, shifted-NAME")
    return [entry]


def percentages() -> list[str]:
    """Return the metrics in percent."""
    return ["accuracy"]


def scale(recipe: Toy, factor: float) -> dict[str, Any]:
    """Return the width times `factor`."""
    return {"net.width": max(1, round(recipe.net.width * factor))}


def cost(recipe: Toy) -> dict[str, int]:
    """Return the counts of a stack of square layers."""
    if recipe.net.width > 1024:
        raise ValueError(f"a layer of {recipe.net.width} units does not fit")
    parameters = recipe.net.width**2 * recipe.net.depth
    return {"parameters": parameters, "trainable_parameters": parameters, "macs": parameters}


def toggles() -> dict[str, dict[str, Any]]:
    """Return the components that can be removed."""
    return {"relu": {"net.act": "identity"}, "momentum": {"momentum": 0.0}, "depth": {"net.depth": 1}}


def prepare(recipe: Toy, site: Site) -> Prepared:
    """Return the name of the data as its fingerprint; raise Unavailable for "missing"."""
    if recipe.data == "missing":
        raise Unavailable(f"no data in {site.data_dir}; put it there or give --data-dir")
    return Prepared(provenance={"fingerprint": recipe.data or "toy"})


def check_test_data(recipe: Toy, site: Site) -> list[str]:
    """Return the text of `test.txt` in the data folder, if any; refuse a test set that is "missing" or "broken"."""
    file = site.data_dir / "test.txt"
    state = file.read_text() if file.exists() else ""
    if state == "missing":
        raise Unavailable(f"no test set in {site.data_dir}")
    if state == "broken":
        raise ValueError(f"{site.data_dir}: labels must be 0 to 9 but are 1 to 10")
    return [state] if state else []


def chance(recipe: Toy) -> dict[str, float]:
    """Return the accuracy at chance level."""
    return {"val_accuracy": 10.0}


def smoke(recipe: Toy) -> dict[str, Any]:
    """Return one epoch."""
    return {"epochs": 1}


def _accuracy(recipe: Toy, run: Run, loss: float) -> float:
    """Return an accuracy that peaks at lr = 0.1, with noise per split, and a tenth of it per seed and recipe."""
    if not recipe.spread:
        return 100 * math.exp(-loss) - recipe.handicap
    shared = np.random.default_rng(run.split_seed % 2**32).normal(0, recipe.spread)
    recipe_key = repr((recipe.lr, recipe.momentum, recipe.handicap, recipe.unused, recipe.net))
    separate = np.random.default_rng([run.seed, zlib.crc32(recipe_key.encode())]).normal(0, recipe.spread / 10)
    return 100 * math.exp(-loss) - recipe.handicap + shared + separate


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
    if fault == "lost always" or (fault == "lost" and not (run.folder / "lost").exists()):
        (run.folder / "lost").touch()
        _lose_device()
    if fault == "die always" or (fault == "die" and not (run.folder / "died").exists()):
        (run.folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "signal" and not (run.folder / "signalled").exists():
        (run.folder / "signalled").touch()
        os.kill(os.getpid(), signal.SIGTERM)
    if fault == "replaced" and not (run.folder / "signalled").exists():
        (run.folder / "signalled").touch()
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            threading.Event().wait()
        except BaseException as error:
            raise ImportError("C code that was importing put its own error in place of the interruption") from error
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


def _lose_device() -> None:
    global device_lost
    device_lost = True
    _require_device()


def _require_device() -> None:
    if device_lost:
        raise DeviceLost("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA")


def _mismeasure(fault: str, measured: dict[str, float]) -> dict[str, float]:
    """Return the metrics of a faulty evaluation; none if the set is left out."""
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
    """Pause, then block until the file `wait_for` exists."""
    pause = threading.Event()
    pause.wait(recipe.pause)
    while recipe.wait_for and run.epoch + 1 >= recipe.wait_from and not (run.data_dir / recipe.wait_for).exists():
        pause.wait(0.02)
    if recipe.meet and not run.epoch:
        _meet(recipe.meet, run, pause)


def _meet(runs: int, run: Run, pause: threading.Event) -> None:
    """Block until all runs of this one's group are here; groups are `runs` consecutive numbers of a stage."""
    place, number = run.data_dir / "met" / run.folder.parent.name, int(run.folder.name)
    place.mkdir(parents=True, exist_ok=True)
    (place / run.folder.name).touch()
    first = number - number % runs
    while not all((place / f"{other:04d}").exists() for other in range(first, first + runs)):
        pause.wait(0.02)
