"""Time that checkpoints add to training: each epoch waited for as it was, each epoch beside, and the default.

    python -m benchmarks.checkpoints [--epoch-s 0.3 3 30] [--rounds 5] [--out benchmarks/results/checkpoints]

One trainer of the image workload (ResNet [1,1,1,1] 64-512, SGD with momentum, a state of 37 MiB) trains units of a few
epochs on random images, as many as give epochs of the asked length. Each round has a unit for each way of saving, in
an order that turns: nothing saved; each epoch saved and waited for, as before (`torch.save`, read again to be hashed,
flushed); each epoch handed over with `checkpoint_every: 0`; one epoch of the unit handed over, as the default does
every 30 s. A unit ends when its states are on disk. What a way adds is the difference to the unit without a state in
the same round, by epoch, or for the default by 30 s of training, or an epoch if that is longer. Beside the wall time it
is given in processor time of the process, the thread that writes included: that is what training loses where no core is
idle, and it can be measured on a machine that is not.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import machine, machine_line, options, require_quiet, spread, write_result
from benchmarks.train_step import FACTS, MODELS
from cifar_sweep.device.host_copy import host_copy
from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import STATE, Trainer
from sweeps.artifacts.checkpoint import EVERY_S
from sweeps.workload import Run

MODEL = "ResNet [1,1,1,1] 64-512"
BATCH = 8
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "processor": time.process_time}
UNIT_S = 3.0  # seconds of a unit, unless its epochs are longer
NOTHING, WAITED, EACH, SELDOM = "nothing saved", "each epoch, waited for", "each epoch, beside", "every 30 s, beside"


def waited_for(trainer: Trainer, run: Run) -> None:
    """Save a state as it was done before there was `Run.save`."""
    with run.checkpoint() as folder:
        trainer.save(folder)


def beside(trainer: Trainer, run: Run) -> None:
    """Hand over a state, to be written while training goes on."""
    run.save(STATE, trainer.saved_state(), torch.save, copy=host_copy, last=False)


# Each way's function, and whether it is called after each epoch or after the first of a unit.
WAYS: dict[str, tuple[Callable[[Trainer, Run], None], bool] | None] = {
    NOTHING: None,
    WAITED: (waited_for, True),
    EACH: (beside, True),
    SELDOM: (beside, False),
}


def recipe_of(file: Path, images: int, model: Mapping[str, Any]) -> Recipe:
    """Return the recipe of epochs of `images` images."""
    return Recipe.model_validate(
        {
            "data": {"name": "npz", "path": str(file), "validation": 10, "train_limit": images, **FACTS},
            "model": {"name": "resnet", **model},
            "batch_size": BATCH,
            "epochs": 1_000_000,
            "optimizer": {"name": "sgd", "lr": 0.001},
        }
    )


def write_images(file: Path, count: int) -> None:
    """Write random images and labels."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count + 10, 32, 32, 3), np.uint8)
    labels = np.arange(count + 10) % 10
    np.savez(file, x_train=pixels, y_train=labels, x_test=pixels[:10], y_test=labels[:10])


def run_in(folder: Path) -> Run:
    """Return a run that saves beside the training each state that it is given."""
    folder.mkdir(exist_ok=True)
    return Run(seed=0, split_seed=0, device="cpu", data_dir=folder, folder=folder, checkpoint_every=0.0)


def unit_s(trainer: Trainer, run: Run, epochs: int, way: str) -> dict[str, float]:
    """Train `epochs` epochs, saving in this way; return the seconds until all is done, by clock."""
    saves = WAYS[way]
    began = {name: clock() for name, clock in CLOCKS.items()}
    with closing(run):
        for epoch in range(epochs):
            trainer.run_epoch()
            run.epoch += 1
            if saves is not None and (saves[1] or epoch == 0):
                saves[0](trainer, run)
    return {name: clock() - began[name] for name, clock in CLOCKS.items()}


def images_for(epoch_s: float, folder: Path, model: Mapping[str, Any]) -> int:
    """Return how many images make epochs of about `epoch_s` seconds: a multiple of the batch."""
    write_images(folder / "some.npz", 8 * BATCH)
    trainer = Trainer.start(recipe_of(folder / "some.npz", 8 * BATCH, model), run_in(folder / "some"))
    run = run_in(folder / "some")
    seconds = min(unit_s(trainer, run, 1, NOTHING)["processor"] for _ in range(3))
    return max(1, round(epoch_s / seconds * 8)) * BATCH


def measure(epoch_s: float, rounds: int, folder: Path, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seconds of each unit by way, and what each way adds in percent of the training."""
    images = images_for(epoch_s, folder, model)
    write_images(folder / "images.npz", images)
    trainer = Trainer.start(recipe_of(folder / "images.npz", images, model), run_in(folder / "start"))
    trainer.run_epoch()
    epochs, ways = max(1, round(UNIT_S / epoch_s)), list(WAYS)
    seconds: dict[str, dict[str, list[float]]] = {clock: {way: [] for way in ways} for clock in CLOCKS}
    for number in range(rounds):
        for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
            for clock, unit in unit_s(trainer, run_in(folder / way.replace(" ", "-")), epochs, way).items():
                seconds[clock][way].append(unit)
    state = next((folder / EACH.replace(" ", "-")).glob(f"checkpoint/*/{STATE}"))
    return {
        "images": images,
        "epochs_of_a_unit": epochs,
        "epoch_s": {clock: statistics.median(own[NOTHING]) / epochs for clock, own in seconds.items()},
        "state_mib": state.stat().st_size / 2**20,
        "seconds": seconds,
        "added_percent": {clock: added(own, epochs) for clock, own in seconds.items()},
    }


def added(seconds: Mapping[str, Sequence[float]], epochs: int) -> dict[str, list[float]]:
    """Return what each way adds to the training, in percent, by round."""
    percent: dict[str, list[float]] = {}
    for way in (WAITED, EACH, SELDOM):
        for own, plain in zip(seconds[way], seconds[NOTHING], strict=True):
            trained = max(EVERY_S, plain / epochs) if way == SELDOM else plain
            percent.setdefault(way, []).append(100 * (own - plain) / trained)
    return percent


def table(result: Mapping[str, Any]) -> str:
    """Return the medians as Markdown, a row per length of epochs."""
    lines = [
        f"Time that checkpoints add to the training of a {MODEL} on one thread in {result['precision']}, in percent of "
        f"the training; {result['rounds']} rounds of units in turn: median (range).",
        "",
        f"| clock | epoch, s | state, MiB | {WAITED} (before) | {EACH} (`checkpoint_every: 0`) | {SELDOM} (default) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in result["lengths"]:
        for clock in CLOCKS:
            cells = (spread(row["added_percent"][clock][way], ".2f") for way in (WAITED, EACH, SELDOM))
            epoch_s, state_mib = row["epoch_s"][clock], row["state_mib"]
            lines.append(f"| {clock} | {epoch_s:.2f} | {state_mib:.0f} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"`{result['command']}`. {machine_line(result['machine'])}"]) + "\n"


def main() -> None:
    """Measure every length of epochs."""
    parser: argparse.ArgumentParser = options(__doc__)
    parser.add_argument("--epoch-s", type=float, nargs="+", default=[0.3, 3.0, 30.0], help="seconds of an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where states are written, to measure a certain disk")
    chosen = parser.parse_args()
    busy = require_quiet(chosen.loaded)
    torch.set_num_threads(1)
    lengths = []
    for epoch_s in chosen.epoch_s:
        with tempfile.TemporaryDirectory(prefix="checkpoints-", dir=chosen.folder) as scratch:
            lengths.append(measure(epoch_s, chosen.rounds, Path(scratch), MODELS[MODEL][0]))
    words = ["python", "-m", "benchmarks.checkpoints", "--epoch-s", *(f"{each:g}" for each in chosen.epoch_s)]
    result = {
        "command": " ".join([*words, "--rounds", str(chosen.rounds), *(["--loaded"] if chosen.loaded else [])]),
        "rounds": chosen.rounds,
        "precision": resolve_precision("auto", "cpu"),
        "machine": machine(busy, "torch"),
        "lengths": lengths,
    }
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
