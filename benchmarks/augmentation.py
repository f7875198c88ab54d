"""Images per second of each augmentation: ours on batches, torchvision v2 on images, kornia (if installed) on batches.

    python -m benchmarks.augmentation [--size 32] [--batch 128] [--rounds 5] [--out benchmarks/results/augmentation]

Every operation changes every image (p = 1), with the recipe's default settings; the others get the same settings where
they have them. Ours and kornia get float batches, torchvision single uint8 images, as a data loader's worker does.
Random draws are included. One thread, CPU time of the process, the arms of an operation in turn, medians over rounds.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.common import write_result
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.augment.operations.step import Step
from cifar_sweep.recipe.augment import AugmentRecipe

Batch = Callable[[Tensor], Any]
SINGLE = 64  # images per round of torchvision's arm

BILINEAR = v2.InterpolationMode.BILINEAR
TORCHVISION: Mapping[str, Callable[[int], v2.Transform]] = {
    "vertical_flip": lambda size: v2.RandomVerticalFlip(1.0),
    "resized_crop": lambda size: v2.RandomResizedCrop(size),
    "rotation": lambda size: v2.RandomRotation(15, BILINEAR),
    "affine": lambda size: v2.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), interpolation=BILINEAR),
    "perspective": lambda size: v2.RandomPerspective(p=1.0),
    "rand_augment": lambda size: v2.RandAugment(),
    "trivial_augment": lambda size: v2.TrivialAugmentWide(),
    "aug_mix": lambda size: v2.AugMix(all_ops=False),
    "color_jitter": lambda size: v2.ColorJitter(0.2, 0.2, 0.2),
    "brightness_contrast": lambda size: v2.ColorJitter(0.2, 0.2),
    "grayscale": lambda size: v2.RandomGrayscale(1.0),
    "auto_contrast": lambda size: v2.RandomAutocontrast(1.0),
    "blur": lambda size: v2.GaussianBlur(13, (0.1, 2.0)),
    "gaussian_noise": lambda size: v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.GaussianNoise(0, 0.1)]),
    "jpeg": lambda size: v2.JPEG((50, 100)),
    "erasing": lambda size: v2.RandomErasing(1.0),
}


def kornia_transforms(size: int) -> Mapping[str, Callable[[], Batch]]:
    """Return kornia's counterparts; none if it is not installed."""
    try:
        import kornia.augmentation as K  # noqa: N812
        from kornia.augmentation import auto
    except ImportError:
        return {}
    return {
        "vertical_flip": lambda: K.RandomVerticalFlip(p=1.0),
        "resized_crop": lambda: K.RandomResizedCrop((size, size), p=1.0),
        "rotation": lambda: K.RandomRotation(15.0, p=1.0),
        "affine": lambda: K.RandomAffine(15.0, (0.1, 0.1), (0.9, 1.1), p=1.0),
        "perspective": lambda: K.RandomPerspective(0.5, p=1.0),
        "rand_augment": lambda: auto.RandAugment(2, 9),
        "trivial_augment": lambda: auto.TrivialAugment(),
        "color_jitter": lambda: K.ColorJitter(0.2, 0.2, 0.2, p=1.0),
        "brightness_contrast": lambda: K.ColorJitter(0.2, 0.2, p=1.0),
        "rgb_shift": lambda: K.RandomRGBShift(20 / 255, 20 / 255, 20 / 255, p=1.0),
        "grayscale": lambda: K.RandomGrayscale(p=1.0),
        "auto_contrast": lambda: K.RandomAutoContrast(p=1.0),
        "blur": lambda: K.RandomGaussianBlur((13, 13), (0.1, 2.0), p=1.0),
        "motion_blur": lambda: K.RandomMotionBlur((3, 7), 180.0, 0.0, p=1.0),
        "gaussian_noise": lambda: K.RandomGaussianNoise(0.0, 0.1, p=1.0),
        "jpeg": lambda: K.RandomJPEG((50.0, 100.0), p=1.0),
        "erasing": lambda: K.RandomErasing(p=1.0),
    }


def photos(count: int, size: int) -> Tensor:
    """Return (count, 3, size, size) uint8 crops of scikit-learn's photographs."""
    pictures = [torch.tensor(picture).permute(2, 0, 1) for picture in load_sample_images().images]
    places = [(17 * number % (427 - size), 29 * number % (640 - size)) for number in range(count)]
    cut = [
        pictures[number % 2][:, row : row + size, column : column + size] for number, (row, column) in enumerate(places)
    ]
    return torch.stack(cut).contiguous()


def ours(name: str) -> Batch:
    """Return a function that draws and applies the operation as the trainer does."""
    section = getattr(AugmentRecipe.model_validate({name: {"p": 1.0}}), name)
    operation = OPERATIONS[name](section)

    def change(images: Tensor) -> Tensor:
        count, size = len(images), images.shape[-1]
        return Step.of_epoch(name, operation, count, 0, 0, size)(images.clone(), slice(0, count), count)

    return change


def single(transform: v2.Transform) -> Batch:
    """Return a function that applies torchvision's transform image by image."""
    return lambda images: [transform(image) for image in images]


def arms(name: str, size: int, images: Tensor) -> dict[str, tuple[Batch, Tensor]]:
    """Return, by arm, the implementation of the operation and the images to time it on."""
    arms_of_operation: dict[str, tuple[Batch, Tensor]] = {"ours": (ours(name), images.float() / 255)}
    if name in TORCHVISION:
        arms_of_operation["torchvision"] = (single(TORCHVISION[name](size)), images[:SINGLE])
    counterparts = kornia_transforms(size)
    if name in counterparts:
        arms_of_operation["kornia"] = (counterparts[name](), images.float() / 255)
    return arms_of_operation


def compare(size: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return the images per second of every operation and arm, `rounds` times in turn after a warm-up."""
    images, speeds = photos(batch, size), {}
    for name in OPERATIONS:
        timed = arms(name, size, images)
        turns = [
            {arm: speed(transform, batch_images) for arm, (transform, batch_images) in timed.items()}
            for _ in range(rounds + 1)
        ]
        speeds[name] = {arm: [turn[arm] for turn in turns[1:]] for arm in timed}
        medians = {arm: round(statistics.median(values)) for arm, values in speeds[name].items()}
        print(f"{name}: {medians}", file=sys.stderr)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "python": platform.python_version()}
    if "kornia" in sys.modules:
        versions["kornia"] = sys.modules["kornia"].__version__
    return {"size": size, "batch": batch, "rounds": rounds, **versions, "images_per_s": speeds}


def speed(transform: Batch, images: Tensor) -> float:
    """Return the images per second of CPU time."""
    started = time.process_time()
    transform(images)
    return len(images) / (time.process_time() - started)


def table(result: dict[str, Any]) -> str:
    """Return the medians as Markdown."""
    versions = ", ".join(f"{name} {result[name]}" for name in ("torch", "torchvision", "kornia") if name in result)
    lines = [
        f"Images per second of CPU time, one thread, {result['size']} px, batches of {result['batch']}, every image "
        f"touched; medians of {result['rounds']} rounds; {versions}.",
        "",
        "| operation | ours, batch | torchvision v2, image by image | kornia, batch |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, speeds in result["images_per_s"].items():
        cells = [
            f"{statistics.median(speeds[arm]):,.0f}" if arm in speeds else "–"
            for arm in ("ours", "torchvision", "kornia")
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    if "kornia" in result:
        lines += ["", "kornia's two policies draw their operations for a whole batch, ours for each image."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", type=int, default=32, help="side of the images, in pixels")
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    result = compare(chosen.size, chosen.batch, chosen.rounds)
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
