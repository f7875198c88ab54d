"""A trained network as a file for other programs, checked against the network itself."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from ruamel.yaml import YAML
from torch import Tensor, nn

from cifar_sweep.augment import Scaling
from cifar_sweep.augment.resize import fitted
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.classes import names_of
from cifar_sweep.inference.trained import Trained
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe
from cifar_sweep.schema import Shape
from sweeps.workload import Exported, Site, Unavailable

CHECKED = 32  # images
TOLERANCE = 1e-4  # of a logit, relative to the largest one where that is above 1: another order of summation in float32
INSTALL = "pip install 'cifar-sweep[export]'"

Function = Callable[[Tensor], Tensor]


class Deployed(nn.Module):
    """A network with the scaling of its pixels: images (B, channels, size, size), float32 from 0 to 1 -> logits."""

    factor: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("factor", (255 * scaling.factor).view(1, -1, 1, 1))
        self.register_buffer("offset", scaling.offset.view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """The logits (B, classes)."""
        logits: Tensor = self.network(images * self.factor + self.offset)
        return logits


@dataclass(frozen=True)
class Format:
    """How a network is written and read again: `write(deployed, example, file)`, `read(recipe, file)`.

    `modules` are the libraries that it needs; `example` is code that loads the file and computes `logits`.
    """

    suffix: str
    modules: tuple[str, ...]
    write: Callable[[Deployed, Tensor, Path], None]
    read: Callable[[Recipe, Path], Function]
    example: str


def export_network(recipe: Recipe, model: Path, site: Site, form: str, folder: Path) -> Exported:
    """Write the network in the checkpoint folder `model` as `model.<suffix>` into `folder`.

    It is read again and must give the logits that training would give for real images, random ones where the data are
    not here; in float32 on the CPU. Raises ValueError, and leaves no file, where it does not; ValueError for an unknown
    format; Unavailable where a library is missing.
    """
    chosen = _known(form)
    trained = Trained.load(recipe.model_copy(update={"precision": "fp32"}), model, torch.device("cpu"))
    deployed = Deployed(trained.network.to(memory_format=torch.contiguous_format), trained.scaling).eval()
    file = folder / f"model{chosen.suffix}"
    pixels = _images(recipe, site)
    try:
        with _quiet(), torch.no_grad():
            chosen.write(deployed, torch.rand(2, *_size(recipe.data.shape)), file)
            difference, largest = _difference(trained, pixels, chosen.read(recipe, file))
    except BaseException:
        _remove(file)
        raise
    tolerance = TOLERANCE * max(1.0, largest)
    if not difference <= tolerance:
        _remove(file)
        raise ValueError(f"{form}: loaded again, its logits differ by {difference:.2g}, more than {tolerance:.2g}")
    names = names_of(recipe.data, site.data_dir)
    return Exported(file, _contract(recipe), chosen.example, names, difference, tolerance, "logits")


def load_exported(folder: Path) -> Deployed:
    """The network in a folder that was exported as safetensors, in evaluation mode: by recipe.yaml and the weights."""
    recipe = Recipe.model_validate(YAML(typ="safe", pure=True).load(folder / "recipe.yaml"))
    return _rebuilt(recipe, folder / "model.safetensors")


def _rebuilt(recipe: Recipe, file: Path) -> Deployed:
    from safetensors.torch import load_model

    scaling = Scaling.to_unit(recipe.data.shape.channels, torch.device("cpu"))
    deployed = Deployed(build(recipe.model, recipe.data.shape), scaling)
    load_model(deployed, file)
    return deployed.eval()


def _known(form: str) -> Format:
    if form not in FORMATS:
        raise ValueError(f"the format must be {', '.join(FORMATS)} but is {form!r}")
    for module in FORMATS[form].modules:
        try:
            importlib.import_module(module)
        except ImportError:
            raise Unavailable(f"{form} needs the package {module}, which is not installed: {INSTALL}") from None
    return FORMATS[form]


def _images(recipe: Recipe, site: Site) -> Tensor:
    """Images (N, size, size, stored channels) uint8 to compare on: of the training part, never of the test set."""
    try:
        images = load_images(recipe.data, site.data_dir, "train")
        return fitted(torch.from_numpy(images.pixels[:CHECKED]), images.fit)
    except Unavailable:
        channels, height, width = _size(recipe.data.shape)
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (CHECKED, height, width, channels), dtype=torch.uint8, generator=generator)


def _difference(trained: Trained, pixels: Tensor, exported: Function) -> tuple[float, float]:
    """The largest difference between the logits of both, and the largest logit; one image at a time for a few."""
    expected = trained.logits(pixels)
    images = pixels[..., : len(trained.scaling.factor)].permute(0, 3, 1, 2).float().div(255).contiguous()
    found = [exported(images), *(exported(images[place : place + 1]) for place in range(2))]
    pairs = zip(found, (expected, expected[:1], expected[1:2]), strict=True)
    return max(float((ours - theirs).abs().max()) for ours, theirs in pairs), float(expected.abs().max())


def _contract(recipe: Recipe) -> tuple[str, ...]:
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


def _size(shape: Shape) -> tuple[int, int, int]:
    return shape.channels, shape.size, shape.size


def _remove(file: Path) -> None:
    for path in (file, file.with_name(f"{file.name}.data")):  # ONNX keeps large weights in a second file
        path.unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters tell of their own insides; what matters is checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_safetensors(deployed: Deployed, example: Tensor, file: Path) -> None:
    from safetensors.torch import save_model

    save_model(deployed, str(file), metadata={"format": "pt"})
    file.chmod(0o644)  # it is written for its owner alone


def _read_safetensors(recipe: Recipe, file: Path) -> Function:
    return _rebuilt(recipe, file)


def _write_torchscript(deployed: Deployed, example: Tensor, file: Path) -> None:
    torch.jit.trace(deployed, example).save(str(file))  # type: ignore[no-untyped-call]


def _read_torchscript(recipe: Recipe, file: Path) -> Function:
    loaded: Function = torch.jit.load(str(file))  # type: ignore[no-untyped-call]
    return loaded


def _write_program(deployed: Deployed, example: Tensor, file: Path) -> None:
    batch = {"images": {0: torch.export.Dim("batch", min=1)}}
    torch.export.save(torch.export.export(deployed, (example,), dynamic_shapes=batch), file)


def _read_program(recipe: Recipe, file: Path) -> Function:
    loaded: Function = torch.export.load(file).module()
    return loaded


def _write_onnx(deployed: Deployed, example: Tensor, file: Path) -> None:
    batch = {"images": {0: torch.export.Dim("batch", min=1)}}
    torch.onnx.export(
        deployed,
        (example,),
        file,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=batch,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _read_onnx(recipe: Recipe, file: Path) -> Function:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


FORMATS: Mapping[str, Format] = {
    "safetensors": Format(
        ".safetensors",
        ("safetensors",),
        _write_safetensors,
        _read_safetensors,
        "from pathlib import Path\nfrom cifar_sweep.inference.export import load_exported\n"
        'logits = load_exported(Path("."))(images)',
    ),
    "onnx": Format(
        ".onnx",
        ("onnx", "onnxscript", "onnxruntime"),
        _write_onnx,
        _read_onnx,
        "import onnxruntime\n"
        'session = onnxruntime.InferenceSession("model.onnx")\n'
        '[logits] = session.run(["logits"], {"images": images})  # a numpy array',
    ),
    "torchscript": Format(
        ".ts",
        (),
        _write_torchscript,
        _read_torchscript,
        'import torch\nlogits = torch.jit.load("model.ts")(images)',
    ),
    "torch.export": Format(
        ".pt2",
        (),
        _write_program,
        _read_program,
        'import torch\nlogits = torch.export.load("model.pt2").module()(images)',
    ),
}
