"""Draw the pictures of docs/augmentations.md: for each operation an image and six draws.

    python docs/augmentations.py

The images are scikit-learn's two photographs, cut to squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.nn.functional import interpolate

from cifar_sweep.augment import Augmentation, Scaling, Source
from cifar_sweep.recipe.augment import AugmentRecipe
from cifar_sweep.schema import Shape

FOLDER = Path(__file__).parent / "images"
SIDE, GAP, LABEL, DRAWS = 72, 3, 150, 6
SQUARES = ((0, 20, 170, 380), (1, 0, 130, 420))  # photograph, first row, first column, side

PLAIN = {"crop": 0, "flip": False}
PICTURES: dict[str, dict[str, dict[str, Any]]] = {
    "geometric": {
        "crop": {**PLAIN, "crop": 12},
        "flip": {**PLAIN, "flip": True},
        "vertical_flip": {**PLAIN, "vertical_flip": {}},
        "resized_crop": {**PLAIN, "resized_crop": {}},
        "rotation": {**PLAIN, "rotation": {}},
        "affine": {**PLAIN, "affine": {"shear": 15}},
        "perspective": {**PLAIN, "perspective": {"p": 1.0}},
    },
    "colour": {
        "color_jitter": {**PLAIN, "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}},
        "brightness_contrast": {**PLAIN, "brightness_contrast": {"p": 1.0}},
        "rgb_shift": {**PLAIN, "rgb_shift": {"p": 1.0}},
        "grayscale": {**PLAIN, "grayscale": {"p": 0.5}},
        "auto_contrast": {**PLAIN, "auto_contrast": {}},
    },
    "camera": {
        "blur": {**PLAIN, "blur": {"p": 1.0}},
        "motion_blur": {**PLAIN, "motion_blur": {"p": 1.0}},
        "gaussian_noise": {**PLAIN, "gaussian_noise": {"p": 1.0}},
        "iso_noise": {**PLAIN, "iso_noise": {"p": 1.0, "intensity": [0.3, 0.5]}},
        "jpeg": {**PLAIN, "jpeg": {"p": 1.0, "quality": [5, 30]}},
    },
    "policies": {
        "erasing": {**PLAIN, "erasing": {"p": 1.0}},
        "cutout": {**PLAIN, "cutout": {"size": 24}},
        "rand_augment": {**PLAIN, "rand_augment": {}},
        "trivial_augment": {**PLAIN, "trivial_augment": {}},
        "aug_mix": {**PLAIN, "aug_mix": {}},
        "mixup": {**PLAIN, "mix": {"mixup": 1.0}},
        "cutmix": {**PLAIN, "mix": {"cutmix": 1.0}},
    },
}


def squares() -> Tensor:
    """(2, SIDE, SIDE, 4) bytes: the two photographs as the trainer keeps images."""
    pictures = load_sample_images().images
    cut = [pictures[number][row : row + side, left : left + side] for number, row, left, side in SQUARES]
    small = [
        interpolate(torch.tensor(each).permute(2, 0, 1)[None].float(), size=SIDE, mode="bilinear", antialias=True)
        for each in cut
    ]
    pixels = torch.cat(small).round().to(torch.uint8).permute(0, 2, 3, 1)
    return torch.cat([pixels, torch.zeros_like(pixels[..., :1])], 3).contiguous()


def views(settings: dict[str, Any], source: Source, first: int) -> Iterator[np.ndarray]:
    """The image `first` of the source and six draws of it, (SIDE, SIDE, 3) bytes each."""
    recipe, shape = AugmentRecipe.model_validate(settings), Shape(channels=3, size=SIDE, classes=2)
    drawn = Augmentation.drawn(recipe, shape, 2 * DRAWS, 1, 0, torch.device("cpu"))
    yield source.pixels[first, ..., :3].numpy()
    for number in range(DRAWS):
        pair = slice(2 * number, 2 * number + 2)  # with the other image, which MixUp and CutMix mix it with
        images, labels = drawn.batch(source, torch.tensor([first, 1 - first]), pair)
        image = drawn.mix(images, labels, pair).images[0]
        yield (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def draw(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Write the picture of some operations, a row each."""
    pixels = squares()
    source = Source(pixels, torch.arange(2), Scaling.to_unit(3, torch.device("cpu")))
    width, height = LABEL + (DRAWS + 1) * (SIDE + GAP) + GAP, len(rows) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, (name, settings) in enumerate(rows.items()):
        top = GAP + row * (SIDE + GAP)
        pen.text((6, top + SIDE / 2), name, fill="black", font=font, anchor="lm")
        for column, view in enumerate(views(settings, source, row % 2)):
            sheet.paste(Image.fromarray(view), (LABEL + column * (SIDE + GAP) + (GAP if column else 0), top))
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for title, rows in PICTURES.items():
        draw(rows, FOLDER / f"augment-{title}.png")
