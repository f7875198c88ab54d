"""Export a trained network to a file for other programs, checked against the network itself."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from ruamel.yaml import YAML
from torch import Tensor

from cifar_sweep.augment.resize import apply_fit
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.classes import names_of
from cifar_sweep.inference.export_formats import FORMATS, Deployed, Format, Function, read_weights
from cifar_sweep.inference.trained import Trained
from cifar_sweep.recipe import Recipe
from cifar_sweep.schema import Shape
from sweeps.workload import Exported, Site, Unavailable

CHECKED_IMAGES = 32
TOLERANCE = 1e-4  # of a logit, relative to the largest one where that is above 1: another order of summation in float32
INSTALL = "pip install 'cifar-sweep[export]'"


def export_network(recipe: Recipe, model: Path, site: Site, form: str, folder: Path) -> Exported:
    """Write a trained network to `folder` as `model.<suffix>`, read it again and check its logits.

    The logits must be those of training's own code for 32 images of the training part (random ones where the data is
    missing), in float32 on the CPU. The file is removed where anything fails.

    Args:
        recipe: The recipe that the network was trained by.
        model: A checkpoint folder.
        site: The folder of the data.
        form: A name of `FORMATS`.
        folder: Where the file is written.

    Raises:
        Unavailable: A library that the format needs is not installed.
        ValueError: The format is unknown, or the logits differ by more than the tolerance.
    """
    file_format = _require_format(form)
    trained = Trained.load(recipe.model_copy(update={"precision": "fp32"}), model, torch.device("cpu"))
    deployed = Deployed(trained.network.to(memory_format=torch.contiguous_format), trained.scaling).eval()
    file = folder / f"model{file_format.suffix}"
    pixels = _example_pixels(recipe, site)
    try:
        with _silenced(), torch.no_grad():
            file_format.write(deployed, torch.rand(2, *_image_size(recipe.data.shape)), file)
            difference, largest = _difference(trained, pixels, file_format.read(recipe, file))
    except BaseException:
        _remove(file)
        raise
    tolerance = TOLERANCE * max(1.0, largest)
    if not difference <= tolerance:  # NaN fails too
        _remove(file)
        raise ValueError(f"{form}: loaded again, its logits differ by {difference:.2g}, more than {tolerance:.2g}")
    names = names_of(recipe.data, site.data_dir)
    return Exported(file, _contract(recipe), file_format.example, names, difference, tolerance, "logits")


def load_exported(folder: Path) -> Deployed:
    """Load a network that was exported as safetensors, in evaluation mode, from a folder with recipe.yaml.

    Example:
        >>> logits = load_exported(Path("exported"))(images)  # images (B, channels, size, size), float32 in 0..1
    """
    recipe = Recipe.model_validate(YAML(typ="safe", pure=True).load(folder / "recipe.yaml"))
    return read_weights(recipe, folder / "model.safetensors")


def _require_format(form: str) -> Format:
    """Return a format whose libraries are installed. Raises ValueError for an unknown one, Unavailable otherwise."""
    if form not in FORMATS:
        raise ValueError(f"the format must be {', '.join(FORMATS)} but is {form!r}")
    for module in FORMATS[form].modules:
        try:
            importlib.import_module(module)
        except ImportError:
            raise Unavailable(f"{form} needs the package {module}, which is not installed: {INSTALL}") from None
    return FORMATS[form]


def _example_pixels(recipe: Recipe, site: Site) -> Tensor:
    """Return images (N, size, size, stored channels) uint8 of the training part, never of the test set."""
    try:
        images = load_images(recipe.data, site.data_dir, "train")
        return apply_fit(torch.from_numpy(images.pixels[:CHECKED_IMAGES]), images.fit)
    except Unavailable:
        channels, height, width = _image_size(recipe.data.shape)
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (CHECKED_IMAGES, height, width, channels), dtype=torch.uint8, generator=generator)


def _difference(trained: Trained, pixels: Tensor, exported: Function) -> tuple[float, float]:
    """Return the largest difference between the logits of both, and the largest logit.

    The images are given as one batch, then two of them singly, since the file must take any batch size.
    """
    expected = trained.logits(pixels)
    images = pixels[..., : len(trained.scaling.factor)].permute(0, 3, 1, 2).float().div(255).contiguous()
    logits = [exported(images), *(exported(images[place : place + 1]) for place in range(2))]
    pairs = zip(logits, (expected, expected[:1], expected[1:2]), strict=True)
    return max(float((actual - target).abs().max()) for actual, target in pairs), float(expected.abs().max())


def _contract(recipe: Recipe) -> tuple[str, ...]:
    """Return sentences on the file's input and output, for its user."""
    shape = recipe.data.shape
    colours = "RGB" if shape.channels == 3 else "grey"
    fit = recipe.data.fit
    steps = [f"resized to {fit.resize} pixels a side (bilinear)"] if fit and fit.resize is not None else []
    steps += [f"then cut to their middle {fit.crop} pixels"] if fit and fit.crop is not None else []
    size = f"{shape.channels}, {shape.size}, {shape.size}"
    return (
        f"Input: images (B, {size}), float32 from 0 to 1 ({colours}), that is pixels / 255. "
        "Scaling to the mean and deviation of training is inside the model; any batch size.",
        *([f"Images must be brought to that size as in training: {', '.join(steps)}."] if steps else []),
        f"Output: logits (B, {shape.classes}); softmax makes them probabilities. classes.txt names the classes.",
    )


def _image_size(shape: Shape) -> tuple[int, int, int]:
    return shape.channels, shape.size, shape.size


def _remove(file: Path) -> None:
    for path in (file, file.with_name(f"{file.name}.data")):  # ONNX keeps large weights in a second file
        path.unlink(missing_ok=True)


@contextmanager
def _silenced() -> Iterator[None]:
    """Suppress the exporters' warnings about their own internals; the result is checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
