"""Images per second of crop, flip and normalisation: ours, PIL in a DataLoader, torchvision's v2 on tensors, kornia.

    python -m benchmarks.data_path [--images 5000] [--rounds 5] [--out benchmarks/results/data_path]

The work is that of one epoch: an order is drawn, every image is cropped with 4 pixels of padding, mirrored with
probability 1/2 and normalised, and batches of 128 are ready for the network. One thread a process; the arms in turn.
Images per second of processor time, which for the arm with two workers counts all three processes, and of wall time.
kornia is measured if it is installed (`uv run --with kornia ...`).
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

from benchmarks.common import machine, machine_line, options, require_quiet, spread, write_result
from benchmarks.plain_loop import loader
from cifar_sweep.augment import Augmentation, Scaling, Source
from cifar_sweep.recipe import AugmentRecipe
from cifar_sweep.schema import Shape

BATCH, SIZE, CROP = 128, 32, 4
AUGMENT = AugmentRecipe(crop=CROP, flip=True)
OURS, REFERENCE = "ours, in memory", "PIL, DataLoader, 0 workers"
Epoch = Callable[[int], Iterable[Any]]


def arms(pixels: np.ndarray, labels: np.ndarray) -> dict[str, Epoch]:
    """Return, by arm, a function from the epoch's number to its batches."""
    return {
        OURS: _ours(pixels, labels),
        REFERENCE: lambda epoch: loader(pixels, labels, BATCH, AUGMENT),
        "PIL, DataLoader, 2 workers": lambda epoch: loader(pixels, labels, BATCH, AUGMENT, workers=2),
        "torchvision v2 on tensors, DataLoader": _tensors(pixels, labels),
        **_kornia(pixels, labels),
    }


def _ours(pixels: np.ndarray, labels: np.ndarray) -> Epoch:
    stored = torch.from_numpy(np.pad(pixels, ((0, 0), (0, 0), (0, 0), (0, 1))))
    everything, device = torch.arange(len(labels)), torch.device("cpu")
    source = Source(stored, torch.from_numpy(labels), Scaling.measured(stored, everything, 3))
    shape = Shape(channels=3, size=SIZE, classes=10)

    def batches(epoch: int) -> Iterable[Any]:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(epoch))
        drawn = Augmentation.drawn(AUGMENT, shape, len(labels), 0, epoch, device, order)
        for start in range(0, len(labels) - BATCH + 1, BATCH):
            batch = slice(start, start + BATCH)
            yield drawn.batch(source, order[batch], batch)

    return batches


def _tensors(pixels: np.ndarray, labels: np.ndarray) -> Epoch:
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    mean, deviation = _moments(pixels)
    transform = v2.Compose(
        [
            v2.RandomCrop(SIZE, padding=CROP),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, deviation),
        ]
    )

    class Tensors(TensorDataset):
        def __getitem__(self, index: int) -> Any:
            image, label = super().__getitem__(index)
            return transform(image), label

    data = Tensors(images, torch.from_numpy(labels))
    return lambda epoch: DataLoader(data, BATCH, shuffle=True, drop_last=True)


def _kornia(pixels: np.ndarray, labels: np.ndarray) -> dict[str, Epoch]:
    try:
        import kornia.augmentation as K  # noqa: N812
    except ImportError:
        print("kornia is not installed: left out", file=sys.stderr)
        return {}
    mean, deviation = _moments(pixels)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    transform = torch.nn.Sequential(
        K.RandomCrop((SIZE, SIZE), padding=CROP), K.RandomHorizontalFlip(), K.Normalize(mean, deviation)
    )

    def batches(epoch: int) -> Iterable[Any]:
        order = torch.randperm(len(labels))
        for start in range(0, len(labels) - BATCH + 1, BATCH):
            index = order[start : start + BATCH]
            yield transform(images[index].float() / 255), index

    return {"kornia, whole batches": batches}


def _moments(pixels: np.ndarray) -> tuple[list[float], list[float]]:
    channels = pixels.reshape(-1, 3) / 255
    return channels.mean(0).tolist(), channels.std(0).tolist()


def timed(epoch: Iterable[Any]) -> tuple[int, float, float]:
    """Return the number of images in the batches, the processor seconds of all processes, and the wall seconds."""
    began, cpu = time.perf_counter(), _cpu_seconds()
    count = sum(len(images) for images, _ in epoch)
    return count, _cpu_seconds() - cpu, time.perf_counter() - began


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def compare(images: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the images per second of processor time and of wall time, by arm."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (images, SIZE, SIZE, 3), np.uint8)
    labels = generator.integers(0, 10, images)
    ways = arms(pixels, labels)
    images_per_second: dict[str, dict[str, list[float]]] = {
        name: {"per_cpu_second": [], "per_second": []} for name in ways
    }
    for number in range(rounds + 1):
        for name, epoch in ways.items():
            count, cpu_s, wall_s = timed(epoch(number))
            if number:  # the first time is for getting warm
                images_per_second[name]["per_cpu_second"].append(count / cpu_s)
                images_per_second[name]["per_second"].append(count / wall_s)
    return images_per_second


def table(result: dict[str, Any]) -> str:
    """Return the medians, ranges and ratios to the reference arm, as Markdown."""
    images_per_second = result["images_per_second"]
    reference = statistics.median(images_per_second[REFERENCE]["per_cpu_second"])
    lines = [
        f"Images per second, 32x32 colour, crop with padding 4, flip, normalise, batches of {BATCH}; "
        f"{result['images']:,} images an epoch, {result['rounds']} rounds in turn, one thread a process.",
        "",
        "| way | per second of processor time | times PIL with 0 workers | per second |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, rates in images_per_second.items():
        times = statistics.median(rates["per_cpu_second"]) / reference
        cpu, wall = spread(rates["per_cpu_second"], ",.0f"), spread(rates["per_second"], ",.0f")
        lines.append(f"| {name} | {cpu} | {times:.2f} | {wall} |")
    return "\n".join([*lines, "", machine_line(result["machine"])]) + "\n"


def main() -> None:
    """Measure every arm."""
    parser = options(__doc__)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    busy = require_quiet(chosen.loaded)
    torch.set_num_threads(1)
    result = {
        "images": chosen.images,
        "rounds": chosen.rounds,
        "machine": machine(busy, "torch", "torchvision", "pillow"),
        "images_per_second": compare(chosen.images, chosen.rounds),
    }
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
