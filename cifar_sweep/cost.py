"""Count a network's parameters and multiply-accumulates without training or allocating it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.models import ModelRecipe, build
from cifar_sweep.models.size import check_size
from cifar_sweep.recipe import TransferRecipe
from cifar_sweep.schema import Shape
from cifar_sweep.transfer import trainable_parameters

EVERYTHING_TRAINED = TransferRecipe()


# Cached: candidates of a search that differ in other settings only have the same network.
@lru_cache(maxsize=4096)
def network_cost(recipe: ModelRecipe, shape: Shape, transfer: TransferRecipe = EVERYTHING_TRAINED) -> dict[str, int]:
    """Return the parameters and multiply-accumulates (MACs) per image of the network of `recipe`.

    Nothing is allocated or computed, however large the network.

    Args:
        recipe: The settings of the network.
        shape: The images and classes that it is built for.
        transfer: Which parameters are frozen in the first epoch.

    Returns:
        `parameters`; `trainable_parameters`, those that the first epoch trains; and `macs`, those of convolutions,
        linear layers and the four projections of attention. The products of attention's queries, keys and values are
        left out (4 % of a ViT-B/16's MACs at 224 pixels), as are norms, pooling and the comparison with text
        embeddings.

    Raises:
        ValueError: The images are too small for the network, its settings contradict each other, or no parameter
            would be trained.
    """
    with torch.device("meta"):
        network = build(recipe, shape)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "trainable_parameters": trainable_parameters(network, transfer),
        "macs": _macs(network, shape),
    }


def _macs(network: nn.Module, shape: Shape) -> int:
    """Return the MACs of one image, from the shapes that an empty batch takes on its way through `network`.

    torch.utils.flop_counter on the meta device counts twice as much (a multiplication and an addition per MAC) and
    agrees, but its first call imports torch's compiler: 5 s, where this takes 20 ms.
    """
    macs = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        nonlocal macs
        macs += _layer_macs(module, inputs[0], output)

    network._apply(_uninitialised)  # type: ignore[no-untyped-call]
    for module in network.modules():
        module.register_forward_hook(add)
    check_size(network, shape)
    return macs


def _uninitialised(tensor: Tensor) -> Tensor:
    """Return a CPU tensor of the shape and type of `tensor`, whose floating-point values are undefined."""
    # torch.empty reserves addresses only; the pages are never touched, so they take no memory.
    # Integers may be used as indices (relative positions in Swin), so they must be valid ones: zeros.
    make = torch.empty if tensor.is_floating_point() else torch.zeros
    return make(tensor.shape, dtype=tensor.dtype)


def _layer_macs(layer: nn.Module, inputs: Tensor, output: Any) -> int:
    """Return a layer's MACs per image. Tensors are (0, ..., features), around convolutions (0, channels, H, W)."""
    if isinstance(layer, nn.Conv2d):
        return int(output.shape[2:].numel()) * layer.weight.numel()
    if isinstance(layer, nn.Linear):
        return int(output.shape[1:-1].numel()) * layer.weight.numel()
    if isinstance(layer, nn.MultiheadAttention):
        return inputs.shape[1] * _element_count(layer, "in_proj_weight", "out_proj.weight")
    # torchvision's class passes the weights of its linear layers to a function, so their hooks never fire.
    if type(layer).__name__.startswith("ShiftedWindowAttention"):
        return inputs.shape[1:-1].numel() * _element_count(layer, "qkv.weight", "proj.weight")
    return 0


def _element_count(layer: nn.Module, *names: str) -> int:
    """Return how many numbers the parameters `names` of `layer` have together."""
    return sum(layer.get_parameter(name).numel() for name in names)
