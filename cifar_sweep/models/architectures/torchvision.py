"""torchvision's classifiers by name: the architecture as `body`, with the head in place of its last linear layer.

The parameters keep torchvision's names after `body.` (`body.layer1.0.conv1.weight`), so its weights load by name.
The head replaces the last linear layer and the dropout directly before it (set `head.dropout` instead). ConvNeXt's
LayerNorm and the first linear layers of VGG and AlexNet stay in the body. SqueezeNet's last convolution, before the
average pooling, becomes a linear head after it. GoogLeNet and Inception are built without auxiliary classifiers.
"""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.models.head import Classifier
from cifar_sweep.models.initial_draws import Draw, record_draws
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import TorchvisionRecipe
from cifar_sweep.schema import Shape

# Families that can have a small stem -> the max-pool that it removes; the first convolution needs no name.
POOLS: dict[str, str | None] = {
    "resnet": "maxpool",
    "resnext": "maxpool",
    "wide_resnet": "maxpool",
    "densenet": "features.pool0",
    "googlenet": "maxpool1",
    "shufflenet": "maxpool",
    "mobilenet": None,
    "efficientnet": None,
    "mnasnet": None,
    "regnet": None,
    "convnext": None,
}


def build(recipe: TorchvisionRecipe, shape: Shape) -> Network:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes).

    Raises:
        ValueError: torchvision has no such name, or the architecture takes no small stem, no stochastic depth or no
            images of this size.
    """
    _check_name(recipe.arch)
    if recipe.stem == "small" and not _families(recipe.arch):
        raise ValueError(f"model.stem must be imagenet for {recipe.arch}: small is for {', '.join(POOLS)}")
    return TorchvisionNetwork(recipe, shape)


class TorchvisionNetwork(Network):
    """An architecture of torchvision without its last layer (`body`), and the head."""

    def __init__(self, recipe: TorchvisionRecipe, shape: Shape) -> None:
        super().__init__()
        with record_draws() as recorder:
            self.body = _make_body(recipe.arch, shape)
        width = _remove_last_layer(self.body)
        _set_stochastic_depth(self.body, recipe)
        _adapt_first_convolution(self.body, recipe, shape.channels)
        # Read off only now: a layer that was replaced is drawn by He's rule, like every other of ours.
        self._draws = {f"body.{name}": draws for name, draws in recorder.draws(self.body).items()}
        self.head = Classifier(recipe.head, width, shape.classes)

    @property
    def draws(self) -> dict[str, tuple[Draw, ...]]:
        """How the architecture draws its own initial weights, by parameter name."""
        return self._draws

    def features(self, images: Tensor) -> Tensor:
        """Return the input of the architecture's last layer, (B, D), of images (B, channels, size, size)."""
        features: Tensor = self.body(images)
        return features


def _check_name(arch: str) -> None:
    """Raise ValueError, with the nearest names, unless torchvision has a classifier called `arch`."""
    from torchvision import models

    names = models.list_models(module=models)
    if arch not in names:
        nearest = difflib.get_close_matches(arch, names, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        raise ValueError(f"model.arch must be one of torchvision's {len(names)} classifiers but is {arch!r}{hint}")


def _make_body(arch: str, shape: Shape) -> nn.Module:
    """Return the architecture with random weights. Raises ValueError where it takes no images of this size."""
    from torchvision import models

    options: dict[str, Any] = {}
    if arch in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    elif arch.startswith("maxvit"):
        options = {"input_size": (shape.size, shape.size)}
    elif arch.startswith("vit"):
        options = {"image_size": shape.size}
    # RegNet computes its widths with tensors, which on the meta device would have no values.
    target = torch.get_default_device()
    try:
        with torch.device("cpu" if arch.startswith("regnet") else target):
            network: nn.Module = models.get_model(arch, weights=None, **options)
    except (AssertionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"model.arch: {arch} takes no images of {shape.size}x{shape.size} pixels: {reason}") from error
    return network.to(target)


def _remove_last_layer(body: nn.Module) -> int:
    """Remove the last linear layer of `body` and the dropout before it. Return the layer's number of inputs."""
    name = next(name for name in ("fc", "classifier", "heads", "head") if hasattr(body, name))
    parent, last = body, getattr(body, name)
    before = "dropout"  # its name in GoogLeNet and Inception
    if isinstance(last, nn.Sequential):
        parent, layers = last, list(last.named_children())
        index = max(i for i, (_, layer) in enumerate(layers) if isinstance(layer, nn.Linear | nn.Conv2d))
        name, last = layers[index]
        before = layers[index - 1][0] if index else ""
    setattr(parent, name, nn.Identity())
    if isinstance(getattr(parent, before, None), nn.Dropout):
        setattr(parent, before, nn.Identity())
    return int(last.in_features if isinstance(last, nn.Linear) else last.in_channels)


def _set_stochastic_depth(body: nn.Module, recipe: TorchvisionRecipe) -> None:
    """Scale the architecture's rates so that the largest is the recipe's. Raises ValueError where it has none."""
    from torchvision.ops import StochasticDepth

    if recipe.stochastic_depth is None:
        return
    blocks = [module for module in body.modules() if isinstance(module, StochasticDepth)]
    if not blocks and recipe.stochastic_depth > 0:
        raise ValueError(
            f"model.stochastic_depth must be null or 0 for {recipe.arch} but is {recipe.stochastic_depth:g}: "
            "only convnext, efficientnet, maxvit and swin have it"
        )
    largest = max((block.p for block in blocks), default=0.0)
    for block in blocks:
        block.p *= recipe.stochastic_depth / largest


def _adapt_first_convolution(body: nn.Module, recipe: TorchvisionRecipe, channels: int) -> None:
    """Give the first convolution the stem's kernel and stride and the images' channels, in place of max-pools."""
    name, first = next((n, module) for n, module in body.named_modules() if isinstance(module, nn.Conv2d))
    kernel, stride, padding = first.kernel_size, first.stride, first.padding
    if recipe.stem == "small":
        kernel, stride, padding = (3, 3), (1, 1), (1, 1)
        # The longest match: wide_resnet, not resnet.
        pool = POOLS[max(_families(recipe.arch), key=len)]
        if pool is not None:
            body.set_submodule(pool, nn.Identity())
    # A layer of the same shape is kept, with its own initial draws.
    if (channels, kernel) == (first.in_channels, first.kernel_size):
        first.stride, first.padding = stride, padding
        return
    options: Any = {"kernel_size": kernel, "stride": stride, "padding": padding, "bias": first.bias is not None}
    body.set_submodule(name, nn.Conv2d(channels, first.out_channels, **options))


def _families(arch: str) -> list[str]:
    """Return the families with a small stem whose names `arch` begins with."""
    return [family for family in POOLS if arch.startswith(family)]
