"""The formats of an exported network: how each is written, and how it is read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Scaling
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe

Function = Callable[[Tensor], Tensor]


class Deployed(nn.Module):
    """A network with the scaling of its pixels: images (B, channels, size, size) float32 in 0..1 -> logits.

    Attributes:
        factor: (1, channels, 1, 1), from intensities in 0..1 to the network's inputs.
        offset: (1, channels, 1, 1).
    """

    factor: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("factor", (255 * scaling.factor).view(1, -1, 1, 1))
        self.register_buffer("offset", scaling.offset.view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes)."""
        logits: Tensor = self.network(images * self.factor + self.offset)
        return logits


@dataclass(frozen=True)
class Format:
    """A format of exported networks.

    Attributes:
        suffix: The file's suffix, with its dot.
        modules: The libraries that writing and reading need, beyond torch.
        write: Writes a network to a file, given example images (2, channels, size, size) for tracing.
        read: Reads a file and returns a function from images to logits.
        example: Code for a user that loads the file and computes `logits`.
    """

    suffix: str
    modules: tuple[str, ...]
    write: Callable[[Deployed, Tensor, Path], None]
    read: Callable[[Recipe, Path], Function]
    example: str


def read_weights(recipe: Recipe, file: Path) -> Deployed:
    """Build the network of `recipe` and load its weights and scaling from a safetensors file, in evaluation mode."""
    from safetensors.torch import load_model

    scaling = Scaling.to_unit(recipe.data.shape.channels, torch.device("cpu"))  # replaced by the file's
    deployed = Deployed(build(recipe.model, recipe.data.shape), scaling)
    load_model(deployed, file)
    return deployed.eval()


def _write_safetensors(deployed: Deployed, example: Tensor, file: Path) -> None:
    from safetensors.torch import save_model

    save_model(deployed, str(file), metadata={"format": "pt"})
    file.chmod(0o644)  # safetensors makes files that only their owner can read


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
        read_weights,
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
