"""Images per second of training on one thread: our trainer and a plain loop (`benchmarks.plain_loop`).

    python -m benchmarks.train_step [--steps 12] [--rounds 5] [--out benchmarks/results/train_step]

Both train the same network from the same weights on the same images, with crop, flip, normalisation, SGD with momentum
and weight decay, loading included: ours with the recipe's precision (bf16 where the processor computes in it, else
float32), channels last and whole-batch augmentation; the other in float32, contiguous, image by image. Processor time
of the process, the two in turn. On a GPU, `benchmarks/first_gpu.sh` is the one to run; for comparison, cifar10-airbench
publishes 94.01 % in 3.83 s of an A100 (9.9 epochs of 50,000 images: 129,000 images per second, compiled 160,000).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import plain_loop
from benchmarks.common import machine, machine_line, options, require_quiet, spread, write_result
from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.models import build
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.trainer import Trainer
from sweeps.workload import Run

MODELS = {
    "ResNet-8": ({"blocks": [1, 1, 1], "widths": [16, 32, 64], "strides": [1, 2, 2]}, 128),
    "ResNet-20": ({"blocks": [3, 3, 3], "widths": [16, 32, 64], "strides": [1, 2, 2]}, 128),
    "ResNet [1,1,1,1] 64-512": ({"blocks": [1, 1, 1, 1], "widths": [64, 128, 256, 512], "strides": [1, 2, 2, 2]}, 64),
}


def recipe_of(name: str, steps: int, file: Path) -> Recipe:
    """Return the recipe of a model with `steps` steps per epoch on the images in `file`."""
    model, batch = MODELS[name]
    return Recipe.model_validate(
        {
            "data": {"name": "npz", "path": str(file), "validation": 10, "train_limit": steps * batch, **FACTS},
            "model": {"name": "resnet", **model},
            "batch_size": batch,
            "optimizer": {"name": "sgd", "lr": 0.01},
        }
    )


FACTS = {"size": 32, "classes": 10, "channels": 3}


def ours(recipe: Recipe, folder: Path) -> Callable[[], None]:
    """Return a function that runs an epoch of `cifar_sweep`'s trainer."""
    trainer = Trainer.start(recipe, _run(folder))
    return lambda: _require_images(trainer.train_epoch().count)


def plain(recipe: Recipe, folder: Path) -> Callable[[], None]:
    """Return a function that runs an epoch of the plain loop."""
    images, split = plain_loop.load_training(recipe.data, _run(folder))
    pixels, labels = np.asarray(images.pixels)[split.train][..., :3], images.labels[split.train]
    batches = plain_loop.loader(pixels, labels, recipe.images_per_step, recipe.augment)
    network = build(recipe.model, recipe.data.shape)
    initialise(network, 0)
    optimizer = plain_loop.optimizer_of(recipe, network)

    def epoch() -> None:
        network.train()
        for seen, truth in batches:
            plain_loop.step(network, optimizer, seen, truth)

    return epoch


def _run(folder: Path) -> Run:
    access = frozenset({"train", "validation"})
    return Run(seed=0, split_seed=0, device="cpu", data_dir=folder, folder=folder, access=access)


def _require_images(count: int) -> None:
    assert count, "nothing was trained on"


def measure(name: str, steps: int, rounds: int, folder: Path) -> dict[str, list[float]]:
    """Return the images per second of processor time, by trainer."""
    recipe = recipe_of(name, steps, folder / "images.npz")
    ways = {"ours": ours(recipe, folder), "naive": plain(recipe, folder)}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, epoch in ways.items():
            began = time.process_time()
            epoch()
            if number:  # the first epoch is a warm-up
                rates[way].append(steps * recipe.images_per_step / (time.process_time() - began))
    return rates


def table(result: dict[str, Any]) -> str:
    """Return the medians as Markdown, a row per model."""
    lines = [
        f"Training, images per second of one core, data path included; {result['steps']} steps a round, "
        f"{result['rounds']} rounds in turn; ours in {result['precision']}.",
        "",
        "| model | batch | ours | naive, float32 | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, rates in result["images_per_second"].items():
        pairs = [a / b for a, b in zip(rates["ours"], rates["naive"], strict=True)]
        cells = (MODELS[name][1], *(spread(rates[way], ",.0f") for way in ("ours", "naive")), spread(pairs, ".2f"))
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", machine_line(result["machine"])]) + "\n"


def main() -> None:
    """Measure every model."""
    parser: argparse.ArgumentParser = options(__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=MODELS, help="this model (again for more), not all of them")
    chosen = parser.parse_args()
    busy = require_quiet(chosen.loaded)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="train-step-") as scratch:
        folder, generator = Path(scratch), np.random.default_rng(0)
        count = 20 + chosen.steps * 128
        pixels = generator.integers(0, 256, (count, 32, 32, 3), np.uint8)
        labels = generator.permutation(np.arange(count) % 10)
        np.savez(folder / "images.npz", x_train=pixels, y_train=labels, x_test=pixels[:20], y_test=labels[:20])
        rates = {name: measure(name, chosen.steps, chosen.rounds, folder) for name in chosen.only or MODELS}
    result = {
        "steps": chosen.steps,
        "rounds": chosen.rounds,
        "precision": resolve_precision("auto", "cpu"),
        "machine": machine(busy, "torch", "torchvision"),
        "images_per_second": rates,
    }
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
